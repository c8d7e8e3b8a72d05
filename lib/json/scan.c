/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <limits.h>

#include "base/buffer.h"
#include "json/scan.h"

typedef struct Name {
        size_t start, len; /* in Scanner.text */
        size_t offset;     /* in the input */
} Name;

typedef struct Scanner {
        const uint8_t *s;
        size_t len, pos;
        unsigned depth, max_depth;
        size_t items, max_items;
        const char *reason;
        size_t reason_offset;
        Buffer text;  /* unescaped names of the open objects, one behind the other */
        Buffer names; /* Name[], likewise */
} Scanner;

static int fail_at(Scanner *x, int error, size_t offset, const char *reason) {
        x->reason = reason;
        x->reason_offset = offset;
        return error;
}

static int fail(Scanner *x, const char *reason) {
        return fail_at(x, -EBADMSG, x->pos, reason);
}

static int out_of_memory(Scanner *x, int r) {
        return fail_at(x, r, x->pos, "out of memory");
}

/* The byte at the place of reading; -1 at the end. */
static int peek(const Scanner *x) {
        return x->pos < x->len ? x->s[x->pos] : -1;
}

static bool is_digit(int c) {
        return c >= '0' && c <= '9';
}

static void skip_space(Scanner *x) {
        while (x->pos < x->len && memchr(" \t\n\r", x->s[x->pos], 4))
                x->pos++;
}

