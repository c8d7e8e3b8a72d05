/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"

static void test_buffer(void **state) {
        _cleanup_buffer_ Buffer b = { 0 };

        assert_int_equal(buffer_append(&b, "", 0), 0);
        assert_string_equal((char *) b.data, "");
        assert_int_equal(buffer_append_str(&b, "hello"), 0);
        assert_int_equal(buffer_appendf(&b, " %d", 42), 0);
        assert_int_equal(b.len, 8);
        assert_string_equal((char *) b.data, "hello 42");
        buffer_consume(&b, 6);
        assert_string_equal((char *) b.data, "42");
        buffer_consume(&b, 2);
        assert_int_equal(b.len, 0);
        assert_string_equal((char *) b.data, "");
        for (unsigned i = 0; i < 10000; i++)
                assert_int_equal(buffer_append(&b, "0123456789", 10), 0);
        assert_int_equal(b.len, 100000);
        assert_int_equal(b.data[b.len], 0);
        assert_int_equal(buffer_reserve(&b, SIZE_MAX - 10), -EOVERFLOW);
        assert_int_equal(buffer_reserve(&b, SIZE_MAX / 2), -EOVERFLOW);
        assert_int_equal(b.len, 100000);
        buffer_wipe(&b);
        assert_null(b.data);
        assert_int_equal(b.len + b.allocated, 0);
}

static void test_array(void **state) {
        _cleanup_free_ uint32_t *items = NULL;
        size_t allocated = 0;

        for (size_t i = 0; i < 1000; i++) {
                assert_int_equal(array_reserve(&items, &allocated, i + 1, sizeof(*items), 8), 0);
                assert_in_range(allocated, MAX(i + 1, (size_t) 8), MAX(2 * i, (size_t) 8));
                items[i] = (uint32_t) i;
        }
        for (size_t i = 0; i < 1000; i++)
                assert_int_equal(items[i], i);
        assert_int_equal(array_reserve(&items, &allocated, SIZE_MAX, sizeof(*items), 8), -ENOMEM);
        assert_int_equal(allocated, 1024);
}

static void test_hex_digit(void **state) {
        static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

        for (int c = -128; c < 128; c++) {
                const char *at = c != 0 ? strchr(digits, c) : NULL, *up = c != 0 ? strchr(upper, c) : NULL;
                int wanted = at ? (int) (at - digits) : up ? (int) (up - upper) : -1;

                assert_int_equal(hex_digit((char) c), wanted);
        }
}

static void test_hex(void **state) {
        const uint8_t bytes[] = { 0x00, 0x09, 0x0a, 0x9f, 0xa0, 0xff };
        uint8_t back[6];
        char text[13];

        hex_encode(bytes, sizeof(bytes), text);
        assert_string_equal(text, "00090a9fa0ff");
        assert_int_equal(hex_decode(text, back, sizeof(back)), 0);
        assert_memory_equal(bytes, back, sizeof(back));
        for (unsigned c = 1; c < 256; c++) {
                char s[3] = { (char) c, '0', 0 };
                bool good = strchr("0123456789abcdef", (int) c);

                assert_int_equal(hex_decode(s, back, 1), good ? 0 : -EINVAL);
        }
        assert_int_equal(hex_decode("00", back, 2), -EINVAL);
        assert_int_equal(hex_decode("000", back, 1), -EINVAL);
        assert_int_equal(hex_decode("", back, 0), 0);
}

/* RFC 4648 section 10, and every length with every byte. */
static void test_base64(void **state) {
        static const struct {
                const char *plain, *std, *url;
        } vectors[] = {
                { "", "", "" },
                { "f", "Zg==", "Zg" },
                { "fo", "Zm8=", "Zm8" },
                { "foo", "Zm9v", "Zm9v" },
                { "foob", "Zm9vYg==", "Zm9vYg" },
                { "fooba", "Zm9vYmE=", "Zm9vYmE" },
                { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
                { "\xfb\xff\xfe", "+//+", "-__-" },
        };

        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                _cleanup_free_ char *url = NULL;
                _cleanup_free_ uint8_t *data = NULL;
                size_t n = strlen(vectors[i].plain), len;
                char std[B64_SIZE(6)], exact[8];

                b64_encode(vectors[i].plain, n, std);
                assert_string_equal(std, vectors[i].std);
                assert_int_equal(b64_decode_exact(std, exact, n), 0);
                assert_memory_equal(exact, vectors[i].plain, n);
                assert_int_equal(b64_decode_exact(std, exact, n + 1), -EINVAL);
                assert_int_equal(b64url_encode(vectors[i].plain, n, &url), 0);
                assert_string_equal(url, vectors[i].url);
                assert_int_equal(b64url_decode(url, strlen(url), &data, &len), 0);
                assert_int_equal(len, n);
                assert_memory_equal(data, vectors[i].plain, n);
                assert_int_equal(data[len], 0);
                assert_int_equal(b64url_decode_exact(url, exact, n), 0);
                assert_int_equal(b64url_decode_exact(url, exact, n + 1), -EINVAL);
        }
}

