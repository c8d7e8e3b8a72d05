/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "crypto/x509.h"
#include "httpc/httpc.h"
#include "test-httpc-peer.h"

static char *ca, *ca_key, *leaf, *leaf_key, *other_ca, *other_ca_key;

static void start(Server *s, void (*part)(Peer *p)) {
        if (!s->cert) {
                s->cert = leaf;
                s->key = leaf_key;
        }
        server_start(s, part);
}

typedef struct Client {
        sd_event *event;
        HttpClient *client;
        HttpCall *call, *second;
        unsigned done, lines, expected;
        int error;
        unsigned status;
        uint64_t retry_after_sec;
        char reason[256], type[64], body[4096], seen[4096];
} Client;

static void on_done(const HttpResponse *response, void *userdata) {
        Client *c = userdata;

        c->done++;
        c->error = response->error;
        c->status = response->status;
        c->retry_after_sec = response->retry_after_sec;
        assert_true(response->error == 0 || response->reason);
        (void) snprintf(c->reason, sizeof(c->reason), "%s", strempty(response->reason));
        (void) snprintf(c->type, sizeof(c->type), "%s", strempty(response->content_type));
        (void) snprintf(c->body, sizeof(c->body), "%s", (const char *) response->body);
        assert_int_equal(response->body[response->body_len], 0);
        if (c->done >= c->expected)
                (void) sd_event_exit(c->event, 0);
}

static void client_setup(Client *c, const char *host, uint16_t port, const HttpClientConfig *with) {
        _cleanup_free_ char *url = str_printf("https://%s:%u", host, port);
        HttpClientConfig config = with ? *with : (HttpClientConfig) { 0 };

        config.url = url;
        if (config.trust == HTTP_TRUST_CA && !config.ca_pem)
                config.ca_pem = ca;
        if (config.total_usec == 0)
                config.total_usec = 5 * USEC_PER_SEC;
        c->expected = MAX(c->expected, 1U);
        assert_int_equal(sd_event_new(&c->event), 0);
        assert_int_equal(http_client_new(c->event, &config, &c->client), 0);
}

static void client_done(Client *c) {
        c->client = http_client_free(c->client);
        c->event = sd_event_unref(c->event);
}

static void get(Client *c) {
        assert_int_equal(http_client_call(c->client, "GET", "/x", NULL, 0, NULL, 0, on_done, c, &c->call),
                         0);
        assert_int_equal(c->done, 0); /* never from within the call */
}

/* One GET against one part. */
static void once(Server *s, void (*part)(Peer *p), const char *host, const HttpClientConfig *config,
                 Client *c) {
        start(s, part);
        client_setup(c, host, s->port, config);
        get(c);
        assert_true(sd_event_loop(c->event) >= 0);
        client_done(c);
        server_stop(s);
        assert_int_equal(c->done, 1);
}

static void part_ok(Peer *p) {
        while (peer_hear(p))
                peer_say(p,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
}

static int setup(void **state) {
        char *names[] = { "localhost", "127.0.0.1", NULL };
        uint64_t now = now_realtime_usec() / USEC_PER_SEC;

        if (crypto_setup() < 0 || x509_make_ca("ours", now, &ca, &ca_key) < 0 ||
            x509_make_ca("ours", now, &other_ca, &other_ca_key) < 0)
                return -1;
        return x509_make_leaf(ca, ca_key, names, now, 86400, &leaf, &leaf_key);
}

static int teardown(void **state) {
        char *all[] = { ca, ca_key, leaf, leaf_key, other_ca, other_ca_key };

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                free(all[i]);
        return 0;
}

static void test_ok(void **state) {
        static const char *const hosts[] = { "127.0.0.1", "localhost" };

        for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
                Server s = { 0 };
                Client c = { 0 };

                once(&s, part_ok, hosts[i], NULL, &c);
                if (c.error != 0)
                        fail_msg("%s: %s", hosts[i], c.reason);
                assert_int_equal(c.status, 200);
                assert_string_equal(c.type, "application/json");
                assert_string_equal(c.body, "{}");
        }
}

