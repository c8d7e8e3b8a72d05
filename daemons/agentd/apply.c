/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <net/if.h>
#include <stdio.h>

#include "agentd/kernel-internal.h"
#include "base/log.h"

static bool is_userspace(const Kernel *k) {
        return wg_backend(k->wg) == WG_BACKEND_USERSPACE;
}

/* The interface of a userspace implementation is made by whoever runs it: we take it over when it answers.
 */
static int adopt_link(Kernel *k, const PlanDevice *d, int *ret_index) {
        unsigned index;
        int r;

        if (!wg_device_exists(k->wg, d->name))
                return -EAGAIN;
        index = if_nametoindex(d->name);
        if (index == 0)
                return -EAGAIN;
        r = rtnl_link_set(k->rtnl, (int) index, &d->mtu, NULL, RTNL_LINK_ALIAS);
        if (r < 0)
                return r;
        *ret_index = (int) index;
        return 0;
}

/* An interface of our name without our mark: ours only when it was made and not marked yet, so when nothing
 * is set. */
static int adopt_unmarked(Kernel *k, const PlanDevice *d, int *ret_index) {
        static const PublicKey none;
        unsigned index = if_nametoindex(d->name);
        bool blank;
        WgDevice w;
        int r;

        r = wg_get_device(k->wg, d->name, &w);
        if (r < 0)
                return -EEXIST;
        blank = w.n_peers == 0 && memcmp(&w.public_key, &none, sizeof(none)) == 0;
        wg_device_done(&w);
        if (!blank || index == 0)
                return -EEXIST;
        *ret_index = (int) index;
        return rtnl_link_set(k->rtnl, (int) index, &d->mtu, NULL, RTNL_LINK_ALIAS);
}

static int apply_link_create(Kernel *k, const PlanStep *s) {
        const PlanDevice *d = s->value;
        KernelLink *l;
        int index = 0, r;

        if (is_userspace(k))
                r = adopt_link(k, d, &index);
        else
                r = rtnl_link_create_wireguard(k->rtnl, d->name, d->mtu, &index);
        if (r == -EEXIST && !is_userspace(k))
                r = adopt_unmarked(k, d, &index);
        if (r < 0)
                return r;
        l = kernel_link_set(k, d->name, index);
        if (!l)
                return -E2BIG;
        l->fresh = true;
        return 0;
}

static void peer_from_change(const PlanPeerChange *c, WgPeer *ret) {
        *ret = (WgPeer) { .key = c->peer->key };
        if (c->remove) {
                ret->flags = WG_PEER_REMOVE;
                return;
        }
        if (c->set_endpoint) {
                ret->flags |= WG_PEER_HAS_ENDPOINT;
                ret->endpoint.address = c->peer->endpoint;
                ret->endpoint.port = c->peer->endpoint_port;
        }
        if (c->set_keepalive) {
                ret->flags |= WG_PEER_HAS_KEEPALIVE;
                ret->keepalive = c->peer->keepalive;
        }
        if (c->replace_allowed)
                ret->flags |= WG_PEER_REPLACE_ALLOWED_IPS;
        ret->allowed_ips = (Prefix *) c->allowed; /* only read */
        ret->n_allowed_ips = c->n_allowed;
}

static int apply_device_set(Kernel *k, const PlanStep *s, const Secret *wg_key) {
        KernelLink *l = kernel_link_find(k, s->device);
        _cleanup_free_ WgPeer *peers = NULL;
        WgDevice d = { 0 };
        int r;

        (void) snprintf(d.name, sizeof(d.name), "%s", s->device);
        if (s->set_key) {
                d.flags |= WG_DEVICE_HAS_PRIVATE_KEY;
                d.private_key = wg_key;
        }
        if (s->set_port) {
                d.flags |= WG_DEVICE_HAS_LISTEN_PORT;
                d.listen_port = ((const PlanDevice *) s->value)->port;
        }
        if (l && l->fresh)
                d.flags |= WG_DEVICE_REPLACE_PEERS;
        if (s->n_peers > 0) {
                peers = new0(WgPeer, s->n_peers);
                if (!peers)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < s->n_peers; i++)
                peer_from_change(&s->peers[i], &peers[i]);
        d.peers = peers;
        d.n_peers = s->n_peers;
        r = wg_set_device(k->wg, &d);
        if (r >= 0 && l)
                l->fresh = false;
        return r;
}

