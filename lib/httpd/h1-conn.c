/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "httpd/conn.h"

#define BYTES_AT_ONCE (128U * 1024U) /* then it is the turn of others */
#define CHUNK_HEAD_MAX 6U            /* "3fff\r\n" */

static int append_header(Buffer *b, const HttpHeader *h) {
        int r;

        r = buffer_append_str(b, h->name);
        if (r >= 0)
                r = buffer_append(b, ": ", 2);
        if (r >= 0)
                r = buffer_append_str(b, h->value);
        return r < 0 ? r : buffer_append(b, "\r\n", 2);
}

/* The date and the default headers, of which the answer may replace some: nearly none does, so the whole
 * block is kept as it was last written. */
static int append_default_headers(HttpServer *s, Buffer *b, const HttpHeader *headers, size_t n_headers) {
        const char *date = http_server_date(s);
        const HttpHeader *h;
        bool all = http_default_headers_apply(headers, n_headers);
        Buffer *to = all ? &s->head : b;
        int r;

        if (all && s->head_sec == s->date_sec && s->head.len > 0)
                return buffer_append(b, s->head.data, s->head.len);
        if (all)
                s->head.len = 0;
        r = append_header(to, &(HttpHeader) { "date", date });
        for (size_t i = 0; r >= 0 && (h = http_default_header(s, headers, n_headers, &i));)
                r = append_header(to, h);
        if (r < 0 || !all)
                return r;
        s->head_sec = s->date_sec;
        return buffer_append(b, s->head.data, s->head.len);
}

static int append_head(HttpConn *c, unsigned status, const HttpHeader *headers, size_t n_headers,
                       bool keep_alive) {
        char line[] = "HTTP/1.1 000 ";
        int r;

        r = buffer_reserve(&c->out, 1024);
        if (r < 0)
                return r;
        line[9] = (char) ('0' + status / 100 % 10);
        line[10] = (char) ('0' + status / 10 % 10);
        line[11] = (char) ('0' + status % 10);
        r = buffer_append(&c->out, line, sizeof(line) - 1);
        if (r >= 0)
                r = buffer_append_str(&c->out, http_status_title(status));
        if (r >= 0)
                r = buffer_append_str(&c->out, keep_alive ? "\r\n" : "\r\nconnection: close\r\n");
        for (size_t i = 0; r >= 0 && i < n_headers; i++)
                r = append_header(&c->out, headers + i);
        return r < 0 ? r : append_default_headers(c->server, &c->out, headers, n_headers);
}

static int append_length(Buffer *b, size_t len) {
        char text[sizeof("content-length: \r\n\r\n") + 20], *s = text + sizeof(text);

        s -= 4;
        memcpy(s, "\r\n\r\n", 4);
        do {
                *--s = (char) ('0' + len % 10);
                len /= 10;
        } while (len > 0);
        s -= strlen("content-length: ");
        memcpy(s, "content-length: ", strlen("content-length: "));
        return buffer_append(b, s, (size_t) (text + sizeof(text) - s));
}

static int append_answer(HttpConn *c, unsigned status, const HttpHeader *headers, size_t n_headers,
                         const void *body, size_t body_len, bool keep_alive, bool head) {
        int r;

        r = append_head(c, status, headers, n_headers, keep_alive);
        if (r < 0)
                return r;
        if (!http_status_has_body(status))
                return buffer_append(&c->out, "\r\n", 2);
        r = append_length(&c->out, body_len);
        if (r < 0 || head || body_len == 0)
                return r;
        return buffer_append(&c->out, body, body_len);
}

/* The parser goes on to what is behind the request; deadlines begin anew. */
static void finish_request(HttpConn *c, bool keep_alive) {
        c->request = NULL;
        c->h1_state = H1_CONN_READING;
        c->wait = HTTP_WAIT_RESTART;
        c->continued = false;
        if (keep_alive)
                h1_parser_next(c->parser);
        else
                c->close_after = true;
        http_conn_set_buffered(c, h1_parser_buffered(c->parser));
        http_conn_ready(c);
}

