/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

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
