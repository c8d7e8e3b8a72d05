/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "controld/topics.h"

/* The streams and blobs of lib/httpd are played here: a stream is an agent that verifies every line and
 * applies it as docs/protocol.md section 4 says. */

#define CONTROLLER_ID "0123456789abcdef0123456789abcdef"
#define LANES "net/n1/lanes"
#define PREFIXES "net/n1/prefixes"
#define MODEL_ITEMS 64

static Secret *seed;
static PublicKey public_key;

struct HttpBlob {
        unsigned references;
        size_t len;
        char data[];
};
static size_t live_blobs, made_blobs;

typedef struct Known {
        bool present;
        uint64_t revision;
        char data[64];
} Known;

struct HttpStream {
        const char *topic; /* that it looks at */
        uint64_t revision;
        Known items[MODEL_ITEMS]; /* "i<number>" */
        size_t n_lines, n_batches, n_snapshots, n_heartbeats, n_refused, largest;
        bool full; /* every write fails */
};

int http_blob_new(const void *data, size_t len, HttpBlob **ret) {
        HttpBlob *b = malloc(sizeof(*b) + len);

        assert_non_null(b);
        b->references = 1;
        b->len = len;
        memcpy(b->data, data, len);
        live_blobs++;
        made_blobs++;
        *ret = b;
        return 0;
}

HttpBlob *http_blob_unref(HttpBlob *b) {
        if (!b || --b->references > 0)
                return NULL;
        live_blobs--;
        return mfree(b);
}

static const PublicKey *lookup(const char *key_id, void *userdata) {
        return streq(key_id, "ck-1") ? &public_key : NULL;
}

static void apply_item(HttpStream *s, const BatchItem *i) {
        unsigned n = (unsigned) atoi(i->id + 1);
        Known *k = &s->items[n];

        assert_true(i->id[0] == 'i' && n < MODEL_ITEMS);
        *k = (Known) { .present = i->data != NULL, .revision = i->revision };
        if (i->data) {
                _cleanup_free_ char *text = json_format(i->data, NULL);

                (void) snprintf(k->data, sizeof(k->data), "%s", text);
        }
}

static void apply_batch(HttpStream *s, const Batch *b) {
        s->n_batches++;
        s->largest = MAX(s->largest, b->n_items);
        assert_string_equal(b->controller_id, CONTROLLER_ID);
        assert_int_equal(b->epoch, 3);
        if (!streq(b->topic, s->topic))
                return;
        if (b->snapshot ? b->to < s->revision : b->from > s->revision || b->to <= s->revision) {
                s->n_refused++;
                return;
        }
        if (b->snapshot) {
                s->n_snapshots++;
                memset(s->items, 0, sizeof(s->items));
        }
        for (size_t i = 0; i < b->n_items; i++)
                if (strlen(b->items[i].id) < 4) /* longer ones are ballast */
                        apply_item(s, &b->items[i]);
        s->revision = b->to;
}

int http_stream_write_blob(HttpStream *s, HttpBlob *b) {
        _cleanup_free_ uint8_t *payload = NULL;
        const char *reason = NULL;
        size_t len;
        Batch batch;

        if (s->full)
                return -ENOBUFS;
        s->n_lines++;
        assert_true(b->len > 0 && b->data[b->len - 1] == '\n');
        assert_null(memchr(b->data, '\n', b->len - 1));
        if (b->len == 1) {
                s->n_heartbeats++;
                return 0;
        }
        assert_int_equal(envelope_decode(b->data, b->len - 1, DOMAIN_BATCH, lookup, NULL, &payload, &len),
                         0);
        assert_int_equal(batch_from_json((const char *) payload, len, &batch, &reason), 0);
        apply_batch(s, &batch);
        batch_done(&batch);
        return 0;
}

static Topics *make_topics(void) {
        Topics *t = NULL;

        assert_int_equal(topics_new(CONTROLLER_ID, 3, seed, "ck-1", &t), 0);
        return t;
}

static Subscriber *subscribe(Topics *t, HttpStream *s, uint64_t have) {
        TopicHave topic = { .revision = have };
        Subscriber *ret = NULL;

        (void) snprintf(topic.topic, sizeof(topic.topic), "%s", s->topic);
        s->revision = have;
        assert_int_equal(topics_subscribe(t, s, &topic, 1, &ret), 0);
        return ret;
}

static void set(Topics *t, const char *topic, const char *id, uint64_t revision, const char *data) {
        assert_int_equal(topics_set(t, topic, id, revision, data), 0);
}

