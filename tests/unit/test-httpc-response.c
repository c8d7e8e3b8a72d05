/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "httpc/request.h"
#include "httpc/response.h"

typedef struct Outcome {
        int r;
        unsigned status;
        size_t used;
        char body[512];
        size_t body_len;
} Outcome;

static int on_body(const uint8_t *data, size_t len, void *userdata) {
        Outcome *o = userdata;

        assert_true(len <= sizeof(o->body) - 1 - o->body_len);
        memcpy(o->body + o->body_len, data, len);
        o->body_len += len;
        return 0;
}

/* Feeds the text in slices of the given size. */
static Outcome feed(const char *text, size_t len, size_t slice) {
        Outcome o = { 0 };
        ResponseParser p = { .on_body = on_body, .userdata = &o };

        while (o.r == 0 && o.used < len) {
                const char *reason = NULL;
                size_t used = 0;

                o.r = response_parser_feed(&p, (const uint8_t *) text + o.used, MIN(slice, len - o.used),
                                           &used, &reason);
                o.used += used;
                if (o.r < 0)
                        assert_non_null(reason);
        }
        o.status = p.status;
        response_parser_done(&p);
        return o;
}

static void expect(const char *text, int r, unsigned status, const char *body) {
        for (size_t slice = 1; slice <= strlen(text); slice++) {
                Outcome o = feed(text, strlen(text), slice);

                if (o.r != r)
                        fail_msg("%d instead of %d, slices of %zu: %s", o.r, r, slice, text);
                if (r < 0)
                        continue;
                assert_int_equal(o.status, status);
                assert_string_equal(o.body, body);
        }
}

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