int h1_conn_respond(HttpRequest *r, unsigned status, const HttpHeader *headers, size_t n_headers,
                    const void *body, size_t body_len) {
        HttpConn *c = r->conn;
        bool keep_alive, head;
        int k;

        keep_alive = h1_parser_keep_alive(c->parser) && !c->server->draining && !c->over_limit;
        head = streq(h1_parser_method(c->parser), "HEAD");
        k = append_answer(c, status, headers, n_headers, body, body_len, keep_alive, head);
        finish_request(c, keep_alive);
        if (k < 0)
                c->broken = true;
        return k;
}

int h1_conn_stream_begin(HttpRequest *r, HttpStream *st, const char *content_type) {
        const HttpHeader headers[] = {
                { "content-type", content_type },
                { "transfer-encoding", "chunked" },
        };
        HttpConn *c = r->conn;
        size_t before = c->out.len;
        int k;

        k = append_head(c, 200, headers, ELEMENTSOF(headers), false);
        if (k >= 0)
                k = buffer_append(&c->out, "\r\n", 2);
        if (k < 0) {
                c->out.len = before;
                return k;
        }
        c->request = NULL;
        c->stream = st;
        c->h1_state = H1_CONN_STREAM;
        /* What the client may have sent beyond is dropped with the parser, so it cannot be answered later
         * either. */
        c->parser = h1_parser_free(c->parser);
        http_conn_set_buffered(c, 0);
        http_conn_ready(c);
        return 0;
}

/* A short refusal, after which nothing that the client sends can be trusted to begin a request. */
static int refuse(HttpConn *c, unsigned status) {
        static const HttpHeader headers[] = { { "content-type", "application/problem+json" } };
        char body[128];
        int len;

        c->server->counters.bad_requests_total++;
        c->close_after = true;
        c->used = true;
        len = snprintf(body, sizeof(body), "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u}",
                       http_status_title(status), status);
        return append_answer(c, status, headers, ELEMENTSOF(headers), body, (size_t) len, false, false);
}

static int dispatch(HttpConn *c) {
        HttpRequest *request;
        int r;

        r = http_request_new(c, &request);
        if (r < 0)
                return r;
        request->parser = c->parser;
        c->request = request;
        c->h1_state = H1_CONN_PENDING;
        c->used = true;
        http_request_dispatch(request);
        return 0;
}

/* Positive: there may be more to parse in what is here already. */
static int parse(HttpConn *c, const void *data, size_t len) {
        const HttpLimits *l = &c->server->limits;
        H1State state;
        int r;

        if (!c->parser) {
                const H1Limits limits = {
                        .max_target = l->max_target_bytes,
                        .max_header_bytes = l->max_header_bytes,
                        .max_headers = l->max_headers,
                        .max_body = l->max_body_bytes,
                };

                if (len == 0)
                        return 0;
                r = h1_parser_new(&limits, &c->parser);
                if (r < 0)
                        return r;
        } else if (len == 0 && h1_parser_idle(c->parser))
                return 0;

        r = h1_parser_feed(c->parser, data, len, &state);
        if (r < 0)
                return r;
        if (http_conn_set_buffered(c, h1_parser_buffered(c->parser)) < 0)
                return refuse(c, 503);
        if (state == H1_ERROR) {
                r = refuse(c, h1_parser_status(c->parser));
                return r < 0 ? r : 1;
        }
        if (state == H1_COMPLETE) {
                r = dispatch(c);
                return r < 0 ? r : 1;
        }
        if (state == H1_NEED_BODY && h1_parser_expects_continue(c->parser) && !c->continued) {
                c->continued = true;
                return buffer_append_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
        }
        return 0;
}

