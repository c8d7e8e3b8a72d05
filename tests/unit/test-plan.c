/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "overlay/desired.h"

#define NODE "1111111111111111111111111111111111111111111111111111111111111111"
#define NET "0000000000000001"
#define CONTROLLER "00000000000000000000000000000000"

typedef struct World {
        Plan *plan;
        Desired *desired;
        uint64_t revision;
} World;

static PublicKey key_of_number(unsigned n) {
        PublicKey k = { { 1, (uint8_t) n, (uint8_t) (n >> 8), 7 } };

        return k;
}

static void node_of_number(unsigned n, char ret[OBJECT_ID_MAX]) {
        (void) snprintf(ret, OBJECT_ID_MAX, "%064x", n);
}

static World world_new(void) {
        PublicKey own = key_of_number(0xffff);
        World w = { 0 };

        assert_int_equal(plan_new(&w.plan), 0);
        assert_int_equal(desired_new(NODE, NET, &own, w.plan, &w.desired), 0);
        return w;
}

static void world_done(World *w) {
        w->desired = desired_free(w->desired);
        w->plan = plan_free(w->plan);
}

/* Takes data. */
static int give(World *w, const char *topic, const char *id, json_object *data, bool snapshot) {
        BatchItem item = { .id = (char *) id, .revision = w->revision + 1, .data = data };
        Batch b = { .controller_id = (char *) CONTROLLER,
                    .epoch = 1,
                    .topic = (char *) topic,
                    .from = w->revision,
                    .to = w->revision + 1,
                    .snapshot = snapshot,
                    .items = &item,
                    .n_items = id ? 1 : 0 };
        char bad[ITEM_ID_MAX];
        const char *reason = NULL;
        int r;

        w->revision++;
        r = desired_apply(w->desired, &b, bad, &reason);
        if (r == -EBADMSG)
                assert_non_null(reason);
        if (data)
                json_object_put(data);
        return r;
}

static json_object *address_of(const char *s, Address *ret) {
        assert_int_equal(address_parse(s, ret), 0);
        return NULL;
}

static void give_self(World *w, int role, int state) {
        ItemSelf i = { .name = (char *) "me",
                       .network = (char *) NET,
                       .role = role,
                       .state = state,
                       .index = 9,
                       .hub_slot = role == ROLE_HUB ? 3 : 0,
                       .wg_key = key_of_number(0xffff) };
        json_object *o = NULL;

        address_of("10.0.0.9", &i.address4);
        address_of("fd00::9", &i.address6);
        assert_int_equal(item_self_to_json(&i, &o), 0);
        assert_int_equal(give(w, "node/" NODE, "self", o, false), 0);
}

static void give_network(World *w) {
        ItemNetwork i = { .name = (char *) "corp", .mtu = 1420, .port = 51820, .keepalive = 25 };
        json_object *o = NULL;

        assert_int_equal(prefix_parse("10.0.0.0/16", &i.prefix4), 0);
        assert_int_equal(prefix_parse("fd00::/64", &i.prefix6), 0);
        assert_int_equal(item_network_to_json(&i, &o), 0);
        assert_int_equal(give(w, "net/" NET "/hubs", "network", o, false), 0);
}

static void give_hub(World *w, unsigned n, unsigned slot, unsigned priority, const char *endpoint) {
        char *endpoints[] = { (char *) endpoint, NULL };
        ItemHub i = { .name = (char *) "hub",
                      .index = 100 + n,
                      .hub_slot = slot,
                      .priority = priority,
                      .wg_key = key_of_number(n),
                      .endpoints = endpoint ? endpoints : NULL };
        char id[ITEM_ID_MAX], node[OBJECT_ID_MAX], text[32];
        json_object *o = NULL;

        (void) snprintf(text, sizeof(text), "10.0.1.%u", n);
        address_of(text, &i.address4);
        (void) snprintf(text, sizeof(text), "fd00::1:%x", n);
        address_of(text, &i.address6);
        node_of_number(n, node);
        (void) snprintf(id, sizeof(id), "hub/%s", node);
        assert_int_equal(item_hub_to_json(&i, &o), 0);
        assert_int_equal(give(w, "net/" NET "/hubs", id, o, false), 0);
}

