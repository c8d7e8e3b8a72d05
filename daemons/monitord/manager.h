/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "httpd/httpd.h"
#include "monitord/settings.h"
#include "monitord/snapshot.h"
#include "service/bus-introspect.h"
#include "service/bus-polkit.h"
#include "service/daemon.h"

/* The monitor: owns everything. It asks the agent only when somebody asks it, and keeps the answer for a
 * moment, so an idle monitor does not wake. */

typedef struct Waiter Waiter;

typedef struct Manager {
        Daemon daemon;
        const char *config_path; /* NULL: the default one, which may be missing */
        Settings settings;
        HttpServer *http;
        PolkitRegistry *polkit;

        bool agent_present; /* somebody owns its name */
        Snapshot snapshot;
        uint64_t snapshot_usec; /* monotonic, 0: none yet */
        sd_bus_slot *owner_query, *tunnels_query;
        Waiter *waiters; /* who gets the answer of tunnels_query */
        size_t n_waiters;
} Manager;

/* Everything is served and the bus name is requested. Negative errno, logged; *ret_status is what the
 * process ends with. */
int manager_start(Manager *m, int *ret_status) _nodiscard_;
void manager_done(Manager *m);

/* agent.c: the agent's name on the bus, and its counters. */
#define AGENT_WAITERS_MAX 256
typedef void (*AgentAnswer)(Manager *m, int error, void *userdata);
int agent_watch(Manager *m) _nodiscard_;
/* Calls back when the snapshot is fresh: with 0, or -ENXIO when there is no agent or no answer (the snapshot
 * says so as well). At once when it still is and force is not set. -EBUSY: too many wait. *ret (may be NULL)
 * is for agent_forget() and NULL when the answer has been given already. */
int agent_ask(Manager *m, bool force, AgentAnswer answer, void *userdata, Waiter **ret) _nodiscard_;
void agent_forget(Manager *m, Waiter *w);
/* Who still waits gets -ENXIO: the monitor ends. */
void agent_cancel(Manager *m);

/* metrics.c: the HTTP side. */
int metrics_start(Manager *m, int *ret_status) _nodiscard_;

/* manager-bus.c */
extern const BusInterface manager_interfaces[];
extern const size_t n_manager_interfaces;
void manager_emit_agent_present(Manager *m);