/* Four hexadecimal digits at the place of reading. */
static int scan_hex4(Scanner *x, unsigned *ret) {
        unsigned v = 0;

        for (unsigned i = 0; i < 4; i++) {
                int c = peek(x);

                if (is_digit(c))
                        v = v << 4 | (unsigned) (c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f' && c > 0)
                        v = v << 4 | (unsigned) ((c | 0x20) - 'a' + 10);
                else
                        return fail(x, "\\u needs four hexadecimal digits");
                x->pos++;
        }
        *ret = v;
        return 0;
}

/* Writes the UTF-8 of a code point; returns its bytes. */
static size_t encode_utf8(unsigned v, uint8_t ret[static 4]) {
        if (v < 0x80) {
                ret[0] = (uint8_t) v;
                return 1;
        }
        if (v < 0x800) {
                ret[0] = (uint8_t) (0xC0 | v >> 6);
                ret[1] = (uint8_t) (0x80 | (v & 0x3F));
                return 2;
        }
        if (v < 0x10000) {
                ret[0] = (uint8_t) (0xE0 | v >> 12);
                ret[1] = (uint8_t) (0x80 | (v >> 6 & 0x3F));
                ret[2] = (uint8_t) (0x80 | (v & 0x3F));
                return 3;
        }
        ret[0] = (uint8_t) (0xF0 | v >> 18);
        ret[1] = (uint8_t) (0x80 | (v >> 12 & 0x3F));
        ret[2] = (uint8_t) (0x80 | (v >> 6 & 0x3F));
        ret[3] = (uint8_t) (0x80 | (v & 0x3F));
        return 4;
}

/* Behind "\u". */
static int scan_unicode(Scanner *x, unsigned *ret) {
        size_t start = x->pos;
        unsigned v, low;
        int r;

        r = scan_hex4(x, &v);
        if (r < 0)
                return r;
        if (v == 0)
                return fail_at(x, -EBADMSG, start, "\\u0000 is not allowed");
        if (v >= 0xDC00 && v <= 0xDFFF)
                return fail_at(x, -EBADMSG, start, "lone surrogate");
        if (v >= 0xD800 && v <= 0xDBFF) {
                if (x->len - x->pos < 2 || x->s[x->pos] != '\\' || x->s[x->pos + 1] != 'u')
                        return fail_at(x, -EBADMSG, start, "lone surrogate");
                x->pos += 2;
                r = scan_hex4(x, &low);
                if (r < 0)
                        return r;
                if (low < 0xDC00 || low > 0xDFFF)
                        return fail_at(x, -EBADMSG, start, "lone surrogate");
                v = 0x10000 + ((v - 0xD800) << 10 | (low - 0xDC00));
        }
        *ret = v;
        return 0;
}

/* Behind the backslash; the unescaped bytes. */
static int scan_escape(Scanner *x, uint8_t ret[static 4], size_t *ret_len) {
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *found;
        int c = peek(x), r;
        unsigned v;

        if (c == 'u') {
                x->pos++;
                r = scan_unicode(x, &v);
                if (r < 0)
                        return r;
                *ret_len = encode_utf8(v, ret);
                return 0;
        }
        found = c > 0 ? strchr(from, c) : NULL;
        if (!found)
                return fail(x, "unknown escape");
        x->pos++;
        ret[0] = (uint8_t) to[found - from];
        *ret_len = 1;
        return 0;
}

/* The well-formed multi-byte sequence of UTF-8 at the place of reading. */
static int scan_utf8(Scanner *x) {
        const uint8_t *s = x->s + x->pos;
        size_t left = x->len - x->pos, n;
        uint8_t lo = 0x80, hi = 0xBF;

        if (s[0] >= 0xC2 && s[0] <= 0xDF)
                n = 2;
        else if (s[0] >= 0xE0 && s[0] <= 0xEF)
                n = 3;
        else if (s[0] >= 0xF0 && s[0] <= 0xF4)
                n = 4;
        else
                return fail(x, "invalid UTF-8");
        if (s[0] == 0xE0)
                lo = 0xA0;
        else if (s[0] == 0xED)
                hi = 0x9F;
        else if (s[0] == 0xF0)
                lo = 0x90;
        else if (s[0] == 0xF4)
                hi = 0x8F;
        if (left < n || s[1] < lo || s[1] > hi)
                return fail(x, "invalid UTF-8");
        for (size_t i = 2; i < n; i++)
                if ((s[i] & 0xC0) != 0x80)
                        return fail(x, "invalid UTF-8");
        x->pos += n;
        return 0;
}

/* At the opening quote. Appends what it means to text, unless that is NULL. */
static int scan_string(Scanner *x, Buffer *text) {
        int r;

        x->pos++;
        for (;;) {
                size_t start = x->pos, n;
                uint8_t unescaped[4];
                int c = peek(x);

                if (c < 0)
                        return fail(x, "the string does not end");
                if (c == '"') {
                        x->pos++;
                        return 0;
                }
                if (c < 0x20)
                        return fail(x, "control character in a string");
                if (c == '\\') {
                        x->pos++;
                        r = scan_escape(x, unescaped, &n);
                        if (r >= 0 && text && buffer_append(text, unescaped, n) < 0)
                                return out_of_memory(x, -ENOMEM);
                } else {
                        if (c < 0x80) {
                                x->pos++;
                                r = 0;
                        } else
                                r = scan_utf8(x);
                        if (r >= 0 && text && buffer_append(text, x->s + start, x->pos - start) < 0)
                                return out_of_memory(x, -ENOMEM);
                }
                if (r < 0)
                        return r;
        }
}

/* Whether 0.<digits> * 10^309, digits without leading zeros, is nearer to infinity than to the largest
 * double. The limit is the number half way between DBL_MAX and 2^1024; behind its digits come only zeros. */
static bool digits_overflow(const uint8_t *s, size_t len) {
        static const char limit[] =
                        "17976931348623158079372897140530341507993413271003782693617377898044496829276475"
                        "09466490179775872070963302864166928879109465555478519404026306574886715058206819"
                        "08902000708383676273854845817711531764475730270069855571366959622842914819860834"
                        "936475292719074168444365510704342711559699508093042880177904174497792";
        size_t n = 0;

        for (size_t i = 0; i < len; i++) {
                if (s[i] == '.')
                        continue;
                if (n == sizeof(limit) - 1)
                        return true; /* equal so far, and the limit itself is over */
                if (s[i] != limit[n])
                        return s[i] > limit[n];
                n++;
        }
        for (; n < sizeof(limit) - 1; n++)
                if (limit[n] != '0')
                        return false;
        return true;
}

/* A number with fraction or exponent: mantissa is [start, end), as the grammar demands. */
static bool double_overflows(const Scanner *x, size_t start, size_t end, int64_t exponent) {
        const uint8_t *s = x->s + start;
        size_t len = end - start, first = 0, point;
        const uint8_t *dot = memchr(s, '.', len);
        int64_t magnitude; /* the value is 0.d… * 10^magnitude with d not 0 */

        point = dot ? (size_t) (dot - s) : len;
        while (first < len && (s[first] == '0' || s[first] == '.'))
                first++;
        if (first == len)
                return false; /* zero, whatever the exponent */
        magnitude = exponent + (first < point ? (int64_t) (point - first) : -(int64_t) (first - point - 1));
        if (magnitude != 309)
                return magnitude > 309;
        return digits_overflow(s + first, len - first);
}

static int check_integer(Scanner *x, size_t start, size_t end, bool negative) {
        const uint64_t max = negative ? (uint64_t) INT64_MAX + 1 : UINT64_MAX;
        uint64_t v = 0;

        for (size_t i = start; i < end; i++)
                if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, x->s[i] - '0', &v) ||
                    v > max)
                        return fail_at(x, -EBADMSG, start, "the integer does not fit in 64 bits");
        return 0;
}

