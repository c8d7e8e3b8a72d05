/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <uthash.h>

#include "httpd/conn.h"

#define ACCEPT_AT_ONCE 64U
#define OVER_LIMIT_MAX 64U /* connections past the limit that are told why */
#define REST_USEC (100 * USEC_PER_MSEC)
#define USER_TIMEOUT_MS 30000
#define KEEPALIVE_IDLE_SEC 60
#define KEEPALIVE_INTERVAL_SEC 15
#define KEEPALIVE_COUNT 3

/* Connections of one client: an IPv4 address, or an IPv6 /64, which is what one client commands. */
struct HttpPeer {
        uint8_t key[17];
        size_t n;
        UT_hash_handle hh;
};

static void peer_key(const Address *a, uint8_t key[static 17]) {
        memset(key, 0, 17);
        key[0] = a->family;
        memcpy(key + 1, a->bytes, a->family == AF_INET6 ? 8 : 4);
}

/* -EUSERS: too many of that address. */
static int peer_acquire(HttpConn *c) {
        HttpServer *s = c->server;
        uint8_t key[17];
        HttpPeer *p;

        if (s->limits.max_connections_per_ip == 0 || c->peer.family == 0)
                return 0;
        peer_key(&c->peer, key);
        HASH_FIND(hh, s->peers, key, sizeof(key), p);
        if (!p) {
                p = new(HttpPeer);
                if (!p)
                        return -ENOMEM;
                memcpy(p->key, key, sizeof(key));
                HASH_ADD(hh, s->peers, key, sizeof(p->key), p);
        }
        p->n++;
        c->peer_entry = p;
        return p->n > s->limits.max_connections_per_ip ? -EUSERS : 0;
}

void http_peer_release(HttpConn *c) {
        HttpPeer *p = c->peer_entry;

        if (!p)
                return;
        c->peer_entry = NULL;
        if (--p->n > 0)
                return;
        HASH_DEL(c->server->peers, p);
        free(p);
}

/* Accepted sockets inherit these. On a socket that is not TCP they fail, which does no harm. */
static void set_socket_options(int fd) {
        static const struct {
                int level, name, value;
        } options[] = {
                { IPPROTO_TCP, TCP_NODELAY, 1 },
                { IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS },
                { SOL_SOCKET, SO_KEEPALIVE, 1 },
                { IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SEC },
                { IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SEC },
                { IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT },
        };

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                (void) setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

int http_server_add_listener(HttpServer *s, int fd) {
        _cleanup_close_ int owned = fd;
        struct epoll_event event = { .events = EPOLLIN };
        struct HttpListener **listeners, *l;
        int flags;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        set_socket_options(fd);

        listeners = reallocarray(s->listeners, s->n_listeners + 1, sizeof(*listeners));
        if (!listeners)
                return -ENOMEM;
        s->listeners = listeners;
        l = new(struct HttpListener);
        if (!l)
                return -ENOMEM;
        l->fd = fd;
        /* The lowest bit tells a listener from a connection. */
        event.data.ptr = (char *) l + 1;
        if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                free(l);
                return -errno;
        }
        s->listeners[s->n_listeners++] = l;
        owned = -EBADF;
        return 0;
}

void http_server_close_listeners(HttpServer *s) {
        for (size_t i = 0; i < s->n_listeners; i++) {
                (void) epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, s->listeners[i]->fd, NULL);
                (void) close(s->listeners[i]->fd);
                free(s->listeners[i]);
        }
        s->listeners = mfree(s->listeners);
        s->n_listeners = 0;
        s->accept_again = 0;
}

/* When even the reserved descriptor cannot be had back, a listener that is always readable would keep the
 * loop busy. */
void http_server_rest(HttpServer *s, bool rest) {
        for (size_t i = 0; i < s->n_listeners; i++) {
                struct epoll_event event = { .events = rest ? 0 : EPOLLIN,
                                             .data.ptr = (char *) s->listeners[i] + 1 };

                (void) epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->listeners[i]->fd, &event);
        }
        s->accept_again = rest ? http_server_now(s) + REST_USEC : 0;
        if (rest)
                http_server_arm(s, s->accept_again);
}

/* No descriptor is left: the one in reserve is given up for as long as it takes to tell one client so. */
static void refuse_without_descriptor(HttpServer *s, struct HttpListener *l) {
        if (s->reserve_fd >= 0) {
                int fd;

                (void) close(s->reserve_fd);
                fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
                if (fd >= 0) {
                        s->counters.rejected_total++;
                        (void) close(fd);
                }
        }
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (s->reserve_fd < 0)
                http_server_rest(s, true);
}

/* False: the client is past a limit, and so many others were that it is not even told. */
static bool admit(HttpServer *s, HttpConn *c) {
        bool over = s->counters.connections > s->limits.max_connections + s->n_over_limit;

        if (peer_acquire(c) < 0)
                over = true;
        if (!over)
                return true;
        s->counters.rejected_total++;
        if (s->n_over_limit >= OVER_LIMIT_MAX)
                return false;
        c->over_limit = true;
        s->n_over_limit++;
        return true;
}

/* A socket for both families tells of IPv4 clients as of ::ffff:192.0.2.1, which all have the same first 64
 * bits. */
static void unmap_ipv4(Address *a) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
        Address v4 = { .family = AF_INET };

        if (a->family != AF_INET6 || memcmp(a->bytes, mapped, sizeof(mapped)) != 0)
                return;
        memcpy(v4.bytes, a->bytes + sizeof(mapped), 4);
        *a = v4;
}

static void accept_one(HttpServer *s, int fd, const struct sockaddr *sa, socklen_t len) {
        Endpoint peer = { 0 };
        HttpConn *c;

        if (endpoint_from_sockaddr(sa, len, &peer) < 0)
                peer = (Endpoint) { 0 };
        unmap_ipv4(&peer.address);
        if (http_conn_new(s, fd, &peer.address, &c) < 0) {
                s->counters.rejected_total++;
                return;
        }
        if (!admit(s, c))
                http_conn_free(c);
}

void http_server_accept(HttpServer *s, struct HttpListener *l) {
        for (unsigned i = 0; i < ACCEPT_AT_ONCE; i++) {
                struct sockaddr_storage sa;
                socklen_t len = sizeof(sa);
                int fd;

                fd = accept4(l->fd, (struct sockaddr *) &sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (fd >= 0)
                        accept_one(s, fd, (struct sockaddr *) &sa, len);
                else if (errno == EMFILE || errno == ENFILE)
                        refuse_without_descriptor(s, l);
                else if (errno == ENOBUFS || errno == ENOMEM)
                        return http_server_rest(s, true);
                else if (errno == EAGAIN)
                        return;
                if (s->accept_again != 0)
                        return;
        }
}
