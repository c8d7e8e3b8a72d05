/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "test-httpd-common.h"

static void test_h1(void **state) {
        for (unsigned tls = 0; tls < 2; tls++) {
                _cleanup_buffer_ Buffer b = { 0 };
                Fixture f = fixture();
                Client c;

                start(&f, tls);
                assert_int_equal(client_open(&c, &f, NULL, tls ? "http/1.1" : NULL), 0);
                client_send(&c, GET("/"), strlen(GET("/")));
                assert_true(client_expect(&c, &b, "\r\n\r\nok"));
                assert_non_null(strstr((char *) b.data, "HTTP/1.1 200 OK\r\n"));
                assert_non_null(strstr((char *) b.data, "content-security-policy: default-src 'none'"));
                assert_non_null(strstr((char *) b.data, "x-content-type-options: nosniff"));
                assert_non_null(strstr((char *) b.data, "referrer-policy: no-referrer"));
                assert_non_null(strstr((char *) b.data, "cache-control: no-store"));
                assert_int_equal(tls, strstr((char *) b.data, "strict-transport-security") != NULL);
                assert_null(strstr((char *) b.data, "server:"));
                exchange(&c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
                         "\r\n\r\nhello");
                exchange(&c,
                         "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
                         "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n"
                         "0\r\n\r\n",
                         "\r\n\r\nabcde");
                exchange(&c, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n" GET("/echo"),
                         "content-length: 2\r\n\r\nHTTP/1.1 200");
                exchange(&c, GET("/slow") GET("/") GET("/problem"), "\"field\":\"na\\\"me\"}");
                exchange(&c, GET("/problem"), "line\\u000a\xef\xbf\xbd\\\\ \xc3\xa4");
                exchange(&c, GET("/split"), "HTTP/1.1 500 ");
                exchange(&c, "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 501 ");
                exchange(&c, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421 ");
                exchange(&c, GET("/end"), "3\r\nbye\r\n0\r\n\r\n");
                assert_true(client_is_closed(&c));
                client_close(&c);
                stop(&f);
                assert_true(f.destroyed >= 9);
        }
}

static void test_expect_continue(void **state) {
        Fixture f = fixture();
        Client c;

        start(&f, true);
        assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
        exchange(&c,
                 "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: "
                 "100-continue\r\n\r\n",
                 "HTTP/1.1 100 ");
        exchange(&c, "hi", "\r\n\r\nhi");
        client_close(&c);
        stop(&f);
}

static void test_malformed_closes(void **state) {
        static const char *const requests[] = {
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "GET / HTTP/1.1\nHost: localhost\n\n",
                "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: "
                "chunked\r\n\r\n0\r\n\r\n",
                GET("/") "bad\r\n\r\n",
        };
        Fixture f = fixture();

        start(&f, true);
        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                Client c;

                assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
                exchange(&c, requests[i], "HTTP/1.1 400 Bad Request\r\n");
                assert_true(client_is_closed(&c));
                client_close(&c);
        }
        stop(&f);
}

/* Trickles for at most 5 s; the time until the server has had enough. */
static uint64_t trickle(Client *c, const char *drop) {
        uint64_t begin = now_monotonic_usec();

        for (unsigned i = 0; i < 100; i++) {
                struct pollfd p = { .fd = c->fd, .events = POLLIN };

                if (*drop)
                        (void) client_send(c, drop, strlen(drop));
                if (poll(&p, 1, 50) > 0 && client_is_closed(c))
                        break;
        }
        return now_monotonic_usec() - begin;
}

static void check_deadline(Fixture *f, const char *request, const char *drop) {
        uint64_t usec;
        Client c;

        assert_int_equal(client_open(&c, f, NULL, NULL), 0);
        (void) client_send(&c, request, strlen(request));
        usec = trickle(&c, drop);
        if (usec < 250 * USEC_PER_MSEC || usec > 3 * USEC_PER_SEC)
                fail_msg("%s: closed after %u ms", request, (unsigned) (usec / 1000));
        client_close(&c);
}

