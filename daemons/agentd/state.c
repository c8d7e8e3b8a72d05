/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>
#include <uthash.h>

#include "agentd/state.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"

#define DOMAIN_STATE "sdwan-agent-state-v1"
#define STATE_KEY_ID "self"
#define STATE_FOLD_LINES 64

static const char *const class_files[STATE_CLASSES] = {
        [TOPIC_NODE] = "topic-node",
        [TOPIC_HUBS] = "topic-hubs",
        [TOPIC_LANES] = "topic-lanes",
        [TOPIC_PREFIXES] = "topic-prefixes",
        [TOPIC_AGGREGATES] = "topic-aggregates",
};

State *state_free(State *s) {
        if (!s)
                return NULL;
        free(s->directory);
        return mfree(s);
}

int state_new(const char *directory, const Identity *identity, const KeyDoc *keys, State **ret) {
        _cleanup_(state_freep) State *s = new(State);

        if (!s)
                return -ENOMEM;
        s->identity = identity;
        s->keys = keys;
        s->directory = strdup(directory);
        if (!s->directory)
                return -ENOMEM;
        *ret = TAKE(s);
        return 0;
}

static char *topic_path(const State *s, TopicClass class, const char *suffix) {
        return str_printf("%s/%s%s", s->directory, class_files[class], suffix);
}

static const PublicKey *lookup_controller(const char *key_id, void *userdata) {
        return keydoc_find(userdata, key_id);
}

static const PublicKey *lookup_self(const char *key_id, void *userdata) {
        return streq(key_id, STATE_KEY_ID) ? userdata : NULL;
}

static int parse_payload(const State *s, const uint8_t *payload, size_t len, Batch *ret,
                         const char **ret_reason) {
        Batch b = { 0 };
        int r;

        r = batch_from_json((const char *) payload, len, &b, ret_reason);
        if (r < 0)
                return r;
        if (!streq(b.controller_id, s->keys->controller_id)) {
                *ret_reason = "of another controller";
                batch_done(&b);
                return -EBADMSG;
        }
        *ret = b;
        return 0;
}

int state_verify_line(const State *s, const char *line, size_t len, Batch *ret, const char **ret_reason) {
        _cleanup_free_ uint8_t *payload = NULL;
        size_t payload_len = 0;
        int r;

        *ret_reason = "the signature does not match";
        r = envelope_decode(line, len, DOMAIN_BATCH, lookup_controller, (void *) s->keys, &payload,
                            &payload_len);
        if (r < 0)
                return r;
        return parse_payload(s, payload, payload_len, ret, ret_reason);
}

/* The first line may be folded. */
static int verify_folded(const State *s, const char *line, size_t len, Batch *ret, const char **ret_reason) {
        _cleanup_free_ uint8_t *payload = NULL;
        size_t payload_len = 0;
        int r;

        r = envelope_decode(line, len, DOMAIN_STATE, lookup_self, (void *) &s->identity->identity_public,
                            &payload, &payload_len);
        if (r < 0)
                return r;
        return parse_payload(s, payload, payload_len, ret, ret_reason);
}

static int check_topic(const StateTopic *t, const Batch *b) {
        bool known = streq(t->topic, b->topic);
        uint64_t have = known ? t->revision : 0;

        if (known && b->epoch < t->epoch)
                return -ESTALE;
        /* A backup was restored: its numbers begin again, with everything in one piece. */
        if (known && b->epoch > t->epoch)
                return b->snapshot || b->from == 0 ? 0 : -EREMCHG;
        if (b->snapshot)
                return b->to < have ? -ESTALE : 0;
        if (b->to < have)
                return -ESTALE;
        if (b->to == have)
                return 1;
        return b->from > have ? -EREMCHG : 0;
}

int state_check(const State *s, const Batch *b) {
        char owner[OBJECT_ID_MAX];
        TopicClass class;
        int r;

        r = topic_parse(b->topic, &class, owner);
        if (r < 0)
                return r;
        return check_topic(&s->topics[class], b);
}

static void topic_take(StateTopic *t, const Batch *b) {
        (void) snprintf(t->topic, sizeof(t->topic), "%s", b->topic);
        t->epoch = b->epoch;
        t->revision = b->to;
}

