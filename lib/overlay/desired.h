/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "overlay/items.h"
#include "overlay/plan.h"

/* Items to wanted objects (docs/protocol.md section 6). A batch touches only what its items touch: the node
 * that an item belongs to is compiled again, and nothing else but where the item is everybody's (self,
 * network, hubs). Pure. */

#define NEXTHOP_BASE 0x9D000000U
#define NEXTHOP_LANE 128U /* number of lane 0's interface; below: hub slots */
#define NEXTHOP_CLASS_INTERFACE 0U
#define NEXTHOP_CLASS_NODE 1U
#define NEXTHOP_CLASS_AGGREGATES 2U
#define ROUTE_METRIC 157U
#define ROUTE_METRIC_UNREACHABLE 4278198272U
#define HUB_PORT_OFFSET 16U
#define DEVICE_HUB_PREFIX "sdw"
#define DEVICE_LANE_PREFIX "sdwl"

typedef struct Desired Desired;

/* network: id that the node was enrolled into. own_key: public half of the WireGuard key of lane 0. p
 * outlives it. */
int desired_new(const char *node_id, const char *network, const PublicKey *own_key, Plan *p,
                Desired **ret) _nodiscard_;
Desired *desired_free(Desired *d); /* gives up all that it wanted */
DEFINE_CLEANUP(Desired *, desired_free);

/* Takes a batch in, after all of its items were found right: on -EBADMSG nothing was taken, and ret_item and
 * *ret_reason (static) say what was wrong. 1: not for this node or its network, dropped. Nothing is compiled
 * before desired_compile(). */
int desired_apply(Desired *d, const Batch *b, char ret_item[static ITEM_ID_MAX],
                  const char **ret_reason) _nodiscard_;
int desired_compile(Desired *d) _nodiscard_;

/* Where a hub is known by names only, tunnels need an address for one. Returns 1 when it was another one
 * before. */
int desired_set_address(Desired *d, const char *name, const Address *a) _nodiscard_;
/* Every name among the endpoints of hubs, some perhaps twice; address: what is known (NULL: nothing). */
void desired_foreach_name(Desired *d,
                          void (*visit)(const char *name, const Address *address, void *userdata),
                          void *userdata);

const ItemSelf *desired_self(const Desired *d);       /* NULL: not yet known */
const ItemNetwork *desired_network(const Desired *d); /* NULL: not yet known */
bool desired_wants_topic(const Desired *d, TopicClass class); /* by the node's role */

/* Who is behind a key on an interface: NULL when nobody is known. */
typedef struct DesiredPeer {
        const char *node; /* id */
        const char *name;
} DesiredPeer;
/* All tunnels, hubs first: one call for each peer of each interface. */
void desired_foreach_tunnel(Desired *d,
                            void (*visit)(const char *device, const PublicKey *key, const DesiredPeer *peer,
                                          void *userdata),
                            void *userdata);
