/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "json/json.h"
#include "json/scan.h"

#define TEXT(s) s, sizeof(s) - 1

static int scan(const char *s, size_t len) {
        const char *reason = NULL;
        size_t offset = SIZE_MAX;
        int r = json_scan(s, len, JSON_DEPTH_MAX, JSON_ITEMS_MAX, &offset, &reason);

        if (r < 0) {
                assert_non_null(reason);
                assert_true(offset <= len);
        }
        return r;
}

static void test_scan_good(void **state) {
        static const char *const good[] = {
                "0",
                "-0",
                "-1",
                "1.5",
                "1e5",
                "1E+5",
                "1e-5",
                "0.0",
                "0e999999999999999999999",
                "1e-999999999999999999999",
                "\"\"",
                "true",
                "false",
                "null",
                " \t\r\n{} \n",
                "[]",
                "[1,2]",
                "[ 1 , 2 ]",
                "{\"a\":1,\"b\":{\"a\":1}}",
                "[{\"a\":1},{\"a\":1}]",
                "{\"\":1,\"a\":2}",
                "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
                "\"\\ud83d\\ude00\"",
                "\"\xf0\x9f\x98\x80\"",
                "\"\xc2\x80\"",
                "\"\x7f\"",
                "9223372036854775807",
                "-9223372036854775808",
                "18446744073709551615",
                "1.7976931348623157e308",
                "-1.7976931348623157e+308",
                "1.7976931348623158e308",
                "17976931348623157.0e292",
                "0.00017976931348623157e312",
                "4.9e-324",
                "{\"__proto\":1,\"proto__\":2}",
                "[\"__proto__\"]",
                "{\"ab\":1,\"abc\":2,\"a\":3}",
                "{\"\\u0061b\":1,\"a\":2}",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                assert_int_equal(scan(good[i], strlen(good[i])), 0);
}

static const struct {
        const char *s;
        size_t len, offset;
} refused[] = {
        { TEXT(""), 0 },
        { TEXT(" "), 1 },
        { TEXT("{\"role\":\"user\",\"role\":\"admin\"}"), 15 },
        { TEXT("{\"role\":1,\"\\u0072ole\":2}"), 10 },
        { TEXT("{\"x\":{\"a\":1,\"b\":2,\"a\":3}}"), 18 },
        { TEXT("{\"a\":[{\"a\":1}],\"a\":2}"), 15 },
        { TEXT("{\"\":1,\"\":2}"), 6 },
        { TEXT("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"), 18 },
        { TEXT("NaN"), 0 },
        { TEXT("[NaN]"), 1 },
        { TEXT("Infinity"), 0 },
        { TEXT("-Infinity"), 1 },
        { TEXT("'a'"), 0 },
        { TEXT("{'a':1}"), 1 },
        { TEXT("{a:1}"), 1 },
        { TEXT("\"a\nb\""), 2 },
        { TEXT("\"a\x1f\""), 2 },
        { TEXT("\"a\0b\""), 2 },
        { TEXT("{}\0"), 2 },
        { TEXT("\"\\u0000\""), 3 },
        { TEXT("{\"\\u0000\":1}"), 4 },
        { TEXT("\"\\ud800\""), 3 },
        { TEXT("\"\\ud800x\""), 3 },
        { TEXT("\"\\ud800\\n\""), 3 },
        { TEXT("\"\\ud800\\ud800\""), 3 },
        { TEXT("\"\\ud800\\u0041\""), 3 },
        { TEXT("\"\\udc00\""), 3 },
        { TEXT("\"\\ud800\\"), 3 },
        { TEXT("\"\\u12\""), 5 },
        { TEXT("\"\\u12g4\""), 5 },
        { TEXT("\"\\x41\""), 2 },
        { TEXT("\"\\"), 2 },
        { TEXT("\"\\\0\""), 2 },
        { TEXT("\"abc"), 4 },
        { TEXT("\"\x80\""), 1 },
        { TEXT("\"\xc0\x80\""), 1 },
        { TEXT("\"\xed\xa0\x80\""), 1 },
        { TEXT("\"\xf4\x90\x80\x80\""), 1 },
        { TEXT("\"\xe2\x82"), 1 },
        { TEXT("\xef\xbb\xbf{}"), 0 },
        { TEXT("01"), 1 },
        { TEXT("-01"), 2 },
        { TEXT("+1"), 0 },
        { TEXT(".5"), 0 },
        { TEXT("1."), 2 },
        { TEXT("1.e5"), 2 },
        { TEXT("1e"), 2 },
        { TEXT("1e+"), 3 },
        { TEXT("-"), 1 },
        { TEXT("0x10"), 1 },
        { TEXT("1_000"), 1 },
        { TEXT("18446744073709551616"), 0 },
        { TEXT("-9223372036854775809"), 1 },
        { TEXT("100000000000000000000000"), 0 },
        { TEXT("1.8e308"), 0 },
        { TEXT("1.7976931348623159e308"), 0 },
        { TEXT("[1e309]"), 1 },
        { TEXT("-1e400"), 1 },
        { TEXT("1e99999999999999999999999999"), 0 },
        { TEXT("0.0001e400"), 0 },
        { TEXT("tru"), 0 },
        { TEXT("True"), 0 },
        { TEXT("nul"), 0 },
        { TEXT("truex"), 4 },
        { TEXT("{} {}"), 3 },
        { TEXT("[1,]"), 3 },
        { TEXT("[,1]"), 1 },
        { TEXT("[1 2]"), 3 },
        { TEXT("[1"), 2 },
        { TEXT("["), 1 },
        { TEXT("]"), 0 },
        { TEXT("{\"a\":1,}"), 7 },
        { TEXT("{\"a\"}"), 4 },
        { TEXT("{\"a\":}"), 5 },
        { TEXT("{\"a\" 1}"), 5 },
        { TEXT("{\"a\":1"), 6 },
        { TEXT("{1:2}"), 1 },
        { TEXT("[1}"), 2 },
        { TEXT("{\"a\":1]"), 6 },
        { TEXT("/* c */ 1"), 0 },
        { TEXT("1 // c"), 2 },
        { TEXT("\xc2\xa0"
               "1"),
          0 },
        { TEXT("{\"__proto__\":1}"), 1 },
        { TEXT("{\"\\u005f_proto__\":1}"), 1 },
        { TEXT("{\"constructor\":1}"), 1 },
        { TEXT("[{\"prototype\":1}]"), 2 },
};

static void test_scan_refused(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                const char *reason = NULL;
                size_t offset = SIZE_MAX;
                int r = json_scan(refused[i].s, refused[i].len, JSON_DEPTH_MAX, 0, &offset, &reason);

                if (r != -EBADMSG || offset != refused[i].offset)
                        fail_msg("%s: %d at %zu (%s)", refused[i].s, r, offset,
                                 reason ? reason : "accepted");
        }
}

