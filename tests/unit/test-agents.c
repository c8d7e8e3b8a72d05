/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "test-agents-common.h"

/* ---- enrolment ---- */

static void test_join(void **state) {
        TestToken t;
        TestNode n, again;
        const Node *node;

        make_token(&t, ROLE_HUB, 3, APPROVAL_AUTO);
        make_node(&n);
        join_expect(&t, &n, ",\"prefixes\":[\"10.1.7.0/24\"],\"endpoint\":\"198.51.100.1\"", 201, "\"p\"");
        node = node_now(&n);
        assert_non_null(node);
        assert_string_equal(node->name, "b1");
        assert_int_equal(node->role, ROLE_HUB);
        assert_int_equal(node->hub_slot, 1);
        assert_true(node->index > 0);
        assert_int_equal(node->address4.family, AF_INET);
        assert_int_equal(node->address6.family, AF_INET6);
        assert_int_equal(token_now(&t)->uses, 1);
        assert_int_equal(model_count(m.model, &kind_uplink), 1);
        assert_int_equal(model_count(m.model, &kind_prefix), 1);
        /* the lost answer: the same again, and nothing spent */
        join_expect(&t, &n, "", 201, "\"p\"");
        assert_int_equal(token_now(&t)->uses, 1);
        /* another request of the same keys */
        n.idem[0] = n.idem[0] == '0' ? '1' : '0';
        join_expect(&t, &n, "", 409, "already_enrolled");
        /* the same name is taken */
        make_node(&again);
        join_expect(&t, &again, "", 201, "\"p\"");
        assert_string_equal(node_now(&again)->name, "b1-2");
        assert_int_equal(node_now(&again)->hub_slot, 2);
        node_done(&n);
        node_done(&again);
        token_done(&t);
}

static void test_join_refused(void **state) {
        static const struct {
                const char *more;
                unsigned status;
                const char *contains;
        } cases[] = {
                { ",\"prefixes\":[\"10.2.0.0/24\"]", 403, "prefix_not_allowed" },
                { ",\"prefixes\":[\"10.1.7.128/25\"]", 409, "prefix_taken" }, /* test_join() has it */
                { ",\"prefixes\":[\"10.1.8.1/24\"]", 422, "prefixes[0]" },
                { ",\"prefixes\":[\"10.1.8.0/24\",\"10.1.8.0/25\"]", 422, "prefixes[1]" },
                { ",\"prefixes\":[7]", 422, "prefixes" },
                { ",\"endpoint\":\"a b\"", 422, "endpoint" },
                { ",\"endpoint\":\"224.0.0.1\"", 422, "endpoint" },
                { ",\"more\":1", 422, "more" },
                { ",\"t\":\"AAAAAAAAAAA\"", 422, "invalid" }, /* twice */
        };
        TestToken t, other;
        TestNode n;

        make_token(&t, ROLE_SPOKE, 1, APPROVAL_AUTO);
        make_token(&other, ROLE_SPOKE, 1, APPROVAL_AUTO);
        make_node(&n);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                join_expect(&t, &n, cases[i].more, cases[i].status, cases[i].contains);
        /* proof of another WireGuard key than the one that is named */
        crypto_random(n.wg_public.bytes, sizeof(n.wg_public.bytes));
        join_expect(&t, &n, "", 422, "\"wk\"");
        assert_int_equal(token_now(&t)->uses, 0);
        node_done(&n);
        token_done(&t);
        token_done(&other);
}

