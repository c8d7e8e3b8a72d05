/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <gnutls/gnutls.h>
#include <sys/queue.h>

#include "httpd/h1.h"
#include "httpd/httpd.h"

/* Inside lib/httpd: server, connection, request. Connections are freed by the server's own event handlers
 * only, never inside a call of the application; such calls mark the connection as ready, and the loop comes
 * back to it. */

#define HTTP_RECORD_MAX 16384U                  /* of TLS; what is gathered before it is sent */
#define HTTP_RECEIVE_MAX 32768U                 /* read from a socket at once */
#define HTTP_BUFFERED_MAX (64U * 1024U * 1024U) /* bodies of unfinished requests, all connections together \
                                                 */

typedef struct HttpConn HttpConn;
typedef struct HttpCredentials HttpCredentials;
typedef struct HttpPeer HttpPeer;
typedef struct Http2 Http2;
typedef struct Http2Stream Http2Stream;

typedef enum HttpConnState {
        HTTP_CONN_HANDSHAKE,
        HTTP_CONN_H1,
        HTTP_CONN_H2,
        HTTP_CONN_LINGER, /* all is sent; what the client still sends is read, or it would lose our answer */
} HttpConnState;

typedef enum H1ConnState {
        H1_CONN_READING,
        H1_CONN_PENDING, /* the handler has the request */
        H1_CONN_STREAM,
} H1ConnState;

/* What the connection's deadline is for. A new one begins when this changes. */
typedef enum HttpWait {
        HTTP_WAIT_NOTHING,
        HTTP_WAIT_RESTART, /* nothing can be waited for as this: whatever follows begins anew */
        HTTP_WAIT_HANDSHAKE,
        HTTP_WAIT_HEADER,
        HTTP_WAIT_BODY,
        HTTP_WAIT_HANDLER,
        HTTP_WAIT_RESPONSE,
        HTTP_WAIT_IDLE,
        HTTP_WAIT_LINGER,
} HttpWait;

struct HttpConn {
        HttpServer *server;
        TAILQ_ENTRY(HttpConn) all, ready;
        gnutls_session_t tls; /* NULL: plain */
        HttpCredentials *credentials;
        HttpPeer *peer_entry;
        Buffer out;
        size_t out_sent;
        Buffer stash; /* read from the socket, not yet taken by GnuTLS */
        H1Parser *parser;
        HttpRequest *request; /* HTTP/1.1 */
        HttpStream *stream;   /* HTTP/1.1 */
        Http2 *h2;
        uint64_t deadline; /* USEC_INFINITY: none */
        size_t heap_index; /* SIZE_MAX: not in the heap */
        size_t buffered;   /* our part of server->buffered */
        uint32_t events;
        int fd;
        Address peer;
        uint8_t state, h1_state, wait;
        bool record_pending : 1; /* GnuTLS holds a record that the socket did not take */
        bool in_ready : 1;
        bool over_limit : 1;  /* is told 503 and closed */
        bool used : 1;        /* has had a request */
        bool half_closed : 1; /* the client has said that it sends no more */
        bool close_after : 1; /* close when all is sent */
        bool broken : 1;      /* close at once, from the loop */
        bool continued : 1;   /* 100 Continue is sent */
};

/* Strings of an HTTP/2 request; HTTP/1.1 has them in its parser. */
typedef struct HttpFields {
        Buffer text;
        struct HttpField {
                uint32_t name, value;
        } * fields;
        size_t n_fields, bytes;
        uint32_t method, path, query, authority; /* 0: absent; the text begins with a NUL */
        Buffer body;
} HttpFields;

struct HttpRequest {
        HttpConn *conn;   /* NULL: the client has left */
        Http2Stream *h2;  /* NULL: HTTP/1.1 */
        H1Parser *parser; /* the connection's, or ours once conn is NULL */
        HttpFields *fields;
        Address peer;
        void *data;
        void (*destroy)(void *data);
};

struct HttpBlob {
        size_t n_ref, len;
        uint8_t data[];
};

struct HttpStream {
        HttpConn *conn;
        Http2Stream *h2;
        HttpBlob **queue;
        size_t n_queue, queue_first, queue_allocated;
        size_t offset; /* of the first blob: what is sent already */
        size_t queued;
        void (*on_close)(void *userdata);
        void *userdata;
        bool ended, overflow;
};

TAILQ_HEAD(HttpConnList, HttpConn);

struct HttpServer {
        sd_event *event;
        HttpLimits limits;
        char **allowed_hosts;
        HttpHandler handler;
        void *userdata;
        HttpCounters counters;
        bool tls;
        gnutls_priority_t priority;
        HttpCredentials *credentials;
        void *h2_callbacks, *h2_option;

        int epoll_fd, reserve_fd;
        sd_event_source *io, *timer, *later;
        struct HttpListener {
                int fd;
        } * *listeners;
        size_t n_listeners;
        uint64_t accept_again; /* listeners rest until then; 0: they do not rest */

        struct HttpConnList conns, ready;
        HttpConn *current; /* being processed: need not be marked as ready */
        HttpConn **heap;
        size_t n_heap, heap_allocated;
        uint64_t armed;
        HttpPeer *peers;
        size_t n_over_limit, buffered;
        size_t n_churned; /* connections that ended since the heap was last trimmed */
        uint64_t trim_at;

