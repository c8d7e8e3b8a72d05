/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#define HASH_NONFATAL_OOM 1
#include <stdio.h>
#include <utlist.h>

#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "controld/agents-internal.h"
#include "controld/enrolment.h"

/* SECURITY.md 2.5: persist a ceiling ahead of what was seen, so that most requests need no write. */
#define SEQUENCE_AHEAD 4096
#define SEQUENCE_MAX ((uint64_t) INT64_MAX - 2 * SEQUENCE_AHEAD)
#define WAITING_MAX 32
#define NODE_REQUESTS_PER_SECOND 2
#define NODE_REQUESTS_BURST 10
/* Requests of a join, of which it needs two. 50 a second are 1 % of a core. */
#define JOINS_PER_SECOND 50
#define JOINS_BURST 1000
#define FAILURES_PER_SECOND 50
#define FAILURES_BURST 200
#define REFUSALS_LOGGED_PER_SECOND 1
#define REFUSALS_LOGGED_BURST 100

/* ---- nodes ---- */

AgentNode *agents_find(const Agents *a, const char *id) {
        AgentNode *n;

        HASH_FIND_STR(a->nodes, id, n);
        return n;
}

static void answer_waiting(AgentNode *n, const Refusal *refusal) {
        AgentRequest *q, *next;

        DL_FOREACH_SAFE(n->waiting, q, next) {
                answer_refusal(q->request, refusal);
                free(q);
        }
        n->waiting = NULL;
        n->n_waiting = 0;
}

static AgentNode *agent_node_free(AgentNode *n) {
        if (!n)
                return NULL;
        (void) agent_report_free(n->report);
        return mfree(n);
}

static int add_node(Agents *a, const char *id, AgentNode **ret) {
        AgentNode *n;

        if (strlen(id) >= sizeof(n->id))
                return -EINVAL;
        n = new(AgentNode);
        if (!n)
                return -ENOMEM;
        n->agents = a;
        (void) snprintf(n->id, sizeof(n->id), "%s", id);
        HASH_ADD_STR(a->nodes, id, n);
        if (!n->hh.tbl) {
                free(n);
                return -ENOMEM;
        }
        *ret = n;
        return 0;
}

static int restore_sequence(const char *id, uint64_t epoch, uint64_t ceiling, void *userdata) {
        Agents *a = userdata;
        AgentNode *n;
        int r;

        /* Of a node that is gone: its tombstone refuses it. */
        if (!model_get(a->manager->model, &kind_node, id))
                return 0;
        r = add_node(a, id, &n);
        if (r < 0)
                return r;
        replay_window_restore(&n->window, epoch, ceiling);
        n->durable_epoch = epoch;
        n->ceiling = ceiling;
        n->restored = ceiling;
        return 0;
}

/* ---- the order of sequences ---- */

/* 1: the request counts now. 0: it waits for the store. Negative with *ret: refused. */
static int accept_sequence(AgentNode *n, const RequestSignatureClaims *c, Refusal *ret) {
        ReplayWindow w = n->window;
        bool durable = c->epoch == n->durable_epoch && c->sequence <= n->ceiling;

        if (c->epoch == n->durable_epoch && c->sequence <= n->restored) {
                (void) refuse(ret, 401, "seq_behind", NULL,
                              "The controller was started again; go on from min.");
                ret->min = n->window.highest + 1;
                return -EPERM;
        }
        if (!replay_window_accept(&w, c->epoch, c->sequence)) {
                (void) refuse(ret, 401, "replayed", NULL,
                              "The sequence number was seen before, or is too old.");
                if (c->epoch < n->window.epoch)
                        ret->epoch = n->window.epoch;
                return -EPERM;
        }
        if (durable)
                n->window = w;
        if (!token_bucket_spend(&n->bucket, NODE_REQUESTS_PER_SECOND, NODE_REQUESTS_BURST,
                                now_monotonic_usec()))
                return refuse_busy(ret, 429, 2);
        return durable ? 1 : 0;
}

static void on_sequence_durable(int result, uint64_t revision, void *userdata);

