/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <strings.h>

#include "base/strutil.h"
#include "httpc/response.h"

#define CHUNK_SIZE_DIGITS_MAX 15
#define CHUNK_LINE_MAX (CHUNK_SIZE_DIGITS_MAX + 2)
#define DECIMAL_DIGITS_MAX 18

void response_parser_done(ResponseParser *p) {
        assert(p);
        buffer_wipe(&p->line);
        p->content_type = mfree(p->content_type);
}

static int refuse(const char **ret_reason, const char *reason) {
        *ret_reason = reason;
        return -EBADMSG;
}

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_token_char(char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* field-vchar, space and tab */
static bool is_text(const char *s, size_t len) {
        for (size_t i = 0; i < len; i++)
                if (((unsigned char) s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
                        return false;
        return true;
}

static int parse_status_line(ResponseParser *p, const char *s, size_t len, const char **ret_reason) {
        static const char version[] = "HTTP/1.1 ";
        const size_t n = sizeof(version) - 1;

        if (len < n || memcmp(s, version, n) != 0)
                return refuse(ret_reason, "the answer is not HTTP/1.1");
        if (len < n + 4 || !is_digit(s[n]) || !is_digit(s[n + 1]) || !is_digit(s[n + 2]) ||
            s[n + 3] != ' ' || !is_text(s + n + 4, len - n - 4))
                return refuse(ret_reason, "the status line is malformed");
        p->status = (unsigned) ((s[n] - '0') * 100 + (s[n + 1] - '0') * 10 + (s[n + 2] - '0'));
        if (p->status < 100 || p->status > 599 || p->status == 101)
                return refuse(ret_reason, "the status code is out of range");
        p->state = RESPONSE_FIELDS;
        return 0;
}

static bool parse_decimal(const char *s, size_t len, uint64_t *ret) {
        uint64_t u = 0;

        if (len == 0 || len > DECIMAL_DIGITS_MAX)
                return false;
        for (size_t i = 0; i < len; i++) {
                if (!is_digit(s[i]))
                        return false;
                u = u * 10 + (uint64_t) (s[i] - '0');
        }
        *ret = u;
        return true;
}

static int field_content_length(ResponseParser *p, const char *value, size_t len, const char **ret_reason) {
        if (p->has_length)
                return refuse(ret_reason, "there are two Content-Length fields");
        if (!parse_decimal(value, len, &p->length))
                return refuse(ret_reason, "the Content-Length field is malformed");
        p->has_length = true;
        return 0;
}

static int field_transfer_encoding(ResponseParser *p, const char *value, size_t len,
                                   const char **ret_reason) {
        if (p->chunked || len != strlen("chunked") || strncasecmp(value, "chunked", len) != 0)
                return refuse(ret_reason, "the transfer coding is not chunked");
        p->chunked = true;
        return 0;
}

static int field_content_encoding(ResponseParser *p, const char *value, size_t len,
                                  const char **ret_reason) {
        if (len != strlen("identity") || strncasecmp(value, "identity", len) != 0)
                return refuse(ret_reason, "the answer is compressed, which was not asked for");
        return 0;
}

static int field_connection(ResponseParser *p, const char *value, size_t len, const char **ret_reason) {
        for (size_t i = 0; i < len;) {
                size_t n = 0;

                while (i + n < len && value[i + n] != ',' && value[i + n] != ' ' && value[i + n] != '\t')
                        n++;
                if (n == strlen("close") && strncasecmp(value + i, "close", n) == 0)
                        p->close = true;
                i += n + 1;
        }
        return 0;
}

static int field_content_type(ResponseParser *p, const char *value, size_t len, const char **ret_reason) {
        if (p->content_type)
                return refuse(ret_reason, "there are two Content-Type fields");
        p->content_type = strndup(value, len);
        return p->content_type ? 0 : -ENOMEM;
}

/* A date is not understood on purpose: it would need this machine's clock to be right. */
static int field_retry_after(ResponseParser *p, const char *value, size_t len, const char **ret_reason) {
        uint64_t sec;

        if (p->has_retry_after)
                return refuse(ret_reason, "there are two Retry-After fields");
        p->has_retry_after = true;
        if (parse_decimal(value, len, &sec))
                p->retry_after_sec = MIN(sec, (uint64_t) RESPONSE_RETRY_AFTER_MAX_SEC);
        return 0;
}

static const struct {
        const char *name;
        int (*read)(ResponseParser *p, const char *value, size_t len, const char **ret_reason);
} known_fields[] = {
        { "connection", field_connection },         { "content-encoding", field_content_encoding },
        { "content-length", field_content_length }, { "content-type", field_content_type },
        { "retry-after", field_retry_after },       { "transfer-encoding", field_transfer_encoding },
};

static int parse_field(ResponseParser *p, const char *s, size_t len, const char **ret_reason) {
        size_t name_len = 0, end = len, start;

        if (++p->fields > RESPONSE_FIELDS_MAX)
                return refuse(ret_reason, "there are too many header fields");
        while (name_len < len && is_token_char(s[name_len]))
                name_len++;
        if (name_len == 0 || name_len == len || s[name_len] != ':' || !is_text(s + name_len, len - name_len))
                return refuse(ret_reason, "a header field is malformed");
        if (p->state == RESPONSE_TRAILER)
                return 0;

        start = name_len + 1;
        while (start < end && (s[start] == ' ' || s[start] == '\t'))
                start++;
        while (end > start && (s[end - 1] == ' ' || s[end - 1] == '\t'))
                end--;
        for (size_t i = 0; i < ELEMENTSOF(known_fields); i++)
                if (strlen(known_fields[i].name) == name_len &&
                    strncasecmp(known_fields[i].name, s, name_len) == 0)
                        return known_fields[i].read(p, s + start, end - start, ret_reason);
        return 0;
}

/* An interim answer says nothing to us: the next head starts from nothing. */
static int end_interim(ResponseParser *p, const char **ret_reason) {
        if (p->has_length || p->chunked)
                return refuse(ret_reason, "an interim answer has a body");
        if (++p->interim > RESPONSE_INTERIM_MAX)
                return refuse(ret_reason, "there are too many interim answers");
        p->content_type = mfree(p->content_type);
        p->close = p->has_retry_after = false;
        p->retry_after_sec = 0;
        p->fields = 0;
        p->state = RESPONSE_STATUS_LINE;
        return 0;
}

static int end_head(ResponseParser *p, const char **ret_reason) {
        p->head_bytes = 0;
        if (p->status < 200)
                return end_interim(p, ret_reason);
        p->fields = 0;
        if (p->chunked && p->has_length)
                return refuse(ret_reason, "the answer has two lengths");
        if (p->status == 204 || p->status == 304) {
                if (p->chunked || (p->status == 204 && p->has_length && p->length > 0))
                        return refuse(ret_reason, "an answer that cannot have a body has one");
                p->state = RESPONSE_COMPLETE;
        } else if (p->chunked)
                p->state = RESPONSE_CHUNK_SIZE;
        else if (p->has_length) {
                p->remaining = p->length;
                p->state = p->remaining > 0 ? RESPONSE_BODY : RESPONSE_COMPLETE;
        } else
                return refuse(ret_reason, "the answer does not say how long it is");
        return 0;
}

static int parse_chunk_size(ResponseParser *p, const char *s, size_t len, const char **ret_reason) {
        uint64_t size = 0;

        if (len == 0 || len > CHUNK_SIZE_DIGITS_MAX)
                return refuse(ret_reason, "a chunk size is malformed");
        for (size_t i = 0; i < len; i++) {
                char c = s[i];
                unsigned digit;

                if (is_digit(c))
                        digit = (unsigned) (c - '0');
                else if (c >= 'a' && c <= 'f')
                        digit = (unsigned) (c - 'a' + 10);
                else if (c >= 'A' && c <= 'F')
                        digit = (unsigned) (c - 'A' + 10);
                else
                        return refuse(ret_reason, "a chunk size is malformed");
                size = size << 4 | digit;
        }
        p->head_bytes = 0;
        p->remaining = size;
        p->state = size > 0 ? RESPONSE_CHUNK_DATA : RESPONSE_TRAILER;
        return 0;
}

/* One line without its CR LF. */
static int parse_line(ResponseParser *p, const char *s, size_t len, const char **ret_reason) {
        switch (p->state) {
        case RESPONSE_STATUS_LINE:
                return parse_status_line(p, s, len, ret_reason);
        case RESPONSE_FIELDS:
                return len > 0 ? parse_field(p, s, len, ret_reason) : end_head(p, ret_reason);
        case RESPONSE_CHUNK_SIZE:
                return parse_chunk_size(p, s, len, ret_reason);
        case RESPONSE_CHUNK_END:
                if (len > 0)
                        return refuse(ret_reason, "a chunk is longer than it says");
                p->head_bytes = 0;
                p->state = RESPONSE_CHUNK_SIZE;
                return 0;
        case RESPONSE_TRAILER:
                if (len > 0)
                        return parse_field(p, s, len, ret_reason);
                p->state = RESPONSE_COMPLETE;
                return 0;
        default:
                assert(false);
                return -EINVAL;
        }
}

static size_t line_max(const ResponseParser *p) {
        switch (p->state) {
        case RESPONSE_CHUNK_SIZE:
                return CHUNK_LINE_MAX;
        case RESPONSE_CHUNK_END:
                return 2;
        default:
                return RESPONSE_HEAD_MAX_BYTES;
        }
}

/* Takes bytes up to the end of the line, if it is there. */
static int feed_line(ResponseParser *p, const uint8_t *data, size_t len, size_t *ret_used,
                     const char **ret_reason) {
        const uint8_t *lf = memchr(data, '\n', len);
        size_t n = lf ? (size_t) (lf - data) + 1 : len;
        int r;

        if (n > line_max(p) - p->head_bytes)
                return refuse(ret_reason, p->state == RESPONSE_CHUNK_SIZE || p->state == RESPONSE_CHUNK_END
                                                          ? "a chunk is malformed"
                                                          : "the head of the answer is too long");
        r = buffer_append(&p->line, data, n);
        if (r < 0)
                return r;
        p->head_bytes += n;
        *ret_used = n;
        if (!lf)
                return 0;

        n = p->line.len;
        if (n < 2 || p->line.data[n - 2] != '\r' || memchr(p->line.data, '\r', n - 2))
                return refuse(ret_reason, "a line does not end as it must");
        r = parse_line(p, (const char *) p->line.data, n - 2, ret_reason);
        p->line.len = 0;
        if (p->state == RESPONSE_COMPLETE || p->state == RESPONSE_BODY)
                buffer_wipe(&p->line);
        return r;
}

static int feed_body(ResponseParser *p, const uint8_t *data, size_t len, size_t *ret_used) {
        size_t n = len < p->remaining ? len : (size_t) p->remaining;
        int r;

        p->remaining -= n;
        if (p->remaining == 0)
                p->state = p->state == RESPONSE_BODY ? RESPONSE_COMPLETE : RESPONSE_CHUNK_END;
        r = p->on_body(data, n, p->userdata);
        if (r < 0)
                return r;
        *ret_used = n;
        return 0;
}

int response_parser_feed(ResponseParser *p, const uint8_t *data, size_t len, size_t *ret_used,
                         const char **ret_reason) {
        size_t at = 0, used;
        int r;

        assert(p && (data || len == 0) && ret_used && ret_reason);

        while (p->state != RESPONSE_COMPLETE && at < len) {
                used = 0;
                if (p->state == RESPONSE_BODY || p->state == RESPONSE_CHUNK_DATA)
                        r = feed_body(p, data + at, len - at, &used);
                else
                        r = feed_line(p, data + at, len - at, &used, ret_reason);
                if (r < 0)
                        return r;
                at += used;
        }
        *ret_used = at;
        return p->state == RESPONSE_COMPLETE;
}
