/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "controld/model.h"

static int setup(void **state) {
        assert_true(crypto_setup() >= 0);
        return model_new((Model **) state);
}

static int teardown(void **state) {
        (void) model_free(*state);
        return 0;
}

/* Names and prefixes in short; ids are made so that the order is known: "0000000000000001"… */
static Object *make(const Kind *kind, unsigned number) {
        Object *o = NULL;

        assert_true(object_new(kind, &o) >= 0);
        (void) snprintf(o->id, sizeof(o->id), "%016x", number);
        return o;
}

static Object *make_network(unsigned number, const char *name, const char *prefix4) {
        Object *o = make(&kind_network, number);

        ((Network *) o)->name = strdup(name);
        assert_true(prefix_parse(prefix4, &((Network *) o)->prefix4) >= 0);
        return o;
}

static Object *make_node(unsigned number, const char *name, unsigned index) {
        Object *o = make(&kind_node, number);
        Node *n = (Node *) o;

        n->name = strdup(name);
        n->network = strdup("0000000000000001");
        n->index = index;
        memset(n->identity.bytes, (int) number, KEY_SIZE);
        memset(n->wg_key.bytes, (int) number + 100, KEY_SIZE);
        return o;
}

static Object *make_prefix(unsigned number, unsigned node, const char *prefix) {
        Object *o = make(&kind_prefix, number);
        char id[OBJECT_ID_MAX];

        (void) snprintf(id, sizeof(id), "%016x", node);
        ((SitePrefix *) o)->node = strdup(id);
        assert_true(prefix_parse(prefix, &((SitePrefix *) o)->prefix) >= 0);
        return o;
}

static Object *make_uplink(unsigned number, unsigned node, const char *name) {
        Object *o = make(&kind_uplink, number);
        char id[OBJECT_ID_MAX];

        (void) snprintf(id, sizeof(id), "%016x", node);
        ((Uplink *) o)->node = strdup(id);
        ((Uplink *) o)->name = strdup(name);
        return o;
}

static int check(Model *m, const Object *before, Object *after, const char *field) {
        FieldError error = { 0 };
        int r = model_check(m, before, after, &error);

        if (r < 0 && field)
                assert_string_equal(error.field, field);
        return r;
}

static void add(Model *m, Object *o) {
        assert_int_equal(check(m, NULL, o, NULL), 0);
        assert_int_equal(model_swap(m, NULL, o), 0);
}

static const Object *get(Model *m, const Kind *kind, unsigned number) {
        char id[OBJECT_ID_MAX];

        (void) snprintf(id, sizeof(id), "%016x", number);
        return model_get(m, kind, id);
}

static void fill(Model *m) {
        add(m, make_network(1, "corp", "10.255.0.0/16"));
        add(m, make_node(0x10, "b1", 1));
        add(m, make_node(0x11, "b2", 2));
        add(m, make_prefix(0x20, 0x10, "10.1.0.0/16"));
        add(m, make_prefix(0x21, 0x11, "10.2.1.0/24"));
        add(m, make_prefix(0x22, 0x11, "10.2.2.0/24"));
        add(m, make_uplink(0x30, 0x10, "wan"));
}

static int count(const Object *o, void *userdata) {
        (*(unsigned *) userdata)++;
        return 0;
}

static void test_find(void **state) {
        Model *m = *state;
        PublicKey key;
        unsigned n = 0;

        fill(m);
        assert_ptr_equal(model_find(m, &kind_node, "b1"), get(m, &kind_node, 0x10));
        assert_null(model_find(m, &kind_node, "b3"));
        assert_null(model_find(m, &kind_node, ""));
        assert_null(model_find(m, &kind_node, "0000000000")); /* two begin so */
        assert_ptr_equal(model_find(m, &kind_network, "00000000"), get(m, &kind_network, 1));
        assert_null(model_find(m, &kind_network, "0000000"));
        memset(key.bytes, 0x11, KEY_SIZE);
        assert_string_equal(model_node_by_identity(m, &key)->name, "b2");
        memset(key.bytes, 0x11 + 100, KEY_SIZE);
        assert_string_equal(model_node_by_wg_key(m, &key)->name, "b2");
        memset(key.bytes, 0, KEY_SIZE);
        assert_null(model_node_by_wg_key(m, &key));
        assert_int_equal(model_count(m, &kind_prefix), 3);
        assert_int_equal(model_referrers(m, &kind_prefix, "0000000000000011", count, &n), 0);
        assert_int_equal(n, 2);
        n = 0;
        for (const Object *o = model_next(m, &kind_prefix, NULL); o; o = model_next(m, &kind_prefix, o->id))
                n++;
        assert_int_equal(n, 3);
        assert_ptr_equal(model_next(m, &kind_prefix, "0000000000000020x"), get(m, &kind_prefix, 0x21));
        assert_null(model_next(m, &kind_prefix, "0000000000000022"));
}

