/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <sys/epoll.h>

#include "base/strutil.h"
#include "httpc/call.h"
#include "httpc/resolver.h"

#define CONNECT_USEC (10 * USEC_PER_SEC)
#define TOTAL_USEC (30 * USEC_PER_SEC)
#define IDLE_USEC (15 * USEC_PER_SEC) /* shorter than servers': we close before they do */
#define ATTEMPT_MIN_USEC (1 * USEC_PER_SEC)
#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)
#define MAX_BODY_BYTES (1024 * 1024)
#define UNVERIFIED_BODY_BYTES (64 * 1024)
#define CALLS_MAX 64
#define READ_BYTES 4096              /* on the stack; GnuTLS keeps the rest of a record */
#define READ_TURN_BYTES (256 * 1024) /* then others on the loop have their turn */

typedef enum ClientState {
        CLIENT_CLOSED,
        CLIENT_RESOLVING,
        CLIENT_CONNECTING, /* TCP and TLS */
        CLIENT_OPEN,
} ClientState;

struct HttpClient {
        sd_event *event;
        HttpTarget target;
        HttpTrust trust;
        char *ca_pem;
        uint64_t connect_usec, total_usec;
        size_t max_body_bytes;

        HttpCall *first, *last; /* waiting, and the current one is not among them */
        size_t n_calls;
        HttpCall *current;

        ClientState state;
        Resolver *resolver;
        Endpoint endpoints[RESOLVE_ADDRESSES_MAX];
        size_t n_endpoints, endpoint;
        Connection *connection;
        bool reused; /* the connection has carried an answer before */
        uint64_t connect_deadline_usec;
        uint64_t attempt_deadline_usec;
        uint64_t heard_usec; /* when the last byte came */
        char reason[CONNECTION_REASON_MAX];
        int resolve_error;

        sd_event_source *io, *timer, *kick;

        unsigned depth; /* we are inside a dispatch: what is freed now is freed at its end */
        bool dead;
        HttpCall *zombies;
};

static void client_enter(HttpClient *c) {
        c->depth++;
}

static void client_leave(HttpClient *c) {
        if (--c->depth > 0)
                return;
        while (c->zombies) {
                HttpCall *call = c->zombies;

                c->zombies = call->next;
                (void) call_free(call);
        }
        if (c->dead)
                free(c);
}

static uint64_t client_now(const HttpClient *c) {
        uint64_t now = 0;

        (void) sd_event_now(c->event, CLOCK_MONOTONIC, &now);
        return now;
}

static int client_kick(HttpClient *c) {
        return sd_event_source_set_enabled(c->kick, SD_EVENT_ONESHOT);
}

static void call_release(HttpClient *c, HttpCall *call) {
        call->client = NULL;
        call->next = c->zombies;
        c->zombies = call;
}

static void client_close(HttpClient *c) {
        c->io = sd_event_source_disable_unref(c->io);
        c->connection = connection_free(c->connection);
        if (c->resolver)
                resolver_cancel(c->resolver);
        c->state = CLIENT_CLOSED;
        c->reused = false;
}

/* The timer fires at the earliest of the deadlines that count now. */
static uint64_t client_deadline(const HttpClient *c) {
        uint64_t deadline = USEC_INFINITY;

        if (!c->current)
                return c->state == CLIENT_OPEN ? c->heard_usec + IDLE_USEC : USEC_INFINITY;
        deadline = c->current->deadline_usec;
        if (c->state == CLIENT_RESOLVING || c->state == CLIENT_CONNECTING)
                deadline = MIN(deadline, c->connect_deadline_usec);
        if (c->state == CLIENT_CONNECTING)
                deadline = MIN(deadline, c->attempt_deadline_usec);
        if (c->state == CLIENT_OPEN && c->current->stream)
                deadline = MIN(deadline, c->heard_usec + c->current->silence_usec);
        return deadline;
}

static void client_arm(HttpClient *c) {
        uint64_t deadline = client_deadline(c);
        int r;

        if (deadline == USEC_INFINITY)
                r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        else {
                r = sd_event_source_set_time(c->timer, deadline);
                if (r >= 0)
                        r = sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
        }
        (void) r; /* fails only for a source that is not a timer */
}

