/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <inttypes.h>

#include "base/array.h"
#include "monitord/snapshot.h"

static void tunnel_sample_done(TunnelSample *t) {
        free(t->id);
        free(t->peer);
        free(t->interface);
}

void snapshot_done(Snapshot *s) {
        for (size_t i = 0; i < s->n_tunnels; i++)
                tunnel_sample_done(s->tunnels + i);
        free(s->tunnels);
        *s = (Snapshot) { 0 };
}

int snapshot_add(Snapshot *s, const char *id, const char *peer, const char *interface,
                 uint64_t handshake_usec, uint64_t received_bytes, uint64_t sent_bytes, bool up) {
        TunnelSample t;
        int r;

        assert(s && id && peer && interface);

        if (s->n_tunnels >= SNAPSHOT_TUNNELS_MAX)
                return -E2BIG;
        r = array_reserve(&s->tunnels, &s->n_allocated, s->n_tunnels + 1, sizeof(TunnelSample), 8);
        if (r < 0)
                return r;
        t = (TunnelSample) {
                .id = strdup(id),
                .peer = strdup(peer),
                .interface = strdup(interface),
                .handshake_usec = handshake_usec,
                .received_bytes = received_bytes,
                .sent_bytes = sent_bytes,
                .up = up,
        };
        if (!t.id || !t.peer || !t.interface) {
                tunnel_sample_done(&t);
                return -ENOMEM;
        }
        s->tunnels[s->n_tunnels++] = t;
        return 0;
}

size_t snapshot_count_up(const Snapshot *s) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_tunnels; i++)
                n += s->tunnels[i].up;
        return n;
}

/* A label's value: backslash, quote and line feed are escaped. */
static int append_label(Buffer *b, const char *name, const char *value, const char *after) {
        int r;

        r = buffer_appendf(b, "%s=\"", name);
        if (r < 0)
                return r;
        for (const char *p = value; *p; p += *p != '\0') {
                size_t n = strcspn(p, "\\\"\n");

                r = buffer_append(b, p, n);
                if (r < 0)
                        return r;
                p += n;
                if (!*p)
                        break;
                r = buffer_append_str(b, *p == '\n' ? "\\n" : *p == '"' ? "\\\"" : "\\\\");
                if (r < 0)
                        return r;
        }
        return buffer_appendf(b, "\"%s", after);
}

static int append_series(Buffer *b, const char *metric, const TunnelSample *t) {
        int r;

        r = buffer_appendf(b, "%s{", metric);
        if (r < 0)
                return r;
        r = append_label(b, "tunnel", t->id, ",");
        if (r < 0)
                return r;
        r = append_label(b, "peer", t->peer, ",");
        if (r < 0)
                return r;
        return append_label(b, "interface", t->interface, "} ");
}

typedef struct Metric {
        const char *name, *type, *help;
        /* false: this tunnel has no such sample. */
        bool (*value)(const TunnelSample *t, uint64_t now_usec, uint64_t *ret_units);
        bool usec; /* units are microseconds and are written as seconds */
} Metric;

static bool value_up(const TunnelSample *t, uint64_t now_usec, uint64_t *ret) {
        *ret = t->up;
        return true;
}

static bool value_handshake(const TunnelSample *t, uint64_t now_usec, uint64_t *ret) {
        *ret = t->handshake_usec;
        return true;
}

static bool value_age(const TunnelSample *t, uint64_t now_usec, uint64_t *ret) {
        if (t->handshake_usec == 0)
                return false;
        *ret = now_usec > t->handshake_usec ? now_usec - t->handshake_usec
                                            : 0; /* the clock may have been set back */
        return true;
}

static bool value_received(const TunnelSample *t, uint64_t now_usec, uint64_t *ret) {
        *ret = t->received_bytes;
        return true;
}

static bool value_sent(const TunnelSample *t, uint64_t now_usec, uint64_t *ret) {
        *ret = t->sent_bytes;
        return true;
}

static const Metric metrics[] = {
        { "sdwan_tunnel_up", "gauge", "Whether the tunnel had a handshake within the last 180 seconds.",
          value_up, false },
        { "sdwan_tunnel_last_handshake_seconds", "gauge",
          "Time of the last handshake since the epoch, 0 for never.", value_handshake, true },
        { "sdwan_tunnel_handshake_age_seconds", "gauge",
          "Time since the last handshake; absent when there was none.", value_age, true },
        { "sdwan_tunnel_received_bytes_total", "counter", "Bytes received through the tunnel.",
          value_received, false },
        { "sdwan_tunnel_sent_bytes_total", "counter", "Bytes sent through the tunnel.", value_sent, false },
};

static int append_metric(Buffer *b, const Metric *m, const Snapshot *s, uint64_t now_usec) {
        int r;

        r = buffer_appendf(b, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, m->type);
        if (r < 0)
                return r;
        for (size_t i = 0; i < s->n_tunnels; i++) {
                uint64_t v;

                if (!m->value(s->tunnels + i, now_usec, &v))
                        continue;
                r = append_series(b, m->name, s->tunnels + i);
                if (r < 0)
                        return r;
                if (m->usec)
                        r = buffer_appendf(b, "%" PRIu64 ".%06" PRIu64 "\n", v / USEC_PER_SEC,
                                           v % USEC_PER_SEC);
                else
                        r = buffer_appendf(b, "%" PRIu64 "\n", v);
                if (r < 0)
                        return r;
        }
        return 0;
}

int snapshot_render(const Snapshot *s, uint64_t now_realtime_usec, const char *version, Buffer *b) {
        int r;

        assert(s && version && b);

        r = buffer_append_str(b, "# HELP sdwan_build_info The version of this program.\n"
                                 "# TYPE sdwan_build_info gauge\nsdwan_build_info{");
        if (r < 0)
                return r;
        r = append_label(b, "version", version, "} 1\n");
        if (r < 0)
                return r;
        r = buffer_appendf(b,
                           "# HELP sdwan_agent_up Whether the agent on this machine answered.\n"
                           "# TYPE sdwan_agent_up gauge\nsdwan_agent_up %d\n",
                           s->agent_up);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(metrics); i++) {
                r = append_metric(b, metrics + i, s, now_realtime_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}
