/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "httpd/h1.h"
#include "httpd/target.h"

static const H1Limits limits = {
        .max_target = 256, .max_header_bytes = 2048, .max_headers = 8, .max_body = 1000
};

static H1State feed(H1Parser *p, const void *data, size_t len) {
        H1State state;

        assert_int_equal(h1_parser_feed(p, data, len, &state), 0);
        return state;
}

static H1Parser *parser(void) {
        H1Parser *p;

        assert_int_equal(h1_parser_new(&limits, &p), 0);
        return p;
}

/* The whole at once, and byte by byte, must be judged alike. */
static unsigned judge(const char *data, size_t len) {
        unsigned status[2] = { 0, 0 };

        for (unsigned way = 0; way < 2; way++) {
                _cleanup_(h1_parser_freep) H1Parser *p = parser();
                H1State state = H1_NEED_MORE;

                if (way == 0)
                        state = feed(p, data, len);
                else
                        for (size_t i = 0; i < len && state != H1_ERROR && state != H1_COMPLETE; i++)
                                state = feed(p, data + i, 1);
                status[way] = state == H1_ERROR ? h1_parser_status(p) : state == H1_COMPLETE ? 200 : 0;
        }
        if (status[0] != status[1])
                fail_msg("%u at once, %u byte by byte: %.*s", status[0], status[1], (int) len, data);
        return status[0];
}

typedef struct Case {
        unsigned status;
        const char *data;
        size_t len; /* 0: strlen() */
} Case;

#define G "GET / HTTP/1.1\r\n"
#define H "Host: a\r\n"
#define P "POST / HTTP/1.1\r\nHost: a\r\n"
#define C(s) 400, s, sizeof(s) - 1

