/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "base/strutil.h"
#include "httpd/conn.h"

#define EVENTS_AT_ONCE 64
#define READY_AT_ONCE 64U
#define SMALL_REQUEST_BYTES 4096U
/* After so many connections have ended, free memory between them goes back to the system, soon after the
 * last. */
#define TRIM_AFTER 256U
#define TRIM_DELAY_USEC USEC_PER_SEC

const HttpLimits http_limits_default = {
        .max_connections = 12000,
        .max_connections_per_ip = 64,
        .max_header_bytes = 16 * 1024,
        .max_headers = 64,
        .max_target_bytes = 8 * 1024,
        .max_body_bytes = 1024 * 1024,
        .max_stream_queue_bytes = 16 * 1024 * 1024,
        .max_h2_streams = 64,
        .handshake_usec = 10 * USEC_PER_SEC,
        .header_usec = 10 * USEC_PER_SEC,
        .body_usec = 30 * USEC_PER_SEC,
        .response_usec = 60 * USEC_PER_SEC,
        .idle_usec = 75 * USEC_PER_SEC,
};

uint64_t http_server_now(HttpServer *s) {
        uint64_t usec = 0;

        (void) sd_event_now(s->event, CLOCK_MONOTONIC, &usec);
        return usec;
}

const char *http_server_date(HttpServer *s) {
        static const char days[] = "SunMonTueWedThuFriSat",
                          months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        struct timespec now;
        struct tm tm;

        (void) clock_gettime(CLOCK_REALTIME_COARSE, &now);
        if (s->date_sec == (uint64_t) now.tv_sec && s->date[0] != 0)
                return s->date;
        if (!gmtime_r(&now.tv_sec, &tm))
                return s->date;
        /* strftime() would follow the locale. */
        (void) snprintf(s->date, sizeof(s->date), "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                        days + 3 * tm.tm_wday, (unsigned) tm.tm_mday % 100, months + 3 * tm.tm_mon,
                        (unsigned) (tm.tm_year + 1900) % 10000, (unsigned) tm.tm_hour % 100,
                        (unsigned) tm.tm_min % 100, (unsigned) tm.tm_sec % 100);
        s->date_sec = (uint64_t) now.tv_sec;
        return s->date;
}

int http_conn_set_buffered(HttpConn *c, size_t bytes) {
        HttpServer *s = c->server;

        s->buffered = s->buffered - c->buffered + bytes;
        c->buffered = bytes;
        /* Small requests are served also while others hold all there is. */
        return s->buffered > HTTP_BUFFERED_MAX && bytes > SMALL_REQUEST_BYTES ? -ENOBUFS : 0;
}

void http_conn_ready(HttpConn *c) {
        HttpServer *s = c->server;

        if (c->in_ready || s->current == c)
                return;
        c->in_ready = true;
        TAILQ_INSERT_TAIL(&s->ready, c, ready);
        (void) sd_event_source_set_enabled(s->later, SD_EVENT_ON);
}

void http_conn_again(HttpConn *c) {
        c->server->current = NULL;
        http_conn_ready(c);
        c->server->current = c;
}

/* The application may free the server in the callback: nothing may follow a call of this. */
static void server_finish_drain(HttpServer *s) {
        void (*drained)(void *userdata) = TAKE(s->drained);

        if (drained)
                drained(s->drained_userdata);
}

static bool server_is_drained(HttpServer *s) {
        return s->draining && TAILQ_EMPTY(&s->conns);
}

static void server_plan_trim(HttpServer *s) {
        if (s->n_churned < TRIM_AFTER || s->trim_at != 0)
                return;
        s->trim_at = http_server_now(s) + TRIM_DELAY_USEC;
        http_server_arm(s, s->trim_at);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct epoll_event events[EVENTS_AT_ONCE];
        HttpServer *s = userdata;
        int n;

        n = epoll_wait(s->epoll_fd, events, EVENTS_AT_ONCE, 0);
        for (int i = 0; i < n; i++) {
                char *ptr = events[i].data.ptr;

                if (((uintptr_t) ptr & 1) == 0)
                        http_conn_process((HttpConn *) (void *) ptr, events[i].events);
                else if (s->n_listeners > 0) /* a handler may have begun to drain meanwhile */
                        http_server_accept(s, (struct HttpListener *) (void *) (ptr - 1));
        }
        server_plan_trim(s);
        if (server_is_drained(s))
                server_finish_drain(s);
        return 0;
}

/* A push to thousands of streams comes here, and goes back to the loop in between. */
static int on_later(sd_event_source *source, void *userdata) {
        HttpServer *s = userdata;
        HttpConn *c;

        for (unsigned i = 0; i < READY_AT_ONCE; i++) {
                c = TAILQ_FIRST(&s->ready);
                if (!c)
                        break;
                TAILQ_REMOVE(&s->ready, c, ready);
                c->in_ready = false;
                http_conn_process(c, 0);
        }
        if (TAILQ_EMPTY(&s->ready))
                (void) sd_event_source_set_enabled(s->later, SD_EVENT_OFF);
        server_plan_trim(s);
        if (server_is_drained(s))
                server_finish_drain(s);
        return 0;
}

static void server_expire(HttpServer *s, uint64_t now) {
        while (s->n_heap > 0 && s->heap[0]->deadline <= now) {
                if (s->heap[0]->state != HTTP_CONN_LINGER)
                        s->counters.timeouts_total++;
                http_conn_free(s->heap[0]);
        }
}

