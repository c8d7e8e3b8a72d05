/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "schema/schema.h"

/* The kinds, one file each (DESIGN.md 4.1). Their structs stand here because compilers of topics and the
 * enrolment read fields directly; their tables and rules stand in the files of their names. */

typedef enum Topology { TOPOLOGY_HUB_SPOKE } Topology;
typedef enum Role { ROLE_SPOKE, ROLE_HUB } Role;
typedef enum NodeState { NODE_ACTIVE, NODE_PENDING, NODE_REVOKED } NodeState;
typedef enum Approval { APPROVAL_AUTO, APPROVAL_MANUAL } Approval;

#define HUB_SLOT_MAX 64        /* hubs of one network */
#define NODE_INDEX_MAX 0xFFFFF /* nodes of one network */
#define LANE_MAX 16

typedef struct Network {
        Object object;
        char *name;
        Prefix prefix4, prefix6; /* at least one; nodes get their overlay addresses from them */
        int topology;
        uint64_t mtu;       /* 1280…9000, default 1420 */
        uint64_t port;      /* UDP base port of hubs' lanes, default 51820 */
        uint64_t keepalive; /* seconds, 0…3600, default 25 */
        PrefixList ranges;  /* declared site ranges: spokes route them as aggregates */
} Network;

typedef struct Node {
        Object object;
        char *name;
        char *network; /* id */
        int role;
        int state;
        uint64_t index;    /* place in the network's address ranges, 1…NODE_INDEX_MAX; read-only */
        uint64_t hub_slot; /* hubs: 1…HUB_SLOT_MAX, names the tunnel interface sdw<slot> on the others; else
                              0 */
        Address address4, address6;
        PublicKey identity; /* Ed25519 */
        PublicKey wg_key;   /* X25519 of lane 0 */
        uint64_t priority;  /* hubs: lower is preferred; default 100 */
        char *site;
        char **tags;
        char *os, *agent_version; /* as reported at enrolment */
        char *token;              /* id of the token it joined with; empty once that is gone */
        uint64_t created;
} Node;

typedef struct Uplink {
        Object object;
        char *node; /* id */
        char *name;
        char *endpoint; /* public address or DNS name, without a port; absent behind NAT */
        uint64_t cost;
} Uplink;

typedef struct SitePrefix {
        Object object;
        char *node; /* id */
        Prefix prefix;
        char *comment;
} SitePrefix;

typedef struct Token {
        Object object; /* the id is the token id: 16 hexadecimal digits */
        char *name;
        char *network;
        int role;
        uint64_t max_uses, uses;
        uint64_t not_after;
        PrefixList allowed_prefixes; /* a joining node may announce prefixes inside these */
        int approval;
        bool revoked;
        PublicKey key; /* Ed25519 public half; the seed is only in the token string */
        char *created_by;
        uint64_t created;
} Token;

/* An administrator who comes over HTTPS with an API token; made on the host by "sdwanctl admin create". */
typedef struct User {
        Object object;
        char *name;
        char *token_id;    /* public part of the API token */
        Digest token_hash; /* hidden */
        uint64_t created;
} User;

extern const Kind kind_network, kind_node, kind_uplink, kind_prefix, kind_token, kind_user;

/* All kinds in the order in which their references can be resolved: a kind comes after those that it refers
 * to. */
extern const Kind *const kinds[];
extern const size_t n_kinds;
const Kind *kind_find(const char *name); /* by name or plural; NULL */

/* Casts that assert the kind. */
const Network *network_of(const Object *o);
const Node *node_of(const Object *o);
const Uplink *uplink_of(const Object *o);
const SitePrefix *prefix_of(const Object *o);
const Token *token_of(const Object *o);
const User *user_of(const Object *o);
