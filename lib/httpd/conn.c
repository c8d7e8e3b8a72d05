/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sys/epoll.h>
#include <sys/socket.h>

#include "httpd/conn.h"

#define LINGER_USEC (2 * USEC_PER_SEC)
#define LINGER_BYTES_MAX (256U * 1024U)

int http_conn_new(HttpServer *s, int fd, const Address *peer, HttpConn **ret) {
        struct epoll_event event = { .events = EPOLLIN };
        HttpConn *c;

        c = new(HttpConn);
        if (!c)
                return -ENOMEM;
        *c = (HttpConn) {
                .server = s,
                .fd = fd,
                .peer = *peer,
                .state = s->tls ? HTTP_CONN_HANDSHAKE : HTTP_CONN_H1,
                .deadline = USEC_INFINITY,
                .heap_index = SIZE_MAX,
                .events = EPOLLIN,
        };
        TAILQ_INSERT_TAIL(&s->conns, c, all);
        s->counters.connections++;
        s->counters.connections_total++;

        event.data.ptr = c;
        if ((s->tls && http_tls_start(c) < 0) || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                http_conn_free(c);
                return -ENOMEM;
        }
        c->wait = s->tls ? HTTP_WAIT_HANDSHAKE : HTTP_WAIT_HEADER;
        http_conn_set_deadline(
                        c, http_server_now(s) + (s->tls ? s->limits.handshake_usec : s->limits.header_usec));
        *ret = c;
        return 0;
}

static void conn_drop_tls(HttpConn *c) {
        if (c->tls)
                gnutls_deinit(TAKE(c->tls));
        c->credentials = http_credentials_unref(c->credentials);
        buffer_done(&c->stash);
        c->record_pending = false;
}

/* Everything that belongs to requests and answers. */
static void conn_drop_http(HttpConn *c) {
        if (c->state == HTTP_CONN_H2)
                h2_conn_done(c);
        else
                h1_conn_done(c);
        (void) http_conn_set_buffered(c, 0);
        buffer_done(&c->out);
        c->out_sent = 0;
}

HttpConn *http_conn_free(HttpConn *c) {
        HttpServer *s;

        if (!c)
                return NULL;
        s = c->server;
        conn_drop_http(c);
        conn_drop_tls(c);
        (void) close(c->fd);
        http_conn_set_deadline(c, USEC_INFINITY);
        if (c->in_ready)
                TAILQ_REMOVE(&s->ready, c, ready);
        TAILQ_REMOVE(&s->conns, c, all);
        s->n_over_limit -= c->over_limit;
        http_peer_release(c);
        s->counters.connections--;
        s->n_churned++;
        if (s->accept_again != 0)
                http_server_rest(s, false);
        return mfree(c);
}

bool http_conn_blocked(const HttpConn *c) {
        return c->record_pending || c->out.len > 0;
}

int http_conn_flush(HttpConn *c) {
        ssize_t n;

        while (http_conn_blocked(c)) {
                size_t left = c->out.len - c->out_sent;

                n = http_conn_write(c, c->out.data + c->out_sent, MIN(left, (size_t) HTTP_RECORD_MAX));
                if (n == -EAGAIN)
                        return 0;
                if (n < 0)
                        return (int) n;
                c->out_sent += (size_t) n;
                if (c->out_sent == c->out.len) {
                        buffer_done(&c->out);
                        c->out_sent = 0;
                        if (c->record_pending)
                                return 0;
                }
        }
        return 0;
}

static void http_conn_linger(HttpConn *c) {
        http_conn_bye(c);
        conn_drop_http(c);
        conn_drop_tls(c);
        c->state = HTTP_CONN_LINGER;
}

/* The TLS session is gone already: raw bytes, which nobody looks at. */
static int conn_discard(HttpConn *c) {
        for (size_t total = 0; total < LINGER_BYTES_MAX;) {
                ssize_t n = recv(c->fd, c->server->plain, sizeof(c->server->plain), MSG_DONTWAIT);

                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                if (n == 0)
                        return -ECONNRESET;
                total += (size_t) n;
        }
        return -EFBIG;
}

static int conn_handshake(HttpConn *c) {
        bool h2 = false;
        int r;

        r = http_tls_handshake(c, &h2);
        if (r == -EAGAIN)
                return 0;
        if (r < 0) {
                c->server->counters.handshake_failures_total++;
                return r;
        }
        c->state = h2 ? HTTP_CONN_H2 : HTTP_CONN_H1;
        return h2 ? h2_conn_start(c) : 0;
}

/* A connection that a drain need not wait for: between requests, or an answer without an end. One on which a
 * first request is still to come is let finish, and one with bytes waiting has sent a request that we have
 * not read. */
static bool conn_is_drained(HttpConn *c) {
        char byte;

        if (http_conn_blocked(c) && !c->stream)
                return false;
        switch (c->state) {
        case HTTP_CONN_H1:
                if (c->h1_state == H1_CONN_STREAM)
                        return true;
                return c->h1_state == H1_CONN_READING && c->used &&
                       (!c->parser || h1_parser_idle(c->parser)) && c->stash.len == 0 &&
                       recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
        case HTTP_CONN_H2:
                return c->used && h2_conn_streams_only(c);
        default:
                return false;
        }
}

