/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "httpd/h2.h"
#include "base/strutil.h"
#include "httpd/target.h"

#define BYTES_AT_ONCE (128U * 1024U)
#define HEADER_BLOCK_MAX (64U * 1024U) /* raw bytes, CONTINUATION frames and their heads included */
#define RESETS_BURST 200U
#define RESETS_PER_SEC 20U
#define CONTROL_BURST 1000U
#define CONTROL_PER_SEC 100U
#define OUTBOUND_ACKS_MAX 100U
#define SETTINGS_MAX 32U

static void doom(HttpConn *c) {
        if (c->h2->doomed)
                return;
        c->h2->doomed = true;
        c->server->counters.bad_requests_total++;
        (void) nghttp2_session_terminate_session(c->h2->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void spend(HttpConn *c, H2Budget *b, unsigned burst, unsigned per_sec) {
        uint64_t now = http_server_now(c->server), refill;

        refill = (now - b->filled_at) * per_sec / USEC_PER_SEC;
        if (refill > 0) {
                b->left = (unsigned) MIN((uint64_t) burst, b->left + refill);
                b->filled_at = now;
        }
        if (b->left == 0)
                return doom(c);
        b->left--;
}

static void spend_reset(HttpConn *c) {
        spend(c, &c->h2->resets, RESETS_BURST, RESETS_PER_SEC);
}

static void spend_control(HttpConn *c) {
        spend(c, &c->h2->control, CONTROL_BURST, CONTROL_PER_SEC);
}

static Http2Stream *stream_free(Http2Stream *st) {
        Http2 *h2 = st->conn->h2;

        TAILQ_REMOVE(&h2->streams, st, entry);
        h2->n_streams--;
        if (h2->n_streams == 0)
                h2->idle_since = http_server_now(st->conn->server);
        if (st->request) {
                h2->body_bytes -= st->request->fields->body.len;
                http_conn_set_buffered(st->conn, h2->body_bytes);
                http_request_orphan(st->request);
                if (st->receiving) /* no handler has it yet */
                        http_request_free(st->request);
        }
        http_stream_free(st->stream);
        buffer_done(&st->body);
        return mfree(st);
}

static int fields_append(HttpFields *f, const uint8_t *s, size_t len, uint32_t *ret) {
        size_t offset = f->text.len;
        int r;

        r = buffer_append(&f->text, s, len);
        if (r < 0)
                return r;
        r = buffer_append(&f->text, "", 1);
        if (r < 0)
                return r;
        *ret = (uint32_t) offset;
        return 0;
}

static int fields_add(HttpFields *f, const uint8_t *name, size_t name_len, const uint8_t *value,
                      size_t value_len) {
        struct HttpField field;
        int r;

        if ((f->n_fields & (f->n_fields - 1)) == 0) {
                void *fields = reallocarray(f->fields, MAX(f->n_fields * 2, (size_t) 1), sizeof(field));

                if (!fields)
                        return -ENOMEM;
                f->fields = fields;
        }
        r = fields_append(f, name, name_len, &field.name);
        if (r < 0)
                return r;
        r = fields_append(f, value, value_len, &field.value);
        if (r < 0)
                return r;
        f->fields[f->n_fields++] = field;
        return 0;
}

static int stream_new(HttpConn *c, int32_t id, Http2Stream **ret) {
        _cleanup_(http_fields_freep) HttpFields *f = NULL;
        HttpRequest *request;
        Http2Stream *st;
        uint32_t empty;
        int r;

        f = new(HttpFields);
        if (!f)
                return -ENOMEM;
        r = fields_append(f, (const uint8_t *) "", 0, &empty);
        if (r < 0)
                return r;
        st = new(Http2Stream);
        if (!st)
                return -ENOMEM;
        r = http_request_new(c, &request);
        if (r < 0) {
                free(st);
                return r;
        }
        request->fields = TAKE(f);
        request->h2 = st;
        *st = (Http2Stream) {
                .conn = c,
                .id = id,
                .request = request,
                .since = http_server_now(c->server),
                .receiving = true,
        };
        TAILQ_INSERT_TAIL(&c->h2->streams, st, entry);
        c->h2->n_streams++;
        *ret = st;
        return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
        HttpConn *c = userdata;
        Http2Stream *st;

        c->h2->in_headers = true;
        c->h2->header_bytes = 0;
        c->h2->header_since = http_server_now(c->server);
        if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        c->used = true;
        /* nghttp2 keeps to the limit only once the client has acknowledged it. */
        if (c->h2->n_streams >= c->server->limits.max_h2_streams) {
                spend_reset(c);
                return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                                 NGHTTP2_REFUSED_STREAM);
        }
        if (stream_new(c, frame->hd.stream_id, &st) < 0)
                return NGHTTP2_ERR_CALLBACK_FAILURE;
        return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, st);
}

