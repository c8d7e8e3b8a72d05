/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "controld/agent-answer.h"
#include "controld/agents.h"
#include "controld/api.h"
#include "controld/manager-http.h"

static void on_answer(const ApiResponse *response, void *userdata) {
        HttpHeader headers[API_HEADERS_MAX + 2];
        size_t n = 0;

        if (response->content_type)
                headers[n++] = (HttpHeader) { "content-type", response->content_type };
        if (response->status == 401)
                headers[n++] = (HttpHeader) { "www-authenticate", "Bearer" };
        for (size_t i = 0; i < response->n_headers; i++)
                headers[n++] = response->headers[i];
        (void) http_request_respond(userdata, response->status, headers, n, response->body,
                                    response->body_len);
}

static void on_request(HttpRequest *r, void *userdata) {
        const char *method = http_request_method(r), *path = http_request_path(r);
        Actor actor = { .type = ACTOR_NOBODY, .name = "nobody" };
        Manager *m = userdata;
        ApiRequest request;
        int k;

        if (strncmp(path, AGENTS_PATH, strlen(AGENTS_PATH)) == 0) {
                agents_handle(m, r);
                return;
        }
        if (api_action(method, path) != ACTION_HEALTH) {
                k = authn_bearer(m, r, &actor);
                if (k == -EAGAIN) {
                        api_problem(on_answer, r, 429, "busy", NULL, "Too many wrong API tokens.");
                        return;
                }
        }
        request = (ApiRequest) {
                .actor = &actor,
                .method = method,
                .path = path,
                .query = http_request_query(r),
                .content_type = http_request_header(r, "content-type"),
                .content_type_required = true,
                .if_match = http_request_header(r, "if-match"),
        };
        request.body = (const char *) http_request_body(r, &request.body_len);
        if (!request.body)
                request.body = "";
        api_dispatch(m, &request, on_answer, r);
}

int manager_http_new(Manager *m) {
        HttpLimits limits = http_limits_default;
        int r;

        /* Bodies come before anybody knows who sends them; no resource of the API is near this. */
        limits.max_body_bytes = AGENT_BODY_MAX;
        limits.max_connections_per_ip = (size_t) m->settings.max_agents_per_ip;
        r = http_server_new(m->daemon.event,
                            &(HttpServerConfig) {
                                    .limits = &limits,
                                    .cert_pem = m->credentials.leaf_cert_pem,
                                    .key_pem = m->credentials.leaf_key_pem,
                                    .allowed_hosts = m->settings.names,
                                    .handler = on_request,
                                    .userdata = m,
                            },
                            &m->http);
        return r < 0 ? log_error_errno(r, "Failed to make the HTTPS server: %m") : 0;
}

static int open_socket(const Endpoint *e) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_storage sa = { 0 };
        socklen_t len = endpoint_to_sockaddr(e, &sa);
        int one = 1, zero = 0;

        fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) < 0)
                return -errno;
        if (sa.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *) &sa, len) < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* Without an address: IPv6 and IPv4 by one socket, or IPv4 where the kernel has no IPv6. */
static int open_own_socket(const Settings *s) {
        Endpoint e = { .address = s->listen_address, .port = s->port };
        int fd;

        if (e.address.family != 0)
                return open_socket(&e);
        e.address.family = AF_INET6;
        fd = open_socket(&e);
        if (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL)
                return fd;
        e.address.family = AF_INET;
        return open_socket(&e);
}

int manager_http_bind(Manager *m, int *ret_exit) {
        const Settings *s = &m->settings;
        int fd;

        *ret_exit = EXIT_FAILURE;
        fd = daemon_listen_fd("https");
        if (fd == -ENOENT)
                fd = open_own_socket(s);
        if (fd == -EADDRINUSE || fd == -EADDRNOTAVAIL)
                *ret_exit = EXIT_ADDRESS;
        if (fd == -EADDRINUSE)
                return log_error_errno(
                                fd,
                                "Port %u is taken by another program. See which one with \"ss -ltnp sport = "
                                ":%u\", or set Port= in the configuration.",
                                s->port, s->port);
        if (fd == -EADDRNOTAVAIL)
                return log_error_errno(fd,
                                       "This machine does not have the address that ListenAddress= names.");
        if (fd < 0)
                return log_error_errno(fd, "Failed to listen on port %u: %m", s->port);
        m->listen_fd = fd;
        return 0;
}

int manager_http_listen(Manager *m) {
        int r;

        r = http_server_listen(m->http, TAKE_FD(m->listen_fd));
        return r < 0 ? log_error_errno(r, "Failed to serve HTTPS: %m") : 0;
}