static void test_tls12(void **state) {
        Server s = { .priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
        Client c = { 0 };

        once(&s, part_ok, "127.0.0.1", NULL, &c);
        assert_int_equal(c.error, 0);
        assert_string_equal(c.body, "{}");
}

static void test_old_tls_is_refused(void **state) {
        Server s = { .priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.1" };
        Client c = { 0 };

        once(&s, part_ok, "127.0.0.1", NULL, &c);
        assert_true(c.error < 0);
        assert_int_equal(c.status, 0);
}

static void refused_certificate(Server *s, const char *host, const HttpClientConfig *config,
                                const char *reason) {
        Client c = { 0 };

        once(s, part_ok, host, config, &c);
        assert_int_equal(c.error, -EKEYREJECTED);
        if (!strstr(c.reason, reason))
                fail_msg("%s", c.reason);
}

static void test_wrong_ca(void **state) {
        HttpClientConfig config = { .ca_pem = other_ca }, system = { .trust = HTTP_TRUST_SYSTEM };
        HttpClientConfig garbage = { .ca_pem = "no certificate" };

        refused_certificate(&(Server) { 0 }, "127.0.0.1", &config, "expected authority");
        refused_certificate(&(Server) { 0 }, "localhost", &system, "expected authority");
        refused_certificate(&(Server) { 0 }, "127.0.0.1", &garbage, "cannot be read");
}

static void leaf_for(char *name, uint64_t now_sec, Server *s, char **cert, char **key) {
        char *names[] = { name, NULL };

        assert_int_equal(x509_make_leaf(ca, ca_key, names, now_sec, 86400, cert, key), 0);
        s->cert = *cert;
        s->key = *key;
}

static void test_wrong_name(void **state) {
        static char *const names[] = { "ctl1.example", "127.0.0.2", "localhos" };
        uint64_t now = now_realtime_usec() / USEC_PER_SEC;

        for (size_t i = 0; i < 2 * ELEMENTSOF(names); i++) {
                _cleanup_free_ char *cert = NULL, *key = NULL;
                Server s = { 0 };

                leaf_for(names[i / 2], now, &s, &cert, &key);
                refused_certificate(&s, i % 2 ? "localhost" : "127.0.0.1", NULL, "not valid for");
        }
}

static void test_expired(void **state) {
        _cleanup_free_ char *cert = NULL, *key = NULL, *next = NULL, *next_key = NULL;
        uint64_t now = now_realtime_usec() / USEC_PER_SEC;
        Server s = { 0 }, future = { 0 };

        leaf_for("127.0.0.1", now - 2 * 86400, &s, &cert, &key);
        refused_certificate(&s, "127.0.0.1", NULL, "expired");
        leaf_for("127.0.0.1", now + 2 * 86400, &future, &next, &next_key);
        refused_certificate(&future, "127.0.0.1", NULL, "not valid yet");
}

static void test_unverified(void **state) {
        HttpClientConfig config = { .trust = HTTP_TRUST_UNVERIFIED };
        HttpHeaderField field = { "Authorization", "secret" };
        Server s = { 0 };
        Client c = { 0 }, d = { 0 };

        once(&s, part_ok, "127.0.0.1", &config, &c);
        assert_int_equal(c.error, 0);

        client_setup(&d, "127.0.0.1", 1, &config);
        assert_int_equal(http_client_call(d.client, "POST", "/x", NULL, 0, "x", 1, on_done, &d, NULL),
                         -EPERM);
        assert_int_equal(http_client_call(d.client, "GET", "/x", &field, 1, NULL, 0, on_done, &d, NULL),
                         -EPERM);
        client_done(&d);
}

static void part_plain(Peer *p) {
        char c[16];

        if (peer_read(p, c, sizeof(c)) > 0)
                peer_say(p, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void test_plain_http(void **state) {
        Server s = { .plain = true };
        Client c = { 0 };

        once(&s, part_plain, "127.0.0.1", NULL, &c);
        assert_int_equal(c.error, -EPROTO);
        assert_non_null(strstr(c.reason, "TLS"));
}

static void part_502(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nContent-Type: "
                            "text/html\r\nRetry-After: 7\r\n"
                            "Content-Length: 15\r\nConnection: close\r\n\r\n<html>502</html");
        peer_wait_for_end(p);
}

static void test_502(void **state) {
        Server s = { 0 };
        Client c = { 0 };

        once(&s, part_502, "127.0.0.1", NULL, &c);
        assert_int_equal(c.error, 0);
        assert_int_equal(c.status, 502);
        assert_int_equal(c.retry_after_sec, 7);
        assert_string_equal(c.type, "text/html");
}

static void part_garbage(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "\x01\x02 garbage\r\n\r\n");
        peer_wait_for_end(p);
}

static void part_two_answers(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
                            "0\r\n\r\n");
        peer_wait_for_end(p);
}

static void part_half(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
}

static void part_mute(Peer *p) {
        peer_wait_for_end(p);
}

static void part_close(Peer *p) {
        (void) peer_hear(p);
}

/* A byte every 20 ms: there is progress, but no end. */
static void part_trickle(Peer *p) {
        if (!peer_hear(p))
                return;
        peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        for (unsigned i = 0; i < 100; i++) {
                peer_say(p, "x");
                (void) usleep(20000);
        }
}

static void part_long(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
        peer_wait_for_end(p);
}

static void part_long_chunks(Peer *p) {
        if (!peer_hear(p))
                return;
        peer_say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (unsigned i = 0; i < 1100; i++)
                peer_say(p, "1\r\nx\r\n");
        peer_wait_for_end(p);
}

static void test_bad_answers(void **state) {
        static const struct {
                void (*part)(Peer *p);
                bool plain;
                int error;
        } cases[] = {
                { part_garbage, false, -EBADMSG },   { part_two_answers, false, -EBADMSG },
                { part_half, false, -ECONNRESET },   { part_close, false, -ECONNRESET },
                { part_mute, false, -ETIMEDOUT },    { part_mute, true, -ETIMEDOUT },
                { part_trickle, false, -ETIMEDOUT }, { part_long, false, -EFBIG },
                { part_long_chunks, false, -EFBIG },
        };
        HttpClientConfig config = { .total_usec = 400 * USEC_PER_MSEC, .max_body_bytes = 1000 };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Server s = { .plain = cases[i].plain };
                uint64_t start = now_monotonic_usec(), took;
                Client c = { 0 };

                if (cases[i].part == part_trickle)
                        config.max_body_bytes = 0;
                else
                        config.max_body_bytes = 1000;
                once(&s, cases[i].part, "127.0.0.1", &config, &c);
                took = now_monotonic_usec() - start;
                if (c.error != cases[i].error)
                        fail_msg("case %zu: %d (%s)", i, c.error, c.reason);
                if (cases[i].error == -ETIMEDOUT)
                        assert_true(took >= 400 * USEC_PER_MSEC);
                assert_true(took < 4 * USEC_PER_SEC);
        }
}

