/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "agentd/kernel-internal.h"
#include "base/log.h"
#include "base/timeutil.h"

Kernel *kernel_free(Kernel *k) {
        if (!k)
                return NULL;
        (void) wg_close(k->wg);
        (void) rtnl_close(k->rtnl);
        return mfree(k);
}

int kernel_open(WgBackendType backend, Kernel **ret) {
        _cleanup_(kernel_freep) Kernel *k = new(Kernel);
        int r;

        if (!k)
                return -ENOMEM;
        r = rtnl_open(&k->rtnl);
        if (r < 0)
                return log_error_errno(r, "Failed to open rtnetlink: %m");
        r = wg_open(backend, &k->wg);
        if (r == -EOPNOTSUPP)
                return log_error_errno(
                                r, "This kernel has no WireGuard. Load the module, or set "
                                   "WireGuard=userspace in "
                                   "/etc/sdwan/agentd.conf and run an implementation such as wireguard-go.");
        if (r < 0)
                return log_error_errno(r, "Failed to open WireGuard: %m");
        *ret = TAKE(k);
        return 0;
}

KernelLink *kernel_link_find(Kernel *k, const char *name) {
        for (size_t i = 0; i < k->n_links; i++)
                if (streq(k->links[i].name, name))
                        return &k->links[i];
        return NULL;
}

int kernel_link_index(const Kernel *k, const char *name) {
        KernelLink *l = kernel_link_find((Kernel *) k, name);

        return l ? l->index : 0;
}

KernelLink *kernel_link_set(Kernel *k, const char *name, int index) {
        KernelLink *l = kernel_link_find(k, name);

        if (!l) {
                if (k->n_links == KERNEL_LINKS_MAX)
                        return NULL;
                l = &k->links[k->n_links++];
                *l = (KernelLink) { 0 };
                (void) snprintf(l->name, sizeof(l->name), "%s", name);
        }
        l->index = index;
        return l;
}

void kernel_link_drop(Kernel *k, const char *name) {
        KernelLink *l = kernel_link_find(k, name);

        if (l)
                *l = k->links[--k->n_links];
}

static const char *link_name(const Kernel *k, int index) {
        for (size_t i = 0; i < k->n_links; i++)
                if (k->links[i].index == index)
                        return k->links[i].name;
        return "";
}

static int prefix_compare_sort(const void *a, const void *b) {
        return prefix_compare(a, b);
}

static int dump_peer(Plan *p, const char *device, const WgPeer *peer, uint64_t now) {
        PlanValue *v = plan_value_new(PLAN_PEER, peer->n_allowed_ips);
        bool alive = peer->last_handshake_usec != 0 && now < peer->last_handshake_usec + PEER_ALIVE_USEC;
        PlanPeer *to;

        if (!v)
                return -ENOMEM;
        to = (PlanPeer *) v->data;
        (void) snprintf(to->device, sizeof(to->device), "%s", device);
        to->key = peer->key;
        to->endpoint = peer->endpoint.address;
        to->endpoint_port = peer->endpoint.port;
        to->keepalive = peer->keepalive;
        if (peer->n_allowed_ips > 0)
                memcpy(to->allowed, peer->allowed_ips, peer->n_allowed_ips * sizeof(Prefix));
        if (peer->n_allowed_ips > 1)
                qsort(to->allowed, peer->n_allowed_ips, sizeof(Prefix), prefix_compare_sort);
        return plan_actual(p, PLAN_PEER, v, alive);
}

static int dump_device(Kernel *k, Plan *p, const Link *l, uint64_t now) {
        PlanDevice *to;
        PlanValue *v;
        WgDevice d;
        int r;

        r = wg_get_device(k->wg, l->name, &d);
        if (r == -ENODEV)
                return 0; /* gone, or its implementation is: as if it were not there */
        if (r < 0)
                return r;
        if (!kernel_link_set(k, l->name, l->index)) {
                wg_device_done(&d);
                return -E2BIG;
        }
        v = plan_value_new(PLAN_DEVICE, 0);
        if (v) {
                to = (PlanDevice *) v->data;
                (void) snprintf(to->name, sizeof(to->name), "%s", l->name);
                to->key = d.public_key;
                to->mtu = l->mtu;
                to->port = d.listen_port;
                to->up = l->up;
        }
        r = plan_actual(p, PLAN_DEVICE, v, false);
        for (size_t i = 0; i < d.n_peers && r >= 0; i++)
                r = dump_peer(p, l->name, &d.peers[i], now);
        wg_device_done(&d);
        return r;
}