static int scan_digits(Scanner *x) {
        if (!is_digit(peek(x)))
                return fail(x, "a digit is missing");
        while (is_digit(peek(x)))
                x->pos++;
        return 0;
}

/* Saturates far beyond what a mantissa that fits in memory could bring back. */
static int scan_exponent(Scanner *x, int64_t *ret) {
        bool negative = peek(x) == '-';
        int64_t v = 0;
        int r;

        if (negative || peek(x) == '+')
                x->pos++;
        size_t start = x->pos;
        r = scan_digits(x);
        if (r < 0)
                return r;
        for (size_t i = start; i < x->pos; i++)
                if (v < INT64_MAX / 100)
                        v = v * 10 + (x->s[i] - '0');
        *ret = negative ? -v : v;
        return 0;
}

static int scan_number(Scanner *x) {
        bool negative = peek(x) == '-', integer = true;
        int64_t exponent = 0;
        size_t start, end;
        int r;

        if (negative)
                x->pos++;
        start = x->pos;
        if (peek(x) == '0') {
                x->pos++;
                if (is_digit(peek(x)))
                        return fail(x, "a number begins with 0");
        } else {
                r = scan_digits(x);
                if (r < 0)
                        return r;
        }
        if (peek(x) == '.') {
                integer = false;
                x->pos++;
                r = scan_digits(x);
                if (r < 0)
                        return r;
        }
        end = x->pos;
        if (peek(x) == 'e' || peek(x) == 'E') {
                integer = false;
                x->pos++;
                r = scan_exponent(x, &exponent);
                if (r < 0)
                        return r;
        }
        if (integer)
                return check_integer(x, start, end, negative);
        if (double_overflows(x, start, end, exponent))
                return fail_at(x, -EBADMSG, start, "the number is too large");
        return 0;
}

static int scan_literal(Scanner *x, const char *literal) {
        size_t n = strlen(literal);

        if (x->len - x->pos < n || memcmp(x->s + x->pos, literal, n) != 0)
                return fail(x, "a value is expected");
        x->pos += n;
        return 0;
}

static int name_compare(const void *a, const void *b, void *userdata) {
        const Name *l = a, *m = b;
        const Scanner *x = userdata;
        size_t n = MIN(l->len, m->len);
        int r = n > 0 ? memcmp(x->text.data + l->start, x->text.data + m->start, n) : 0;

        if (r != 0)
                return r;
        return l->len < m->len ? -1 : l->len > m->len;
}

/* Sorts the names of an object that is closing: n log n, where comparing each with each would let 10,000
 * members cost 50 million comparisons, and a hash table would want a secret against chosen collisions. */
