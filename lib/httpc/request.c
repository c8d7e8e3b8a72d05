/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <strings.h>

#include "base/strutil.h"
#include "httpc/request.h"

#define HTTPS_PORT 443
#define HOST_MAX 253
#define USER_AGENT "sdwan/" SDWAN_VERSION
#define REQUEST_HEAD_MAX_BYTES 16384

void http_target_done(HttpTarget *t) {
        assert(t);
        t->host = mfree(t->host);
        t->authority = mfree(t->authority);
}

static bool host_name_is_valid(const char *s) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
        size_t len = strlen(s);

        return len > 0 && len <= HOST_MAX && s[0] != '.' && s[0] != '-' && strspn(s, allowed) == len;
}

/* Takes the host off the front; *ret_rest is what follows it. */
static int target_take_host(const char *s, HttpTarget *t, const char **ret_rest) {
        const char *end;

        if (*s == '[') {
                end = strchr(++s, ']');
                if (!end)
                        return -EINVAL;
        } else
                end = s + strcspn(s, ":/?#@");
        t->host = strndup(s, (size_t) (end - s));
        if (!t->host)
                return -ENOMEM;
        if (*end == ']') {
                if (address_parse(t->host, &t->address) < 0 || t->address.family != AF_INET6)
                        return -EINVAL;
                end++;
        } else if (address_parse(t->host, &t->address) < 0) {
                t->address = (Address) { 0 };
                if (!host_name_is_valid(t->host))
                        return -EINVAL;
        }
        *ret_rest = end;
        return 0;
}

int http_target_parse(const char *url, HttpTarget *ret) {
        static const char scheme[] = "https://";
        _cleanup_(http_target_done) HttpTarget t = { .port = HTTPS_PORT };
        const char *rest;
        uint64_t port;
        int r;

        assert(url && ret);

        if (strncmp(url, scheme, strlen(scheme)) != 0)
                return -EINVAL;
        r = target_take_host(url + strlen(scheme), &t, &rest);
        if (r < 0)
                return r;
        if (*rest == ':') {
                if (parse_u64(rest + 1, UINT16_MAX, &port) < 0 || port == 0)
                        return -EINVAL;
                t.port = (uint16_t) port;
        } else if (*rest != '\0')
                return -EINVAL;

        t.authority = str_printf(t.address.family == AF_INET6 ? "[%s]:%u" : "%s:%u", t.host, t.port);
        if (!t.authority)
                return -ENOMEM;
        if (t.port == HTTPS_PORT)
                *strrchr(t.authority, ':') = '\0';
        *ret = (HttpTarget) { TAKE(t.host), t.address, t.port, TAKE(t.authority) };
        return 0;
}

static bool is_token(const char *s) {
        static const char token[] =
                        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

        return *s && s[strspn(s, token)] == '\0';
}

static bool is_visible_ascii(const char *s, bool space) {
        for (; *s; s++)
                if ((*s <= ' ' && !(space && *s == ' ')) || *s == 0x7f)
                        return false;
        return true;
}

static bool method_is_known(const char *method) {
        static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (streq(method, methods[i]))
                        return true;
        return false;
}

/* What says where the request ends is this file's alone. */
static bool field_is_valid(const HttpHeaderField *f) {
        static const char *const ours[] = {
                "host",    "connection", "content-length", "transfer-encoding", "expect",
                "upgrade", "te",         "trailer",        "user-agent"
        };

        if (!f->name || !f->value || !is_token(f->name) || !is_visible_ascii(f->value, true))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                if (strcasecmp(f->name, ours[i]) == 0)
                        return false;
        return true;
}

/* Into a buffer that has room already: what grows leaves copies behind, and there are secrets in it. */
int http_request_format(const HttpTarget *t, const char *method, const char *target,
                        const HttpHeaderField *headers, size_t n_headers, const void *body, size_t body_len,
                        Buffer *ret) {
        size_t size = strlen(method) + strlen(target) + strlen(t->authority) + 256;
        int r;

        if (!method_is_known(method) || target[0] != '/' || !is_visible_ascii(target, false))
                return -EINVAL;
        for (size_t i = 0; i < n_headers; i++) {
                if (!field_is_valid(headers + i))
                        return -EINVAL;
                size += strlen(headers[i].name) + strlen(headers[i].value) + 4;
        }
        if (size > REQUEST_HEAD_MAX_BYTES)
                return -E2BIG;

        r = buffer_reserve(ret, size + body_len);
        if (r < 0)
                return r;
        r = buffer_appendf(ret, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: " USER_AGENT "\r\n", method,
                           target, t->authority);
        for (size_t i = 0; r >= 0 && i < n_headers; i++)
                r = buffer_appendf(ret, "%s: %s\r\n", headers[i].name, headers[i].value);
        if (r >= 0 && (body_len > 0 || method[0] == 'P'))
                r = buffer_appendf(ret, "Content-Length: %zu\r\n", body_len);
        if (r >= 0)
                r = buffer_append_str(ret, "\r\n");
        if (r >= 0 && body_len > 0)
                r = buffer_append(ret, body, body_len);
        return r;
}