static int persist_sequence(AgentNode *n, const RequestSignatureClaims *c) {
        _cleanup_(store_transaction_freep) StoreTransaction *t = NULL;
        Manager *m = n->agents->manager;
        uint64_t ceiling = c->sequence + SEQUENCE_AHEAD;
        int r;

        r = store_transaction_new(m->store, model_revision(m->model), now_realtime_usec(), "agents", &t);
        if (r < 0)
                return r;
        r = store_transaction_agent_sequence(t, n->id, c->epoch, ceiling);
        if (r < 0)
                return r;
        r = store_submit(m->store, TAKE(t), on_sequence_durable, n);
        if (r < 0)
                return r;
        n->persisting = true;
        n->persisting_epoch = c->epoch;
        n->persisting_ceiling = ceiling;
        return 0;
}

int agent_refuse_revoked(Refusal *ret) {
        return refuse(ret, 403, "revoked", NULL, "The node was removed.");
}

int agent_check_state(const Node *node, bool while_pending, Refusal *ret) {
        if (!node || node->state == NODE_REVOKED)
                return agent_refuse_revoked(ret);
        if (node->state == NODE_PENDING && !while_pending)
                return refuse(ret, 403, "pending", NULL, "An administrator has yet to approve the node.");
        return 0;
}

static const Node *find_node(const Manager *m, const char *id) {
        const Object *o = model_get(m->model, &kind_node, id);

        return o ? node_of(o) : NULL;
}

/* True: q is done with. False: it is to wait for the store. */
static bool try_request(AgentNode *n, AgentRequest *q) {
        Manager *m = n->agents->manager;
        const Node *node = find_node(m, n->id);
        Refusal refusal = { 0 };
        int r = 0;

        if (!n->persisting) {
                r = accept_sequence(n, &q->claims, &refusal);
                if (r == 0 && persist_sequence(n, &q->claims) < 0)
                        r = refuse_busy(&refusal, 503, 5);
        }
        if (r == 0) {
                if (n->n_waiting < WAITING_MAX)
                        return false;
                r = refuse_busy(&refusal, 503, 1);
        }
        if (r > 0)
                r = agent_check_state(node, q->while_pending, &refusal);
        if (r < 0)
                answer_refusal(q->request, &refusal);
        else
                q->handle(m, n, node, q);
        return true;
}

/* In the order in which they came; one of them may need the store again, and then the rest waits on. */
static void run_waiting(AgentNode *n) {
        while (n->waiting && !n->persisting && !n->gone) {
                AgentRequest *q = n->waiting;

                DL_DELETE(n->waiting, q);
                n->n_waiting--;
                if (!try_request(n, q)) {
                        DL_PREPEND(n->waiting, q);
                        n->n_waiting++;
                        return;
                }
                free(q);
        }
}

static void on_sequence_durable(int result, uint64_t revision, void *userdata) {
        AgentNode *n = userdata;
        Refusal refusal;

        n->persisting = false;
        if (n->gone) { /* removed meanwhile: we held the last reference */
                (void) agent_node_free(n);
                return;
        }
        if (result < 0) {
                /* Not knowing what was seen before a crash, nothing is accepted (SECURITY.md B9). */
                (void) log_warning_errno(
                                result, "Failed to store the sequence of node %s, refusing its requests: %m",
                                n->id);
                if (result == -EIO) { /* it stays so until the database is opened again, as in change.c */
                        n->agents->manager->daemon.exit_status = EXIT_FAILURE;
                        (void) sd_event_exit(n->agents->manager->daemon.event, EXIT_FAILURE);
                }
                (void) refuse_busy(&refusal, 503, 5);
                answer_waiting(n, &refusal);
                return;
        }
        if (n->persisting_epoch != n->durable_epoch)
                n->restored = 0;
        n->durable_epoch = n->persisting_epoch;
        n->ceiling = n->persisting_ceiling;
        /* The one that waited for this is not asked for the rate a second time. */
        n->bucket.full_usec -= MIN(n->bucket.full_usec, USEC_PER_SEC / NODE_REQUESTS_PER_SECOND);
        run_waiting(n);
}

