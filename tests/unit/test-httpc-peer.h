/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/macro.h"

/* The other side: a thread with a blocking GnuTLS server on loopback that plays one part for each
 * connection. */

typedef struct Peer {
        int fd;
        unsigned connection; /* counted from 0 */
        gnutls_session_t session;
        char head[8192]; /* of the last request */
} Peer;

typedef struct Server {
        int fd;
        uint16_t port;
        pthread_t thread;
        unsigned connections;
        const char *cert, *key, *priorities;
        bool plain;
        void (*part)(Peer *p);
} Server;

static ssize_t peer_read(Peer *p, void *data, size_t len) {
        return p->session ? gnutls_record_recv(p->session, data, len) : recv(p->fd, data, len, 0);
}

static void peer_say(Peer *p, const char *text) {
        ssize_t n = p->session ? gnutls_record_send(p->session, text, strlen(text))
                               : send(p->fd, text, strlen(text), MSG_NOSIGNAL);

        (void) n; /* the client may be gone: that is what some of the tests are about */
}

/* False: the client closed. */
static bool peer_hear(Peer *p) {
        size_t len = 0;

        p->head[0] = '\0';
        while (!strstr(p->head, "\r\n\r\n") && len < sizeof(p->head) - 1) {
                ssize_t n = peer_read(p, p->head + len, sizeof(p->head) - 1 - len);

                if (n <= 0)
                        return false;
                len += (size_t) n;
                p->head[len] = '\0';
        }
        return true;
}

static void peer_wait_for_end(Peer *p) {
        char c;

        while (peer_read(p, &c, 1) > 0)
                ;
}

static void server_play(Server *s, Peer *p) {
        gnutls_certificate_credentials_t credentials;
        gnutls_datum_t cert = { (uint8_t *) s->cert, (unsigned) strlen(s->cert) };
        gnutls_datum_t key = { (uint8_t *) s->key, (unsigned) strlen(s->key) };
        int r;

        if (s->plain) {
                s->part(p);
                return;
        }
        if (gnutls_certificate_allocate_credentials(&credentials) < 0)
                abort();
        if (gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM) < 0)
                abort();
        if (gnutls_init(&p->session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL) < 0)
                abort();
        if (gnutls_priority_set_direct(p->session, s->priorities, NULL) < 0)
                abort();
        if (gnutls_credentials_set(p->session, GNUTLS_CRD_CERTIFICATE, credentials) < 0)
                abort();
        gnutls_transport_set_int(p->session, p->fd);
        do
                r = gnutls_handshake(p->session);
        while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_AGAIN);
        if (r >= 0)
                s->part(p);
        gnutls_deinit(p->session);
        gnutls_certificate_free_credentials(credentials);
}

static void *server_main(void *userdata) {
        Server *s = userdata;

        for (;;) {
                Peer p = { .fd = accept(s->fd, NULL, NULL), .connection = s->connections };

                if (p.fd < 0)
                        return NULL;
                s->connections++;
                server_play(s, &p);
                (void) close(p.fd);
        }
}

static void server_start(Server *s, void (*part)(Peer *p)) {
        struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(sa);

        if (!s->priorities)
                s->priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
        s->part = part;
        s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(s->fd >= 0);
        assert_int_equal(bind(s->fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(listen(s->fd, 8), 0);
        assert_int_equal(getsockname(s->fd, (struct sockaddr *) &sa, &len), 0);
        s->port = ntohs(sa.sin_port);
        assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_stop(Server *s) {
        (void) shutdown(s->fd, SHUT_RDWR);
        (void) pthread_join(s->thread, NULL);
        (void) close(s->fd);
}
