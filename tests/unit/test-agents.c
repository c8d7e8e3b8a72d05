/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "controld/agents.h"
#include "controld/change.h"
#include "controld/enrolment.h"
#include "controld/manager-bus.h"
#include "crypto/reqsign.h"

/* Enrolment and signed requests against a real model, store and topics; lib/httpd is played here. */

#define CONTROLLER_ID "0123456789abcdef0123456789abcdef"
#define HEADERS_MAX 12

struct HttpRequest {
        const char *method, *path, *query;
        struct {
                const char *name;
                char *value;
        } headers[HEADERS_MAX];
        size_t n_headers;
        char *body;
        Address peer;
        unsigned status; /* of the answer; 0: none yet */
        char *answer;
        HttpStream *stream;
};

struct HttpStream {
        size_t n_lines;
        bool ended;
        void (*on_close)(void *userdata);
        void *userdata;
};

struct HttpBlob {
        unsigned references;
};

const char *http_request_method(const HttpRequest *r) {
        return r->method;
}

const char *http_request_path(const HttpRequest *r) {
        return r->path;
}

const char *http_request_query(const HttpRequest *r) {
        return strempty(r->query);
}

const char *http_request_header(const HttpRequest *r, const char *name) {
        for (size_t i = 0; i < r->n_headers; i++)
                if (streq(r->headers[i].name, name))
                        return r->headers[i].value;
        return NULL;
}

size_t http_request_header_count(const HttpRequest *r, const char *name) {
        size_t n = 0;

        for (size_t i = 0; i < r->n_headers; i++)
                n += streq(r->headers[i].name, name);
        return n;
}

const uint8_t *http_request_body(const HttpRequest *r, size_t *ret_len) {
        *ret_len = strlen(strempty(r->body));
        return (const uint8_t *) strempty(r->body);
}

const Address *http_request_peer(const HttpRequest *r) {
        return &r->peer;
}

int http_request_query_value(const HttpRequest *r, const char *name, char **ret) {
        if (!r->query || strncmp(r->query, "have=", 5) != 0)
                return -ENOENT;
        *ret = strdup(r->query + 5);
        return 0;
}

int http_request_respond(HttpRequest *r, unsigned status, const HttpHeader *headers, size_t n_headers,
                         const void *body, size_t body_len) {
        assert_int_equal(r->status, 0);
        r->status = status;
        r->answer = strndup(body ? body : "", body_len);
        return 0;
}

int http_request_stream_begin(HttpRequest *r, const char *content_type, void (*on_close)(void *userdata),
                              void *userdata, HttpStream **ret) {
        HttpStream *s = new(HttpStream);

        assert_string_equal(content_type, "application/x-ndjson");
        assert_int_equal(r->status, 0);
        *s = (HttpStream) { .on_close = on_close, .userdata = userdata };
        r->status = 200;
        r->stream = s;
        *ret = s;
        return 0;
}

void http_stream_end(HttpStream *s) {
        s->ended = true;
}

int http_stream_write_blob(HttpStream *s, HttpBlob *b) {
        assert_false(s->ended);
        s->n_lines++;
        return 0;
}

int http_blob_new(const void *data, size_t len, HttpBlob **ret) {
        *ret = new(HttpBlob);
        (*ret)->references = 1;
        return 0;
}

HttpBlob *http_blob_unref(HttpBlob *b) {
        if (b && --b->references == 0)
                free(b);
        return NULL;
}

void manager_bus_revision_changed(Manager *m) {
}

/* ---- the controller ---- */

static char folder[] = "/tmp/sdwan-test-agents.XXXXXX";
static Manager m;
static char network_id[OBJECT_ID_MAX];

static HttpRequest *request_free(HttpRequest *r) {
        if (!r)
                return NULL;
        for (size_t i = 0; i < r->n_headers; i++)
                free(r->headers[i].value);
        free(r->body);
        free(r->answer);
        free(r->stream);
        return mfree(r);
}
DEFINE_CLEANUP(HttpRequest *, request_free);

static void run_until(const unsigned *flag) {
        uint64_t deadline = now_monotonic_usec() + 20 * USEC_PER_SEC;

        while (*flag == 0) {
                assert_true(sd_event_run(m.daemon.event, USEC_PER_SEC) >= 0);
                assert_true(now_monotonic_usec() < deadline);
        }
}