static void test_base64_every_byte(void **state) {
        uint8_t bytes[256], back[256];

        for (unsigned i = 0; i < 256; i++)
                bytes[i] = (uint8_t) (i * 167 + 13);
        for (size_t n = 0; n <= 256; n++) {
                _cleanup_free_ char *url = NULL;
                char std[B64_SIZE(256)];

                assert_int_equal(b64url_encode(bytes, n, &url), 0);
                assert_int_equal(b64url_decode_exact(url, back, n), 0);
                assert_memory_equal(bytes, back, n);
                b64_encode(bytes, n, std);
                assert_int_equal(strlen(std), B64_SIZE(n) - 1);
                assert_int_equal(b64_decode_exact(std, back, n), 0);
                assert_memory_equal(bytes, back, n);
        }
}

static void test_base64_refused(void **state) {
        static const char *const bad_url[] = { "Z",   "Zg==", "Zg=",  "Zh",    "Zm9",      "Zm9v Yg",
                                               " Zg", "Zg\n", "+//+", "Zm9vY", "Z\xc3\xa9" };
        static const char *const bad_std[] = {
                "Zg", "Zg=", "Zg=A", "Zh==", "-g==", "Zg== ", "Z===", "===="
        };

        for (size_t i = 0; i < ELEMENTSOF(bad_url); i++) {
                uint8_t *data;
                size_t len;

                assert_int_equal(b64url_decode(bad_url[i], strlen(bad_url[i]), &data, &len), -EINVAL);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad_std); i++) {
                uint8_t byte[3];

                assert_int_equal(b64_decode_exact(bad_std[i], byte, 1), -EINVAL);
        }
        for (unsigned c = 1; c < 256; c++) {
                char s[5] = { 'A', (char) c, 'A', 'A', 0 };
                uint8_t bytes[3];
                bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                            c == '-' || c == '_';

                assert_int_equal(b64url_decode_exact(s, bytes, 3), good ? 0 : -EINVAL);
        }
}

static void test_parse_u64(void **state) {
        static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "01", "00", "0x1", "1a", "1.0" };
        uint64_t v = 7;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_u64(bad[i], UINT64_MAX, &v), -EINVAL);
        assert_int_equal(parse_u64("18446744073709551616", UINT64_MAX, &v), -ERANGE);
        assert_int_equal(parse_u64("99999999999999999999999999", UINT64_MAX, &v), -ERANGE);
        assert_int_equal(parse_u64("11", 10, &v), -ERANGE);
        assert_int_equal(v, 7);
        assert_int_equal(parse_u64("18446744073709551615", UINT64_MAX, &v), 0);
        assert_true(v == UINT64_MAX);
        assert_int_equal(parse_u64("0", 0, &v), 0);
        assert_int_equal(v, 0);
}

static void test_utf8(void **state) {
        static const char *const good[] = { "",
                                            "a",
                                            "\x7f",
                                            "\xc2\x80",
                                            "\xdf\xbf",
                                            "\xe0\xa0\x80",
                                            "\xed\x9f\xbf",
                                            "\xee\x80\x80",
                                            "\xf0\x90\x80\x80",
                                            "\xf4\x8f\xbf\xbf",
                                            "网络" };
        static const char *const bad[] = { "\x80",
                                           "\xbf",
                                           "\xc0\x80",
                                           "\xc1\xbf",
                                           "\xc2",
                                           "\xc2\x41",
                                           "\xe0\x9f\xbf",
                                           "\xed\xa0\x80",
                                           "\xed\xbf\xbf",
                                           "\xe1\x80",
                                           "\xf0\x8f\xbf\xbf",
                                           "\xf4\x90\x80\x80",
                                           "\xf5\x80\x80\x80",
                                           "\xff",
                                           "a\xe2\x82" };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_true(utf8_is_valid(good[i], strlen(good[i])));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
        assert_false(utf8_is_valid("a\0b", 3));
}