static void topic_confirm(StateTopic *t) {
        t->confirmed_epoch = t->epoch;
        t->confirmed_revision = t->revision;
        t->confirmed_length = t->length;
        t->confirmed_lines = t->lines;
        t->has_undo = false;
}

typedef struct Line {
        const char *text;
        size_t len;
} Line;

/* The next whole line of data from *at. */
static bool next_line(const uint8_t *data, size_t len, size_t *at, Line *ret) {
        const uint8_t *end = *at < len ? memchr(data + *at, '\n', len - *at) : NULL;

        if (!end)
                return false;
        *ret = (Line) { (const char *) data + *at, (size_t) (end - (data + *at)) };
        *at += ret->len + 1;
        return true;
}

/* Verifies all lines before any of them is used: what is damaged is not used in part. */
static int read_batches(const State *s, TopicClass class, const uint8_t *data, size_t len, StateTopic *t,
                        Batch **ret, size_t *ret_n) {
        Batch *batches = NULL;
        const char *reason;
        size_t n = 0, at = 0;
        Line line;
        int r = 0;

        while (next_line(data, len, &at, &line)) {
                char owner[OBJECT_ID_MAX];
                TopicClass c = TOPIC_NODE;
                Batch b = { 0 }, *more;

                r = state_verify_line(s, line.text, line.len, &b, &reason);
                if (r < 0 && n == 0)
                        r = verify_folded(s, line.text, line.len, &b, &reason);
                if (r < 0)
                        break;
                r = topic_parse(b.topic, &c, owner) < 0 || c != class || (n > 0 && !streq(b.topic, t->topic))
                                    ? -EBADMSG
                                    : check_topic(t, &b);
                more = r == 0 ? reallocarray(batches, n + 1, sizeof(Batch)) : NULL;
                if (!more) {
                        batch_done(&b);
                        r = r == 0 ? -ENOMEM : -EBADMSG;
                        break;
                }
                batches = more;
                batches[n++] = b;
                topic_take(t, &b);
                if (t->lines++ == 0)
                        t->first_length = at;
                t->length = at;
        }
        *ret = batches;
        *ret_n = n;
        return MIN(r, 0);
}

static void free_batches(Batch *batches, size_t n) {
        for (size_t i = 0; i < n; i++)
                batch_done(&batches[i]);
        free(batches);
}

static int cut_file(const char *path, uint64_t length) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

        if (fd < 0)
                return -errno;
        if (ftruncate(fd, (off_t) length) < 0 || fdatasync(fd) < 0)
                return -errno;
        return 0;
}

static int load_topic(State *s, TopicClass class, int (*visit)(const Batch *b, void *userdata),
                      void *userdata) {
        _cleanup_free_ char *path = topic_path(s, class, ""), *undo = topic_path(s, class, ".undo");
        _cleanup_free_ uint8_t *data = NULL;
        StateTopic t = { 0 };
        Batch *batches = NULL;
        size_t len = 0, n = 0;
        int r;

        if (!path || !undo)
                return -ENOMEM;
        (void) unlink(undo); /* a way back from before this start is none */
        s->topics[class] = t;
        r = file_read_secret(path, STATE_BYTES_MAX, &data, &len);
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = read_batches(s, class, data, len, &t, &batches, &n);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = visit(&batches[i], userdata);
        free_batches(batches, n);
        if (r < 0) {
                log_warning_errno(r,
                                  "The stored state in %s is damaged (%m), ignoring it until the controller "
                                  "sends it anew.",
                                  path);
                s->topics[class] = (StateTopic) { .damaged = true };
                return 1;
        }
        if (t.length < len) {
                log_warning("The last line of %s was cut off before it was applied, dropping it.", path);
                r = cut_file(path, t.length);
                if (r < 0)
                        log_warning_errno(r, "Failed to shorten %s, ignoring: %m", path);
        }
        topic_confirm(&t);
        s->topics[class] = t;
        return 0;
}

int state_load(State *s, int (*visit)(const Batch *b, void *userdata), void *userdata) {
        int damaged = 0;

        for (int i = 0; i < STATE_CLASSES; i++) {
                int r = load_topic(s, (TopicClass) i, visit, userdata);
                if (r < 0)
                        return r;
                damaged |= r;
        }
        return damaged;
}

