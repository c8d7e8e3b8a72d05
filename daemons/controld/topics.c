/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#define HASH_NONFATAL_OOM 1
#define HASH_INITIAL_NUM_BUCKETS 4U /* most topics are a node's own and have one item */
#define HASH_INITIAL_NUM_BUCKETS_LOG2 2U
#include <uthash.h>
#include <utlist.h>

#include "base/array.h"
#include "base/log.h"
#include "controld/topics.h"

#define TOMBSTONES_MIN 1000
#define CACHE_ENTRIES_MAX 64
#define CACHE_BYTES_MAX (UINT64_C(16) * 1024 * 1024)
#define CACHE_IDLE_SECONDS 60

typedef struct Topic Topic;
typedef struct Subscription Subscription;

typedef struct TopicItem {
        UT_hash_handle hh;
        struct TopicItem *prev, *next; /* in the order of revisions, the newest last */
        uint64_t revision;
        char *data; /* NULL: tombstone */
        char id[];
} TopicItem;

struct Subscription {
        Subscription *prev, *next; /* of the topic */
        Topic *topic;
        Subscriber *subscriber;
};

struct Topic {
        UT_hash_handle hh;
        Topic *touched_prev, *touched_next;
        TopicItem *items; /* by id */
        TopicItem *list;
        Subscription *subscriptions;
        uint64_t head;      /* highest revision of an item */
        uint64_t published; /* what every subscriber has */
        uint64_t floor;     /* below it tombstones are forgotten */
        size_t n_items, n_tombstones;
        TopicClass class;
        bool unsorted, touched;
        char name[];
};

struct Subscriber {
        Subscriber *prev, *next; /* of the heartbeat slot */
        HttpStream *stream;
        Subscription *subscriptions;
        uint8_t n_subscriptions;
        uint8_t slot;
        bool overrun; /* its queue is full: the server is about to close it */
};

/* The batches that lead from one revision to the head, for those who reconnect. */
typedef struct CatchUp {
        Topic *topic; /* NULL: free */
        uint64_t from;
        HttpBlob **blobs;
        size_t n_blobs, n_bytes;
        uint64_t used; /* the tick */
} CatchUp;

struct Topics {
        char *controller_id;
        uint64_t epoch;
        const Secret *signing_key;
        char *key_id;
        Topic *topics;  /* by name */
        Topic *touched; /* since the last topics_publish() */
        Subscriber *slots[TOPICS_HEARTBEAT_SECONDS];
        HttpBlob *heartbeat;
        CatchUp cache[CACHE_ENTRIES_MAX];
        uint64_t cache_bytes, tick;
        uint8_t next_slot;
        TopicsCounters counters;
};

/* ---- topics and items ---- */

static TopicItem *topic_item_free(TopicItem *i) {
        if (!i)
                return NULL;
        free(i->data);
        return mfree(i);
}

static Topic *find_topic(const Topics *t, const char *name) {
        Topic *topic;

        HASH_FIND_STR(t->topics, name, topic);
        return topic;
}

static TopicItem *find_item(const Topic *topic, const char *id) {
        TopicItem *i;

        HASH_FIND_STR(topic->items, id, i);
        return i;
}

static int get_topic(Topics *t, const char *name, Topic **ret) {
        char owner[OBJECT_ID_MAX];
        TopicClass class;
        Topic *topic;
        size_t len;
        int r;

        topic = find_topic(t, name);
        if (topic) {
                *ret = topic;
                return 0;
        }
        r = topic_parse(name, &class, owner);
        if (r < 0)
                return r;
        len = strlen(name);
        topic = calloc(1, sizeof(*topic) + len + 1);
        if (!topic)
                return -ENOMEM;
        memcpy(topic->name, name, len);
        topic->class = class;
        HASH_ADD_KEYPTR(hh, t->topics, topic->name, len, topic);
        if (!topic->hh.tbl) {
                free(topic);
                return -ENOMEM;
        }
        *ret = topic;
        return 0;
}

static int new_item(Topic *topic, const char *id, TopicItem **ret) {
        TopicItem *i;
        size_t len;

        if (!item_id_is_valid(id))
                return -EINVAL;
        len = strlen(id);
        i = calloc(1, sizeof(*i) + len + 1);
        if (!i)
                return -ENOMEM;
        memcpy(i->id, id, len);
        HASH_ADD_KEYPTR(hh, topic->items, i->id, len, i);
        if (!i->hh.tbl) {
                free(i);
                return -ENOMEM;
        }
        DL_APPEND(topic->list, i);
        topic->n_items++;
        topic->n_tombstones++; /* until it gets data */
        *ret = i;
        return 0;
}

