/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "httpc/call.h"

/* The lines of a stream, a slice of the body at a time. */
static int call_take_lines(HttpCall *call, const uint8_t *data, size_t len) {
        int r;

        while (len > 0) {
                const uint8_t *lf = memchr(data, '\n', len);
                size_t n = lf ? (size_t) (lf - data) : len;

                if (n > call->max_line_bytes - call->body.len) {
                        call->error_reason = "a line of the stream is too long";
                        return -EFBIG;
                }
                /* NUL behind it, also behind an empty one. */
                r = buffer_append(&call->body, data, n);
                if (r >= 0)
                        r = buffer_reserve(&call->body, 1);
                if (r < 0)
                        return r;
                if (!lf)
                        return 0;
                call->body.data[call->body.len] = '\0';
                call->on_line((const char *) call->body.data, call->body.len, call->userdata);
                if (!call->client)
                        return -ECANCELED;
                call->body.len = 0;
                data += n + 1;
                len -= n + 1;
        }
        if (call->body.len == 0)
                buffer_wipe(&call->body); /* a stream is silent most of the time */
        return 0;
}

static int call_take_body(HttpCall *call, const uint8_t *data, size_t len) {
        int r;

        if (len > call->max_body_bytes - call->body.len) {
                call->error_reason = "the answer is too long";
                return -EFBIG;
        }
        /* The declared length was found to be no more than the limit: see call_feed(). */
        if (call->body.len == 0 && call->parser.has_length) {
                r = buffer_reserve(&call->body, (size_t) call->parser.length);
                if (r < 0)
                        return r;
        }
        return buffer_append(&call->body, data, len);
}

static bool call_is_streaming(const HttpCall *call) {
        return call->stream && call->parser.status == 200;
}

/* Whether it will be too long is known as soon as the head is there. */
static bool call_is_too_long(const HttpCall *call) {
        return call->parser.has_length && call->parser.length > call->max_body_bytes &&
               !call_is_streaming(call);
}

static int on_body(const uint8_t *data, size_t len, void *userdata) {
        HttpCall *call = userdata;

        if (call_is_streaming(call))
                return call_take_lines(call, data, len);
        if (call_is_too_long(call)) {
                call->error_reason = "the answer is too long";
                return -EFBIG;
        }
        return call_take_body(call, data, len);
}

int call_new(HttpCall **ret) {
        HttpCall *call;

        assert(ret);

        call = new(HttpCall);
        if (!call)
                return -ENOMEM;
        call->parser = (ResponseParser) { .on_body = on_body, .userdata = call };
        *ret = call;
        return 0;
}

HttpCall *call_free(HttpCall *call) {
        if (!call)
                return NULL;
        buffer_wipe(&call->request);
        buffer_wipe(&call->body);
        response_parser_done(&call->parser);
        return mfree(call);
}

void call_rewind(HttpCall *call) {
        assert(call);
        call->sent = 0;
        buffer_wipe(&call->body);
        response_parser_done(&call->parser);
        call->parser = (ResponseParser) { .on_body = on_body, .userdata = call };
}

int call_feed(HttpCall *call, const uint8_t *data, size_t len, const char **ret_reason) {
        size_t used;
        int r;

        assert(call && ret_reason);

        r = response_parser_feed(&call->parser, data, len, &used, ret_reason);
        if (r >= 0 && response_parser_has_head(&call->parser) && call_is_too_long(call)) {
                *ret_reason = "the answer is too long";
                return -EFBIG;
        }
        if (r == -EFBIG)
                *ret_reason = call->error_reason;
        if (r == 1 && used < len) {
                *ret_reason = "the server sent more than its answer";
                return -EBADMSG;
        }
        return r;
}