/* The last thing that is done for a call: whatever its owner does in the callback, nothing here looks at it
 * again. */
static void call_finish(HttpClient *c, int error, const char *reason) {
        HttpCall *call = c->current;
        HttpResponse response = { .error = error,
                                  .reason = error < 0 ? reason : NULL,
                                  .body = (const uint8_t *) "" };

        c->current = NULL;
        if (response_parser_has_head(&call->parser)) {
                response.status = call->parser.status;
                response.content_type = call->parser.content_type;
                response.retry_after_sec = call->parser.retry_after_sec;
        }
        if (error == 0 && call->body.data) {
                response.body = call->body.data;
                response.body_len = call->body.len;
        }
        call_release(c, call);
        if (c->first)
                (void) client_kick(c);
        client_arm(c);
        call->done(&response, call->userdata);
}

static void client_fail(HttpClient *c, int error, const char *reason) {
        char text[CONNECTION_REASON_MAX];

        (void) snprintf(text, sizeof(text), "%s", reason && *reason ? reason : strerror(-error));
        client_close(c);
        call_finish(c, error, text);
}

/* A kept connection that the server closed just now says nothing about our request, when nothing was
 * answered and the request changes nothing. */
static bool client_retry(HttpClient *c) {
        HttpCall *call = c->current;

        if (!c->reused || !call->safe || call->retried || !response_parser_is_fresh(&call->parser))
                return false;
        call->retried = true;
        call_rewind(call);
        client_close(c);
        return client_kick(c) >= 0;
}

static void client_lost(HttpClient *c, int error) {
        if (error == -ECONNRESET && client_retry(c))
                return;
        client_fail(c, error, c->reason);
}

static void client_answered(HttpClient *c) {
        HttpCall *call = c->current;
        bool complete = call->sent == call->request.len;

        if (call->stream && call->parser.status == 200) {
                client_fail(c, -ECONNRESET, "the server ended the stream");
                return;
        }
        if (call->parser.close || !complete || call->stream)
                client_close(c);
        else
                c->reused = true;
        call_finish(c, 0, NULL);
}

/* 1: go on. 0: nothing more now, or all is done. */
static int client_read_once(HttpClient *c, size_t *total) {
        const char *reason = NULL;
        uint8_t data[READ_BYTES];
        ssize_t n;
        int r;

        n = connection_read(c->connection, data, sizeof(data), c->reason);
        if (n == -EAGAIN)
                return 0;
        if (n < 0) {
                client_lost(c, (int) n);
                return 0;
        }
        c->heard_usec = client_now(c);
        *total += (size_t) n;
        r = call_feed(c->current, data, (size_t) n, &reason);
        explicit_bzero(data, (size_t) n);
        if (r == -ECANCELED)
                return 0;
        if (r < 0) {
                client_fail(c, r, reason);
                return 0;
        }
        if (r > 0)
                client_answered(c);
        return r == 0;
}

static void client_poll(HttpClient *c) {
        int r = sd_event_source_set_io_events(c->io, connection_events(c->connection));

        if (r < 0)
                client_fail(c, r, NULL);
}

static void client_transfer(HttpClient *c) {
        HttpCall *call = c->current;
        size_t total = 0;
        int r;

        r = connection_write(c->connection, &call->request, &call->sent, c->reason);
        if (r < 0) {
                /* What the server said before it closed is worth more than that it closed. */
                if (r != -ECONNRESET) {
                        client_lost(c, r);
                        return;
                }
                call->sent = call->request.len;
                call->parser.close = true;
        }
        do {
                r = client_read_once(c, &total);
        } while (r > 0 && (total < READ_TURN_BYTES || connection_has_pending(c->connection)));
        if (c->current != call || c->state != CLIENT_OPEN)
                return;
        client_poll(c);
        if (c->current == call)
                client_arm(c);
}