static int add_path(Http2Stream *st, const uint8_t *value, size_t len) {
        HttpFields *f = st->request->fields;
        const uint8_t *mark = memchr(value, '?', len);
        size_t path_len = mark ? (size_t) (mark - value) : len;
        unsigned status;
        int r;

        status = len > st->conn->server->limits.max_target_bytes
                                 ? 414
                                 : http_target_check((const char *) value, len);
        if (status != 0) {
                st->refuse = status;
                return 0;
        }
        r = fields_append(f, value, path_len, &f->path);
        if (r >= 0 && mark)
                r = fields_append(f, mark + 1, len - path_len - 1, &f->query);
        return r;
}

/* ":authority" and "host" are the same thing; both may come, with the same value. */
static int add_host(Http2Stream *st, const uint8_t *value, size_t len) {
        HttpRequest *request = st->request;
        const char *known = http_request_header(request, "host");
        int r;

        if (known) {
                if (strlen(known) != len || memcmp(known, value, len) != 0)
                        st->refuse = 400;
                return 0;
        }
        r = fields_add(request->fields, (const uint8_t *) "host", 4, value, len);
        if (r < 0)
                return r;
        if (!http_host_is_valid(http_request_header(request, "host")))
                st->refuse = 400;
        return 0;
}

static bool is_name(const uint8_t *name, size_t len, const char *expected) {
        return strlen(expected) == len && memcmp(name, expected, len) == 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *userdata) {
        HttpConn *c = userdata;
        Http2Stream *st = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        const HttpLimits *l = &c->server->limits;
        HttpFields *f;
        int r;

        if (!st || !st->request || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
                return 0;
        f = st->request->fields;
        f->bytes += name_len + value_len + 32;
        if (f->bytes > l->max_header_bytes + l->max_target_bytes || f->n_fields >= l->max_headers) {
                st->refuse = 431;
                /* A short block can stand for megabytes of headers (HPACK). */
                return f->bytes > 4 * (l->max_header_bytes + l->max_target_bytes)
                                       ? NGHTTP2_ERR_CALLBACK_FAILURE
                                       : 0;
        }
        if (is_name(name, name_len, ":method"))
                r = fields_append(f, value, value_len, &f->method);
        else if (is_name(name, name_len, ":path"))
                r = add_path(st, value, value_len);
        else if (is_name(name, name_len, ":authority") || is_name(name, name_len, "host"))
                r = add_host(st, value, value_len);
        else if (name_len > 0 && name[0] == ':')
                r = 0;
        else
                r = fields_add(f, name, name_len, value, value_len);
        return r < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void stream_refuse(Http2Stream *st, unsigned status) {
        st->conn->server->counters.bad_requests_total++;
        (void) http_request_problem(st->request, status, NULL, NULL, NULL);
}

static void stream_dispatch(Http2Stream *st) {
        st->receiving = false;
        st->since = http_server_now(st->conn->server);
        http_request_dispatch(st->request);
}

static int stream_headers_complete(Http2Stream *st, bool end) {
        static const nghttp2_nv go_on[] = {
                { (uint8_t *) ":status", (uint8_t *) "100", 7, 3, NGHTTP2_NV_FLAG_NONE },
        };
        HttpConn *c = st->conn;
        const char *length = http_request_header(st->request, "content-length");
        uint64_t n = 0;

        if (st->refuse == 0 && (!http_request_header(st->request, "host") || st->request->fields->path == 0))
                st->refuse = 400;
        if (st->refuse == 0 && length && parse_u64(length, c->server->limits.max_body_bytes, &n) < 0)
                st->refuse = 413;
        if (st->refuse != 0) {
                st->receiving = !end;
                stream_refuse(st, st->refuse);
        } else if (end)
                stream_dispatch(st);
        else if (http_request_header(st->request, "expect"))
                return nghttp2_submit_headers(c->h2->session, NGHTTP2_FLAG_NONE, st->id, NULL, go_on,
                                              ELEMENTSOF(go_on), NULL);
        return 0;
}

static int on_headers_complete(HttpConn *c, const nghttp2_frame *frame) {
        Http2Stream *st = nghttp2_session_get_stream_user_data(c->h2->session, frame->hd.stream_id);
        bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

        c->h2->in_headers = false;
        if (!st || !st->request || !st->receiving)
                return 0;
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
                return stream_headers_complete(st, end);
        if (end)
                stream_dispatch(st);
        return 0;
}

static void on_data_complete(HttpConn *c, const nghttp2_frame *frame) {
        Http2Stream *st = nghttp2_session_get_stream_user_data(c->h2->session, frame->hd.stream_id);

        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
                if (frame->hd.length == 0)
                        spend_control(c);
                return;
        }
        if (!st || !st->receiving)
                return;
        if (st->request)
                stream_dispatch(st);
        else
                st->receiving = false; /* answered before it was complete */
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
        HttpConn *c = userdata;

        switch (frame->hd.type) {
        case NGHTTP2_HEADERS:
                return on_headers_complete(c, frame);
        case NGHTTP2_DATA:
                on_data_complete(c, frame);
                return 0;
        case NGHTTP2_RST_STREAM:
                spend_reset(c);
                return 0;
        case NGHTTP2_WINDOW_UPDATE: /* as many as there is data; each costs us less than the client */
                return 0;
        default:
                spend_control(c);
                return 0;
        }
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *userdata) {
        spend_reset(userdata);
        return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *userdata) {
        HttpConn *c = userdata;
        Http2Stream *st = nghttp2_session_get_stream_user_data(session, id);
        HttpFields *f;

        if (!st || !st->request || !st->receiving)
                return 0;
        f = st->request->fields;
        if (len > c->server->limits.max_body_bytes - f->body.len) {
                stream_refuse(st, 413);
                return 0;
        }
        if (buffer_append(&f->body, data, len) < 0)
                return NGHTTP2_ERR_CALLBACK_FAILURE;
        c->h2->body_bytes += len;
        /* One connection may not hold the bodies of all its streams at their full size. */
        if (http_conn_set_buffered(c, c->h2->body_bytes) < 0 ||
            c->h2->body_bytes > 4 * c->server->limits.max_body_bytes)
                stream_refuse(st, 503);
        return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *userdata) {
        Http2Stream *st = nghttp2_session_get_stream_user_data(session, id);

        if (st)
                stream_free(st);
        return 0;
}

/* When an answer is out before the request was all there, the rest of the request is not wanted. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *userdata) {
        HttpConn *c = userdata;
        Http2Stream *st;

        if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
                spend_reset(c);
        if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
            (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
                return 0;
        st = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (st && st->receiving)
                return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
        return 0;
}

int h2_server_init(HttpServer *s) {
        nghttp2_session_callbacks *callbacks;
        nghttp2_option *option;

        if (!s->tls)
                return 0;
        if (nghttp2_session_callbacks_new(&callbacks) < 0)
                return -ENOMEM;
        s->h2_callbacks = callbacks;
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
        if (nghttp2_option_new(&option) < 0)
                return -ENOMEM;
        s->h2_option = option;
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
        nghttp2_option_set_max_settings(option, SETTINGS_MAX);
        return 0;
}

void h2_server_done(HttpServer *s) {
        nghttp2_session_callbacks_del(s->h2_callbacks);
        nghttp2_option_del(s->h2_option);
}

int h2_conn_start(HttpConn *c) {
        const HttpLimits *l = &c->server->limits;
        const nghttp2_settings_entry settings[] = {
                { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t) l->max_h2_streams },
                { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                  (uint32_t) (l->max_header_bytes + l->max_target_bytes) },
        };
        uint64_t now = http_server_now(c->server);
        Http2 *h2;

        h2 = new(Http2);
        if (!h2)
                return -ENOMEM;
        TAILQ_INIT(&h2->streams);
        h2->resets = (H2Budget) { RESETS_BURST, now };
        h2->control = (H2Budget) { CONTROL_BURST, now };
        h2->idle_since = now;
        c->h2 = h2;
        if (nghttp2_session_server_new2(&h2->session, c->server->h2_callbacks, c, c->server->h2_option) < 0)
                return -ENOMEM;
        return nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, ELEMENTSOF(settings)) < 0
                               ? -ENOMEM
                               : 0;
}

void h2_conn_done(HttpConn *c) {
        Http2 *h2 = TAKE(c->h2);

        if (!h2)
                return;
        c->h2 = h2;                        /* stream_free() looks there */
        while (!TAILQ_EMPTY(&h2->streams)) /* nghttp2_session_del() closes no stream */
                stream_free(TAILQ_FIRST(&h2->streams));
        nghttp2_session_del(h2->session);
        c->h2 = mfree(h2);
}

