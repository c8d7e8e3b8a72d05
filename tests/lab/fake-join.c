/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "crypto/x509.h"
#include "fake-agent.h"
#include "json/json.h"

#define RETRIES_MAX 100

/* ---- the key document ---- */

typedef struct Bootstrap {
        EnrolToken *token;
        char token_id[16], controller_id[33];
        char *ca_pem; /* NULL: web PKI */
        PublicKey signing_key;
        char *signing_key_id;
} Bootstrap;

static void bootstrap_done(Bootstrap *b) {
        (void) enrol_token_free(b->token);
        free(b->ca_pem);
        free(b->signing_key_id);
}

/* One root key and one signature, as the controller makes them. */
static int check_root(const Bootstrap *b, char *const *root_keys, json_object *sigs, const uint8_t *payload,
                      size_t len) {
        struct {
                uint8_t key[32], signature[64];
        } raw;
        const JsonField fields[] = {
                { "k", JSON_FIELD_B64URL_32, 0, JSON_REQUIRED },
                { "s", JSON_FIELD_B64URL_64, 32, JSON_REQUIRED },
        };
        PublicKey root, key;
        Signature signature;
        Digest digest;

        if (strv_length(root_keys) != 1 || b64url_decode_exact(root_keys[0], root.bytes, KEY_SIZE) < 0 ||
            json_object_array_length(sigs) != 1 ||
            json_dispatch(json_object_array_get_idx(sigs, 0), fields, ELEMENTSOF(fields), false, &raw,
                          NULL) < 0)
                return -EBADMSG;
        root_keys_digest(&root, 1, &digest);
        memcpy(key.bytes, raw.key, KEY_SIZE);
        memcpy(signature.bytes, raw.signature, SIGNATURE_SIZE);
        if (memcmp(digest.bytes, b->token->root_keys.bytes, DIGEST_SIZE) != 0 ||
            memcmp(&root, &key, sizeof(key)) != 0)
                return -EKEYREJECTED;
        return envelope_verify(&root, DOMAIN_KEYDOC, payload, len, &signature);
}

static int take_ca(Bootstrap *b, json_object *tls) {
        _cleanup_(strv_freep) char **pems = NULL;
        Digest pin;
        const JsonField field = { "ca_pem", JSON_FIELD_STRV, 0, JSON_REQUIRED };

        if (b->token->n_ca_pins == 0)
                return 0;
        if (json_dispatch(tls, &field, 1, true, &pems, NULL) < 0 || strv_length(pems) != 1 ||
            x509_spki_pin(pems[0], &pin) < 0)
                return -EBADMSG;
        if (memcmp(pin.bytes, b->token->ca_pins[0].bytes, DIGEST_SIZE) != 0)
                return -EKEYREJECTED;
        b->ca_pem = strdup(pems[0]);
        return b->ca_pem ? 0 : -ENOMEM;
}

static int take_signing_key(Bootstrap *b, json_object *keys) {
        struct {
                const char *id;
                uint8_t key[32];
        } raw = { 0 };
        const JsonField fields[] = {
                { "kid", JSON_FIELD_STRING, 0, JSON_REQUIRED },
                { "pk", JSON_FIELD_B64URL_32, sizeof(const char *), JSON_REQUIRED },
        };

        if (json_object_array_length(keys) < 1 || json_dispatch(json_object_array_get_idx(keys, 0), fields,
                                                                ELEMENTSOF(fields), true, &raw, NULL) < 0)
                return -EBADMSG;
        memcpy(b->signing_key.bytes, raw.key, KEY_SIZE);
        b->signing_key_id = strdup(raw.id);
        return b->signing_key_id ? 0 : -ENOMEM;
}

