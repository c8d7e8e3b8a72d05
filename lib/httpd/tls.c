/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <poll.h>
#include <sys/socket.h>

#include "httpd/conn.h"

#define PRIORITY "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"
#define CLIENT_HELLO_MAX 16384U
#define WARNINGS_MAX 4

struct HttpCredentials {
        size_t n_ref;
        gnutls_certificate_credentials_t certificate;
};

int http_credentials_new(const char *cert_pem, const char *key_pem, HttpCredentials **ret) {
        HttpCredentials *cr;
        gnutls_datum_t cert = { .data = (unsigned char *) cert_pem, .size = (unsigned) strlen(cert_pem) };
        gnutls_datum_t key = { .data = (unsigned char *) key_pem, .size = (unsigned) strlen(key_pem) };

        cr = new(HttpCredentials);
        if (!cr)
                return -ENOMEM;
        cr->n_ref = 1;
        if (gnutls_certificate_allocate_credentials(&cr->certificate) < 0) {
                free(cr);
                return -ENOMEM;
        }
        if (gnutls_certificate_set_x509_key_mem2(cr->certificate, &cert, &key, GNUTLS_X509_FMT_PEM, NULL,
                                                 0) < 0) {
                http_credentials_unref(cr);
                return -EBADMSG;
        }
        *ret = cr;
        return 0;
}

HttpCredentials *http_credentials_unref(HttpCredentials *cr) {
        if (!cr || --cr->n_ref > 0)
                return NULL;
        gnutls_certificate_free_credentials(cr->certificate);
        return mfree(cr);
}

int http_tls_init(HttpServer *s) {
        return gnutls_priority_init(&s->priority, PRIORITY, NULL) < 0 ? -EIO : 0;
}

/* Reads much from the socket at once into a buffer that all connections share; what GnuTLS has not asked for
 * when this connection's turn ends goes into its stash. */
static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t len) {
        HttpConn *c = ptr;
        HttpServer *s = c->server;
        ssize_t n;

        if (c->stash.len > 0) {
                len = MIN(len, c->stash.len);
                memcpy(data, c->stash.data, len);
                buffer_consume(&c->stash, len);
                if (c->stash.len == 0)
                        buffer_done(&c->stash);
                return (ssize_t) len;
        }
        if (s->receive_pos == s->receive_len) {
                if (s->receive_dry) {
                        gnutls_transport_set_errno(c->tls, EAGAIN);
                        return -1;
                }
                n = recv(c->fd, s->receive, sizeof(s->receive), MSG_DONTWAIT);
                if (n <= 0) {
                        gnutls_transport_set_errno(c->tls, n < 0 ? errno : 0);
                        return n;
                }
                s->receive_pos = 0;
                s->receive_len = (size_t) n;
                s->receive_dry = (size_t) n < sizeof(s->receive);
        }
        len = MIN(len, s->receive_len - s->receive_pos);
        memcpy(data, s->receive + s->receive_pos, len);
        s->receive_pos += len;
        return (ssize_t) len;
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms) {
        HttpConn *c = ptr;
        struct pollfd p = { .fd = c->fd, .events = POLLIN };

        if (c->stash.len > 0 || c->server->receive_pos < c->server->receive_len)
                return 1;
        (void) ms; /* nothing may block the loop */
        return poll(&p, 1, 0);
}

void http_receive_begin(HttpConn *c) {
        c->server->receive_pos = c->server->receive_len = 0;
        c->server->receive_dry = false;
}

int http_receive_end(HttpConn *c) {
        HttpServer *s = c->server;
        int r = 0;

        if (s->receive_pos < s->receive_len)
                r = buffer_append(&c->stash, s->receive + s->receive_pos, s->receive_len - s->receive_pos);
        s->receive_pos = s->receive_len = 0;
        return r;
}