static int dump_links(Kernel *k, Plan *p) {
        uint64_t now = now_realtime_usec();
        _cleanup_free_ Link *links = NULL;
        size_t n = 0;
        int r;

        r = rtnl_dump_links(k->rtnl, &links, &n);
        if (r < 0)
                return log_error_errno(r, "Failed to list the interfaces: %m");
        k->n_links = 0;
        for (size_t i = 0; i < n; i++) {
                if (strncmp(links[i].name, RTNL_LINK_PREFIX, strlen(RTNL_LINK_PREFIX)) != 0 ||
                    !streq(links[i].alias, RTNL_LINK_ALIAS))
                        continue;
                r = dump_device(k, p, &links[i], now);
                if (r < 0)
                        return log_error_errno(r, "Failed to read the WireGuard interface %s: %m",
                                               links[i].name);
        }
        return 0;
}

static bool address_is_link_local(const Address *a) {
        return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

static int dump_addresses(Kernel *k, Plan *p) {
        _cleanup_free_ LinkAddress *addresses = NULL;
        size_t n = 0;
        int r;

        r = rtnl_dump_addresses(k->rtnl, 0, &addresses, &n);
        if (r < 0)
                return log_error_errno(r, "Failed to list the addresses: %m");
        for (size_t i = 0; i < n; i++) {
                const char *name = link_name(k, addresses[i].link);
                const Prefix *a = &addresses[i].address;
                PlanAddress *to;
                PlanValue *v;

                if (name[0] == '\0' || a->length != address_bits(&a->address) ||
                    address_is_link_local(&a->address))
                        continue;
                v = plan_value_new(PLAN_ADDRESS, 0);
                if (!v)
                        return -ENOMEM;
                to = (PlanAddress *) v->data;
                (void) snprintf(to->device, sizeof(to->device), "%s", name);
                to->address = a->address;
                r = plan_actual(p, PLAN_ADDRESS, v, false);
                if (r < 0)
                        return r;
        }
        return 0;
}

static PlanValue *group_value(const Nexthop *n) {
        PlanValue *v = plan_value_new(PLAN_GROUP, n->n_members);
        PlanGroup *g;

        if (!v)
                return NULL;
        g = (PlanGroup *) v->data;
        g->id = n->id;
        for (size_t i = 0; i < n->n_members; i++) {
                g->members[i].id = n->members[i].id;
                g->members[i].weight = n->members[i].weight;
        }
        return v;
}

static PlanValue *nexthop_value(const Kernel *k, const Nexthop *n) {
        PlanValue *v = plan_value_new(PLAN_NEXTHOP, 0);
        PlanNexthop *to;

        if (!v)
                return NULL;
        to = (PlanNexthop *) v->data;
        to->id = n->id;
        to->family = n->family;
        (void) snprintf(to->device, sizeof(to->device), "%s", link_name(k, n->link));
        return v;
}

static int dump_nexthops(Kernel *k, Plan *p) {
        _cleanup_free_ Nexthop *nexthops = NULL;
        size_t n = 0;
        int r;

        r = rtnl_dump_nexthops(k->rtnl, &nexthops, &n);
        if (r < 0)
                return log_error_errno(r, "Failed to list the nexthop objects: %m");
        for (size_t i = 0; i < n && r >= 0; i++) {
                bool group = nexthops[i].n_members > 0;

                r = plan_actual(p, group ? PLAN_GROUP : PLAN_NEXTHOP,
                                group ? group_value(&nexthops[i]) : nexthop_value(k, &nexthops[i]), false);
        }
        return r;
}

static int dump_routes(Kernel *k, Plan *p) {
        _cleanup_free_ Route *routes = NULL;
        size_t n = 0;
        int r;

        r = rtnl_dump_routes(k->rtnl, &routes, &n);
        if (r < 0)
                return log_error_errno(r, "Failed to list the routes: %m");
        for (size_t i = 0; i < n && r >= 0; i++) {
                PlanRoute *to;
                PlanValue *v;

                if (routes[i].table != KERNEL_TABLE)
                        continue;
                v = plan_value_new(PLAN_ROUTE, 0);
                if (!v)
                        return -ENOMEM;
                to = (PlanRoute *) v->data;
                to->destination = routes[i].destination;
                to->metric = routes[i].metric;
                to->unreachable = routes[i].type == ROUTE_UNREACHABLE;
                to->nexthop = routes[i].nexthop;
                to->source = routes[i].preferred_source;
                r = plan_actual(p, PLAN_ROUTE, v, false);
        }
        return r;
}

int kernel_dump(Kernel *k, Plan *p) {
        int r;

        plan_actual_begin(p);
        r = dump_links(k, p);
        if (r >= 0)
                r = dump_addresses(k, p);
        if (r >= 0)
                r = dump_nexthops(k, p);
        if (r >= 0)
                r = dump_routes(k, p);
        if (r < 0)
                return r;
        plan_actual_end(p);
        /* Settings are not dumped: setting one to what it is costs a read. */
        plan_forget_actual(p, PLAN_SYSCTL);
        return 0;
}
