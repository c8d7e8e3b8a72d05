/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "controld/agents-internal.h"
#include "controld/change.h"

#define HAVE_MAX 16

/* ---- topics of a node ---- */

static size_t topics_of(const Node *node, TopicHave ret[static SUBSCRIBER_TOPICS_MAX]) {
        static const TopicClass hub[] = { TOPIC_HUBS, TOPIC_LANES, TOPIC_PREFIXES };
        static const TopicClass spoke[] = { TOPIC_HUBS, TOPIC_AGGREGATES };
        const TopicClass *classes = node->role == ROLE_HUB ? hub : spoke;
        size_t n = node->role == ROLE_HUB ? ELEMENTSOF(hub) : ELEMENTSOF(spoke);

        ret[0] = (TopicHave) { 0 };
        topic_format(TOPIC_NODE, node->object.id, ret[0].topic);
        for (size_t i = 0; i < n; i++) {
                ret[i + 1] = (TopicHave) { 0 };
                topic_format(classes[i], node->network, ret[i + 1].topic);
        }
        return n + 1;
}

/* "<topic>@<revision>,…" into those topics that are the node's; others are of a role that it had before.
 * -EINVAL. */
static int read_have(const char *text, TopicHave *topics, size_t n_topics) {
        _cleanup_(strv_freep) char **parts = NULL;
        int r;

        r = strv_split(text, ",", &parts);
        if (r < 0)
                return r;
        if (strv_length(parts) > HAVE_MAX)
                return -EINVAL;
        STRV_FOREACH (p, parts) {
                char owner[OBJECT_ID_MAX];
                uint64_t revision;
                TopicClass class;
                char *at = strrchr(*p, '@');

                if (!at)
                        return -EINVAL;
                *at = '\0';
                if (topic_parse(*p, &class, owner) < 0 || parse_u64(at + 1, INT64_MAX, &revision) < 0)
                        return -EINVAL;
                for (size_t i = 0; i < n_topics; i++)
                        if (streq(topics[i].topic, *p))
                                topics[i].revision = revision;
        }
        return 0;
}

/* ---- streams ---- */

static void stream_gone(AgentNode *n) {
        Agents *a = n->agents;

        topics_unsubscribe(a->manager->topics, n->subscriber);
        n->subscriber = NULL;
        n->stream = NULL;
        n->stream_since_usec = 0;
        a->n_streams--;
        if (a->n_streams == 0 && a->heartbeat)
                (void) sd_event_source_set_enabled(a->heartbeat, SD_EVENT_OFF);
}

void agent_stream_end(AgentNode *n) {
        HttpStream *stream = n->stream;

        if (!stream)
                return;
        stream_gone(n);
        http_stream_end(stream);
}

static void on_stream_close(void *userdata) {
        AgentNode *n = userdata;

        if (n->stream)
                stream_gone(n);
}

static int on_heartbeat(sd_event_source *source, uint64_t usec, void *userdata) {
        Agents *a = userdata;

        topics_heartbeat(a->manager->topics);
        (void) sd_event_source_set_time_relative(source, USEC_PER_SEC);
        return 0;
}

static int start_heartbeat(Agents *a) {
        int r;

        if (!a->heartbeat) {
                r = sd_event_add_time_relative(a->manager->daemon.event, &a->heartbeat, CLOCK_MONOTONIC,
                                               USEC_PER_SEC, 100 * USEC_PER_MSEC, on_heartbeat, a);
                if (r < 0)
                        return r;
        } else if (a->n_streams > 0)
                return 0;
        r = sd_event_source_set_time_relative(a->heartbeat, USEC_PER_SEC);
        return r < 0 ? r : sd_event_source_set_enabled(a->heartbeat, SD_EVENT_ON);
}

/* A request that overtook another on its way is not a newer stream. */
static bool is_older(const AgentNode *n, const RequestSignatureClaims *c) {
        return n->stream && (c->epoch < n->stream_epoch ||
                             (c->epoch == n->stream_epoch && c->sequence < n->stream_sequence));
}

