/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>

#include "ctl/output.h"

static void add_row(Table *t, const char *const *cells, size_t n) {
        for (size_t i = 0; i < n; i++)
                assert_int_equal(table_add(t, cells[i], i == 2 ? COLOR_GOOD : COLOR_NONE), 0);
}

static Table *sample(void) {
        static const char *const rows[][3] = {
                { "NAME", "BYTES", "STATE" },
                { "b1", "12", "up" },
                { "spoke/上海", "123456", "down" },
                { "a rather long name of a node", "", NULL },
        };
        Table *t;

        assert_int_equal(table_new(3, &t), 0);
        table_align_right(t, 1);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                add_row(t, rows[i], 3);
        return t;
}

static void expect_table(const Table *t, const TableStyle *style, const char *expected) {
        _cleanup_buffer_ Buffer b = { 0 };

        assert_int_equal(table_format(t, style, &b), 0);
        assert_string_equal((char *) b.data, expected);
}

static void test_table(void **state) {
        _cleanup_(table_freep) Table *t = sample();

        assert_int_equal(table_rows(t), 4);
        /* The Chinese characters are two columns wide each. */
        expect_table(t, &(TableStyle) { .legend = true },
                     "NAME                          BYTES STATE\n"
                     "b1                               12 up\n"
                     "spoke/上海                   123456 down\n"
                     "a rather long name of a node      - -\n");
        expect_table(t, &(TableStyle) { .legend = false },
                     "b1                               12 up\n"
                     "spoke/上海                   123456 down\n"
                     "a rather long name of a node      - -\n");
}

static void test_table_fits(void **state) {
        _cleanup_(table_freep) Table *t = sample();

        expect_table(t, &(TableStyle) { .legend = true, .width = 25 },
                     "NAME          BYTES STATE\n"
                     "b1               12 up\n"
                     "spoke/上海   123456 down\n"
                     "a rather lo…      - -\n");
        /* Columns are not cut below eight, whatever the terminal. */
        expect_table(t, &(TableStyle) { .legend = true, .width = 5 },
                     "NAME      BYTES STATE\n"
                     "b1           12 up\n"
                     "spoke/…  123456 down\n"
                     "a rathe…      - -\n");
}

static void test_table_color(void **state) {
        _cleanup_(table_freep) Table *t;

        assert_int_equal(table_new(2, &t), 0);
        assert_int_equal(table_add(t, "A", COLOR_NONE), 0);
        assert_int_equal(table_add(t, "B", COLOR_NONE), 0);
        assert_int_equal(table_add(t, "good", COLOR_GOOD), 0);
        assert_int_equal(table_add(t, "bad", COLOR_BAD), 0);
        expect_table(t, &(TableStyle) { .legend = true, .color = true },
                     "\033[4mA    B\033[0m\n\033[0;32mgood\033[0m \033[0;1;31mbad\033[0m\n");
}

/* SECURITY.md C14: what others named themselves does not drive the terminal. */
static void test_escape(void **state) {
        _cleanup_(table_freep) Table *t;

        assert_int_equal(table_new(1, &t), 0);
        assert_int_equal(table_add(t, "N", COLOR_NONE), 0);
        assert_int_equal(table_add(t, "a\033[31mb\nc\x7f\xc2\x9b", COLOR_NONE), 0);
        expect_table(t, &(TableStyle) { .legend = false }, "a\\x1b[31mb\\x0ac\\x7f\\xc2\\x9b\n");
}

static void test_json(void **state) {
        _cleanup_json_ json_object *o = NULL;
        _cleanup_buffer_ Buffer s = { 0 }, p = { 0 };
        static const char text[] = "{\"name\":\"a\\u001b\xc2\x9b\x7f\xc3\xa9\",\"list\":[1,2]}";

        assert_int_equal(json_parse(text, sizeof(text) - 1, 0, NULL, &o), 0);
        assert_int_equal(json_output(o, JSON_SHORT, &s), 0);
        assert_string_equal((char *) s.data,
                            "{\"name\":\"a\\u001b\\u009b\\u007f\xc3\xa9\",\"list\":[1,2]}\n");
        assert_int_equal(json_output(o, JSON_PRETTY, &p), 0);
        assert_non_null(strstr((char *) p.data, "\n  \"list\""));
        assert_null(strstr((char *) p.data, "\xc2\x9b"));
        assert_int_equal(p.data[p.len - 1], '\n');
}

static void test_ellipsize(void **state) {
        static const struct {
                const char *text;
                size_t width;
                const char *expected;
        } cases[] = {
                { "abc", 3, "abc" },
                { "abcd", 3, "ab…" },
                { "上海北京", 8, "上海北京" },
                { "上海北京", 7, "上海北…" },
                { "上海", 3, "上…" },
                { "上海", 2, "…" },
                { "abc", 1, "…" },
                { "abc", 0, "" },
                { "", 0, "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *s = text_ellipsize(cases[i].text, cases[i].width);

                assert_string_equal(s, cases[i].expected);
                assert_true(text_width(s) <= cases[i].width);
        }
}

static void test_units(void **state) {
        char s[SHORT_TEXT_MAX];

        assert_string_equal(bytes_format(0, s), "0 B");
        assert_string_equal(bytes_format(1023, s), "1023 B");
        assert_string_equal(bytes_format(1024, s), "1.0 KiB");
        assert_string_equal(bytes_format(UINT64_MAX, s), "16.0 EiB");
        assert_string_equal(span_format(0, s), "0s");
        assert_string_equal(span_format(59 * USEC_PER_SEC, s), "59s");
        assert_string_equal(span_format(60 * USEC_PER_SEC, s), "1min");
        assert_string_equal(span_format(3725 * USEC_PER_SEC, s), "1h 2min");
        assert_string_equal(span_format(90000 * USEC_PER_SEC, s), "1d 1h");
        assert_true(strlen(span_format(UINT64_MAX, s)) < SHORT_TEXT_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),       cmocka_unit_test(test_table_fits),
                cmocka_unit_test(test_table_color), cmocka_unit_test(test_escape),
                cmocka_unit_test(test_json),        cmocka_unit_test(test_ellipsize),
                cmocka_unit_test(test_units),
        };

        if (!setlocale(LC_CTYPE, "C.UTF-8")) {
                print_message("[  SKIP  ] needs the locale C.UTF-8\n");
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
