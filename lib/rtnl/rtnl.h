/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-event.h>

#include "base/addr.h"

/* Links, addresses, routes and nexthop objects through rtnetlink. Synchronous requests on one socket, a
 * second socket for notifications. Only what carries our marks is ever changed or deleted: interfaces named
 * RTNL_LINK_PREFIX* with our alias, routes and nexthops of protocol RTNL_PROTOCOL, nexthop ids in our range.
 */

#define RTNL_PROTOCOL 157
#define RTNL_LINK_PREFIX "sdw"
#define RTNL_LINK_ALIAS "sdwan"
#define RTNL_NEXTHOP_FIRST 0x9D000000U
#define RTNL_NEXTHOP_LAST 0x9DFFFFFFU
#define RTNL_NEXTHOP_MEMBERS_MAX 64

typedef struct Link {
        int index;
        char name[16];
        char kind[16];  /* "wireguard", "tun", "" */
        char alias[64]; /* "" none */
        uint32_t mtu;
        bool up;
} Link;

typedef struct LinkAddress {
        int link;         /* index */
        Prefix address;   /* host bits allowed here: the address with the prefix length of the interface */
        uint8_t protocol; /* IFA_PROTO where the kernel knows it, else 0 */
} LinkAddress;

typedef struct Nexthop {
        uint32_t id;
        uint8_t family; /* AF_INET or AF_INET6; of a group 0 */
        int link;       /* index of the outgoing interface; 0 for a group */
        uint8_t protocol;
        size_t n_members; /* group when > 0 */
        struct {
                uint32_t id;
                uint8_t weight; /* 1…255 */
        } members[RTNL_NEXTHOP_MEMBERS_MAX];
} Nexthop;

typedef enum RouteType { ROUTE_UNICAST, ROUTE_UNREACHABLE, ROUTE_BLACKHOLE } RouteType;

typedef struct Route {
        Prefix destination;
        RouteType type;
        uint32_t table;           /* 254 main */
        uint32_t metric;          /* IPv6: 0 is sent as 1024 by the kernel, so always give one */
        uint32_t nexthop;         /* id of a nexthop object; 0 for the others than unicast */
        Address preferred_source; /* family 0: none */
        uint8_t protocol;
} Route;

typedef struct Rtnl Rtnl;
int rtnl_open(Rtnl **ret) _nodiscard_;
Rtnl *rtnl_close(Rtnl *r);
DEFINE_CLEANUP(Rtnl *, rtnl_close);
uint64_t rtnl_messages_sent(const Rtnl *r); /* requests that changed something */

/* Dumps: arrays in new memory. A dump that was interrupted (NLM_F_DUMP_INTR) is made again, up to 5 times:
 * then -EAGAIN. Only our own routes and nexthops (by protocol and id range); all links; addresses of the
 * link with that index, or of all with 0. */
int rtnl_dump_links(Rtnl *r, Link **ret, size_t *ret_n) _nodiscard_;
int rtnl_dump_addresses(Rtnl *r, int link, LinkAddress **ret, size_t *ret_n) _nodiscard_;
int rtnl_dump_nexthops(Rtnl *r, Nexthop **ret, size_t *ret_n) _nodiscard_;
int rtnl_dump_routes(Rtnl *r, Route **ret, size_t *ret_n) _nodiscard_;

/* Links. Names must begin with RTNL_LINK_PREFIX (-EPERM otherwise). create: kind "wireguard", with our alias
 * and MTU, down; *ret_index. -EEXIST; -EOPNOTSUPP: the kernel has no WireGuard. */
int rtnl_link_create_wireguard(Rtnl *r, const char *name, uint32_t mtu, int *ret_index) _nodiscard_;
/* set: also takes over an interface with our name and no alias (a userspace implementation made it); only
 * what differs is sent. set and delete: -EPERM when it is not ours, -ENODEV. */
int rtnl_link_set(Rtnl *r, int index, const uint32_t *mtu /* NULL: as is */,
                  const bool *up /* NULL: as is */, const char *alias /* NULL: as is */) _nodiscard_;
int rtnl_link_delete(Rtnl *r, int index, const char *name) _nodiscard_;

/* 0 also when it is there (add) or gone (delete) already. -EPERM: the interface is not ours. */
int rtnl_address_add(Rtnl *r, const LinkAddress *a) _nodiscard_;
int rtnl_address_delete(Rtnl *r, const LinkAddress *a) _nodiscard_;

/* Creates or replaces in one message. -EPERM: the id is outside our range, or is in it with another
 * protocol. -ENETDOWN: the interface is down. */
int rtnl_nexthop_replace(Rtnl *r, const Nexthop *n) _nodiscard_;
int rtnl_nexthop_delete(Rtnl *r, uint32_t id) _nodiscard_;
/* -EEXIST: a route of somebody else with this destination, table and metric is there, and stays. Deleting is
 * by destination, table and metric, and only ever hits routes of our protocol. */
int rtnl_route_replace(Rtnl *r, const Route *route) _nodiscard_;
int rtnl_route_delete(Rtnl *r, const Route *route) _nodiscard_;

/* Settings in /proc/sys/net/…; 0 when it has that value already. key: "ipv4/ip_forward". -EINVAL: not such a
 * key, or the kernel refuses the value; -ENOENT. */
int rtnl_sysctl_set(const char *key, const char *value) _nodiscard_;

/* Notifications: what somebody (we too) changed. All links and addresses; of routes ours and those that took
 * the place of another; of nexthops those in our range. overrun: the kernel dropped some (ENOBUFS): dump
 * again. The handler must not close r. -EALREADY: is on. */
typedef enum RtnlEvent {
        RTNL_EVENT_LINK,
        RTNL_EVENT_ADDRESS,
        RTNL_EVENT_ROUTE,
        RTNL_EVENT_NEXTHOP,
        RTNL_EVENT_OVERRUN,
} RtnlEvent;
typedef void (*RtnlEventHandler)(RtnlEvent event, bool deleted, const char *link_name /* "" unknown */,
                                 void *userdata);
int rtnl_monitor(Rtnl *r, sd_event *event, RtnlEventHandler handler, void *userdata) _nodiscard_;
