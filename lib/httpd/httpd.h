/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-event.h>

#include "base/addr.h"
#include "base/buffer.h"

/* HTTPS server on sd-event: GnuTLS, HTTP/2 by nghttp2 (ALPN h2), a strict HTTP/1.1 reader (httpd/h1.h) for
 * everything else. One thread. Also serves plain HTTP/1.1 (no TLS) for the monitor's metrics port on
 * loopback. */

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest; /* a request and its answer; lives until it is answered and sent */

typedef struct HttpLimits {
        size_t max_connections;        /* past it new ones get 503 and are closed */
        size_t max_connections_per_ip; /* 0: none */
        size_t max_header_bytes;       /* 16 KiB */
        size_t max_headers;            /* 64 */
        size_t max_target_bytes;       /* 8 KiB */
        size_t max_body_bytes;         /* 1 MiB */
        size_t max_stream_queue_bytes; /* of one streamed answer; past it the stream is closed */
        size_t max_h2_streams;         /* concurrent, of one connection */
        uint64_t handshake_usec;       /* absolute deadlines */
        uint64_t header_usec;
        uint64_t body_usec;
        uint64_t response_usec; /* answered body not taken by the client */
        uint64_t idle_usec;     /* kept-alive, between requests */
} HttpLimits;
extern const HttpLimits http_limits_default; /* SECURITY.md C10, C11, F-27 */

typedef struct HttpCounters {
        uint64_t connections, connections_total, rejected_total, handshake_failures_total, timeouts_total;
        uint64_t requests_total, bad_requests_total, streams;
        uint64_t bytes_received_total, bytes_sent_total; /* of the application, without TLS */
} HttpCounters;

/* Called when a request is complete (body included). The handler answers now or later, exactly once, by
 * http_request_respond() or http_request_stream_begin(). */
typedef void (*HttpHandler)(HttpRequest *request, void *userdata);

typedef struct HttpServerConfig {
        const HttpLimits *limits;       /* copied; NULL: default */
        const char *cert_pem, *key_pem; /* NULL, NULL: plain HTTP/1.1, for loopback only */
        char *const *allowed_hosts;     /* Host or :authority, without port, else 421; NULL: any. Copied. */
        HttpHandler handler;
        void *userdata;
} HttpServerConfig;

/* Takes the listening sockets one by one with http_server_listen(); sets RLIMIT_NOFILE to its hard limit. */
int http_server_new(sd_event *event, const HttpServerConfig *config, HttpServer **ret) _nodiscard_;
/* fd: a bound, listening stream socket, which the server owns from here on also on failure. */
int http_server_listen(HttpServer *s, int fd) _nodiscard_;
/* New connections get the new certificate. */
int http_server_set_certificate(HttpServer *s, const char *cert_pem, const char *key_pem) _nodiscard_;
/* Stops accepting, answers what is under way, closes idle connections and streams at once; calls done when
 * the last is gone or after timeout_usec. */
int http_server_drain(HttpServer *s, uint64_t timeout_usec, void (*done)(void *userdata),
                      void *userdata) _nodiscard_;
HttpServer *http_server_free(HttpServer *s);
DEFINE_CLEANUP(HttpServer *, http_server_free);
const HttpCounters *http_server_counters(const HttpServer *s);

/* Reading a request. Strings live as long as it. The target has been checked (SECURITY.md C9): path begins
 * with '/', has no dot segment, "//", %00, %2f, %5c; it is still percent-encoded. */
const char *http_request_method(const HttpRequest *r);
const char *http_request_path(const HttpRequest *r);
const char *http_request_query(const HttpRequest *r); /* without '?'; "" when there is none */
const char *http_request_header(const HttpRequest *r,
                                const char *name); /* name in lower case; NULL: absent */
/* How often the header stands there: signatures demand exactly one. */
size_t http_request_header_count(const HttpRequest *r, const char *name);
const uint8_t *http_request_body(const HttpRequest *r, size_t *ret_len); /* NUL behind it */
const Address *http_request_peer(const HttpRequest *r);
/* For the handler's own state that must go when the request goes (the client left, or all was sent). */
void http_request_set_data(HttpRequest *r, void *data, void (*destroy)(void *data));

/* A value of the query, percent-decoded, in new memory. -ENOENT; -EINVAL: bad encoding, or the name stands
 * twice. */
int http_request_query_value(const HttpRequest *r, const char *name, char **ret) _nodiscard_;

typedef struct HttpHeader {
        const char *name, *value;
} HttpHeader;

/* The security headers of SECURITY.md section 3 are added to every answer, but for those that it has itself
 * (such as cache-control). Content-Length, Date and Connection are the server's. The body is copied. The
 * request is gone afterwards. Answers to a client that has left are dropped silently. */
int http_request_respond(HttpRequest *r, unsigned status, const HttpHeader *headers, size_t n_headers,
                         const void *body, size_t body_len);
/* "Not Found" for 404; a text for every status. */
const char *http_status_title(unsigned status);
/* application/problem+json (RFC 9457):
 * {"type":"about:blank","title":…,"status":…,"detail":…,"code":…,"field":…}; detail, code and field may be
 * NULL. */
int http_request_problem(HttpRequest *r, unsigned status, const char *code, const char *field,
                         const char *detail);

/* An answer without an end (the agents' stream, events). The stream belongs to the connection; on_close is
 * called once when it is over for whatever reason but http_stream_end(), and the pointer is invalid
 * afterwards. r is gone when this succeeds; otherwise it is still to be answered. -ECONNRESET: the client
 * has left. -ESHUTDOWN: draining. -EINVAL: a HEAD request. An HTTP/1.1 connection ends with its stream. */
typedef struct HttpStream HttpStream;
int http_request_stream_begin(HttpRequest *r, const char *content_type, void (*on_close)(void *userdata),
                              void *userdata, HttpStream **ret) _nodiscard_;
/* Queues bytes. -ENOBUFS: past max_stream_queue_bytes - the stream will be closed and on_close called later.
 * The same bytes can be shared by thousands of streams: see http_blob_new(). */
int http_stream_write(HttpStream *s, const void *data, size_t len) _nodiscard_;
void http_stream_end(HttpStream *s);

/* Reference-counted bytes, so that a batch that goes to 10,000 agents is one allocation. */
typedef struct HttpBlob HttpBlob;
int http_blob_new(const void *data, size_t len, HttpBlob **ret) _nodiscard_;
HttpBlob *http_blob_unref(HttpBlob *b);
DEFINE_CLEANUP(HttpBlob *, http_blob_unref);
int http_stream_write_blob(HttpStream *s, HttpBlob *b) _nodiscard_; /* takes a reference */