static void expect_refused(Model *m, Object *o, int error, const char *field) {
        assert_int_equal(check(m, NULL, o, field), error);
        (void) object_free(o);
}

static void test_rules(void **state) {
        Model *m = *state;
        Object *o = NULL;

        fill(m);
        expect_refused(m, make_network(2, "corp", "10.254.0.0/16"), -EEXIST, "name");
        expect_refused(m, make_network(2, "other", "10.255.3.0/24"), -EEXIST, "prefix4");
        expect_refused(m, make_network(2, "other", "10.0.0.0/8"), -EEXIST, "prefix4");
        expect_refused(m, make_network(2, "other", "10.1.2.0/24"), -EEXIST, "prefix4");
        expect_refused(m, make_network(1, "other", "10.9.0.0/16"), -EEXIST, "id");
        expect_refused(m, make_node(0x12, "b1", 3), -EEXIST, "name");
        expect_refused(m, make_prefix(0x23, 0x99, "10.9.0.0/16"), -EINVAL, "node");
        expect_refused(m, make_uplink(0x31, 0x10, "wan"), -EEXIST, "name");
        add(m, make_uplink(0x31, 0x11, "wan")); /* of another node */
        o = make_node(0x12, "b3", 3);
        memset(((Node *) o)->wg_key.bytes, 0x10 + 100, KEY_SIZE);
        expect_refused(m, o, -EEXIST, "wg_key");

        /* what is referred to stays */
        assert_int_equal(check(m, get(m, &kind_network, 1), NULL, "id"), -EBUSY);
        assert_int_equal(check(m, get(m, &kind_node, 0x10), NULL, "id"), -EBUSY);
        assert_int_equal(check(m, get(m, &kind_uplink, 0x30), NULL, NULL), 0);

        /* an object does not collide with itself, but does with others */
        assert_int_equal(object_copy(get(m, &kind_node, 0x10), &o), 0);
        assert_int_equal(check(m, get(m, &kind_node, 0x10), o, NULL), 0);
        free(((Node *) o)->name);
        ((Node *) o)->name = strdup("b2");
        assert_int_equal(check(m, get(m, &kind_node, 0x10), o, "name"), -EEXIST);
        (void) object_free(o);
}

static void test_overlap(void **state) {
        Model *m = *state;
        static const struct {
                unsigned node;
                const char *prefix;
                bool free;
        } cases[] = {
                { 0x11, "10.1.0.0/16", false }, { 0x11, "10.1.7.0/24", false },
                { 0x11, "10.0.0.0/8", false },  { 0x10, "10.1.7.0/24", true }, /* inside one's own */
                { 0x10, "10.1.0.0/16", false },                                /* twice */
                { 0x10, "10.2.0.0/16", false }, { 0x10, "10.2.2.128/25", false },
                { 0x10, "10.2.3.0/24", true },  { 0x10, "10.255.9.0/24", false }, /* the overlay */
                { 0x10, "fd00::/64", true },
        };

        fill(m);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Object *o = make_prefix(0x40, cases[i].node, cases[i].prefix);

                assert_int_equal(check(m, NULL, o, "prefix"), cases[i].free ? 0 : -EEXIST);
                (void) object_free(o);
        }
}

/* Against the plain way of looking at every pair. */
static void test_overlap_random(void **state) {
        Model *m = *state;
        Prefix known[200];
        unsigned n = 0;

        add(m, make_network(1, "corp", "192.168.0.0/16"));
        add(m, make_node(0x10, "b1", 1));
        for (unsigned i = 0; i < 2000; i++) {
                Prefix p = { .address = { .family = AF_INET },
                             .length = (uint8_t) (8 + crypto_random_u64() % 17) };
                bool overlaps = false;

                p.address.bytes[0] = 10;
                crypto_random(p.address.bytes + 1, 3);
                prefix_mask(&p);
                for (unsigned k = 0; k < n; k++)
                        overlaps = overlaps || prefix_overlaps(&known[k], &p);
                assert_int_equal(model_overlapping_prefix(m, &p, NULL) != NULL, overlaps);
                assert_null(model_overlapping_prefix(m, &p, "0000000000000010"));
                if (!overlaps && n < ELEMENTSOF(known) && p.length > 14) {
                        char text[PREFIX_STRING_MAX];

                        add(m, make_prefix(0x1000 + n, 0x10, prefix_format(&p, text)));
                        known[n++] = p;
                }
        }
        assert_true(n > 20);
}

