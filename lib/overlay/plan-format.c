/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "overlay/plan-internal.h"

#include "base/strutil.h"

static int format_allowed(const Prefix *allowed, size_t n, Buffer *b) {
        char text[PREFIX_STRING_MAX];
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = buffer_appendf(b, "%s%s", i == 0 ? "" : ",", prefix_format(&allowed[i], text));
        return r;
}

static int format_key(const PublicKey *key, Buffer *b) {
        char text[B64_SIZE(KEY_SIZE)];

        b64_encode(key->bytes, KEY_SIZE, text);
        return buffer_appendf(b, " %s", text);
}

static int format_endpoint(const PlanPeer *p, Buffer *b) {
        Endpoint e = { .address = p->endpoint, .port = p->endpoint_port };
        char text[ENDPOINT_STRING_MAX];

        return buffer_appendf(b, " endpoint %s", endpoint_format(&e, text));
}

static int format_peer(const PlanPeer *p, Buffer *b) {
        int r;

        r = buffer_appendf(b, "peer %s", p->device);
        if (r >= 0)
                r = format_key(&p->key, b);
        if (r >= 0 && p->endpoint.family != 0)
                r = format_endpoint(p, b);
        if (r >= 0)
                r = buffer_appendf(b, " keepalive %u allowed ", p->keepalive);
        if (r >= 0)
                r = format_allowed(p->allowed, p->n_allowed, b);
        return r;
}

static int format_change(const PlanPeerChange *c, Buffer *b) {
        int r;

        r = buffer_append_str(b, c->remove ? "\n  remove" : "\n  peer");
        if (r >= 0)
                r = format_key(&c->peer->key, b);
        if (r >= 0 && c->set_endpoint)
                r = format_endpoint(c->peer, b);
        if (r >= 0 && c->set_keepalive)
                r = buffer_appendf(b, " keepalive %u", c->peer->keepalive);
        if (r < 0 || c->remove || (c->n_allowed == 0 && !c->replace_allowed))
                return r;
        r = buffer_append_str(b, c->replace_allowed ? " allowed " : " allowed+ ");
        if (r >= 0)
                r = format_allowed(c->allowed, c->n_allowed, b);
        return r;
}

static int format_group(const PlanGroup *g, Buffer *b) {
        int r = buffer_appendf(b, "group %08x", g->id);

        for (size_t i = 0; i < g->n_members && r >= 0; i++)
                r = buffer_appendf(b, " %08x/%u", g->members[i].id, g->members[i].weight);
        return r;
}

static int format_route(const PlanRoute *route, Buffer *b) {
        char prefix[PREFIX_STRING_MAX], source[ADDRESS_STRING_MAX];
        int r = buffer_appendf(b, "route %s metric %u", prefix_format(&route->destination, prefix),
                               route->metric);

        if (r >= 0 && route->unreachable)
                r = buffer_append_str(b, " unreachable");
        else if (r >= 0)
                r = buffer_appendf(b, " nexthop %08x", route->nexthop);
        if (r >= 0 && route->source.family != 0)
                r = buffer_appendf(b, " source %s", address_format(&route->source, source));
        return r;
}

static int format_value(PlanType type, const void *data, Buffer *b) {
        char text[PREFIX_STRING_MAX];
        const PlanDevice *device = data;
        const PlanAddress *address = data;
        const PlanNexthop *nexthop = data;
        const PlanSysctl *sysctl = data;
        int r;

        switch (type) {
        case PLAN_DEVICE:
                r = buffer_appendf(b, "device %s mtu %u port %u", device->name, device->mtu, device->port);
                return r < 0 ? r : format_key(&device->key, b);
        case PLAN_PEER:
                return format_peer(data, b);
        case PLAN_ADDRESS:
                return buffer_appendf(b, "address %s %s", address->device,
                                      address_format(&address->address, text));
        case PLAN_NEXTHOP:
                return buffer_appendf(b, "nexthop %08x %s %s", nexthop->id,
                                      nexthop->family == AF_INET ? "ipv4" : "ipv6", nexthop->device);
        case PLAN_GROUP:
                return format_group(data, b);
        case PLAN_ROUTE:
                return format_route(data, b);
        default:
                return buffer_appendf(b, "sysctl %s %s", sysctl->key, sysctl->value);
        }
}

int plan_step_format(const PlanStep *s, Buffer *b) {
        const PlanDevice *d = s->value;
        int r;

        switch (s->type) {
        case STEP_LINK_CREATE:
                r = buffer_appendf(b, "create link %s mtu %u", s->device, d->mtu);
                break;
        case STEP_DEVICE_SET:
                r = buffer_appendf(b, "set device %s", s->device);
                if (r >= 0 && s->set_key)
                        r = format_key(&d->key, b);
                if (r >= 0 && s->set_port)
                        r = buffer_appendf(b, " port %u", d->port);
                break;
        case STEP_LINK_SET:
                r = buffer_appendf(b, "set link %s", s->device);
                if (r >= 0 && s->set_mtu)
                        r = buffer_appendf(b, " mtu %u", d->mtu);
                if (r >= 0 && s->set_up)
                        r = buffer_append_str(b, d->up ? " up" : " down");
                break;
        case STEP_LINK_REMOVE:
                r = buffer_appendf(b, "remove link %s", s->device);
                break;
        default:
                r = buffer_append_str(b, s->type >= STEP_ROUTE_REMOVE ? "remove " : "set ");
                if (r >= 0)
                        r = format_value(s->object->type, s->value, b);
        }
        for (size_t i = 0; i < s->n_peers && r >= 0; i++)
                r = format_change(&s->peers[i], b);
        return r < 0 ? r : buffer_append_str(b, "\n");
}

static int object_compare(PlanObject *a, PlanObject *b) {
        int r = memcmp(a->key, b->key, MIN(a->key_len, b->key_len));

        return r != 0 ? r : (int) a->key_len - (int) b->key_len;
}

int plan_wanted_format(Plan *p, Buffer *b) {
        int r = 0;

        HASH_SRT(hh, p->objects, object_compare);
        for (PlanObject *o = p->objects; o && r >= 0; o = o->hh.next) {
                const PlanValue *w = plan_object_wanted(o);

                if (!w)
                        continue;
                r = format_value(o->type, w->data, b);
                if (r >= 0)
                        r = buffer_append_str(b, "\n");
        }
        return r;
}