static void give_peer(World *w, unsigned n, unsigned key) {
        ItemPeer i = { .name = (char *) "spoke", .index = 1000 + n, .wg_key = key_of_number(key) };
        char id[ITEM_ID_MAX], node[OBJECT_ID_MAX], text[32];
        json_object *o = NULL;

        (void) snprintf(text, sizeof(text), "10.0.%u.%u", 4 + n / 200, 1 + n % 200);
        address_of(text, &i.address4);
        (void) snprintf(text, sizeof(text), "fd00::2:%x", n + 1);
        address_of(text, &i.address6);
        node_of_number(n, node);
        (void) snprintf(id, sizeof(id), "%s/0", node);
        assert_int_equal(item_peer_to_json(&i, &o), 0);
        assert_int_equal(give(w, "net/" NET "/lanes", id, o, false), 0);
}

static int give_prefix(World *w, unsigned id_number, unsigned n, const char *prefix) {
        char id[ITEM_ID_MAX], node[OBJECT_ID_MAX];
        ItemPrefix i = { .node = node, .index = 1000 + n };
        json_object *o = NULL;

        node_of_number(n, node);
        (void) snprintf(id, sizeof(id), "%016x", id_number);
        assert_int_equal(prefix_parse(prefix, &i.prefix), 0);
        assert_int_equal(item_prefix_to_json(&i, &o), 0);
        return give(w, "net/" NET "/prefixes", id, o, false);
}

static void give_aggregate(World *w, const char *id, const char *prefix) {
        ItemPrefix i = { 0 };
        json_object *o = NULL;

        assert_int_equal(prefix_parse(prefix, &i.prefix), 0);
        assert_int_equal(item_prefix_to_json(&i, &o), 0);
        assert_int_equal(give(w, "net/" NET "/aggregates", id, o, false), 0);
}

static void plan_of(World *w, PlanSteps *ret) {
        assert_int_equal(desired_compile(w->desired), 0);
        assert_int_equal(plan_make(w->plan, true, ret), 0);
}

/* Does all steps in their order, each of which has to be ready when its turn comes. */
static size_t apply(World *w, Buffer *ret_text) {
        PlanSteps steps;
        size_t n;

        plan_of(w, &steps);
        for (size_t i = 0; i < steps.n; i++) {
                assert_true(plan_step_ready(w->plan, &steps.steps[i]));
                if (ret_text)
                        assert_int_equal(plan_step_format(&steps.steps[i], ret_text), 0);
                assert_int_equal(plan_step_done(w->plan, &steps.steps[i]), 0);
        }
        n = steps.n;
        plan_steps_done(&steps);
        assert_int_equal(plan_dirty(w->plan), 0);
        return n;
}

static void assert_golden(const char *name, const Buffer *b) {
        const char *source = getenv("SDWAN_SOURCE"), *update = getenv("SDWAN_UPDATE_GOLDEN");
        char path[512], expected[65536];
        size_t n;
        FILE *f;

        if (!source)
                skip();
        (void) snprintf(path, sizeof(path), "%s/tests/golden/plan/%s.txt", source, name);
        if (update) {
                f = fopen(path, "w");
                assert_non_null(f);
                assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
                (void) fclose(f);
                return;
        }
        f = fopen(path, "r");
        assert_non_null(f);
        n = fread(expected, 1, sizeof(expected) - 1, f);
        (void) fclose(f);
        expected[n] = '\0';
        assert_string_equal((char *) b->data, expected);
}

