/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "kinds/kinds.h"

#define ID "0123456789abcdef"
#define NODE_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

typedef struct Case {
        const char *json, *field; /* NULL: accepted */
} Case;

static int read_into(Object *o, const Object *old, const char *text, ObjectMode mode, FieldError *e) {
        _cleanup_json_ json_object *json = NULL;
        _cleanup_free_ char *strict = strdup(text);

        for (char *p = strict; *p; p++) /* so that the cases are readable */
                if (*p == '\'')
                        *p = '"';
        assert_int_equal(json_parse(strict, strlen(strict), 0, NULL, &json), 0);
        *e = (FieldError) { 0 };
        return object_from_json(o, old, json, mode, e);
}

static void run_cases(const Kind *kind, const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                _cleanup_(object_freep) Object *o = NULL;
                FieldError e;
                int r;

                assert_int_equal(object_new(kind, &o), 0);
                r = read_into(o, NULL, cases[i].json, OBJECT_CREATE, &e);
                if (r != (cases[i].field ? -EINVAL : 0) ||
                    (cases[i].field && !streq(cases[i].field, e.field)))
                        fail_msg("%s: %d \"%s\" \"%s\"", cases[i].json, r, e.field, e.detail);
        }
}

static void test_tables(void **state) {
        for (size_t i = 0; i < n_kinds; i++) {
                const Kind *k = kinds[i];

                assert_ptr_equal(kind_find(k->name), k);
                assert_ptr_equal(kind_find(k->plural), k);
                assert_string_equal(k->path, k->plural);
                assert_true(k->help_en && k->help_zh);
                for (size_t j = 0; j < k->n_fields; j++) {
                        const Field *f = &k->fields[j];

                        if (!f->title || !f->help_en || !f->help_zh ||
                            !utf8_is_valid(f->help_zh, strlen(f->help_zh)))
                                fail_msg("%s.%s has no texts", k->name, f->name);
                        assert_true(f->offset >= sizeof(Object) && f->offset < k->size);
                        assert_ptr_equal(kind_field(k, f->name), f); /* no name twice */
                        assert_true((f->type == FIELD_ENUM) == !!f->values);
                        assert_true((f->type == FIELD_REF) == !!f->ref);
                        for (size_t l = j + 1; l < k->n_fields; l++)
                                assert_int_not_equal(f->offset, k->fields[l].offset);
                        for (size_t l = i + 1; f->ref && l < n_kinds; l++)
                                if (streq(kinds[l]->name, f->ref))
                                        fail_msg("%s comes before %s", k->name, f->ref);
                        if (f->ref)
                                assert_non_null(kind_find(f->ref));
                }
        }
        assert_null(kind_find("nothing"));
        assert_false(kind_node.create_by_api);
        assert_true(kind_node.delete_by_api);
        assert_false(kind_user.create_by_api);
        assert_true(kind_user.delete_by_api);
        assert_non_null(kind_name_field(&kind_node));
        assert_null(kind_name_field(&kind_prefix));
}

