/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "httpd/h2.h"

#define OWN_HEADERS_MAX 16U /* status, date, length and the defaults */

typedef struct Answer {
        nghttp2_nv *nv;
        size_t n;
        char status[4], length[24];
} Answer;

static void answer_add(Answer *a, const char *name, const char *value) {
        a->nv[a->n++] = (nghttp2_nv) {
                .name = (uint8_t *) name,
                .value = (uint8_t *) value,
                .namelen = strlen(name),
                .valuelen = strlen(value),
        };
}

static int answer_fill(Answer *a, HttpServer *s, unsigned status, const HttpHeader *headers,
                       size_t n_headers) {
        const HttpHeader *h;

        a->nv = new0(nghttp2_nv, n_headers + OWN_HEADERS_MAX);
        if (!a->nv)
                return -ENOMEM;
        (void) snprintf(a->status, sizeof(a->status), "%u", status % 1000);
        answer_add(a, ":status", a->status);
        answer_add(a, "date", http_server_date(s));
        for (size_t i = 0; i < n_headers; i++)
                answer_add(a, headers[i].name, headers[i].value);
        for (size_t i = 0; (h = http_default_header(s, headers, n_headers, &i));)
                answer_add(a, h->name, h->value);
        return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *data, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *userdata) {
        Http2Stream *st = source->ptr;
        size_t n = MIN(len, st->body.len - st->sent);

        memcpy(data, st->body.data + st->sent, n);
        st->sent += n;
        if (st->sent == st->body.len)
                *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t) n;
}

static ssize_t read_stream(nghttp2_session *session, int32_t id, uint8_t *data, size_t len, uint32_t *flags,
                           nghttp2_data_source *source, void *userdata) {
        Http2Stream *st = source->ptr;
        size_t n = http_stream_take(st->stream, data, len);

        if (st->stream->queued == 0) {
                st->since = 0;
                if (st->stream->ended)
                        *flags |= NGHTTP2_DATA_FLAG_EOF;
                else if (n == 0)
                        return NGHTTP2_ERR_DEFERRED;
        }
        return (ssize_t) n;
}

/* The stream has its request no more: what it held is not counted against the connection from here on. */
static void stream_answered(HttpRequest *r) {
        Http2Stream *st = r->h2;
        Http2 *h2 = st->conn->h2;

        h2->body_bytes -= r->fields->body.len;
        http_conn_set_buffered(st->conn, h2->body_bytes);
        st->request = NULL;
        http_conn_ready(st->conn);
}

int h2_conn_respond(HttpRequest *r, unsigned status, const HttpHeader *headers, size_t n_headers,
                    const void *body, size_t body_len) {
        Http2Stream *st = r->h2;
        HttpConn *c = st->conn;
        nghttp2_data_provider provider = { .source.ptr = st, .read_callback = read_body };
        Answer a = { 0 };
        bool with_body;
        int k;

        with_body = body_len > 0 && http_status_has_body(status) && !streq(http_request_method(r), "HEAD");
        k = answer_fill(&a, c->server, status, headers, n_headers);
        if (k >= 0 && with_body)
                k = buffer_append(&st->body, body, body_len);
        if (k >= 0) {
                if (http_status_has_body(status)) {
                        (void) snprintf(a.length, sizeof(a.length), "%zu", body_len);
                        answer_add(&a, "content-length", a.length);
                }
                if (nghttp2_submit_response(c->h2->session, st->id, a.nv, a.n,
                                            with_body ? &provider : NULL) < 0)
                        k = -ENOMEM;
        }
        free(a.nv);
        st->since = http_server_now(c->server);
        stream_answered(r);
        if (k < 0)
                c->broken = true;
        return k;
}

int h2_conn_stream_begin(HttpRequest *r, HttpStream *stream, const char *content_type) {
        const HttpHeader headers[] = { { "content-type", content_type } };
        Http2Stream *st = r->h2;
        HttpConn *c = st->conn;
        nghttp2_data_provider provider = { .source.ptr = st, .read_callback = read_stream };
        Answer a = { 0 };
        int k;

        k = answer_fill(&a, c->server, 200, headers, ELEMENTSOF(headers));
        if (k >= 0 && nghttp2_submit_response(c->h2->session, st->id, a.nv, a.n, &provider) < 0)
                k = -ENOMEM;
        free(a.nv);
        if (k < 0)
                return k;
        st->stream = stream;
        st->since = 0;
        stream_answered(r);
        return 0;
}

void h2_stream_wake(HttpStream *st) {
        nghttp2_session *session = st->conn->h2->session;

        if (st->h2->since == 0)
                st->h2->since = http_server_now(st->conn->server);
        if (st->overflow)
                (void) nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, st->h2->id,
                                                 NGHTTP2_ENHANCE_YOUR_CALM);
        else
                /* Refused when the stream is not asleep, which is fine. */
                (void) nghttp2_session_resume_data(session, st->h2->id);
}
