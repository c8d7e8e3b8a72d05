/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agentd/state.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"

#define CONTROLLER "00112233445566778899aabbccddeeff"
#define TOPIC "net/0000000000000001/lanes"
#define LINES 3

typedef struct Fixture {
        char directory[64];
        Identity *identity;
        KeyDoc keys;
        Secret *signer;
        State *state;
        char *lines[LINES];
        size_t lengths[LINES];
} Fixture;

/* What a load came to: the last revision, and how many items all batches had. */
typedef struct Loaded {
        uint64_t revision;
        size_t items;
} Loaded;

static int visit(const Batch *b, void *userdata) {
        Loaded *l = userdata;

        l->revision = b->to;
        l->items += b->n_items;
        return 0;
}

static char *make_line(Fixture *f, uint64_t from, uint64_t to, bool snapshot, uint64_t epoch,
                       size_t *ret_len) {
        _cleanup_free_ char *payload = NULL;
        BatchItem item = { .id = (char *) "abc/0", .revision = to, .data = json_object_new_object() };
        Batch b = { .controller_id = (char *) CONTROLLER,
                    .epoch = epoch,
                    .topic = (char *) TOPIC,
                    .from = from,
                    .to = to,
                    .snapshot = snapshot,
                    .items = &item,
                    .n_items = 1 };
        char *line = NULL;
        size_t len = 0;

        assert_int_equal(batch_to_json(&b, &payload, &len), 0);
        json_object_put(item.data);
        assert_int_equal(envelope_encode(f->signer, "ck-1", DOMAIN_BATCH, payload, len, &line, ret_len), 0);
        return line;
}

static void append(Fixture *f, const char *line, size_t len) {
        const char *reason;
        Batch b;

        assert_int_equal(state_verify_line(f->state, line, len, &b, &reason), 0);
        assert_int_equal(state_check(f->state, &b), 0);
        assert_int_equal(state_append(f->state, &b, line, len), 0);
        batch_done(&b);
}

static int setup(void **state) {
        Fixture *f = new(Fixture);

        assert_non_null(f);
        log_set_max_level(LOG_EMERG);
        assert_int_equal(crypto_setup(), 0);
        (void) snprintf(f->directory, sizeof(f->directory), "/tmp/sdwan-state-XXXXXX");
        assert_non_null(mkdtemp(f->directory));
        assert_int_equal(identity_create(f->directory, &f->identity), 0);
        assert_int_equal(secret_new_random(&f->signer), 0);
        (void) snprintf(f->keys.controller_id, sizeof(f->keys.controller_id), CONTROLLER);
        (void) snprintf(f->keys.keys[0].id, KEYDOC_KID_MAX, "ck-1");
        assert_int_equal(identity_public(f->signer, &f->keys.keys[0].key), 0);
        f->keys.n_keys = 1;
        assert_int_equal(state_new(f->directory, f->identity, &f->keys, &f->state), 0);
        for (size_t i = 0; i < LINES; i++) {
                f->lines[i] = make_line(f, i * 10, (i + 1) * 10, i == 0, 1, &f->lengths[i]);
                append(f, f->lines[i], f->lengths[i]);
        }
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        assert_int_equal(state_erase(f->state), 0);
        assert_int_equal(identity_erase(f->directory), 0);
        assert_int_equal(rmdir(f->directory), 0);
        (void) state_free(f->state);
        (void) identity_free(f->identity);
        (void) secret_free(f->signer);
        for (size_t i = 0; i < LINES; i++)
                free(f->lines[i]);
        free(f);
        return 0;
}

static void path_of(const Fixture *f, char ret[static 128]) {
        (void) snprintf(ret, 128, "%s/topic-lanes", f->directory);
}

static void put(const Fixture *f, const void *data, size_t len) {
        char path[128];

        path_of(f, path);
        (void) unlink(path);
        assert_int_equal(file_write_new(path, data, len, 0600), 0);
}

static uint8_t *get(const Fixture *f, size_t *ret_len) {
        uint8_t *data = NULL;
        char path[128];

        path_of(f, path);
        assert_int_equal(file_read(path, 1 << 20, &data, ret_len), 0);
        return data;
}

static void test_load(void **state) {
        Fixture *f = *state;
        Loaded l = { 0 };

        assert_int_equal(state_load(f->state, visit, &l), 0);
        assert_int_equal(l.revision, 30);
        assert_int_equal(l.items, 3);
        assert_true(state_is_confirmed(f->state));
}