        uint8_t receive[HTTP_RECEIVE_MAX];
        size_t receive_pos, receive_len;
        bool receive_dry;
        uint8_t plain[HTTP_RECORD_MAX];
        uint8_t record[HTTP_RECORD_MAX];

        bool draining;
        uint64_t drain_until;
        void (*drained)(void *userdata);
        void *drained_userdata;

        Buffer head; /* date and default headers as HTTP/1.1 writes them, of that second */
        uint64_t head_sec, date_sec;
        char date[32];
};

/* server.c */
void http_conn_ready(HttpConn *c);
void http_conn_again(
                HttpConn *c); /* as http_conn_ready(), for one that is being processed: others come first */
uint64_t http_server_now(HttpServer *s);
const char *http_server_date(HttpServer *s); /* IMF-fixdate */
/* Counts the bytes that a connection's unfinished requests hold. -ENOBUFS past HTTP_BUFFERED_MAX. */
int http_conn_set_buffered(HttpConn *c, size_t bytes);

/* deadline.c: a binary heap, and one timer for all. */
void http_conn_set_deadline(HttpConn *c, uint64_t usec);
void http_server_arm(HttpServer *s, uint64_t usec);

/* accept.c */
int http_server_add_listener(HttpServer *s, int fd) _nodiscard_;
void http_server_accept(HttpServer *s, struct HttpListener *l);
void http_server_close_listeners(HttpServer *s);
void http_server_rest(HttpServer *s, bool rest);
void http_peer_release(HttpConn *c);

/* conn.c */
int http_conn_new(HttpServer *s, int fd, const Address *peer, HttpConn **ret) _nodiscard_;
HttpConn *http_conn_free(HttpConn *c);
/* Does what can be done now. The connection may be gone afterwards. */
void http_conn_process(HttpConn *c, uint32_t events);
bool http_conn_blocked(const HttpConn *c);
/* Sends what is queued, as far as the socket takes it. */
int http_conn_flush(HttpConn *c) _nodiscard_;

/* tls.c. Also the plain variants, so that the rest knows no difference. */
int http_credentials_new(const char *cert_pem, const char *key_pem, HttpCredentials **ret) _nodiscard_;
HttpCredentials *http_credentials_unref(HttpCredentials *cr);
int http_tls_init(HttpServer *s) _nodiscard_;
int http_tls_start(HttpConn *c) _nodiscard_;
/* 0: done, *ret_h2 says what was agreed on. -EAGAIN. */
int http_tls_handshake(HttpConn *c, bool *ret_h2) _nodiscard_;
void http_receive_begin(HttpConn *c);
int http_receive_end(HttpConn *c) _nodiscard_;
/* 0: the client sends no more. -EAGAIN and other errors. */
ssize_t http_conn_read(HttpConn *c, void *data, size_t len);
/* How much was taken, at most one record: also what GnuTLS holds back for a full socket counts. -EAGAIN. */
ssize_t http_conn_write(HttpConn *c, const void *data, size_t len);
void http_conn_bye(HttpConn *c);

/* h1-conn.c */
int h1_conn_process(HttpConn *c) _nodiscard_;
int h1_conn_respond(HttpRequest *r, unsigned status, const HttpHeader *headers, size_t n_headers,
                    const void *body, size_t body_len);
int h1_conn_stream_begin(HttpRequest *r, HttpStream *st, const char *content_type) _nodiscard_;
void h1_conn_done(HttpConn *c);

/* h2.c, h2-answer.c */
int h2_server_init(HttpServer *s) _nodiscard_;
void h2_server_done(HttpServer *s);
int h2_conn_start(HttpConn *c) _nodiscard_;
int h2_conn_process(HttpConn *c) _nodiscard_;
int h2_conn_drain(HttpConn *c) _nodiscard_;
void h2_conn_goodbye(HttpConn *c);
bool h2_conn_streams_only(const HttpConn *c);
uint64_t h2_conn_deadline(const HttpConn *c);
void h2_conn_done(HttpConn *c);
int h2_conn_respond(HttpRequest *r, unsigned status, const HttpHeader *headers, size_t n_headers,
                    const void *body, size_t body_len);
int h2_conn_stream_begin(HttpRequest *r, HttpStream *st, const char *content_type) _nodiscard_;
void h2_stream_wake(HttpStream *st);

/* request.c */
int http_request_new(HttpConn *c, HttpRequest **ret) _nodiscard_;
HttpRequest *http_request_free(HttpRequest *r);
/* The client has left, the handler still holds the request. */
void http_request_orphan(HttpRequest *r);
void http_request_dispatch(HttpRequest *r);
HttpFields *http_fields_free(HttpFields *f);
DEFINE_CLEANUP(HttpFields *, http_fields_free);
/* Goes through the default headers that the answer does not set itself; *i starts at 0; NULL at the end. */
const HttpHeader *http_default_header(const HttpServer *s, const HttpHeader *headers, size_t n_headers,
                                      size_t *i);
bool http_default_headers_apply(const HttpHeader *headers, size_t n_headers); /* all of them */

/* status.c */
bool http_status_has_body(unsigned status);

/* stream.c */
int http_stream_new(HttpConn *c, Http2Stream *h2, void (*on_close)(void *), void *userdata,
                    HttpStream **ret) _nodiscard_;
/* Calls on_close. */
HttpStream *http_stream_free(HttpStream *st);
/* Copies up to len queued bytes and drops them from the queue. */
size_t http_stream_take(HttpStream *st, void *data, size_t len);