/* ---- signatures ---- */

static const char *const signature_headers[] = {
        "content-digest", "sdwan-aud", "sdwan-seq", "signature-input", "signature",
};

static int read_signature_headers(HttpRequest *r, RequestSignatureHeaders *ret) {
        char *const fields[] = {
                ret->content_digest, ret->audience, ret->sequence, ret->signature_input, ret->signature,
        };

        for (size_t i = 0; i < ELEMENTSOF(signature_headers); i++) {
                const char *value = http_request_header(r, signature_headers[i]);

                if (!value || http_request_header_count(r, signature_headers[i]) != 1 ||
                    strlen(value) >= REQSIGN_HEADER_MAX)
                        return -EBADMSG;
                (void) snprintf(fields[i], REQSIGN_HEADER_MAX, "%s", value);
        }
        return 0;
}

static int refuse_signature(Refusal *ret) {
        return refuse(ret, 401, "signature_invalid", NULL,
                      "The request is not signed by a node of this controller.");
}

/* The node that signed the request. -EPERM with *ret_refusal. */
static int verify_request(Manager *m, HttpRequest *r, const Node **ret, RequestSignatureClaims *ret_claims,
                          Refusal *ret_refusal) {
        RequestSignatureHeaders headers;
        RequestSignatureInput in = {
                .method = http_request_method(r),
                .path = http_request_path(r),
                .query = http_request_query(r),
                .controller_id = m->credentials.controller_id,
        };
        const Node *node;

        in.body = http_request_body(r, &in.body_len);
        if (in.body_len > AGENT_BODY_MAX)
                return refuse(ret_refusal, 413, "invalid", NULL, "The body is larger than 64 KiB.");
        if (read_signature_headers(r, &headers) < 0 || request_claims(&headers, ret_claims) < 0)
                return refuse_signature(ret_refusal);
        node = find_node(m, ret_claims->node_id);
        if (!node && model_is_tombstoned(m->model, ret_claims->node_id))
                return agent_refuse_revoked(ret_refusal);
        if (!node || ret_claims->identity_generation != 1 ||
            request_verify(&node->identity, &in, &headers, ret_claims) < 0 ||
            ret_claims->epoch > SEQUENCE_MAX || ret_claims->sequence > SEQUENCE_MAX)
                return refuse_signature(ret_refusal);
        *ret = node;
        return 0;
}

typedef struct AgentRoute {
        const char *method, *path;
        void (*open)(Manager *m, HttpRequest *r); /* before there is an identity */
        void (*handle)(Manager *m, AgentNode *n, const Node *node, AgentRequest *q);
        bool limited, while_pending;
} AgentRoute;

static const AgentRoute routes[] = {
        { "GET", "bootstrap", .open = enrolment_bootstrap },
        { "POST", "challenge", .open = enrolment_challenge, .limited = true },
        { "POST", "enrol", .open = enrolment_enrol, .limited = true },
        { "GET", "stream", .handle = agent_stream },
        { "POST", "report", .handle = agent_report },
        { "POST", "leave", .handle = agent_leave, .while_pending = true },
};

/* 0: handed on. -EPERM with *ret_refusal. */
static int handle_signed(Manager *m, const AgentRoute *route, HttpRequest *r, Refusal *ret_refusal) {
        Agents *a = m->agents;
        RequestSignatureClaims claims = { 0 };
        AgentRequest *q;
        AgentNode *n;
        const Node *node;
        int k;

        if (!rate_limit_allows(a->failures, http_request_peer(r), now_monotonic_usec()))
                return refuse_busy(ret_refusal, 429, 5);
        k = verify_request(m, r, &node, &claims, ret_refusal);
        if (k < 0) {
                (void) rate_limit_spend(a->failures, http_request_peer(r), now_monotonic_usec());
                return k;
        }
        n = agents_find(a, node->object.id);
        if (!n && add_node(a, node->object.id, &n) < 0)
                return refuse_busy(ret_refusal, 503, 5);
        q = new(AgentRequest);
        if (!q)
                return refuse_busy(ret_refusal, 503, 5);
        *q = (AgentRequest) {
                .request = r,
                .claims = claims,
                .handle = route->handle,
                .while_pending = route->while_pending,
        };
        if (try_request(n, q)) {
                free(q);
                return 0;
        }
        DL_APPEND(n->waiting, q);
        n->n_waiting++;
        return 0;
}