static void test_deadlines(void **state) {
        Fixture f = fixture();
        Client c = { 0 };
        uint64_t usec;

        f.limits.handshake_usec = f.limits.header_usec = f.limits.body_usec = f.limits.response_usec =
                        f.limits.idle_usec = 400 * USEC_PER_MSEC;
        start(&f, true);
        check_deadline(&f, "GET / HTTP/1.1\r\nHost: localhost\r\n", "a: b\r\n");
        check_deadline(&f, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", "x");
        check_deadline(&f, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
                       "1\r\nx\r\n");
        check_deadline(&f, GET("/"), "");
        c.fd = tcp(&f); /* no ClientHello, then half of one */
        usec = trickle(&c, "");
        assert_true(usec > 250 * USEC_PER_MSEC && usec < 3 * USEC_PER_SEC);
        close(c.fd);
        c.fd = tcp(&f);
        assert_int_equal(send(c.fd, "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", 11, 0), 11);
        usec = trickle(&c, "");
        assert_true(usec > 250 * USEC_PER_MSEC && usec < 3 * USEC_PER_SEC);
        close(c.fd);
        /* A stream has no such deadline while its client takes what comes. */
        assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
        exchange(&c, GET("/stream"), "hello");
        usleep(900000);
        assert_int_equal(f.closed_streams, 0);
        client_close(&c);
        assert_true(wait_for(&f.closed_streams, 1));
        assert_int_equal(http_server_counters(f.server)->timeouts_total, 6);
        stop(&f);
}

static void test_slow_reader(void **state) {
        static const char *const requests[] = { GET("/big"), GET("/flood") };

        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                Fixture f = fixture();
                Client c;

                f.limits.response_usec = 400 * USEC_PER_MSEC;
                f.limits.max_stream_queue_bytes = 64 * 1024 * 1024 + 1024;
                start(&f, true);
                assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
                client_send(&c, requests[i], strlen(requests[i]));
                for (unsigned k = 0; k < 300 && http_server_counters(f.server)->timeouts_total == 0; k++)
                        usleep(10000);
                assert_int_equal(http_server_counters(f.server)->timeouts_total, 1);
                assert_int_equal(f.closed_streams, i == 1);
                client_close(&c);
                stop(&f);
        }
}

static void test_stream_queue_is_bounded(void **state) {
        Fixture f = fixture();
        Client c;

        f.limits.max_stream_queue_bytes = 1024 * 1024;
        start(&f, true);
        assert_int_equal(client_open(&c, &f, NULL, "http/1.1"), 0);
        client_send(&c, GET("/flood"), strlen(GET("/flood")));
        assert_true(wait_for(&f.closed_streams, 1));
        assert_int_equal(f.overflowed, 1);
        assert_true(client_is_closed(&c));
        client_close(&c);
        stop(&f);
}

static void test_gone_clients(void **state) {
        Fixture f = fixture();
        _cleanup_buffer_ Buffer b = { 0 };
        Client c;

        start(&f, false);
        /* Half-closed with a request under way: it is answered. */
        assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
        client_send(&c, GET("/slow"), strlen(GET("/slow")));
        usleep(50000);
        shutdown(c.fd, SHUT_WR);
        assert_true(client_expect(&c, &b, "later"));
        assert_true(client_is_closed(&c));
        client_close(&c);
        /* A stream's client that goes is noticed without a write. */
        assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
        exchange(&c, GET("/stream"), "hello");
        client_close(&c);
        assert_true(wait_for(&f.closed_streams, 1));
        /* One that leaves while the handler works does no harm. */
        assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
        client_send(&c, GET("/slow"), strlen(GET("/slow")));
        usleep(50000);
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &(struct linger) { .l_onoff = 1 }, sizeof(struct linger));
        client_close(&c);
        assert_true(wait_for(&f.destroyed, 3));
        assert_int_equal(http_server_counters(f.server)->connections, 0);
        stop(&f);
}

static void test_limits(void **state) {
        for (unsigned per_ip = 0; per_ip < 2; per_ip++) {
                Fixture f = fixture();
                Client held[3], c;

                f.limits.max_connections = per_ip ? 100 : 3;
                f.limits.max_connections_per_ip = per_ip ? 3 : 0;
                start(&f, true);
                for (size_t i = 0; i < ELEMENTSOF(held); i++) {
                        assert_int_equal(client_open(held + i, &f, NULL, NULL), 0);
                        exchange(held + i, GET("/"), "200 OK");
                }
                assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
                exchange(&c, GET("/"), "HTTP/1.1 503 ");
                assert_true(client_is_closed(&c));
                client_close(&c);
                client_close(held);
                usleep(100000);
                assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
                exchange(&c, GET("/"), "200 OK");
                client_close(&c);
                client_close(held + 1);
                client_close(held + 2);
                assert_int_equal(http_server_counters(f.server)->rejected_total, 1);
                stop(&f);
        }
}

