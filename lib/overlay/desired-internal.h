/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "overlay/desired.h"

typedef struct DesiredPrefix {
        UT_hash_handle hh; /* by id */
        struct Unit *unit;
        struct DesiredPrefix *prev, *next; /* of the same unit */
        Prefix prefix;
        uint32_t index;
        uint32_t generation;
        char id[];
} DesiredPrefix;

/* What is compiled as one: a node ("<node id>"), one aggregate ("aggregate/<item id>"), or what is
 * everybody's (""). */
typedef struct Unit {
        UT_hash_handle hh;
        PlanOwner owner;
        Desired *desired;
        ItemHub *hub;
        struct Unit *next_hub; /* in the list of those that have one */
        ItemPeer *peer;        /* of lane 0 */
        DesiredPrefix *prefixes;
        Prefix aggregate; /* family 0: none */
        bool own;         /* the aggregate is a prefix of this node */
        uint32_t hub_generation, peer_generation, aggregate_generation;
        struct Unit *next_dirty;
        bool dirty;
        char id[];
} Unit;

typedef struct DesiredName {
        UT_hash_handle hh;
        Address address;
        char name[];
} DesiredName;

struct Desired {
        Plan *plan;
        char node_id[OBJECT_ID_MAX];
        char network_id[OBJECT_ID_MAX];
        PublicKey own_key;
        ItemSelf *self;
        ItemNetwork *network;
        Unit *units;
        Unit *base; /* the unit "" */
        Unit *hubs; /* few: most of what is looked for is looked for here */
        Unit *dirty;
        DesiredPrefix *prefixes;
        DesiredName *names;
        uint32_t generation; /* of the snapshot that is being taken */
        uint32_t network_generation;
        bool had_exit;
};

/* The first numeric or resolved endpoint. False: there is none. */
bool desired_hub_endpoint(Desired *d, const ItemHub *hub, Address *ret);
/* False for a hub whose slot a hub with a lower id has as well. */
bool desired_hub_usable(Desired *d, const Unit *u);

int network_compile_routes(Desired *d, Unit *u) _nodiscard_;
int network_compile(Desired *d, Unit *u) _nodiscard_;
/* Whether a spoke has a hub to send to; on hubs false. */
bool network_has_exit(Desired *d);
