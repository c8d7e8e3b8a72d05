/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "overlay/compile.h"

#define NODE_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define NETWORK_ID "0123456789abcdef"
#define CONTROLLER_ID "0123456789abcdef0123456789abcdef"
#define KEY_TEXT "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static Address address(const char *s) {
        Address a;

        assert_int_equal(address_parse(s, &a), 0);
        return a;
}

static Prefix prefix(const char *s) {
        Prefix p;

        assert_int_equal(prefix_parse(s, &p), 0);
        return p;
}

static PublicKey key(uint8_t byte) {
        PublicKey k;

        memset(k.bytes, byte, sizeof(k.bytes));
        return k;
}

static json_object *parse(const char *s) {
        json_object *o = NULL;

        assert_int_equal(json_parse(s, strlen(s), 0, NULL, &o), 0);
        return o;
}

static void assert_json(json_object *o, const char *expected) {
        _cleanup_free_ char *text = json_format(o, NULL);

        assert_non_null(text);
        assert_string_equal(text, expected);
}

/* ---- topics ---- */

static void test_topics(void **state) {
        static const char *const bad[] = {
                "",          "node/",       "node/UPPER",      "node/a/b",     "net/x",
                "net//hubs", "net/x/hubs/", "net/x/something", "net/x/y/hubs", "node/a b",
                "/node/a",   "hubs",        "net/hubs",
        };
        char topic[TOPIC_MAX], owner[OBJECT_ID_MAX];
        TopicClass class;

        for (TopicClass c = TOPIC_NODE; c <= TOPIC_AGGREGATES; c++) {
                topic_format(c, NETWORK_ID, topic);
                assert_int_equal(topic_parse(topic, &class, owner), 0);
                assert_int_equal(class, c);
                assert_string_equal(owner, NETWORK_ID);
        }
        topic_format(TOPIC_NODE, NODE_ID, topic);
        assert_string_equal(topic, "node/" NODE_ID);
        topic_format(TOPIC_LANES, NETWORK_ID, topic);
        assert_string_equal(topic, "net/" NETWORK_ID "/lanes");
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(topic_parse(bad[i], &class, owner), -EINVAL);
        /* an owner of 65 bytes does not fit */
        assert_int_equal(topic_parse("node/" NODE_ID "0", &class, owner), -EINVAL);
}

/* ---- items ---- */

static void test_self(void **state) {
        _cleanup_json_ json_object *o = NULL, *again = NULL;
        ItemSelf i = {
                .name = (char *) "h1",
                .network = (char *) NETWORK_ID,
                .role = ROLE_HUB,
                .state = NODE_ACTIVE,
                .index = 7,
                .hub_slot = 2,
                .address4 = address("10.0.0.7"),
                .address6 = address("fd00::7"),
                .wg_key = key(1),
        }, back = { 0 };
        const char *reason = NULL;

        assert_int_equal(item_self_to_json(&i, &o), 0);
        assert_json(o, "{\"name\":\"h1\",\"network\":\"" NETWORK_ID
                       "\",\"role\":\"hub\",\"state\":\"active\",\"index\":7,"
                       "\"hub_slot\":2,\"address4\":\"10.0.0.7\",\"address6\":\"fd00::7\",\"wg_key\":"
                       "\"" KEY_TEXT "\"}");
        assert_int_equal(item_self_from_json(o, &back, &reason), 0);
        assert_string_equal(back.name, "h1");
        assert_string_equal(back.network, NETWORK_ID);
        assert_int_equal(back.role, ROLE_HUB);
        assert_int_equal(back.state, NODE_ACTIVE);
        assert_int_equal(back.index, 7);
        assert_int_equal(back.hub_slot, 2);
        assert_true(address_equal(&back.address4, &i.address4));
        assert_true(address_equal(&back.address6, &i.address6));
        assert_memory_equal(&back.wg_key, &i.wg_key, sizeof(i.wg_key));
        item_self_done(&back);

        /* optional members are absent */
        i.role = ROLE_SPOKE;
        i.state = NODE_PENDING;
        i.hub_slot = 0;
        i.address6 = (Address) { 0 };
        assert_int_equal(item_self_to_json(&i, &again), 0);
        assert_json(again, "{\"name\":\"h1\",\"network\":\"" NETWORK_ID
                           "\",\"role\":\"spoke\",\"state\":\"pending\","
                           "\"index\":7,\"address4\":\"10.0.0.7\",\"wg_key\":\"" KEY_TEXT "\"}");
        assert_int_equal(item_self_from_json(again, &back, &reason), 0);
        assert_int_equal(back.address6.family, 0);
        assert_int_equal(back.hub_slot, 0);
        item_self_done(&back);
}