/* The scanner's limit of doubles is strtod()'s. */
static void test_scan_doubles(void **state) {
        static const char *const mantissas[] = { "1.7976931348623157",
                                                 "1.79769313486231580793728971405303415079934132",
                                                 "1.79769313486231580793728971405303415079934133",
                                                 "1.7976931348623158079",
                                                 "1.797693134862315808",
                                                 "9.99999",
                                                 "1",
                                                 "0.00000000000000000000179",
                                                 "179769313486" };
        char s[1024];

        for (size_t i = 0; i < ELEMENTSOF(mantissas); i++)
                for (int e = 280; e < 340; e++) {
                        double v;

                        (void) snprintf(s, sizeof(s), "%se%d", mantissas[i], e);
                        v = strtod(s, NULL);
                        assert_int_equal(scan(s, strlen(s)), __builtin_isinf(v) ? -EBADMSG : 0);
                }
        /* Exactly half way, and one digit before and behind. */
        static const char half[] = "179769313486231580793728971405303415079934132710037826936173778980444968"
                                   "29276475094664901"
                                   "797758720709633028641669288791094655554785194040263065748867150582068190"
                                   "89020007083836762"
                                   "738548458177115317644757302700698555713669596228429148198608349364752927"
                                   "19074168444365510"
                                   "704342711559699508093042880177904174497792";

        (void) snprintf(s, sizeof(s), "%s.0", half);
        assert_true(__builtin_isinf(strtod(s, NULL)));
        assert_int_equal(scan(s, strlen(s)), -EBADMSG);
        (void) snprintf(s, sizeof(s), "%.308s1.9", half);
        assert_false(__builtin_isinf(strtod(s, NULL)));
        assert_int_equal(scan(s, strlen(s)), 0);
        (void) snprintf(s, sizeof(s), "%.308s2.1", half);
        assert_int_equal(scan(s, strlen(s)), -EBADMSG);
}

