/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/timeutil.h"
#include "crypto/x509.h"
#include "httpd/httpd.h"

/* The server runs in a thread with a loop of its own; the clients are plain blocking sockets in the test. */

#define BIG_BYTES (8U * 1024U * 1024U)
#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

typedef struct Fixture {
        HttpLimits limits;
        bool tls;
        pthread_t thread;
        int command, port;
        sd_event *event;
        HttpServer *server;
        atomic_int closed_streams, overflowed, drained, destroyed;
        atomic_bool ready;
} Fixture;

static char *ca_cert, *ca_key, *cert, *key;
static char *const hosts[] = { (char *) "localhost", (char *) "127.0.0.1", NULL };

static void on_stream_close(void *userdata) {
        Fixture *f = userdata;

        f->closed_streams++;
}

static void on_destroy(void *data) {
        Fixture *f = data;

        f->destroyed++;
}

static int on_later(sd_event_source *source, uint64_t usec, void *userdata) {
        HttpRequest *r = userdata;

        (void) http_request_respond(r, 200, NULL, 0, "later", 5);
        sd_event_source_unref(source);
        return 0;
}

static void answer_stream(Fixture *f, HttpRequest *r, bool flood) {
        _cleanup_free_ char *block = calloc(1, 65536);
        HttpStream *stream;

        assert(http_request_stream_begin(r, "text/plain", on_stream_close, f, &stream) == 0);
        assert(http_stream_write(stream, "hello\n", 6) == 0);
        for (unsigned i = 0; flood && i < 1024; i++)
                if (http_stream_write(stream, block, 65536) == -ENOBUFS) {
                        f->overflowed++;
                        break;
                }
}

static void handler(HttpRequest *r, void *userdata) {
        Fixture *f = userdata;
        const char *path = http_request_path(r);
        size_t len;
        const uint8_t *body = http_request_body(r, &len);

        http_request_set_data(r, f, on_destroy);
        if (streq(path, "/echo"))
                (void) http_request_respond(r, 200, NULL, 0, body, len);
        else if (streq(path, "/stream"))
                answer_stream(f, r, false);
        else if (streq(path, "/flood"))
                answer_stream(f, r, true);
        else if (streq(path, "/end")) {
                HttpStream *stream;

                assert(http_request_stream_begin(r, "text/plain", on_stream_close, f, &stream) == 0);
                assert(http_stream_write(stream, "bye", 3) == 0);
                http_stream_end(stream);
        } else if (streq(path, "/slow")) {
                sd_event_source *source;

                assert(sd_event_add_time_relative(f->event, &source, CLOCK_MONOTONIC, 300 * USEC_PER_MSEC,
                                                  1000, on_later, r) >= 0);
        } else if (streq(path, "/big")) {
                _cleanup_free_ char *big = calloc(1, BIG_BYTES);

                (void) http_request_respond(r, 200, NULL, 0, big, BIG_BYTES);
        } else if (streq(path, "/problem"))
                (void) http_request_problem(r, 422, "invalid", "na\"me", "line\n\xff\\ \xc3\xa4");
        else if (streq(path, "/split")) {
                const HttpHeader headers[] = { { "x", "a\r\nevil: 1" } };

                (void) http_request_respond(r, 200, headers, 1, "x", 1);
        } else
                (void) http_request_respond(r, 200, NULL, 0, "ok", 2);
}

static void on_drained(void *userdata) {
        Fixture *f = userdata;

        f->drained++;
}

static int on_command(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Fixture *f = userdata;
        uint64_t value;

        assert(read(fd, &value, sizeof(value)) == sizeof(value));
        if (value == 1)
                return sd_event_exit(f->event, 0);
        return http_server_drain(f->server, 2 * USEC_PER_SEC, on_drained, f);
}

static void *serve(void *userdata) {
        Fixture *f = userdata;
        HttpServerConfig config = {
                .limits = &f->limits,
                .cert_pem = f->tls ? cert : NULL,
                .key_pem = f->tls ? key : NULL,
                .allowed_hosts = hosts,
                .handler = handler,
                .userdata = f,
        };
        struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(sa);
        int fd;

        assert(sd_event_new(&f->event) >= 0);
        assert(sd_event_add_io(f->event, NULL, f->command, POLLIN, on_command, f) >= 0);
        assert(http_server_new(f->event, &config, &f->server) == 0);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert(bind(fd, (struct sockaddr *) &sa, sizeof(sa)) == 0 && listen(fd, 128) == 0);
        assert(getsockname(fd, (struct sockaddr *) &sa, &len) == 0);
        f->port = ntohs(sa.sin_port);
        assert(http_server_listen(f->server, fd) == 0);
        f->ready = true;
        assert(sd_event_loop(f->event) >= 0);
        http_server_free(f->server);
        sd_event_unref(f->event);
        return NULL;
}