static void test_spoke(void **state) {
        _cleanup_buffer_ Buffer b = { 0 };
        World w = world_new();

        give_self(&w, ROLE_SPOKE, NODE_ACTIVE);
        give_network(&w);
        give_hub(&w, 1, 1, 100, "192.0.2.1");
        give_hub(&w, 2, 2, 50, "192.0.2.2");
        give_hub(&w, 3, 4, 10, NULL); /* cannot be dialled */
        give_aggregate(&w, "overlay4", "10.0.0.0/16");
        give_aggregate(&w, "range/10.8.0.0/13", "10.8.0.0/13");
        apply(&w, &b);
        assert_int_equal(buffer_append_str(&b, "-- hub 2 loses its endpoint\n"), 0);
        give_hub(&w, 2, 2, 50, NULL);
        apply(&w, &b);
        assert_int_equal(buffer_append_str(&b, "-- and hub 1 moves\n"), 0);
        give_hub(&w, 1, 1, 100, "192.0.2.77");
        apply(&w, &b);
        assert_golden("spoke", &b);
        world_done(&w);
}

static void test_hub(void **state) {
        _cleanup_buffer_ Buffer b = { 0 };
        World w = world_new();

        give_self(&w, ROLE_HUB, NODE_ACTIVE);
        give_network(&w);
        give_hub(&w, 1, 1, 100, "192.0.2.1");
        give_peer(&w, 20, 20);
        assert_int_equal(give_prefix(&w, 1, 20, "10.9.0.0/24"), 0);
        assert_int_equal(give_prefix(&w, 2, 1, "10.10.0.0/24"), 0);
        apply(&w, &b);
        assert_int_equal(buffer_append_str(&b, "-- one more prefix\n"), 0);
        assert_int_equal(give_prefix(&w, 3, 20, "10.9.2.0/24"), 0);
        apply(&w, &b);
        assert_int_equal(buffer_append_str(&b, "-- one prefix less\n"), 0);
        assert_int_equal(give(&w, "net/" NET "/prefixes", "0000000000000001", NULL, false), 0);
        apply(&w, &b);
        assert_int_equal(buffer_append_str(&b, "-- revoked\n"), 0);
        give_self(&w, ROLE_HUB, NODE_REVOKED);
        apply(&w, &b);
        assert_golden("hub", &b);
        world_done(&w);
}

/* One more peer among a thousand: one step for the device with one peer in it, and what belongs to that
 * peer. */
static void test_one_of_a_thousand(void **state) {
        World w = world_new();
        PlanSteps steps;
        size_t devices = 0;

        give_self(&w, ROLE_HUB, NODE_ACTIVE);
        give_network(&w);
        for (unsigned i = 0; i < 1000; i++)
                give_peer(&w, 20 + i, 20 + i);
        apply(&w, NULL);
        give_peer(&w, 1020, 1020);
        plan_of(&w, &steps);
        assert_int_equal(steps.n, 5); /* device, two groups, two routes */
        for (size_t i = 0; i < steps.n; i++)
                if (steps.steps[i].type == STEP_DEVICE_SET) {
                        devices++;
                        assert_int_equal(steps.steps[i].n_peers, 1);
                        assert_false(steps.steps[i].set_key || steps.steps[i].set_port);
                }
        assert_int_equal(devices, 1);
        plan_steps_done(&steps);
        world_done(&w);
}

static void test_removals_wait(void **state) {
        World w = world_new();
        PlanSteps steps;

        give_self(&w, ROLE_HUB, NODE_ACTIVE);
        give_network(&w);
        give_peer(&w, 20, 20);
        apply(&w, NULL);
        assert_int_equal(give(&w, "net/" NET "/lanes", NULL, NULL, true), 0);
        assert_int_equal(desired_compile(w.desired), 0);
        assert_int_equal(plan_make(w.plan, false, &steps), 0);
        assert_int_equal(steps.n, 0);
        plan_steps_done(&steps);
        assert_int_equal(apply(&w, NULL), 5);
        world_done(&w);
}

