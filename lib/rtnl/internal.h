/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "rtnl/rtnl.h"

/* A route as the kernel tells routes apart. */
typedef struct RouteKey {
        Prefix destination;
        uint32_t table;
        uint32_t metric;
} RouteKey;

struct Rtnl {
        struct nl_sock *socket;
        uint32_t seq;
        uint64_t messages_sent;

        /* Our routes as they were at owned_usec, sorted: only filled when a route is to be replaced. */
        RouteKey *owned;
        size_t n_owned;
        uint64_t owned_usec;

        struct nl_sock *monitor;
        sd_event_source *monitor_source;
        RtnlEventHandler handler;
        void *userdata;
};

/* A request of the type with a copy of its fixed header. The caller frees, or hands it to request_run().
 * -ENOMEM. */
int request_new(uint16_t type, uint16_t flags, const void *header, size_t header_size,
                struct nl_msg **ret) _nodiscard_;
static inline void request_freep(struct nl_msg **m) {
        nlmsg_free(*m);
}
/* The result of attribute functions of libnl: -ENOSPC or 0. */
static inline int request_put(int result) {
        return result < 0 ? -ENOSPC : 0;
}
int request_put_address(struct nl_msg *m, int type, const Address *a) _nodiscard_;

/* Sends it and reads the whole answer. handler (or NULL) sees every message of it but errors and the end;
 * its first failure is the result when the kernel reports none. -EAGAIN: a dump was interrupted. */
typedef int (*RequestHandler)(struct nlmsghdr *h, void *userdata);
int request_run(Rtnl *r, struct nl_msg *m, RequestHandler handler, void *userdata) _nodiscard_;
/* As request_run() for what changes something: counted. */
int request_change(Rtnl *r, struct nl_msg *m) _nodiscard_;

/* Dumps into an array. parse: 1 and *item is filled, 0 the message is not wanted, or an error. make builds
 * the request anew for every attempt. */
typedef struct RequestDump {
        int (*make)(const struct RequestDump *d, struct nl_msg **ret);
        int (*parse)(const struct RequestDump *d, struct nlmsghdr *h, void *item);
        size_t item_size;
        int argument;
} RequestDump;
int request_dump(Rtnl *r, const RequestDump *d, void **ret, size_t *ret_n) _nodiscard_;

/* An attribute as an address of the family. -EBADMSG. */
int attribute_address(const struct nlattr *a, uint8_t family, Address *ret) _nodiscard_;

/* -ENODEV; -EPERM: the interface is not ours: another name or the alias of somebody else. */
int link_require_ours(Rtnl *r, int index, Link *ret) _nodiscard_;

void monitor_stop(Rtnl *r);
