/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <strings.h>

#include "base/strutil.h"
#include "httpd/h1.h"
#include "httpd/target.h"

#define METHOD_LENGTH_MAX 32U
#define CONTENT_LENGTH_DIGITS_MAX 18U
#define CHUNK_SIZE_DIGITS_MAX 8U
#define HEADERS_INITIAL 16U

typedef enum Phase {
        PHASE_REQUEST_LINE,
        PHASE_HEADERS,
        PHASE_BODY,
        PHASE_CHUNK_SIZE,
        PHASE_CHUNK_SIZE_LF,
        PHASE_CHUNK_DATA,
        PHASE_CHUNK_CR,
        PHASE_CHUNK_LF,
        PHASE_LAST_CR,
        PHASE_LAST_LF,
        PHASE_COMPLETE,
        PHASE_ERROR,
} Phase;

struct H1Parser {
        H1Limits limits;
        Buffer in;   /* the request from its first byte, then what came behind it */
        size_t pos;  /* up to here bytes have been looked at */
        size_t line; /* where the present line begins */
        Phase phase;
        unsigned status;

        H1Header *headers;
        size_t n_headers, headers_allocated;
        uint32_t path, query;
        bool has_query;

        bool keep_alive, expects_continue, chunked;
        size_t header_start, body_start, body_len;
        uint64_t remaining; /* of the body, or of the present chunk */
        unsigned digits;    /* of the chunk size that is being read */
        bool byte_saved;    /* the byte behind the body, where a NUL stands meanwhile */
        uint8_t saved_byte;
};

int h1_parser_new(const H1Limits *limits, H1Parser **ret) {
        H1Parser *p;

        assert(limits && ret);

        p = new(H1Parser);
        if (!p)
                return -ENOMEM;
        p->limits = *limits;
        p->keep_alive = true;
        *ret = p;
        return 0;
}

H1Parser *h1_parser_free(H1Parser *p) {
        if (!p)
                return NULL;
        buffer_done(&p->in);
        free(p->headers);
        return mfree(p);
}

static void fail(H1Parser *p, unsigned status) {
        p->phase = PHASE_ERROR;
        p->status = status;
        p->keep_alive = false;
}