static void test_refused(void **state) {
        World w = world_new();

        give_self(&w, ROLE_HUB, NODE_ACTIVE);
        give_network(&w);
        give_peer(&w, 20, 20);
        apply(&w, NULL);
        assert_int_equal(give_prefix(&w, 1, 20, "0.0.0.0/0"), -EBADMSG);
        assert_int_equal(give_prefix(&w, 2, 20, "127.0.0.0/8"), -EBADMSG);
        assert_int_equal(give_prefix(&w, 3, 20, "fe80::/10"), -EBADMSG);
        assert_int_equal(give(&w, "net/" NET "/lanes", "x", json_object_new_object(), false), -EBADMSG);
        assert_int_equal(give(&w, "net/ffffffffffffffff/lanes", "x", json_object_new_object(), false), 1);
        assert_int_equal(apply(&w, NULL), 0);
        world_done(&w);
}

/* A peer whose endpoint has roamed is left alone while its session lives. */
static void test_roaming(void **state) {
        World w = world_new();
        PlanValue *v;
        PlanPeer *p;

        give_self(&w, ROLE_SPOKE, NODE_ACTIVE);
        give_network(&w);
        give_hub(&w, 1, 1, 100, "192.0.2.1");
        apply(&w, NULL);
        for (int alive = 1; alive >= 0; alive--) {
                v = plan_value_new(PLAN_PEER, 2);
                p = (PlanPeer *) v->data;
                strcpy(p->device, "sdw1");
                p->key = key_of_number(1);
                address_of("198.51.100.5", &p->endpoint);
                p->endpoint_port = 1;
                p->keepalive = 25;
                p->allowed[0].address.family = AF_INET;
                p->allowed[1].address.family = AF_INET6;
                assert_int_equal(plan_actual(w.plan, PLAN_PEER, v, alive), 0);
                assert_int_equal(plan_dirty(w.plan), alive ? 0 : 1);
        }
        world_done(&w);
}

#define MANY 1000
#define PEER_BYTES_MAX 2100

static size_t bytes_in_use(void) {
        return mallinfo2().uordblks;
}

/* What a hub keeps for each spoke; and that a dump that finds everything as wanted keeps no second copy. */
static void test_memory(void **state) {
        World w = world_new();
        size_t before, after;

#ifdef __SANITIZE_ADDRESS__
        world_done(&w);
        skip();
#endif
        give_self(&w, ROLE_HUB, NODE_ACTIVE);
        give_network(&w);
        apply(&w, NULL);
        before = bytes_in_use();
        for (unsigned i = 0; i < MANY; i++)
                give_peer(&w, 20 + i, 20 + i);
        apply(&w, NULL);
        after = bytes_in_use();
        assert_true(after - before < MANY * PEER_BYTES_MAX);

        for (unsigned i = 0; i < MANY; i++) {
                PlanValue *v = plan_value_new(PLAN_GROUP, 1);
                PlanGroup *g = (PlanGroup *) v->data;

                g->id = NEXTHOP_BASE | NEXTHOP_CLASS_NODE << 21 | (1020 + i) << 1;
                g->members[0].id = NEXTHOP_BASE | NEXTHOP_LANE << 1;
                g->members[0].weight = 1;
                assert_int_equal(plan_actual(w.plan, PLAN_GROUP, v, false), 0);
        }
        assert_int_equal(plan_dirty(w.plan), 0);
        assert_true(bytes_in_use() < after + MANY);
        world_done(&w);
}

static unsigned next_random(unsigned *seed) {
        *seed = *seed * 1103515245U + 12345U;
        return *seed >> 16 & 0x7fff;
}

#define RANDOM_NODES 12
#define RANDOM_PREFIXES 10

/* What was said last of everything, to say it again in another order. */
typedef struct Last {
        int hub[RANDOM_NODES], peer[RANDOM_NODES]; /* 0: nothing, else variant + 1 */
        int prefix_node[RANDOM_PREFIXES], prefix[RANDOM_PREFIXES];
        int role;
} Last;

