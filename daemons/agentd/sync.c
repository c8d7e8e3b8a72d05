/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/sync.h"

#include <stdio.h>

#include "agentd/request.h"
#include "base/log.h"
#include "base/strutil.h"
#include "service/event-timer.h"
#include "json/json.h"

#define STREAM_PATH "/api/v1/agent/stream"
#define REPORT_PATH "/api/v1/agent/report"
#define LEAVE_PATH "/api/v1/agent/leave"
#define BOOTSTRAP_PATH "/api/v1/agent/bootstrap"
#define LINE_BYTES_MAX (64U * 1024 * 1024)
#define SILENCE_USEC (60 * USEC_PER_SEC)
#define RETRY_BASE_USEC USEC_PER_SEC
#define RETRY_CAP_USEC (60 * USEC_PER_SEC)
#define HEALTHY_USEC (300 * USEC_PER_SEC)
#define LOST_JITTER_USEC \
        (30 * USEC_PER_SEC) /* of connections that were healthy: all agents lose them at once */
#define REVOKED_USEC (3600 * USEC_PER_SEC)
#define REPORT_RETRY_CAP_USEC (10 * USEC_PER_SEC)
#define LOG_EVERY_USEC (300 * USEC_PER_SEC)

struct Sync {
        Manager *manager;
        HttpClient *stream_client, *client;
        HttpCall *stream, *report;
        size_t url;
        sd_event_source *timer, *report_timer;
        Backoff retry, report_retry;
        uint64_t connected_usec, logged_usec;
        bool up; /* the stream has said something */
        bool report_wanted;
        char *acknowledged; /* the last report that the controller has taken on this connection */
        char *sent;
        uint64_t sent_generation;
        bool restart; /* on_line may not take its own stream down: the defer does */
        bool fetch_keys;
        bool revoked;
        unsigned seq_retries;
        bool epoch_raised;
        void (*leave_done)(int result, const char *reason, void *userdata);
        void *leave_userdata;
};

static void send_report(Sync *s);

Sync *sync_free(Sync *s) {
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->timer);
        sd_event_source_disable_unref(s->report_timer);
        free(s->acknowledged);
        free(s->sent);
        (void) http_client_free(s->stream_client);
        (void) http_client_free(s->client);
        return mfree(s);
}

const char *sync_url(const Sync *s) {
        return s->manager->membership->urls[s->url];
}

static int client_get(Sync *s, HttpClient **client, HttpClient **ret) {
        const Membership *m = s->manager->membership;
        HttpClientConfig config = {
                .url = sync_url(s),
                .trust = m->n_ca_pins == 0 ? HTTP_TRUST_SYSTEM : HTTP_TRUST_CA,
                .ca_pem = m->n_ca_pins == 0 ? NULL : m->keys.ca_pem,
                .max_body_bytes = 64 * 1024,
        };
        int r;

        if (!*client) {
                r = http_client_new(s->manager->event, &config, client);
                if (r < 0)
                        return r;
        }
        *ret = *client;
        return 0;
}

static void drop_connections(Sync *s) {
        s->stream = NULL;
        s->report = NULL;
        s->up = false;
        s->acknowledged = mfree(s->acknowledged);
        s->stream_client = http_client_free(s->stream_client);
        s->client = http_client_free(s->client);
}

void sync_reconnect_in(Sync *s, uint64_t usec) {
        event_timer_arm(s->timer, usec);
}

/* After something went wrong: the next address of the controller, later and later. */
static void retry(Sync *s, uint64_t at_least_usec, bool was_healthy) {
        uint64_t wait;

        s->url = (s->url + 1) % strv_length(s->manager->membership->urls);
        wait = MAX(backoff_next(&s->retry, crypto_random_u64()), at_least_usec);
        if (was_healthy)
                wait = crypto_random_u64() % LOST_JITTER_USEC;
        sync_reconnect_in(s, MAX(wait, 50 * USEC_PER_MSEC));
}

typedef struct Problem {
        const char *code;
        uint64_t min, epoch;
} Problem;

