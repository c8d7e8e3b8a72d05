/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "fake-agent.h"
#include "overlay/items.h"

#define LINE_MAX_BYTES ((size_t) 64 * 1024 * 1024)
#define SILENCE_USEC (60 * USEC_PER_SEC)
#define TOPICS_MAX 8

typedef struct Streams Streams;

typedef struct Stream {
        Streams *streams;
        FakeAgent *agent;
        HttpClient *client;
        unsigned number;
        char *topics[TOPICS_MAX];
        uint64_t revisions[TOPICS_MAX];
        size_t n_topics;
        bool ended;
} Stream;

struct Streams {
        const FakeArguments *args;
        sd_event *event;
        sd_event_source *timer;
        Stream *streams;
        unsigned n_open;
        uint64_t batches, items, bytes, heartbeats, after_first, bad;
        bool failed;
};

static const PublicKey *lookup(const char *key_id, void *userdata) {
        const FakeAgent *a = userdata;

        return streq(key_id, a->signing_key_id) ? &a->signing_key : NULL;
}

/* As an agent judges a batch (docs/protocol.md section 4). True: it was the first of its topic. */
static int accept_batch(Stream *s, const Batch *b, bool *ret_first) {
        size_t i = 0;

        if (!streq(b->controller_id, s->agent->controller_id))
                return -EKEYREJECTED;
        while (i < s->n_topics && !streq(s->topics[i], b->topic))
                i++;
        *ret_first = i == s->n_topics;
        if (i == s->n_topics) {
                if (i == TOPICS_MAX)
                        return -E2BIG;
                s->topics[i] = strdup(b->topic);
                if (!s->topics[i])
                        return -ENOMEM;
                s->n_topics++;
        }
        if (b->snapshot ? b->to < s->revisions[i] : b->from > s->revisions[i] || b->to <= s->revisions[i])
                return -ESTALE;
        s->revisions[i] = b->to;
        return 0;
}

static int read_batch(Stream *s, const char *line, size_t len) {
        Streams *all = s->streams;
        _cleanup_(batch_done) Batch b = { 0 };
        _cleanup_free_ uint8_t *payload = NULL;
        const char *reason = "";
        size_t payload_len;
        bool first = false;
        int r;

        r = envelope_decode(line, len, DOMAIN_BATCH, lookup, s->agent, &payload, &payload_len);
        if (r >= 0)
                r = batch_from_json((const char *) payload, payload_len, &b, &reason);
        if (r >= 0)
                r = accept_batch(s, &b, &first);
        if (r < 0)
                return log_error_errno(r, "Stream %u: bad batch %s: %m", s->number, reason);
        all->batches++;
        all->items += b.n_items;
        if (!first)
                all->after_first++;
        printf("stream %u topic=%s items=%zu from=%llu to=%llu snapshot=%d bytes=%zu\n", s->number, b.topic,
               b.n_items, (unsigned long long) b.from, (unsigned long long) b.to, b.snapshot, len + 1);
        for (size_t i = 0; all->args->verbose && i < b.n_items; i++)
                printf("  %llu %s%s\n", (unsigned long long) b.items[i].revision, b.items[i].id,
                       b.items[i].data ? "" : " (gone)");
        (void) fflush(stdout);
        return 0;
}

static void on_line(const char *line, size_t len, void *userdata) {
        Stream *s = userdata;

        s->streams->bytes += len + 1;
        if (len == 0)
                s->streams->heartbeats++;
        else if (read_batch(s, line, len) < 0)
                s->streams->bad++;
}

static void on_done(const HttpResponse *response, void *userdata) {
        Stream *s = userdata;

        printf("stream %u ended: status=%u %s%.200s\n", s->number, response->status,
               response->error < 0 ? response->reason : "",
               response->body ? (const char *) response->body : "");
        s->ended = true;
        s->streams->failed = true;
        if (--s->streams->n_open == 0)
                (void) sd_event_exit(s->streams->event, 0);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        return sd_event_exit(((Streams *) userdata)->event, 0);
}

static int open_stream(Streams *all, Stream *s, unsigned number) {
        FakeRequest q = { .method = "GET", .path = API "stream" };
        HttpClientConfig config = { 0 };
        HttpHeaderField headers[5];
        int r;

        s->streams = all;
        s->number = number;
        r = fake_agent_load(all->args->state, number, &s->agent);
        if (r < 0)
                return r;
        config.url = s->agent->url;
        config.trust = s->agent->ca_pem ? HTTP_TRUST_CA : HTTP_TRUST_SYSTEM;
        config.ca_pem = s->agent->ca_pem;
        r = http_client_new(all->event, &config, &s->client);
        if (r >= 0)
                r = fake_request_sign(s->agent, &q, 0, 0);
        if (r < 0)
                return r;
        headers[0] = (HttpHeaderField) { "Content-Digest", q.headers.content_digest };
        headers[1] = (HttpHeaderField) { "Sdwan-Aud", q.headers.audience };
        headers[2] = (HttpHeaderField) { "Sdwan-Seq", q.headers.sequence };
        headers[3] = (HttpHeaderField) { "Signature-Input", q.headers.signature_input };
        headers[4] = (HttpHeaderField) { "Signature", q.headers.signature };
        all->n_open++;
        return http_client_stream(s->client, q.path, headers, ELEMENTSOF(headers), LINE_MAX_BYTES,
                                  SILENCE_USEC, on_line, on_done, s, NULL);
}

static void stream_done(Stream *s) {
        (void) http_client_free(s->client);
        (void) fake_agent_free(s->agent);
        for (size_t i = 0; i < s->n_topics; i++)
                free(s->topics[i]);
}

int fake_stream(const FakeArguments *args) {
        Streams all = { .args = args };
        int r;

        all.streams = new0(Stream, args->count);
        r = all.streams ? sd_event_new(&all.event) : -ENOMEM;
        if (r >= 0)
                r = sd_event_add_time_relative(all.event, &all.timer, CLOCK_MONOTONIC,
                                               args->seconds * USEC_PER_SEC, 0, on_timer, &all);
        for (unsigned i = 0; r >= 0 && i < args->count; i++)
                r = open_stream(&all, &all.streams[i], args->agent + i);
        if (r >= 0)
                r = sd_event_loop(all.event);
        for (unsigned i = 0; all.streams && i < args->count; i++)
                stream_done(&all.streams[i]);
        free(all.streams);
        sd_event_source_disable_unref(all.timer);
        sd_event_unref(all.event);
        printf("streams=%u batches=%llu items=%llu bytes=%llu heartbeats=%llu bad=%llu "
               "batches_after_first=%llu\n",
               args->count, (unsigned long long) all.batches, (unsigned long long) all.items,
               (unsigned long long) all.bytes, (unsigned long long) all.heartbeats,
               (unsigned long long) all.bad, (unsigned long long) all.after_first);
        return r >= 0 && !all.failed && all.bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