static void drop_item(Topic *topic, TopicItem *i) {
        HASH_DELETE(hh, topic->items, i);
        DL_DELETE(topic->list, i);
        topic->n_items--;
        if (!i->data)
                topic->n_tombstones--;
        (void) topic_item_free(i);
}

/* Puts data into a new or known item and the item at the end of the list. */
static int store_item(Topic *topic, const char *id, uint64_t revision, const char *data) {
        _cleanup_free_ char *copy = NULL;
        TopicItem *i;
        int r;

        if (data) {
                copy = strdup(data);
                if (!copy)
                        return -ENOMEM;
        }
        i = find_item(topic, id);
        if (!i) {
                r = new_item(topic, id, &i);
                if (r < 0)
                        return r;
        }
        if (i->data && !copy)
                topic->n_tombstones++;
        else if (!i->data && copy)
                topic->n_tombstones--;
        free(i->data);
        i->data = TAKE(copy);
        i->revision = revision;
        DL_DELETE(topic->list, i);
        DL_APPEND(topic->list, i);
        topic->head = MAX(topic->head, revision);
        return 0;
}

static int compare_revisions(const TopicItem *a, const TopicItem *b) {
        return a->revision < b->revision ? -1 : a->revision > b->revision ? 1 : strcmp(a->id, b->id);
}

/* The store hands items out in another order than that of their revisions. */
static void sort_topic(Topic *topic) {
        if (!topic->unsorted)
                return;
        DL_SORT(topic->list, compare_revisions);
        topic->unsorted = false;
}

/* Agents that are older than what is dropped here get a snapshot. */
static void forget_tombstones(Topic *topic) {
        TopicItem *i, *next;
        size_t n;

        if (topic->n_tombstones <= topic->n_items / 2 + TOMBSTONES_MIN)
                return;
        n = topic->n_tombstones / 2;
        DL_FOREACH_SAFE(topic->list, i, next) {
                if (n == 0)
                        return;
                if (i->data)
                        continue;
                topic->floor = MAX(topic->floor, i->revision);
                drop_item(topic, i);
                n--;
        }
}

static Topic *topic_free(Topic *topic) {
        TopicItem *i, *next;

        HASH_CLEAR(hh, topic->items);
        DL_FOREACH_SAFE(topic->list, i, next)
        (void) topic_item_free(i);
        return mfree(topic);
}

/* ---- encoding ---- */

typedef struct Blobs {
        HttpBlob **blobs;
        size_t n, bytes, items;
} Blobs;

static void blobs_done(Blobs *b) {
        for (size_t i = 0; i < b->n; i++)
                (void) http_blob_unref(b->blobs[i]);
        free(b->blobs);
        *b = (Blobs) { 0 };
}

static int add_blob(Blobs *b, const char *line, size_t len) {
        HttpBlob **blobs;
        int r;

        blobs = reallocarray(b->blobs, b->n + 1, sizeof(*blobs));
        if (!blobs)
                return -ENOMEM;
        b->blobs = blobs;
        r = http_blob_new(line, len, &b->blobs[b->n]);
        if (r < 0)
                return r;
        b->n++;
        b->bytes += len;
        return 0;
}

static int encode_part(Topics *t, const Batch *head, const BatchText *items, size_t n, Blobs *ret) {
        _cleanup_free_ char *payload = NULL, *envelope = NULL;
        size_t payload_len, len;
        int r;

        r = batch_text_to_json(head, items, n, &payload, &payload_len);
        if (r < 0)
                return r;
        r = envelope_encode(t->signing_key, t->key_id, DOMAIN_BATCH, payload, payload_len, &envelope, &len);
        if (r < 0)
                return r;
        envelope[len] = '\n'; /* in the place of the NUL: from here on it is bytes */
        r = add_blob(ret, envelope, len + 1);
        if (r < 0)
                return r;
        ret->items += n;
        t->counters.batches_encoded++;
        t->counters.items_sent += n;
        return 0;
}

/* First item that is newer than a revision, from the end: as far as there is something to say. */
static TopicItem *first_after(const Topic *topic, uint64_t revision) {
        TopicItem *i, *first = NULL;

        if (!topic->list)
                return NULL;
        for (i = topic->list->prev; i->revision > revision; i = i->prev) {
                first = i;
                if (i == topic->list)
                        break;
        }
        return first;
}