static int apply_link_set(Kernel *k, const PlanStep *s) {
        const PlanDevice *d = s->value;

        return rtnl_link_set(k->rtnl, kernel_link_index(k, s->device), s->set_mtu ? &d->mtu : NULL,
                             s->set_up ? &d->up : NULL, NULL);
}

/* A kernel that takes long to delete a device with peers is asked to delete one without. */
static int apply_link_remove(Kernel *k, const PlanStep *s) {
        static const bool down = false;
        int index = kernel_link_index(k, s->device);
        int r = 0;

        if (s->n_peers > 0 && wg_device_exists(k->wg, s->device))
                r = apply_device_set(k, s, NULL);
        if (r < 0 && r != -ENODEV)
                return r;
        if (is_userspace(k))
                r = rtnl_link_set(k->rtnl, index, NULL, &down, ""); /* whoever made it takes it away */
        else
                r = rtnl_link_delete(k->rtnl, index, s->device);
        if (r < 0 && r != -ENODEV)
                return r;
        kernel_link_drop(k, s->device);
        return 0;
}

static int apply_sysctl(const PlanSysctl *s) {
        int r = rtnl_sysctl_set(s->key, s->value);

        if (r < 0)
                (void) log_warning_errno(r,
                                         "Failed to set net/%s to %s (%m), ignoring. Is /proc/sys/net "
                                         "writable for the agent?",
                                         s->key, s->value);
        return 0;
}

static int apply_address(Kernel *k, const PlanAddress *a, bool remove) {
        LinkAddress to = {
                .link = kernel_link_index(k, a->device),
                .address = prefix_of_address(&a->address),
        };

        if (to.link == 0)
                return remove ? 0 : -ENODEV;
        return remove ? rtnl_address_delete(k->rtnl, &to) : rtnl_address_add(k->rtnl, &to);
}

static int apply_nexthop(Kernel *k, const PlanNexthop *n) {
        Nexthop to = {
                .id = n->id,
                .family = n->family,
                .link = kernel_link_index(k, n->device),
                .protocol = RTNL_PROTOCOL,
        };

        return to.link == 0 ? -ENODEV : rtnl_nexthop_replace(k->rtnl, &to);
}

static int apply_group(Kernel *k, const PlanGroup *g) {
        Nexthop to = { .id = g->id, .protocol = RTNL_PROTOCOL, .n_members = g->n_members };

        if (g->n_members > RTNL_NEXTHOP_MEMBERS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < g->n_members; i++) {
                to.members[i].id = g->members[i].id;
                to.members[i].weight = (uint8_t) g->members[i].weight;
        }
        return rtnl_nexthop_replace(k->rtnl, &to);
}

static int apply_route(Kernel *k, const PlanRoute *route, bool remove) {
        Route to = {
                .destination = route->destination,
                .type = route->unreachable ? ROUTE_UNREACHABLE : ROUTE_UNICAST,
                .table = KERNEL_TABLE,
                .metric = route->metric,
                .nexthop = route->nexthop,
                .preferred_source = route->source,
                .protocol = RTNL_PROTOCOL,
        };

        return remove ? rtnl_route_delete(k->rtnl, &to) : rtnl_route_replace(k->rtnl, &to);
}

int kernel_apply(Kernel *k, const PlanStep *s, const Secret *wg_key) {
        switch (s->type) {
        case STEP_LINK_CREATE:
                return apply_link_create(k, s);
        case STEP_DEVICE_SET:
                return apply_device_set(k, s, wg_key);
        case STEP_SYSCTL_SET:
                return apply_sysctl(s->value);
        case STEP_LINK_SET:
                return apply_link_set(k, s);
        case STEP_ADDRESS_ADD:
        case STEP_ADDRESS_REMOVE:
                return apply_address(k, s->value, s->type == STEP_ADDRESS_REMOVE);
        case STEP_NEXTHOP_SET:
                return apply_nexthop(k, s->value);
        case STEP_GROUP_SET:
                return apply_group(k, s->value);
        case STEP_ROUTE_SET:
        case STEP_ROUTE_REMOVE:
                return apply_route(k, s->value, s->type == STEP_ROUTE_REMOVE);
        case STEP_GROUP_REMOVE:
        case STEP_NEXTHOP_REMOVE:
                return rtnl_nexthop_delete(k->rtnl, ((const PlanNexthop *) s->value)->id);
        case STEP_LINK_REMOVE:
                return apply_link_remove(k, s);
        }
        return -EOPNOTSUPP;
}