typedef struct Addition {
        Object *before, *after;
        unsigned done;
        int result;
} Addition;

static int addition_prepare(Manager *manager, Change *c, void *userdata) {
        Addition *a = userdata;

        return change_add(c, a->before, a->after);
}

static void addition_done(Manager *manager, int result, const FieldError *error, uint64_t revision,
                          void *userdata) {
        Addition *a = userdata;

        a->result = result;
        a->done = 1;
}

static void change(const Object *before, Object *after) {
        Addition a = { .before = (Object *) before, .after = after };
        const ChangeRequest q = {
                .actor = "test", .prepare = addition_prepare, .done = addition_done, .userdata = &a
        };

        assert_int_equal(change_submit(&m, &q), 0);
        run_until(&a.done);
        assert_int_equal(a.result, 0);
}

typedef struct TestToken {
        Secret *seed;
        uint8_t id[8];
        char hex[17];
} TestToken;

static void make_token(TestToken *t, int role, uint64_t uses, int approval) {
        Object *o;
        Token *token;

        assert_int_equal(object_new(&kind_token, &o), 0);
        token = (Token *) o;
        crypto_random(t->id, sizeof(t->id));
        hex_encode(t->id, sizeof(t->id), t->hex);
        memcpy(o->id, t->hex, sizeof(t->hex));
        assert_int_equal(secret_new_random(&t->seed), 0);
        assert_int_equal(identity_public(t->seed, &token->key), 0);
        free(token->name);
        token->name = str_printf("t-%s", t->hex);
        free(token->network);
        token->network = strdup(network_id);
        token->role = role;
        token->max_uses = uses;
        token->not_after = now_realtime_usec() + 3600 * USEC_PER_SEC;
        token->approval = approval;
        token->allowed_prefixes.items = new0(Prefix, 1);
        token->allowed_prefixes.n = 1;
        assert_int_equal(prefix_parse("10.1.0.0/16", &token->allowed_prefixes.items[0]), 0);
        change(NULL, o);
}

static const Token *token_now(const TestToken *t) {
        return token_of(model_get(m.model, &kind_token, t->hex));
}

/* ---- a node ---- */

typedef struct TestNode {
        Secret *identity, *wg_key;
        PublicKey identity_public, wg_public;
        char id[NODE_ID_SIZE], idem[33];
        uint64_t epoch, sequence;
} TestNode;

static void make_node(TestNode *n) {
        uint8_t idem[16];

        *n = (TestNode) { .epoch = 1 };
        assert_int_equal(secret_new_random(&n->identity), 0);
        assert_int_equal(wgkey_new(&n->wg_key), 0);
        assert_int_equal(identity_public(n->identity, &n->identity_public), 0);
        assert_int_equal(wgkey_public(n->wg_key, &n->wg_public), 0);
        node_id_from_identity(&n->identity_public, n->id);
        crypto_random(idem, sizeof(idem));
        hex_encode(idem, sizeof(idem), n->idem);
}

static void node_done(TestNode *n) {
        n->identity = secret_free(n->identity);
        n->wg_key = secret_free(n->wg_key);
}

static HttpRequest *new_request(const char *method, const char *path, char *body) {
        HttpRequest *r = new(HttpRequest);

        r->method = method;
        r->path = path;
        r->body = body;
        assert_int_equal(address_parse("192.0.2.1", &r->peer), 0);
        return r;
}

static void add_header(HttpRequest *r, const char *name, const char *value) {
        assert_true(r->n_headers < HEADERS_MAX);
        r->headers[r->n_headers].name = name;
        r->headers[r->n_headers++].value = strdup(value);
}

static char *b64(const void *data, size_t len) {
        char *s = NULL;

        assert_int_equal(b64url_encode(data, len, &s), 0);
        return s;
}

static void sign_body(HttpRequest *r, const char *header, const Secret *key) {
        _cleanup_free_ char *text = NULL;
        Signature s;

        assert_int_equal(envelope_sign(key, DOMAIN_ENROL, r->body, strlen(r->body), &s), 0);
        text = b64(s.bytes, sizeof(s.bytes));
        add_header(r, header, text);
}