static int append_line(const char *path, uint64_t length, const char *line, size_t len) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        _cleanup_free_ char *text = malloc(len + 1);
        ssize_t n;

        if (fd < 0)
                return -errno;
        if (!text)
                return -ENOMEM;
        memcpy(text, line, len);
        text[len] = '\n';
        n = pwrite(fd, text, len + 1, (off_t) length);
        if (n != (ssize_t) len + 1 || fdatasync(fd) < 0) {
                int r = n < 0 || n == (ssize_t) len + 1 ? -errno : -ENOSPC;
                if (ftruncate(fd, (off_t) length) < 0)
                        log_debug("Failed to take half a line away from %s.", path);
                return r;
        }
        return 0;
}

static int replace_file(StateTopic *t, const char *path, const char *undo, const char *line, size_t len) {
        _cleanup_free_ char *text = malloc(len + 1);

        if (!text)
                return -ENOMEM;
        memcpy(text, line, len);
        text[len] = '\n';
        if (!t->has_undo && t->confirmed_length > 0) {
                if (link(path, undo) < 0 && errno != EEXIST)
                        return -errno;
                t->has_undo = true;
        }
        return file_write_atomic(path, text, len + 1, 0600);
}

int state_append(State *s, const Batch *b, const char *line, size_t len) {
        _cleanup_free_ char *path = NULL, *undo = NULL;
        char owner[OBJECT_ID_MAX];
        TopicClass class;
        StateTopic *t;
        bool fresh;
        int r;

        r = topic_parse(b->topic, &class, owner);
        if (r < 0)
                return r;
        t = &s->topics[class];
        path = topic_path(s, class, "");
        undo = topic_path(s, class, ".undo");
        fresh = b->snapshot || b->from == 0 || t->length == 0 || !streq(t->topic, b->topic);
        topic_take(t, b);
        if (!path || !undo)
                return -ENOMEM;
        if (t->damaged && !b->snapshot && b->from != 0)
                return 0; /* a line without its beginning is of no use */
        r = fresh ? replace_file(t, path, undo, line, len) : append_line(path, t->length, line, len);
        if (r < 0) {
                /* What is on disk stays good, but lines may not be left out: the rest waits for a snapshot.
                 */
                t->damaged = true;
                return r;
        }
        t->damaged = false;
        if (fresh)
                t->first_length = len + 1;
        t->length = (fresh ? 0 : t->length) + len + 1;
        t->lines = (fresh ? 0 : t->lines) + 1;
        return 0;
}

typedef struct Folded {
        UT_hash_handle hh;
        BatchItem item;
} Folded;

static int fold_compare(const void *a, const void *b) {
        const BatchItem *x = a, *y = b;

        if (x->revision != y->revision)
                return x->revision < y->revision ? -1 : 1;
        return strcmp(x->id, y->id);
}

/* The last word on every item that is not gone; borrowed from the batches. */
static int fold_items(const Batch *batches, size_t n, Batch *ret) {
        Folded *table = NULL, *f, *next;
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                if (batches[i].snapshot)
                        HASH_ITER (hh, table, f, next) {
                                HASH_DEL(table, f);
                                free(f);
                        }
                for (size_t j = 0; j < batches[i].n_items && r >= 0; j++) {
                        const BatchItem *item = &batches[i].items[j];

                        HASH_FIND_STR(table, item->id, f);
                        if (!f) {
                                f = new(Folded);
                                if (!f) {
                                        r = -ENOMEM;
                                        break;
                                }
                                f->item = *item;
                                HASH_ADD_KEYPTR(hh, table, f->item.id, strlen(f->item.id), f);
                        }
                        f->item.revision = item->revision;
                        f->item.data = item->data;
                }
        }
        ret->items = r < 0 ? NULL : new0(BatchItem, MAX(HASH_COUNT(table), 1U));
        if (r >= 0 && !ret->items)
                r = -ENOMEM;
        HASH_ITER (hh, table, f, next) {
                if (r >= 0 && f->item.data)
                        ret->items[ret->n_items++] = f->item;
                HASH_DEL(table, f);
                free(f);
        }
        if (ret->n_items > 1)
                qsort(ret->items, ret->n_items, sizeof(BatchItem), fold_compare);
        return r;
}

