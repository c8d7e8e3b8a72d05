/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"
#include "fake-agent.h"
#include "json/json.h"

/* Signed requests as they must not be accepted (SECURITY.md B1, B9): one line "ok NAME" or "not ok NAME: …"
 * for each. */

typedef struct Verdicts {
        FakeAgent *agent;
        unsigned n_bad;
} Verdicts;

/* code: NULL where any answer of this status will do; "a|b": one of them. */
static bool code_is(const char *code, const char *expected) {
        size_t len = strlen(code);

        for (const char *p = expected, *end; p; p = *end != '\0' ? end + 1 : NULL) {
                end = strchrnul(p, '|');
                if ((size_t) (end - p) == len && memcmp(p, code, len) == 0)
                        return true;
        }
        return !expected;
}

static void expect(Verdicts *v, const char *name, const FakeRequest *q, unsigned status, const char *code) {
        char got_code[64] = "";
        unsigned got = 0;
        uint64_t min;
        int r;

        r = fake_request_send(v->agent, q, &got, got_code, &min);
        if (r >= 0 && got == status && code_is(got_code, code)) {
                printf("ok %s\n", name);
                return;
        }
        v->n_bad++;
        printf("not ok %s: %u %s, expected %u %s\n", name, got, got_code, status, strempty(code));
}

static FakeRequest fresh(Verdicts *v) {
        FakeRequest q = { 0 };

        if (fake_report(v->agent, &q) < 0 || fake_request_sign(v->agent, &q, 0, 0) < 0)
                abort();
        return q;
}

static void test_replayed(Verdicts *v) {
        FakeRequest q = fresh(v);

        expect(v, "fresh request", &q, 204, "");
        expect(v, "replayed", &q, 401, "replayed");
        expect(v, "replayed again", &q, 401, "replayed");
        q = (FakeRequest) { .method = "GET", .path = API "stream" };
        if (fake_request_sign(v->agent, &q, 0, v->agent->sequence) < 0)
                abort();
        expect(v, "stream with a used number", &q, 401, "replayed");
}

static void test_reordered(Verdicts *v) {
        FakeRequest early = fresh(v), late = fresh(v), far = fresh(v), old = fresh(v);

        expect(v, "later request first", &late, 204, "");
        expect(v, "earlier one behind it", &early, 204, "");
        expect(v, "earlier one replayed", &early, 401, "replayed");
        v->agent->sequence += 100;
        if (fake_request_sign(v->agent, &far, 0, 0) < 0)
                abort();
        expect(v, "jump ahead", &far, 204, "");
        expect(v, "older than the window", &old, 401, "replayed");
        if (v->agent->epoch > 1) {
                FakeRequest before = fresh(v);

                if (fake_request_sign(v->agent, &before, v->agent->epoch - 1, UINT32_MAX) < 0)
                        abort();
                expect(v, "older epoch", &before, 401, "replayed");
        }
}

static void flip(char *header, char after) {
        char *p = strchr(header, after) + 1;

        *p = *p == 'A' ? 'B' : 'A';
}

static void test_altered(Verdicts *v) {
        FakeRequest q = fresh(v);

        (void) snprintf(q.path, sizeof(q.path), API "leave");
        expect(v, "altered path", &q, 401, "signature_invalid");
        q = fresh(v);
        (void) snprintf(q.body, sizeof(q.body),
                        "{\"applied\":{},\"state\":\"failed\",\"version\":\"fake\"}");
        expect(v, "altered body", &q, 401, "signature_invalid");
        q = fresh(v);
        (void) snprintf(q.query, sizeof(q.query), "x=1");
        expect(v, "altered query", &q, 401, "signature_invalid");
        q = fresh(v);
        flip(q.headers.content_digest, ':');
        expect(v, "altered digest", &q, 401, "signature_invalid");
        q = fresh(v);
        flip(q.headers.signature, ':');
        expect(v, "altered signature", &q, 401, "signature_invalid");
        q = fresh(v);
        (void) snprintf(q.headers.sequence, sizeof(q.headers.sequence), "%llu.%llu",
                        (unsigned long long) v->agent->epoch, (unsigned long long) ++v->agent->sequence);
        expect(v, "altered sequence", &q, 401, "signature_invalid");
        q = fresh(v);
        (void) snprintf(q.headers.sequence, sizeof(q.headers.sequence), "%llu.1",
                        (unsigned long long) v->agent->epoch + 1);
        expect(v, "altered epoch", &q, 401, "signature_invalid");
        q = fresh(v);
        memset(q.headers.audience, '0', strlen(q.headers.audience));
        expect(v, "altered audience", &q, 401, "signature_invalid");
        q = (FakeRequest) { .method = "PUT", .path = API "stream" };
        if (fake_request_sign(v->agent, &q, 0, 0) < 0)
                abort();
        (void) snprintf(q.method, sizeof(q.method), "GET");
        expect(v, "altered method", &q, 401, "signature_invalid");
}