static int conn_step(HttpConn *c, uint32_t events) {
        int r;

        if (c->broken || (events & (EPOLLERR | EPOLLHUP)) != 0)
                return -ECONNRESET;
        if ((events & EPOLLRDHUP) != 0) {
                c->half_closed = true;
                if (c->state == HTTP_CONN_H1 && c->h1_state == H1_CONN_STREAM)
                        return -ECONNRESET;
        }
        if (c->state == HTTP_CONN_LINGER)
                return conn_discard(c);
        if (c->state == HTTP_CONN_HANDSHAKE) {
                r = conn_handshake(c);
                if (r < 0)
                        return r;
        }
        r = c->state == HTTP_CONN_H1   ? h1_conn_process(c)
            : c->state == HTTP_CONN_H2 ? h2_conn_process(c)
                                       : 0;
        if (r < 0)
                return r;
        if (c->server->draining && conn_is_drained(c)) {
                if (c->state == HTTP_CONN_H2)
                        h2_conn_goodbye(c);
                http_conn_bye(c);
                return -ESHUTDOWN;
        }
        if (c->close_after && !http_conn_blocked(c) && c->state != HTTP_CONN_LINGER)
                http_conn_linger(c);
        return 0;
}

static HttpWait conn_h1_wait(const HttpConn *c) {
        if (http_conn_blocked(c))
                return HTTP_WAIT_RESPONSE;
        switch (c->h1_state) {
        case H1_CONN_PENDING:
                return HTTP_WAIT_HANDLER;
        case H1_CONN_STREAM:
                return HTTP_WAIT_NOTHING;
        default:
                if (!c->parser || h1_parser_idle(c->parser))
                        return c->used ? HTTP_WAIT_IDLE : HTTP_WAIT_HEADER;
                return h1_parser_in_body(c->parser) ? HTTP_WAIT_BODY : HTTP_WAIT_HEADER;
        }
}

static uint64_t wait_usec(const HttpLimits *l, HttpWait wait) {
        switch (wait) {
        case HTTP_WAIT_HANDSHAKE:
                return l->handshake_usec;
        case HTTP_WAIT_HEADER:
                return l->header_usec;
        case HTTP_WAIT_BODY:
                return l->body_usec;
        case HTTP_WAIT_HANDLER:
        case HTTP_WAIT_RESPONSE:
                return l->response_usec;
        case HTTP_WAIT_IDLE:
                return l->idle_usec;
        case HTTP_WAIT_LINGER:
                return LINGER_USEC;
        default:
                return USEC_INFINITY;
        }
}

static void conn_update_deadline(HttpConn *c) {
        HttpWait wait;
        uint64_t usec;

        if (c->state == HTTP_CONN_H2) {
                usec = h2_conn_deadline(c);
                c->wait = HTTP_WAIT_NOTHING;
                if (usec != c->deadline)
                        http_conn_set_deadline(c, usec);
                return;
        }
        wait = c->state == HTTP_CONN_HANDSHAKE ? HTTP_WAIT_HANDSHAKE
               : c->state == HTTP_CONN_LINGER  ? HTTP_WAIT_LINGER
                                               : conn_h1_wait(c);
        if (wait == c->wait)
                return;
        c->wait = (uint8_t) wait;
        usec = wait_usec(&c->server->limits, wait);
        http_conn_set_deadline(c, usec == USEC_INFINITY ? usec : http_server_now(c->server) + usec);
}

/* What to be woken for. A connection that waits for its handler or holds a stream is not read from, so that
 * a client cannot make us keep what it sends; that it has gone is seen by EPOLLRDHUP. */
static uint32_t conn_wanted_events(const HttpConn *c) {
        uint32_t gone = c->half_closed ? 0 : EPOLLRDHUP;

        if (c->state == HTTP_CONN_HANDSHAKE)
                return gnutls_record_get_direction(c->tls) == 1 ? EPOLLOUT : EPOLLIN;
        if (c->state == HTTP_CONN_LINGER)
                return EPOLLIN;
        if (http_conn_blocked(c))
                return EPOLLOUT | gone;
        if (c->state == HTTP_CONN_H1 && c->h1_state != H1_CONN_READING)
                return gone;
        return EPOLLIN;
}

static void conn_update_events(HttpConn *c) {
        struct epoll_event event = { .events = conn_wanted_events(c), .data.ptr = c };

        if (event.events == c->events)
                return;
        if (epoll_ctl(c->server->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) < 0) {
                c->broken = true;
                http_conn_ready(c);
                return;
        }
        c->events = event.events;
}

void http_conn_process(HttpConn *c, uint32_t events) {
        int r, k;

        c->server->current = c;
        http_receive_begin(c);
        r = conn_step(c, events);
        k = http_receive_end(c);
        c->server->current = NULL;
        if (r < 0 || k < 0) {
                http_conn_free(c);
                return;
        }
        conn_update_deadline(c);
        conn_update_events(c);
}