static void server_trim(HttpServer *s) {
        s->trim_at = 0;
        s->n_churned = 0;
        (void) malloc_trim(0);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        HttpServer *s = userdata;
        uint64_t now = http_server_now(s);

        s->armed = USEC_INFINITY;
        server_expire(s, now);
        if (s->accept_again != 0 && s->accept_again <= now)
                http_server_rest(s, false);
        server_plan_trim(s);
        if (s->trim_at != 0 && s->trim_at <= now)
                server_trim(s);
        if (s->draining && s->drain_until <= now)
                while (!TAILQ_EMPTY(&s->conns))
                        http_conn_free(TAILQ_FIRST(&s->conns));

        if (s->n_heap > 0)
                http_server_arm(s, s->heap[0]->deadline);
        if (s->accept_again != 0)
                http_server_arm(s, s->accept_again);
        if (s->trim_at != 0)
                http_server_arm(s, s->trim_at);
        if (s->draining)
                http_server_arm(s, s->drain_until);
        if (server_is_drained(s)) {
                s->draining = false; /* do not wake up again */
                server_finish_drain(s);
        }
        return 0;
}

static void raise_descriptor_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

static int server_add_sources(HttpServer *s) {
        int r;

        s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (s->epoll_fd < 0 || s->reserve_fd < 0)
                return -errno;
        r = sd_event_add_io(s->event, &s->io, s->epoll_fd, EPOLLIN, on_io, s);
        if (r < 0)
                return r;
        r = sd_event_add_time(s->event, &s->timer, CLOCK_MONOTONIC, USEC_INFINITY, 10 * USEC_PER_MSEC,
                              on_timer, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        r = sd_event_add_defer(s->event, &s->later, on_later, s);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(s->later, SD_EVENT_OFF);
}

int http_server_new(sd_event *event, const HttpServerConfig *config, HttpServer **ret) {
        _cleanup_(http_server_freep) HttpServer *s = NULL;
        int r;

        assert(event && config && config->handler && ret);
        if (!config->cert_pem != !config->key_pem)
                return -EINVAL;

        s = new(HttpServer);
        if (!s)
                return -ENOMEM;
        s->event = sd_event_ref(event);
        s->limits = config->limits ? *config->limits : http_limits_default;
        s->handler = config->handler;
        s->userdata = config->userdata;
        s->epoll_fd = s->reserve_fd = -EBADF;
        s->armed = USEC_INFINITY;
        s->tls = config->cert_pem != NULL;
        TAILQ_INIT(&s->conns);
        TAILQ_INIT(&s->ready);
        r = strv_copy(config->allowed_hosts, &s->allowed_hosts);
        if (r < 0)
                return r;
        if (s->tls) {
                r = http_tls_init(s);
                if (r < 0)
                        return r;
                r = http_credentials_new(config->cert_pem, config->key_pem, &s->credentials);
                if (r < 0)
                        return r;
        }
        r = h2_server_init(s);
        if (r < 0)
                return r;
        raise_descriptor_limit();
        r = server_add_sources(s);
        if (r < 0)
                return r;
        *ret = TAKE(s);
        return 0;
}

int http_server_listen(HttpServer *s, int fd) {
        return http_server_add_listener(s, fd);
}

int http_server_set_certificate(HttpServer *s, const char *cert_pem, const char *key_pem) {
        HttpCredentials *cr;
        int r;

        if (!s->tls)
                return -EINVAL;
        r = http_credentials_new(cert_pem, key_pem, &cr);
        if (r < 0)
                return r;
        http_credentials_unref(s->credentials);
        s->credentials = cr;
        return 0;
}

int http_server_drain(HttpServer *s, uint64_t timeout_usec, void (*done)(void *userdata), void *userdata) {
        HttpConn *c;

        if (s->draining)
                return -EALREADY;
        s->draining = true;
        s->drained = done;
        s->drained_userdata = userdata;
        http_server_close_listeners(s);
        TAILQ_FOREACH(c, &s->conns, all) {
                if (c->state == HTTP_CONN_H2 && h2_conn_drain(c) < 0)
                        c->broken = true;
                http_conn_ready(c);
        }
        s->drain_until = http_server_now(s) + timeout_usec;
        http_server_arm(s, s->drain_until);
        return sd_event_source_set_enabled(s->later, SD_EVENT_ON);
}

HttpServer *http_server_free(HttpServer *s) {
        if (!s)
                return NULL;
        s->drained = NULL;
        http_server_close_listeners(s);
        while (!TAILQ_EMPTY(&s->conns))
                http_conn_free(TAILQ_FIRST(&s->conns));
        sd_event_source_disable_unref(s->io);
        sd_event_source_disable_unref(s->timer);
        sd_event_source_disable_unref(s->later);
        if (s->epoll_fd >= 0)
                (void) close(s->epoll_fd);
        if (s->reserve_fd >= 0)
                (void) close(s->reserve_fd);
        h2_server_done(s);
        http_credentials_unref(s->credentials);
        if (s->priority)
                gnutls_priority_deinit(s->priority);
        strv_free(s->allowed_hosts);
        free(s->heap);
        buffer_done(&s->head);
        sd_event_unref(s->event);
        return mfree(s);
}

const HttpCounters *http_server_counters(const HttpServer *s) {
        return &s->counters;
}