/* One batch, encoded once, for all subscribers; those of other topics get nothing. */
static void test_encoded_once(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();
        const TopicsCounters *c = topics_counters(t);
        HttpStream hubs[100] = { 0 }, other = { .topic = PREFIXES };
        char id[16];

        for (unsigned i = 0; i < 1000; i++) {
                (void) snprintf(id, sizeof(id), "peer-%u", i);
                assert_int_equal(topics_load(t, LANES, id, i + 1, "{\"x\":1}"), 0);
        }
        assert_int_equal(topics_revision(t, LANES), 1000);
        for (size_t i = 0; i < ELEMENTSOF(hubs); i++) {
                hubs[i].topic = LANES;
                (void) subscribe(t, &hubs[i], 1000);
                assert_int_equal(hubs[i].n_lines, 0); /* has it all */
        }
        (void) subscribe(t, &other, 0);
        assert_int_equal(c->subscribers, 101);

        set(t, LANES, "i1", 1001, "{\"v\":1}");
        assert_int_equal(c->batches_encoded, 0);
        topics_publish(t);
        topics_publish(t);
        assert_int_equal(c->batches_encoded, 1);
        assert_int_equal(c->items_sent, 1);
        assert_int_equal(c->batches_sent, ELEMENTSOF(hubs));
        assert_true(c->bytes_sent > ELEMENTSOF(hubs) * 300 && c->bytes_sent < ELEMENTSOF(hubs) * 600);
        for (size_t i = 0; i < ELEMENTSOF(hubs); i++) {
                assert_int_equal(hubs[i].n_lines, 1);
                assert_int_equal(hubs[i].largest, 1);
                assert_int_equal(hubs[i].revision, 1001);
                assert_string_equal(hubs[i].items[1].data, "{\"v\":1}");
        }
        assert_int_equal(other.n_lines, 0);
}