/* {"code":"…","min":…,"epoch":…} of a refusal. */
static void parse_problem(const HttpResponse *response, char ret_code[static 64], Problem *ret) {
        static const JsonField fields[] = {
                { "code", JSON_FIELD_STRING, offsetof(Problem, code), 0 },
                { "min", JSON_FIELD_U64, offsetof(Problem, min), 0 },
                { "epoch", JSON_FIELD_U64, offsetof(Problem, epoch), 0 },
        };
        _cleanup_json_ json_object *o = NULL;
        Problem p = { 0 };

        ret_code[0] = '\0';
        *ret = (Problem) { 0 };
        if (!response->body ||
            json_parse((const char *) response->body, response->body_len, 0, NULL, &o) < 0 ||
            json_object_get_type(o) != json_type_object ||
            json_dispatch(o, fields, ELEMENTSOF(fields), true, &p, NULL) < 0)
                return;
        (void) snprintf(ret_code, 64, "%s", strempty(p.code));
        *ret = (Problem) { .min = p.min, .epoch = p.epoch };
}

/* What a refusal means for all that comes after. Returns true when the same can be tried again at once. */
static bool take_refusal(Sync *s, const HttpResponse *response) {
        Manager *m = s->manager;
        Problem problem;
        char code[64];

        parse_problem(response, code, &problem);
        if (response->status == 401 && streq(code, "replayed") && !s->epoch_raised) {
                /* The counter of starts was lost, or could not be written. Only once: of two machines with
                 * one identity the other one would do the same, for ever. */
                s->epoch_raised = true;
                log_warning("The controller has seen a later start of this node, going on from there.");
                identity_raise_epoch(m->identity, problem.epoch);
                return true;
        }
        if (response->status == 401 && (streq(code, "seq_behind") || streq(code, "replayed")) &&
            s->seq_retries < 3) {
                s->seq_retries++;
                identity_skip_sequence(m->identity, problem.min);
                return true;
        }
        if (response->status == 403 && streq(code, "revoked")) {
                s->revoked = true;
                manager_set_revoked(m);
        } else if (response->status == 403 && streq(code, "pending"))
                manager_set_pending(m, true);
        else if (response->status == 401 && !s->fetch_keys)
                s->fetch_keys = true; /* once: perhaps the keys have changed */
        return false;
}

static void log_lost(Sync *s, const HttpResponse *response) {
        uint64_t now = now_monotonic_usec();

        /* A controller that is away for a week is one line every five minutes. */
        if (s->logged_usec != 0 && now < s->logged_usec + LOG_EVERY_USEC && !s->up)
                return;
        s->logged_usec = now;
        if (response->error != 0)
                log_notice("Lost the controller at %s: %s", sync_url(s), response->reason);
        else
                log_notice("The controller at %s answers with status %u.", sync_url(s), response->status);
}

static void on_stream_done(const HttpResponse *response, void *userdata) {
        Sync *s = userdata;
        Manager *m = s->manager;
        uint64_t now = now_monotonic_usec();
        bool healthy = s->up && now > s->connected_usec + HEALTHY_USEC;
        bool again;

        s->stream = NULL;
        log_lost(s, response);
        again = response->error == 0 && response->status != 200 && take_refusal(s, response);
        s->up = false;
        manager_set_connected(m, false);
        if (again) {
                sync_reconnect_in(s, 0);
                return;
        }
        if (healthy)
                backoff_reset(&s->retry);
        if (s->revoked) {
                sync_reconnect_in(s, REVOKED_USEC);
                return;
        }
        if (s->restart) {
                s->restart = false;
                sync_reconnect_in(s, 0);
                return;
        }
        retry(s, MIN(response->retry_after_sec, UINT64_C(300)) * USEC_PER_SEC, healthy);
}

static void stream_is_up(Sync *s) {
        if (s->up)
                return;
        s->up = true;
        s->revoked = false;
        s->seq_retries = 0;
        s->fetch_keys = false;
        s->connected_usec = now_monotonic_usec();
        log_info("Connected to the controller at %s.", sync_url(s));
        manager_set_pending(s->manager, false);
        manager_set_connected(s->manager, true);
}

static void on_line(const char *line, size_t len, void *userdata) {
        Sync *s = userdata;
        int r;

        stream_is_up(s);
        if (len == 0) {
                manager_settle(s->manager);
                return;
        }
        r = manager_take_line(s->manager, line, len);
        if (r == -ENOKEY)
                s->fetch_keys = true;
        if (r == -ENOKEY || r == -ECONNRESET) {
                /* A stream cannot be taken down from within its own callback. */
                uint64_t wait = backoff_next(&s->retry, crypto_random_u64());
                sync_reconnect_in(s, MAX(wait, 100 * USEC_PER_MSEC));
        }
}

/* A node that was revoked has nothing. */
static bool has_topic(const Manager *m, int class) {
        return m->desired && m->state->topics[class].topic[0] != '\0' &&
               desired_wants_topic(m->desired, (TopicClass) class);
}

