/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */

/* The smallest program on lib/httpd, for tests/bench/http.py:
 *     http-server PORT CERTIFICATE KEY
 * GET / answers "ok", GET /stream never ends; SIGUSR1 pushes a line to all streams, SIGTERM drains. With "-"
 * for the certificate it speaks without TLS. */

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fileio.h"
#include "base/strutil.h"
#include "httpd/httpd.h"

#define PEM_MAX (64U * 1024U)
#define DRAIN_USEC (2 * USEC_PER_SEC)

typedef struct Client Client;

typedef struct Bench {
        sd_event *event;
        HttpServer *server;
        Client *clients;
} Bench;

struct Client {
        Bench *bench;
        HttpStream *stream;
        Client *next, *previous;
};

static void on_stream_closed(void *userdata) {
        Client *c = userdata;

        if (c->previous)
                c->previous->next = c->next;
        else
                c->bench->clients = c->next;
        if (c->next)
                c->next->previous = c->previous;
        free(c);
}

static void begin_stream(Bench *b, HttpRequest *request) {
        Client *c;

        c = new(Client);
        if (!c || http_request_stream_begin(request, "application/x-ndjson", on_stream_closed, c,
                                            &c->stream) < 0) {
                free(c);
                (void) http_request_problem(request, 503, NULL, NULL, NULL);
                return;
        }
        c->bench = b;
        c->next = b->clients;
        if (c->next)
                c->next->previous = c;
        b->clients = c;
        if (http_stream_write(c->stream, "\n", 1) < 0)
                return;
}

static void on_request(HttpRequest *request, void *userdata) {
        static const HttpHeader headers[] = { { "content-type", "text/plain" } };

        if (streq(http_request_path(request), "/stream"))
                return begin_stream(userdata, request);
        (void) http_request_respond(request, 200, headers, ELEMENTSOF(headers), "ok\n", 3);
}

static int on_push(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        _cleanup_(http_blob_unrefp) HttpBlob *blob = NULL;
        char line[512];
        Bench *b = userdata;
        int r;

        memset(line, 'x', sizeof(line));
        line[sizeof(line) - 1] = '\n';
        r = http_blob_new(line, sizeof(line), &blob);
        if (r < 0)
                return r;
        for (Client *c = b->clients; c; c = c->next)
                if (http_stream_write_blob(c->stream, blob) == -ENOMEM)
                        return -ENOMEM;
        return 0;
}

static void on_drained(void *userdata) {
        Bench *b = userdata;

        (void) sd_event_exit(b->event, 0);
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Bench *b = userdata;

        return http_server_drain(b->server, DRAIN_USEC, on_drained, b);
}

static int listen_on(uint16_t port) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_in sa = {
                .sin_family = AF_INET,
                .sin_port = htons(port),
                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        };

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int) { 1 }, sizeof(int)) < 0 ||
            bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(fd, 4096) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int run(Bench *b, uint16_t port, const char *cert, const char *key) {
        HttpLimits limits = http_limits_default;
        HttpServerConfig config = {
                .limits = &limits, .cert_pem = cert, .key_pem = key, .handler = on_request, .userdata = b
        };
        int fd, r;

        limits.max_connections_per_ip = 0; /* all clients of a benchmark come from one address */
        r = sd_event_default(&b->event);
        if (r < 0)
                return r;
        r = sd_event_add_signal(b->event, NULL, SIGTERM, on_terminate, b);
        if (r >= 0)
                r = sd_event_add_signal(b->event, NULL, SIGUSR1, on_push, b);
        if (r >= 0)
                r = http_server_new(b->event, &config, &b->server);
        if (r < 0)
                return r;
        fd = listen_on(port);
        if (fd < 0)
                return fd;
        r = http_server_listen(b->server, fd);
        if (r < 0)
                return r;
        return sd_event_loop(b->event);
}

int main(int argc, char *argv[]) {
        _cleanup_free_ uint8_t *cert = NULL, *key = NULL;
        Bench bench = { 0 };
        sigset_t signals;
        uint64_t port;
        size_t len;
        int r;

        if (argc != 4 || parse_u64(argv[1], UINT16_MAX, &port) < 0) {
                fprintf(stderr, "Usage: http-server PORT CERTIFICATE KEY\n");
                return EXIT_FAILURE;
        }
        if (!streq(argv[2], "-") &&
            (file_read(argv[2], PEM_MAX, &cert, &len) < 0 || file_read(argv[3], PEM_MAX, &key, &len) < 0)) {
                fprintf(stderr, "Failed to read the certificate or its key.\n");
                return EXIT_FAILURE;
        }
        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGUSR1);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return EXIT_FAILURE;

        r = run(&bench, (uint16_t) port, (const char *) cert, (const char *) key);
        http_server_free(bench.server);
        sd_event_unref(bench.event);
        if (r < 0)
                fprintf(stderr, "Failed: %s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