static int fold_to_line(const State *s, const StateTopic *t, const Batch *batches, size_t n, char **ret,
                        size_t *ret_len) {
        _cleanup_free_ char *payload = NULL;
        size_t len = 0;
        Batch b = {
                .controller_id = (char *) s->keys->controller_id,
                .epoch = t->epoch,
                .topic = (char *) t->topic,
                .to = t->revision,
                .snapshot = true,
        };
        int r;

        r = fold_items(batches, n, &b);
        if (r >= 0)
                r = batch_to_json(&b, &payload, &len);
        free(b.items);
        if (r < 0)
                return r;
        return envelope_encode(s->identity->identity, STATE_KEY_ID, DOMAIN_STATE, payload, len, ret,
                               ret_len);
}

/* Puts one line in the place of many. */
static int fold_topic(State *s, TopicClass class) {
        _cleanup_free_ char *path = topic_path(s, class, ""), *line = NULL, *text = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        StateTopic *t = &s->topics[class], check = { 0 };
        Batch *batches = NULL;
        size_t len = 0, n = 0, line_len = 0;
        int r;

        if (!path)
                return -ENOMEM;
        r = file_read_secret(path, STATE_BYTES_MAX, &data, &len);
        if (r < 0)
                return r;
        r = read_batches(s, class, data, len, &check, &batches, &n);
        if (r >= 0 && check.revision != t->revision)
                r = -EBADMSG;
        if (r >= 0)
                r = fold_to_line(s, t, batches, n, &line, &line_len);
        free_batches(batches, n);
        if (r < 0)
                return r;
        text = str_printf("%s\n", line);
        if (!text)
                return -ENOMEM;
        r = file_write_atomic(path, text, line_len + 1, 0600);
        if (r < 0)
                return r;
        t->length = t->first_length = line_len + 1;
        t->lines = 1;
        return 0;
}

/* Folding costs what there is. Once there is twice as much as the last time, that is little for each line.
 */
static bool is_long(const StateTopic *t) {
        return t->lines > STATE_FOLD_LINES && t->length > 2 * t->first_length;
}

void state_confirm(State *s) {
        bool folded = false;

        for (int i = 0; i < STATE_CLASSES; i++) {
                StateTopic *t = &s->topics[i];

                if (t->has_undo) {
                        _cleanup_free_ char *undo = topic_path(s, (TopicClass) i, ".undo");
                        if (undo)
                                (void) unlink(undo);
                }
                if (is_long(t) && !t->damaged) {
                        int r = fold_topic(s, (TopicClass) i);
                        if (r < 0)
                                log_warning_errno(r, "Failed to fold the stored state of %s, ignoring: %m",
                                                  t->topic);
                        folded = true;
                }
                topic_confirm(t);
        }
        if (folded)
                (void) malloc_trim(0); /* it took all items of a topic apart */
}

bool state_is_confirmed(const State *s) {
        for (int i = 0; i < STATE_CLASSES; i++)
                if (s->topics[i].revision != s->topics[i].confirmed_revision ||
                    s->topics[i].epoch != s->topics[i].confirmed_epoch)
                        return false;
        return true;
}

int state_undo(State *s) {
        for (int i = 0; i < STATE_CLASSES; i++) {
                _cleanup_free_ char *path = topic_path(s, (TopicClass) i, ""),
                                    *undo = topic_path(s, (TopicClass) i, ".undo");
                StateTopic *t = &s->topics[i];
                int r = 0;

                if (!path || !undo)
                        return -ENOMEM;
                if (t->has_undo)
                        r = rename(undo, path) < 0 ? -errno : 0;
                else if (t->confirmed_length == 0)
                        r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
                else if (t->length != t->confirmed_length)
                        r = cut_file(path, t->confirmed_length);
                if (r < 0)
                        return r;
        }
        return 0;
}

int state_erase(State *s) {
        int r = 0;

        for (int i = 0; i < STATE_CLASSES; i++) {
                _cleanup_free_ char *path = topic_path(s, (TopicClass) i, ""),
                                    *undo = topic_path(s, (TopicClass) i, ".undo");

                if (!path || !undo)
                        return -ENOMEM;
                if ((unlink(path) < 0 && errno != ENOENT) || (unlink(undo) < 0 && errno != ENOENT))
                        r = -errno;
                s->topics[i] = (StateTopic) { 0 };
        }
        return r;
}