static int open_stream(Manager *m, AgentNode *n, AgentRequest *q, const TopicHave *topics, size_t n_topics,
                       Refusal *ret_refusal) {
        Agents *a = m->agents;
        HttpStream *stream;
        int r;

        r = start_heartbeat(a);
        if (r >= 0)
                r = http_request_stream_begin(q->request, "application/x-ndjson", on_stream_close, n,
                                              &stream);
        if (r < 0)
                return refuse_busy(ret_refusal, 503, 5);
        r = topics_subscribe(m->topics, stream, topics, n_topics, &n->subscriber);
        if (r < 0) {
                http_stream_end(stream); /* it comes again */
                (void) log_warning_errno(r, "Failed to begin the stream of node %s, ending it: %m", n->id);
                return 0;
        }
        n->stream = stream;
        n->stream_epoch = q->claims.epoch;
        n->stream_sequence = q->claims.sequence;
        n->stream_since_usec = now_realtime_usec();
        a->n_streams++;
        return 0;
}

static int prepare_stream(Manager *m, AgentNode *n, const Node *node, AgentRequest *q,
                          Refusal *ret_refusal) {
        TopicHave topics[SUBSCRIBER_TOPICS_MAX];
        _cleanup_free_ char *have = NULL;
        size_t n_topics;
        int r;

        if (is_older(n, &q->claims))
                return refuse(ret_refusal, 409, "superseded", NULL, "A newer stream of this node is open.");
        n_topics = topics_of(node, topics);
        r = http_request_query_value(q->request, "have", &have);
        if (r >= 0)
                r = read_have(have, topics, n_topics);
        if (r == -ENOMEM)
                return refuse_busy(ret_refusal, 503, 5);
        if (r < 0 && r != -ENOENT)
                return refuse(ret_refusal, 422, "invalid", "have",
                              "It is not a list of <topic>@<revision>.");
        agent_stream_end(n);
        return open_stream(m, n, q, topics, n_topics, ret_refusal);
}

void agent_stream(Manager *m, AgentNode *n, const Node *node, AgentRequest *q) {
        Refusal refusal = { 0 };

        if (prepare_stream(m, n, node, q, &refusal) < 0)
                answer_refusal(q->request, &refusal);
}

void agents_node_changed(Manager *m, const char *node_id) {
        const Object *o = model_get(m->model, &kind_node, node_id);
        AgentNode *n = agents_find(m->agents, node_id);
        TopicHave topics[SUBSCRIBER_TOPICS_MAX];
        Refusal refusal;
        int r;

        if (!n || !n->stream)
                return;
        if (!o || agent_check_state(node_of(o), false, &refusal) < 0) {
                agent_stream_end(n);
                return;
        }
        r = topics_resubscribe(m->topics, n->subscriber, topics, topics_of(node_of(o), topics));
        if (r < 0) {
                (void) log_warning_errno(r, "Failed to change the topics of node %s, ending its stream: %m",
                                         n->id);
                agent_stream_end(n);
        }
}

/* ---- reports ---- */

AgentReport *agent_report_free(AgentReport *r) {
        if (!r)
                return NULL;
        free(r->error);
        return mfree(r);
}
DEFINE_CLEANUP(AgentReport *, agent_report_free);

typedef struct RawReport {
        json_object *applied;
        const char *state, *error, *version;
} RawReport;

static const JsonField report_fields[] = {
        { "applied", JSON_FIELD_OBJECT, offsetof(RawReport, applied), JSON_REQUIRED },
        { "state", JSON_FIELD_STRING, offsetof(RawReport, state), JSON_REQUIRED },
        { "error", JSON_FIELD_STRING, offsetof(RawReport, error), JSON_NULLABLE },
        { "version", JSON_FIELD_STRING, offsetof(RawReport, version), JSON_REQUIRED },
};

