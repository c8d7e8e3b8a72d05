/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/addr.h"
#include "base/strutil.h"
#include "base/timeutil.h"

static void require(bool condition) {
        if (!condition)
                abort();
}

/* What each of the small parsers accepts, its formatter writes so that it means the same; encodings have one
 * text only. */
static void check_addresses(const char *s) {
        char address[ADDRESS_STRING_MAX], prefix[PREFIX_STRING_MAX], endpoint[ENDPOINT_STRING_MAX];
        Address a, a2;
        Prefix p, p2;
        Endpoint e, e2;

        if (address_parse(s, &a) >= 0)
                require(address_parse(address_format(&a, address), &a2) >= 0 && address_equal(&a, &a2));
        if (prefix_parse(s, &p) >= 0) {
                require(prefix_parse(prefix_format(&p, prefix), &p2) >= 0 && prefix_equal(&p, &p2));
                require(prefix_contains(&p, &p) && prefix_contains_address(&p, &p.address));
                if (prefix_nth(&p, UINT64_C(0x123456789), &a) >= 0)
                        require(prefix_contains_address(&p, &a));
        }
        if (endpoint_parse(s, &e) >= 0)
                require(endpoint_parse(endpoint_format(&e, endpoint), &e2) >= 0 && endpoint_equal(&e, &e2));
}

static void check_encodings(const char *s) {
        _cleanup_free_ uint8_t *data = NULL;
        _cleanup_free_ char *again = NULL;
        char hex[65], std[B64_SIZE(32)];
        uint8_t bytes[32];
        size_t len;

        if (b64url_decode(s, strlen(s), &data, &len) >= 0)
                require(b64url_encode(data, len, &again) >= 0 && streq(s, again));
        if (hex_decode(s, bytes, sizeof(bytes)) >= 0) {
                hex_encode(bytes, sizeof(bytes), hex);
                require(streq(s, hex));
        }
        if (b64_decode_exact(s, bytes, sizeof(bytes)) >= 0) {
                b64_encode(bytes, sizeof(bytes), std);
                require(streq(s, std));
        }
}

static void check_texts(const char *s) {
        _cleanup_free_ char *escaped = str_escape(s);
        char time[TIME_STRING_MAX];
        uint64_t v;

        require(escaped && str_is_printable(escaped) && utf8_is_valid(escaped, strlen(escaped)));
        if (utf8_is_valid(s, strlen(s)) && str_is_printable(s))
                require(streq(s, escaped));
        if (time_parse(s, &v) >= 0 && v > 0)
                require(streq(time_format(v, time), s));
        if (timespan_parse(s, &v) >= 0)
                require(v < USEC_INFINITY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *s = strndup((const char *) data, size);

        require(s);
        check_addresses(s);
        check_encodings(s);
        check_texts(s);
        return 0;
}