/* Unknown, not signed by it, expired, revoked, spent: one answer, byte for byte (SECURITY.md B6). */
static void test_token_invalid(void **state) {
        TestToken t, spent, unknown, forged;
        char *answers[5] = { 0 };
        TestNode n, first;
        Object *copy;

        make_token(&t, ROLE_SPOKE, 1, APPROVAL_AUTO);
        make_token(&spent, ROLE_SPOKE, 1, APPROVAL_AUTO);
        make_node(&n);
        make_node(&first);
        join_expect(&spent, &first, "", 201, "\"p\"");
        crypto_random(unknown.id, sizeof(unknown.id));
        assert_int_equal(secret_new_random(&unknown.seed), 0);
        forged = t;
        assert_int_equal(secret_new_random(&forged.seed), 0);
        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                const TestToken *tokens[] = { &unknown, &forged, &spent, &t, &t };
                _cleanup_(request_freep) HttpRequest *r = make_join(tokens[i], &n, "");

                if (i >= 3) {
                        const Token *now = token_now(&t);

                        assert_int_equal(object_copy(&now->object, &copy), 0);
                        ((Token *) copy)->not_after = i == 3 ? 1 : now_realtime_usec() + 3600 * USEC_PER_SEC;
                        ((Token *) copy)->revoked = i == 4;
                        change(&now->object, copy);
                }
                send_request(r);
                assert_answer(r, 403, "token_invalid");
                answers[i] = TAKE(r->answer);
                assert_string_equal(answers[i], answers[0]);
        }
        assert_null(node_now(&n));
        for (size_t i = 0; i < ELEMENTSOF(answers); i++)
                free(answers[i]);
        node_done(&n);
        node_done(&first);
        token_done(&t);
        token_done(&spent);
        token_done(&unknown);
        token_done(&forged);
}

/* Of the signatures over M2 every bit counts, and of its body every byte. */
static void test_altered_join(void **state) {
        TestToken t;
        TestNode n;

        make_token(&t, ROLE_SPOKE, 1, APPROVAL_AUTO);
        make_node(&n);
        for (unsigned i = 0; i < 3; i++) {
                _cleanup_(request_freep) HttpRequest *r = make_join(&t, &n, "");

                if (i < 2)
                        r->headers[i].value[10] = r->headers[i].value[10] == 'A' ? 'B' : 'A';
                else
                        *strstr(r->body, "B1") = 'C';
                send_request(r);
                assert_answer(r, i == 1 ? 422 : 403, i == 1 ? "\"ik\"" : "token_invalid");
        }
        join_expect(&t, &n, "", 201, "\"p\"");
        node_done(&n);
        token_done(&t);
}

static void test_parallel_joins(void **state) {
        HttpRequest *requests[100];
        TestNode nodes[ELEMENTSOF(requests)];
        unsigned joined = 0, refused = 0;
        TestToken t;

        make_token(&t, ROLE_SPOKE, 7, APPROVAL_AUTO);
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                make_node(&nodes[i]);
                requests[i] = make_join(&t, &nodes[i], "");
        }
        for (size_t i = 0; i < ELEMENTSOF(requests); i++)
                agents_handle(&m, requests[i]); /* all of them see an unspent token */
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                run_until(&requests[i]->status);
                joined += requests[i]->status == 201;
                refused += requests[i]->status == 403;
                (void) request_free(requests[i]);
                node_done(&nodes[i]);
        }
        assert_int_equal(joined, 7);
        assert_int_equal(refused, 93);
        assert_int_equal(token_now(&t)->uses, 7);
        token_done(&t);
}

static void test_clean_name(void **state) {
        static const struct {
                const char *host, *name;
        } cases[] = {
                { "b1", "b1" },
                { "B1.example.com", "b1" },
                { "--a__b--", "a-b" },
                { "", "node" },
                { "\xe4\xb8\xad", "node" },
                { "...", "node" },
                { "a b\n\x1b[1m", "a-b-1m" },
        };
        char name[NODE_NAME_MAX], longest[200];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                enrolment_clean_name(cases[i].host, name);
                assert_string_equal(name, cases[i].name);
        }
        memset(longest, 'x', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        enrolment_clean_name(longest, name);
        assert_int_equal(strlen(name), NODE_NAME_MAX - 1);
}

/* ---- signed requests ---- */