/* Collects the next part's items, beginning at *i, which moves on. Items of one revision stay together. */
static int collect_part(TopicItem **i, bool with_tombstones, BatchText **items, size_t *allocated,
                        size_t *ret_n) {
        uint64_t revision = 0;
        size_t n = 0;
        int r;

        for (; *i; *i = (*i)->next) {
                if (n >= BATCH_ITEMS_WANTED && (*i)->revision != revision)
                        break;
                if (!(*i)->data && !with_tombstones)
                        continue;
                r = array_reserve(items, allocated, n + 1, sizeof(**items), 16);
                if (r < 0)
                        return r;
                revision = (*i)->revision;
                (*items)[n++] = (BatchText) { .id = (*i)->id, .revision = revision, .data = (*i)->data };
        }
        *ret_n = n;
        return 0;
}

/* All that leads from a revision to the head, in as many batches as it needs. */
static int encode_topic(Topics *t, Topic *topic, uint64_t from, bool snapshot, Blobs *ret) {
        _cleanup_(blobs_done) Blobs blobs = { 0 };
        _cleanup_free_ BatchText *items = NULL;
        size_t allocated = 0, n;
        TopicItem *i;
        Batch head = {
                .controller_id = t->controller_id,
                .epoch = t->epoch,
                .topic = topic->name,
                .from = snapshot ? 0 : from,
                .snapshot = snapshot,
        };
        int r;

        i = snapshot ? topic->list : first_after(topic, from);
        do {
                r = collect_part(&i, !snapshot, &items, &allocated, &n);
                if (r < 0)
                        return r;
                head.to = i ? items[n - 1].revision : topic->head;
                r = encode_part(t, &head, items, n, &blobs);
                if (r < 0)
                        return r;
                head.from = head.to;
                head.snapshot = false;
        } while (i);
        *ret = blobs;
        blobs = (Blobs) { 0 };
        return 0;
}

/* ---- catch-up ---- */

static void catch_up_done(Topics *t, CatchUp *c) {
        for (size_t i = 0; i < c->n_blobs; i++)
                (void) http_blob_unref(c->blobs[i]);
        free(c->blobs);
        t->cache_bytes -= c->n_bytes;
        *c = (CatchUp) { 0 };
}

static void forget_catch_ups(Topics *t, const Topic *topic) {
        for (size_t i = 0; i < CACHE_ENTRIES_MAX; i++)
                if (t->cache[i].topic == topic)
                        catch_up_done(t, &t->cache[i]);
}

static CatchUp *oldest_catch_up(Topics *t) {
        CatchUp *oldest = &t->cache[0];

        for (size_t i = 0; i < CACHE_ENTRIES_MAX && oldest->topic; i++)
                if (!t->cache[i].topic || t->cache[i].used < oldest->used)
                        oldest = &t->cache[i];
        return oldest;
}

static CatchUp *oldest_used_catch_up(Topics *t) {
        CatchUp *oldest = NULL;

        for (size_t i = 0; i < CACHE_ENTRIES_MAX; i++)
                if (t->cache[i].topic && (!oldest || t->cache[i].used < oldest->used))
                        oldest = &t->cache[i];
        return oldest;
}

/* Takes the blobs when it keeps them. */
static bool remember_catch_up(Topics *t, Topic *topic, uint64_t from, Blobs *blobs) {
        CatchUp *c;

        /* A node's own topic has one reader. */
        if (topic->class == TOPIC_NODE || blobs->bytes > CACHE_BYTES_MAX)
                return false;
        c = oldest_catch_up(t);
        if (c->topic)
                catch_up_done(t, c);
        while (t->cache_bytes + blobs->bytes > CACHE_BYTES_MAX)
                catch_up_done(t, oldest_used_catch_up(t));
        *c = (CatchUp) {
                .topic = topic,
                .from = from,
                .blobs = blobs->blobs,
                .n_blobs = blobs->n,
                .n_bytes = blobs->bytes,
                .used = t->tick,
        };
        t->cache_bytes += blobs->bytes;
        return true;
}

static const CatchUp *find_catch_up(Topics *t, const Topic *topic, uint64_t from) {
        for (size_t i = 0; i < CACHE_ENTRIES_MAX; i++)
                if (t->cache[i].topic == topic && t->cache[i].from == from) {
                        t->cache[i].used = t->tick;
                        return &t->cache[i];
                }
        return NULL;
}