static int read_keydoc(Bootstrap *b, const uint8_t *body, size_t len) {
        _cleanup_json_ json_object *o = NULL, *doc = NULL;
        _cleanup_(strv_freep) char **root_keys = NULL;
        _cleanup_free_ uint8_t *payload = NULL;
        size_t payload_len;
        struct {
                const char *payload;
                json_object *sigs;
        } outer = { 0 };
        const JsonField outer_fields[] = {
                { "p", JSON_FIELD_STRING, 0, JSON_REQUIRED },
                { "sigs", JSON_FIELD_ARRAY, sizeof(void *), JSON_REQUIRED },
        };
        struct {
                const char *controller_id;
                char **root_keys;
                json_object *signing_keys, *tls;
        } inner = { 0 };
        const JsonField inner_fields[] = {
                { "controller_id", JSON_FIELD_STRING, 0, JSON_REQUIRED },
                { "root_keys", JSON_FIELD_STRV, sizeof(void *), JSON_REQUIRED },
                { "signing_keys", JSON_FIELD_ARRAY, 2 * sizeof(void *), JSON_REQUIRED },
                { "tls", JSON_FIELD_OBJECT, 3 * sizeof(void *), JSON_REQUIRED },
        };
        int r;

        r = json_parse((const char *) body, len, 0, NULL, &o);
        if (r >= 0)
                r = json_dispatch(o, outer_fields, ELEMENTSOF(outer_fields), false, &outer, NULL);
        if (r >= 0)
                r = b64url_decode(outer.payload, strlen(outer.payload), &payload, &payload_len);
        if (r >= 0)
                r = json_parse((const char *) payload, payload_len, 0, NULL, &doc);
        if (r >= 0)
                r = json_dispatch(doc, inner_fields, ELEMENTSOF(inner_fields), true, &inner, NULL);
        root_keys = inner.root_keys;
        if (r >= 0)
                r = check_root(b, root_keys, outer.sigs, payload, payload_len);
        if (r >= 0 && !streq(inner.controller_id, b->controller_id))
                r = -EKEYREJECTED;
        if (r >= 0)
                r = take_ca(b, inner.tls);
        return r < 0 ? r : take_signing_key(b, inner.signing_keys);
}

static int bootstrap(const char *token_file, Bootstrap *b) {
        HttpClientConfig config = { .trust = HTTP_TRUST_UNVERIFIED };
        _cleanup_free_ uint8_t *text = NULL, *body = NULL;
        _cleanup_free_ char *reason = NULL, *token_id = NULL;
        const char *why = NULL;
        unsigned status;
        size_t len;
        int r;

        r = file_read_secret(token_file, TOKEN_STRING_MAX, &text, &len);
        if (r < 0)
                return log_error_errno(r, "Failed to read %s: %m", token_file);
        r = enrol_token_decode((const char *) text, &b->token, &why);
        crypto_wipe(text, len);
        if (r < 0)
                return log_error_errno(r, "Not a token: %s", strempty(why));
        hex_encode(b->token->controller_id, sizeof(b->token->controller_id), b->controller_id);
        r = b64url_encode(b->token->token_id, sizeof(b->token->token_id), &token_id);
        if (r < 0)
                return r;
        (void) snprintf(b->token_id, sizeof(b->token_id), "%s", token_id);
        config.url = b->token->urls[0];
        r = http_call_sync(&config, "GET", API "bootstrap", NULL, 0, NULL, 0, &status, &body, &len, &reason);
        if (r < 0 || status != 200)
                return log_error_errno(r < 0 ? r : -EIO, "M0 failed: %s", strempty(reason));
        r = read_keydoc(b, body, len);
        return r < 0 ? log_error_errno(r, "The controller is not the one of the token: %m") : 0;
}

/* ---- joins ---- */

typedef struct Joiner Joiner;

/* One connection, on which one agent after the other joins. */
typedef struct Worker {
        Joiner *joiner;
        HttpClient *client;
        sd_event_source *retry;
        unsigned number, retries;
        bool again; /* this is the second time, with --twice */
        FakeAgent *agent;
        Secret *wg_key;
        PublicKey identity_public;
        uint8_t nonce[32];
        char idem[33];
        Digest body_hash;
} Worker;

struct Joiner {
        const FakeArguments *args;
        Bootstrap bootstrap;
        sd_event *event;
        Worker *workers;
        unsigned next, end, busy;
        unsigned joined, pending, refused, failed, retried;
        uint64_t bytes_sent, bytes_received;
};

static void next_agent(Worker *w);
static void send_challenge(Worker *w);

static void worker_done(Worker *w) {
        (void) fake_agent_free(w->agent);
        (void) secret_free(w->wg_key);
        w->agent = NULL;
        w->wg_key = NULL;
}

static void agent_failed(Worker *w, const char *what, const HttpResponse *response) {
        w->joiner->failed++;
        fprintf(stderr, "agent %u: %s failed: status %u %s %.200s\n", w->number, what,
                response ? response->status : 0, response && response->error < 0 ? response->reason : "",
                response && response->body ? (const char *) response->body : "");
        next_agent(w);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        send_challenge(userdata);
        return 0;
}