/* Nothing is to be said on an idle connection but its end; TLS's own messages are taken on the way. */
static bool client_idle_is_alive(HttpClient *c) {
        uint8_t byte;

        if (connection_read(c->connection, &byte, sizeof(byte), c->reason) == -EAGAIN)
                return true;
        client_close(c);
        return false;
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata);
static void client_try_next(HttpClient *c);

static int client_open(HttpClient *c, const Endpoint *to) {
        ConnectionConfig config = {
                .target = &c->target,
                .trust = c->trust,
                .ca_pem = c->ca_pem,
                .stream = c->current->stream,
        };
        int r;

        r = connection_new(&config, to, &c->connection);
        if (r < 0)
                return r;
        r = sd_event_add_io(c->event, &c->io, connection_fd(c->connection), connection_events(c->connection),
                            on_io, c);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(c->io, "http-client");
        c->state = CLIENT_CONNECTING;
        return 0;
}

static void client_attempt_failed(HttpClient *c, int error) {
        /* Who answers under a wrong name is not asked again under another address. */
        if (c->endpoint < c->n_endpoints && error != -EKEYREJECTED)
                client_try_next(c);
        else
                client_fail(c, error, c->reason);
}

/* Each address gets an equal share of the time that is left. */
static void client_try_next(HttpClient *c) {
        uint64_t now = client_now(c), left, share;
        int r = -EHOSTUNREACH;

        while (c->endpoint < c->n_endpoints) {
                left = c->connect_deadline_usec > now ? c->connect_deadline_usec - now : 0;
                share = MAX(left / (c->n_endpoints - c->endpoint), ATTEMPT_MIN_USEC);
                c->attempt_deadline_usec = now + share;
                client_close(c);
                r = client_open(c, c->endpoints + c->endpoint++);
                if (r >= 0) {
                        client_arm(c);
                        return;
                }
                (void) snprintf(c->reason, sizeof(c->reason), "%s",
                                r == -EKEYREJECTED ? "the authority to trust cannot be read" : strerror(-r));
        }
        client_fail(c, r, c->reason);
}

static void client_handshake(HttpClient *c) {
        int r;

        r = connection_handshake(c->connection, c->reason);
        if (r < 0) {
                client_attempt_failed(c, r);
                return;
        }
        if (r == 0) {
                client_poll(c);
                return;
        }
        if (c->resolver)
                resolver_rest(c->resolver);
        c->state = CLIENT_OPEN;
        c->heard_usec = client_now(c);
        client_transfer(c);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        HttpClient *c = userdata;

        client_enter(c);
        if (c->state == CLIENT_CONNECTING)
                client_handshake(c);
        else if (c->current)
                client_transfer(c);
        else
                (void) client_idle_is_alive(c);
        client_leave(c);
        return 0;
}

/* From the worker's own callback, where nothing may be freed that holds the worker: the kick does the rest.
 */
static void on_resolved(int result, const char *reason, const Endpoint *endpoints, size_t n,
                        void *userdata) {
        HttpClient *c = userdata;

        c->resolve_error = result;
        if (result < 0)
                (void) snprintf(c->reason, sizeof(c->reason), "the name %.150s cannot be resolved: %s",
                                c->target.host, reason);
        else {
                memcpy(c->endpoints, endpoints, n * sizeof(*endpoints));
                c->n_endpoints = n;
        }
        (void) client_kick(c);
}

static void client_resolve(HttpClient *c) {
        int r = 0;

        c->n_endpoints = c->endpoint = 0;
        c->resolve_error = 0;
        c->reason[0] = '\0';
        if (c->target.address.family != 0) {
                c->endpoints[0] = (Endpoint) { c->target.address, c->target.port };
                c->n_endpoints = 1;
                client_try_next(c);
                return;
        }
        if (!c->resolver)
                r = resolver_new(c->event, on_resolved, c, &c->resolver);
        if (r >= 0)
                r = resolver_start(c->resolver, c->target.host, c->target.port);
        if (r < 0) {
                client_fail(c, r, NULL);
                return;
        }
        c->state = CLIENT_RESOLVING;
        client_arm(c);
}

