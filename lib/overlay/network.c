/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "overlay/desired-internal.h"

static const uint8_t families[] = { AF_INET, AF_INET6 };

static uint32_t nexthop_id(uint32_t class, uint32_t number, uint8_t family) {
        return NEXTHOP_BASE | class << 21 | number << 1 | (family == AF_INET6 ? 1U : 0U);
}

static bool is_active(const Desired *d) {
        return d->self && d->network && d->self->state == NODE_ACTIVE;
}

static bool is_hub(const Desired *d) {
        return d->self->role == ROLE_HUB;
}

/* The node's own overlay address; family 0 when it has none, and then the family is not routed at all. */
static const Address *own_address(const Desired *d, uint8_t family) {
        return family == AF_INET ? &d->self->address4 : &d->self->address6;
}

static bool key_is_zero(const PublicKey *k) {
        static const PublicKey zero;

        return memcmp(k, &zero, sizeof(zero)) == 0;
}

/* Another hub that a tunnel can lead to. A spoke dials, so it needs to know where. */
static bool unit_is_peer_hub(Desired *d, const Unit *u) {
        Address a;

        return u->hub && !streq(u->id, d->node_id) && !key_is_zero(&u->hub->wg_key) &&
               desired_hub_usable(d, u) && (is_hub(d) || desired_hub_endpoint(d, u->hub, &a));
}

static bool unit_is_lane_peer(const Desired *d, const Unit *u) {
        return is_hub(d) && !u->hub && u->peer && !streq(u->id, d->node_id) &&
               !key_is_zero(&u->peer->wg_key);
}

static const Unit *exit_hub(Desired *d) {
        const Unit *best = NULL;

        if (!is_active(d) || is_hub(d))
                return NULL;
        for (Unit *u = d->hubs; u; u = u->next_hub) {
                if (!unit_is_peer_hub(d, u))
                        continue;
                if (!best || u->hub->priority < best->hub->priority ||
                    (u->hub->priority == best->hub->priority && u->hub->hub_slot < best->hub->hub_slot))
                        best = u;
        }
        return best;
}

bool network_has_exit(Desired *d) {
        return exit_hub(d);
}

static int want_sysctl(Desired *d, Unit *u, const char *value, const char *format, const char *device) {
        PlanValue *v = plan_value_new(PLAN_SYSCTL, 0);

        if (!v)
                return -ENOMEM;
        (void) snprintf(((PlanSysctl *) v->data)->key, PLAN_SYSCTL_KEY_MAX, "ipv4/%s%s%s",
                        device ? "conf/" : "", strempty(device), format);
        (void) snprintf(((PlanSysctl *) v->data)->value, PLAN_SYSCTL_VALUE_MAX, "%s", value);
        return plan_want(d->plan, &u->owner, PLAN_SYSCTL, v);
}

static int want_forwarding(Desired *d, Unit *u) {
        PlanValue *v;
        int r;

        r = want_sysctl(d, u, "1", "ip_forward", NULL);
        if (r < 0 || own_address(d, AF_INET6)->family == 0)
                return r;
        v = plan_value_new(PLAN_SYSCTL, 0);
        if (!v)
                return -ENOMEM;
        strcpy(((PlanSysctl *) v->data)->key, "ipv6/conf/all/forwarding");
        ((PlanSysctl *) v->data)->value[0] = '1';
        return plan_want(d->plan, &u->owner, PLAN_SYSCTL, v);
}

static int want_device(Desired *d, Unit *u, const char *name, uint16_t port) {
        PlanValue *v = plan_value_new(PLAN_DEVICE, 0);
        PlanDevice *device;
        int r;

        if (!v)
                return -ENOMEM;
        device = (PlanDevice *) v->data;
        (void) snprintf(device->name, sizeof(device->name), "%s", name);
        device->key = d->own_key;
        device->mtu = d->network->mtu;
        device->port = port;
        device->up = true;
        r = plan_want(d->plan, &u->owner, PLAN_DEVICE, v);
        if (r < 0)
                return r;
        r = want_sysctl(d, u, "2", "/rp_filter", name);
        if (r < 0)
                return r;
        return want_sysctl(d, u, "0", "/send_redirects", name);
}