/* Too fast, too many, or the challenge has grown old: from M1 again, with the same keys. */
static bool try_again(Worker *w, const HttpResponse *response) {
        uint64_t wait = MAX(response->retry_after_sec, (uint64_t) 1) * USEC_PER_SEC;
        bool useful = response->error < 0 ? response->error != -EKEYREJECTED
                                          : response->status == 429 || response->status == 503 ||
                                                            response->status == 401;

        if (!useful || ++w->retries > RETRIES_MAX)
                return false;
        w->joiner->retried++;
        w->retry = sd_event_source_disable_unref(w->retry);
        return sd_event_add_time_relative(w->joiner->event, &w->retry, CLOCK_MONOTONIC,
                                          wait + crypto_random_u64() % USEC_PER_SEC, 0, on_retry, w) >= 0;
}

static const PublicKey *lookup(const char *key_id, void *userdata) {
        const Bootstrap *b = userdata;

        return streq(key_id, b->signing_key_id) ? &b->signing_key : NULL;
}

static int read_ack(Worker *w, const HttpResponse *response) {
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ uint8_t *payload = NULL;
        struct {
                const char *type, *controller_id, *node_id;
                uint8_t hash[32];
        } raw = { 0 };
        const JsonField fields[] = {
                { "type", JSON_FIELD_STRING, 0, JSON_REQUIRED },
                { "controller_id", JSON_FIELD_STRING, sizeof(void *), JSON_REQUIRED },
                { "node_id", JSON_FIELD_STRING, 2 * sizeof(void *), JSON_REQUIRED },
                { "req_hash", JSON_FIELD_B64URL_32, 3 * sizeof(void *), JSON_REQUIRED },
        };
        size_t len;
        int r;

        r = envelope_decode((const char *) response->body, response->body_len, DOMAIN_ENROL_ACK, lookup,
                            &w->joiner->bootstrap, &payload, &len);
        if (r >= 0)
                r = json_parse((const char *) payload, len, 0, NULL, &o);
        if (r >= 0)
                r = json_dispatch(o, fields, ELEMENTSOF(fields), true, &raw, NULL);
        if (r < 0)
                return r;
        if (!streq(raw.type, "ack") || !streq(raw.controller_id, w->agent->controller_id) ||
            !streq(raw.node_id, w->agent->node_id) || memcmp(raw.hash, w->body_hash.bytes, DIGEST_SIZE) != 0)
                return -EBADMSG;
        return 0;
}

static void on_enrol(const HttpResponse *response, void *userdata) {
        Worker *w = userdata;
        Joiner *j = w->joiner;

        j->bytes_received += response->body_len;
        if (try_again(w, response))
                return;
        if (response->error >= 0 && response->status == 403) {
                j->refused++;
                if (j->args->verbose)
                        printf("agent %u refused: %s\n", w->number, (const char *) response->body);
                next_agent(w);
                return;
        }
        if (response->error < 0 || (response->status != 201 && response->status != 202) ||
            read_ack(w, response) < 0 || fake_agent_save(w->agent) < 0) {
                agent_failed(w, "M2", response);
                return;
        }
        if (j->args->twice && !w->again) {
                w->again = true;
                send_challenge(w);
                return;
        }
        j->joined++;
        if (response->status == 202)
                j->pending++;
        if (j->args->verbose)
                printf("agent %u joined as %s\n", w->number, w->agent->node_id);
        next_agent(w);
}

static int add_wg_key(Worker *w, json_object *body, const char *challenge, const PublicKey *ephemeral) {
        json_object *array = json_object_new_array(), *o = json_object_new_object();
        PublicKey wg_public;
        Digest proof;
        int r;

        r = wgkey_public(w->wg_key, &wg_public);
        if (r >= 0)
                r = wgkey_proof(w->wg_key, ephemeral, challenge, &w->identity_public, &wg_public, &proof);
        if (r >= 0)
                r = json_add_u64(o, "lane", 0);
        if (r >= 0)
                r = json_add_b64url(o, "pk", wg_public.bytes, KEY_SIZE);
        if (r >= 0)
                r = json_add_b64url(o, "pop", proof.bytes, DIGEST_SIZE);
        if (r < 0) {
                json_object_put(o);
                json_object_put(array);
                return r;
        }
        r = json_append(array, o);
        if (r < 0) {
                json_object_put(array);
                return r;
        }
        return json_add(body, "wk", array);
}