static void send_blob(Topics *t, Subscriber *s, HttpBlob *blob, size_t bytes) {
        int r;

        if (s->overrun)
                return;
        r = http_stream_write_blob(s->stream, blob);
        if (r < 0) {
                /* It comes again and says what it has. */
                log_debug_errno(r, "A stream's queue is full: %m");
                s->overrun = true;
                return;
        }
        t->counters.batches_sent++;
        t->counters.bytes_sent += bytes;
}

static void send_blobs(Topics *t, Subscriber *s, HttpBlob *const *blobs, size_t n, size_t bytes) {
        for (size_t i = 0; i < n; i++)
                send_blob(t, s, blobs[i], i == 0 ? bytes : 0);
}

/* have beyond the head: a snapshot that the agent refuses as a rollback and reports, which is what an
 * operator should see. */
static int catch_up(Topics *t, Subscriber *s, Topic *topic, uint64_t have) {
        _cleanup_(blobs_done) Blobs blobs = { 0 };
        const CatchUp *known;
        uint64_t from;
        int r;

        if (have == topic->head)
                return 0;
        sort_topic(topic);
        forget_tombstones(topic);
        from = have < topic->floor || have > topic->head ? 0 : have;
        known = find_catch_up(t, topic, from);
        if (known) {
                send_blobs(t, s, known->blobs, known->n_blobs, known->n_bytes);
                return 0;
        }
        r = encode_topic(t, topic, from, from == 0, &blobs);
        if (r < 0)
                return r;
        send_blobs(t, s, blobs.blobs, blobs.n, blobs.bytes);
        if (remember_catch_up(t, topic, from, &blobs))
                blobs = (Blobs) { 0 };
        return 0;
}

/* ---- the controller's side ---- */

int topics_new(const char *controller_id, uint64_t epoch, const Secret *signing_key, const char *key_id,
               Topics **ret) {
        _cleanup_(topics_freep) Topics *t = NULL;
        int r;

        assert(controller_id && signing_key && key_id && ret);

        t = new(Topics);
        if (!t)
                return -ENOMEM;
        *t = (Topics) {
                .controller_id = strdup(controller_id),
                .epoch = epoch,
                .signing_key = signing_key,
                .key_id = strdup(key_id),
        };
        if (!t->controller_id || !t->key_id)
                return -ENOMEM;
        r = http_blob_new("\n", 1, &t->heartbeat);
        if (r < 0)
                return r;
        *ret = TAKE(t);
        return 0;
}

static Subscriber *subscriber_free(Topics *t, Subscriber *s) {
        for (size_t i = 0; i < s->n_subscriptions; i++)
                DL_DELETE(s->subscriptions[i].topic->subscriptions, &s->subscriptions[i]);
        DL_DELETE(t->slots[s->slot], s);
        t->counters.subscribers--;
        free(s->subscriptions);
        return mfree(s);
}

Topics *topics_free(Topics *t) {
        Topic *topic, *next;

        if (!t)
                return NULL;
        for (size_t i = 0; i < TOPICS_HEARTBEAT_SECONDS; i++)
                while (t->slots[i])
                        (void) subscriber_free(t, t->slots[i]);
        for (size_t i = 0; i < CACHE_ENTRIES_MAX; i++)
                catch_up_done(t, &t->cache[i]);
        HASH_ITER(hh, t->topics, topic, next) {
                HASH_DELETE(hh, t->topics, topic);
                (void) topic_free(topic);
        }
        (void) http_blob_unref(t->heartbeat);
        free(t->controller_id);
        free(t->key_id);
        return mfree(t);
}

const TopicsCounters *topics_counters(const Topics *t) {
        return &t->counters;
}

int topics_load(Topics *t, const char *topic_name, const char *item, uint64_t revision, const char *data) {
        Topic *topic;
        int r;

        r = get_topic(t, topic_name, &topic);
        if (r < 0)
                return r;
        if (revision < topic->head)
                topic->unsorted = true;
        r = store_item(topic, item, revision, data);
        if (r < 0)
                return r;
        topic->published = topic->head;
        return 0;
}

uint64_t topics_revision(const Topics *t, const char *topic_name) {
        const Topic *topic = find_topic(t, topic_name);

        return topic ? topic->head : 0;
}

const char *topics_get(const Topics *t, const char *topic_name, const char *item) {
        const Topic *topic = find_topic(t, topic_name);
        const TopicItem *i = topic ? find_item(topic, item) : NULL;

        return i ? i->data : NULL;
}