static HttpRequest *make_signed(TestNode *n, const char *method, const char *path, const char *body,
                                uint64_t epoch, uint64_t sequence) {
        HttpRequest *r = new_request(method, path, strdup(body));
        RequestSignatureInput in = {
                .method = method,
                .path = path,
                .query = "",
                .body = body,
                .body_len = strlen(body),
                .controller_id = CONTROLLER_ID,
        };
        RequestSignatureHeaders h;

        assert_int_equal(request_sign(n->identity, n->id, 1, epoch, sequence, 1790000000, &in, &h), 0);
        add_header(r, "content-digest", h.content_digest);
        add_header(r, "sdwan-aud", h.audience);
        add_header(r, "sdwan-seq", h.sequence);
        add_header(r, "signature-input", h.signature_input);
        add_header(r, "signature", h.signature);
        return r;
}

#define REPORT "{\"applied\":{},\"state\":\"in-sync\",\"version\":\"1\"}"

static void report_expect(TestNode *n, uint64_t epoch, uint64_t sequence, unsigned status,
                          const char *contains) {
        _cleanup_(request_freep) HttpRequest *r =
                        make_signed(n, "POST", AGENTS_PATH "report", REPORT, epoch, sequence);

        send_request(r);
        assert_answer(r, status, contains);
}

static void joined_node(TestNode *n, int role, int approval) {
        TestToken t;

        make_token(&t, role, 1, approval);
        make_node(n);
        join_expect(&t, n, "", approval == APPROVAL_AUTO ? 201 : 202, "\"p\"");
        token_done(&t);
}

static void restart_agents(void) {
        m.agents = agents_free(m.agents);
        assert_int_equal(agents_new(&m, &m.agents), 0);
}

static void test_replay(void **state) {
        TestNode n;

        joined_node(&n, ROLE_SPOKE, APPROVAL_AUTO);
        report_expect(&n, 5, 3, 204, "");
        report_expect(&n, 5, 3, 401, "replayed");
        report_expect(&n, 5, 1, 204, ""); /* late, but new */
        report_expect(&n, 5, 1, 401, "replayed");
        report_expect(&n, 4, 100, 401, "\"epoch\":5");
        report_expect(&n, 5, 200, 204, "");
        report_expect(&n, 5, 130, 401, "replayed"); /* behind the window */
        restart_agents();
        report_expect(&n, 5, 201, 401, "seq_behind");
        report_expect(&n, 5, 3 + 4096, 401, "\"min\":4100");
        report_expect(&n, 5, 4100, 204, "");
        report_expect(&n, 5, 4100, 401, "replayed");
        restart_agents(); /* the ceiling that the last one made */
        report_expect(&n, 5, 4101, 401, "\"min\":8197");
        report_expect(&n, 4, 1, 401, "replayed");
        report_expect(&n, 6, 1, 204, "");
        restart_agents();
        report_expect(&n, 5, 9999, 401, "replayed");
        report_expect(&n, UINT64_C(1) << 63, 1, 401, "signature_invalid");
        node_done(&n);
}

/* Requests that come while the first one waits for the store are answered in their order, each judged anew.
 */
static void test_waiting(void **state) {
        HttpRequest *requests[4];
        const unsigned expected[] = { 204, 401, 204, 204 };
        const uint64_t sequences[] = { 1, 1, 2, 9000 };
        TestNode n;

        joined_node(&n, ROLE_SPOKE, APPROVAL_AUTO);
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                requests[i] = make_signed(&n, "POST", AGENTS_PATH "report", REPORT, 1, sequences[i]);
                agents_handle(&m, requests[i]);
                assert_int_equal(requests[i]->status, 0); /* nothing before it is durable */
        }
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                run_until(&requests[i]->status);
                assert_int_equal(requests[i]->status, expected[i]);
                (void) request_free(requests[i]);
        }
        node_done(&n);
}