static int add_host(Worker *w, json_object *body) {
        _cleanup_free_ char *name = str_printf("%s-%u", w->joiner->args->name, w->number);
        json_object *host = json_object_new_object();
        int r;

        r = json_add_string(host, "name", name);
        if (r >= 0)
                r = json_add_string(host, "os", "none");
        if (r >= 0)
                r = json_add_string(host, "agent", "fake");
        if (r < 0) {
                json_object_put(host);
                return r;
        }
        return json_add(body, "host", host);
}

static int make_enrol(Worker *w, const char *challenge, const PublicKey *ephemeral, char **ret,
                      size_t *ret_len) {
        const FakeArguments *args = w->joiner->args;
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        r = json_add_string(o, "t", w->joiner->bootstrap.token_id);
        if (r >= 0)
                r = json_add_string(o, "ch", challenge);
        if (r >= 0)
                r = json_add_b64url(o, "n", w->nonce, sizeof(w->nonce));
        if (r >= 0)
                r = json_add_b64url(o, "ik", w->identity_public.bytes, KEY_SIZE);
        if (r >= 0)
                r = json_add_u64(o, "ik_gen", 1);
        if (r >= 0)
                r = add_wg_key(w, o, challenge, ephemeral);
        if (r >= 0)
                r = add_host(w, o);
        if (r >= 0 && args->prefixes)
                r = json_add_strv(o, "prefixes", args->prefixes);
        if (r >= 0 && args->endpoint)
                r = json_add_string(o, "endpoint", args->endpoint);
        if (r >= 0)
                r = json_add_string(o, "idem", w->idem);
        if (r < 0)
                return r;
        *ret = json_format(o, ret_len);
        return *ret ? 0 : -ENOMEM;
}

static int sign(const Secret *key, const char *body, size_t len, char **ret) {
        Signature signature;
        int r;

        r = envelope_sign(key, DOMAIN_ENROL, body, len, &signature);
        return r < 0 ? r : b64url_encode(signature.bytes, sizeof(signature.bytes), ret);
}

static int send_enrol(Worker *w, const HttpResponse *response) {
        _cleanup_free_ char *body = NULL, *by_token = NULL, *by_identity = NULL;
        _cleanup_json_ json_object *o = NULL;
        struct {
                const char *challenge;
                uint8_t ephemeral[32];
        } raw = { 0 };
        const JsonField fields[] = {
                { "ch", JSON_FIELD_STRING, 0, JSON_REQUIRED },
                { "srv_eph", JSON_FIELD_B64URL_32, sizeof(void *), JSON_REQUIRED },
        };
        HttpHeaderField headers[3];
        PublicKey ephemeral;
        size_t len;
        int r;

        r = json_parse((const char *) response->body, response->body_len, 0, NULL, &o);
        if (r >= 0)
                r = json_dispatch(o, fields, ELEMENTSOF(fields), true, &raw, NULL);
        if (r < 0)
                return r;
        memcpy(ephemeral.bytes, raw.ephemeral, KEY_SIZE);
        r = make_enrol(w, raw.challenge, &ephemeral, &body, &len);
        if (r >= 0)
                r = sign(w->joiner->bootstrap.token->seed, body, len, &by_token);
        if (r >= 0)
                r = sign(w->agent->identity, body, len, &by_identity);
        if (r < 0)
                return r;
        digest_blake2b(body, len, &w->body_hash);
        headers[0] = (HttpHeaderField) { "Content-Type", "application/json" };
        headers[1] = (HttpHeaderField) { "Sdwan-Sig-Token", by_token };
        headers[2] = (HttpHeaderField) { "Sdwan-Sig-Identity", by_identity };
        w->joiner->bytes_sent += len;
        return http_client_call(w->client, "POST", API "enrol", headers, ELEMENTSOF(headers), body, len,
                                on_enrol, w, NULL);
}

static void on_challenge(const HttpResponse *response, void *userdata) {
        Worker *w = userdata;

        w->joiner->bytes_received += response->body_len;
        if (try_again(w, response))
                return;
        if (response->error < 0 || response->status != 200 || send_enrol(w, response) < 0)
                agent_failed(w, "M1", response);
}

static void send_challenge(Worker *w) {
        const HttpHeaderField header = { "Content-Type", "application/json" };
        _cleanup_free_ char *nonce = NULL, *body = NULL;

        crypto_random(w->nonce, sizeof(w->nonce));
        if (b64url_encode(w->nonce, sizeof(w->nonce), &nonce) >= 0)
                body = str_printf("{\"t\":\"%s\",\"n\":\"%s\"}", w->joiner->bootstrap.token_id, nonce);
        if (body)
                w->joiner->bytes_sent += strlen(body);
        if (!body || http_client_call(w->client, "POST", API "challenge", &header, 1, body, strlen(body),
                                      on_challenge, w, NULL) < 0)
                agent_failed(w, "M1", NULL);
}