typedef struct Refused {
        const char *member, *value; /* replaced in a good item; value NULL: removed */
        const char *reason;
} Refused;

static json_object *replaced(const char *good, const Refused *refused) {
        json_object *o = parse(good);

        json_object_object_del(o, refused->member);
        if (refused->value) {
                /* a document needs no object at its top */
                json_object *value = parse(refused->value);

                assert_int_equal(json_object_object_add(o, refused->member, value), 0);
        }
        return o;
}

#define REFUSALS(type, Type, good, table) \
        do { \
                for (size_t k = 0; k < ELEMENTSOF(table); k++) { \
                        _cleanup_json_ json_object *_o = replaced(good, &table[k]); \
                        const char *_reason = NULL; \
                        Type _i; \
                        int _r = item_##type##_from_json(_o, &_i, &_reason); \
\
                        if (_r != -EBADMSG) \
                                print_error("%s = %s\n", table[k].member, strempty(table[k].value)); \
                        assert_int_equal(_r, -EBADMSG); \
                        assert_string_equal(_reason, table[k].reason); \
                } \
        } while (false)

static void test_self_refused(void **state) {
        static const char good[] = "{\"name\":\"b1\",\"network\":\"n\",\"role\":\"spoke\",\"state\":"
                                   "\"active\",\"index\":1,"
                                   "\"address4\":\"10.0.0.1\",\"wg_key\":\"" KEY_TEXT "\"}";
        static const Refused refused[] = {
                { "name", NULL, "name" },
                { "name", "\"\"", "name" },
                { "name", "\"a\\nb\"", "name" },
                { "name", "7", "name" },
                { "network", "\"../x\"", "network" },
                { "role", "\"king\"", "role" },
                { "state", "\"\"", "state" },
                { "index", "0", "index" },
                { "index", "1048576", "index" },
                { "index", "-1", "index" },
                { "index", "\"1\"", "index" },
                { "hub_slot", "1", "hub_slot" }, /* of a spoke */
                { "address4", "\"fd00::1\"", "address4" },
                { "address4", "\"10.0.0.1/32\"", "address4" },
                { "address4", NULL, "no address" },
                { "address6", "\"10.0.0.1\"", "address6" },
                { "wg_key", "\"AQEB\"", "wg_key" },
                { "wg_key", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"", "wg_key" },
        };
        _cleanup_json_ json_object *o = parse(good), *array = parse("[]");
        const char *reason = NULL;
        ItemSelf i;

        assert_int_equal(item_self_from_json(o, &i, &reason), 0);
        item_self_done(&i);
        REFUSALS(self, ItemSelf, good, refused);
        assert_int_equal(item_self_from_json(array, &i, &reason), -EBADMSG);
        assert_int_equal(item_self_from_json(NULL, &i, &reason), -EBADMSG);
        /* what a newer controller adds is not ours to refuse */
        assert_int_equal(json_add_string(o, "colour", "blue"), 0);
        assert_int_equal(item_self_from_json(o, &i, &reason), 0);
        item_self_done(&i);
}

static void test_network(void **state) {
        static const char good[] = "{\"name\":\"acme\",\"prefix4\":\"10.0.0.0/16\",\"prefix6\":\"fd00::/"
                                   "48\",\"mtu\":1420,"
                                   "\"port\":51820,\"keepalive\":25}";
        static const Refused refused[] = {
                { "prefix4", "\"10.0.0.1/16\"", "prefix4" },
                { "prefix4", "\"fd00::/48\"", "prefix4" },
                { "prefix6", "\"10.0.0.0/16\"", "prefix6" },
                { "mtu", "1279", "mtu" },
                { "mtu", "9001", "mtu" },
                { "port", "0", "port" },
                { "port", "65536", "port" },
                { "keepalive", "3601", "keepalive" },
                { "keepalive", "true", "keepalive" },
                { "name", NULL, "name" },
        };
        _cleanup_json_ json_object *o = parse(good), *out = NULL;
        const char *reason = NULL;
        ItemNetwork i;

        assert_int_equal(item_network_from_json(o, &i, &reason), 0);
        assert_int_equal(i.port, 51820);
        assert_int_equal(i.keepalive, 25);
        assert_int_equal(item_network_to_json(&i, &out), 0);
        assert_json(out, good);
        item_network_done(&i);
        REFUSALS(network, ItemNetwork, good, refused);
}