static int check_duplicates(Scanner *x, size_t names_start) {
        size_t n = (x->names.len - names_start) / sizeof(Name);
        Name *names;

        if (n < 2)
                return 0;
        /* Aligned: malloc's, and multiples of Name. */
        names = (Name *) (void *) (x->names.data + names_start);
        qsort_r(names, n, sizeof(Name), name_compare, x);
        for (size_t i = 1; i < n; i++)
                if (name_compare(&names[i - 1], &names[i], x) == 0)
                        return fail_at(x, -EBADMSG, MAX(names[i - 1].offset, names[i].offset),
                                       "duplicate name");
        return 0;
}

static int scan_name(Scanner *x) {
        static const char *const forbidden[] = { "__proto__", "constructor", "prototype" };
        Name name = { .start = x->text.len, .offset = x->pos };
        int r;

        if (peek(x) != '"')
                return fail(x, "a name is expected");
        r = scan_string(x, &x->text);
        if (r < 0)
                return r;
        name.len = x->text.len - name.start;
        for (size_t i = 0; i < ELEMENTSOF(forbidden); i++)
                if (name.len == strlen(forbidden[i]) &&
                    memcmp(x->text.data + name.start, forbidden[i], name.len) == 0)
                        return fail_at(x, -EBADMSG, name.offset, "this name is not allowed");
        r = buffer_append(&x->names, &name, sizeof(name));
        return r < 0 ? out_of_memory(x, -ENOMEM) : 0;
}

static int scan_value(Scanner *x);

static int scan_member(Scanner *x) {
        int r;

        skip_space(x);
        r = scan_name(x);
        if (r < 0)
                return r;
        skip_space(x);
        if (peek(x) != ':')
                return fail(x, "':' is expected");
        x->pos++;
        return scan_value(x);
}

/* At the opening bracket. */
static int scan_container(Scanner *x, bool object) {
        int (*scan_element)(Scanner *x) = object ? scan_member : scan_value;
        char end = object ? '}' : ']';
        int r;

        if (x->depth >= x->max_depth)
                return fail_at(x, -E2BIG, x->pos, "too deep");
        x->depth++;
        x->pos++;
        skip_space(x);
        if (peek(x) == end)
                x->pos++;
        else
                for (;;) {
                        r = scan_element(x);
                        if (r < 0)
                                return r;
                        skip_space(x);
                        if (peek(x) == end) {
                                x->pos++;
                                break;
                        }
                        if (peek(x) != ',')
                                return fail(x, object ? "',' or '}' is expected" : "',' or ']' is expected");
                        x->pos++;
                }
        x->depth--;
        return 0;
}

static int scan_object(Scanner *x) {
        size_t text_start = x->text.len, names_start = x->names.len;
        int r;

        r = scan_container(x, true);
        if (r < 0)
                return r;
        r = check_duplicates(x, names_start);
        x->text.len = text_start;
        x->names.len = names_start;
        return r;
}

/* Recursion is bounded by max_depth. */
static int scan_value(Scanner *x) {
        skip_space(x);
        if (x->max_items > 0 && x->items >= x->max_items)
                return fail_at(x, -E2BIG, x->pos, "too many values");
        x->items++;
        switch (peek(x)) {
        case '{':
                return scan_object(x);
        case '[':
                return scan_container(x, false);
        case '"':
                return scan_string(x, NULL);
        case 't':
                return scan_literal(x, "true");
        case 'f':
                return scan_literal(x, "false");
        case 'n':
                return scan_literal(x, "null");
        case '-':
        case '0' ... '9':
                return scan_number(x);
        default:
                return fail(x, "a value is expected");
        }
}

int json_scan(const char *s, size_t len, unsigned max_depth, size_t max_items, size_t *ret_offset,
              const char **ret_reason) {
        Scanner x = {
                .s = (const uint8_t *) s,
                .len = len,
                .max_depth = max_depth,
                .max_items = max_items,
        };
        int r;

        r = scan_value(&x);
        if (r >= 0) {
                skip_space(&x);
                if (x.pos < x.len)
                        r = fail(&x, "bytes behind the value");
        }
        buffer_done(&x.text);
        buffer_done(&x.names);
        if (r < 0) {
                *ret_offset = x.reason_offset;
                *ret_reason = x.reason;
        }
        return r;
}