static void test_scan_limits(void **state) {
        const char *reason;
        size_t offset;
        char s[128] = "";

        memset(s, '[', 32);
        memset(s + 32, ']', 32);
        assert_int_equal(json_scan(s, 64, 32, 0, &offset, &reason), 0);
        memset(s, '[', 33);
        memset(s + 33, ']', 33);
        assert_int_equal(json_scan(s, 66, 32, 0, &offset, &reason), -E2BIG);
        assert_int_equal(offset, 32);
        memset(s, '[', sizeof(s));
        assert_int_equal(json_scan(s, sizeof(s), 32, 0, &offset, &reason), -E2BIG);
        assert_int_equal(json_scan(TEXT("[1,2]"), 32, 3, &offset, &reason), 0);
        assert_int_equal(json_scan(TEXT("[1,2]"), 32, 2, &offset, &reason), -E2BIG);
        assert_int_equal(offset, 3);
        assert_int_equal(json_scan(TEXT("1"), 0, 1, &offset, &reason), 0);
}

static double seconds(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static double scan_members(unsigned n) {
        _cleanup_buffer_ Buffer b = { 0 };
        double start;

        assert_int_equal(buffer_append_str(&b, "{"), 0);
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(buffer_appendf(&b, "%s\"a-long-common-beginning-%u\":1", i > 0 ? "," : "",
                                                n - i),
                                 0);
        assert_int_equal(buffer_append_str(&b, "}"), 0);
        start = seconds();
        const char *reason;
        size_t offset;

        assert_int_equal(json_scan((char *) b.data, b.len, 32, 0, &offset, &reason), 0);
        return seconds() - start;
}

/* Each with each would be 100 times the time for 10 times the members. */
static void test_scan_many_members(void **state) {
        double small = 1, large = 1;

        for (unsigned i = 0; i < 5; i++) {
                small = MIN(small, scan_members(10000));
                large = MIN(large, scan_members(100000));
        }
        if (large > small * 40)
                fail_msg("10,000 members: %f s, 100,000: %f s", small, large);
}

static void test_parse(void **state) {
        static const char *const texts[] = { "0",
                                             "-0",
                                             "1",
                                             "-5",
                                             "18446744073709551615",
                                             "-9223372036854775808",
                                             "1.5",
                                             "1e-400",
                                             "\"a/b\"",
                                             "\"\\u007f\\n\"",
                                             "null",
                                             "true",
                                             "[]",
                                             "{}",
                                             "{\"b\":[1,null,{\"c\":\"\\ud83d\\ude00\"}],\"a\":false}",
                                             " 42 " };
        JsonError error = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_json_ json_object *o = NULL, *again = NULL;
                _cleanup_free_ char *s = NULL, *pretty = NULL, *t = NULL;
                size_t len, len2;

                assert_int_equal(json_parse(texts[i], strlen(texts[i]), 0, &error, &o), 0);
                s = json_format(o, &len);
                assert_int_equal(strlen(s), len);
                assert_int_equal(json_parse(s, len, 0, &error, &again), 0);
                assert_true(json_object_equal(o, again));
                t = json_format(again, &len2);
                assert_string_equal(s, t);
                pretty = json_format_pretty(o);
                json_object_put(TAKE(again));
                assert_int_equal(json_parse(pretty, strlen(pretty), 0, NULL, &again), 0);
                assert_true(json_object_equal(o, again));
        }
        json_object *o = (json_object *) &error;

        assert_int_equal(json_parse(TEXT("{\"a\":1,\"a\":2}"), 0, &error, &o), -EBADMSG);
        assert_int_equal(error.offset, 7);
        assert_string_equal(error.reason, "duplicate name");
        assert_ptr_equal(o, &error);
        assert_int_equal(json_parse(TEXT("1"), 0, NULL, &o), 0);
        json_object_put(o);
        assert_int_equal(json_parse("12", 1, 0, NULL, &o), 0); /* no NUL behind the text */
        assert_int_equal(json_object_get_int(o), 1);
        json_object_put(o);
}