static void test_hub(void **state) {
        static const char good[] = "{\"name\":\"h1\",\"index\":1,\"hub_slot\":1,\"priority\":100,"
                                   "\"address4\":\"10.0.0.1\",\"wg_key\":\"" KEY_TEXT
                                   "\",\"endpoints\":[\"198.51.100.1\",\"2001:db8::1\",\"hub.example\"]}";
        static const Refused refused[] = {
                { "hub_slot", "0", "hub_slot" },
                { "hub_slot", "65", "hub_slot" },
                { "priority", "4294967296", "priority" },
                { "endpoints", "[\"\"]", "endpoints" },
                { "endpoints", "[\"a b\"]", "endpoints" },
                { "endpoints", "[\"a;b\"]", "endpoints" },
                { "endpoints", "\"a\"", "endpoints" },
                { "endpoints", "[1]", "endpoints" },
                { "endpoints",
                  "[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
                  "\"a\",\"a\",\"a\"]",
                  "too many endpoints" },
        };
        _cleanup_json_ json_object *o = parse(good), *out = NULL, *none = NULL;
        const char *reason = NULL;
        ItemHub i;

        assert_int_equal(item_hub_from_json(o, &i, &reason), 0);
        assert_int_equal(strv_length(i.endpoints), 3);
        assert_int_equal(item_hub_to_json(&i, &out), 0);
        assert_json(out, good);
        item_hub_done(&i);
        REFUSALS(hub, ItemHub, good, refused);
        /* a hub that cannot be dialled */
        none = replaced(good, &(const Refused) { "endpoints", NULL, NULL });
        assert_int_equal(item_hub_from_json(none, &i, &reason), 0);
        assert_null(i.endpoints);
        item_hub_done(&i);
}

static void test_peer(void **state) {
        static const char good[] = "{\"name\":\"b1\",\"index\":3,\"lane\":0,\"wg_key\":\"" KEY_TEXT
                                   "\",\"address4\":\"10.0.0.3\",\"address6\":\"fd00::3\"}";
        static const Refused refused[] = {
                { "lane", "16", "lane" },
                { "lane", NULL, "lane" },
                { "wg_key", NULL, "wg_key" },
                { "index", "0", "index" },
        };
        _cleanup_json_ json_object *o = parse(good), *out = NULL;
        const char *reason = NULL;
        ItemPeer i;

        assert_int_equal(item_peer_from_json(o, &i, &reason), 0);
        assert_int_equal(item_peer_to_json(&i, &out), 0);
        assert_json(out, good);
        item_peer_done(&i);
        REFUSALS(peer, ItemPeer, good, refused);
}

static void test_prefix(void **state) {
        static const char good[] = "{\"node\":\"" NODE_ID "\",\"index\":3,\"prefix\":\"10.1.0.0/24\"}";
        static const char aggregate[] = "{\"prefix\":\"fd00::/48\"}";
        static const Refused refused[] = {
                { "node", "\"\"", "node" },
                { "node", "\"a/b\"", "node" },
                { "node", NULL, "index" },
                { "index", NULL, "index" },
                { "prefix", "\"10.1.0.1/24\"", "prefix" },
                { "prefix", NULL, "prefix" },
        };
        _cleanup_json_ json_object *o = parse(good), *out = NULL, *a = parse(aggregate), *a_out = NULL;
        const char *reason = NULL;
        ItemPrefix i;

        assert_int_equal(item_prefix_from_json(o, &i, &reason), 0);
        assert_int_equal(item_prefix_to_json(&i, &out), 0);
        assert_json(out, good);
        item_prefix_done(&i);
        assert_int_equal(item_prefix_from_json(a, &i, &reason), 0);
        assert_null(i.node);
        assert_int_equal(item_prefix_to_json(&i, &a_out), 0);
        assert_json(a_out, aggregate);
        item_prefix_done(&i);
        REFUSALS(prefix, ItemPrefix, good, refused);
}

/* ---- batches ---- */