static const Case malformed[] = {
        /* SECURITY.md section 0 and C8 */
        { C(P "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n") },
        { C(P "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello") },
        { C(P "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello") },
        { C(P "Content-Length: 5, 5\r\n\r\nhello") },
        { C(P "Content-Length: +5\r\n\r\nhello") },
        { C(P "Content-Length: -5\r\n\r\nhello") },
        { C(P "Content-Length: 0x5\r\n\r\nhello") },
        { C(P "Content-Length: 5a\r\n\r\nhello") },
        { C(P "Content-Length:\r\n\r\n") },
        { C(P "Content-Length: 1 2\r\n\r\nhello") },
        { C(G "Host: a\r\nHost: b\r\n\r\n") },
        { C(G "Host: a\r\nHost: a\r\n\r\n") },
        { C(G "\r\n") },
        { C(G "Host:\r\n\r\n") },
        { C(G "Host: a b\r\n\r\n") },
        { C(G "Host: a/b\r\n\r\n") },
        { C(G "Host: user@a\r\n\r\n") },
        { C(G "Host: a:port\r\n\r\n") },
        { C(G "Host: a:\r\n\r\n") },
        { C(G "Host: [::1\r\n\r\n") },
        { C(G H "Name : value\r\n\r\n") },
        { C(G H "Name\t: value\r\n\r\n") },
        { C(G H "Name: value\r\n folded\r\n\r\n") },
        { C(G H "Name: value\r\n\tfolded\r\n\r\n") },
        { C(G " Host: a\r\n\r\n") },
        { C(G H ": value\r\n\r\n") },
        { C(G H "Name\r\n\r\n") },
        { C(G H "Na me: value\r\n\r\n") },
        { C(G H "Na\"me: value\r\n\r\n") },
        { C("GET / HTTP/1.1\nHost: a\n\n") },
        { C("GET / HTTP/1.1\nHost: a\r\n\r\n") },
        { C(G "Host: a\n\r\n") },
        { C(G H "\n") },
        { C(G "Host: a\r\r\n\r\n") },
        { C(G H "Name: a\rb\r\n\r\n") },
        { C(G H "Name: a\0b\r\n\r\n") },
        { C(G H "Name: a\001b\r\n\r\n") },
        { C(G H "Name: a\177b\r\n\r\n") },
        { C(G H "Na\0me: a\r\n\r\n") },
        { C("GET /\0 HTTP/1.1\r\n" H "\r\n") },
        { C("\r\n" G H "\r\n") },
        { C("\n" G H "\r\n") },
        { C(P "Transfer-Encoding: xchunked\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked, chunked\r\n\r\n") },
        { C(P "Transfer-Encoding: gzip, chunked\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked, identity\r\n\r\n") },
        { C(P "Transfer-Encoding: identity\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n") },
        { C(P "Transfer-Encoding: \"chunked\"\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked;a=b\r\n\r\n") },
        { C(P "Transfer-Encoding:\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n-1\r\n") },
        { C(P "Transfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n") },
        { C(P "Expect: something\r\n\r\n") },
        /* request line */
        { C("GET /\r\n") },
        { C("GET / \r\n") },
        { C("GET  / HTTP/1.1\r\n" H "\r\n") },
        { C("GET /  HTTP/1.1\r\n" H "\r\n") },
        { C("GET\t/ HTTP/1.1\r\n" H "\r\n") },
        { C("GET / HTTP/1.1 \r\n" H "\r\n") },
        { C("GET / http/1.1\r\n" H "\r\n") },
        { C("GET / HTTP/1.10\r\n" H "\r\n") },
        { C("GET / HTTP/11\r\n" H "\r\n") },
        { C(" GET / HTTP/1.1\r\n" H "\r\n") },
        { C("G@T / HTTP/1.1\r\n" H "\r\n") },
        { C("GET http://a/ HTTP/1.1\r\n" H "\r\n") },
        { C("OPTIONS * HTTP/1.1\r\n" H "\r\n") },
        { C("CONNECT a:443 HTTP/1.1\r\n" H "\r\n") },
        /* C9 */
        { C("GET /api/v1/nodes%2f..%2fadmin HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a%2Fb HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a%5cb HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a%00b HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a%0d%0ab HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a\\b HTTP/1.1\r\n" H "\r\n") },
        { C("GET //a HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a//b HTTP/1.1\r\n" H "\r\n") },
        { C("GET /../a HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a/.. HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a/./b HTTP/1.1\r\n" H "\r\n") },
        { C("GET /. HTTP/1.1\r\n" H "\r\n") },
        { C("GET /%2e%2e/a HTTP/1.1\r\n" H "\r\n") },
        { C("GET /.%2E/a HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a;b HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a%3bb HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a% HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a%4 HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a%zz HTTP/1.1\r\n" H "\r\n") },
        { C("GET /%ff HTTP/1.1\r\n" H "\r\n") },
        { C("GET /%c0%af HTTP/1.1\r\n" H "\r\n") },
        { C("GET /%ed%a0%80 HTTP/1.1\r\n" H "\r\n") },
        { C("GET /%e2%82 HTTP/1.1\r\n" H "\r\n") },
        { C("GET /\303\244 HTTP/1.1\r\n" H "\r\n") },
        { C("GET /a#b HTTP/1.1\r\n" H "\r\n") },
        { C("GET /?a=%00 HTTP/1.1\r\n" H "\r\n") },
        { C("GET /?a=%f HTTP/1.1\r\n" H "\r\n") },
        { C("GET /?a=%ff HTTP/1.1\r\n" H "\r\n") },
        { C("GET ?a HTTP/1.1\r\n" H "\r\n") },
        /* other answers than 400 */
        { 505, "GET / HTTP/1.0\r\n" H "\r\n", 0 },
        { 505, "GET / HTTP/2.0\r\n" H "\r\n", 0 },
        { 505, "GET / HTTP/9.9\r\n" H "\r\n", 0 },
        { 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0 },
        { 501, P "Transfer-Encoding: gzip\r\n\r\n", 0 },
        { 501, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" H "\r\n", 0 },
        { 413, P "Content-Length: 1001\r\n\r\n", 0 },
        { 413, P "Content-Length: 99999999999999999999999999\r\n\r\n", 0 },
        { 413, P "Transfer-Encoding: chunked\r\n\r\n3e9\r\n", 0 },
        { 413, P "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 0 },
        { 413, P "Transfer-Encoding: chunked\r\n\r\n000000001\r\n", 0 },
        { 431, G H "a:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\n\r\n", 0 },
};

static void test_malformed(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(malformed); i++) {
                const Case *c = malformed + i;
                unsigned status = judge(c->data, c->len > 0 ? c->len : strlen(c->data));

                if (status != c->status)
                        fail_msg("%u instead of %u: %s", status, c->status, c->data);
        }
}

static void test_well_formed(void **state) {
        static const char *const good[] = {
                G H "\r\n",
                G "hOsT: a\r\n\r\n",
                G "Host:a\r\n\r\n",
                G "Host: \t a \t\r\n\r\n",
                G "Host: [2001:db8::1]:443\r\n\r\n",
                G "Host: 192.0.2.1:9443\r\n\r\n",
                G H "Empty:\r\n\r\n",
                G H "Text: \303\244\r\n\r\n",
                "GET /a/b/c.d/...?x=/../&y=%2f%2e;&z=a//b HTTP/1.1\r\n" H "\r\n",
                "GET /%c3%a4/a%20b/ HTTP/1.1\r\n" H "\r\n",
                "PROPFIND / HTTP/1.1\r\n" H "\r\n",
                P "Content-Length: 0\r\n\r\n",
                P "Content-Length: 5\r\n\r\nhello",
                P "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                P "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n3E7\r\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                unsigned status = judge(good[i], strlen(good[i]));

                if (status != 200 && i != ELEMENTSOF(good) - 1)
                        fail_msg("%u: %s", status, good[i]);
        }
        assert_int_equal(judge(good[ELEMENTSOF(good) - 1], strlen(good[ELEMENTSOF(good) - 1])), 413);
}

static void test_fields(void **state) {
        _cleanup_(h1_parser_freep) H1Parser *p = parser();
        const char *request =
                        "PUT /a/b?x=1&y HTTP/1.1\r\nHost: ex.org:443\r\nX-A:  one two \t\r\nx-a: three\r\n"
                        "Connection: foo, Close\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n";
        const uint8_t *body;
        size_t len;

        assert_true(h1_parser_idle(p));
        assert_int_equal(feed(p, request, strlen(request)), H1_NEED_BODY);
        assert_true(h1_parser_in_body(p));
        assert_true(h1_parser_expects_continue(p));
        assert_int_equal(feed(p, "abc", 3), H1_COMPLETE);
        assert_string_equal(h1_parser_method(p), "PUT");
        assert_string_equal(h1_parser_path(p), "/a/b");
        assert_string_equal(h1_parser_query(p), "x=1&y");
        assert_string_equal(h1_parser_header(p, "host"), "ex.org:443");
        assert_string_equal(h1_parser_header(p, "x-a"), "one two");
        assert_int_equal(h1_parser_header_count(p, "x-a"), 2);
        assert_null(h1_parser_header(p, "x-b"));
        assert_int_equal(h1_parser_header_count(p, "x-b"), 0);
        assert_false(h1_parser_keep_alive(p));
        body = h1_parser_body(p, &len);
        assert_int_equal(len, 3);
        assert_string_equal((const char *) body, "abc");
        h1_parser_next(p);
        assert_true(h1_parser_idle(p));
        assert_int_equal(h1_parser_buffered(p), 0);
        assert_true(h1_parser_keep_alive(p));
}

static void check_body(H1Parser *p, const char *expected) {
        size_t len;
        const uint8_t *body = h1_parser_body(p, &len);

        assert_int_equal(len, strlen(expected));
        assert_string_equal((const char *) body, expected);
}

/* Three requests in a row, cut in two at every byte: the same three come out. */
static void test_split_everywhere(void **state) {
        static const char all[] =
                        P "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00b\r\n beautiful "
                          "\r\n5\r\nworld\r\n0\r\n\r\n" P "Content-Length: 4\r\n\r\nGET " G H "\r\n";
        static const char *const bodies[] = { "hello beautiful world", "GET ", "" };
        size_t total = sizeof(all) - 1;

        for (size_t cut = 0; cut <= total; cut++) {
                _cleanup_(h1_parser_freep) H1Parser *p = parser();
                const char *parts[2] = { all, all + cut };
                size_t lens[2] = { cut, total - cut }, seen = 0;

                for (size_t i = 0; i < 2; i++) {
                        H1State st = feed(p, parts[i], lens[i]);

                        while (st == H1_COMPLETE) {
                                assert_true(seen < 3);
                                check_body(p, bodies[seen++]);
                                h1_parser_next(p);
                                st = feed(p, NULL, 0);
                        }
                        assert_int_not_equal(st, H1_ERROR);
                }
                assert_int_equal(seen, 3);
                assert_true(h1_parser_idle(p));
        }
}

/* What comes while a request is complete is kept for after it. */
static void test_fed_while_complete(void **state) {
        _cleanup_(h1_parser_freep) H1Parser *p = parser();

        assert_int_equal(feed(p, P "Content-Length: 1\r\n\r\nx" G, strlen(P "Content-Length: 1\r\n\r\nx" G)),
                         H1_COMPLETE);
        check_body(p, "x");
        assert_int_equal(feed(p, H "\r\n", strlen(H "\r\n")), H1_COMPLETE);
        check_body(p, "x");
        h1_parser_next(p);
        assert_int_equal(feed(p, NULL, 0), H1_COMPLETE);
        assert_string_equal(h1_parser_method(p), "GET");
}

/* Past a limit the answer comes while the client is still sending, and the memory stays bounded. */
static void test_limits(void **state) {
        static const struct {
                const char *start, *more;
                unsigned status;
        } cases[] = {
                { "GET /", "aaaaaaaa", 414 },
                { "AAAA", "AAAAAAAA", 414 },
                { G H "x: ", "aaaaaaaa", 431 },
                { G H, "a:b\r\n", 431 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(h1_parser_freep) H1Parser *p = parser();
                H1State st = feed(p, cases[i].start, strlen(cases[i].start));

                for (size_t n = 0; n < 4096 && st == H1_NEED_MORE; n++)
                        st = feed(p, cases[i].more, strlen(cases[i].more));
                assert_int_equal(st, H1_ERROR);
                assert_int_equal(h1_parser_status(p), cases[i].status);
                assert_true(h1_parser_buffered(p) < 4096);
                assert_int_equal(feed(p, G, strlen(G)), H1_ERROR);
                assert_true(h1_parser_buffered(p) < 4096);
        }
}

static void test_hosts(void **state) {
        char *allowed[] = { (char *) "sdwan.example", (char *) "192.0.2.1", (char *) "2001:db8::1", NULL };

        assert_true(http_host_is_allowed("SDWAN.example:9443", allowed));
        assert_true(http_host_is_allowed("192.0.2.1", allowed));
        assert_true(http_host_is_allowed("[2001:db8::1]:9443", allowed));
        assert_false(http_host_is_allowed("localhost", allowed));
        assert_false(http_host_is_allowed("sdwan.example.evil", allowed));
        assert_false(http_host_is_allowed("evil.sdwan.example", allowed));
        assert_false(http_host_is_allowed("sdwan.exampl", allowed));
        assert_false(http_host_is_allowed("", allowed));
}

static void check_query(const char *query, const char *name, int expected, const char *value) {
        _cleanup_free_ char *found = NULL;

        assert_int_equal(http_query_value(query, name, &found), expected);
        if (expected == 0)
                assert_string_equal(found, value);
}

static void test_query(void **state) {
        check_query("a=1&b=2", "b", 0, "2");
        check_query("a=1&b=x%20y+z", "b", 0, "x y z");
        check_query("a", "a", 0, "");
        check_query("a=", "a", 0, "");
        check_query("%61=b=c", "a", 0, "b=c");
        check_query("", "a", -ENOENT, NULL);
        check_query("aa=1", "a", -ENOENT, NULL);
        check_query("a=1&a=2", "a", -EINVAL, NULL);
        check_query("a=1&%61=2", "a", -EINVAL, NULL);
        check_query("a=%", "a", -EINVAL, NULL);
        check_query("a=%00", "a", -EINVAL, NULL);
        check_query("a=%ff", "a", -EINVAL, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_malformed),
                cmocka_unit_test(test_well_formed),
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_split_everywhere),
                cmocka_unit_test(test_fed_while_complete),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_hosts),
                cmocka_unit_test(test_query),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
