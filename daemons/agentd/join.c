/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/join-internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "json/json.h"
#include "service/event-timer.h"

#define BOOTSTRAP_PATH "/api/v1/agent/bootstrap"
#define CHALLENGE_PATH "/api/v1/agent/challenge"
#define ENROL_PATH "/api/v1/agent/enrol"
#define ROUNDS_MAX 3
#define CHALLENGES_MAX 5
#define BUSY_MAX 4
#define BUSY_WAIT_MAX_SEC 10

static void step_bootstrap(Join *j);

void join_options_done(JoinOptions *o) {
        strv_free(o->prefixes);
        free(o->endpoint);
        free(o->name);
        *o = (JoinOptions) { 0 };
}

Join *join_free(Join *j) {
        if (!j)
                return NULL;
        sd_event_source_disable_unref(j->timer);
        sd_event_source_disable_unref(j->challenge_timer);
        sd_event_source_disable_unref(j->end_timer);
        (void) http_client_free(j->client);
        (void) enrol_token_free(j->token);
        (void) identity_free(j->identity);
        (void) membership_free(j->membership);
        join_options_done(&j->options);
        return mfree(j);
}

static int on_end(sd_event_source *source, uint64_t usec, void *userdata) {
        Join *j = userdata;
        Manager *m = j->manager;
        int r;

        if (j->error == JOIN_OK) {
                r = membership_save(m->directory, j->membership);
                if (r >= 0) {
                        (void) join_erase(m->directory);
                        m->join = NULL;
                        r = manager_joined(m, TAKE(j->identity), TAKE(j->membership));
                }
                if (r < 0) {
                        j->error = JOIN_FAILED;
                        (void) snprintf(j->text, sizeof(j->text),
                                        "Failed to keep what came of joining in %s: %s", m->directory,
                                        strerror(-r));
                }
        }
        m->join = NULL;
        if (j->error != JOIN_OK) {
                log_error("Failed to join: %s", j->text);
                join_undo(j);
        }
        j->done(j->error, j->text, j->userdata);
        manager_changed(m, NULL);
        (void) join_free(j);
        return 0;
}