static void start(Fixture *f, bool tls) {
        f->tls = tls;
        f->command = eventfd(0, EFD_CLOEXEC);
        assert_int_equal(pthread_create(&f->thread, NULL, serve, f), 0);
        while (!f->ready)
                usleep(1000);
}

static void command(Fixture *f, uint64_t value) {
        assert_int_equal(write(f->command, &value, sizeof(value)), sizeof(value));
}

static void stop(Fixture *f) {
        command(f, 1);
        pthread_join(f->thread, NULL);
        close(f->command);
}

static Fixture fixture(void) {
        return (Fixture) { .limits = http_limits_default };
}

typedef struct Client {
        int fd;
        gnutls_session_t tls;
        gnutls_certificate_credentials_t credentials;
} Client;

static int tcp(Fixture *f) {
        struct sockaddr_in sa = {
                .sin_family = AF_INET,
                .sin_port = htons(f->port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };
        struct timeval timeout = { .tv_sec = 5 };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
        assert_int_equal(connect(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        return fd;
}

/* What gnutls_handshake() says. */
static int client_open(Client *c, Fixture *f, const char *priority, const char *alpn) {
        gnutls_datum_t protocol = { .data = (void *) alpn, .size = alpn ? strlen(alpn) : 0 };
        int r;

        *c = (Client) { .fd = tcp(f) };
        if (!f->tls)
                return 0;
        gnutls_init(&c->tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
        gnutls_certificate_allocate_credentials(&c->credentials);
        gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, c->credentials);
        assert_int_equal(gnutls_priority_set_direct(c->tls, priority ? priority : "NORMAL", NULL), 0);
        if (alpn)
                gnutls_alpn_set_protocols(c->tls, &protocol, 1, 0);
        gnutls_transport_set_int(c->tls, c->fd);
        do
                r = gnutls_handshake(c->tls);
        while (r < 0 && !gnutls_error_is_fatal(r));
        return r;
}

static void client_close(Client *c) {
        if (c->tls)
                gnutls_deinit(c->tls);
        if (c->credentials)
                gnutls_certificate_free_credentials(c->credentials);
        close(c->fd);
}

static ssize_t client_send(Client *c, const void *data, size_t len) {
        return c->tls ? gnutls_record_send(c->tls, data, len) : send(c->fd, data, len, MSG_NOSIGNAL);
}

/* 0: closed, by whatever means; -1: nothing came in time. */
static ssize_t client_receive(Client *c, void *data, size_t len) {
        ssize_t n;

        if (!c->tls) {
                n = recv(c->fd, data, len, 0);
                return n < 0 ? (errno == EAGAIN ? -1 : 0) : n;
        }
        n = gnutls_record_recv(c->tls, data, len);
        return n == GNUTLS_E_AGAIN ? -1 : n < 0 ? 0 : n;
}

/* Reads until the text is there. False: closed, or nothing in 5 s, before it. */
static bool client_expect(Client *c, Buffer *b, const char *text) {
        char chunk[4096];

        while (!b->data || !memmem(b->data, b->len, text, strlen(text))) {
                ssize_t n = client_receive(c, chunk, sizeof(chunk));

                if (n <= 0)
                        return false;
                assert_int_equal(buffer_append(b, chunk, n), 0);
        }
        return true;
}

static bool client_is_closed(Client *c) {
        char chunk[65536];
        ssize_t n;

        do
                n = client_receive(c, chunk, sizeof(chunk));
        while (n > 0);
        return n == 0;
}

/* Sends, and checks that the answer has the text in it. */
static void exchange(Client *c, const char *request, const char *expected) {
        _cleanup_buffer_ Buffer b = { 0 };

        assert_int_equal(client_send(c, request, strlen(request)), strlen(request));
        if (!client_expect(c, &b, expected))
                fail_msg("no \"%s\" in: %s", expected, b.data ? (char *) b.data : "");
}

static bool wait_for(atomic_int *value, int expected) {
        for (unsigned i = 0; i < 300 && *value < expected; i++)
                usleep(10000);
        return *value >= expected;
}
