/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "ctl/ctl.h"

/* What the daemons of this machine say about themselves, and how "status" and "tunnels" show it. */

typedef struct NodeState {
        bool agent, controller; /* runs */
        /* of the agent */
        char *version, *state, *node_id, *node_name, *network_id, *role, *controller_url, *fingerprint,
                        *backend, *last_error;
        char **addresses;
        bool connected;
        json_object *topics;
        size_t tunnels, tunnels_up;
        bool tunnels_known;
        /* of the controller */
        char *controller_version, *controller_id;
        uint64_t revision, node_count, connected_count;
} NodeState;

void node_state_done(NodeState *s);
/* A daemon that does not run is not started. An exit status, said. */
int node_state_read(Ctl *c, NodeState *s);
int node_state_show(Ctl *c, const NodeState *s);
int node_state_show_json(Ctl *c, const NodeState *s);

/* The answer of ListTunnels. */
int node_show_tunnels(Ctl *c, sd_bus_message *reply);
