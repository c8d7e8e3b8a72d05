/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "httpc/connection.h"

#define PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define KEEPALIVE_IDLE_SEC 30
#define KEEPALIVE_INTERVAL_SEC 10
#define KEEPALIVE_COUNT 3
#define STREAM_USER_TIMEOUT_MS 60000

struct Connection {
        const HttpTarget *target;
        HttpTrust trust;
        int fd;
        bool tcp_ready, tls_ready, write_blocked;
        gnutls_session_t session;
        gnutls_certificate_credentials_t credentials; /* only until the handshake is done */
        gnutls_typed_vdata_st names[2];               /* GnuTLS keeps the pointer */
};

static int set_option(int fd, int level, int name, int value) {
        return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* An option that a kernel does not know makes a dead peer be noticed later, which is no reason not to
 * connect. */
static void socket_tune(int fd, bool stream) {
        (void) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        (void) set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        (void) set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SEC);
        (void) set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SEC);
        (void) set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
        if (stream)
                (void) set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, STREAM_USER_TIMEOUT_MS);
}

static int from_gnutls(int r) {
        return r >= 0 ? 0 : r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EPROTO;
}

static int credentials_new(const ConnectionConfig *config, gnutls_certificate_credentials_t *ret) {
        gnutls_certificate_credentials_t credentials;
        gnutls_datum_t ca;
        int r;

        r = gnutls_certificate_allocate_credentials(&credentials);
        if (r < 0)
                return from_gnutls(r);
        switch (config->trust) {
        case HTTP_TRUST_CA:
                ca = (gnutls_datum_t) { (uint8_t *) config->ca_pem, (unsigned) strlen(config->ca_pem) };
                r = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);
                break;
        case HTTP_TRUST_SYSTEM:
                r = gnutls_certificate_set_x509_system_trust(credentials);
                break;
        case HTTP_TRUST_UNVERIFIED:
                r = 1;
                break;
        }
        if (r <= 0) {
                gnutls_certificate_free_credentials(credentials);
                return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EKEYREJECTED;
        }
        *ret = credentials;
        return 0;
}

static void session_set_names(Connection *c) {
        const HttpTarget *t = c->target;

        if (t->address.family != 0)
                c->names[0] = (gnutls_typed_vdata_st) { GNUTLS_DT_IP_ADDRESS, (uint8_t *) t->address.bytes,
                                                       (unsigned) address_size(&t->address) };
        else
                c->names[0] = (gnutls_typed_vdata_st) { GNUTLS_DT_DNS_HOSTNAME, (uint8_t *) t->host,
                                                       (unsigned) strlen(t->host) };
        c->names[1] = (gnutls_typed_vdata_st) { GNUTLS_DT_KEY_PURPOSE_OID,
                                               (uint8_t *) GNUTLS_KP_TLS_WWW_SERVER,
                                               (unsigned) strlen(GNUTLS_KP_TLS_WWW_SERVER) };
        gnutls_session_set_verify_cert2(c->session, c->names, ELEMENTSOF(c->names), 0);
}

static int session_setup(Connection *c, const ConnectionConfig *config) {
        int r;

        r = credentials_new(config, &c->credentials);
        if (r < 0)
                return r;
        /* No session tickets: a kept one costs memory, and we connect rarely. */
        r = gnutls_init(&c->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
        if (r < 0)
                return from_gnutls(r);
        r = gnutls_priority_set_direct(c->session, PRIORITIES, NULL);
        if (r >= 0)
                r = gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->credentials);
        if (r >= 0 && c->target->address.family == 0)
                r = gnutls_server_name_set(c->session, GNUTLS_NAME_DNS, c->target->host,
                                           strlen(c->target->host));
        if (r < 0)
                return from_gnutls(r);
        if (c->trust != HTTP_TRUST_UNVERIFIED)
                session_set_names(c);
        gnutls_handshake_set_timeout(c->session,
                                     GNUTLS_INDEFINITE_TIMEOUT); /* the caller has the deadline */
        gnutls_transport_set_int(c->session, c->fd);
        return 0;
}

int connection_new(const ConnectionConfig *config, const Endpoint *to, Connection **ret) {
        _cleanup_(connection_freep) Connection *c = NULL;
        struct sockaddr_storage sa;
        socklen_t sa_len;
        int r;

        assert(config && config->target && to && ret);

        c = new(Connection);
        if (!c)
                return -ENOMEM;
        *c = (Connection) { .target = config->target, .trust = config->trust, .fd = -EBADF };
        sa_len = endpoint_to_sockaddr(to, &sa);
        c->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
        if (c->fd < 0)
                return -errno;
        socket_tune(c->fd, config->stream);
        r = session_setup(c, config);
        if (r < 0)
                return r;
        if (connect(c->fd, (struct sockaddr *) &sa, sa_len) < 0 && errno != EINPROGRESS)
                return -errno;
        *ret = TAKE(c);
        return 0;
}

Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;
        if (c->session) {
                if (c->tls_ready && !c->write_blocked)
                        (void) gnutls_bye(c->session, GNUTLS_SHUT_WR);
                gnutls_deinit(c->session);
        }
        if (c->credentials)
                gnutls_certificate_free_credentials(c->credentials);
        closep(&c->fd);
        return mfree(c);
}

int connection_fd(const Connection *c) {
        return c->fd;
}

uint32_t connection_events(const Connection *c) {
        if (!c->tcp_ready)
                return EPOLLOUT;
        if (!c->tls_ready)
                return gnutls_record_get_direction(c->session) == 1 ? EPOLLOUT : EPOLLIN;
        return EPOLLIN | (c->write_blocked ? EPOLLOUT : 0U);
}