static int refuse_report(Refusal *ret, const char *field) {
        return refuse(ret, 422, "invalid", field, "It is missing, or not of the right form.");
}

static int read_applied(json_object *o, const Node *node, AgentReport *report, Refusal *ret_refusal) {
        if (json_object_object_length(o) > HAVE_MAX)
                return refuse_report(ret_refusal, "applied");
        json_object_object_foreach(o, name, value) {
                const JsonField field = { name, JSON_FIELD_U64, 0, JSON_REQUIRED };
                char owner[OBJECT_ID_MAX];
                TopicClass class;
                uint64_t revision;

                if (topic_parse(name, &class, owner) < 0 || !value ||
                    json_dispatch(o, &field, 1, true, &revision, NULL) < 0)
                        return refuse_report(ret_refusal, "applied");
                if (streq(owner, class == TOPIC_NODE ? node->object.id : node->network))
                        report->applied[class] = revision;
        }
        return 0;
}

static int read_report(HttpRequest *r, const Node *node, AgentReport **ret, Refusal *ret_refusal) {
        _cleanup_(agent_report_freep) AgentReport *report = new(AgentReport);
        _cleanup_json_ json_object *body = NULL;
        RawReport raw = { 0 };
        const char *field = NULL;
        int k;

        if (!report)
                return refuse_busy(ret_refusal, 503, 5);
        k = read_body_object(r, &body, ret_refusal);
        if (k < 0)
                return k;
        /* Later agents may tell more. */
        if (json_dispatch(body, report_fields, ELEMENTSOF(report_fields), true, &raw, &field) < 0)
                return refuse_report(ret_refusal, field);
        report->failed = streq(raw.state, "failed");
        if (!report->failed && !streq(raw.state, "in-sync"))
                return refuse_report(ret_refusal, "state");
        if (strlen(raw.version) >= sizeof(report->version) || !str_is_printable(raw.version))
                return refuse_report(ret_refusal, "version");
        (void) snprintf(report->version, sizeof(report->version), "%s", raw.version);
        if (raw.error) {
                if (strlen(raw.error) > AGENT_TEXT_MAX || !str_is_printable(raw.error))
                        return refuse_report(ret_refusal, "error");
                report->error = strdup(raw.error);
                if (!report->error)
                        return refuse_busy(ret_refusal, 503, 5);
        }
        report->at_usec = now_realtime_usec();
        k = read_applied(raw.applied, node, report, ret_refusal);
        if (k < 0)
                return k;
        *ret = TAKE(report);
        return 0;
}

void agent_report(Manager *m, AgentNode *n, const Node *node, AgentRequest *q) {
        AgentReport *report;
        Refusal refusal = { 0 };

        if (read_report(q->request, node, &report, &refusal) < 0) {
                answer_refusal(q->request, &refusal);
                return;
        }
        (void) agent_report_free(n->report);
        n->report = report;
        answer_empty(q->request);
}

static const char *report_state(const Topics *topics, const Node *node, const AgentReport *report) {
        TopicHave all[SUBSCRIBER_TOPICS_MAX];
        size_t n;

        if (!report || !node)
                return "unknown";
        if (report->failed)
                return "failed";
        n = topics_of(node, all);
        for (size_t i = 0; i < n; i++) {
                char owner[OBJECT_ID_MAX];
                TopicClass class;

                if (topic_parse(all[i].topic, &class, owner) >= 0 &&
                    report->applied[class] < topics_revision(topics, all[i].topic))
                        return "pending";
        }
        return "in-sync";
}

static int add_applied(json_object *o, const Node *node, const AgentReport *report) {
        _cleanup_json_ json_object *applied = json_object_new_object();
        int r = applied ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && node && report && i < TOPIC_CLASSES; i++) {
                char topic[TOPIC_MAX];

                if (report->applied[i] == 0)
                        continue;
                topic_format((TopicClass) i, i == TOPIC_NODE ? node->object.id : node->network, topic);
                r = json_add_u64(applied, topic, report->applied[i]);
        }
        return r < 0 ? r : json_add(o, "applied", TAKE(applied));
}

