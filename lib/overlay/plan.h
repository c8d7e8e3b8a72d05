/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <uthash.h>

#include "base/addr.h"
#include "base/buffer.h"
#include "crypto/crypto.h"

/* What the kernel should hold (claimed by owners), what it does hold (from dumps and from steps that were
 * done), and the ordered, minimal list of steps from the one to the other. Only objects that differ are
 * looked at: planning costs what changed, not what there is. Pure: the structs are plain, the daemon
 * translates them. */

#define PLAN_NAME_MAX 16
#define PLAN_SYSCTL_KEY_MAX 64
#define PLAN_SYSCTL_VALUE_MAX 16

typedef enum PlanType {
        PLAN_DEVICE,
        PLAN_PEER,
        PLAN_ADDRESS,
        PLAN_NEXTHOP,
        PLAN_GROUP,
        PLAN_ROUTE,
        PLAN_SYSCTL,
} PlanType;

/* Values. The first member(s) are the key: two values of one key are two states of one object. All bytes
 * that no member names are 0; plan_value_new() sees to it. */
typedef struct PlanDevice {
        char name[PLAN_NAME_MAX];
        PublicKey key; /* public half of the private key that it runs */
        uint32_t mtu;
        uint16_t port; /* 0: any */
        bool up;
} PlanDevice;

typedef struct PlanPeer {
        char device[PLAN_NAME_MAX];
        PublicKey key;
        Address endpoint; /* family 0: none, or not ours to set */
        uint16_t endpoint_port;
        uint16_t keepalive;
        uint32_t n_allowed;
        Prefix allowed[]; /* ascending */
} PlanPeer;

typedef struct PlanAddress {
        char device[PLAN_NAME_MAX];
        Address address;
} PlanAddress;

typedef struct PlanNexthop {
        uint32_t id;
        uint8_t family;
        char device[PLAN_NAME_MAX];
} PlanNexthop;

typedef struct PlanGroup {
        uint32_t id;
        uint32_t n_members;
        struct {
                uint32_t id;
                uint32_t weight;
        } members[]; /* ascending ids */
} PlanGroup;

typedef struct PlanRoute {
        Prefix destination;
        uint32_t metric;
        bool unreachable;
        uint32_t nexthop; /* id of a group */
        Address source;   /* family 0: none */
} PlanRoute;

typedef struct PlanSysctl {
        char key[PLAN_SYSCTL_KEY_MAX]; /* "ipv4/ip_forward" */
        char value[PLAN_SYSCTL_VALUE_MAX];
} PlanSysctl;

/* A value with a count of its holders; data is one of the above. */
typedef struct PlanValue {
        uint32_t refs;
        uint32_t size;
        _Alignas(8) uint8_t data[];
} PlanValue;
PlanValue *plan_value_new(PlanType type, size_t n); /* n: allowed-ips or members; NULL: out of memory */
PlanValue *plan_value_unref(PlanValue *v);
DEFINE_CLEANUP(PlanValue *, plan_value_unref);

typedef struct PlanClaim PlanClaim;
typedef struct PlanObject PlanObject;
typedef struct Plan Plan;

struct PlanObject {
        UT_hash_handle hh;
        PlanObject *prev, *next; /* in the list of those that differ */
        PlanClaim *claims;       /* ascending by the owner's name: the first one decides */
        PlanValue *actual;       /* NULL: not there */
        PlanType type;
        bool dirty;
        bool seen;          /* by the dump that is under way */
        bool dumped, alive; /* as a dump told it, not yet compared with what is wanted */
        uint8_t key_len;
        uint8_t key[];
};

/* Somebody who wants objects: what it wants is claimed anew between begin and end; what it no longer names
 * is given up at the end. Where several owners claim one object, the one with the lowest name has it,
 * whatever the order. */
typedef struct PlanOwner {
        const char *name; /* borrowed */
        PlanClaim *claims;
        uint32_t generation;
} PlanOwner;

Plan *plan_free(Plan *p);
DEFINE_CLEANUP(Plan *, plan_free);
int plan_new(Plan **ret) _nodiscard_;