static void test_parse_limits(void **state) {
        _cleanup_buffer_ Buffer b = { 0 };
        _cleanup_json_ json_object *o = NULL, *p = NULL;

        assert_int_equal(buffer_append_str(&b, "[1"), 0);
        for (unsigned i = 2; i < JSON_ITEMS_MAX; i++)
                assert_int_equal(buffer_append_str(&b, ",1"), 0);
        assert_int_equal(buffer_append_str(&b, "]"), 0);
        assert_int_equal(json_parse((char *) b.data, b.len, 0, NULL, &o), 0);
        b.len--;
        assert_int_equal(buffer_append_str(&b, ",1]"), 0);
        assert_int_equal(json_parse((char *) b.data, b.len, 0, NULL, &p), -E2BIG);
        assert_int_equal(json_parse((char *) b.data, b.len, JSON_TRUSTED_SIZE, NULL, &p), 0);
        assert_int_equal(json_parse(NULL, SIZE_MAX, 0, NULL, &p), -E2BIG);

        char s[64];

        memset(s, '[', 32);
        memset(s + 32, ']', 32);
        json_object_put(TAKE(o));
        assert_int_equal(json_parse(s, 64, 0, NULL, &o), 0);
}

static void test_builders(void **state) {
        _cleanup_json_ json_object *o = json_object_new_object();
        char *strings[] = { (char *) "a", (char *) "b/c", NULL }, *bad[] = { (char *) "\xff", NULL };
        _cleanup_free_ char *s = NULL, *pretty = NULL;
        json_object *array = json_object_new_array();

        assert_int_equal(json_add_string(o, "s", "x"), 0);
        assert_int_equal(json_add_string(o, "n", NULL), 0);
        assert_int_equal(json_add_string(o, "bad", "\xff"), -EINVAL);
        assert_int_equal(json_add_u64(o, "u", UINT64_MAX), 0);
        assert_int_equal(json_add_bool(o, "b", true), 0);
        assert_int_equal(json_add_b64url(o, "k", "\xff\xfe", 2), 0);
        assert_int_equal(json_add_strv(o, "l", strings), 0);
        assert_int_equal(json_add_strv(o, "bad", bad), -EINVAL);
        assert_int_equal(json_add_strv(o, "e", NULL), 0);
        assert_int_equal(json_append(array, json_object_new_int(1)), 0);
        assert_int_equal(json_add(o, "a", array), 0);
        s = json_format(o, NULL);
        assert_string_equal(s, "{\"s\":\"x\",\"n\":null,\"u\":18446744073709551615,\"b\":true,\"k\":\"__4\","
                               "\"l\":[\"a\",\"b/c\"],\"e\":[],\"a\":[1]}");
        pretty = json_format_pretty(array);
        assert_string_equal(pretty, "[\n  1\n]");
        assert_int_equal(json_add(NULL, "a", json_object_new_object()), -ENOMEM);
        assert_int_equal(json_append(NULL, json_object_new_object()), -ENOMEM);
}

typedef struct Target {
        const char *s;
        uint64_t u;
        bool b;
        json_object *object, *array, *any;
        char **strv;
        uint8_t key[32], signature[64];
} Target;

static const JsonField fields[] = {
        { "s", JSON_FIELD_STRING, offsetof(Target, s), JSON_REQUIRED },
        { "u", JSON_FIELD_U64, offsetof(Target, u), 0 },
        { "b", JSON_FIELD_BOOL, offsetof(Target, b), JSON_NULLABLE },
        { "object", JSON_FIELD_OBJECT, offsetof(Target, object), 0 },
        { "array", JSON_FIELD_ARRAY, offsetof(Target, array), 0 },
        { "any", JSON_FIELD_ANY, offsetof(Target, any), 0 },
        { "strv", JSON_FIELD_STRV, offsetof(Target, strv), 0 },
        { "key", JSON_FIELD_B64URL_32, offsetof(Target, key), 0 },
        { "signature", JSON_FIELD_B64URL_64, offsetof(Target, signature), 0 },
        { "must", JSON_FIELD_U64, offsetof(Target, u), JSON_REQUIRED | JSON_NULLABLE },
};