static void test_escape(void **state) {
        _cleanup_free_ char *a = str_escape("a\x1b[31m\nb"), *b = str_escape("网络 \xc2\x9b \x7f \xff");

        assert_string_equal(a, "a\\x1b[31m\\x0ab");
        assert_string_equal(b, "网络 \\xc2\\x9b \\x7f \\xff");
        assert_true(str_is_printable("网络 b1"));
        assert_false(str_is_printable("a\tb"));
        assert_false(str_is_printable("\xc2\x85"));
        assert_true(str_is_printable("\xc2\xa0"));
        assert_false(str_is_printable("\x7f"));
        assert_false(str_is_printable("hub\xe2\x80\xaegnp.exe")); /* read from right to left */
        assert_false(str_is_printable("\xe2\x80\xa8"));
        assert_false(str_is_printable("\xe2\x81\xa6"));
        assert_true(str_is_printable("\xe2\x80\xa6 \xe2\x80\x93 \xe2\x82\xac")); /* "… – €" */
        assert_true(str_is_printable("\xe2\x80"));
}

static void test_strv(void **state) {
        _cleanup_(strv_freep) char **l = NULL, **copy = NULL, **split = NULL, **none = NULL;

        assert_int_equal(strv_length(NULL), 0);
        assert_int_equal(strv_append(&l, "a"), 0);
        assert_int_equal(strv_append(&l, "b"), 0);
        assert_int_equal(strv_length(l), 2);
        assert_true(strv_contains(l, "b"));
        assert_false(strv_contains(l, "c"));
        assert_false(strv_contains(NULL, "c"));
        assert_int_equal(strv_copy(l, &copy), 0);
        assert_string_equal(copy[1], "b");
        assert_ptr_not_equal(copy[1], l[1]);
        assert_int_equal(strv_copy(NULL, &none), 0);
        assert_null(none);
        assert_int_equal(strv_split(" a, b,,c ", ", ", &split), 0);
        assert_int_equal(strv_length(split), 3);
        assert_string_equal(split[2], "c");
}