/* All that reconnect with the same revision share one encoding, until the topic changes. */
static void test_storm(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();
        const TopicsCounters *c = topics_counters(t);
        HttpStream s[200] = { 0 };

        for (unsigned i = 0; i < 10; i++) {
                char id[8];

                (void) snprintf(id, sizeof(id), "i%u", i);
                assert_int_equal(topics_load(t, LANES, id, i + 1, "{}"), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(s); i++) {
                s[i].topic = LANES;
                topics_unsubscribe(t, subscribe(t, &s[i], i % 2 == 0 ? 0 : 5));
                assert_int_equal(s[i].n_batches, 1);
                assert_int_equal(s[i].n_snapshots, i % 2 == 0);
                assert_int_equal(s[i].revision, 10);
        }
        assert_int_equal(c->batches_encoded, 2);
        assert_int_equal(c->subscribers, 0);
        set(t, LANES, "i3", 11, NULL);
        topics_publish(t);
        assert_int_equal(c->batches_encoded, 2); /* nobody listens */
        topics_unsubscribe(t, subscribe(t, &s[0], 5));
        assert_int_equal(c->batches_encoded, 3);
        assert_int_equal(s[0].revision, 11);
        /* the cache is given back when nobody asks any more */
        for (unsigned i = 0; i < 100; i++)
                topics_heartbeat(t);
        assert_int_equal(live_blobs, 1); /* the heartbeat's own */
}

/* More than 1,000 items come in parts; those of one revision stay together. */
static void test_split(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();
        HttpStream fresh = { .topic = LANES }, behind = { .topic = LANES };
        char id[16];

        for (unsigned i = 0; i < 3500; i++) {
                (void) snprintf(id, sizeof(id), "peer-%u", i);
                /* 500 of them in one change: revision 901 */
                assert_int_equal(topics_load(t, LANES, id,
                                             i < 900    ? i + 1
                                             : i < 1400 ? 901
                                                        : i - 498,
                                             "{}"),
                                 0);
        }
        (void) subscribe(t, &fresh, 0);
        assert_int_equal(fresh.n_refused, 0);
        assert_int_equal(fresh.n_snapshots, 1);
        assert_int_equal(fresh.n_batches, 4);
        assert_int_equal(fresh.largest, 1400);
        assert_int_equal(fresh.revision, topics_revision(t, LANES));
        (void) subscribe(t, &behind, 901);
        assert_int_equal(behind.n_refused, 0);
        assert_int_equal(behind.n_snapshots, 0);
        assert_int_equal(behind.n_batches, 3);
        assert_int_equal(behind.largest, 1000);
        assert_int_equal(behind.revision, fresh.revision);
}

static void test_tombstones_are_forgotten(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();
        HttpStream old = { .topic = LANES }, recent = { .topic = LANES }, fresh = { .topic = LANES };
        uint64_t revision = 1;
        char id[16];

        set(t, LANES, "i1", revision++, "{}");
        topics_publish(t);
        for (unsigned i = 0; i < 5000; i++) {
                (void) snprintf(id, sizeof(id), "gone-%u", i);
                set(t, LANES, id, revision++, "{}");
                set(t, LANES, id, revision++, NULL);
                topics_publish(t);
        }
        (void) subscribe(t, &old, 1);
        assert_int_equal(old.n_snapshots, 1);
        assert_int_equal(old.revision, revision - 1);
        assert_true(old.items[1].present);
        (void) subscribe(t, &recent, revision - 3);
        assert_int_equal(recent.n_snapshots, 0);
        assert_int_equal(recent.n_batches, 1);
        assert_int_equal(recent.revision, revision - 1);
        (void) subscribe(t, &fresh, 0);
        assert_int_equal(fresh.largest, 1); /* a snapshot has no tombstones */
        assert_int_equal(fresh.revision, revision - 1);
}

static void test_beyond(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();
        HttpStream s = { .topic = LANES }, empty = { .topic = PREFIXES };

        set(t, LANES, "i1", 5, "{}");
        topics_publish(t);
        (void) subscribe(t, &s, 9);
        assert_int_equal(s.n_batches, 1);
        assert_int_equal(s.n_refused, 1); /* the agent sees the rollback */
        assert_int_equal(s.revision, 9);
        (void) subscribe(t, &empty, 0);
        assert_int_equal(empty.n_lines, 0);
}

static void test_full_queue(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();
        HttpStream slow = { .topic = LANES }, good = { .topic = LANES };
        Subscriber *s = subscribe(t, &slow, 0);

        (void) subscribe(t, &good, 0);
        slow.full = true;
        set(t, LANES, "i1", 1, "{}");
        topics_publish(t);
        slow.full = false;
        set(t, LANES, "i2", 2, "{}");
        topics_publish(t);
        /* it has lost one: nothing more may follow, not even a heartbeat */
        for (unsigned i = 0; i < 2 * TOPICS_HEARTBEAT_SECONDS; i++)
                topics_heartbeat(t);
        assert_int_equal(slow.n_lines, 0);
        assert_int_equal(good.revision, 2);
        assert_int_equal(good.n_heartbeats, 2);
        topics_unsubscribe(t, s);
        assert_int_equal(topics_counters(t)->subscribers, 1);
}

static void test_heartbeats_are_spread(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();
        HttpStream s[TOPICS_HEARTBEAT_SECONDS * 3] = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(s); i++) {
                s[i].topic = LANES;
                (void) subscribe(t, &s[i], 0);
        }
        for (unsigned tick = 1; tick <= TOPICS_HEARTBEAT_SECONDS; tick++) {
                size_t n = 0;

                topics_heartbeat(t);
                for (size_t i = 0; i < ELEMENTSOF(s); i++)
                        n += s[i].n_heartbeats;
                assert_int_equal(n, 3 * tick);
        }
        for (size_t i = 0; i < ELEMENTSOF(s); i++)
                assert_int_equal(s[i].n_heartbeats, 1);
}

static void test_resubscribe(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();
        HttpStream s = { .topic = LANES };
        TopicHave both[] = { { .topic = LANES }, { .topic = PREFIXES } },
                  prefixes[] = { { .topic = PREFIXES } };
        Subscriber *subscriber;

        set(t, LANES, "i1", 1, "{}");
        set(t, PREFIXES, "i2", 1, "{}");
        subscriber = subscribe(t, &s, 0); /* publishes what was waiting */
        assert_int_equal(s.n_lines, 1);
        assert_int_equal(topics_resubscribe(t, subscriber, both, 2), 0);
        assert_int_equal(s.n_lines, 2); /* only what is new */
        set(t, LANES, "i1", 2, "{\"v\":2}");
        set(t, PREFIXES, "i2", 2, "{\"v\":2}");
        topics_publish(t);
        assert_int_equal(s.n_lines, 4);
        assert_int_equal(topics_resubscribe(t, subscriber, prefixes, 1), 0);
        set(t, LANES, "i1", 3, NULL);
        topics_publish(t);
        assert_int_equal(s.n_lines, 4);
        assert_int_equal(topics_resubscribe(t, subscriber, both, 0), -EINVAL);
}

