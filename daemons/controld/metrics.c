/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/buffer.h"
#include "controld/agents.h"
#include "controld/change.h"
#include "controld/metrics.h"

typedef struct Metric {
        const char *name;
        bool counter;
        const char *help;
        uint64_t value;
} Metric;

static int format_metrics(Buffer *b, const Metric *metrics, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = buffer_appendf(b, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", metrics[i].name,
                                   metrics[i].help, metrics[i].name,
                                   metrics[i].counter ? "counter" : "gauge", metrics[i].name,
                                   (unsigned long long) metrics[i].value);
        return r;
}

static int format_own(Buffer *b, const Manager *m) {
        const ManagerCounters *c = &m->counters;
        const Metric metrics[] = {
                { "sdwan_revision", false, "Revision of the configuration.", model_revision(m->model) },
                { "sdwan_networks", false, "Networks.", model_count(m->model, &kind_network) },
                { "sdwan_nodes", false, "Nodes.", model_count(m->model, &kind_node) },
                { "sdwan_nodes_connected", false, "Nodes whose agent holds a stream.",
                  m->agents ? agents_connected(m->agents) : 0 },
                { "sdwan_prefixes", false, "Prefixes behind nodes.", model_count(m->model, &kind_prefix) },
                { "sdwan_changes_total", true, "Changes that were committed.", c->changes },
                { "sdwan_changes_failed_total", true, "Changes that the database refused.",
                  c->changes_failed },
                { "sdwan_changes_waiting", false, "Changes that wait for those before them.",
                  m->changes ? change_queue_length(m->changes) : 0 },
                { "sdwan_api_requests_total", true, "Requests to the API.", c->api_requests },
                { "sdwan_api_errors_total", true, "Requests to the API that were refused or failed.",
                  c->api_errors },
                { "sdwan_api_unauthorized_total", true, "Requests without a valid API token.",
                  c->api_unauthorized },
        };

        return format_metrics(b, metrics, ELEMENTSOF(metrics));
}

static int format_topics(Buffer *b, const Manager *m) {
        const TopicsCounters *t = topics_counters(m->topics);
        const Metric metrics[] = {
                { "sdwan_topic_batches_encoded_total", true,
                  "Batches of topics that were encoded and signed.", t->batches_encoded },
                { "sdwan_topic_batches_sent_total", true, "Batches that were sent, summed over agents.",
                  t->batches_sent },
                { "sdwan_topic_items_sent_total", true, "Items in the batches that were encoded.",
                  t->items_sent },
                { "sdwan_topic_bytes_sent_total", true, "Bytes of batches that were sent.", t->bytes_sent },
                { "sdwan_topic_subscribers", false, "Streams that follow topics.", t->subscribers },
        };

        return format_metrics(b, metrics, ELEMENTSOF(metrics));
}

static int format_http(Buffer *b, const Manager *m) {
        const HttpCounters *h = http_server_counters(m->http);
        const Metric metrics[] = {
                { "sdwan_http_connections", false, "Open connections.", h->connections },
                { "sdwan_http_streams", false, "Answers without an end.", h->streams },
                { "sdwan_http_connections_total", true, "Connections that were accepted.",
                  h->connections_total },
                { "sdwan_http_rejected_total", true, "Connections past a limit.", h->rejected_total },
                { "sdwan_http_handshake_failures_total", true, "TLS handshakes that failed.",
                  h->handshake_failures_total },
                { "sdwan_http_timeouts_total", true, "Connections closed at a deadline.",
                  h->timeouts_total },
                { "sdwan_http_requests_total", true, "Requests.", h->requests_total },
                { "sdwan_http_bad_requests_total", true, "Requests that were malformed.",
                  h->bad_requests_total },
                { "sdwan_http_received_bytes_total", true, "Bytes received, without TLS.",
                  h->bytes_received_total },
                { "sdwan_http_sent_bytes_total", true, "Bytes sent, without TLS.", h->bytes_sent_total },
        };

        return format_metrics(b, metrics, ELEMENTSOF(metrics));
}

char *metrics_format(const Manager *m) {
        _cleanup_buffer_ Buffer b = { 0 };
        int r;

        r = buffer_appendf(
                        &b,
                        "# HELP sdwan_build_info Version of the controller.\n# TYPE sdwan_build_info gauge\n"
                        "sdwan_build_info{version=\"%s\"} 1\n",
                        SDWAN_VERSION);
        if (r >= 0)
                r = format_own(&b, m);
        if (r >= 0)
                r = format_topics(&b, m);
        if (r >= 0)
                r = format_http(&b, m);
        return r < 0 ? NULL : (char *) TAKE(b.data);
}