static void test_connection_refused(void **state) {
        Server s = { 0 };
        Client c = { 0 };

        start(&s, part_ok);
        server_stop(&s);
        client_setup(&c, "127.0.0.1", s.port, NULL);
        get(&c);
        assert_true(sd_event_loop(c.event) >= 0);
        assert_int_equal(c.error, -ECONNREFUSED);
        client_done(&c);
}

/* Answers with the number of the connection and of the request on it. */
static void part_count(Peer *p) {
        for (unsigned i = 0; peer_hear(p); i++) {
                _cleanup_free_ char *text = NULL;

                text = str_printf("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n%u.%u", p->connection, i);
                peer_say(p, text);
        }
}

static void on_done_collect(const HttpResponse *response, void *userdata) {
        Client *c = userdata;
        size_t len = strlen(c->seen);

        (void) snprintf(c->seen + len, sizeof(c->seen) - len, "%s ",
                        response->error ? "!" : (const char *) response->body);
        on_done(response, userdata);
}

static void test_calls_share_a_connection(void **state) {
        Client c = { .expected = 3 };
        Server s = { 0 };

        start(&s, part_count);
        client_setup(&c, "127.0.0.1", s.port, NULL);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(http_client_call(c.client, "GET", "/", NULL, 0, NULL, 0, on_done_collect,
                                                  &c, NULL),
                                 0);
        assert_true(sd_event_loop(c.event) >= 0);
        client_done(&c);
        server_stop(&s);
        assert_string_equal(c.seen, "0.0 0.1 0.2 ");
}