static bool value_is_text(const uint8_t *s, size_t len) {
        for (size_t i = 0; i < len; i++)
                if ((s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
                        return false;
        return true;
}

/* "HTTP/1.1" is ours; another version in the same form is 505, anything else is no HTTP. */
static unsigned check_version(const uint8_t *s, size_t len) {
        if (len != 8 || memcmp(s, "HTTP/", 5) != 0 || s[5] < '0' || s[5] > '9' || s[6] != '.' ||
            s[7] < '0' || s[7] > '9')
                return 400;
        return s[5] == '1' && s[7] == '1' ? 0 : 505;
}

static void parse_request_line(H1Parser *p, size_t end) {
        uint8_t *d = p->in.data, *first, *last, *mark;
        size_t target_len;
        unsigned status;

        first = memchr(d, ' ', end);
        last = memrchr(d, ' ', end);
        if (!first || first == last || first == d)
                return fail(p, 400);
        if (!http_token_is_valid((const char *) d, (size_t) (first - d)))
                return fail(p, 400);
        status = check_version(last + 1, (size_t) (d + end - last - 1));
        if (status != 0)
                return fail(p, status);
        if ((size_t) (first - d) > METHOD_LENGTH_MAX)
                return fail(p, 501);

        target_len = (size_t) (last - first - 1);
        if (target_len > p->limits.max_target)
                return fail(p, 414);
        status = http_target_check((const char *) first + 1, target_len);
        if (status != 0)
                return fail(p, status);

        *first = *last = 0;
        p->path = (uint32_t) (first + 1 - d);
        mark = memchr(first + 1, '?', target_len);
        if (mark) {
                *mark = 0;
                p->query = (uint32_t) (mark + 1 - d);
                p->has_query = true;
        }
        p->phase = PHASE_HEADERS;
        p->header_start = end + 2;
}

static int add_header(H1Parser *p, H1Header header) {
        H1Header *headers;
        size_t n;

        if (p->n_headers == p->headers_allocated) {
                n = MAX(p->headers_allocated * 2, HEADERS_INITIAL);
                headers = reallocarray(p->headers, n, sizeof(H1Header));
                if (!headers)
                        return -ENOMEM;
                p->headers = headers;
                p->headers_allocated = n;
        }
        p->headers[p->n_headers++] = header;
        return 0;
}

static int parse_header_line(H1Parser *p, size_t end) {
        uint8_t *d = p->in.data + p->line, *colon;
        size_t len = end - p->line, name_len, start;

        if (p->n_headers >= p->limits.max_headers)
                return fail(p, 431), 0;
        colon = memchr(d, ':', len);
        name_len = colon ? (size_t) (colon - d) : 0;
        /* This also refuses a folded line and white space before the colon. */
        if (!colon || !http_token_is_valid((const char *) d, name_len))
                return fail(p, 400), 0;
        for (size_t i = 0; i < name_len; i++)
                if (d[i] >= 'A' && d[i] <= 'Z')
                        d[i] = (uint8_t) (d[i] + ('a' - 'A'));

        start = name_len + 1;
        while (start < len && (d[start] == ' ' || d[start] == '\t'))
                start++;
        while (len > start && (d[len - 1] == ' ' || d[len - 1] == '\t'))
                len--;
        if (!value_is_text(d + start, len - start))
                return fail(p, 400), 0;
        *colon = 0;
        d[len] = 0; /* trailing white space or the CR */
        return add_header(p, (H1Header) {
                                             .name = (uint32_t) p->line,
                                             .name_len = (uint32_t) name_len,
                                             .value = (uint32_t) (p->line + start),
                                             .value_len = (uint32_t) (len - start),
                             });
}

/* 0: absent. Fails the request when the header stands there more than once. */
static const char *single_header(H1Parser *p, const char *name) {
        if (h1_parser_header_count(p, name) > 1) {
                fail(p, 400);
                return NULL;
        }
        return h1_parser_header(p, name);
}

static void check_content_length(H1Parser *p, const char *value) {
        uint64_t n = 0;
        size_t len = strlen(value);

        if (len == 0 || strspn(value, "0123456789") != len)
                return fail(p, 400);
        if (len > CONTENT_LENGTH_DIGITS_MAX)
                return fail(p, 413);
        for (size_t i = 0; i < len; i++)
                n = n * 10 + (uint64_t) (value[i] - '0');
        if (n > p->limits.max_body)
                return fail(p, 413);
        p->remaining = n;
}

/* A coding that exists but that we do not speak is 501; what is no coding at all, or names chunked in a way
 * that another reader may understand differently, is 400. */
static void check_transfer_encoding(H1Parser *p, const char *value) {
        static const char *const known[] = { "gzip", "x-gzip", "compress", "x-compress", "deflate" };

        if (strcasecmp(value, "chunked") == 0) {
                p->chunked = true;
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (strcasecmp(value, known[i]) == 0)
                        return fail(p, 501);
        fail(p, 400);
}

static void check_connection(H1Parser *p) {
        for (size_t i = 0; i < p->n_headers; i++) {
                const char *value = (const char *) p->in.data + p->headers[i].value;

                if (strcmp((const char *) p->in.data + p->headers[i].name, "connection") == 0 &&
                    http_list_contains(value, "close"))
                        p->keep_alive = false;
        }
}

static void finish_headers(H1Parser *p) {
        const char *host, *length, *coding, *expect;

        p->body_start = p->pos;
        host = single_header(p, "host");
        length = single_header(p, "content-length");
        coding = single_header(p, "transfer-encoding");
        expect = single_header(p, "expect");
        if (p->phase == PHASE_ERROR)
                return;
        if (!host || !http_host_is_valid(host) || (length && coding))
                return fail(p, 400);
        if (expect && strcasecmp(expect, "100-continue") != 0)
                return fail(p, 400);
        p->expects_continue = expect != NULL;
        if (length)
                check_content_length(p, length);
        if (coding)
                check_transfer_encoding(p, coding);
        if (p->phase == PHASE_ERROR)
                return;
        check_connection(p);
        p->phase = p->chunked ? PHASE_CHUNK_SIZE : p->remaining > 0 ? PHASE_BODY : PHASE_COMPLETE;
}

/* The lengths are looked at before a line is complete, so that none needs to be kept to be refused. */
static void check_head_size(H1Parser *p) {
        if (p->phase == PHASE_REQUEST_LINE) {
                if (p->pos - p->line > p->limits.max_target + METHOD_LENGTH_MAX + sizeof(" HTTP/1.1"))
                        fail(p, 414);
        } else if (p->pos - p->header_start > p->limits.max_header_bytes)
                fail(p, 431);
}

/* Reads lines while there are any. Bytes that no head may contain are refused when they are seen, not at the
 * end. */
static int parse_head(H1Parser *p) {
        int r;

        while (p->pos < p->in.len && p->phase <= PHASE_HEADERS) {
                uint8_t c = p->in.data[p->pos++];

                check_head_size(p);
                if (p->phase == PHASE_ERROR)
                        break;
                if (p->pos - p->line >= 2 && p->in.data[p->pos - 2] == '\r') {
                        size_t end = p->pos - 2;

                        if (c != '\n')
                                return fail(p, 400), 0;
                        if (p->phase == PHASE_REQUEST_LINE)
                                parse_request_line(p, end);
                        else if (end == p->line)
                                finish_headers(p);
                        else {
                                r = parse_header_line(p, end);
                                if (r < 0)
                                        return r;
                        }
                        p->line = p->pos;
                } else if ((c < 0x20 && c != '\r' && c != '\t') || c == 0x7f)
                        return fail(p, 400), 0;
        }
        return 0;
}

static void parse_body(H1Parser *p) {
        size_t n = (size_t) MIN(p->remaining, (uint64_t) (p->in.len - p->pos));

        p->pos += n;
        p->body_len += n;
        p->remaining -= n;
        if (p->remaining == 0)
                p->phase = PHASE_COMPLETE;
}

static void parse_chunk_size(H1Parser *p, uint8_t c) {
        int digit = hex_digit((char) c);

        if (digit >= 0) {
                if (++p->digits > CHUNK_SIZE_DIGITS_MAX)
                        return fail(p, 413);
                p->remaining = p->remaining * 16 + (uint64_t) digit;
                if (p->remaining > p->limits.max_body - p->body_len)
                        return fail(p, 413);
                return;
        }
        if (c != '\r' || p->digits == 0) /* also an extension */
                return fail(p, 400);
        p->phase = PHASE_CHUNK_SIZE_LF;
}

static void expect_byte(H1Parser *p, uint8_t c, uint8_t expected, Phase next) {
        if (c != expected)
                return fail(p, 400);
        p->phase = next;
}

static void parse_chunk_byte(H1Parser *p, uint8_t c) {
        switch (p->phase) {
        case PHASE_CHUNK_SIZE:
                return parse_chunk_size(p, c);
        case PHASE_CHUNK_SIZE_LF:
                p->digits = 0;
                return expect_byte(p, c, '\n', p->remaining > 0 ? PHASE_CHUNK_DATA : PHASE_LAST_CR);
        case PHASE_CHUNK_CR:
                return expect_byte(p, c, '\r', PHASE_CHUNK_LF);
        case PHASE_CHUNK_LF:
                return expect_byte(p, c, '\n', PHASE_CHUNK_SIZE);
        case PHASE_LAST_CR: /* anything else would be a trailer */
                return expect_byte(p, c, '\r', PHASE_LAST_LF);
        default:
                return expect_byte(p, c, '\n', PHASE_COMPLETE);
        }
}

/* Moves the chunks together in place: the body ends up in one piece, and framing is not kept. */
static void parse_chunked(H1Parser *p) {
        while (p->pos < p->in.len && p->phase < PHASE_COMPLETE) {
                size_t n;

                if (p->phase != PHASE_CHUNK_DATA) {
                        parse_chunk_byte(p, p->in.data[p->pos++]);
                        continue;
                }
                n = (size_t) MIN(p->remaining, (uint64_t) (p->in.len - p->pos));
                memmove(p->in.data + p->body_start + p->body_len, p->in.data + p->pos, n);
                p->pos += n;
                p->body_len += n;
                p->remaining -= n;
                if (p->remaining == 0)
                        p->phase = PHASE_CHUNK_CR;
        }
        if (p->phase < PHASE_COMPLETE) {
                p->in.len = p->body_start + p->body_len;
                p->in.data[p->in.len] = 0;
                p->pos = p->in.len;
        }
}

/* The body carries a NUL behind it. With a chunked body framing stood there; otherwise what stands there is
 * the first byte of the next request, which is put back in h1_parser_next(). */
static void terminate_body(H1Parser *p) {
        size_t end = p->body_start + p->body_len;

        if (!p->chunked && end < p->in.len) {
                p->saved_byte = p->in.data[end];
                p->byte_saved = true;
        }
        p->in.data[end] = 0;
}

int h1_parser_feed(H1Parser *p, const void *data, size_t len, H1State *ret) {
        int r;

        assert(p && ret);

        if (p->phase == PHASE_COMPLETE && p->byte_saved) {
                p->in.data[p->body_start + p->body_len] = p->saved_byte;
                p->byte_saved = false;
        }
        if (p->phase != PHASE_ERROR && len > 0) {
                r = buffer_append(&p->in, data, len);
                if (r < 0)
                        return r;
        }
        if (p->phase <= PHASE_HEADERS) {
                r = parse_head(p);
                if (r < 0)
                        return r;
        }
        if (p->phase == PHASE_BODY)
                parse_body(p);
        else if (p->phase > PHASE_BODY && p->phase < PHASE_COMPLETE)
                parse_chunked(p);

        if (p->phase == PHASE_COMPLETE)
                terminate_body(p);
        *ret = p->phase == PHASE_ERROR      ? H1_ERROR
               : p->phase == PHASE_COMPLETE ? H1_COMPLETE
               : p->phase >= PHASE_BODY     ? H1_NEED_BODY
                                            : H1_NEED_MORE;
        return 0;
}

unsigned h1_parser_status(const H1Parser *p) {
        return p->status;
}

bool h1_parser_keep_alive(const H1Parser *p) {
        return p->keep_alive;
}

bool h1_parser_expects_continue(const H1Parser *p) {
        return p->expects_continue;
}

const char *h1_parser_method(const H1Parser *p) {
        return p->phase > PHASE_REQUEST_LINE && p->phase != PHASE_ERROR ? (const char *) p->in.data : "";
}

const char *h1_parser_path(const H1Parser *p) {
        return p->phase > PHASE_REQUEST_LINE && p->phase != PHASE_ERROR ? (const char *) p->in.data + p->path
                                                                        : "";
}

const char *h1_parser_query(const H1Parser *p) {
        return p->has_query && p->phase != PHASE_ERROR ? (const char *) p->in.data + p->query : "";
}

const char *h1_parser_header(const H1Parser *p, const char *name) {
        for (size_t i = 0; i < p->n_headers; i++)
                if (streq((const char *) p->in.data + p->headers[i].name, name))
                        return (const char *) p->in.data + p->headers[i].value;
        return NULL;
}

size_t h1_parser_header_count(const H1Parser *p, const char *name) {
        size_t n = 0;

        for (size_t i = 0; i < p->n_headers; i++)
                if (streq((const char *) p->in.data + p->headers[i].name, name))
                        n++;
        return n;
}

const uint8_t *h1_parser_body(const H1Parser *p, size_t *ret_len) {
        bool complete = p->phase == PHASE_COMPLETE;

        *ret_len = complete ? p->body_len : 0;
        return complete ? p->in.data + p->body_start : (const uint8_t *) "";
}

void h1_parser_next(H1Parser *p) {
        Buffer in;

        if (p->byte_saved)
                p->in.data[p->body_start + p->body_len] = p->saved_byte;
        if (p->phase == PHASE_COMPLETE)
                buffer_consume(&p->in, p->pos);
        else
                p->in.len = 0;
        if (p->in.len == 0) {
                buffer_done(&p->in);
                p->headers = mfree(p->headers);
                p->headers_allocated = 0;
        }
        in = p->in;
        *p = (H1Parser) {
                .limits = p->limits,
                .in = in,
                .headers = p->headers,
                .headers_allocated = p->headers_allocated,
                .keep_alive = true,
        };
}

bool h1_parser_idle(const H1Parser *p) {
        return p->phase == PHASE_REQUEST_LINE && p->in.len == 0;
}

bool h1_parser_in_body(const H1Parser *p) {
        return p->phase >= PHASE_BODY && p->phase < PHASE_COMPLETE;
}

size_t h1_parser_buffered(const H1Parser *p) {
        return p->in.len;
}