static const char good_batch[] =
                "{\"type\":\"batch\",\"controller_id\":\"" CONTROLLER_ID
                "\",\"epoch\":1,\"topic\":\"net/" NETWORK_ID "/lanes\","
                "\"from\":41,\"to\":44,\"snapshot\":false,\"items\":[{\"id\":\"a/"
                "0\",\"rev\":42,\"d\":{\"x\":[1,\"\\\"\"]}},"
                "{\"id\":\"b/0\",\"rev\":42,\"d\":null},{\"id\":\"c/0\",\"rev\":44,\"d\":{}}]}";

static void test_batch(void **state) {
        _cleanup_free_ char *text = NULL, *from_text = NULL;
        static const BatchText texts[] = {
                { "a/0", 42, "{\"x\":[1,\"\\\"\"]}" },
                { "b/0", 42, NULL },
                { "c/0", 44, "{}" },
        };
        static const BatchText bad_text = { "a\"", 42, "{}" };
        const char *reason = NULL;
        size_t len;
        Batch b;

        assert_int_equal(batch_from_json(good_batch, strlen(good_batch), &b, &reason), 0);
        assert_int_equal(b.epoch, 1);
        assert_int_equal(b.from, 41);
        assert_int_equal(b.to, 44);
        assert_false(b.snapshot);
        assert_int_equal(b.n_items, 3);
        assert_null(b.items[1].data);
        assert_non_null(b.items[2].data);
        assert_int_equal(batch_to_json(&b, &text, &len), 0);
        assert_string_equal(text, good_batch);
        assert_int_equal(len, strlen(good_batch));
        assert_int_equal(batch_text_to_json(&b, texts, ELEMENTSOF(texts), &from_text, &len), 0);
        assert_string_equal(from_text, good_batch);
        assert_int_equal(batch_text_to_json(&b, &bad_text, 1, &from_text, &len), -EINVAL);
        batch_done(&b);
}

/* Each is the good one with one piece of text in the place of another. */
static void test_batch_refused(void **state) {
        static const struct {
                const char *from, *to;
        } refused[] = {
                { "\"batch\"", "\"other\"" },
                { "\"type\":\"batch\",", "" },
                { "\"epoch\":1", "\"epoch\":-1" },
                { "\"epoch\":1", "\"epoch\":1,\"epoch\":2" },
                { "\"epoch\":1", "\"epoch\":1,\"more\":2" },
                { CONTROLLER_ID, "0123" },
                { CONTROLLER_ID, "0123456789ABCDEF0123456789abcdef" },
                { "/lanes", "/lane" },
                { "\"from\":41", "\"from\":44" },
                { "\"from\":41", "\"from\":42" }, /* items of 42 are not above it */
                { "\"from\":41", "\"from\":45" },
                { "\"snapshot\":false", "\"snapshot\":true" }, /* with a from */
                { "\"snapshot\":false", "\"snapshot\":0" },
                { "\"to\":44", "\"to\":43" },
                { "\"rev\":44", "\"rev\":41" }, /* out of order */
                { "\"id\":\"c/0\"", "\"id\":\"a/0\"" },
                { "\"id\":\"c/0\"", "\"id\":\"\"" },
                { "\"id\":\"c/0\"", "\"id\":\"C\"" },
                { "\"d\":{}", "\"d\":[]" },
                { "\"d\":{}", "\"d\":7" },
                { ",\"d\":{}", "" },
                { "\"d\":{}", "\"d\":{},\"e\":1" },
                { "{\"id\":\"c/0\",\"rev\":44,\"d\":{}}", "null" },
                { "]}", "]} "
                        "x" },
        };

        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                const char *at = strstr(good_batch, refused[i].from), *reason = NULL;
                _cleanup_free_ char *text = NULL;
                Batch b;
                int r;

                assert_non_null(at);
                text = str_printf("%.*s%s%s", (int) (at - good_batch), good_batch, refused[i].to,
                                  at + strlen(refused[i].from));
                r = batch_from_json(text, strlen(text), &b, &reason);
                if (r != -EBADMSG)
                        print_error("%s -> %s\n", refused[i].from, refused[i].to);
                assert_int_equal(r, -EBADMSG);
                assert_non_null(reason);
        }
        /* every truncation */
        for (size_t len = 0; len < strlen(good_batch); len++) {
                const char *reason = NULL;
                Batch b;

                assert_int_equal(batch_from_json(good_batch, len, &b, &reason), -EBADMSG);
        }
}

