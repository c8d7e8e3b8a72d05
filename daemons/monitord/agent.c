/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/log.h"
#include "base/timeutil.h"
#include "monitord/manager.h"

#define AGENT_NAME "org.sdwan.Agent1"
#define AGENT_PATH "/org/sdwan/Agent1"
#define AGENT_INTERFACE "org.sdwan.Agent1.Manager"
#define AGENT_TIMEOUT_USEC (5 * USEC_PER_SEC)

struct Waiter {
        AgentAnswer answer;
        void *userdata;
        Waiter *next;
};

void agent_forget(Manager *m, Waiter *w) {
        for (Waiter **p = &m->waiters; *p; p = &(*p)->next)
                if (*p == w) {
                        *p = w->next;
                        m->n_waiters--;
                        free(w);
                        return;
                }
}

static void answer_all(Manager *m, int error) {
        while (m->waiters) {
                _cleanup_free_ Waiter *w = m->waiters;

                m->waiters = w->next; /* before the answer, which may forget other waiters */
                m->n_waiters--;
                w->answer(m, error, w->userdata);
        }
}

void agent_cancel(Manager *m) {
        answer_all(m, -ENXIO);
}

static void snapshot_clear(Manager *m) {
        snapshot_done(&m->snapshot);
        m->snapshot_usec = 0;
}

static void agent_set_present(Manager *m, bool present) {
        if (m->agent_present == present)
                return;
        m->agent_present = present;
        log_info(present ? "The agent is there." : "The agent has gone.");
        daemon_status(present ? "Agent present" : "No agent");
        if (!present) {
                m->tunnels_query = sd_bus_slot_unref(m->tunnels_query);
                snapshot_clear(m);
                answer_all(m, -ENXIO);
        }
        manager_emit_agent_present(m);
}

static int read_tunnels(sd_bus_message *reply, Snapshot *s) {
        int r;

        r = sd_bus_message_enter_container(reply, 'a', "(ssssstttb)");
        if (r < 0)
                return r;
        for (;;) {
                const char *id, *peer, *node, *interface, *endpoint;
                uint64_t handshake, received, sent;
                int up;

                r = sd_bus_message_read(reply, "(ssssstttb)", &id, &peer, &node, &interface, &endpoint,
                                        &handshake, &received, &sent, &up);
                if (r < 0)
                        return r;
                if (r == 0)
                        return sd_bus_message_exit_container(reply);
                r = snapshot_add(s, id, peer, interface, handshake, received, sent, up);
                if (r < 0)
                        return r;
        }
}

static int on_tunnels(sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        _cleanup_(snapshot_done) Snapshot fresh = { 0 };
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        Manager *m = userdata;
        int r;

        m->tunnels_query = sd_bus_slot_unref(m->tunnels_query);
        snapshot_clear(m);
        if (e) {
                log_warning("The agent does not answer: %s", e->message ?: e->name);
                answer_all(m, -ENXIO);
                return 0;
        }
        r = read_tunnels(reply, &fresh);
        if (r < 0) {
                (void) log_warning_errno(r, "The agent's answer is not what it should be: %m");
                answer_all(m, -ENXIO);
                return 0;
        }
        m->snapshot = fresh;
        fresh = (Snapshot) { 0 };
        m->snapshot.agent_up = true;
        m->snapshot_usec = now_monotonic_usec();
        answer_all(m, 0);
        return 0;
}

static int query_tunnels(Manager *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(m->daemon.bus, &call, AGENT_NAME, AGENT_PATH, AGENT_INTERFACE,
                                           "ListTunnels");
        if (r < 0)
                return r;
        r = sd_bus_message_set_auto_start(call, false); /* who stopped the agent wants it stopped */
        if (r < 0)
                return r;
        return sd_bus_call_async(m->daemon.bus, &m->tunnels_query, call, on_tunnels, m, AGENT_TIMEOUT_USEC);
}

int agent_ask(Manager *m, bool force, AgentAnswer answer, void *userdata, Waiter **ret) {
        Waiter *w;
        int r;

        assert(m && answer);

        if (ret)
                *ret = NULL;
        if (!m->agent_present) {
                answer(m, -ENXIO, userdata);
                return 0;
        }
        if (!force && m->snapshot_usec > 0 &&
            now_monotonic_usec() - m->snapshot_usec < m->settings.cache_usec) {
                answer(m, 0, userdata);
                return 0;
        }
        if (m->n_waiters >= AGENT_WAITERS_MAX)
                return -EBUSY;
        if (!m->tunnels_query) {
                r = query_tunnels(m);
                if (r < 0)
                        return r;
        }
        w = new(Waiter);
        if (!w)
                return -ENOMEM;
        *w = (Waiter) { .answer = answer, .userdata = userdata, .next = m->waiters };
        m->waiters = w;
        m->n_waiters++;
        if (ret)
                *ret = w;
        return 0;
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *reterr) {
        const char *name, *before, *after;
        int r;

        r = sd_bus_message_read(signal, "sss", &name, &before, &after);
        if (r < 0)
                return 0;
        if (*before && *after) /* another agent took over: its counters are others */
                agent_set_present(userdata, false);
        agent_set_present(userdata, *after);
        return 0;
}

static int on_owner(sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        Manager *m = userdata;

        m->owner_query = sd_bus_slot_unref(m->owner_query);
        if (!sd_bus_message_is_method_error(reply, NULL))
                agent_set_present(m, true);
        return 0;
}

int agent_watch(Manager *m) {
        int r;

        /* With arg0, or every process that comes to the bus would wake us. */
        r = sd_bus_add_match_async(
                        m->daemon.bus, NULL,
                        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" AGENT_NAME "'",
                        on_owner_changed, NULL, m);
        if (r < 0)
                return r;
        return sd_bus_call_method_async(m->daemon.bus, &m->owner_query, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner",
                                        on_owner, m, "s", AGENT_NAME);
}