/* From within callbacks of the client, which may not be freed there. */
__attribute__((format(printf, 3, 4))) static void end(Join *j, JoinError error, const char *format, ...) {
        va_list ap;

        j->error = error;
        va_start(ap, format);
        (void) vsnprintf(j->text, sizeof(j->text), format, ap);
        va_end(ap);
        (void) sd_event_source_set_enabled(j->timer, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(j->challenge_timer, SD_EVENT_OFF);
        event_timer_arm(j->end_timer, 0);
}

/* The next address; after the last one a pause, and after some rounds the end. */
static void next_url(Join *j, const char *reason) {
        log_info("No answer of the controller at %s: %s", j->token->urls[j->url], reason);
        j->url++;
        if (j->url == strv_length(j->token->urls)) {
                j->url = 0;
                j->rounds++;
        }
        if (j->rounds >= (j->any_answer ? ROUNDS_MAX : 1)) {
                if (j->stranger && !j->any_answer)
                        end(j, JOIN_CONTROLLER_MISMATCH,
                            "No server at the token's addresses is its controller.");
                else
                        end(j, JOIN_UNREACHABLE, "The controller does not answer: %s", reason);
                return;
        }
        event_timer_arm(j->timer, j->url == 0 ? USEC_PER_SEC : 0);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        step_bootstrap(userdata);
        return 0;
}

static int connect_url(Join *j, HttpTrust trust) {
        HttpClientConfig config = {
                .url = j->token->urls[j->url],
                .trust = trust,
                .ca_pem = trust == HTTP_TRUST_CA ? j->membership->keys.ca_pem : NULL,
                .max_body_bytes = 64 * 1024,
        };

        j->client = http_client_free(j->client);
        return http_client_new(j->manager->event, &config, &j->client);
}

static void busy(Join *j, const HttpResponse *response) {
        uint64_t wait = MIN(MAX(response->retry_after_sec, UINT64_C(1)), (uint64_t) BUSY_WAIT_MAX_SEC);

        if (++j->busy > BUSY_MAX) {
                end(j, JOIN_BUSY, "The controller is busy. Try again in a few minutes.");
                return;
        }
        event_timer_arm(j->timer, wait * USEC_PER_SEC + crypto_random_u64() % USEC_PER_SEC);
}

typedef struct Problem {
        const char *code, *field, *detail;
} Problem;

/* The keys that are there belong to another membership: new ones, once. */
static void try_new_keys(Join *j) {
        int r;

        if (j->new_keys) {
                end(j, JOIN_ALREADY_JOINED, "The controller knows this node's keys already.");
                return;
        }
        j->new_keys = true;
        j->identity = identity_free(j->identity);
        r = identity_erase(j->manager->directory);
        if (r < 0) {
                end(j, JOIN_FAILED, "Failed to make new keys: %s", strerror(-r));
                return;
        }
        event_timer_arm(j->timer, 0);
}

static void refused(Join *j, const HttpResponse *response) {
        static const JsonField fields[] = {
                { "code", JSON_FIELD_STRING, offsetof(Problem, code), 0 },
                { "field", JSON_FIELD_STRING, offsetof(Problem, field), JSON_NULLABLE },
                { "detail", JSON_FIELD_STRING, offsetof(Problem, detail), JSON_NULLABLE },
        };
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ char *detail = NULL;
        Problem p = { 0 };

        if (json_parse((const char *) response->body, response->body_len, 0, NULL, &o) >= 0 &&
            json_object_get_type(o) == json_type_object)
                (void) !json_dispatch(o, fields, ELEMENTSOF(fields), true, &p, NULL);
        detail = str_escape(strempty(p.detail));
        if (response->status == 429 || response->status == 503)
                busy(j, response);
        else if (streq_ptr(p.code, "token_invalid"))
                end(j, JOIN_TOKEN_INVALID,
                    "The controller does not accept the token: it is unknown, expired, used up or revoked.");
        else if (streq_ptr(p.code, "prefix_not_allowed") || streq_ptr(p.code, "prefix_taken"))
                end(j, JOIN_PREFIX_REFUSED, "The controller refuses a prefix: %.160s", strempty(detail));
        else if (streq_ptr(p.code, "already_enrolled"))
                try_new_keys(j);
        else if (streq_ptr(p.code, "pool_exhausted"))
                end(j, JOIN_POOL_EXHAUSTED, "The network has no address left.");
        else if (streq_ptr(p.code, "challenge_expired") && ++j->challenges < CHALLENGES_MAX)
                event_timer_arm(j->timer, 0);
        else
                end(j, JOIN_FAILED, "The controller refuses with status %u: %.160s", response->status,
                    strempty(detail));
}

static void on_enrol(const HttpResponse *response, void *userdata) {
        Join *j = userdata;
        const char *reason = "";
        int r;

        j->in_doubt |= response->error != 0 || response->status < 400 || response->status >= 500;
        if (response->error != 0) {
                next_url(j, response->reason);
                return;
        }
        if (response->status != 201 && response->status != 202 && response->status != 200) {
                refused(j, response);
                return;
        }
        r = join_take_ack(j, response, &reason);
        if (r == -EKEYREJECTED)
                end(j, JOIN_CONTROLLER_MISMATCH, "This is not the controller of the token: %s.", reason);
        else if (r < 0)
                end(j, JOIN_FAILED, "The controller's answer is of no use: %s.", reason);
        else
                end(j, JOIN_OK, "%s", j->membership->pending ? "pending" : "active");
}

static int send_enrol(Join *j, const char *challenge, const PublicKey *ephemeral) {
        _cleanup_free_ char *body = NULL, *token_text = NULL, *identity_text = NULL;
        Signature token, identity;
        size_t len = 0;
        int r;

        r = join_enrol_body(j, challenge, ephemeral, &body, &len);
        if (r >= 0)
                r = envelope_sign(j->token->seed, DOMAIN_ENROL, body, len, &token);
        if (r >= 0)
                r = envelope_sign(j->identity->identity, DOMAIN_ENROL, body, len, &identity);
        if (r >= 0)
                r = b64url_encode(token.bytes, SIGNATURE_SIZE, &token_text);
        if (r >= 0)
                r = b64url_encode(identity.bytes, SIGNATURE_SIZE, &identity_text);
        if (r < 0)
                return r;
        digest_blake2b(body, len, &j->request_hash);
        HttpHeaderField headers[] = {
                { "Content-Type", "application/json" },
                { "Sdwan-Sig-Token", token_text },
                { "Sdwan-Sig-Identity", identity_text },
        };
        return http_client_call(j->client, "POST", ENROL_PATH, headers, ELEMENTSOF(headers), body, len,
                                on_enrol, j, NULL);
}

static void on_challenge(const HttpResponse *response, void *userdata) {
        char challenge[CHALLENGE_STRING_MAX];
        Join *j = userdata;
        PublicKey ephemeral;
        int r;

        if (response->error != 0) {
                /* With the pinned CA nobody else can answer for the controller. */
                if (response->error == -EKEYREJECTED && strv_length(j->token->urls) == 1)
                        end(j, JOIN_CONTROLLER_MISMATCH,
                            "The server's certificate is not the controller's: %s", response->reason);
                else
                        next_url(j, response->reason);
                return;
        }
        if (response->status != 200) {
                refused(j, response);
                return;
        }
        r = join_challenge_parse(response, challenge, &ephemeral);
        if (r >= 0)
                r = send_enrol(j, challenge, &ephemeral);
        if (r < 0)
                end(j, JOIN_FAILED, "Failed to answer the controller's challenge: %s", strerror(-r));
}

static void step_challenge(Join *j) {
        static const HttpHeaderField headers[] = { { "Content-Type", "application/json" } };
        _cleanup_free_ char *body = NULL;
        size_t len = 0;
        int r;

        r = join_prepare(j);
        if (r < 0) {
                end(j, JOIN_FAILED, "Failed to keep keys in %s: %s", j->manager->directory, strerror(-r));
                return;
        }
        crypto_random(j->nonce, sizeof(j->nonce));
        r = connect_url(j, j->membership->n_ca_pins == 0 ? HTTP_TRUST_SYSTEM : HTTP_TRUST_CA);
        if (r >= 0)
                r = join_challenge_body(j, &body, &len);
        if (r >= 0)
                r = http_client_call(j->client, "POST", CHALLENGE_PATH, headers, ELEMENTSOF(headers), body,
                                     len, on_challenge, j, NULL);
        if (r < 0)
                next_url(j, strerror(-r));
}

static int on_challenge_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        step_challenge(userdata);
        return 0;
}