int http_tls_start(HttpConn *c) {
        static const gnutls_datum_t protocols[] = {
                { .data = (unsigned char *) "h2", .size = 2 },
                { .data = (unsigned char *) "http/1.1", .size = 8 },
        };
        HttpServer *s = c->server;

        if (gnutls_init(&c->tls, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS) < 0)
                return -ENOMEM;
        c->credentials = s->credentials;
        c->credentials->n_ref++;
        if (gnutls_priority_set(c->tls, s->priority) < 0 ||
            gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, c->credentials->certificate) < 0 ||
            gnutls_alpn_set_protocols(c->tls, protocols, ELEMENTSOF(protocols),
                                      GNUTLS_ALPN_SERVER_PRECEDENCE | GNUTLS_ALPN_MANDATORY) < 0)
                return -ENOMEM;
        gnutls_certificate_server_set_request(c->tls, GNUTLS_CERT_IGNORE);
        gnutls_handshake_set_max_packet_length(c->tls, CLIENT_HELLO_MAX);
        gnutls_transport_set_ptr2(c->tls, c, (gnutls_transport_ptr_t) (intptr_t) c->fd);
        gnutls_transport_set_pull_function(c->tls, pull);
        gnutls_transport_set_pull_timeout_function(c->tls, pull_timeout);
        return 0;
}

int http_tls_handshake(HttpConn *c, bool *ret_h2) {
        gnutls_datum_t protocol;
        int r;

        for (unsigned warnings = 0;;) {
                r = gnutls_handshake(c->tls);
                if (r == GNUTLS_E_SUCCESS)
                        break;
                if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED)
                        return -EAGAIN;
                if (gnutls_error_is_fatal(r) || ++warnings > WARNINGS_MAX) {
                        (void) gnutls_alert_send_appropriate(c->tls, r);
                        return -EPROTO;
                }
        }
        *ret_h2 = gnutls_alpn_get_selected_protocol(c->tls, &protocol) == 0 && protocol.size == 2 &&
                  memcmp(protocol.data, "h2", 2) == 0;
        return 0;
}

static ssize_t plain_read(HttpConn *c, void *data, size_t len) {
        ssize_t n = recv(c->fd, data, len, MSG_DONTWAIT);

        return n >= 0 ? n : errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t tls_read(HttpConn *c, void *data, size_t len) {
        ssize_t n = 0;

        for (unsigned warnings = 0; warnings < WARNINGS_MAX; warnings++) {
                n = gnutls_record_recv(c->tls, data, len);
                if (n >= 0)
                        return n;
                if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
                        return -EAGAIN;
                if (n == GNUTLS_E_PREMATURE_TERMINATION)
                        return 0;
                if (n == GNUTLS_E_REHANDSHAKE)
                        break;
                if (gnutls_error_is_fatal((int) n)) {
                        (void) gnutls_alert_send_appropriate(c->tls, (int) n);
                        return -EPROTO;
                }
        }
        if (n == GNUTLS_E_REHANDSHAKE)
                (void) gnutls_alert_send(c->tls, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
        return -EPROTO;
}

ssize_t http_conn_read(HttpConn *c, void *data, size_t len) {
        ssize_t n = c->tls ? tls_read(c, data, len) : plain_read(c, data, len);

        if (n > 0)
                c->server->counters.bytes_received_total += (uint64_t) n;
        return n;
}

/* Once GnuTLS has said EAGAIN it holds the whole record, and wants to be called without data until that is
 * out. */
static ssize_t tls_write(HttpConn *c, const void *data, size_t len) {
        ssize_t n;

        if (c->record_pending) {
                n = gnutls_record_send(c->tls, NULL, 0);
                if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
                        return -EAGAIN;
                if (n < 0)
                        return -EPIPE;
                c->record_pending = false;
        }
        if (len == 0)
                return 0;
        len = MIN(len, gnutls_record_get_max_size(c->tls));
        n = gnutls_record_send(c->tls, data, len);
        if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
                c->record_pending = true;
                return (ssize_t) len;
        }
        return n < 0 ? -EPIPE : n;
}

ssize_t http_conn_write(HttpConn *c, const void *data, size_t len) {
        ssize_t n;

        if (c->tls)
                n = tls_write(c, data, len);
        else {
                n = len > 0 ? send(c->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
                if (n < 0)
                        n = errno == EINTR ? -EAGAIN : -errno;
        }
        if (n > 0)
                c->server->counters.bytes_sent_total += (uint64_t) n;
        return n;
}

void http_conn_bye(HttpConn *c) {
        if (c->tls && c->state != HTTP_CONN_HANDSHAKE)
                (void) gnutls_bye(c->tls, GNUTLS_SHUT_WR);
        (void) shutdown(c->fd, SHUT_WR);
}