static void client_begin(HttpClient *c) {
        uint64_t now = client_now(c);
        HttpCall *call = c->first;

        if (!c->current) {
                if (!call)
                        return;
                c->first = call->next;
                if (!c->first)
                        c->last = NULL;
                c->n_calls--;
                call->next = NULL;
                c->current = call;
                call->deadline_usec = call->stream ? USEC_INFINITY : now + c->total_usec;
        }
        c->connect_deadline_usec = now + c->connect_usec;

        /* A stream gets a connection with a stream's socket options. */
        if (c->state == CLIENT_OPEN && c->current->stream)
                client_close(c);
        if (c->state == CLIENT_OPEN && client_idle_is_alive(c)) {
                c->heard_usec = now;
                client_transfer(c);
                return;
        }
        client_resolve(c);
}

static int on_kick(sd_event_source *source, void *userdata) {
        HttpClient *c = userdata;

        client_enter(c);
        if (c->state == CLIENT_RESOLVING) {
                if (c->n_endpoints > 0)
                        client_try_next(c);
                else if (c->resolve_error < 0)
                        client_fail(c, c->resolve_error, c->reason);
        } else if (!c->current || c->state == CLIENT_CLOSED)
                client_begin(c);
        client_leave(c);
        return 0;
}

static void client_expire(HttpClient *c, uint64_t now) {
        const char *reason;

        if (!c->current) {
                client_close(c);
                return;
        }
        if (c->state == CLIENT_CONNECTING && now < c->connect_deadline_usec &&
            now < c->current->deadline_usec) {
                (void) snprintf(c->reason, sizeof(c->reason), "the server does not answer");
                client_attempt_failed(c, -ETIMEDOUT);
                return;
        }
        if (c->state == CLIENT_RESOLVING)
                reason = "the name was not resolved in time";
        else if (c->state == CLIENT_CONNECTING)
                reason = "the connection was not made in time";
        else
                reason = c->current->stream ? "the server was silent for too long"
                                            : "the answer did not come in time";
        client_fail(c, -ETIMEDOUT, reason);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        HttpClient *c = userdata;
        uint64_t now;

        client_enter(c);
        now = client_now(c);
        if (client_deadline(c) <= now)
                client_expire(c, now);
        else
                client_arm(c);
        client_leave(c);
        return 0;
}

static int client_add_sources(HttpClient *c) {
        int r;

        r = sd_event_add_time(c->event, &c->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_USEC, on_timer, c);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        r = sd_event_add_defer(c->event, &c->kick, on_kick, c);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(c->kick, SD_EVENT_OFF);
}

int http_client_new(sd_event *event, const HttpClientConfig *config, HttpClient **ret) {
        _cleanup_(http_client_freep) HttpClient *c = NULL;
        int r;

        assert(event && config && config->url && ret);

        if (config->trust == HTTP_TRUST_CA && !config->ca_pem)
                return -EINVAL;
        c = new(HttpClient);
        if (!c)
                return -ENOMEM;
        *c = (HttpClient) {
                .event = sd_event_ref(event),
                .trust = config->trust,
                .connect_usec = config->connect_usec > 0 ? config->connect_usec : CONNECT_USEC,
                .total_usec = config->total_usec > 0 ? config->total_usec : TOTAL_USEC,
                .max_body_bytes = config->max_body_bytes > 0 ? config->max_body_bytes : MAX_BODY_BYTES,
        };
        if (c->trust == HTTP_TRUST_UNVERIFIED)
                c->max_body_bytes = MIN(c->max_body_bytes, (size_t) UNVERIFIED_BODY_BYTES);
        if (c->trust == HTTP_TRUST_CA) {
                c->ca_pem = strdup(config->ca_pem);
                if (!c->ca_pem)
                        return -ENOMEM;
        }
        r = http_target_parse(config->url, &c->target);
        if (r < 0)
                return r;
        r = client_add_sources(c);
        if (r < 0)
                return r;
        *ret = TAKE(c);
        return 0;
}