static int handle(Manager *m, HttpRequest *r, Refusal *ret_refusal) {
        const char *path = http_request_path(r) + strlen(AGENTS_PATH);
        const AgentRoute *route = NULL;

        for (size_t i = 0; i < ELEMENTSOF(routes); i++)
                if (streq(routes[i].path, path))
                        route = &routes[i];
        if (!route)
                return refuse(ret_refusal, 404, "not_found", NULL, "There is nothing here.");
        if (!streq(http_request_method(r), route->method))
                return refuse(ret_refusal, 405, "method_not_allowed", NULL, "Not with this method.");
        if (route->handle)
                return handle_signed(m, route, r, ret_refusal);
        if (route->limited &&
            !rate_limit_spend(m->agents->joins, http_request_peer(r), now_monotonic_usec()))
                return refuse_busy(ret_refusal, 429, 5);
        route->open(m, r);
        return 0;
}

void agents_handle(Manager *m, HttpRequest *r) {
        Refusal refusal = { 0 };

        assert(m->agents);
        assert(strncmp(http_request_path(r), AGENTS_PATH, strlen(AGENTS_PATH)) == 0);

        if (handle(m, r, &refusal) < 0)
                answer_refusal(r, &refusal);
}

/* ---- life ---- */

int agents_new(Manager *m, Agents **ret) {
        _cleanup_(agents_freep) Agents *a = new(Agents);
        uint64_t per_ip = m->settings.max_agents_per_ip;
        int r;

        if (!a)
                return -ENOMEM;
        a->manager = m;
        /* Whoever lets many agents come from one address lets them join from there. */
        r = rate_limit_new(MAX((uint64_t) JOINS_PER_SECOND, MIN(per_ip / 4, (uint64_t) 10000)),
                           MAX((uint64_t) JOINS_BURST, MIN(per_ip * 4, (uint64_t) 100000)),
                           crypto_random_u64(), &a->joins);
        if (r >= 0)
                r = rate_limit_new(FAILURES_PER_SECOND, FAILURES_BURST, crypto_random_u64(), &a->failures);
        if (r >= 0)
                r = store_load_agent_sequences(m->store, restore_sequence, a);
        if (r < 0)
                return r;
        *ret = TAKE(a);
        return 0;
}

static void remove_node(Agents *a, AgentNode *n, const Refusal *refusal) {
        agent_stream_end(n);
        answer_waiting(n, refusal);
        HASH_DEL(a->nodes, n);
        if (n->persisting)
                n->gone = true; /* on_sequence_durable() frees it */
        else
                (void) agent_node_free(n);
}

Agents *agents_free(Agents *a) {
        AgentNode *n, *next;
        Refusal refusal;

        if (!a)
                return NULL;
        (void) refuse_busy(&refusal, 503, 5);
        HASH_ITER(hh, a->nodes, n, next)
                remove_node(a, n, &refusal);
        sd_event_source_disable_unref(a->heartbeat);
        (void) rate_limit_free(a->joins);
        (void) rate_limit_free(a->failures);
        return mfree(a);
}

bool agents_may_log_refusal(Agents *a) {
        return a && token_bucket_spend(&a->refusals_logged, REFUSALS_LOGGED_PER_SECOND,
                                       REFUSALS_LOGGED_BURST, now_monotonic_usec());
}

size_t agents_connected(const Agents *a) {
        return a->n_streams;
}

void agents_node_gone(Manager *m, const char *node_id) {
        AgentNode *n = agents_find(m->agents, node_id);
        Refusal refusal;

        if (!n)
                return;
        (void) agent_refuse_revoked(&refusal);
        remove_node(m->agents, n, &refusal);
}
