/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-event.h>

#include "base/addr.h"
#include "base/buffer.h"

/* HTTPS client of the suite's own programs: HTTP/1.1 over GnuTLS on sd-event (docs/decisions/0001 says why
 * not libcurl in the agent). TLS 1.2 and 1.3, TCP_NODELAY, names resolved off the loop, no redirects, strict
 * answers, absolute deadlines. One request at a time per connection; the connection is kept for the next
 * one. */

typedef struct HttpClient HttpClient;
typedef struct HttpCall HttpCall;

typedef enum HttpTrust {
        HTTP_TRUST_CA,         /* ca_pem, and the host's name or address in the certificate */
        HTTP_TRUST_SYSTEM,     /* the machine's CA store, and the name */
        HTTP_TRUST_UNVERIFIED, /* only for M0 (SECURITY.md 2.4): GET without header fields (else -EPERM), 64
                                  KiB */
} HttpTrust;

typedef struct HttpClientConfig {
        const char *url; /* "https://host[:port]", nothing behind it */
        HttpTrust trust;
        const char *ca_pem;
        uint64_t connect_usec; /* resolving, connecting and handshake, 0: 10 s */
        uint64_t total_usec;   /* a whole call that is not a stream, from its turn on, 0: 30 s */
        size_t max_body_bytes; /* 0: 1 MiB */
} HttpClientConfig;

int http_client_new(sd_event *event, const HttpClientConfig *config, HttpClient **ret) _nodiscard_;
HttpClient *http_client_free(HttpClient *c); /* cancels what is under way, without calling back */
DEFINE_CLEANUP(HttpClient *, http_client_free);

typedef struct HttpResponse {
        int error; /* 0, or negative errno: -ETIMEDOUT, -ECONNREFUSED, -ENXIO (name), -EKEYREJECTED (TLS
                    * verification), -EBADMSG (not HTTP as we accept it), -ECONNRESET, -EFBIG … */
        const char *reason; /* for people, never NULL when error is set: "certificate is not valid for ctl1"
                             */
        unsigned status;
        const char *content_type; /* NULL: none */
        uint64_t retry_after_sec; /* 0: none */
        const uint8_t *body;      /* NUL behind it */
        size_t body_len;
} HttpResponse;

typedef struct HttpHeaderField {
        const char *name, *value;
} HttpHeaderField;

/* GET, POST, PUT, PATCH, DELETE. done is called once, not from within this call; it may start calls, cancel
 * others and free the client. Calls wait for one another, -EBUSY: 64 are waiting. The body and headers are
 * copied; the copies are wiped. -EINVAL: method, target or a field is not what may stand there; Host,
 * Content-Length and their like are not the caller's. *ret (may be NULL) is for http_call_cancel() until
 * done was called. A kept connection without a call is closed after 15 s. When a kept one turns out to be
 * closed before an answer has begun, a GET is sent once more, and every other method ends with -ECONNRESET.
 */
int http_client_call(HttpClient *c, const char *method, const char *target, const HttpHeaderField *headers,
                     size_t n_headers, const void *body, size_t body_len,
                     void (*done)(const HttpResponse *response, void *userdata), void *userdata,
                     HttpCall **ret) _nodiscard_;

/* A GET whose answer has no end, as lines. on_line is called for each line (without its LF; empty ones too)
 * of an answer with status 200; done once at the end, whatever the reason (error -ECONNRESET when the server
 * closed). A line past max_line_bytes, or nothing at all for silence_usec, ends it (-EFBIG, -ETIMEDOUT). A
 * stream owns its connection: what else there is to ask meanwhile needs a client of its own. on_line may
 * cancel the call and free the client. */
int http_client_stream(HttpClient *c, const char *target, const HttpHeaderField *headers, size_t n_headers,
                       size_t max_line_bytes, uint64_t silence_usec,
                       void (*on_line)(const char *line, size_t len, void *userdata),
                       void (*done)(const HttpResponse *response, void *userdata), void *userdata,
                       HttpCall **ret) _nodiscard_;
void http_call_cancel(HttpCall *call); /* done is not called */

/* Blocking, for sdwanctl: runs a loop of its own. *ret_body: new memory. Returns response.error. */
int http_call_sync(const HttpClientConfig *config, const char *method, const char *target,
                   const HttpHeaderField *headers, size_t n_headers, const void *body, size_t body_len,
                   unsigned *ret_status, uint8_t **ret_body, size_t *ret_body_len,
                   char **ret_reason) _nodiscard_;
