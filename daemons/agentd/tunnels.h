/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/manager.h"

#define TUNNEL_ID_MAX 40

/* What the bus shows of tunnels. Counters are read from the kernel when somebody asks, at most once a
 * second. */
typedef struct Tunnel {
        char id[TUNNEL_ID_MAX]; /* "sdw1", on a lane "sdwl0_<first 16 digits of the key>" */
        char *peer_name, *peer_node;
        char device[PLAN_NAME_MAX];
        PublicKey key;
        Endpoint endpoint;
        uint64_t last_handshake_usec, rx_bytes, tx_bytes;
} Tunnel;

Tunnels *tunnels_free(Tunnels *t);
DEFINE_CLEANUP(Tunnels *, tunnels_free);
int tunnels_new(Manager *m, Tunnels **ret) _nodiscard_;
/* What is wanted is another: look again when asked, tell the bus who came and went. */
void tunnels_changed(Manager *m);
/* Brings the counters up to date and lends the list until the next call, or until the loop goes on. */
size_t tunnels_list(Manager *m, const Tunnel **ret);
const Tunnel *tunnels_find(Manager *m, const char *id);
bool tunnel_is_up(const Tunnel *t);

void tunnel_bus_emit(Manager *m, const char *id, bool added);