HttpClient *http_client_free(HttpClient *c) {
        if (!c)
                return NULL;
        client_enter(c);
        if (c->current)
                call_release(c, TAKE(c->current));
        while (c->first) {
                HttpCall *call = c->first;

                c->first = call->next;
                call_release(c, call);
        }
        client_close(c);
        c->resolver = resolver_free(c->resolver);
        c->timer = sd_event_source_disable_unref(c->timer);
        c->kick = sd_event_source_disable_unref(c->kick);
        c->event = sd_event_unref(c->event);
        http_target_done(&c->target);
        c->ca_pem = mfree(c->ca_pem);
        c->dead = true;
        client_leave(c);
        return NULL;
}

static int client_enqueue(HttpClient *c, HttpCall *call, HttpCall **ret) {
        int r;

        if (c->n_calls >= CALLS_MAX)
                return -EBUSY;
        r = client_kick(c);
        if (r < 0)
                return r;
        call->client = c;
        if (c->last)
                c->last->next = call;
        else
                c->first = call;
        c->last = call;
        c->n_calls++;
        if (ret)
                *ret = call;
        return 0;
}

int http_client_call(HttpClient *c, const char *method, const char *target, const HttpHeaderField *headers,
                     size_t n_headers, const void *body, size_t body_len,
                     void (*done)(const HttpResponse *response, void *userdata), void *userdata,
                     HttpCall **ret) {
        _cleanup_(call_freep) HttpCall *call = NULL;
        int r;

        assert(c && method && target && (headers || n_headers == 0) && (body || body_len == 0) && done);

        /* Who is on the other side is not known: nothing that could be a secret goes there. */
        if (c->trust == HTTP_TRUST_UNVERIFIED && (!streq(method, "GET") || n_headers > 0 || body_len > 0))
                return -EPERM;
        r = call_new(&call);
        if (r < 0)
                return r;
        call->safe = streq(method, "GET");
        call->max_body_bytes = c->max_body_bytes;
        call->done = done;
        call->userdata = userdata;
        r = http_request_format(&c->target, method, target, headers, n_headers, body, body_len,
                                &call->request);
        if (r < 0)
                return r;
        r = client_enqueue(c, call, ret);
        if (r < 0)
                return r;
        (void) TAKE(call);
        return 0;
}

int http_client_stream(HttpClient *c, const char *target, const HttpHeaderField *headers, size_t n_headers,
                       size_t max_line_bytes, uint64_t silence_usec,
                       void (*on_line)(const char *line, size_t len, void *userdata),
                       void (*done)(const HttpResponse *response, void *userdata), void *userdata,
                       HttpCall **ret) {
        _cleanup_(call_freep) HttpCall *call = NULL;
        int r;

        assert(c && target && (headers || n_headers == 0) && max_line_bytes > 0 && silence_usec > 0 &&
               on_line && done);

        if (c->trust == HTTP_TRUST_UNVERIFIED)
                return -EPERM;
        r = call_new(&call);
        if (r < 0)
                return r;
        call->stream = true;
        call->max_body_bytes = c->max_body_bytes;
        call->max_line_bytes = max_line_bytes;
        call->silence_usec = silence_usec;
        call->on_line = on_line;
        call->done = done;
        call->userdata = userdata;
        r = http_request_format(&c->target, "GET", target, headers, n_headers, NULL, 0, &call->request);
        if (r < 0)
                return r;
        r = client_enqueue(c, call, ret);
        if (r < 0)
                return r;
        (void) TAKE(call);
        return 0;
}

static void client_unqueue(HttpClient *c, HttpCall *call) {
        HttpCall **at = &c->first, *last = NULL;

        while (*at && *at != call) {
                last = *at;
                at = &last->next;
        }
        assert(*at);
        *at = call->next;
        if (c->last == call)
                c->last = last;
        c->n_calls--;
}

void http_call_cancel(HttpCall *call) {
        HttpClient *c;

        if (!call || !call->client)
                return;
        c = call->client;
        client_enter(c);
        if (c->current == call) {
                c->current = NULL;
                client_close(c);
                if (c->first)
                        (void) client_kick(c);
                client_arm(c);
        } else
                client_unqueue(c, call);
        call_release(c, call);
        client_leave(c);
}