static void test_swap(void **state) {
        Model *m = *state;
        Object *o = NULL;

        fill(m);
        assert_int_equal(object_copy(get(m, &kind_node, 0x10), &o), 0);
        free(((Node *) o)->name);
        ((Node *) o)->name = strdup("renamed");
        assert_int_equal(model_swap(m, get(m, &kind_node, 0x10), o), 0);
        assert_null(model_find(m, &kind_node, "b1"));
        assert_ptr_equal(model_find(m, &kind_node, "renamed"), o);
        assert_int_equal(model_count(m, &kind_node), 2);
        assert_int_equal(model_swap(m, get(m, &kind_uplink, 0x30), NULL), 0);
        assert_int_equal(model_swap(m, get(m, &kind_prefix, 0x20), NULL), 0);
        assert_int_equal(check(m, o, NULL, NULL), 0);
        assert_int_equal(model_swap(m, o, NULL), 0);
        assert_null(model_find(m, &kind_node, "renamed"));
        assert_int_equal(model_count(m, &kind_node), 1);
}

static void test_indexes(void **state) {
        Model *m = *state;
        const Network *n;

        add(m, make_network(1, "small", "10.0.0.0/29")); /* 1…6 */
        n = network_of(get(m, &kind_network, 1));
        for (unsigned i = 1; i <= 6; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "n%u", i);
                assert_int_equal(model_next_index(m, n), i);
                add(m, make_node(0x10 + i, name, i));
        }
        assert_int_equal(model_next_index(m, n), 0);
        assert_int_equal(model_swap(m, get(m, &kind_node, 0x13), NULL), 0);
        assert_int_equal(model_next_index(m, n), 3);
        add(m, make_node(0x13, "again", 3));
        assert_int_equal(model_next_index(m, n), 0);
        assert_int_equal(model_next_hub_slot(m, n), 1);
}

/* A number that has just become free is given last. */
static void test_index_not_reused_soon(void **state) {
        Model *m = *state;
        const Network *n;

        add(m, make_network(1, "corp", "10.0.0.0/16"));
        n = network_of(get(m, &kind_network, 1));
        add(m, make_node(0x10, "a", 1));
        add(m, make_node(0x11, "b", 2));
        assert_int_equal(model_swap(m, get(m, &kind_node, 0x11), NULL), 0);
        assert_int_equal(model_next_index(m, n), 3);
}

static void test_pending(void **state) {
        Model *m = *state;
        Object *node = make_node(0x12, "b3", 3), *prefix = make_prefix(0x50, 0x12, "10.5.0.0/16"),
               *other = make_prefix(0x51, 0x10, "10.5.1.0/24");
        ModelSwap swaps[2] = { { NULL, node } };
        FieldError error;

        fill(m);
        assert_int_equal(model_check(m, NULL, prefix, &error), -EINVAL);
        assert_int_equal(model_check_with(m, swaps, 1, NULL, prefix, &error), 0);
        swaps[1] = (ModelSwap) { NULL, prefix };
        assert_int_equal(model_check_with(m, swaps, 2, NULL, other, &error), -EEXIST);
        /* a node may go with what refers to it */
        assert_int_equal(model_check(m, get(m, &kind_node, 0x10), NULL, &error), -EBUSY);
        swaps[0] = (ModelSwap) { get(m, &kind_uplink, 0x30), NULL };
        swaps[1] = (ModelSwap) { get(m, &kind_prefix, 0x20), NULL };
        assert_int_equal(model_check_with(m, swaps, 2, get(m, &kind_node, 0x10), NULL, &error), 0);
        (void) object_free(node);
        (void) object_free(prefix);
        (void) object_free(other);
}

static void test_tombstones(void **state) {
        Model *m = *state;

        assert_false(model_is_tombstoned(m, "b"));
        assert_int_equal(model_add_tombstone(m, "b"), 0);
        assert_int_equal(model_add_tombstone(m, "a"), 0);
        assert_int_equal(model_add_tombstone(m, "b"), 0);
        assert_true(model_is_tombstoned(m, "a"));
        assert_true(model_is_tombstoned(m, "b"));
        assert_false(model_is_tombstoned(m, "ab"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_find),
                T(test_rules),
                T(test_overlap),
                T(test_overlap_random),
                T(test_swap),
                T(test_indexes),
                T(test_index_not_reused_soon),
                T(test_pending),
                T(test_tombstones),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