static void test_time(void **state) {
        static const char *const bad[] = { "",
                                           "2026-11-22",
                                           "2026-11-22T07:42:37",
                                           "2026-11-22T07:42:37+00:00",
                                           "2026-11-22t07:42:37z",
                                           "2026-02-29T00:00:00Z",
                                           "2026-04-31T00:00:00Z",
                                           "2026-13-01T00:00:00Z",
                                           "2026-00-01T00:00:00Z",
                                           "2026-01-00T00:00:00Z",
                                           "2026-01-01T24:00:00Z",
                                           "2026-01-01T00:60:00Z",
                                           "2026-01-01T00:00:60Z",
                                           "1969-12-31T23:59:59Z",
                                           "2026-11-22T07:42:37.5Z",
                                           " 026-11-22T07:42:37Z",
                                           "2026-11-22T07:42:37Z " };
        char buf[TIME_STRING_MAX];
        uint64_t v;

        assert_int_equal(time_parse("2026-11-22T07:42:37Z", &v), 0);
        assert_int_equal(v, UINT64_C(1795333357) * USEC_PER_SEC);
        assert_string_equal(time_format(v, buf), "2026-11-22T07:42:37Z");
        assert_string_equal(time_format(v + 999999, buf), "2026-11-22T07:42:37Z");
        assert_int_equal(time_parse("2024-02-29T23:59:59Z", &v), 0);
        assert_string_equal(time_format(0, buf), "");
        assert_string_equal(time_format(UINT64_MAX, buf), "9999-12-31T23:59:59Z");
        assert_int_equal(time_parse(buf, &v), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(time_parse(bad[i], &v), -EINVAL);
        assert_true(now_realtime_usec() > UINT64_C(1700000000) * USEC_PER_SEC);
        assert_true(now_monotonic_usec() > 0);
}

static void test_timespan(void **state) {
        uint64_t v;

        assert_int_equal(timespan_parse("90s", &v), 0);
        assert_int_equal(v, 90 * USEC_PER_SEC);
        assert_int_equal(timespan_parse("15min", &v), 0);
        assert_int_equal(v, 900 * USEC_PER_SEC);
        assert_int_equal(timespan_parse("1h", &v), 0);
        assert_int_equal(v, 3600 * USEC_PER_SEC);
        assert_int_equal(timespan_parse("30d", &v), 0);
        assert_int_equal(v, 30 * 86400 * USEC_PER_SEC);
        assert_int_equal(timespan_parse("250ms", &v), 0);
        assert_int_equal(v, 250 * USEC_PER_MSEC);
        assert_int_equal(timespan_parse("5", &v), 0);
        assert_int_equal(v, 5 * USEC_PER_SEC);
        assert_int_equal(timespan_parse("0", &v), 0);
        assert_int_equal(timespan_parse("", &v), -EINVAL);
        assert_int_equal(timespan_parse("-1s", &v), -EINVAL);
        assert_int_equal(timespan_parse("1 s", &v), -EINVAL);
        assert_int_equal(timespan_parse("1y", &v), -EINVAL);
        assert_int_equal(timespan_parse("18446744073709551615", &v), -ERANGE);
        assert_int_equal(timespan_parse("99999999999999999999999999999s", &v), -ERANGE);
}

static void test_backoff(void **state) {
        const uint64_t draws[] = { 0, 1, UINT64_C(123456789), UINT64_MAX / 2, UINT64_MAX };

        for (size_t i = 0; i < ELEMENTSOF(draws); i++) {
                Backoff b = { .base_usec = USEC_PER_SEC, .cap_usec = 60 * USEC_PER_SEC };

                for (unsigned attempt = 0; attempt < 100; attempt++) {
                        uint64_t limit = attempt < 6 ? USEC_PER_SEC << attempt : 60 * USEC_PER_SEC;
                        uint64_t wait = backoff_next(&b, draws[i]);

                        assert_in_range(wait, USEC_PER_SEC / 2, MIN(limit, 60 * USEC_PER_SEC));
                }
                backoff_reset(&b);
                assert_in_range(backoff_next(&b, draws[i]), USEC_PER_SEC / 2, USEC_PER_SEC);
        }
        Backoff huge = { .base_usec = UINT64_MAX / 2, .cap_usec = UINT64_MAX };

        for (unsigned attempt = 0; attempt < 80; attempt++)
                assert_true(backoff_next(&huge, 5) >= UINT64_MAX / 4);
}

/* What the writer was called with last. */
static struct {
        int level, error, calls;
        char message[4096], fields[64];
} logged;

static void record(int level, int error, const char *file, int line, const char *func, const char *fields,
                   const char *message) {
        logged.level = level;
        logged.error = error;
        logged.calls++;
        (void) snprintf(logged.message, sizeof(logged.message), "%s", message);
        (void) snprintf(logged.fields, sizeof(logged.fields), "%s", fields ? fields : "");
}

static void test_log(void **state) {
        log_set_writer(record);
        errno = EEXIST;
        assert_int_equal(log_error_errno(-ENOENT, "Failed: %m"), -ENOENT);
        assert_int_equal(errno, EEXIST);
        assert_string_equal(logged.message, "Failed: No such file or directory");
        assert_int_equal(logged.level, LOG_ERR);
        assert_int_equal(log_warning_errno(EACCES, "x"), -EACCES);
        assert_int_equal(log_full_errno(LOG_ERR, 0, "x"), -EIO);
        assert_int_equal(log_full_errno(LOG_INFO, 0, "x"), 0);
        assert_int_equal(log_oom(), -ENOMEM);

        logged.calls = 0;
        log_debug("not wanted");
        assert_int_equal(logged.calls, 0);
        assert_int_equal(log_debug_errno(-EPERM, "not wanted"), -EPERM);
        assert_int_equal(logged.calls, 0);
        log_set_max_level(LOG_DEBUG);
        log_debug("wanted");
        assert_int_equal(logged.calls, 1);
        log_set_max_level(LOG_INFO);

        (void) log_fields_errno(LOG_NOTICE, 0, "SDWAN_NODE=b1", "from %s", "a\nFORGED=1\x1b[2J");
        assert_string_equal(logged.message, "from a\\x0aFORGED=1\\x1b[2J");
        assert_string_equal(logged.fields, "SDWAN_NODE=b1");
        log_info("%5000s", "long");
        assert_true(strlen(logged.message) < 4000);
        log_set_writer(NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_buffer),
                cmocka_unit_test(test_array),
                cmocka_unit_test(test_hex_digit),
                cmocka_unit_test(test_hex),
                cmocka_unit_test(test_base64),
                cmocka_unit_test(test_base64_every_byte),
                cmocka_unit_test(test_base64_refused),
                cmocka_unit_test(test_parse_u64),
                cmocka_unit_test(test_utf8),
                cmocka_unit_test(test_escape),
                cmocka_unit_test(test_strv),
                cmocka_unit_test(test_time),
                cmocka_unit_test(test_timespan),
                cmocka_unit_test(test_backoff),
                cmocka_unit_test(test_log),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