static void test_batch_snapshot(void **state) {
        static const char text[] = "{\"type\":\"batch\",\"controller_id\":\"" CONTROLLER_ID
                                   "\",\"epoch\":2,\"topic\":\"node/" NODE_ID
                                   "\",\"from\":0,\"to\":9,\"snapshot\":true,\"items\":[]}";
        const char *reason = NULL;
        Batch b;

        assert_int_equal(batch_from_json(text, strlen(text), &b, &reason), 0);
        assert_true(b.snapshot);
        assert_int_equal(b.n_items, 0);
        batch_done(&b);
}

/* ---- model to items ---- */

static Network make_network(PrefixList ranges) {
        return (Network) {
                .object = { .kind = &kind_network, .id = NETWORK_ID },
                .name = (char *) "acme",
                .prefix4 = prefix("10.0.0.0/16"),
                .prefix6 = prefix("fd00::/48"),
                .mtu = 1420,
                .port = 51820,
                .keepalive = 25,
                .ranges = ranges,
        };
}

static Node make_node(int role, int state) {
        return (Node) {
                .object = { .kind = &kind_node, .id = NODE_ID },
                .name = (char *) "b1",
                .network = (char *) NETWORK_ID,
                .role = role,
                .state = state,
                .index = 3,
                .hub_slot = role == ROLE_HUB ? 2 : 0,
                .address4 = address("10.0.0.3"),
                .wg_key = key(1),
                .priority = 100,
        };
}

static void assert_item(const CompiledItems *c, size_t i, const char *topic, const char *id,
                        const char *data) {
        assert_true(i < c->n);
        assert_string_equal(c->items[i].topic, topic);
        assert_string_equal(c->items[i].id, id);
        assert_string_equal(c->items[i].data, data);
        assert_int_equal(c->items[i].data_len, strlen(data));
}

#define SELF(role, state, slot) \
        "{\"name\":\"b1\",\"network\":\"" NETWORK_ID "\",\"role\":\"" role "\",\"state\":\"" state \
        "\",\"index\":3," slot "\"address4\":\"10.0.0.3\",\"wg_key\":\"" KEY_TEXT "\"}"

static void test_compile_network(void **state) {
        Prefix ranges[] = { prefix("10.1.0.0/16"), prefix("fd01::/32") };
        Network n = make_network((PrefixList) { ranges, 2 });
        _cleanup_(compiled_items_done) CompiledItems c = { 0 };

        assert_int_equal(compile_network(&n, &c), 0);
        assert_int_equal(c.n, 5);
        assert_item(&c, 0, "net/" NETWORK_ID "/hubs", "network",
                    "{\"name\":\"acme\",\"prefix4\":\"10.0.0.0/16\",\"prefix6\":\"fd00::/"
                    "48\",\"mtu\":1420,\"port\":51820,"
                    "\"keepalive\":25}");
        assert_item(&c, 1, "net/" NETWORK_ID "/aggregates", "overlay4", "{\"prefix\":\"10.0.0.0/16\"}");
        assert_item(&c, 2, "net/" NETWORK_ID "/aggregates", "overlay6", "{\"prefix\":\"fd00::/48\"}");
        assert_item(&c, 3, "net/" NETWORK_ID "/aggregates", "range/10.1.0.0/16",
                    "{\"prefix\":\"10.1.0.0/16\"}");
        assert_item(&c, 4, "net/" NETWORK_ID "/aggregates", "range/fd01::/32", "{\"prefix\":\"fd01::/32\"}");
}

static void test_compile_spoke(void **state) {
        Network network = make_network((PrefixList) { 0 });
        Node n = make_node(ROLE_SPOKE, NODE_ACTIVE);
        _cleanup_(compiled_items_done) CompiledItems c = { 0 };

        assert_int_equal(compile_node(&n, &network, NULL, 0, &c), 0);
        assert_int_equal(c.n, 2);
        assert_item(&c, 0, "node/" NODE_ID, "self", SELF("spoke", "active", ""));
        assert_item(&c, 1, "net/" NETWORK_ID "/lanes", NODE_ID "/0",
                    "{\"name\":\"b1\",\"index\":3,\"lane\":0,\"wg_key\":\"" KEY_TEXT
                    "\",\"address4\":\"10.0.0.3\"}");
}