static void challenge(const TestToken *t, const uint8_t nonce[static 32], char **ret_challenge,
                      PublicKey *ret_ephemeral) {
        _cleanup_free_ char *id = b64(t->id, sizeof(t->id)), *n = b64(nonce, 32);
        _cleanup_(request_freep) HttpRequest *r = new_request(
                        "POST", AGENTS_PATH "challenge", str_printf("{\"t\":\"%s\",\"n\":\"%s\"}", id, n));
        _cleanup_json_ json_object *o = NULL;
        struct {
                const char *ch;
                uint8_t ephemeral[32];
                uint64_t exp;
        } raw;
        const JsonField fields[] = {
                { "ch", JSON_FIELD_STRING, 0, JSON_REQUIRED },
                { "srv_eph", JSON_FIELD_B64URL_32, 8, JSON_REQUIRED },
                { "exp", JSON_FIELD_U64, 40, JSON_REQUIRED },
        };

        agents_handle(&m, r);
        assert_int_equal(r->status, 200);
        assert_int_equal(json_parse(r->answer, strlen(r->answer), 0, NULL, &o), 0);
        assert_int_equal(json_dispatch(o, fields, ELEMENTSOF(fields), false, &raw, NULL), 0);
        *ret_challenge = strdup(raw.ch);
        memcpy(ret_ephemeral->bytes, raw.ephemeral, 32);
}

/* more: members that go in behind the others, with a comma in front. */
static HttpRequest *make_join(const TestToken *t, const TestNode *n, const char *more) {
        _cleanup_free_ char *id = b64(t->id, sizeof(t->id)), *ik = b64(n->identity_public.bytes, 32),
                            *ch = NULL, *wk = b64(n->wg_public.bytes, 32), *nonce_text = NULL, *pop = NULL;
        uint8_t nonce[32];
        PublicKey ephemeral;
        HttpRequest *r;
        Digest proof;

        crypto_random(nonce, sizeof(nonce));
        nonce_text = b64(nonce, sizeof(nonce));
        challenge(t, nonce, &ch, &ephemeral);
        assert_int_equal(wgkey_proof(n->wg_key, &ephemeral, ch, &n->identity_public, &n->wg_public, &proof),
                         0);
        pop = b64(proof.bytes, sizeof(proof.bytes));
        r = new_request("POST", AGENTS_PATH "enrol",
                        str_printf("{\"t\":\"%s\",\"ch\":\"%s\",\"n\":\"%s\",\"ik\":\"%s\",\"ik_gen\":1,"
                                   "\"wk\":[{\"lane\":0,\"pk\":\"%s\","
                                   "\"pop\":\"%s\"}],\"host\":{\"name\":\"B1.example\",\"os\":\"x\"},"
                                   "\"idem\":\"%s\"%s}",
                                   id, ch, nonce_text, ik, wk, pop, n->idem, more));
        sign_body(r, "sdwan-sig-token", t->seed);
        sign_body(r, "sdwan-sig-identity", n->identity);
        return r;
}

static void assert_answer(const HttpRequest *r, unsigned status, const char *contains) {
        if (r->status != status || !strstr(r->answer, contains))
                print_error("%u %s\n", r->status, r->answer);
        assert_int_equal(r->status, status);
        assert_non_null(strstr(r->answer, contains));
}

static void send_request(HttpRequest *r) {
        agents_handle(&m, r);
        run_until(&r->status);
}

static void join_expect(const TestToken *t, const TestNode *n, const char *more, unsigned status,
                        const char *contains) {
        _cleanup_(request_freep) HttpRequest *r = make_join(t, n, more);
        uint64_t revision = model_revision(m.model);

        send_request(r);
        assert_answer(r, status, contains);
        if (status >= 300)
                assert_int_equal(model_revision(m.model), revision);
}

static void token_done(TestToken *t) {
        t->seed = secret_free(t->seed);
}

static const Node *node_now(const TestNode *n) {
        const Object *o = model_get(m.model, &kind_node, n->id);

        return o ? node_of(o) : NULL;
}

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