static void test_accepted(void **state) {
        expect(OK "Content-Length: 5\r\n\r\nhello", 1, 200, "hello");
        expect(OK "content-LENGTH:5\r\n\r\nhello", 1, 200, "hello");
        expect(OK "Content-Length: \t 5 \t\r\n\r\nhello", 1, 200, "hello");
        expect("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 1, 200, "");
        expect("HTTP/1.1 204 No Content\r\n\r\n", 1, 204, "");
        expect("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 1, 204, "");
        expect("HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n", 1, 304, "");
        expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" OK
               "Content-Length: 1\r\n\r\nx",
               1, 200, "x");
        expect(CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 1, 200, "hello world");
        expect(CHUNKED "00A\r\n0123456789\r\n0\r\nX: y\r\nZ: 1\r\n\r\n", 1, 200, "0123456789");
        expect(OK "Transfer-Encoding: Chunked\r\nX-Empty:\r\n\r\n0\r\n\r\n", 1, 200, "");
        expect("HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n<>", 1, 502, "<>");
        expect(OK "X: \xc3\xa4\r\nContent-Length: 0\r\n\r\n", 1, 200, "");
        expect(OK "Content-Length: 5\r\n\r\nhel", 0, 200, "hel");
        expect(CHUNKED "5\r\nhello", 0, 200, "hello");
}

static void test_refused(void **state) {
        static const char *const bad[] = {
                "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
                "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
                "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                " HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 101 Switching Protocols\r\n\r\n",
                "HTTP/1.1 200 \x01\r\nContent-Length: 0\r\n\r\n",
                "<html>not HTTP at all</html>\r\n",
                "SSH-2.0-OpenSSH_9.2\r\n",
                "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
                OK "Content-Length: 0\n\r\n",
                OK "Content-Length: 0\r\r\n\r\n",
                OK "X: a\rb\r\nContent-Length: 0\r\n\r\n",
                OK "Content-Length : 0\r\n\r\n",
                OK " Content-Length: 0\r\n\r\n",
                OK "X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
                OK "X: a\r\n\tb\r\nContent-Length: 0\r\n\r\n",
                OK ": x\r\nContent-Length: 0\r\n\r\n",
                OK "X\r\nContent-Length: 0\r\n\r\n",
                OK "X(: a\r\nContent-Length: 0\r\n\r\n",
                OK "X: \x7f\r\nContent-Length: 0\r\n\r\n",
                OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
                OK "Content-Length: 5, 5\r\n\r\nhello",
                OK "Content-Length: +5\r\n\r\nhello",
                OK "Content-Length: -5\r\n\r\nhello",
                OK "Content-Length: 0x5\r\n\r\nhello",
                OK "Content-Length:\r\n\r\nhello",
                OK "Content-Length: 18446744073709551616\r\n\r\nhello",
                OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
                OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                OK "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
                OK "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
                OK "Content-Type: a\r\nContent-Type: b\r\nContent-Length: 0\r\n\r\n",
                OK "Connection: close\r\n\r\nuntil the end",
                "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
                "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
                "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
                CHUNKED "5;x=y\r\nhello\r\n0\r\n\r\n",
                CHUNKED "5 \r\nhello\r\n0\r\n\r\n",
                CHUNKED "\r\nhello\r\n0\r\n\r\n",
                CHUNKED "g\r\nhello\r\n0\r\n\r\n",
                CHUNKED "-5\r\nhello\r\n0\r\n\r\n",
                CHUNKED "5\nhello\r\n0\r\n\r\n",
                CHUNKED "5\r\nhelloX\r\n0\r\n\r\n",
                CHUNKED "5\r\nhello\n0\r\n\r\n",
                CHUNKED "10000000000000000\r\nhello",
                CHUNKED "0\r\nX : y\r\n\r\n",
                CHUNKED "0\r\n folded\r\n\r\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                expect(bad[i], -EBADMSG, 0, NULL);
}

static void test_nul_is_refused(void **state) {
        static const char in_value[] = OK "X: a\0b\r\nContent-Length: 0\r\n\r\n";
        static const char in_name[] = OK "X\0: a\r\nContent-Length: 0\r\n\r\n";

        assert_int_equal(feed(in_value, sizeof(in_value) - 1, 7).r, -EBADMSG);
        assert_int_equal(feed(in_name, sizeof(in_name) - 1, 7).r, -EBADMSG);
}

static void test_limits(void **state) {
        _cleanup_buffer_ Buffer b = { 0 };

        assert_int_equal(buffer_append_str(&b, OK), 0);
        for (unsigned i = 0; i < RESPONSE_FIELDS_MAX; i++)
                assert_int_equal(buffer_appendf(&b, "X-%u: 1\r\n", i), 0);
        assert_int_equal(feed((char *) b.data, b.len, b.len).r, 0);
        assert_int_equal(buffer_append_str(&b, "Content-Length: 0\r\n\r\n"), 0);
        assert_int_equal(feed((char *) b.data, b.len, b.len).r, -EBADMSG);

        b.len = 0;
        assert_int_equal(buffer_append_str(&b, OK "X: "), 0);
        while (b.len <= RESPONSE_HEAD_MAX_BYTES)
                assert_int_equal(buffer_append_str(&b, "aaaaaaaaaaaaaaaa"), 0);
        assert_int_equal(feed((char *) b.data, b.len, 1).r, -EBADMSG);
        assert_int_equal(feed((char *) b.data, b.len, b.len).r, -EBADMSG);

        b.len = 0;
        for (unsigned i = 0; i <= RESPONSE_INTERIM_MAX; i++)
                assert_int_equal(buffer_append_str(&b, "HTTP/1.1 100 Continue\r\n\r\n"), 0);
        assert_int_equal(feed((char *) b.data, b.len, b.len).r, -EBADMSG);
}

static void test_what_follows_is_left(void **state) {
        static const char text[] = OK "Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n";
        Outcome o = feed(text, sizeof(text) - 1, sizeof(text) - 1);

        assert_int_equal(o.r, 1);
        assert_int_equal(o.used, strlen(OK "Content-Length: 2\r\n\r\nok"));
}

static void parse_fields(const char *text, ResponseParser *p) {
        static Outcome o;
        const char *reason;
        size_t used;

        o = (Outcome) { 0 };
        *p = (ResponseParser) { .on_body = on_body, .userdata = &o };
        assert_int_equal(response_parser_feed(p, (const uint8_t *) text, strlen(text), &used, &reason), 1);
}

static void test_fields(void **state) {
        ResponseParser p;

        parse_fields(OK "Content-Type:  application/json \r\nRetry-After: 17\r\nConnection: x, "
                        "Close\r\nContent-Length: 0\r\n\r\n",
                     &p);
        assert_string_equal(p.content_type, "application/json");
        assert_int_equal(p.retry_after_sec, 17);
        assert_true(p.close);
        response_parser_done(&p);

        parse_fields(OK "Retry-After: 99999999\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", &p);
        assert_null(p.content_type);
        assert_int_equal(p.retry_after_sec, RESPONSE_RETRY_AFTER_MAX_SEC);
        assert_false(p.close);
        response_parser_done(&p);

        parse_fields("HTTP/1.1 100 x\r\nConnection: close\r\nContent-Type: a\r\nRetry-After: 3\r\n\r\n" OK
                     "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n",
                     &p);
        assert_null(p.content_type);
        assert_int_equal(p.retry_after_sec, 0);
        assert_false(p.close);
        response_parser_done(&p);
}

static void test_targets(void **state) {
        static const struct {
                const char *url, *host, *authority;
                unsigned port;
        } good[] = {
                { "https://ctl1.example", "ctl1.example", "ctl1.example", 443 },
                { "https://ctl1.example:443", "ctl1.example", "ctl1.example", 443 },
                { "https://ctl1:8443", "ctl1", "ctl1:8443", 8443 },
                { "https://192.0.2.1:1", "192.0.2.1", "192.0.2.1:1", 1 },
                { "https://[2001:db8::1]", "2001:db8::1", "[2001:db8::1]", 443 },
                { "https://[2001:db8::1]:65535", "2001:db8::1", "[2001:db8::1]:65535", 65535 },
        };
        static const char *const bad[] = { "",
                                           "http://a",
                                           "https://",
                                           "https:///",
                                           "https://a/",
                                           "https://a:",
                                           "https://a:0",
                                           "https://a:65536",
                                           "https://a:1x",
                                           "https://a b",
                                           "https://u@h",
                                           "https://a?b",
                                           "https://[::1",
                                           "https://[a]",
                                           "https://[192.0.2.1]",
                                           "https://::1",
                                           "https://-a",
                                           "https://[::1]x",
                                           "https://a\r\nX: y",
                                           "HTTPS://a" };
        HttpTarget t = { 0 };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(http_target_parse(good[i].url, &t), 0);
                assert_string_equal(t.host, good[i].host);
                assert_string_equal(t.authority, good[i].authority);
                assert_int_equal(t.port, good[i].port);
                http_target_done(&t);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (http_target_parse(bad[i], &t) != -EINVAL)
                        fail_msg("accepted: %s", bad[i]);
}

static void test_requests(void **state) {
        static const HttpHeaderField good = { "Sdwan-Seq", "1.2" };
        static const HttpHeaderField bad[] = { { "A b", "x" },
                                               { "", "x" },
                                               { "A:", "x" },
                                               { "A", "x\r\nB: y" },
                                               { "A", "x\ny" },
                                               { "Host", "x" },
                                               { "content-length", "1" },
                                               { "Transfer-Encoding", "chunked" },
                                               { "Connection", "close" },
                                               { "A", "\xc3\xa4" } };
        _cleanup_(http_target_done) HttpTarget t = { 0 };
        _cleanup_buffer_ Buffer b = { 0 };

        assert_int_equal(http_target_parse("https://ctl1", &t), 0);
        assert_int_equal(http_request_format(&t, "POST", "/x?y", &good, 1, "{}", 2, &b), 0);
        assert_string_equal((char *) b.data,
                            "POST /x?y HTTP/1.1\r\nHost: ctl1\r\nUser-Agent: sdwan/" SDWAN_VERSION
                            "\r\nSdwan-Seq: 1.2\r\nContent-Length: 2\r\n\r\n{}");
        b.len = 0;
        assert_int_equal(http_request_format(&t, "GET", "/", NULL, 0, NULL, 0, &b), 0);
        assert_null(strstr((char *) b.data, "Content-Length"));
        b.len = 0;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(http_request_format(&t, "GET", "/", bad + i, 1, NULL, 0, &b), -EINVAL);
        assert_int_equal(http_request_format(&t, "GET", "x", NULL, 0, NULL, 0, &b), -EINVAL);
        assert_int_equal(http_request_format(&t, "GET", "/ HTTP/1.1\r\nX:", NULL, 0, NULL, 0, &b), -EINVAL);
        assert_int_equal(http_request_format(&t, "HEAD", "/", NULL, 0, NULL, 0, &b), -EINVAL);
        assert_int_equal(http_request_format(&t, "GET / HTTP/1.1\r\n", "/", NULL, 0, NULL, 0, &b), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_nul_is_refused),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_what_follows_is_left),
                cmocka_unit_test(test_fields),
                cmocka_unit_test(test_targets),
                cmocka_unit_test(test_requests),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
