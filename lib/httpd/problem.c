/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"
#include "httpd/conn.h"

/* The length of the valid UTF-8 sequence at s, 0 when there is none. */
static size_t utf8_sequence(const char *s, size_t len) {
        for (size_t n = 1; n <= 4 && n <= len; n++)
                if (utf8_is_valid(s, n))
                        return n;
        return 0;
}

/* A JSON string (RFC 8259). What is no UTF-8 becomes U+FFFD, so that the document is always valid. */
static int append_string(Buffer *b, const char *s) {
        size_t len = strlen(s), n;
        int r;

        r = buffer_append(b, "\"", 1);
        for (size_t i = 0; r >= 0 && i < len; i += n) {
                uint8_t c = (uint8_t) s[i];

                n = 1;
                if (c == '"' || c == '\\')
                        r = buffer_appendf(b, "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                        r = buffer_appendf(b, "\\u%04x", c);
                else if (c < 0x80)
                        r = buffer_append(b, s + i, 1);
                else {
                        n = utf8_sequence(s + i, len - i);
                        r = n > 0 ? buffer_append(b, s + i, n) : buffer_append_str(b, "\xef\xbf\xbd");
                        n = MAX(n, (size_t) 1);
                }
        }
        return r < 0 ? r : buffer_append(b, "\"", 1);
}

static int append_member(Buffer *b, const char *name, const char *value) {
        int r;

        if (!value)
                return 0;
        r = buffer_appendf(b, ",\"%s\":", name);
        return r < 0 ? r : append_string(b, value);
}

int http_request_problem(HttpRequest *r, unsigned status, const char *code, const char *field,
                         const char *detail) {
        static const HttpHeader headers[] = { { "content-type", "application/problem+json" } };
        _cleanup_buffer_ Buffer body = { 0 };
        int k;

        k = buffer_appendf(&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u",
                           http_status_title(status), status);
        if (k >= 0)
                k = append_member(&body, "detail", detail);
        if (k >= 0)
                k = append_member(&body, "code", code);
        if (k >= 0)
                k = append_member(&body, "field", field);
        if (k >= 0)
                k = buffer_append(&body, "}", 1);
        if (k < 0)
                body.len = 0; /* the status alone is an answer too */
        return http_request_respond(r, status, headers, ELEMENTSOF(headers), body.data, body.len);
}