static int dispatch(const char *text, bool allow_unknown, size_t n_fields, Target *t, json_object **o,
                    const char **field) {
        json_object_put(TAKE(*o));
        assert_int_equal(json_parse(text, strlen(text), 0, NULL, o), 0);
        return json_dispatch(*o, fields, n_fields, allow_unknown, t, field);
}

static void test_dispatch(void **state) {
        static const struct {
                const char *text;
                int result;
                const char *field;
        } bad[] = {
                { "{}", -ENODATA, "s" },
                { "[]", -EINVAL, "" },
                { "null", -EINVAL, "" },
                { "{\"s\":\"x\",\"other\":1}", -EBADRQC, "other" },
                { "{\"s\":1}", -EINVAL, "s" },
                { "{\"s\":null}", -EINVAL, "s" },
                { "{\"s\":\"x\",\"u\":\"1\"}", -EINVAL, "u" },
                { "{\"s\":\"x\",\"u\":-1}", -EINVAL, "u" },
                { "{\"s\":\"x\",\"u\":1.0}", -EINVAL, "u" },
                { "{\"s\":\"x\",\"u\":null}", -EINVAL, "u" },
                { "{\"s\":\"x\",\"u\":true}", -EINVAL, "u" },
                { "{\"s\":\"x\",\"b\":1}", -EINVAL, "b" },
                { "{\"s\":\"x\",\"b\":\"true\"}", -EINVAL, "b" },
                { "{\"s\":\"x\",\"object\":[]}", -EINVAL, "object" },
                { "{\"s\":\"x\",\"array\":{}}", -EINVAL, "array" },
                { "{\"s\":\"x\",\"strv\":[1]}", -EINVAL, "strv" },
                { "{\"s\":\"x\",\"strv\":\"a\"}", -EINVAL, "strv" },
                { "{\"s\":\"x\",\"key\":\"AAAA\"}", -EINVAL, "key" },
                { "{\"s\":\"x\",\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", -EINVAL, "key" },
                { "{\"s\":\"x\",\"key\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}", -EINVAL, "key" },
        };
        _cleanup_json_ json_object *o = NULL;
        Target t = { .u = 7, .any = (json_object *) &t };
        const char *field;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                field = NULL;
                assert_int_equal(dispatch(bad[i].text, false, 9, &t, &o, &field), bad[i].result);
                assert_string_equal(field, bad[i].field);
        }
        t.u = 7;
        assert_int_equal(dispatch("{\"s\":\"x\",\"b\":null,\"any\":null}", false, 9, &t, &o, NULL), 0);
        assert_string_equal(t.s, "x");
        assert_int_equal(t.u, 7);
        assert_null(t.any);
        assert_int_equal(dispatch("{\"s\":\"x\",\"u\":18446744073709551615,\"b\":true,\"object\":{},"
                                  "\"array\":[1],\"any\":5,"
                                  "\"strv\":[\"a\",\"b\"],\"other\":1,"
                                  "\"key\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
                                  true, 9, &t, &o, NULL),
                         0);
        assert_true(t.u == UINT64_MAX);
        assert_true(t.b);
        assert_int_equal(t.key[0], 1);
        assert_int_equal(strv_length(t.strv), 2);
        assert_int_equal(dispatch("{\"s\":\"x\",\"strv\":[]}", false, 9, &t, &o, NULL), 0);
        assert_int_equal(strv_length(t.strv), 0);
        strv_free(t.strv);

        assert_int_equal(dispatch("{\"s\":\"x\",\"must\":null}", false, 10, &t, &o, &field), -ENODATA);
        assert_string_equal(field, "must");
        assert_int_equal(dispatch("{\"s\":\"x\",\"must\":3}", false, 10, &t, &o, &field), 0);
        assert_int_equal(t.u, 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_scan_good),         cmocka_unit_test(test_scan_refused),
                cmocka_unit_test(test_scan_doubles),      cmocka_unit_test(test_scan_limits),
                cmocka_unit_test(test_scan_many_members), cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_limits),      cmocka_unit_test(test_builders),
                cmocka_unit_test(test_dispatch),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