static char *have_query(const Manager *m) {
        _cleanup_buffer_ Buffer b = { 0 };
        bool first = true;

        for (int i = 0; i < STATE_CLASSES; i++) {
                const StateTopic *t = &m->state->topics[i];

                if (!has_topic(m, i))
                        continue;
                if (buffer_appendf(&b, "%s%s@%llu", first ? "have=" : ",", t->topic,
                                   (unsigned long long) t->revision) < 0)
                        return NULL;
                first = false;
        }
        return b.data ? (char *) TAKE(b.data) : strdup("");
}

static int open_stream(Sync *s) {
        Manager *m = s->manager;
        _cleanup_free_ char *query = have_query(m), *target = NULL;
        RequestHeaders headers;
        HttpClient *client;
        int r;

        if (!query)
                return -ENOMEM;
        target = str_printf(STREAM_PATH "%s%s", query[0] != '\0' ? "?" : "", query);
        if (!target)
                return -ENOMEM;
        r = request_headers(m, "GET", STREAM_PATH, query, NULL, 0, &headers);
        if (r < 0)
                return r;
        r = client_get(s, &s->stream_client, &client);
        if (r < 0)
                return r;
        return http_client_stream(client, target, headers.fields, headers.n, LINE_BYTES_MAX, SILENCE_USEC,
                                  on_line, on_stream_done, s, &s->stream);
}

static void on_keys(const HttpResponse *response, void *userdata) {
        Sync *s = userdata;
        Manager *m = s->manager;
        const char *reason = "no answer";
        int r = -EIO;

        s->report = NULL;
        if (response->error == 0 && response->status == 200)
                r = membership_set_key_document(m->membership, (const char *) response->body,
                                                response->body_len, &reason);
        if (r >= 0)
                r = membership_save(m->directory, m->membership);
        if (r < 0)
                log_warning_errno(r, "Failed to renew the key document, going on with the one there is: %s",
                                  reason);
        r = open_stream(s);
        if (r < 0)
                retry(s, 0, false);
        else
                sync_report(s);
}

static int fetch_keys(Sync *s) {
        HttpClient *client;
        int r;

        s->fetch_keys = false;
        r = client_get(s, &s->client, &client);
        if (r < 0)
                return r;
        return http_client_call(client, "GET", BOOTSTRAP_PATH, NULL, 0, NULL, 0, on_keys, s, &s->report);
}

void sync_start(Sync *s) {
        int r;

        drop_connections(s);
        manager_set_connected(s->manager, false);
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
        r = s->fetch_keys ? fetch_keys(s) : open_stream(s);
        if (r < 0) {
                log_warning_errno(r, "Failed to connect to the controller, trying again: %m");
                retry(s, 0, false);
                return;
        }
        /* A stream with nothing new says nothing for a while: the answer to a report shows that we are
         * through. */
        if (s->stream)
                sync_report(s);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        sync_start(userdata);
        return 0;
}

static int on_report_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        send_report(userdata);
        return 0;
}