static void test_refused(void **state) {
        _cleanup_(topics_freep) Topics *t = make_topics();

        assert_int_equal(topics_set(t, "nonsense", "i1", 1, "{}"), -EINVAL);
        assert_int_equal(topics_set(t, LANES, "I1", 1, "{}"), -EINVAL);
        set(t, LANES, "i1", 5, "{}");
        set(t, LANES, "i2", 5, "{}");
        topics_publish(t);
        assert_int_equal(topics_set(t, LANES, "i1", 5, "{}"), -EINVAL);
        assert_int_equal(topics_set(t, LANES, "i1", 4, "{}"), -EINVAL);
        assert_string_equal(topics_get(t, LANES, "i1"), "{}");
        assert_null(topics_get(t, LANES, "i9"));
        assert_null(topics_get(t, PREFIXES, "i1"));
        set(t, LANES, "i1", 6, NULL);
        assert_null(topics_get(t, LANES, "i1"));
}

/* Any history, loaded in any order, from any revision: what an agent ends up with is what a snapshot gives.
 */
static void check_agent(Topics *t, HttpStream *s, const Known *model) {
        assert_int_equal(s->n_refused, 0);
        assert_int_equal(s->revision, topics_revision(t, s->topic));
        for (size_t i = 0; i < MODEL_ITEMS; i++) {
                assert_int_equal(s->items[i].present, model[i].present);
                if (model[i].present)
                        assert_string_equal(s->items[i].data, model[i].data);
        }
}

static unsigned next_random(uint64_t *x) {
        *x = *x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (unsigned) (*x >> 33);
}

static void random_change(Topics *t, Known *model, uint64_t revision, uint64_t *random) {
        unsigned n = next_random(random) % 4 + 1;

        for (unsigned i = 0; i < n; i++) {
                unsigned which = next_random(random) % MODEL_ITEMS;
                bool present = next_random(random) % 3 != 0;
                char id[8];

                model[which] = (Known) { .present = present, .revision = revision };
                (void) snprintf(id, sizeof(id), "i%u", which);
                (void) snprintf(model[which].data, sizeof(model[which].data), "{\"r\":%llu}",
                                (unsigned long long) revision);
                set(t, LANES, id, revision, present ? model[which].data : NULL);
        }
}

static void run_history(uint64_t random) {
        _cleanup_(topics_freep) Topics *t = make_topics(), *restarted = make_topics();
        static HttpStream live, at[300];
        Known model[MODEL_ITEMS] = { 0 };
        HttpStream fresh = { .topic = LANES };
        uint64_t revision = 0;

        memset(at, 0, sizeof(at));
        live = (HttpStream) { .topic = LANES };
        (void) subscribe(t, &live, 0);
        for (size_t i = 0; i < ELEMENTSOF(at); i++) {
                revision += next_random(&random) % 3 + 1;
                random_change(t, model, revision, &random);
                if (next_random(&random) % 4 != 0) /* sometimes two changes are one batch */
                        topics_publish(t);
                at[i] = live; /* an agent that was cut off here */
        }
        topics_publish(t);
        check_agent(t, &live, model);
        (void) subscribe(t, &fresh, 0);
        check_agent(t, &fresh, model);
        for (size_t i = 0; i < ELEMENTSOF(at); i++) {
                (void) subscribe(t, &at[i], at[i].revision);
                check_agent(t, &at[i], model);
        }
        /* the order of the store is that of the ids */
        for (unsigned i = 0; i < MODEL_ITEMS; i++) {
                char id[8];

                (void) snprintf(id, sizeof(id), "i%u", i);
                if (model[i].revision > 0)
                        assert_int_equal(topics_load(restarted, LANES, id, model[i].revision,
                                                     model[i].present ? model[i].data : NULL),
                                         0);
        }
        at[0] = (HttpStream) { .topic = LANES };
        (void) subscribe(restarted, &at[0], 0);
        check_agent(restarted, &at[0], model);
        random_change(restarted, model, revision + 1, &random);
        topics_publish(restarted);
        check_agent(restarted, &at[0], model);
}

static void test_histories(void **state) {
        for (uint64_t i = 1; i <= 10; i++)
                run_history(i * 7919);
}

static int setup(void **state) {
        if (crypto_setup() < 0 || secret_new_random(&seed) < 0)
                return -1;
        return identity_public(seed, &public_key);
}

static int teardown(void **state) {
        seed = secret_free(seed);
        return live_blobs == 0 && made_blobs > 0 ? 0 : -1;
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_encoded_once),
                cmocka_unit_test(test_storm),
                cmocka_unit_test(test_split),
                cmocka_unit_test(test_tombstones_are_forgotten),
                cmocka_unit_test(test_beyond),
                cmocka_unit_test(test_full_queue),
                cmocka_unit_test(test_heartbeats_are_spread),
                cmocka_unit_test(test_resubscribe),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_histories),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