/* Without a descriptor left, new clients are closed, not left hanging, and it goes on afterwards. */
static void test_no_descriptors(void **state) {
        Fixture f = fixture();
        struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct rlimit old, low = { 0 };
        int fds[8], fill[512], n_fill = 0;
        Client c;

        start(&f, true);
        sa.sin_port = htons(f.port);
        getrlimit(RLIMIT_NOFILE, &old);
        low = (struct rlimit) { .rlim_cur = 256, .rlim_max = old.rlim_max };
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        while (n_fill < 512 && (fill[n_fill] = dup(STDIN_FILENO)) >= 0)
                n_fill++;
        assert_int_equal(errno, EMFILE);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                struct pollfd p = { .fd = fds[i], .events = POLLIN };
                char byte;

                assert_int_equal(connect(fds[i], (struct sockaddr *) &sa, sizeof(sa)), 0);
                assert_int_equal(poll(&p, 1, 3000), 1);
                assert_true(recv(fds[i], &byte, 1, 0) <= 0);
        }
        while (n_fill > 0)
                close(fill[--n_fill]);
        setrlimit(RLIMIT_NOFILE, &old);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
        exchange(&c, GET("/"), "200 OK");
        client_close(&c);
        stop(&f);
}

static void test_drain(void **state) {
        Fixture f = fixture();
        Client idle, busy, stream;
        _cleanup_buffer_ Buffer b = { 0 };
        struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd;

        start(&f, true);
        assert_int_equal(client_open(&idle, &f, NULL, NULL), 0);
        exchange(&idle, GET("/"), "ok");
        assert_int_equal(client_open(&stream, &f, NULL, NULL), 0);
        exchange(&stream, GET("/stream"), "hello");
        assert_int_equal(client_open(&busy, &f, NULL, NULL), 0);
        client_send(&busy, GET("/slow"), strlen(GET("/slow")));
        usleep(100000);
        command(&f, 2);
        assert_true(client_is_closed(&idle));
        assert_true(client_is_closed(&stream));
        assert_int_equal(f.drained, 0);
        assert_true(client_expect(&busy, &b, "later"));
        assert_non_null(strstr((char *) b.data, "connection: close"));
        assert_true(client_is_closed(&busy));
        client_close(&idle);
        client_close(&stream);
        client_close(&busy);
        assert_true(wait_for(&f.drained, 1));
        sa.sin_port = htons(f.port);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &sa, sizeof(sa)), -1);
        close(fd);
        stop(&f);
        assert_int_equal(f.closed_streams, 1);
        assert_int_equal(f.drained, 1);
}

static void test_drain_gives_up(void **state) {
        Fixture f = fixture();
        uint64_t begin;
        Client c;

        start(&f, true);
        assert_int_equal(client_open(&c, &f, NULL, NULL), 0);
        client_send(&c, "GET / HTTP/1.1\r\n", 16); /* and never the rest */
        usleep(50000);
        begin = now_monotonic_usec();
        command(&f, 2);
        assert_true(wait_for(&f.drained, 1));
        assert_in_range(now_monotonic_usec() - begin, 1500 * USEC_PER_MSEC, 2700 * USEC_PER_MSEC);
        client_close(&c);
        stop(&f);
}

static void test_tls_versions(void **state) {
        Fixture f = fixture();
        Client c;

        start(&f, true);
        assert_int_equal(client_open(&c, &f, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL), 0);
        exchange(&c, GET("/"), "200 OK");
        client_close(&c);
        assert_int_equal(client_open(&c, &f, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL), 0);
        client_close(&c);
        for (unsigned i = 0; i < 2; i++) {
                int r = client_open(&c, &f,
                                    i == 0 ? "NORMAL:-VERS-ALL:+VERS-TLS1.1:%VERIFY_ALLOW_BROKEN"
                                           : "NORMAL:-VERS-ALL:+VERS-TLS1.0:%VERIFY_ALLOW_BROKEN",
                                    NULL);

                assert_true(r < 0);
                client_close(&c);
        }
        assert_true(client_open(&c, &f, NULL, "ftp") < 0); /* a protocol that we do not speak */
        client_close(&c);
        stop(&f);
}

/* HTTP/2 frames by hand. */
static void frame(Buffer *b, uint8_t type, uint8_t flags, uint32_t id, const void *payload, size_t len) {
        const uint8_t head[9] = { len >> 16, len >> 8, len, type, flags, id >> 24, id >> 16, id >> 8, id };

        assert_int_equal(buffer_append(b, head, sizeof(head)), 0);
        assert_int_equal(buffer_append(b, payload, len), 0);
}

