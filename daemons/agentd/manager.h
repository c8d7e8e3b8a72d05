/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "agentd/identity.h"
#include "agentd/kernel.h"
#include "agentd/membership.h"
#include "agentd/settings.h"
#include "agentd/state.h"
#include "base/timeutil.h"
#include "overlay/desired.h"
#include "service/bus-polkit.h"
#include "service/daemon.h"

typedef struct Drift Drift;
typedef struct Join Join;
typedef struct Reconcile Reconcile;
typedef struct HubNames HubNames;
typedef struct Sync Sync;
typedef struct Tunnels Tunnels;

#define ERROR_TEXT_MAX 256

typedef enum AgentState {
        AGENT_UNENROLLED,
        AGENT_JOINING,
        AGENT_PENDING,
        AGENT_CONNECTING,
        AGENT_IN_SYNC,
        AGENT_FAILED,
        AGENT_REVOKED,
} AgentState;
const char *agent_state_to_string(AgentState s);

/* A revision that cut the node off and was undone: not taken again for a while. */
typedef struct Undone {
        uint64_t revision;
        uint64_t until_usec; /* monotonic */
} Undone;

typedef struct Manager {
        Daemon *daemon;
        sd_event *event;
        sd_bus *bus; /* NULL until connected */
        PolkitRegistry *polkit;
        Settings settings;
        char *directory;

        Identity *identity;     /* NULL: no keys yet */
        Membership *membership; /* NULL: not joined */
        State *state;           /* these two with the membership */
        Desired *desired;
        Plan *plan;
        Kernel *kernel;

        Reconcile *reconcile;
        Drift *drift;
        Sync *sync;          /* while a member */
        Join *join;          /* while joining */
        HubNames *hub_names; /* once a hub has a name */
        Tunnels *tunnels;

        Undone undone[STATE_CLASSES];
        sd_event_source *confirm_timer;
        sd_event_source *settle_timer;
        bool settled; /* all that is wanted is known: what is not may be taken away */
        bool connected;
        bool apply_pending;           /* batches were taken that are not applied yet */
        uint64_t generation;          /* of what is applied */
        char error[ERROR_TEXT_MAX];   /* "": none */
        char refused[ERROR_TEXT_MAX]; /* why a batch was not taken; until one is */

        AgentState shown_state; /* what the bus was last told */
        bool shown_connected;
        char shown_error[ERROR_TEXT_MAX];
} Manager;

Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager *, manager_free);
/* Logs. config_path NULL: SETTINGS_PATH. On failure *ret_status is the exit status. */
int manager_new(Daemon *d, const char *config_path, Manager **ret, int *ret_status) _nodiscard_;
/* Loads what is on disk, applies it, and connects. */
int manager_start(Manager *m, int *ret_status) _nodiscard_;

AgentState manager_state(const Manager *m);
/* Tells the bus what has changed; also() names a property more (NULL: none). */
void manager_changed(Manager *m, const char *also);
void manager_set_error(Manager *m, const char *format, ...) _printf_(2, 3); /* NULL: none */

/* Join is done: takes both. */
int manager_joined(Manager *m, Identity *identity, Membership *membership) _nodiscard_;
/* A line of the stream that is not empty. -ECONNRESET: connect again; -ENOKEY: fetch the key document first.
 */
int manager_take_line(Manager *m, const char *line, size_t len) _nodiscard_;
void manager_settle(Manager *m);  /* everything that the controller has for us has come */
void manager_applied(Manager *m); /* reconcile has run */
/* The controller has taken a report of what was applied when generation was that. */
void manager_reached(Manager *m, uint64_t generation);
void manager_set_connected(Manager *m, bool connected);
void manager_set_revoked(Manager *m);
void manager_set_pending(Manager *m, bool pending);
void manager_leave(Manager *m); /* takes everything down that is ours and forgets the keys */

int manager_bus_register(Manager *m) _nodiscard_;