static void test_signature(void **state) {
        TestNode n, stranger;

        joined_node(&n, ROLE_SPOKE, APPROVAL_AUTO);
        make_node(&stranger);
        report_expect(&stranger, 1, 1, 401, "signature_invalid");
        /* every bit of the signature, spread over addresses so that none is slowed down */
        for (unsigned bit = 0; bit < 8 * SIGNATURE_SIZE; bit++) {
                _cleanup_(request_freep) HttpRequest *r =
                                make_signed(&n, "POST", AGENTS_PATH "report", REPORT, 1, bit + 1);
                char *text = r->headers[4].value + strlen("sdwan=:"), *end = strrchr(text, ':');
                uint8_t bytes[SIGNATURE_SIZE];

                *end = '\0';
                assert_int_equal(b64_decode_exact(text, bytes, sizeof(bytes)), 0);
                bytes[bit / 8] ^= (uint8_t) (1U << (bit % 8));
                b64_encode(bytes, sizeof(bytes), text);
                *end = ':';
                r->peer.bytes[2] = (uint8_t) bit;
                send_request(r);
                assert_answer(r, 401, "signature_invalid");
        }
        for (unsigned i = 0; i < 5; i++) {
                _cleanup_(request_freep)
                                HttpRequest *r = make_signed(&n, "POST", AGENTS_PATH "report", REPORT, 1, 1),
                                            *none = make_signed(&n, "POST", AGENTS_PATH "report", REPORT, 1,
                                                                1);

                add_header(r, r->headers[i].name, r->headers[i].value);
                send_request(r);
                assert_answer(r, 401, "signature_invalid");
                none->headers[i].name = "x";
                send_request(none);
                assert_answer(none, 401, "signature_invalid");
        }
        report_expect(&n, 1, 1, 204, ""); /* nothing of that has touched its window */
        node_done(&n);
        node_done(&stranger);
}

static void test_rate_of_node(void **state) {
        unsigned accepted = 0, busy = 0;
        TestNode n;

        joined_node(&n, ROLE_SPOKE, APPROVAL_AUTO);
        for (unsigned i = 1; i <= 30; i++) {
                _cleanup_(request_freep) HttpRequest *r =
                                make_signed(&n, "POST", AGENTS_PATH "report", REPORT, 1, i);

                send_request(r);
                accepted += r->status == 204;
                busy += r->status == 429;
        }
        assert_int_equal(accepted + busy, 30);
        assert_in_range(accepted, 9, 14);
        node_done(&n);
}

static void test_rate_of_failures(void **state) {
        unsigned refused = 0, busy = 0;
        TestNode stranger;

        make_node(&stranger);
        for (unsigned i = 0; i < 400; i++) {
                _cleanup_(request_freep) HttpRequest *r =
                                make_signed(&stranger, "POST", AGENTS_PATH "report", REPORT, 1, 1);

                assert_int_equal(address_parse("203.0.113.9", &r->peer), 0);
                send_request(r);
                refused += r->status == 401;
                busy += r->status == 429;
        }
        assert_int_equal(refused + busy, 400);
        assert_in_range(refused, 200, 320);
        node_done(&stranger);
}

static HttpRequest *open_stream(TestNode *n, uint64_t sequence, unsigned status) {
        HttpRequest *r = make_signed(n, "GET", AGENTS_PATH "stream", "", 1, sequence);

        send_request(r);
        assert_int_equal(r->status, status);
        return r;
}