static const char get_block[] = "\x82\x87\x84\x41\x09localhost"; /* GET https / with :authority */

static void h2_begin(Client *c, Fixture *f, Buffer *b) {
        assert_int_equal(client_open(c, f, NULL, "h2"), 0);
        assert_int_equal(buffer_append_str(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0);
        frame(b, 4, 0, 0, "", 0);
}

static void send_all(Client *c, Buffer *b) {
        for (size_t i = 0; i < b->len;) {
                ssize_t n = client_send(c, b->data + i, MIN(b->len - i, (size_t) 16384));

                if (n <= 0)
                        return; /* the server has had enough already */
                i += n;
        }
}

static void test_h2(void **state) {
        static const char evil_block[] = "\x82\x87\x84\x41\x04"
                                         "evil",
                          path_block[] = "\x82\x87\x04\x05/a//b\x41\x09localhost";
        _cleanup_buffer_ Buffer b = { 0 }, in = { 0 };
        Fixture f = fixture();
        Client c;

        start(&f, true);
        h2_begin(&c, &f, &b);
        frame(&b, 1, 5, 1, get_block, sizeof(get_block) - 1);
        frame(&b, 1, 4, 3, "\x83\x87\x04\x05/echo\x41\x09localhost", 20);
        frame(&b, 0, 0, 3, "some ", 5);
        frame(&b, 0, 1, 3, "thing", 5);
        frame(&b, 1, 5, 5, "\x82\x87\x04\x07/stream\x41\x09localhost", 22);
        send_all(&c, &b);
        assert_true(client_expect(&c, &in, "ok"));
        assert_true(client_expect(&c, &in, "some thing"));
        assert_true(client_expect(&c, &in, "hello"));
        b.len = in.len = 0;
        frame(&b, 8, 0, 0, "\0\0\x10\0", 4);
        frame(&b, 1, 5, 7, evil_block, sizeof(evil_block) - 1);
        frame(&b, 1, 5, 9, path_block, sizeof(path_block) - 1);
        send_all(&c, &b);
        assert_true(client_expect(&c, &in, "Misdirected"));
        assert_true(client_expect(&c, &in, "Bad Request"));
        client_close(&c); /* the stream goes with it */
        assert_true(wait_for(&f.closed_streams, 1));
        stop(&f);
}

/* Over HTTP/2 only the stream goes, the connection stays. */
static void test_h2_stream_queue_is_bounded(void **state) {
        _cleanup_buffer_ Buffer b = { 0 }, in = { 0 };
        Fixture f = fixture();
        Client c;

        f.limits.max_stream_queue_bytes = 1024 * 1024;
        start(&f, true);
        h2_begin(&c, &f, &b);
        frame(&b, 1, 5, 1, "\x82\x87\x04\x06/flood\x41\x09localhost", 21);
        send_all(&c, &b);
        assert_true(wait_for(&f.closed_streams, 1));
        assert_int_equal(f.overflowed, 1);
        b.len = 0;
        frame(&b, 1, 5, 3, get_block, sizeof(get_block) - 1);
        send_all(&c, &b);
        assert_true(client_expect(&c, &in, "ok"));
        client_close(&c);
        stop(&f);
}

static void test_h2_drain(void **state) {
        _cleanup_buffer_ Buffer b = { 0 }, in = { 0 };
        Fixture f = fixture();
        Client c;

        start(&f, true);
        h2_begin(&c, &f, &b);
        frame(&b, 1, 5, 1, "\x82\x87\x04\x07/stream\x41\x09localhost", 22);
        frame(&b, 1, 5, 3, "\x82\x87\x04\x05/slow\x41\x09localhost", 20);
        send_all(&c, &b);
        assert_true(client_expect(&c, &in, "hello"));
        command(&f, 2);
        assert_true(client_expect(&c, &in, "later"));
        assert_true(client_is_closed(&c));
        client_close(&c);
        assert_true(wait_for(&f.drained, 1));
        assert_int_equal(f.closed_streams, 1);
        stop(&f);
}

/* A client that has connected but whose first request is still on its way is let finish. */
static void test_h2_drain_waits_for_a_first_request(void **state) {
        _cleanup_buffer_ Buffer b = { 0 }, in = { 0 };
        Fixture f = fixture();
        Client c;

        start(&f, true);
        h2_begin(&c, &f, &b);
        send_all(&c, &b);
        (void) usleep(100000); /* the server has read the preface */
        command(&f, 2);
        (void) usleep(100000); /* the notice is out */
        b.len = 0;
        frame(&b, 1, 5, 1, get_block, sizeof(get_block) - 1);
        send_all(&c, &b);
        assert_true(client_expect(&c, &in, "ok"));
        assert_true(client_is_closed(&c));
        client_close(&c);
        assert_true(wait_for(&f.drained, 1));
        stop(&f);
}

static void check_doomed(Fixture *f, Buffer *b, Client *c) {
        Client good;

        send_all(c, b);
        assert_true(client_is_closed(c));
        client_close(c);
        assert_int_equal(client_open(&good, f, NULL, NULL), 0);
        exchange(&good, GET("/"), "200 OK");
        client_close(&good);
}

static void test_h2_rapid_reset(void **state) {
        _cleanup_buffer_ Buffer b = { 0 };
        Fixture f = fixture();
        Client c;

        start(&f, true);
        h2_begin(&c, &f, &b);
        for (uint32_t id = 1; id < 4001; id += 2) {
                frame(&b, 1, 5, id, get_block, sizeof(get_block) - 1);
                frame(&b, 3, 0, id, "\0\0\0\x08", 4);
        }
        check_doomed(&f, &b, &c);
        assert_true(http_server_counters(f.server)->requests_total < 1000);
        stop(&f);
}

static void test_h2_continuation(void **state) {
        for (unsigned empty = 0; empty < 2; empty++) {
                _cleanup_buffer_ Buffer b = { 0 };
                Fixture f = fixture();
                Client c;

                start(&f, true);
                h2_begin(&c, &f, &b);
                frame(&b, 1, 1, 1, get_block, sizeof(get_block) - 1);
                for (unsigned i = 0; i < 20000; i++)
                        frame(&b, 9, 0, 1, "\x00\x01x\x01y", empty ? 0 : 5);
                check_doomed(&f, &b, &c);
                stop(&f);
        }
}

static void test_h2_floods(void **state) {
        for (unsigned type = 0; type < 2; type++) {
                _cleanup_buffer_ Buffer b = { 0 };
                Fixture f = fixture();
                Client c;

                start(&f, true);
                h2_begin(&c, &f, &b);
                for (unsigned i = 0; i < 20000; i++)
                        frame(&b, type == 0 ? 6 : 4, 0, 0, "12345678", type == 0 ? 8 : 0);
                check_doomed(&f, &b, &c);
                stop(&f);
        }
}

static void test_h2_deadline(void **state) {
        _cleanup_buffer_ Buffer b = { 0 };
        Fixture f = fixture();
        Client c;

        f.limits.body_usec = 400 * USEC_PER_MSEC;
        start(&f, true);
        h2_begin(&c, &f, &b);
        frame(&b, 1, 4, 1, "\x83\x87\x04\x05/echo\x41\x09localhost", 20); /* the body never comes */
        send_all(&c, &b);
        assert_true(client_is_closed(&c));
        assert_int_equal(http_server_counters(f.server)->timeouts_total, 1);
        client_close(&c);
        stop(&f);
}

static int setup(void **state) {
        int r;

        signal(SIGPIPE, SIG_IGN);
        r = x509_make_ca("test", now_realtime_usec() / USEC_PER_SEC, &ca_cert, &ca_key);
        if (r < 0)
                return r;
        return x509_make_leaf(ca_cert, ca_key, hosts, now_realtime_usec() / USEC_PER_SEC, 86400, &cert,
                              &key);
}

static int teardown(void **state) {
        free(ca_cert);
        free(ca_key);
        free(cert);
        free(key);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_h1),
                cmocka_unit_test(test_expect_continue),
                cmocka_unit_test(test_malformed_closes),
                cmocka_unit_test(test_deadlines),
                cmocka_unit_test(test_slow_reader),
                cmocka_unit_test(test_stream_queue_is_bounded),
                cmocka_unit_test(test_gone_clients),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_no_descriptors),
                cmocka_unit_test(test_drain),
                cmocka_unit_test(test_drain_gives_up),
                cmocka_unit_test(test_tls_versions),
                cmocka_unit_test(test_h2),
                cmocka_unit_test(test_h2_stream_queue_is_bounded),
                cmocka_unit_test(test_h2_drain),
                cmocka_unit_test(test_h2_drain_waits_for_a_first_request),
                cmocka_unit_test(test_h2_rapid_reset),
                cmocka_unit_test(test_h2_continuation),
                cmocka_unit_test(test_h2_floods),
                cmocka_unit_test(test_h2_deadline),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