/* Says one answer on each connection, and closes when the next request comes. */
static void part_close_second(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        (void) peer_hear(p);
}

static void test_lost_kept_connection(void **state) {
        static const char *const methods[] = { "GET", "POST" };

        for (size_t i = 0; i < 2; i++) {
                Client c = { .expected = 2 };
                Server s = { 0 };

                start(&s, part_close_second);
                client_setup(&c, "127.0.0.1", s.port, NULL);
                assert_int_equal(http_client_call(c.client, "GET", "/", NULL, 0, NULL, 0, on_done_collect,
                                                  &c, NULL),
                                 0);
                assert_int_equal(http_client_call(c.client, methods[i], "/", NULL, 0, NULL, 0,
                                                  on_done_collect, &c, NULL),
                                 0);
                assert_true(sd_event_loop(c.event) >= 0);
                client_done(&c);
                server_stop(&s);
                /* What may have changed something is not sent a second time. */
                assert_string_equal(c.seen, i == 0 ? "ok ok " : "ok ! ");
                assert_int_equal(s.connections, i == 0 ? 2 : 1);
        }
}

static void part_echo(Peer *p) {
        if (peer_hear(p)) {
                _cleanup_free_ char *text = NULL;

                while (!strstr(p->head, "end-of-body")) {
                        size_t len = strlen(p->head);
                        ssize_t n = peer_read(p, p->head + len, sizeof(p->head) - 1 - len);

                        if (n <= 0)
                                return;
                        p->head[len + (size_t) n] = '\0';
                }
                text = str_printf("HTTP/1.1 201 Created\r\nContent-Length: %zu\r\n\r\n%s", strlen(p->head),
                                  p->head);
                peer_say(p, text);
        }
        peer_wait_for_end(p);
}

static void test_sync(void **state) {
        static const HttpHeaderField fields[] = { { "Content-Type", "application/json" },
                                                  { "Sdwan-Seq", "1.2" } };
        _cleanup_free_ char *url = NULL, *reason = NULL;
        _cleanup_free_ uint8_t *body = NULL;
        HttpClientConfig config = { .ca_pem = ca };
        unsigned status;
        Server s = { 0 };
        size_t len;

        start(&s, part_echo);
        url = str_printf("https://localhost:%u", s.port);
        config.url = url;
        assert_int_equal(http_call_sync(&config, "POST", "/api?x=y", fields, 2, "end-of-body", 11, &status,
                                        &body, &len, &reason),
                         0);
        assert_int_equal(status, 201);
        assert_null(reason);
        assert_int_equal(strlen((char *) body), len);
        assert_non_null(strstr((char *) body, "POST /api?x=y HTTP/1.1\r\nHost: localhost:"));
        assert_non_null(strstr((char *) body, "\r\nContent-Type: application/json\r\nSdwan-Seq: "
                                              "1.2\r\nContent-Length: 11\r\n\r\nend-of-body"));
        server_stop(&s);

        body = mfree(body);
        assert_int_equal(
                        http_call_sync(&config, "GET", "/", NULL, 0, NULL, 0, &status, &body, &len, &reason),
                        -ECONNREFUSED);
        assert_non_null(reason);
        assert_null(body);
}

static void on_line(const char *line, size_t len, void *userdata) {
        Client *c = userdata;
        size_t at = strlen(c->seen);

        assert_int_equal(strlen(line), len);
        c->lines++;
        (void) snprintf(c->seen + at, sizeof(c->seen) - at, "[%s]", line);
}

static void stream_once(Server *s, void (*part)(Peer *p), size_t max_line, uint64_t silence_usec, Client *c,
                        void (*line)(const char *line, size_t len, void *userdata)) {
        start(s, part);
        client_setup(c, "127.0.0.1", s->port, NULL);
        assert_int_equal(http_client_stream(c->client, "/stream", NULL, 0, max_line, silence_usec, line,
                                            on_done, c, &c->call),
                         0);
        assert_true(sd_event_loop(c->event) >= 0);
        client_done(c);
        server_stop(s);
}