/* Frames are gathered up to a record; the rest of the last one stays in c->out. */
static int send_frames(HttpConn *c) {
        int r;

        for (;;) {
                r = http_conn_flush(c);
                if (r < 0 || http_conn_blocked(c))
                        return r;
                while (c->out.len < HTTP_RECORD_MAX) {
                        const uint8_t *data;
                        ssize_t n = nghttp2_session_mem_send(c->h2->session, &data);

                        if (n < 0)
                                return -EPROTO;
                        if (n == 0)
                                break;
                        r = buffer_append(&c->out, data, (size_t) n);
                        if (r < 0)
                                return r;
                }
                if (c->out.len == 0)
                        return 0;
        }
}

static int receive_frames(HttpConn *c) {
        for (size_t budget = BYTES_AT_ONCE; !http_conn_blocked(c) && !c->h2->doomed && !c->broken;) {
                bool in_headers = c->h2->in_headers;
                ssize_t n, k;

                if (budget < HTTP_RECORD_MAX) {
                        http_conn_again(c);
                        return 0;
                }
                n = http_conn_read(c, c->server->plain, sizeof(c->server->plain));
                if (n == -EAGAIN)
                        return 0;
                if (n <= 0)
                        return n == 0 ? -ECONNRESET : (int) n;
                budget -= (size_t) n;
                k = nghttp2_session_mem_recv(c->h2->session, c->server->plain, (size_t) n);
                if (k < 0)
                        doom(c);
                if (in_headers && c->h2->in_headers)
                        c->h2->header_bytes += (size_t) n;
                if (c->h2->header_bytes > HEADER_BLOCK_MAX)
                        doom(c);
        }
        return 0;
}