static void test_streams(void **state) {
        _cleanup_(request_freep) HttpRequest *first = NULL, *second = NULL, *late = NULL, *third = NULL;
        _cleanup_json_ json_object *status = NULL;
        size_t before = agents_connected(m.agents);
        TestNode n;

        joined_node(&n, ROLE_SPOKE, APPROVAL_AUTO);
        first = open_stream(&n, 1, 200);
        assert_int_equal(first->stream->n_lines, 3); /* node, hubs, aggregates */
        assert_int_equal(agents_connected(m.agents), before + 1);
        second = open_stream(&n, 5, 200);
        assert_true(first->stream->ended);
        assert_int_equal(agents_connected(m.agents), before + 1);
        late = open_stream(&n, 3, 409); /* made before the second, came after it */
        assert_false(second->stream->ended);
        assert_int_equal(agents_node_status(m.agents, n.id, &status), 0);
        assert_true(json_object_get_boolean(json_object_object_get(status, "connected")));
        second->stream->on_close(second->stream->userdata);
        second->stream->ended = true;
        assert_int_equal(agents_connected(m.agents), before);
        third = open_stream(&n, 6, 200);
        report_expect(&n, 1, 7, 204, "");
        assert_false(third->stream->ended);
        node_done(&n);
        agents_node_gone(&m, n.id);
        assert_true(third->stream->ended);
}

static void test_pending(void **state) {
        _cleanup_(request_freep) HttpRequest *refused = NULL, *stream = NULL;
        Object *copy;
        TestNode n;

        joined_node(&n, ROLE_SPOKE, APPROVAL_MANUAL);
        refused = open_stream(&n, 1, 403);
        assert_non_null(strstr(refused->answer, "\"pending\""));
        report_expect(&n, 1, 2, 403, "pending");
        assert_int_equal(object_copy(&node_now(&n)->object, &copy), 0);
        ((Node *) copy)->state = NODE_ACTIVE;
        change(&node_now(&n)->object, copy);
        stream = open_stream(&n, 3, 200);
        /* and back: its stream ends */
        assert_int_equal(object_copy(&node_now(&n)->object, &copy), 0);
        ((Node *) copy)->state = NODE_REVOKED;
        change(&node_now(&n)->object, copy);
        assert_true(stream->stream->ended);
        report_expect(&n, 1, 4, 403, "revoked");
        node_done(&n);
}

static void test_leave(void **state) {
        _cleanup_(request_freep) HttpRequest *leave = NULL, *stream = NULL;
        size_t nodes, prefixes = model_count(m.model, &kind_prefix);
        TestToken t;
        TestNode n, other;

        make_token(&t, ROLE_SPOKE, 9, APPROVAL_AUTO);
        make_node(&n);
        join_expect(&t, &n, ",\"prefixes\":[\"10.1.99.0/24\"],\"endpoint\":\"b.example\"", 201, "\"p\"");
        nodes = model_count(m.model, &kind_node);
        stream = open_stream(&n, 1, 200);
        leave = make_signed(&n, "POST", AGENTS_PATH "leave", "{}", 1, 2);
        send_request(leave);
        assert_int_equal(leave->status, 204);
        assert_true(stream->stream->ended);
        assert_int_equal(model_count(m.model, &kind_node), nodes - 1);
        assert_int_equal(model_count(m.model, &kind_prefix), prefixes);
        report_expect(&n, 1, 3, 403, "revoked");
        /* its keys never come back (SECURITY.md B12): not both, and not one of them */
        join_expect(&t, &n, "", 409, "already_enrolled");
        make_node(&other);
        other.wg_key = secret_free(other.wg_key);
        other.wg_key = TAKE(n.wg_key);
        other.wg_public = n.wg_public;
        join_expect(&t, &other, "", 409, "already_enrolled");
        node_done(&n);
        node_done(&other);
        token_done(&t);
}