int topics_set(Topics *t, const char *topic_name, const char *item, uint64_t revision, const char *data) {
        Topic *topic;
        int r;

        r = get_topic(t, topic_name, &topic);
        if (r < 0)
                return r;
        if (revision < topic->head || revision <= topic->published)
                return -EINVAL;
        sort_topic(topic);
        r = store_item(topic, item, revision, data);
        if (r < 0)
                return r;
        forget_catch_ups(t, topic);
        if (!topic->touched) {
                topic->touched = true;
                DL_APPEND2(t->touched, topic, touched_prev, touched_next);
        }
        return 0;
}

/* What could not be encoded goes out with the topic's next batch: "published" has not moved. */
static void publish_topic(Topics *t, Topic *topic) {
        _cleanup_(blobs_done) Blobs blobs = { 0 };
        Subscription *s, *next;
        int r;

        if (topic->subscriptions) {
                r = encode_topic(t, topic, topic->published, false, &blobs);
                if (r < 0) {
                        (void) log_error_errno(r, "Failed to encode a batch of %s: %m", topic->name);
                        return;
                }
                DL_FOREACH_SAFE(topic->subscriptions, s, next)
                send_blobs(t, s->subscriber, blobs.blobs, blobs.n, blobs.bytes);
        }
        topic->published = topic->head;
        forget_tombstones(topic);
}

void topics_publish(Topics *t) {
        while (t->touched) {
                Topic *topic = t->touched;

                DL_DELETE2(t->touched, topic, touched_prev, touched_next);
                topic->touched = false;
                publish_topic(t, topic);
        }
}

void topics_heartbeat(Topics *t) {
        Subscriber *s, *next;

        t->tick++;
        DL_FOREACH_SAFE(t->slots[t->tick % TOPICS_HEARTBEAT_SECONDS], s, next)
        if (!s->overrun && http_stream_write_blob(s->stream, t->heartbeat) < 0)
                s->overrun = true;
        for (size_t i = 0; i < CACHE_ENTRIES_MAX; i++)
                if (t->cache[i].topic && t->cache[i].used + CACHE_IDLE_SECONDS < t->tick)
                        catch_up_done(t, &t->cache[i]);
}

/* ---- the agents' side ---- */

static bool is_subscribed(const Subscriber *s, const Topic *topic) {
        for (size_t i = 0; i < s->n_subscriptions; i++)
                if (s->subscriptions[i].topic == topic)
                        return true;
        return false;
}

int topics_subscribe(Topics *t, HttpStream *stream, const TopicHave *topics, size_t n, Subscriber **ret) {
        Subscriber *s;
        int r;

        assert(t && stream && ret);

        s = new(Subscriber);
        if (!s)
                return -ENOMEM;
        *s = (Subscriber) { .stream = stream, .slot = t->next_slot };
        t->next_slot = (uint8_t) ((t->next_slot + 1) % TOPICS_HEARTBEAT_SECONDS);
        DL_APPEND(t->slots[s->slot], s);
        t->counters.subscribers++;
        r = topics_resubscribe(t, s, topics, n);
        if (r < 0) {
                (void) subscriber_free(t, s);
                return r;
        }
        *ret = s;
        return 0;
}

int topics_resubscribe(Topics *t, Subscriber *s, const TopicHave *topics, size_t n) {
        _cleanup_free_ Subscription *new_ones = NULL;
        Topic *wanted[SUBSCRIBER_TOPICS_MAX];
        int r;

        if (n == 0 || n > SUBSCRIBER_TOPICS_MAX)
                return -EINVAL;
        topics_publish(t); /* so that nobody gets twice what is about to go out */
        new_ones = new0(Subscription, n);
        if (!new_ones)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                r = get_topic(t, topics[i].topic, &wanted[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n; i++) {
                if (is_subscribed(s, wanted[i]))
                        continue;
                r = catch_up(t, s, wanted[i], topics[i].revision);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < s->n_subscriptions; i++)
                DL_DELETE(s->subscriptions[i].topic->subscriptions, &s->subscriptions[i]);
        free(s->subscriptions);
        s->subscriptions = TAKE(new_ones);
        s->n_subscriptions = (uint8_t) n;
        for (size_t i = 0; i < n; i++) {
                s->subscriptions[i] = (Subscription) { .topic = wanted[i], .subscriber = s };
                DL_APPEND(wanted[i]->subscriptions, &s->subscriptions[i]);
        }
        return 0;
}

void topics_unsubscribe(Topics *t, Subscriber *s) {
        if (s)
                (void) subscriber_free(t, s);
}
