/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdarg.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/strutil.h"

int parse_u64(const char *s, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;

        if (s[0] < '0' || s[0] > '9' || (s[0] == '0' && s[1] != 0))
                return -EINVAL;
        if (s[strspn(s, "0123456789")] != 0)
                return -EINVAL;
        for (; *s; s++)
                if (__builtin_mul_overflow(v, 10U, &v) ||
                    __builtin_add_overflow(v, (unsigned) (*s - '0'), &v))
                        return -ERANGE;
        if (v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

/* Bytes of the well-formed sequence at s, 0 when there is none; RFC 3629's table. */
static size_t utf8_sequence(const uint8_t *s, size_t len) {
        uint8_t lo = 0x80, hi = 0xBF;
        size_t n;

        if (s[0] < 0x80)
                return 1;
        if (s[0] >= 0xC2 && s[0] <= 0xDF)
                n = 2;
        else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
                n = 3;
                lo = s[0] == 0xE0 ? 0xA0 : 0x80;
                hi = s[0] == 0xED ? 0x9F : 0xBF;
        } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
                n = 4;
                lo = s[0] == 0xF0 ? 0x90 : 0x80;
                hi = s[0] == 0xF4 ? 0x8F : 0xBF;
        } else
                return 0;
        if (len < n || s[1] < lo || s[1] > hi)
                return 0;
        for (size_t i = 2; i < n; i++)
                if ((s[i] & 0xC0) != 0x80)
                        return 0;
        return n;
}

bool utf8_is_valid(const char *s, size_t len) {
        for (size_t i = 0; i < len;) {
                size_t n = utf8_sequence((const uint8_t *) s + i, len - i);

                if (n == 0 || s[i] == 0)
                        return false;
                i += n;
        }
        return true;
}

/* C0, DEL and C1; also what breaks a line (U+2028, U+2029) or turns the direction of what follows (U+200E,
 * U+200F, U+202A to U+202E, U+2066 to U+2069), so that a name is read as another one. p ends with a NUL. */
static bool is_control(const uint8_t *p) {
        if (p[0] < 0x20 || p[0] == 0x7F || (p[0] == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9F))
                return true;
        if (p[0] != 0xE2 || (p[1] != 0x80 && p[1] != 0x81))
                return false;
        return p[1] == 0x80 ? p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xA8 && p[2] <= 0xAE)
                            : p[2] >= 0xA6 && p[2] <= 0xA9;
}

bool str_is_printable(const char *s) {
        for (const uint8_t *p = (const uint8_t *) s; *p; p++)
                if (is_control(p))
                        return false;
        return true;
}

char *str_escape(const char *s) {
        _cleanup_buffer_ Buffer b = { 0 };
        size_t len = strlen(s);
        char *ret;
        int r;

        r = buffer_reserve(&b, len);
        if (r < 0)
                return NULL;
        for (size_t i = 0; i < len;) {
                const uint8_t *p = (const uint8_t *) s + i;
                size_t n = utf8_sequence(p, len - i);

                /* A stray byte of an invalid sequence may be a C1 control to a terminal that is not in
                 * UTF-8. */
                if (n == 0 || is_control(p)) {
                        n = MAX(n, 1U);
                        for (size_t j = 0; j < n && r >= 0; j++)
                                r = buffer_appendf(&b, "\\x%02x", p[j]);
                } else
                        r = buffer_append(&b, p, n);
                if (r < 0)
                        return NULL;
                i += n;
        }
        ret = (char *) b.data;
        b = (Buffer) { 0 };
        return ret;
}

char *str_printf(const char *format, ...) {
        va_list ap;
        char *s;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        return n < 0 ? NULL : s;
}

void strv_free(char **l) {
        STRV_FOREACH (s, l)
                free(*s);
        free(l);
}

size_t strv_length(char *const *l) {
        size_t n = 0;

        STRV_FOREACH (s, l)
                n++;
        return n;
}

bool strv_contains(char *const *l, const char *s) {
        STRV_FOREACH (i, l)
                if (streq(*i, s))
                        return true;
        return false;
}

static int strv_append_n(char ***l, const char *s, size_t len) {
        _cleanup_free_ char *copy = NULL;
        size_t n = strv_length(*l);
        char **array;

        copy = strndup(s, len);
        if (!copy)
                return -ENOMEM;
        array = reallocarray(*l, n + 2, sizeof(char *));
        if (!array)
                return -ENOMEM;
        array[n] = TAKE(copy);
        array[n + 1] = NULL;
        *l = array;
        return 0;
}

int strv_append(char ***l, const char *s) {
        return strv_append_n(l, s, strlen(s));
}

int strv_copy(char *const *l, char ***ret) {
        _cleanup_(strv_freep) char **copy = NULL;
        size_t n = strv_length(l), i = 0;

        if (!l) {
                *ret = NULL;
                return 0;
        }
        copy = new0(char *, n + 1);
        if (!copy)
                return -ENOMEM;
        for (; i < n; i++) {
                copy[i] = strdup(l[i]);
                if (!copy[i])
                        return -ENOMEM;
        }
        *ret = TAKE(copy);
        return 0;
}

int strv_split(const char *s, const char *separators, char ***ret) {
        _cleanup_(strv_freep) char **l = NULL;
        int r;

        l = new0(char *, 1);
        if (!l)
                return -ENOMEM;
        for (;;) {
                size_t len;

                s += strspn(s, separators);
                if (!*s)
                        break;
                len = strcspn(s, separators);
                r = strv_append_n(&l, s, len);
                if (r < 0)
                        return r;
                s += len;
        }
        *ret = TAKE(l);
        return 0;
}
