/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sys/socket.h>

#include "base/log.h"
#include "base/timeutil.h"
#include "monitord/manager.h"

#define METRICS_BACKLOG 64

/* A scrape that waits for the agent. It belongs to its request and goes with it. */
typedef struct Scrape {
        Manager *manager;
        HttpRequest *request;
        Waiter *waiter;
} Scrape;

static void scrape_free(void *data) {
        Scrape *s = data;

        if (s->waiter)
                agent_forget(s->manager, s->waiter);
        free(s);
}

static void respond(Manager *m, HttpRequest *request) {
        static const HttpHeader header = { "content-type", "text/plain; version=0.0.4; charset=utf-8" };
        _cleanup_buffer_ Buffer body = { 0 };
        int r;

        r = snapshot_render(&m->snapshot, now_realtime_usec(), SDWAN_VERSION, &body);
        if (r < 0) {
                (void) http_request_problem(request, 500, "internal", NULL, NULL);
                return;
        }
        r = http_request_respond(request, 200, &header, 1, body.data, body.len);
        if (r < 0)
                (void) log_debug_errno(r, "Failed to answer a scrape, ignoring: %m");
}

static void on_answer(Manager *m, int error, void *userdata) {
        Scrape *s = userdata;

        s->waiter = NULL;
        respond(m, s->request); /* without an agent too: sdwan_agent_up 0 is what the scrape wants to know */
}

static void on_request(HttpRequest *request, void *userdata) {
        static const HttpHeader allow = { "allow", "GET" };
        Manager *m = userdata;
        Scrape *s;
        int r;

        if (!streq(http_request_path(request), "/metrics")) {
                (void) http_request_problem(request, 404, "not_found", NULL, "Only /metrics is here.");
                return;
        }
        if (!streq(http_request_method(request), "GET")) {
                (void) http_request_respond(request, 405, &allow, 1, NULL, 0);
                return;
        }
        s = new(Scrape);
        if (!s) {
                (void) http_request_problem(request, 503, "busy", NULL, NULL);
                return;
        }
        *s = (Scrape) { .manager = m, .request = request };
        http_request_set_data(request, s, scrape_free);

        /* An answer at once ends the request, and s with it. */
        Waiter *waiter = NULL;
        r = agent_ask(m, false, on_answer, s, &waiter);
        if (r < 0)
                (void) http_request_problem(request, 503, "busy", NULL, NULL);
        else if (waiter)
                s->waiter = waiter;
}

static int listen_on(const Endpoint *e) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_storage sa;
        socklen_t len = endpoint_to_sockaddr(e, &sa);
        int one = 1;

        fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &sa, len) < 0)
                return -errno;
        if (listen(fd, METRICS_BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static bool is_loopback(const Address *a) {
        static const uint8_t one6[16] = { [15] = 1 };

        return a->family == AF_INET ? a->bytes[0] == 127 : memcmp(a->bytes, one6, sizeof(one6)) == 0;
}

/* On loopback a browser on this machine could be led here under a name of somebody else's (SECURITY.md C4);
 * on other addresses whoever is to come knows by which name. */
static int make_server(Manager *m, int fd) {
        char own[ADDRESS_STRING_MAX] = "";
        char *const names[] = { (char *) "localhost", (char *) "127.0.0.1", (char *) "::1", own, NULL };
        HttpLimits limits = http_limits_default;
        struct sockaddr_storage sa = { 0 };
        socklen_t len = sizeof(sa);
        Endpoint e = { 0 };

        limits.max_connections = 64;
        limits.max_body_bytes = 4096;
        if (getsockname(fd, (struct sockaddr *) &sa, &len) < 0)
                return -errno;
        if (endpoint_from_sockaddr((struct sockaddr *) &sa, len, &e) >= 0)
                (void) address_format(&e.address, own);
        return http_server_new(m->daemon.event,
                               &(HttpServerConfig) { .limits = &limits,
                                                    .allowed_hosts = is_loopback(&e.address) ? names : NULL,
                                                    .handler = on_request,
                                                    .userdata = m },
                               &m->http);
}

int metrics_start(Manager *m, int *ret_status) {
        char text[ENDPOINT_STRING_MAX];
        int fd, r;

        fd = daemon_listen_fd("metrics");
        if (fd == -ENOENT)
                fd = listen_on(&m->settings.listen);
        if (fd == -EADDRINUSE) {
                *ret_status = EXIT_ADDRESS;
                return log_error_errno(fd, "Something else listens on %s. Stop it, or set Listen= in %s.",
                                       endpoint_format(&m->settings.listen, text),
                                       m->config_path ?: SETTINGS_PATH);
        }
        if (fd < 0)
                return log_error_errno(fd, "Failed to listen on %s: %m",
                                       endpoint_format(&m->settings.listen, text));
        r = make_server(m, fd);
        if (r < 0) {
                (void) close(fd);
                return log_error_errno(r, "Failed to make the HTTP server: %m");
        }
        r = http_server_listen(m->http, fd);
        if (r < 0)
                return log_error_errno(r, "Failed to serve the metrics: %m");
        return 0;
}