/* Whatever length is left: the state after some whole batches, never anything else. */
static void test_truncated(void **state) {
        _cleanup_free_ uint8_t *data = NULL;
        Fixture *f = *state;
        size_t len = 0;

        data = get(f, &len);
        for (size_t cut = 0; cut < len; cut++) {
                Loaded l = { 0 };
                size_t whole = 0;

                for (size_t i = 0; i < cut; i++)
                        whole += data[i] == '\n';
                put(f, data, cut);
                assert_int_equal(state_load(f->state, visit, &l), 0);
                assert_int_equal(l.revision, whole * 10);
                assert_int_equal(l.items, whole);
        }
}

/* Whatever byte is another: not used, or (where it was the end of the last line) the state before. */
static void test_flipped(void **state) {
        _cleanup_free_ uint8_t *data = NULL;
        Fixture *f = *state;
        size_t len = 0;

        data = get(f, &len);
        for (size_t at = 0; at < len; at++) {
                Loaded l = { 0 };
                int r;

                data[at] ^= (uint8_t) (1 << at % 7);
                put(f, data, len);
                r = state_load(f->state, visit, &l);
                if (r == 1)
                        assert_int_equal(l.items, 0);
                else {
                        assert_int_equal(at, len - 1);
                        assert_int_equal(l.revision, 20);
                }
                data[at] ^= (uint8_t) (1 << at % 7);
        }
        put(f, data, len);
}

static void test_foreign(void **state) {
        _cleanup_free_ char *foreign = NULL, *other = NULL;
        Fixture *f = *state;
        Secret *mine = f->signer;
        const char *reason;
        size_t len = 0;
        Batch b;

        assert_int_equal(secret_new_random(&f->signer), 0);
        foreign = make_line(f, 30, 40, false, 1, &len);
        assert_int_equal(state_verify_line(f->state, foreign, len, &b, &reason), -EBADMSG);
        (void) secret_free(f->signer);
        f->signer = mine;
        f->keys.controller_id[0] = 'f';
        other = make_line(f, 30, 40, false, 1, &len);
        assert_int_equal(state_verify_line(f->state, other, len, &b, &reason), -EBADMSG);
        f->keys.controller_id[0] = '0';
        f->keys.n_keys = 0;
        assert_int_equal(state_verify_line(f->state, other, len, &b, &reason), -ENOKEY);
        f->keys.n_keys = 1;
}

static int check(Fixture *f, uint64_t from, uint64_t to, bool snapshot, uint64_t epoch) {
        _cleanup_free_ char *line = NULL;
        const char *reason;
        size_t len = 0;
        Batch b;
        int r;

        line = make_line(f, from, to, snapshot, epoch, &len);
        assert_int_equal(state_verify_line(f->state, line, len, &b, &reason), 0);
        r = state_check(f->state, &b);
        batch_done(&b);
        return r;
}

static void test_order(void **state) {
        Fixture *f = *state;

        assert_int_equal(check(f, 30, 40, false, 1), 0);
        assert_int_equal(check(f, 10, 40, false, 1), 0);
        assert_int_equal(check(f, 20, 30, false, 1), 1);
        assert_int_equal(check(f, 35, 40, false, 1), -EREMCHG);
        assert_int_equal(check(f, 10, 20, false, 1), -ESTALE);
        assert_int_equal(check(f, 0, 20, true, 1), -ESTALE);
        assert_int_equal(check(f, 0, 20, true, 2), 0);
        assert_int_equal(check(f, 30, 40, false, 2), -EREMCHG);
        assert_int_equal(check(f, 30, 40, false, 0), -ESTALE);
}

static void test_undo(void **state) {
        _cleanup_free_ char *line = NULL, *snapshot = NULL;
        Fixture *f = *state;
        Loaded l = { 0 };
        size_t len = 0;

        state_confirm(f->state);
        line = make_line(f, 30, 40, false, 1, &len);
        append(f, line, len);
        assert_false(state_is_confirmed(f->state));
        assert_int_equal(state_undo(f->state), 0);
        assert_int_equal(state_load(f->state, visit, &l), 0);
        assert_int_equal(l.revision, 30);

        snapshot = make_line(f, 0, 50, true, 1, &len);
        append(f, snapshot, len);
        assert_int_equal(state_undo(f->state), 0);
        l = (Loaded) { 0 };
        assert_int_equal(state_load(f->state, visit, &l), 0);
        assert_int_equal(l.revision, 30);
        assert_int_equal(l.items, 3);
}