static void say_hub(World *w, int n, int variant) {
        char id[ITEM_ID_MAX], node[OBJECT_ID_MAX];

        if (variant != 0) {
                give_hub(w, (unsigned) n, 1 + (unsigned) (n + variant) % 5, (unsigned) variant,
                         variant % 3 ? "192.0.2.1" : NULL);
                return;
        }
        node_of_number((unsigned) n, node);
        (void) snprintf(id, sizeof(id), "hub/%s", node);
        assert_int_equal(give(w, "net/" NET "/hubs", id, NULL, false), 0);
}

static void say_peer(World *w, int n, int variant) {
        char id[ITEM_ID_MAX], node[OBJECT_ID_MAX];

        if (variant != 0) {
                give_peer(w, (unsigned) n, 100 + (unsigned) (n + variant) % RANDOM_NODES);
                return;
        }
        node_of_number((unsigned) n, node);
        (void) snprintf(id, sizeof(id), "%s/0", node);
        assert_true(give(w, "net/" NET "/lanes", id, NULL, false) >= 0);
}

static void say_prefix(World *w, int i, const Last *last) {
        char text[32];

        if (last->prefix[i] != 0) {
                (void) snprintf(text, sizeof(text), "10.%d.0.0/24", 100 + last->prefix[i]);
                assert_true(give_prefix(w, (unsigned) i, (unsigned) last->prefix_node[i], text) >= 0);
                return;
        }
        (void) snprintf(text, sizeof(text), "%016x", (unsigned) i);
        assert_true(give(w, "net/" NET "/prefixes", text, NULL, false) >= 0);
}

static void random_change(World *w, Last *last, unsigned *seed) {
        int n = (int) (1 + next_random(seed) % (RANDOM_NODES - 1));
        int variant = (int) (next_random(seed) % 4);

        switch (next_random(seed) % 8) {
        case 0:
                last->hub[n] = variant;
                say_hub(w, n, variant);
                break;
        case 1:
        case 2:
        case 3:
                last->peer[n] = variant;
                say_peer(w, n, variant);
                break;
        default:
                n %= RANDOM_PREFIXES;
                last->prefix_node[n] = (int) (1 + next_random(seed) % (RANDOM_NODES - 1));
                last->prefix[n] = variant;
                say_prefix(w, n, last);
        }
}

static void say_all(World *w, const Last *last, unsigned *seed) {
        int offset = (int) (next_random(seed) % RANDOM_NODES);

        give_network(w);
        give_self(w, ROLE_HUB, NODE_ACTIVE);
        for (int i = 0; i < RANDOM_PREFIXES; i++)
                say_prefix(w, (i + offset) % RANDOM_PREFIXES, last);
        for (int i = 0; i < RANDOM_NODES; i++) {
                int n = (i + offset) % RANDOM_NODES;

                say_peer(w, n, last->peer[n]);
                say_hub(w, n, last->hub[n]);
        }
}

/* Whatever the way that led there, what is wanted depends on the items alone, and the steps lead to it. */
static void test_random(void **state) {
        for (unsigned run = 1; run <= 60; run++) {
                unsigned seed = run;
                Last last = { 0 };
                World w = world_new();

                give_self(&w, ROLE_HUB, NODE_ACTIVE);
                give_network(&w);
                for (int i = 0; i < 150; i++) {
                        random_change(&w, &last, &seed);
                        if (next_random(&seed) % 3 != 0)
                                continue;
                        apply(&w, NULL);
                        if (next_random(&seed) % 4 == 0) {
                                _cleanup_buffer_ Buffer a = { 0 }, b = { 0 };
                                World fresh = world_new();

                                say_all(&fresh, &last, &seed);
                                apply(&fresh, NULL);
                                assert_int_equal(plan_wanted_format(w.plan, &a), 0);
                                assert_int_equal(plan_wanted_format(fresh.plan, &b), 0);
                                assert_string_equal((char *) a.data, (char *) b.data);
                                world_done(&fresh);
                        }
                }
                world_done(&w);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_spoke),
                cmocka_unit_test(test_hub),
                cmocka_unit_test(test_one_of_a_thousand),
                cmocka_unit_test(test_removals_wait),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_roaming),
                cmocka_unit_test(test_memory),
                cmocka_unit_test(test_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