static int reason_set(char reason[static CONNECTION_REASON_MAX], int error, const char *text) {
        (void) snprintf(reason, CONNECTION_REASON_MAX, "%s", text);
        return error;
}

static int connect_result(Connection *c, char reason[static CONNECTION_REASON_MAX]) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(int), peer_len = sizeof(peer);
        int error = 0;

        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
                error = errno;
        if (error != 0)
                return reason_set(reason, -error, strerror(error));
        if (getpeername(c->fd, (struct sockaddr *) &peer, &peer_len) < 0)
                return 0; /* not yet */
        c->tcp_ready = true;
        return 1;
}

/* GnuTLS says everything that is wrong at once; people are told the one thing that they can act on. */
static int rejected(Connection *c, char reason[static CONNECTION_REASON_MAX]) {
        unsigned status = gnutls_session_get_verify_cert_status(c->session);

        if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA |
                      GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE))
                return reason_set(reason, -EKEYREJECTED,
                                  "the certificate is not signed by the expected authority");
        if (status & GNUTLS_CERT_EXPIRED)
                return reason_set(reason, -EKEYREJECTED, "the certificate has expired");
        if (status & GNUTLS_CERT_NOT_ACTIVATED)
                return reason_set(reason, -EKEYREJECTED,
                                  "the certificate is not valid yet: is this machine's clock right?");
        if (status & GNUTLS_CERT_UNEXPECTED_OWNER) {
                (void) snprintf(reason, CONNECTION_REASON_MAX, "the certificate is not valid for %.200s",
                                c->target->host);
                return -EKEYREJECTED;
        }
        return reason_set(reason, -EKEYREJECTED, "the certificate is not acceptable");
}

static int handshake_failed(Connection *c, int error, char reason[static CONNECTION_REASON_MAX]) {
        switch (error) {
        case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
        case GNUTLS_E_CERTIFICATE_ERROR:
                return rejected(c, reason);
        case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
        case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
        case GNUTLS_E_UNEXPECTED_PACKET:
                return reason_set(reason, -EPROTO, "the server does not speak TLS 1.2 or 1.3");
        case GNUTLS_E_PREMATURE_TERMINATION:
        case GNUTLS_E_PULL_ERROR:
        case GNUTLS_E_PUSH_ERROR:
                return reason_set(reason, -ECONNRESET,
                                  "the server closed the connection during the TLS handshake");
        default:
                (void) snprintf(reason, CONNECTION_REASON_MAX, "TLS failed: %s", gnutls_strerror(error));
                return from_gnutls(error);
        }
}

/* Authorities, their hash table and the handshake's buffers are several times what an idle connection needs.
 */
static void handshake_release(Connection *c) {
        gnutls_credentials_clear(c->session);
        gnutls_certificate_free_credentials(c->credentials);
        c->credentials = NULL;
        (void) malloc_trim(0);
}

int connection_handshake(Connection *c, char reason[static CONNECTION_REASON_MAX]) {
        int r;

        assert(c);

        if (!c->tcp_ready) {
                r = connect_result(c, reason);
                if (r <= 0)
                        return r;
        }
        do {
                r = gnutls_handshake(c->session);
        } while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED);
        if (r == GNUTLS_E_AGAIN)
                return 0;
        if (r < 0)
                return handshake_failed(c, r, reason);
        c->tls_ready = true;
        handshake_release(c);
        return 1;
}

static int record_failed(ssize_t error, char reason[static CONNECTION_REASON_MAX]) {
        if (error == GNUTLS_E_PREMATURE_TERMINATION || error == GNUTLS_E_PULL_ERROR ||
            error == GNUTLS_E_PUSH_ERROR)
                return reason_set(reason, -ECONNRESET, "the server closed the connection");
        (void) snprintf(reason, CONNECTION_REASON_MAX, "TLS failed: %s", gnutls_strerror((int) error));
        return from_gnutls((int) error);
}

int connection_write(Connection *c, const Buffer *b, size_t *offset,
                     char reason[static CONNECTION_REASON_MAX]) {
        size_t record_max = gnutls_record_get_max_size(c->session);

        while (*offset < b->len) {
                ssize_t n;

                /* After EAGAIN the record is encrypted already: GnuTLS wants to be asked without data. */
                if (c->write_blocked)
                        n = gnutls_record_send(c->session, NULL, 0);
                else
                        n = gnutls_record_send(c->session, b->data + *offset,
                                               MIN(b->len - *offset, record_max));
                if (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN) {
                        c->write_blocked = true;
                        if (n == GNUTLS_E_AGAIN)
                                return 0;
                        continue;
                }
                if (n < 0)
                        return record_failed(n, reason);
                c->write_blocked = false;
                *offset += (size_t) n;
        }
        return 1;
}

ssize_t connection_read(Connection *c, void *ret, size_t size, char reason[static CONNECTION_REASON_MAX]) {
        ssize_t n;

        do {
                n = gnutls_record_recv(c->session, ret, size);
        } while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_WARNING_ALERT_RECEIVED);
        if (n == GNUTLS_E_AGAIN)
                return -EAGAIN;
        if (n == 0)
                return reason_set(reason, -ECONNRESET, "the server closed the connection");
        if (n < 0)
                return record_failed(n, reason);
        return n;
}

bool connection_has_pending(const Connection *c) {
        return gnutls_record_check_pending(c->session) > 0;
}