int sync_new(Manager *m, Sync **ret) {
        _cleanup_(sync_freep) Sync *s = new(Sync);
        sd_event_source **timers[] = { NULL, NULL };
        static const sd_event_time_handler_t handlers[] = { on_timer, on_report_timer };
        int r;

        if (!s)
                return -ENOMEM;
        s->manager = m;
        s->retry = (Backoff) { .base_usec = RETRY_BASE_USEC, .cap_usec = RETRY_CAP_USEC };
        s->report_retry = (Backoff) { .base_usec = RETRY_BASE_USEC, .cap_usec = REPORT_RETRY_CAP_USEC };
        timers[0] = &s->timer;
        timers[1] = &s->report_timer;
        for (size_t i = 0; i < ELEMENTSOF(timers); i++) {
                r = event_timer_new(m->event, 10 * USEC_PER_MSEC, handlers[i], s, timers[i]);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(s);
        return 0;
}

static json_object *applied_json(const Manager *m) {
        json_object *o = json_object_new_object();

        for (int i = 0; o && i < STATE_CLASSES; i++) {
                const StateTopic *t = &m->state->topics[i];

                if (!has_topic(m, i))
                        continue;
                if (json_add_u64(o, t->topic, t->revision) < 0) {
                        json_object_put(o);
                        return NULL;
                }
        }
        return o;
}

static char *report_body(const Manager *m, size_t *ret_len) {
        _cleanup_json_ json_object *o = json_object_new_object();
        const char *error = m->refused[0] != '\0' ? m->refused : m->error;
        json_object *applied = applied_json(m);

        if (!o || !applied) {
                if (applied)
                        json_object_put(applied);
                return NULL;
        }
        if (json_add(o, "applied", applied) < 0 ||
            json_add_string(o, "state", error[0] != '\0' ? "failed" : "in-sync") < 0 ||
            (error[0] != '\0' && json_add_string(o, "error", error) < 0) ||
            json_add_string(o, "version", SDWAN_VERSION) < 0)
                return NULL;
        return json_format(o, ret_len);
}

static void on_report_done(const HttpResponse *response, void *userdata) {
        Sync *s = userdata;

        s->report = NULL;
        if (response->error == 0 && response->status >= 200 && response->status < 300) {
                backoff_reset(&s->report_retry);
                free(s->acknowledged);
                s->acknowledged = TAKE(s->sent);
                if (s->stream)
                        stream_is_up(s);
                manager_reached(s->manager, s->sent_generation);
                if (s->report_wanted)
                        event_timer_arm(s->report_timer, 0);
                return;
        }
        if (response->error == 0 && response->status < 500 && response->status != 429 &&
            !take_refusal(s, response)) {
                if (s->revoked)
                        return;
                log_warning("The controller refuses a report with status %u, ignoring.", response->status);
                return;
        }
        s->report_wanted = true;
        event_timer_arm(s->report_timer,
                        MAX(backoff_next(&s->report_retry, crypto_random_u64()), 100 * USEC_PER_MSEC));
}

static int post(Sync *s, const char *path, const char *body, size_t len,
                void (*done)(const HttpResponse *, void *)) {
        RequestHeaders headers;
        HttpClient *client;
        int r;

        r = request_headers(s->manager, "POST", path, "", body, len, &headers);
        if (r < 0)
                return r;
        r = client_get(s, &s->client, &client);
        if (r < 0)
                return r;
        return http_client_call(client, "POST", path, headers.fields, headers.n, body, len, done, s,
                                &s->report);
}

static void send_report(Sync *s) {
        _cleanup_free_ char *body = NULL;
        size_t len = 0;
        int r;

        if (!s->stream || s->report || !s->report_wanted || s->leave_done || s->manager->membership->revoked)
                return;
        body = report_body(s->manager, &len);
        if (body && streq_ptr(body, s->acknowledged)) {
                s->report_wanted = false;
                manager_reached(s->manager, s->manager->generation);
                return;
        }
        r = body ? post(s, REPORT_PATH, body, len, on_report_done) : -ENOMEM;
        if (r < 0) {
                log_warning_errno(r, "Failed to send a report, trying again: %m");
                event_timer_arm(s->report_timer, REPORT_RETRY_CAP_USEC);
                return;
        }
        s->report_wanted = false;
        s->sent_generation = s->manager->generation;
        free(s->sent);
        s->sent = TAKE(body);
}

void sync_report(Sync *s) {
        s->report_wanted = true;
        event_timer_arm(s->report_timer, 0);
}

static void on_leave_done(const HttpResponse *response, void *userdata) {
        Sync *s = userdata;
        char code[64], reason[ERROR_TEXT_MAX];
        void (*done)(int, const char *, void *) = s->leave_done;
        Problem problem;
        int r = -EHOSTUNREACH;

        s->report = NULL;
        s->leave_done = NULL;
        parse_problem(response, code, &problem);
        if (response->error == 0 && ((response->status >= 200 && response->status < 300) ||
                                     streq(code, "revoked") || response->status == 404))
                r = 0;
        if (response->error != 0)
                (void) snprintf(reason, sizeof(reason), "%s", response->reason);
        else
                (void) snprintf(reason, sizeof(reason), "the controller answers with status %u",
                                response->status);
        if (r < 0 && response->error == 0 && streq(code, "seq_behind")) {
                identity_skip_sequence(s->manager->identity, problem.min);
                r = sync_leave(s, done, s->leave_userdata);
                if (r >= 0)
                        return;
        }
        done(r, reason, s->leave_userdata);
}

int sync_leave(Sync *s, void (*done)(int result, const char *reason, void *userdata), void *userdata) {
        int r;

        if (s->leave_done)
                return -EALREADY;
        if (s->report)
                http_call_cancel(TAKE(s->report));
        r = post(s, LEAVE_PATH, "{}", 2, on_leave_done);
        if (r < 0)
                return r;
        s->leave_done = done;
        s->leave_userdata = userdata;
        return 0;
}