static void test_compile_hub(void **state) {
        Network network = make_network((PrefixList) { 0 });
        Node n = make_node(ROLE_HUB, NODE_ACTIVE);
        Uplink up[] = {
                { .object = { .id = "b" }, .endpoint = (char *) "dear.example", .cost = 20 },
                { .object = { .id = "d" }, .endpoint = (char *) "198.51.100.1", .cost = 10 },
                { .object = { .id = "a" }, .endpoint = NULL, .cost = 1 },
                { .object = { .id = "c" }, .endpoint = (char *) "2001:db8::1", .cost = 10 },
                { .object = { .id = "e" }, .endpoint = (char *) "198.51.100.1", .cost = 30 },
        };
        const Uplink *uplinks[] = { &up[0], &up[1], &up[2], &up[3], &up[4] };
        _cleanup_(compiled_items_done) CompiledItems c = { 0 };

        assert_int_equal(compile_node(&n, &network, uplinks, ELEMENTSOF(uplinks), &c), 0);
        assert_int_equal(c.n, 2);
        assert_item(&c, 0, "node/" NODE_ID, "self", SELF("hub", "active", "\"hub_slot\":2,"));
        assert_item(&c, 1, "net/" NETWORK_ID "/hubs", "hub/" NODE_ID,
                    "{\"name\":\"b1\",\"index\":3,\"hub_slot\":2,\"priority\":100,\"address4\":\"10.0.0.3\","
                    "\"wg_key\":\"" KEY_TEXT
                    "\",\"endpoints\":[\"2001:db8::1\",\"198.51.100.1\",\"dear.example\"]}");
}

static void test_compile_inactive(void **state) {
        Network network = make_network((PrefixList) { 0 });
        static const struct {
                int state;
                const char *self;
        } cases[] = {
                { NODE_PENDING, SELF("spoke", "pending", "") },
                { NODE_REVOKED, SELF("spoke", "revoked", "") },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(compiled_items_done) CompiledItems c = { 0 };
                Node n = make_node(ROLE_SPOKE, cases[i].state);
                SitePrefix p = { .object = { .id = "p1" },
                                 .node = n.object.id,
                                 .prefix = prefix("10.9.0.0/24") };

                assert_int_equal(compile_node(&n, &network, NULL, 0, &c), 0);
                assert_int_equal(compile_prefix(&p, &n, &network, &c), 0);
                assert_int_equal(c.n, 1);
                assert_item(&c, 0, "node/" NODE_ID, "self", cases[i].self);
        }
}

static void test_compile_prefix(void **state) {
        Prefix ranges[] = { prefix("10.1.0.0/16") };
        Network network = make_network((PrefixList) { ranges, 1 });
        Node n = make_node(ROLE_SPOKE, NODE_ACTIVE);
        SitePrefix inside = { .object = { .id = "p1" },
                              .node = n.object.id,
                              .prefix = prefix("10.1.2.0/24") };
        SitePrefix outside = { .object = { .id = "p2" },
                               .node = n.object.id,
                               .prefix = prefix("192.168.7.0/24") };
        _cleanup_(compiled_items_done) CompiledItems c = { 0 };

        assert_int_equal(compile_prefix(&inside, &n, &network, &c), 0);
        assert_int_equal(c.n, 1);
        assert_item(&c, 0, "net/" NETWORK_ID "/prefixes", "p1",
                    "{\"node\":\"" NODE_ID "\",\"index\":3,\"prefix\":\"10.1.2.0/24\"}");
        assert_int_equal(compile_prefix(&outside, &n, &network, &c), 0);
        assert_int_equal(c.n, 3);
        assert_item(&c, 1, "net/" NETWORK_ID "/prefixes", "p2",
                    "{\"node\":\"" NODE_ID "\",\"index\":3,\"prefix\":\"192.168.7.0/24\"}");
        assert_item(&c, 2, "net/" NETWORK_ID "/aggregates", "prefix/p2",
                    "{\"node\":\"" NODE_ID "\",\"index\":3,\"prefix\":\"192.168.7.0/24\"}");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_topics),
                cmocka_unit_test(test_self),
                cmocka_unit_test(test_self_refused),
                cmocka_unit_test(test_network),
                cmocka_unit_test(test_hub),
                cmocka_unit_test(test_peer),
                cmocka_unit_test(test_prefix),
                cmocka_unit_test(test_batch),
                cmocka_unit_test(test_batch_refused),
                cmocka_unit_test(test_batch_snapshot),
                cmocka_unit_test(test_compile_network),
                cmocka_unit_test(test_compile_spoke),
                cmocka_unit_test(test_compile_hub),
                cmocka_unit_test(test_compile_inactive),
                cmocka_unit_test(test_compile_prefix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