/* Signed well, but for somebody or by somebody else. */
static void test_foreign(Verdicts *v) {
        FakeAgent other = *v->agent;
        FakeRequest q;
        char *p;

        if (fake_report(v->agent, &q) < 0)
                abort();
        other.controller_id = (char *) "00000000000000000000000000000000";
        if (fake_request_sign(&other, &q, 0, ++v->agent->sequence) < 0)
                abort();
        expect(v, "for another controller", &q, 401, "signature_invalid");
        other = *v->agent;
        other.node_id = (char *) "0000000000000000000000000000000000000000000000000000000000000000";
        if (fake_request_sign(&other, &q, 0, ++v->agent->sequence) < 0)
                abort();
        expect(v, "of an unknown node", &q, 401, "signature_invalid");
        other = *v->agent;
        if (secret_new_random(&other.identity) < 0 ||
            fake_request_sign(&other, &q, 0, ++v->agent->sequence) < 0)
                abort();
        other.identity = secret_free(other.identity);
        expect(v, "with another key", &q, 401, "signature_invalid");
        q = fresh(v);
        p = strstr(q.headers.signature_input, "ed25519");
        memcpy(p, "ed25518", strlen("ed25518"));
        expect(v, "another algorithm", &q, 401, "signature_invalid");
        q = fresh(v);
        p = strstr(q.headers.signature_input, "/1\"");
        p[1] = '2';
        expect(v, "another generation", &q, 401, "signature_invalid");
}

static void test_headers(Verdicts *v) {
        static const char *const names[] = {
                "Content-Digest", "Sdwan-Aud", "Sdwan-Seq", "Signature-Input", "Signature",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                FakeRequest without = fresh(v), twice = fresh(v);
                _cleanup_free_ char *no = str_printf("no %s", names[i]),
                                    *two = str_printf("two %s", names[i]);

                without.without = names[i];
                expect(v, no, &without, 401, "signature_invalid");
                twice.twice = names[i];
                expect(v, two, &twice, 401, "signature_invalid");
        }
}

/* After a restart the controller refuses everything up to its ceiling and says where to go on. */
static int catch_up(FakeAgent *a) {
        char code[64];
        FakeRequest q;
        unsigned status;
        uint64_t min;
        int r;

        r = fake_report(a, &q);
        if (r >= 0)
                r = fake_request_sign(a, &q, 0, 0);
        if (r >= 0)
                r = fake_request_send(a, &q, &status, code, &min);
        if (r >= 0 && status == 401 && streq(code, "seq_behind"))
                a->sequence = min - 1;
        return r;
}

int fake_replay(const FakeArguments *args) {
        _cleanup_(fake_agent_freep) FakeAgent *a = NULL;
        Verdicts v = { 0 };

        if (fake_agent_load(args->state, args->agent, &a) < 0 || catch_up(a) < 0)
                return EXIT_FAILURE;
        v.agent = a;
        test_replayed(&v);
        test_altered(&v);
        test_foreign(&v);
        test_headers(&v);
        test_reordered(&v);
        return v.n_bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- across a restart ---- */

/* What an eavesdropper behind the TLS would have: requests that were accepted, as bytes. */
static int save_recorded(const FakeArguments *args, const FakeRequest *q, size_t n) {
        _cleanup_free_ char *path = str_printf("%s/recorded", args->state);

        return path ? file_write_atomic(path, q, n * sizeof(*q), 0600) : -ENOMEM;
}

#define RECORDED 3

int fake_record(const FakeArguments *args) {
        _cleanup_(fake_agent_freep) FakeAgent *a = NULL;
        FakeRequest q[RECORDED];
        Verdicts v = { 0 };

        if (fake_agent_load(args->state, args->agent, &a) < 0)
                return EXIT_FAILURE;
        v.agent = a;
        for (size_t i = 0; i < RECORDED; i++) {
                q[i] = fresh(&v);
                expect(&v, "recorded", &q[i], 204, "");
        }
        return v.n_bad == 0 && save_recorded(args, q, RECORDED) >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* An agent that was not started again with the controller: its epoch is the one of the record. */
static void test_goes_on(Verdicts *v) {
        uint64_t epoch = v->agent->epoch - 1, min = 0;
        char code[64] = "";
        unsigned status;
        FakeRequest q;

        if (fake_report(v->agent, &q) < 0 || fake_request_sign(v->agent, &q, epoch, RECORDED + 1) < 0)
                abort();
        expect(v, "behind the ceiling", &q, 401, "seq_behind");
        if (fake_request_send(v->agent, &q, &status, code, &min) < 0 || min <= RECORDED + 1) {
                v->n_bad++;
                printf("not ok min: %llu\n", (unsigned long long) min);
                return;
        }
        if (fake_request_sign(v->agent, &q, epoch, min) < 0)
                abort();
        expect(v, "goes on from min", &q, 204, "");
        expect(v, "goes on from min, replayed", &q, 401, "replayed");
}

int fake_replay_recorded(const FakeArguments *args) {
        _cleanup_free_ char *path = str_printf("%s/recorded", args->state);
        _cleanup_(fake_agent_freep) FakeAgent *a = NULL;
        _cleanup_free_ uint8_t *bytes = NULL;
        FakeRequest q[RECORDED];
        Verdicts v = { 0 };
        size_t len;
        int r;

        if (!path || fake_agent_load(args->state, args->agent, &a) < 0)
                return EXIT_FAILURE;
        r = file_read_secret(path, sizeof(q), &bytes, &len);
        if (r < 0 || len != sizeof(q))
                return log_error_errno(r, "Failed to read %s: %m", path), EXIT_FAILURE;
        memcpy(q, bytes, sizeof(q));
        v.agent = a;
        for (size_t i = 0; i < RECORDED; i++)
                expect(&v, "replayed after the restart", &q[i], 401, "seq_behind|replayed");
        test_goes_on(&v);
        return v.n_bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