static void test_network(void **state) {
        static const Case cases[] = {
                { "{'name':'corp','prefix4':'10.200.0.0/16'}", NULL },
                { "{'name':'corp','prefix6':'fd00:1::/48'}", NULL },
                { "{'name':'c','prefix4':'10.0.0.0/8','prefix6':'fd00::/"
                  "120','topology':'hub-spoke','mtu':1280,'port':65455,"
                  "'keepalive':0,'ranges':['192.168.0.0/16','fd11::/16']}",
                  NULL },
                { "{'name':'corp','prefix4':'10.0.0.0/30'}", NULL },
                { "{}", "name" },
                { "{'name':'corp'}", "prefix4" },
                { "{'name':'corp','prefix4':null}", "prefix4" },
                { "{'prefix4':'10.200.0.0/16'}", "name" },
                { "{'name':'Corp','prefix4':'10.200.0.0/16'}", "name" },
                { "{'name':'-corp','prefix4':'10.200.0.0/16'}", "name" },
                { "{'name':'..','prefix4':'10.200.0.0/16'}", "name" },
                { "{'name':'a b','prefix4':'10.200.0.0/16'}", "name" },
                { "{'name':'a/b','prefix4':'10.200.0.0/16'}", "name" },
                { "{'name':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','prefix4':'10."
                  "200.0.0/16'}",
                  "name" },
                { "{'name':'corp','prefix4':'10.0.0.0/7'}", "prefix4" },
                { "{'name':'corp','prefix4':'10.0.0.0/31'}", "prefix4" },
                { "{'name':'corp','prefix4':'10.0.0.1'}", "prefix4" },
                { "{'name':'corp','prefix4':'fd00::/48'}", "prefix4" },
                { "{'name':'corp','prefix4':'127.0.0.0/8'}", "prefix4" },
                { "{'name':'corp','prefix4':'224.0.0.0/8'}", "prefix4" },
                { "{'name':'corp','prefix6':'10.0.0.0/8'}", "prefix6" },
                { "{'name':'corp','prefix6':'fd00::/47'}", "prefix6" },
                { "{'name':'corp','prefix6':'fd00::/121'}", "prefix6" },
                { "{'name':'corp','prefix6':'fe80::/64'}", "prefix6" },
                { "{'name':'corp','prefix6':'ff02::/64'}", "prefix6" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','topology':'mesh'}", "topology" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','mtu':1279}", "mtu" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','mtu':9001}", "mtu" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','port':65456}", "port" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','port':0}", "port" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','keepalive':3601}", "keepalive" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','ranges':['10.0.0.0/8']}", "ranges" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','ranges':['10.200.5.0/24']}", "ranges" },
                { "{'name':'corp','prefix6':'fd00:1::/48','ranges':['fd00::/16']}", "ranges" },
                { "{'name':'corp','prefix4':'10.200.0.0/16','ranges':['0.0.0.0/0']}", "ranges" },
        };
        _cleanup_(object_freep) Object *o = NULL, *copy = NULL;
        const Network *n;
        FieldError e;

        run_cases(&kind_network, cases, ELEMENTSOF(cases));
        assert_int_equal(object_new(&kind_network, &o), 0);
        assert_int_equal(read_into(o, NULL, cases[0].json, OBJECT_CREATE, &e), 0);
        n = network_of(o);
        assert_int_equal(n->mtu, 1420);
        assert_int_equal(n->port, 51820);
        assert_int_equal(n->keepalive, 25);
        assert_int_equal(n->topology, TOPOLOGY_HUB_SPOKE);
        assert_int_equal(object_copy(o, &copy), 0);
        assert_int_equal(read_into(copy, o, "{'prefix4':'10.201.0.0/16'}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "prefix4");
        object_free(TAKE(copy));
        assert_int_equal(object_copy(o, &copy), 0);
        assert_int_equal(read_into(copy, o, "{'prefix6':'fd00:1::/48'}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "prefix6");
        object_free(TAKE(copy));
        assert_int_equal(object_copy(o, &copy), 0);
        assert_int_equal(read_into(copy, o, "{'prefix4':'10.200.0.0/16','mtu':1400}", OBJECT_PATCH, &e), 0);
        assert_int_equal(read_into(copy, o, "{'name':'corp','mtu':1400}", OBJECT_REPLACE, &e), 0);
        assert_int_equal(network_of(copy)->prefix4.length, 16);
}

static void test_node(void **state) {
        static const char *const read_only[] = { "network",  "role",     "state",         "index",
                                                 "hub_slot", "address4", "address6",      "identity",
                                                 "wg_key",   "os",       "agent_version", "token",
                                                 "created" };
        _cleanup_(object_freep) Object *o = NULL, *copy = NULL;
        FieldError e;

        assert_int_equal(object_new(&kind_node, &o), 0);
        assert_int_equal(node_of(o)->priority, 100);
        assert_int_equal(node_of(o)->role, ROLE_SPOKE);
        assert_int_equal(node_of(o)->state, NODE_ACTIVE);
        assert_int_equal(read_into(o, NULL,
                                   "{'id':'" NODE_ID "','revision':1,'name':'b1','network':'" ID
                                   "','role':'hub',"
                                   "'hub_slot':64,'state':'pending','token':null}",
                                   OBJECT_TRUSTED, &e),
                         0);
        assert_int_equal(node_of(o)->role, ROLE_HUB);
        assert_int_equal(node_of(o)->state, NODE_PENDING);
        assert_int_equal(object_copy(o, &copy), 0);
        assert_int_equal(read_into(copy, o, "{'name':'b2','priority':0,'site':'Köln','tags':['shop','店']}",
                                   OBJECT_PATCH, &e),
                         0);
        assert_string_equal(object_name(copy), "b2");
        for (size_t i = 0; i < ELEMENTSOF(read_only); i++) {
                _cleanup_free_ char *json = str_printf("{'%s':null}", read_only[i]);

                assert_int_equal(read_into(copy, o, json, OBJECT_PATCH, &e), -EINVAL);
                assert_string_equal(e.field, read_only[i]);
        }
        assert_int_equal(read_into(copy, o, "{'name':'B2'}", OBJECT_PATCH, &e), -EINVAL);
        assert_int_equal(read_into(copy, o, "{'name':'b2','priority':65536}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "priority");
}

static void test_uplink(void **state) {
#define U "{'node':'" NODE_ID "','name':'wan0'"
        static const Case cases[] = {
                { U "}", NULL },
                { U ",'endpoint':'198.51.100.1','cost':0}", NULL },
                { U ",'endpoint':'2001:db8::1'}", NULL },
                { U ",'endpoint':'hub-1.example.org'}", NULL },
                { U ",'endpoint':'localhost'}", NULL },
                { U ",'endpoint':'3com.example'}", NULL },
                { "{'name':'wan0'}", "node" },
                { "{'node':'" NODE_ID "'}", "name" },
                { "{'node':'b1','name':'wan0'}", "node" },
                { U ",'endpoint':'198.51.100.1:51820'}", "endpoint" },
                { U ",'endpoint':'[2001:db8::1]'}", "endpoint" },
                { U ",'endpoint':'hub.example.org:51820'}", "endpoint" },
                { U ",'endpoint':'hub.example.org.'}", "endpoint" },
                { U ",'endpoint':'.example.org'}", "endpoint" },
                { U ",'endpoint':'a..b'}", "endpoint" },
                { U ",'endpoint':'-a.b'}", "endpoint" },
                { U ",'endpoint':'a-.b'}", "endpoint" },
                { U ",'endpoint':'a_b.c'}", "endpoint" },
                { U ",'endpoint':'1.2.3'}", "endpoint" },
                { U ",'endpoint':'1.2.3.256'}", "endpoint" },
                { U ",'endpoint':'a b'}", "endpoint" },
                { U ",'endpoint':'0.0.0.0'}", "endpoint" },
                { U ",'endpoint':'224.0.0.1'}", "endpoint" },
                { U ",'endpoint':'255.255.255.255'}", "endpoint" },
                { U ",'endpoint':'::'}", "endpoint" },
                { U ",'endpoint':'ff02::1'}", "endpoint" },
                { U ",'endpoint':'b\xc3\xbc"
                    "ro.example'}",
                  "endpoint" },
                { U ",'endpoint':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b'}",
                  "endpoint" },
                { U ",'cost':65536}", "cost" },
        };

        run_cases(&kind_uplink, cases, ELEMENTSOF(cases));
}

static void test_prefix(void **state) {
#define P "{'node':'" NODE_ID "','prefix':"
        static const Case cases[] = {
                { P "'10.1.0.0/24'}", NULL },
                { P "'10.1.0.1','comment':'a printer'}", NULL },
                { P "'fd11::/64'}", NULL },
                { P "'0.0.0.0/1'}", "prefix" },
                { P "'0.0.0.0/0'}", "prefix" },
                { P "'::/0'}", "prefix" },
                { P "'::/1'}", "prefix" },
                { P "'127.0.0.1'}", "prefix" },
                { P "'126.0.0.0/7'}", "prefix" },
                { P "'169.254.1.0/24'}", "prefix" },
                { P "'224.0.0.0/24'}", "prefix" },
                { P "'255.255.255.255'}", "prefix" },
                { P "'::1'}", "prefix" },
                { P "'::ffff:10.0.0.0/104'}", "prefix" },
                { P "'fe80::/64'}", "prefix" },
                { P "'ff0e::/32'}", "prefix" },
                { P "'10.1.0.1/24'}", "prefix" },
                { P "null}", "prefix" },
                { "{'node':'" NODE_ID "'}", "prefix" },
                { "{'prefix':'10.1.0.0/24'}", "node" },
        };
        _cleanup_(object_freep) Object *o = NULL;

        run_cases(&kind_prefix, cases, ELEMENTSOF(cases));
        assert_int_equal(object_new(&kind_prefix, &o), 0);
        object_make_id(o);
        assert_string_equal(object_name(o), prefix_of(o)->object.id);
}

static void test_token(void **state) {
#define T "{'network':'" ID "'"
        static const Case cases[] = {
                { T "}", NULL },
                { T ",'name':'branches','role':'hub','max_uses':100000,'not_after':'2026-11-22T08:42:37Z','"
                    "approval':'manual',"
                    "'allowed_prefixes':['10.1.0.0/16']}",
                  NULL },
                { "{}", "network" },
                { T ",'max_uses':0}", "max_uses" },
                { T ",'max_uses':100001}", "max_uses" },
                { T ",'uses':0}", "uses" },
                { T ",'key':'AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='}", "key" },
                { T ",'created':'2026-11-22T08:42:37Z'}", "created" },
                { T ",'created_by':'me'}", "created_by" },
                { T ",'role':'admin'}", "role" },
                { T ",'approval':'never'}", "approval" },
                { T ",'name':'A'}", "name" },
                { T ",'allowed_prefixes':['0.0.0.0/0']}", "allowed_prefixes" },
        };
        _cleanup_(object_freep) Object *o = NULL, *copy = NULL;
        FieldError e;

        run_cases(&kind_token, cases, ELEMENTSOF(cases));
        assert_int_equal(object_new(&kind_token, &o), 0);
        assert_int_equal(read_into(o, NULL, T "}", OBJECT_CREATE, &e), 0);
        assert_int_equal(token_of(o)->max_uses, 1);
        assert_int_equal(token_of(o)->approval, APPROVAL_AUTO);
        assert_int_equal(token_of(o)->not_after, 0);
        assert_false(token_of(o)->revoked);

        /* what it allows is fixed, and a revocation is for ever */
        assert_int_equal(object_copy(o, &copy), 0);
        assert_int_equal(read_into(copy, o, "{'max_uses':5}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "max_uses");
        object_free(TAKE(copy));
        assert_int_equal(object_copy(o, &copy), 0);
        assert_int_equal(read_into(copy, o, "{'revoked':true,'name':'old'}", OBJECT_PATCH, &e), 0);
        object_free(TAKE(o));
        assert_int_equal(object_copy(copy, &o), 0);
        assert_int_equal(read_into(o, copy, "{'revoked':false}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "revoked");
        object_free(TAKE(o));
        assert_int_equal(object_copy(copy, &o), 0);
        assert_int_equal(read_into(o, copy, "{}", OBJECT_REPLACE, &e), -EINVAL); /* its default is "false" */
        assert_string_equal(e.field, "revoked");
}

static void test_user(void **state) {
        _cleanup_(object_freep) Object *o = NULL, *copy = NULL;
        _cleanup_json_ json_object *json = NULL;
        FieldError e;

        assert_int_equal(object_new(&kind_user, &o), 0);
        assert_int_equal(read_into(o, NULL,
                                   "{'id':'" ID "','revision':1,'name':'alice','token_id':'abcd1234',"
                                   "'token_hash':'" NODE_ID "'}",
                                   OBJECT_TRUSTED, &e),
                         0);
        assert_int_equal(user_of(o)->token_hash.bytes[1], 0x11);
        assert_int_equal(object_to_json(o, false, &json), 0);
        assert_null(json_object_object_get(json, "token_hash"));
        assert_int_equal(object_copy(o, &copy), 0);
        assert_int_equal(read_into(copy, o, "{'name':'bob'}", OBJECT_PATCH, &e), -EINVAL);
        assert_int_equal(read_into(copy, o, "{'token_id':'bob'}", OBJECT_PATCH, &e), -EINVAL);
        assert_int_equal(read_into(copy, o, "{'token_hash':'" NODE_ID "'}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "token_hash");
}

static void test_openapi(void **state) {
        _cleanup_json_ json_object *doc = NULL;
        _cleanup_free_ char *text = NULL;
        json_object *paths, *path;

        assert_int_equal(schema_openapi(kinds, n_kinds, "0.1.0", &doc), 0);
        text = json_format(doc, NULL);
        assert_null(strstr(text, "token_hash"));
        assert_true(json_object_object_get_ex(doc, "paths", &paths));
        assert_int_equal(json_object_object_length(paths), 2 * (int) n_kinds);
        assert_true(json_object_object_get_ex(paths, "/api/v1/nodes", &path));
        assert_null(json_object_object_get(path, "post"));
        assert_true(json_object_object_get_ex(paths, "/api/v1/prefixes", &path));
        assert_non_null(json_object_object_get(path, "post"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tables), cmocka_unit_test(test_network), cmocka_unit_test(test_node),
                cmocka_unit_test(test_uplink), cmocka_unit_test(test_prefix),  cmocka_unit_test(test_token),
                cmocka_unit_test(test_user),   cmocka_unit_test(test_openapi),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