static int fill_membership(Join *j) {
        Membership *m = membership_free(j->membership);

        j->membership = m = new(Membership);
        if (!m)
                return -ENOMEM;
        hex_encode(j->token->controller_id, sizeof(j->token->controller_id), m->controller_id);
        m->root_keys = j->token->root_keys;
        memcpy(m->ca_pins, j->token->ca_pins, sizeof(m->ca_pins));
        m->n_ca_pins = j->token->n_ca_pins;
        return strv_copy(j->token->urls, &m->urls);
}

static void on_bootstrap(const HttpResponse *response, void *userdata) {
        Join *j = userdata;
        const char *reason = "";
        int r;

        if (response->error != 0) {
                next_url(j, response->reason);
                return;
        }
        if (response->status == 429 || response->status == 503) {
                busy(j, response);
                return;
        }
        if (response->status != 200) {
                j->stranger = true;
                next_url(j, "the server is no controller");
                return;
        }
        j->any_answer = true;
        r = fill_membership(j);
        if (r >= 0)
                r = membership_set_key_document(j->membership, (const char *) response->body,
                                                response->body_len, &reason);
        if (r == -ENOMEM) {
                end(j, JOIN_FAILED, "Out of memory.");
                return;
        }
        if (r < 0) {
                end(j, JOIN_CONTROLLER_MISMATCH, "This is not the controller of the token: %s.", reason);
                return;
        }
        j->membership->controller_epoch = j->membership->keys.epoch;
        /* The client cannot be exchanged from within its own callback. */
        event_timer_arm(j->challenge_timer, 0);
}

static void step_bootstrap(Join *j) {
        int r;

        r = connect_url(j, HTTP_TRUST_UNVERIFIED);
        if (r >= 0)
                r = http_client_call(j->client, "GET", BOOTSTRAP_PATH, NULL, 0, NULL, 0, on_bootstrap, j,
                                     NULL);
        if (r < 0)
                next_url(j, strerror(-r));
}

int join_start(Manager *m, EnrolToken *token, JoinOptions *options, JoinDone done, void *userdata) {
        _cleanup_(join_freep) Join *j = NULL;
        int r;

        if (m->join)
                return -EALREADY;
        j = new(Join);
        if (!j)
                return -ENOMEM;
        j->manager = m;
        r = event_timer_new(m->event, USEC_PER_MSEC, on_timer, j, &j->timer);
        if (r >= 0)
                r = event_timer_new(m->event, USEC_PER_MSEC, on_challenge_timer, j, &j->challenge_timer);
        if (r >= 0)
                r = event_timer_new(m->event, USEC_PER_MSEC, on_end, j, &j->end_timer);
        if (r < 0)
                return r;
        j->token = token;
        j->options = *options;
        *options = (JoinOptions) { 0 };
        j->done = done;
        j->userdata = userdata;
        step_bootstrap(j);
        m->join = TAKE(j);
        manager_changed(m, NULL);
        return 0;
}