static int want_addresses(Desired *d, Unit *u, const char *device, uint32_t number) {
        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                const Address *own = own_address(d, families[i]);
                PlanNexthop *nexthop;
                PlanAddress *address;
                PlanValue *v;
                int r;

                if (own->family == 0)
                        continue;
                v = plan_value_new(PLAN_ADDRESS, 0);
                if (!v)
                        return -ENOMEM;
                address = (PlanAddress *) v->data;
                (void) snprintf(address->device, sizeof(address->device), "%s", device);
                address->address = *own;
                r = plan_want(d->plan, &u->owner, PLAN_ADDRESS, v);
                if (r < 0)
                        return r;
                v = plan_value_new(PLAN_NEXTHOP, 0);
                if (!v)
                        return -ENOMEM;
                nexthop = (PlanNexthop *) v->data;
                nexthop->id = nexthop_id(NEXTHOP_CLASS_INTERFACE, number, families[i]);
                nexthop->family = families[i];
                (void) snprintf(nexthop->device, sizeof(nexthop->device), "%s", device);
                r = plan_want(d->plan, &u->owner, PLAN_NEXTHOP, v);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A group of one member for each family: where failover will put others. */
static int want_groups(Desired *d, Unit *u, uint32_t class, uint32_t number, uint32_t interface) {
        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                PlanGroup *g;
                PlanValue *v;
                int r;

                if (own_address(d, families[i])->family == 0)
                        continue;
                v = plan_value_new(PLAN_GROUP, 1);
                if (!v)
                        return -ENOMEM;
                g = (PlanGroup *) v->data;
                g->id = nexthop_id(class, number, families[i]);
                g->members[0].id = nexthop_id(NEXTHOP_CLASS_INTERFACE, interface, families[i]);
                g->members[0].weight = 1;
                r = plan_want(d->plan, &u->owner, PLAN_GROUP, v);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int want_route(Desired *d, Unit *u, const Prefix *destination, uint32_t class, uint32_t number) {
        uint8_t family = destination->address.family;
        const Address *own = own_address(d, family);
        PlanRoute *route;
        PlanValue *v;

        if (own->family == 0)
                return 0;
        v = plan_value_new(PLAN_ROUTE, 0);
        if (!v)
                return -ENOMEM;
        route = (PlanRoute *) v->data;
        route->destination = *destination;
        route->metric = ROUTE_METRIC;
        route->nexthop = nexthop_id(class, number, family);
        route->source = *own;
        return plan_want(d->plan, &u->owner, PLAN_ROUTE, v);
}

static int want_unreachable(Desired *d, Unit *u, const Prefix *destination) {
        PlanRoute *route;
        PlanValue *v;

        if (destination->address.family == 0)
                return 0;
        v = plan_value_new(PLAN_ROUTE, 0);
        if (!v)
                return -ENOMEM;
        route = (PlanRoute *) v->data;
        route->destination = *destination;
        route->metric = ROUTE_METRIC_UNREACHABLE;
        route->unreachable = true;
        return plan_want(d->plan, &u->owner, PLAN_ROUTE, v);
}

/* A node's addresses, then its prefixes, through visit. */
static int foreach_destination(Unit *u, const Address *address4, const Address *address6,
                               int (*visit)(Desired *d, Unit *u, const Prefix *p, void *userdata),
                               void *userdata) {
        const Address *addresses[] = { address4, address6 };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                Prefix p;

                if (addresses[i]->family == 0)
                        continue;
                p = prefix_of_address(addresses[i]);
                r = visit(u->desired, u, &p, userdata);
                if (r < 0)
                        return r;
        }
        for (DesiredPrefix *p = u->prefixes; p; p = p->next) {
                r = visit(u->desired, u, &p->prefix, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int visit_route(Desired *d, Unit *u, const Prefix *p, void *userdata) {
        const uint32_t *index = userdata;

        return want_route(d, u, p, NEXTHOP_CLASS_NODE, *index);
}

static int base_routes(Desired *d, Unit *u) {
        int r;

        if (!is_hub(d))
                return 0;
        r = want_unreachable(d, u, &d->network->prefix4);
        return r < 0 ? r : want_unreachable(d, u, &d->network->prefix6);
}

static int aggregate_routes(Desired *d, Unit *u) {
        if (u->own || is_hub(d) || !d->had_exit)
                return 0;
        return want_route(d, u, &u->aggregate, NEXTHOP_CLASS_AGGREGATES, 0);
}

int network_compile_routes(Desired *d, Unit *u) {
        uint32_t index;
        int r = 0;

        plan_owner_begin(&u->owner);
        if (is_active(d)) {
                if (u == d->base)
                        r = base_routes(d, u);
                else if (u->aggregate.address.family != 0)
                        r = aggregate_routes(d, u);
                else if (u->hub && unit_is_peer_hub(d, u)) {
                        index = u->hub->index;
                        r = foreach_destination(u, &u->hub->address4, &u->hub->address6, visit_route,
                                                &index);
                } else if (unit_is_lane_peer(d, u)) {
                        index = u->peer->index;
                        r = foreach_destination(u, &u->peer->address4, &u->peer->address6, visit_route,
                                                &index);
                }
        }
        plan_owner_end_type(d->plan, &u->owner, PLAN_ROUTE);
        return r;
}

static int compare_prefixes(const void *a, const void *b) {
        return prefix_compare(a, b);
}

typedef struct AllowedList {
        Prefix *items;
        size_t n;
} AllowedList;

static int visit_collect(Desired *d, Unit *u, const Prefix *p, void *userdata) {
        AllowedList *l = userdata;

        if (!plan_owner_has_route(d->plan, &u->owner, p, ROUTE_METRIC))
                return 0;
        for (size_t i = 0; i < l->n; i++)
                if (prefix_equal(&l->items[i], p))
                        return 0;
        l->items[l->n++] = *p;
        return 0;
}

static PlanPeer *peer_value(PlanValue *v, const char *device, const PublicKey *key, uint16_t keepalive) {
        PlanPeer *p = (PlanPeer *) v->data;

        (void) snprintf(p->device, sizeof(p->device), "%s", device);
        p->key = *key;
        p->keepalive = keepalive;
        return p;
}

static int compile_hub(Desired *d, Unit *u) {
        const ItemHub *hub = u->hub;
        uint16_t port = 0, far_port = d->network->port;
        char device[PLAN_NAME_MAX];
        PlanPeer *peer;
        PlanValue *v;
        Address a;
        int r;

        if (is_hub(d)) {
                port = (uint16_t) (d->network->port + HUB_PORT_OFFSET + hub->hub_slot);
                far_port = (uint16_t) (d->network->port + HUB_PORT_OFFSET + d->self->hub_slot);
        }
        (void) snprintf(device, sizeof(device), DEVICE_HUB_PREFIX "%u", hub->hub_slot);
        r = want_device(d, u, device, port);
        if (r < 0)
                return r;
        v = plan_value_new(PLAN_PEER, 2);
        if (!v)
                return -ENOMEM;
        peer = peer_value(v, device, &hub->wg_key, d->network->keepalive);
        peer->allowed[0] = (Prefix) { .address.family = AF_INET };
        peer->allowed[1] = (Prefix) { .address.family = AF_INET6 };
        if (desired_hub_endpoint(d, hub, &a)) {
                peer->endpoint = a;
                peer->endpoint_port = far_port;
        }
        r = plan_want(d->plan, &u->owner, PLAN_PEER, v);
        if (r < 0)
                return r;
        r = want_addresses(d, u, device, hub->hub_slot);
        if (r < 0)
                return r;
        return want_groups(d, u, NEXTHOP_CLASS_NODE, hub->index, hub->hub_slot);
}

static int compile_lane_peer(Desired *d, Unit *u) {
        const ItemPeer *item = u->peer;
        AllowedList l = { 0 };
        size_t n = 2;
        PlanPeer *peer;
        PlanValue *v;
        int r;

        for (DesiredPrefix *p = u->prefixes; p; p = p->next)
                n++;
        l.items = new0(Prefix, n);
        if (!l.items)
                return -ENOMEM;
        (void) foreach_destination(u, &item->address4, &item->address6, visit_collect, &l);
        if (l.n > 1)
                qsort(l.items, l.n, sizeof(Prefix), compare_prefixes);
        v = plan_value_new(PLAN_PEER, l.n);
        if (v) {
                peer = peer_value(v, DEVICE_LANE_PREFIX "0", &item->wg_key, 0);
                if (l.n > 0)
                        memcpy(peer->allowed, l.items, l.n * sizeof(Prefix));
        }
        free(l.items);
        r = plan_want(d->plan, &u->owner, PLAN_PEER, v);
        if (r < 0)
                return r;
        return want_groups(d, u, NEXTHOP_CLASS_NODE, item->index, NEXTHOP_LANE);
}

static int compile_base(Desired *d, Unit *u) {
        const Unit *exit = exit_hub(d);
        int r;

        r = want_forwarding(d, u);
        if (r < 0)
                return r;
        if (exit)
                return want_groups(d, u, NEXTHOP_CLASS_AGGREGATES, 0, exit->hub->hub_slot);
        if (!is_hub(d))
                return 0;
        r = want_device(d, u, DEVICE_LANE_PREFIX "0", d->network->port);
        if (r < 0)
                return r;
        return want_addresses(d, u, DEVICE_LANE_PREFIX "0", NEXTHOP_LANE);
}

int network_compile(Desired *d, Unit *u) {
        int r = 0;

        if (is_active(d) && u->aggregate.address.family == 0) { /* an aggregate is a route only */
                if (u == d->base)
                        r = compile_base(d, u);
                else if (u->hub && unit_is_peer_hub(d, u))
                        r = compile_hub(d, u);
                else if (unit_is_lane_peer(d, u))
                        r = compile_lane_peer(d, u);
        }
        if (r < 0)
                return r;
        plan_owner_end(d->plan, &u->owner);
        return 0;
}