static int make_agent(Worker *w) {
        const Bootstrap *b = &w->joiner->bootstrap;
        FakeAgent *a = new(FakeAgent);
        uint8_t idem[16];

        w->agent = a;
        if (!a)
                return -ENOMEM;
        a->path = str_printf("%s/%u", w->joiner->args->state, w->number);
        a->url = strdup(b->token->urls[0]);
        a->ca_pem = b->ca_pem ? strdup(b->ca_pem) : NULL;
        a->controller_id = strdup(b->controller_id);
        a->signing_key_id = strdup(b->signing_key_id);
        a->signing_key = b->signing_key;
        a->node_id = malloc(NODE_ID_SIZE);
        if (!a->path || !a->url || !a->controller_id || !a->signing_key_id || !a->node_id ||
            (b->ca_pem && !a->ca_pem) || secret_new_random(&a->identity) < 0 || wgkey_new(&w->wg_key) < 0 ||
            identity_public(a->identity, &w->identity_public) < 0)
                return -ENOMEM;
        node_id_from_identity(&w->identity_public, a->node_id);
        crypto_random(idem, sizeof(idem));
        hex_encode(idem, sizeof(idem), w->idem);
        return 0;
}

static void next_agent(Worker *w) {
        Joiner *j = w->joiner;

        worker_done(w);
        if (j->next == j->end) {
                w->client = http_client_free(w->client); /* others may wait for a connection */
                if (--j->busy == 0)
                        (void) sd_event_exit(j->event, 0);
                return;
        }
        w->number = j->next++;
        w->retries = 0;
        w->again = false;
        if (make_agent(w) < 0)
                agent_failed(w, "making keys", NULL);
        else
                send_challenge(w);
}

static int start_workers(Joiner *j, unsigned n) {
        HttpClientConfig config = {
                .url = j->bootstrap.token->urls[0],
                .trust = j->bootstrap.ca_pem ? HTTP_TRUST_CA : HTTP_TRUST_SYSTEM,
                .ca_pem = j->bootstrap.ca_pem,
                .total_usec = 120 * USEC_PER_SEC,
                .connect_usec = 60 * USEC_PER_SEC,
        };
        int r;

        j->workers = new0(Worker, n);
        if (!j->workers)
                return -ENOMEM;
        j->busy = n;
        for (unsigned i = 0; i < n; i++) {
                j->workers[i].joiner = j;
                r = http_client_new(j->event, &config, &j->workers[i].client);
                if (r < 0)
                        return r;
                next_agent(&j->workers[i]);
        }
        return 0;
}

int fake_join(const FakeArguments *args) {
        Joiner j = { .args = args };
        unsigned parallel = MIN(args->parallel, args->count);
        uint64_t start;
        int r;

        if (mkdir(args->state, 0700) < 0 && errno != EEXIST)
                return log_error_errno(errno, "Failed to make %s: %m", args->state), EXIT_FAILURE;
        j.next = fake_agent_next(args->state);
        j.end = j.next + args->count;
        r = sd_event_new(&j.event);
        if (r >= 0)
                r = bootstrap(args->token_file, &j.bootstrap);
        start = now_monotonic_usec();
        if (r >= 0)
                r = start_workers(&j, parallel);
        if (r >= 0)
                r = sd_event_loop(j.event);
        for (unsigned i = 0; j.workers && i < parallel; i++) {
                j.workers[i].retry = sd_event_source_disable_unref(j.workers[i].retry);
                worker_done(&j.workers[i]);
                (void) http_client_free(j.workers[i].client);
        }
        free(j.workers);
        bootstrap_done(&j.bootstrap);
        sd_event_unref(j.event);
        printf("joined=%u pending=%u refused=%u failed=%u retried=%u sent=%llu received=%llu "
               "milliseconds=%llu\n",
               j.joined, j.pending, j.refused, j.failed, j.retried, (unsigned long long) j.bytes_sent,
               (unsigned long long) j.bytes_received,
               (unsigned long long) ((now_monotonic_usec() - start) / 1000));
        return r >= 0 && j.joined == args->count ? EXIT_SUCCESS : EXIT_FAILURE;
}