int h2_conn_process(HttpConn *c) {
        Http2 *h2 = c->h2;
        int r;

        r = http_conn_flush(c);
        if (r >= 0)
                r = receive_frames(c);
        if (r >= 0)
                r = send_frames(c);
        if (r < 0)
                return r;
        if (!http_conn_blocked(c))
                h2->blocked_since = 0;
        else if (h2->blocked_since == 0)
                h2->blocked_since = http_server_now(c->server);
        if (h2->doomed ||
            (nghttp2_session_want_read(h2->session) == 0 && nghttp2_session_want_write(h2->session) == 0))
                c->close_after = true;
        if (c->over_limit && c->used && h2->n_streams == 0)
                c->close_after = true; /* it has been told */
        return 0;
}

/* RFC 9113, 6.8: first a notice that refuses nothing, because requests may be on their way to us … */
int h2_conn_drain(HttpConn *c) {
        return nghttp2_submit_shutdown_notice(c->h2->session) < 0 ? -ENOMEM : 0;
}

/* … and the last stream that was answered when the connection ends, so that a client knows what to send again. */
void h2_conn_goodbye(HttpConn *c) {
        nghttp2_session *session = c->h2->session;

        if (nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session),
                                  NGHTTP2_NO_ERROR, NULL, 0) >= 0)
                (void) send_frames(c);
}

bool h2_conn_streams_only(const HttpConn *c) {
        const Http2Stream *st;

        TAILQ_FOREACH(st, &c->h2->streams, entry)
        if (!st->stream)
                return false;
        return !c->h2->in_headers;
}

static uint64_t stream_deadline(const Http2Stream *st, const HttpLimits *l) {
        if (st->stream)
                return st->since == 0 ? USEC_INFINITY : st->since + l->response_usec;
        return st->since + (st->receiving && st->request ? l->body_usec : l->response_usec);
}

uint64_t h2_conn_deadline(const HttpConn *c) {
        const HttpLimits *l = &c->server->limits;
        const Http2 *h2 = c->h2;
        const Http2Stream *st;
        uint64_t usec = USEC_INFINITY;

        if (h2->in_headers)
                usec = MIN(usec, h2->header_since + l->header_usec);
        if (h2->blocked_since != 0)
                usec = MIN(usec, h2->blocked_since + l->response_usec);
        if (h2->n_streams == 0)
                usec = MIN(usec, h2->idle_since + (c->used ? l->idle_usec : l->header_usec));
        TAILQ_FOREACH(st, &h2->streams, entry)
        usec = MIN(usec, stream_deadline(st, l));
        return usec;
}