/* Lines across chunks, chunks across records, several lines in one. */
static void part_stream(Peer *p) {
        static const char *const said[] = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                                            "6\r",
                                            "\nab\nc",
                                            "d\n",
                                            "\r\n1\r\n\n\r\n",
                                            "3\r\nxyz\r\n",
                                            "2\r\n1\n\r",
                                            "\n0\r\n\r\n" };

        if (!peer_hear(p))
                return;
        for (size_t i = 0; i < ELEMENTSOF(said); i++)
                peer_say(p, said[i]);
        peer_wait_for_end(p);
}

static void test_stream(void **state) {
        Server s = { 0 };
        Client c = { 0 };

        stream_once(&s, part_stream, 100, 5 * USEC_PER_SEC, &c, on_line);
        assert_string_equal(c.seen, "[ab][cd][][xyz1]");
        assert_int_equal(c.done, 1);
        assert_int_equal(c.error, -ECONNRESET);
        assert_int_equal(c.status, 200);
}

static void part_stream_mute(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab\n\r\n");
        peer_wait_for_end(p);
}

static void part_stream_long_line(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n");
        peer_wait_for_end(p);
}

static void part_401(Peer *p) {
        if (peer_hear(p))
                peer_say(p, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\na\nb\n");
        peer_wait_for_end(p);
}

static void test_stream_ends(void **state) {
        static const struct {
                void (*part)(Peer *p);
                int error;
                const char *seen;
        } cases[] = {
                { part_mute, -ETIMEDOUT, "" },         { part_stream_mute, -ETIMEDOUT, "[ab]" },
                { part_stream_long_line, -EFBIG, "" }, { part_close, -ECONNRESET, "" },
                { part_garbage, -EBADMSG, "" },        { part_401, 0, "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Server s = { 0 };
                Client c = { 0 };

                stream_once(&s, cases[i].part, 10, 300 * USEC_PER_MSEC, &c, on_line);
                assert_int_equal(c.done, 1);
                if (c.error != cases[i].error)
                        fail_msg("case %zu: %d (%s)", i, c.error, c.reason);
                assert_string_equal(c.seen, cases[i].seen);
                if (c.error == 0) {
                        assert_int_equal(c.status, 401);
                        assert_string_equal(c.body, "a\nb\n");
                }
        }
}

static void on_line_cancel(const char *line, size_t len, void *userdata) {
        Client *c = userdata;

        on_line(line, len, userdata);
        http_call_cancel(c->call);
        assert_string_equal(line, "ab"); /* still there */
        (void) sd_event_exit(c->event, 0);
}

static void on_line_free(const char *line, size_t len, void *userdata) {
        Client *c = userdata;

        on_line(line, len, userdata);
        c->client = http_client_free(c->client);
        assert_string_equal(line, "ab");
        (void) sd_event_exit(c->event, 0);
}

static void test_cancel_within_line(void **state) {
        void (*const how[])(const char *, size_t, void *) = { on_line_cancel, on_line_free };

        for (size_t i = 0; i < ELEMENTSOF(how); i++) {
                Server s = { 0 };
                Client c = { 0 };

                stream_once(&s, part_stream, 100, 5 * USEC_PER_SEC, &c, how[i]);
                assert_string_equal(c.seen, "[ab]");
                assert_int_equal(c.done, 0);
        }
}

static void on_done_free(const HttpResponse *response, void *userdata) {
        Client *c = userdata;

        c->client = http_client_free(c->client);
        on_done(response, userdata);
}

static void test_free_within_done(void **state) {
        void (*const parts[])(Peer *) = { part_ok, part_garbage, part_close };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                Server s = { 0 };
                Client c = { 0 };

                start(&s, parts[i]);
                client_setup(&c, "localhost", s.port, NULL);
                assert_int_equal(http_client_call(c.client, "GET", "/", NULL, 0, NULL, 0, on_done_free, &c,
                                                  NULL),
                                 0);
                assert_int_equal(http_client_call(c.client, "GET", "/", NULL, 0, NULL, 0, on_done, &c, NULL),
                                 0);
                assert_true(sd_event_loop(c.event) >= 0);
                assert_int_equal(c.done, 1); /* the second one went with the client */
                client_done(&c);
                server_stop(&s);
        }
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata) {
        Client *c = userdata;

        http_call_cancel(c->call);
        return 0;
}

/* The first is cancelled while its answer is awaited, the third while it waits in the queue: the second is
 * served. */
static void part_first_mute(Peer *p) {
        if (p->connection == 0)
                part_mute(p);
        else
                part_count(p);
}

static void test_cancel(void **state) {
        sd_event_source *timer = NULL;
        Server s = { 0 };
        Client c = { 0 };

        start(&s, part_first_mute);
        client_setup(&c, "127.0.0.1", s.port, NULL);
        assert_int_equal(http_client_call(c.client, "GET", "/", NULL, 0, NULL, 0, on_done_collect, &c,
                                          &c.call),
                         0);
        assert_int_equal(http_client_call(c.client, "GET", "/", NULL, 0, NULL, 0, on_done_collect, &c, NULL),
                         0);
        assert_int_equal(http_client_call(c.client, "GET", "/", NULL, 0, NULL, 0, on_done_collect, &c,
                                          &c.second),
                         0);
        http_call_cancel(c.second);
        assert_int_equal(sd_event_add_time(c.event, &timer, CLOCK_MONOTONIC, now_monotonic_usec() + 100000,
                                           1000, on_time, &c),
                         0);
        assert_true(sd_event_loop(c.event) >= 0);
        sd_event_source_unref(timer);
        client_done(&c);
        server_stop(&s);
        assert_string_equal(c.seen, "1.0 ");
        assert_int_equal(s.connections, 2);
}

static void test_free_while_under_way(void **state) {
        static const char *const hosts[] = { "127.0.0.1", "localhost" };

        for (unsigned steps = 0; steps < 8; steps++)
                for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
                        Server s = { 0 };
                        Client c = { 0 };

                        start(&s, part_mute);
                        client_setup(&c, hosts[i], s.port, NULL);
                        get(&c);
                        for (unsigned k = 0; k < steps; k++)
                                assert_true(sd_event_run(c.event, 20000) >= 0);
                        client_done(&c);
                        server_stop(&s);
                        assert_int_equal(c.done, 0);
                }
}