static void test_routes(void **state) {
        static const struct {
                const char *method, *path, *body;
                unsigned status;
        } cases[] = {
                { "GET", AGENTS_PATH "enrol", "", 405 },
                { "POST", AGENTS_PATH "stream", "", 405 },
                { "GET", AGENTS_PATH "nothing", "", 404 },
                { "GET", AGENTS_PATH, "", 404 },
                { "POST", AGENTS_PATH "challenge", "", 422 },
                { "POST", AGENTS_PATH "challenge", "{", 422 },
                { "POST", AGENTS_PATH "challenge", "[]", 422 },
                { "POST", AGENTS_PATH "challenge", "{\"t\":1}", 422 },
                { "POST", AGENTS_PATH "enrol", "{}", 422 },
                { "GET", AGENTS_PATH "bootstrap", "", 200 },
        };
        _cleanup_(request_freep) HttpRequest *large = NULL;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(request_freep) HttpRequest *r =
                                new_request(cases[i].method, cases[i].path, strdup(cases[i].body));

                send_request(r);
                assert_int_equal(r->status, cases[i].status);
        }
        large = new_request("POST", AGENTS_PATH "enrol", malloc(70000));
        memset(large->body, ' ', 69999);
        large->body[69999] = '\0';
        send_request(large);
        assert_int_equal(large->status, 413);
}

/* ---- */

static int make_credentials(void) {
        Credentials *c = &m.credentials;

        (void) snprintf(c->controller_id, sizeof(c->controller_id), "%s", CONTROLLER_ID);
        (void) snprintf(c->signing_key_id, sizeof(c->signing_key_id), "ck-1");
        c->epoch = c->keys_serial = 1;
        c->keydoc = strdup("{}");
        c->keydoc_len = 2;
        if (secret_new_random(&c->signing_key) < 0 || secret_new_random(&c->challenge_key) < 0)
                return -1;
        return identity_public(c->signing_key, &c->signing_public);
}

static int setup(void **state) {
        _cleanup_free_ char *path = NULL, *message = NULL;
        StoreProblem problem;
        Object *o;

        if (!mkdtemp(folder) || crypto_setup() < 0 || make_credentials() < 0)
                return -1;
        log_set_max_level(LOG_ERR);
        m.settings.max_agents_per_ip = 1000;
        path = str_printf("%s/controller.db", folder);
        if (sd_event_new(&m.daemon.event) < 0 || worker_new(m.daemon.event, "store", 4096, &m.worker) < 0 ||
            store_open(path, kinds, n_kinds, m.worker, &problem, &message, &m.store) < 0 ||
            model_new(&m.model) < 0 ||
            topics_new(CONTROLLER_ID, 1, m.credentials.signing_key, "ck-1", &m.topics) < 0 ||
            change_queue_new(&m, &m.changes) < 0 || agents_new(&m, &m.agents) < 0 ||
            object_new(&kind_network, &o) < 0)
                return -1;
        object_make_id(o);
        memcpy(network_id, o->id, sizeof(network_id));
        ((Network *) o)->name = strdup("acme");
        if (prefix_parse("10.9.0.0/16", &((Network *) o)->prefix4) < 0 ||
            prefix_parse("fd00::/48", &((Network *) o)->prefix6) < 0)
                return -1;
        change(NULL, o);
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        m.agents = agents_free(m.agents);
        (void) change_queue_free(m.changes);
        m.worker = worker_free(m.worker);
        m.topics = topics_free(m.topics);
        m.store = store_free(m.store);
        m.model = model_free(m.model);
        m.credentials.signing_key = secret_free(m.credentials.signing_key);
        m.credentials.challenge_key = secret_free(m.credentials.challenge_key);
        free(m.credentials.keydoc);
        sd_event_unref(m.daemon.event);
        return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_join),
                cmocka_unit_test(test_join_refused),
                cmocka_unit_test(test_token_invalid),
                cmocka_unit_test(test_altered_join),
                cmocka_unit_test(test_parallel_joins),
                cmocka_unit_test(test_clean_name),
                cmocka_unit_test(test_replay),
                cmocka_unit_test(test_waiting),
                cmocka_unit_test(test_signature),
                cmocka_unit_test(test_rate_of_node),
                cmocka_unit_test(test_rate_of_failures),
                cmocka_unit_test(test_streams),
                cmocka_unit_test(test_pending),
                cmocka_unit_test(test_leave),
                cmocka_unit_test(test_routes),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