static int add_time(json_object *o, const char *name, uint64_t usec) {
        char text[TIME_STRING_MAX];

        return json_add_string(o, name, usec == 0 ? NULL : time_format(usec, text));
}

int agents_node_status(const Agents *a, const char *node_id, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        const Object *object = model_get(a->manager->model, &kind_node, node_id);
        const Node *node = object ? node_of(object) : NULL;
        const AgentNode *n = agents_find(a, node_id);
        const AgentReport *report = n ? n->report : NULL;
        int r;

        r = json_add_bool(o, "connected", n && n->stream);
        if (r >= 0)
                r = add_time(o, "since", n ? n->stream_since_usec : 0);
        if (r >= 0)
                r = json_add_string(o, "state", report_state(a->manager->topics, node, report));
        if (r >= 0)
                r = json_add_string(o, "error", report ? report->error : NULL);
        if (r >= 0)
                r = json_add_string(o, "agent_version", report ? report->version : NULL);
        if (r >= 0)
                r = add_time(o, "reported", report ? report->at_usec : 0);
        if (r >= 0)
                r = add_applied(o, node, report);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

/* ---- leaving ---- */

typedef struct Leave {
        HttpRequest *request;
        char node_id[NODE_ID_SIZE];
} Leave;

static int remove_referrer(const Object *o, void *userdata) {
        return change_add(userdata, o, NULL);
}

static int tombstone_key(Change *c, const PublicKey *key) {
        char hex[2 * KEY_SIZE + 1];

        hex_encode(key->bytes, sizeof(key->bytes), hex);
        return change_tombstone(c, hex);
}

static int leave_prepare(Manager *m, Change *c, void *userdata) {
        const Leave *l = userdata;
        const Object *o = model_get(m->model, &kind_node, l->node_id);
        int r;

        if (!o)
                return -ENOENT;
        r = model_referrers(m->model, &kind_prefix, o->id, remove_referrer, c);
        if (r >= 0)
                r = model_referrers(m->model, &kind_uplink, o->id, remove_referrer, c);
        if (r >= 0)
                r = change_add(c, o, NULL);
        if (r >= 0)
                r = change_tombstone(c, o->id);
        if (r >= 0)
                r = tombstone_key(c, &node_of(o)->identity);
        return r < 0 ? r : tombstone_key(c, &node_of(o)->wg_key);
}

static void leave_done(Manager *m, int result, const FieldError *error, uint64_t revision, void *userdata) {
        _cleanup_free_ Leave *l = userdata;
        Refusal refusal;

        if (result >= 0) {
                log_info("Node %s left.", l->node_id);
                answer_empty(l->request);
                return;
        }
        if (result == -ENOENT)
                (void) agent_refuse_revoked(&refusal);
        else {
                (void) log_warning_errno(result, "Failed to remove node %s, which wants to leave: %m",
                                         l->node_id);
                (void) refuse_busy(&refusal, 503, 5);
        }
        answer_refusal(l->request, &refusal);
}

void agent_leave(Manager *m, AgentNode *n, const Node *node, AgentRequest *q) {
        ChangeRequest change = { .prepare = leave_prepare, .done = leave_done };
        _cleanup_free_ Leave *l = new(Leave);
        char actor[NODE_ID_SIZE + 8];
        Refusal refusal;
        int r = l ? 0 : -ENOMEM;

        if (r >= 0) {
                *l = (Leave) { .request = q->request };
                (void) snprintf(l->node_id, sizeof(l->node_id), "%s", node->object.id);
                (void) snprintf(actor, sizeof(actor), "node:%s", node->object.id);
                change.actor = actor;
                change.userdata = l;
                r = change_submit(m, &change);
        }
        if (r < 0) {
                (void) refuse_busy(&refusal, 503, 5);
                answer_refusal(q->request, &refusal);
                return;
        }
        (void) TAKE(l);
}
