/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"

/* Keys and token seeds pass through here: digits are mapped by arithmetic, not by tables indexed with
 * secrets. */

void hex_encode(const void *data, size_t len, char *ret) {
        const uint8_t *p = data;

        for (size_t i = 0; i < len; i++)
                for (unsigned j = 0; j < 2; j++) {
                        unsigned digit = j == 0 ? p[i] >> 4 : p[i] & 15U;

                        ret[2 * i + j] = (char) ('0' + digit + (((9U - digit) >> 8) & ('a' - '0' - 10)));
                }
        ret[2 * len] = 0;
}

/* All bits set when lo <= c <= hi, otherwise 0; all three below 256. */
static unsigned in_range(unsigned c, unsigned lo, unsigned hi) {
        return (((lo - 1 - c) & (c - hi - 1)) >> 16 & 1U) ? ~0U : 0;
}

/* 0…15, or a value with bit 8 set. */
static unsigned hex_digit_secret(char ch) {
        unsigned c = (uint8_t) ch;
        unsigned digit = in_range(c, '0', '9'), letter = in_range(c, 'a', 'f');

        return (digit & (c - '0')) | (letter & (c - 'a' + 10)) | (~(digit | letter) & 0x100);
}

int hex_digit(char c) {
        if (c >= 'A' && c <= 'F')
                c = (char) (c - 'A' + 'a');
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= '0' && c <= '9' ? c - '0' : -1;
}

int hex_decode(const char *s, void *ret, size_t len) {
        uint8_t *p = ret;

        if (strlen(s) / 2 != len || strlen(s) % 2 != 0)
                return -EINVAL;
        for (size_t i = 0; i < len; i++)
                if ((hex_digit_secret(s[2 * i]) | hex_digit_secret(s[2 * i + 1])) & 0x100)
                        return -EINVAL;
        for (size_t i = 0; i < len; i++)
                p[i] = (uint8_t) (hex_digit_secret(s[2 * i]) << 4 | hex_digit_secret(s[2 * i + 1]));
        return 0;
}

typedef struct Alphabet {
        char c62, c63;
} Alphabet;

static const Alphabet alphabet_std = { '+', '/' }, alphabet_url = { '-', '_' };

static char b64_char(const Alphabet *a, unsigned v) {
        unsigned c;

        c = (in_range(v + 1, 1, 26) & ('A' + v)) | (in_range(v + 1, 27, 52) & ('a' + v - 26)) |
            (in_range(v + 1, 53, 62) & ('0' + v - 52)) | (in_range(v + 1, 63, 63) & (uint8_t) a->c62) |
            (in_range(v + 1, 64, 64) & (uint8_t) a->c63);
        return (char) (uint8_t) c;
}

/* 0…63, or a value with bit 8 set. */
static unsigned b64_digit(const Alphabet *a, char ch) {
        unsigned c = (uint8_t) ch, c62 = (uint8_t) a->c62, c63 = (uint8_t) a->c63;
        unsigned upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z'), digit = in_range(c, '0', '9');
        unsigned is62 = in_range(c, c62, c62), is63 = in_range(c, c63, c63);

        return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) | (is62 & 62) |
               (is63 & 63) | (~(upper | lower | digit | is62 | is63) & 0x100);
}

/* Without padding; returns the number of characters. */
static size_t encode(const Alphabet *a, const uint8_t *p, size_t len, char *ret) {
        size_t n = 0, i = 0;

        for (; i + 2 < len; i += 3) {
                unsigned v = (unsigned) p[i] << 16 | (unsigned) p[i + 1] << 8 | p[i + 2];

                for (unsigned shift = 18; shift <= 18; shift -= 6)
                        ret[n++] = b64_char(a, (v >> shift) & 63);
        }
        if (i < len) {
                unsigned v = (unsigned) p[i] << 16 | (i + 1 < len ? (unsigned) p[i + 1] << 8 : 0);

                ret[n++] = b64_char(a, (v >> 18) & 63);
                ret[n++] = b64_char(a, (v >> 12) & 63);
                if (i + 1 < len)
                        ret[n++] = b64_char(a, (v >> 6) & 63);
        }
        ret[n] = 0;
        return n;
}

/* Characters without padding; ret has room for len * 3 / 4 bytes. */
static int decode(const Alphabet *a, const char *s, size_t len, uint8_t *ret) {
        unsigned v = 0, bits = 0;
        size_t n = 0;

        if (len % 4 == 1)
                return -EINVAL;
        for (size_t i = 0; i < len; i++) {
                unsigned digit = b64_digit(a, s[i]);

                if (digit & 0x100)
                        return -EINVAL;
                v = (v << 6 | digit) & 0xFFFF;
                bits += 6;
                if (bits >= 8) {
                        bits -= 8;
                        ret[n++] = (uint8_t) (v >> bits);
                }
        }
        /* Bits that no byte takes must be 0, or two texts would mean the same bytes. */
        return (v & ((1U << bits) - 1)) == 0 ? 0 : -EINVAL;
}

int b64url_encode(const void *data, size_t len, char **ret) {
        char *s;

        if (len > SIZE_MAX / 2)
                return -ENOMEM;
        s = malloc(B64_SIZE(len));
        if (!s)
                return -ENOMEM;
        (void) encode(&alphabet_url, data, len, s);
        *ret = s;
        return 0;
}

int b64url_decode(const char *s, size_t s_len, uint8_t **ret, size_t *ret_len) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t len = s_len / 4 * 3 + (s_len % 4) * 3 / 4;
        int r;

        data = malloc(len + 1);
        if (!data)
                return -ENOMEM;
        r = decode(&alphabet_url, s, s_len, data);
        if (r < 0) {
                explicit_bzero(data, len);
                return r;
        }
        data[len] = 0;
        *ret = TAKE(data);
        *ret_len = len;
        return 0;
}

int b64url_decode_exact(const char *s, void *ret, size_t len) {
        if (strlen(s) != len / 3 * 4 + (len % 3 * 4 + 2) / 3)
                return -EINVAL;
        return decode(&alphabet_url, s, strlen(s), ret);
}

void b64_encode(const void *data, size_t len, char *ret) {
        size_t n = encode(&alphabet_std, data, len, ret);

        while (n % 4 != 0)
                ret[n++] = '=';
        ret[n] = 0;
}

int b64_decode_exact(const char *s, void *ret, size_t len) {
        size_t digits = len / 3 * 4 + (len % 3 * 4 + 2) / 3;

        if (strlen(s) != B64_SIZE(len) - 1)
                return -EINVAL;
        for (size_t i = digits; i < B64_SIZE(len) - 1; i++)
                if (s[i] != '=')
                        return -EINVAL;
        return decode(&alphabet_std, s, digits, ret);
}
