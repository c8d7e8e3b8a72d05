/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <strings.h>

#include "base/strutil.h"
#include "httpd/h1.h"
#include "httpd/target.h"

static bool is_alnum(char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool http_token_is_valid(const char *s, size_t len) {
        for (size_t i = 0; i < len; i++)
                if (!is_alnum(s[i]) && (s[i] == 0 || !strchr("!#$%&'*+-.^_`|~", s[i])))
                        return false;
        return len > 0;
}

/* The byte at s, decoded where it is percent-encoded. -1: bad encoding. */
static int decode_byte(const char *s, size_t len, size_t *ret_used) {
        int high, low;

        *ret_used = 1;
        if (s[0] != '%')
                return (uint8_t) s[0];
        if (len < 3)
                return -1;
        high = hex_digit(s[1]);
        low = hex_digit(s[2]);
        if (high < 0 || low < 0)
                return -1;
        *ret_used = 3;
        return high << 4 | low;
}

/* Bytes of UTF-8 that are still to come after a byte; a small machine, so that no copy is needed. */
typedef struct Utf8 {
        unsigned more;
        uint8_t low, high; /* what the next one may be */
} Utf8;

static bool utf8_step(Utf8 *u, uint8_t c) {
        if (u->more > 0) {
                if (c < u->low || c > u->high)
                        return false;
                u->more--;
                u->low = 0x80;
                u->high = 0xbf;
                return true;
        }
        if (c < 0x80)
                return true;
        if (c < 0xc2 || c > 0xf4)
                return false;
        u->more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        u->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        u->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        return true;
}

/* What RFC 3986 lets stand in a path or a query as it is. */
static bool target_char_is_valid(char c) {
        return is_alnum(c) || (c != 0 && strchr("-._~!$&'()*+,;=:@/?%", c) != NULL);
}

/* One decoded byte of a path: no control byte, no second way to write a separator, no parameters (";"),
 * which proxies and servers cut off differently. */
static bool path_byte_is_valid(int c, bool encoded) {
        return c >= 0x20 && c != 0x7f && c != ';' && !(encoded && (c == '/' || c == '\\'));
}

static bool path_is_valid(const char *path, size_t len) {
        size_t segment = 0, dots = 0, used; /* decoded length of the present segment, and its dots */
        Utf8 utf8 = { 0 };

        for (size_t i = 1; i < len; i += used) {
                int c = decode_byte(path + i, len - i, &used);

                if (!path_byte_is_valid(c, used > 1) || !utf8_step(&utf8, (uint8_t) c))
                        return false;
                if (path[i] == '/') {
                        if (segment == 0 || (segment == dots && dots <= 2))
                                return false;
                        segment = dots = 0;
                        continue;
                }
                segment++;
                dots += c == '.';
        }
        return utf8.more == 0 && (segment == 0 || segment != dots || dots > 2);
}

static bool query_is_valid(const char *query, size_t len) {
        Utf8 utf8 = { 0 };
        size_t used;

        for (size_t i = 0; i < len; i += used) {
                int c = decode_byte(query + i, len - i, &used);

                if (c <= 0 || !utf8_step(&utf8, (uint8_t) c))
                        return false;
        }
        return utf8.more == 0;
}

unsigned http_target_check(const char *target, size_t len) {
        const char *mark;
        size_t path_len = len;

        if (len == 0 || target[0] != '/')
                return 400;
        for (size_t i = 0; i < len; i++)
                if (!target_char_is_valid(target[i]))
                        return 400;
        mark = memchr(target, '?', len);
        if (mark) {
                path_len = (size_t) (mark - target);
                if (!query_is_valid(mark + 1, len - path_len - 1))
                        return 400;
        }
        return path_is_valid(target, path_len) ? 0 : 400;
}

/* Where the port's colon stands, or the end. NULL: no valid host. */
static const char *host_end(const char *host) {
        size_t n;

        if (host[0] == '[') {
                n = strspn(host + 1, "0123456789abcdefABCDEF:.");
                return n > 1 && host[n + 1] == ']' ? host + n + 2 : NULL;
        }
        for (n = 0; is_alnum(host[n]) || (host[n] != 0 && strchr("-._", host[n])); n++)
                ;
        return n > 0 && n <= 255 ? host + n : NULL;
}

bool http_host_is_valid(const char *host) {
        const char *end = host_end(host);
        size_t digits;

        if (!end)
                return false;
        if (*end == 0)
                return true;
        digits = strspn(end + 1, "0123456789");
        return *end == ':' && digits >= 1 && digits <= 5 && end[1 + digits] == 0;
}

bool http_host_is_allowed(const char *host, char *const *allowed) {
        const char *end = host_end(host);
        size_t len;

        if (!end)
                return false;
        len = (size_t) (end - host);
        if (host[0] == '[') {
                host++;
                len -= 2;
        }
        STRV_FOREACH (a, allowed)
                if (strlen(*a) == len && strncasecmp(*a, host, len) == 0)
                        return true;
        return false;
}

bool http_list_contains(const char *list, const char *member) {
        size_t len = strlen(member);

        for (const char *s = list; *s;) {
                size_t n;

                s += strspn(s, " \t,");
                n = strcspn(s, ",");
                while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
                        n--;
                if (n == len && strncasecmp(s, member, len) == 0)
                        return true;
                s += strcspn(s, ",");
        }
        return false;
}

static int decode_form(const char *s, size_t len, char **ret) {
        _cleanup_free_ char *value = NULL;
        size_t used, n = 0;

        value = malloc(len + 1);
        if (!value)
                return -ENOMEM;
        for (size_t i = 0; i < len; i += used) {
                int c = decode_byte(s + i, len - i, &used);

                if (c <= 0)
                        return -EINVAL;
                value[n++] = (char) (s[i] == '+' ? ' ' : c);
        }
        value[n] = 0;
        if (!utf8_is_valid(value, n))
                return -EINVAL;
        *ret = TAKE(value);
        return 0;
}

int http_query_value(const char *query, const char *name, char **ret) {
        const char *found = NULL;
        size_t found_len = 0;

        for (const char *s = query; *s;) {
                _cleanup_free_ char *key = NULL;
                size_t len = strcspn(s, "&"), key_len = strcspn(s, "=&");
                int r;

                r = decode_form(s, key_len, &key);
                if (r < 0)
                        return r;
                if (streq(key, name)) {
                        if (found)
                                return -EINVAL;
                        found = s + key_len + (key_len < len);
                        found_len = len - key_len - (key_len < len);
                }
                s += len + (s[len] == '&');
        }
        if (!found)
                return -ENOENT;
        return decode_form(found, found_len, ret);
}