void plan_owner_begin(PlanOwner *o);
/* Takes value, also on failure. A second claim of one key by one owner replaces the first. -ENOMEM. */
int plan_want(Plan *p, PlanOwner *o, PlanType type, PlanValue *value) _nodiscard_;
void plan_owner_end(Plan *p, PlanOwner *o);
/* Claims nothing of the type any more that was not claimed since begin; other types stay. */
void plan_owner_end_type(Plan *p, PlanOwner *o, PlanType type);
/* Whether it is the owner's route that counts for the destination and metric. */
bool plan_owner_has_route(Plan *p, const PlanOwner *o, const Prefix *destination, uint32_t metric);
/* Called when another owner than before has a route: lost and won may be NULL. */
void plan_set_route_handler(Plan *p, void (*handler)(PlanOwner *lost, PlanOwner *won, void *userdata),
                            void *userdata);

/* What there is. Between begin and end everything that is ours is told; what is not told counts as gone. The
 * device of a peer or address is told before it. Takes value. A peer that is alive (a handshake not long
 * ago) and whose endpoint differs from the wanted one has roamed: that counts as wanted. */
void plan_actual_begin(Plan *p);
int plan_actual(Plan *p, PlanType type, PlanValue *value, bool alive) _nodiscard_;
void plan_actual_end(Plan *p);

typedef enum PlanStepType {
        STEP_LINK_CREATE,
        STEP_DEVICE_SET, /* one message: key and port where named, and the peers */
        STEP_SYSCTL_SET,
        STEP_LINK_SET,
        STEP_ADDRESS_ADD,
        STEP_NEXTHOP_SET,
        STEP_GROUP_SET,
        STEP_ROUTE_SET,
        STEP_ROUTE_REMOVE,
        STEP_GROUP_REMOVE,
        STEP_NEXTHOP_REMOVE,
        STEP_ADDRESS_REMOVE,
        STEP_LINK_REMOVE, /* peers: what to empty it of first */
} PlanStepType;

typedef struct PlanPeerChange {
        PlanObject *object;
        const PlanPeer *peer; /* wanted; when removed: as it is */
        bool remove;
        bool replace_allowed; /* else allowed is what to add */
        bool set_endpoint, set_keepalive;
        const Prefix *allowed; /* into peer->allowed */
        size_t n_allowed;
} PlanPeerChange;

typedef struct PlanStep {
        PlanStepType type;
        PlanObject *object;         /* NULL: a device of which only peers change */
        const void *value;          /* wanted; removals: as it is; DEVICE_SET without object: NULL */
        char device[PLAN_NAME_MAX]; /* DEVICE_SET, LINK_*: which */
        bool set_key, set_port, set_mtu, set_up;
        PlanPeerChange *peers;
        size_t n_peers;
} PlanStep;

typedef struct PlanSteps {
        PlanStep *steps;
        size_t n;
} PlanSteps;
void plan_steps_done(PlanSteps *s);

/* In the order of doing. Without removals nothing that exists is taken away: for as long as what is wanted
 * is not fully known. Pointers are good until the next change of p. */
int plan_make(Plan *p, bool removals, PlanSteps *ret) _nodiscard_;
/* False when something that the step stands on is not there (its link, a member, the group): it would fail.
 */
bool plan_step_ready(Plan *p, const PlanStep *step);
/* The step was done: what it changed counts as there. A step that failed is simply not told and comes again.
 */
int plan_step_done(Plan *p, const PlanStep *step) _nodiscard_;

size_t plan_dirty(const Plan *p);                                /* objects that differ */
size_t plan_objects(const Plan *p, PlanType type);               /* wanted objects of a type; walks all */
const PlanDevice *plan_actual_device(Plan *p, const char *name); /* NULL: not there */
void plan_forget_actual(Plan *p,
                        PlanType type); /* as if none of the type were there: settings are set again */

/* One line per step or wanted object, for the debug log and golden tests. */
int plan_step_format(const PlanStep *s, Buffer *b) _nodiscard_;
int plan_wanted_format(Plan *p, Buffer *b) _nodiscard_;