static void test_large_bodies(void **state) {
        /* More than the socket takes at once, so that sending has to wait and go on. */
        const size_t len = 8 * 1024 * 1024;
        _cleanup_free_ char *body = malloc(len + 1);
        Server s = { 0 };
        Client c = { 0 };

        assert_non_null(body);
        memset(body, 'x', len);
        body[len] = '\0';
        start(&s, part_502); /* answers at once, then reads */
        client_setup(&c, "127.0.0.1", s.port, NULL);
        assert_int_equal(http_client_call(c.client, "POST", "/", NULL, 0, body, len, on_done, &c, NULL), 0);
        assert_true(sd_event_loop(c.event) >= 0);
        client_done(&c);
        server_stop(&s);
        assert_int_equal(c.error, 0);
        assert_int_equal(c.status, 502);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ok),
                cmocka_unit_test(test_tls12),
                cmocka_unit_test(test_old_tls_is_refused),
                cmocka_unit_test(test_wrong_ca),
                cmocka_unit_test(test_wrong_name),
                cmocka_unit_test(test_expired),
                cmocka_unit_test(test_unverified),
                cmocka_unit_test(test_plain_http),
                cmocka_unit_test(test_502),
                cmocka_unit_test(test_bad_answers),
                cmocka_unit_test(test_connection_refused),
                cmocka_unit_test(test_calls_share_a_connection),
                cmocka_unit_test(test_lost_kept_connection),
                cmocka_unit_test(test_sync),
                cmocka_unit_test(test_stream),
                cmocka_unit_test(test_stream_ends),
                cmocka_unit_test(test_cancel_within_line),
                cmocka_unit_test(test_free_within_done),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_free_while_under_way),
                cmocka_unit_test(test_large_bodies),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