/* Answers of pipelined requests are gathered up to a record. */
static bool can_read(HttpConn *c) {
        return c->h1_state == H1_CONN_READING && !c->close_after && !c->broken && !c->record_pending &&
               c->out.len < HTTP_RECORD_MAX;
}

static int read_requests(HttpConn *c, size_t *budget) {
        uint8_t *plain = c->server->plain;
        int r;

        while (can_read(c)) {
                ssize_t n;

                r = parse(c, NULL, 0);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                if (*budget < HTTP_RECORD_MAX) {
                        http_conn_again(c);
                        return 0;
                }
                n = http_conn_read(c, plain, HTTP_RECORD_MAX);
                if (n == -EAGAIN)
                        return 0;
                if (n < 0)
                        return (int) n;
                if (n == 0) {
                        if (!http_conn_blocked(c))
                                return -ECONNRESET;
                        c->half_closed = c->close_after = true; /* answered all, but it is not out yet */
                        return 0;
                }
                *budget -= (size_t) n;
                r = parse(c, plain, (size_t) n);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* One record's worth of the stream's queue as one chunk, so that no state is left between two records. */
static int send_chunk(HttpConn *c) {
        uint8_t *record = c->server->record, *start;
        char head[CHUNK_HEAD_MAX + 1];
        size_t len, head_len, taken = 0;
        ssize_t n;

        len = http_stream_take(c->stream, record + CHUNK_HEAD_MAX, HTTP_RECORD_MAX - CHUNK_HEAD_MAX - 2);
        head_len = (size_t) snprintf(head, sizeof(head), "%zx\r\n", len & 0xffff);
        start = record + CHUNK_HEAD_MAX - head_len;
        memcpy(start, head, head_len);
        memcpy(record + CHUNK_HEAD_MAX + len, "\r\n", 2);
        len += head_len + 2;

        n = http_conn_write(c, start, len);
        if (n < 0 && n != -EAGAIN)
                return (int) n;
        if (n > 0)
                taken = (size_t) n;
        return taken < len ? buffer_append(&c->out, start + taken, len - taken) : 0;
}

static int end_stream(HttpConn *c) {
        c->stream->on_close = NULL;
        http_stream_free(TAKE(c->stream));
        c->h1_state = H1_CONN_READING;
        c->close_after = true;
        return buffer_append_str(&c->out, "0\r\n\r\n");
}

static int pump(HttpConn *c) {
        HttpStream *st = c->stream;
        size_t budget = BYTES_AT_ONCE;
        int r;

        if (st->overflow)
                return -ENOBUFS;
        while (st->queued > 0 && !http_conn_blocked(c)) {
                if (budget < HTTP_RECORD_MAX) {
                        http_conn_again(c);
                        return 0;
                }
                budget -= HTTP_RECORD_MAX;
                r = send_chunk(c);
                if (r < 0)
                        return r;
        }
        if (st->ended && st->queued == 0 && !http_conn_blocked(c))
                return end_stream(c);
        return 0;
}

int h1_conn_process(HttpConn *c) {
        size_t budget = BYTES_AT_ONCE;
        int r;

        for (;;) {
                r = http_conn_flush(c);
                if (r < 0)
                        return r;
                if (http_conn_blocked(c))
                        break;
                if (c->stream) {
                        r = pump(c);
                        if (r < 0)
                                return r;
                        if (c->stream)
                                break;
                        continue;
                }
                r = read_requests(c, &budget);
                if (r < 0)
                        return r;
                if (c->out.len == 0 && !c->stream)
                        break;
        }
        if (c->parser && h1_parser_idle(c->parser))
                c->parser = h1_parser_free(c->parser);
        return 0;
}

void h1_conn_done(HttpConn *c) {
        if (c->request) {
                http_request_orphan(c->request);
                c->parser = NULL; /* it went with the request */
                c->request = NULL;
        }
        c->parser = h1_parser_free(c->parser);
        http_stream_free(TAKE(c->stream));
}