/* Many lines become one, which says the same. */
static void test_fold(void **state) {
        Fixture *f = *state;
        Loaded l = { 0 };

        for (uint64_t i = 3; i < 70; i++) {
                _cleanup_free_ char *line = NULL;
                size_t len = 0;

                line = make_line(f, i * 10, (i + 1) * 10, false, 1, &len);
                append(f, line, len);
        }
        state_confirm(f->state);
        assert_int_equal(f->state->topics[TOPIC_LANES].lines, 1);
        assert_int_equal(state_load(f->state, visit, &l), 0);
        assert_int_equal(l.revision, 700);
        assert_int_equal(l.items, 1);
}

#define LARGE_ITEMS 2500

static char *make_large_line(Fixture *f, uint64_t to, size_t *ret_len) {
        static char ids[LARGE_ITEMS][8];
        _cleanup_free_ char *payload = NULL;
        BatchItem items[LARGE_ITEMS];
        Batch b = { .controller_id = (char *) CONTROLLER,
                    .epoch = 1,
                    .topic = (char *) TOPIC,
                    .to = to,
                    .snapshot = true,
                    .items = items,
                    .n_items = LARGE_ITEMS };
        char *line = NULL;
        size_t len = 0;

        for (int i = 0; i < LARGE_ITEMS; i++) {
                (void) snprintf(ids[i], sizeof(ids[i]), "%d/0", i);
                items[i] = (BatchItem) { .id = ids[i], .revision = to, .data = json_object_new_object() };
        }
        assert_int_equal(batch_to_json(&b, &payload, &len), 0);
        for (int i = 0; i < LARGE_ITEMS; i++)
                json_object_put(items[i].data);
        assert_int_equal(envelope_encode(f->signer, "ck-1", DOMAIN_BATCH, payload, len, &line, ret_len), 0);
        return line;
}

/* Folding takes all items apart, so a large topic is folded once it has doubled, not every so many lines. */
static void test_fold_rarely(void **state) {
        Fixture *f = *state;
        StateTopic *t = &f->state->topics[TOPIC_LANES];
        _cleanup_free_ char *large = NULL;
        Loaded l = { 0 };
        uint64_t first;
        size_t len = 0;
        unsigned i;

        large = make_large_line(f, 1000, &len);
        append(f, large, len);
        state_confirm(f->state);
        first = t->length;
        assert_int_equal(t->lines, 1);
        for (i = 0; t->lines > 1 || i == 0; i++) {
                _cleanup_free_ char *line = make_line(f, 1000 + i, 1001 + i, false, 1, &len);

                append(f, line, len);
                assert_true(t->length <= 2 * first + len);
                state_confirm(f->state);
        }
        assert_true(i > 64 && i * len > first);
        assert_int_equal(state_load(f->state, visit, &l), 0);
        assert_int_equal(l.revision, 1000 + i);
        assert_int_equal(l.items, LARGE_ITEMS + 1);
}

static void test_modes(void **state) {
        Fixture *f = *state;
        Identity *i = NULL;
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/identity.key", f->directory);
        assert_int_equal(chmod(path, 0640), 0);
        assert_int_equal(identity_load(f->directory, &i), -EPERM);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(identity_load(f->directory, &i), 0);
        assert_string_equal(i->node_id, f->identity->node_id);
        assert_int_equal(identity_next_epoch(i), 0);
        assert_int_equal(i->epoch, 1);
        (void) identity_free(i);
        assert_int_equal(identity_load(f->directory, &i), 0);
        assert_int_equal(i->epoch, 1);
        (void) identity_free(i);
        assert_int_equal(truncate(path, 31), 0);
        assert_int_equal(identity_load(f->directory, &i), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_load, setup, teardown),
                cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
                cmocka_unit_test_setup_teardown(test_flipped, setup, teardown),
                cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
                cmocka_unit_test_setup_teardown(test_order, setup, teardown),
                cmocka_unit_test_setup_teardown(test_undo, setup, teardown),
                cmocka_unit_test_setup_teardown(test_fold, setup, teardown),
                cmocka_unit_test_setup_teardown(test_fold_rarely, setup, teardown),
                cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
