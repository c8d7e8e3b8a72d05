/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/array.h"
#include "overlay/plan-internal.h"

typedef struct StepList {
        PlanStep *items;
        size_t n, allocated;
} StepList;

void plan_steps_done(PlanSteps *s) {
        for (size_t i = 0; i < s->n; i++)
                free(s->steps[i].peers);
        free(s->steps);
        *s = (PlanSteps) { 0 };
}

static int step_add(StepList *l, PlanStepType type, PlanObject *o, const PlanValue *v, PlanStep **ret) {
        int r;

        r = array_reserve(&l->items, &l->allocated, l->n + 1, sizeof(PlanStep), 16);
        if (r < 0)
                return r;
        l->items[l->n] = (PlanStep) { .type = type, .object = o, .value = v ? v->data : NULL };
        *ret = &l->items[l->n++];
        return 0;
}

static int step_for_device(StepList *l, PlanStepType type, const char *device, PlanStep **ret) {
        PlanStep *s;
        int r;

        for (size_t i = 0; i < l->n; i++)
                if (l->items[i].type == type && streq(l->items[i].device, device)) {
                        *ret = &l->items[i];
                        return 0;
                }
        r = step_add(l, type, NULL, NULL, &s);
        if (r < 0)
                return r;
        (void) strncpy(s->device, device, sizeof(s->device) - 1);
        *ret = s;
        return 0;
}

static int plan_device(StepList *l, PlanObject *o, bool removals) {
        PlanValue *wv = plan_object_wanted(o);
        const PlanDevice *w = wv ? (const PlanDevice *) wv->data : NULL;
        const PlanDevice *a = o->actual ? (const PlanDevice *) o->actual->data : NULL;
        bool key, port;
        PlanStep *s;
        int r;

        if (!w) {
                if (!removals)
                        return 0;
                r = step_for_device(l, STEP_LINK_REMOVE, a->name, &s);
                if (r < 0)
                        return r;
                s->object = o;
                s->value = a;
                return 0;
        }
        if (!a) {
                r = step_add(l, STEP_LINK_CREATE, o, wv, &s);
                if (r < 0)
                        return r;
                memcpy(s->device, w->name, sizeof(s->device));
        }
        key = !a || memcmp(&w->key, &a->key, sizeof(w->key)) != 0;
        port = w->port != 0 && (!a || a->port != w->port);
        if (key || port) {
                r = step_for_device(l, STEP_DEVICE_SET, w->name, &s);
                if (r < 0)
                        return r;
                s->object = o;
                s->value = w;
                s->set_key = key;
                s->set_port = port;
        }
        if (!a || a->mtu != w->mtu || a->up != w->up) {
                r = step_add(l, STEP_LINK_SET, o, wv, &s);
                if (r < 0)
                        return r;
                memcpy(s->device, w->name, sizeof(s->device));
                s->set_mtu = a && a->mtu != w->mtu;
                s->set_up = !a || a->up != w->up;
        }
        return 0;
}

/* Both ascending. */
static bool allowed_is_subset(const PlanPeer *a, const PlanPeer *w) {
        size_t j = 0;

        for (size_t i = 0; i < a->n_allowed; i++) {
                while (j < w->n_allowed && prefix_compare(&w->allowed[j], &a->allowed[i]) < 0)
                        j++;
                if (j == w->n_allowed || !prefix_equal(&w->allowed[j], &a->allowed[i]))
                        return false;
                j++;
        }
        return true;
}

/* What w has beyond a: the shortest run of w that covers it (what a has too and is sent again does no harm).
 */
static void peer_allowed(PlanPeerChange *c, const PlanPeer *w, const PlanPeer *a) {
        size_t first = 0, tail = 0;

        c->allowed = w->allowed;
        c->n_allowed = w->n_allowed;
        if (!a || !allowed_is_subset(a, w)) {
                c->replace_allowed = true;
                return;
        }
        while (first < a->n_allowed && prefix_equal(&a->allowed[first], &w->allowed[first]))
                first++;
        while (tail < a->n_allowed - first &&
               prefix_equal(&a->allowed[a->n_allowed - 1 - tail], &w->allowed[w->n_allowed - 1 - tail]))
                tail++;
        c->allowed = w->allowed + first;
        c->n_allowed = w->n_allowed - first - tail;
}

static void peer_change(PlanPeerChange *c, PlanObject *o) {
        PlanValue *wv = plan_object_wanted(o);
        const PlanPeer *w = wv ? (const PlanPeer *) wv->data : NULL;
        const PlanPeer *a = o->actual ? (const PlanPeer *) o->actual->data : NULL;

        *c = (PlanPeerChange) { .object = o, .peer = w ?: a, .remove = !w };
        if (!w)
                return;
        c->set_endpoint = w->endpoint.family != 0 && (!a || !address_equal(&w->endpoint, &a->endpoint) ||
                                                      w->endpoint_port != a->endpoint_port);
        c->set_keepalive = a ? w->keepalive != a->keepalive : w->keepalive != 0;
        peer_allowed(c, w, a);
}

static int plan_peer(Plan *p, StepList *l, PlanObject *o, bool removals) {
        PlanValue *w = plan_object_wanted(o);
        const PlanPeer *peer = (const PlanPeer *) (w ?: o->actual)->data;
        PlanObject *device = plan_find_device(p, peer->device);
        bool gone = !device || !plan_object_wanted(device);
        PlanPeerChange *peers;
        PlanStep *s;
        int r;

        if (!removals && (!w || gone))
                return 0;
        if (gone && !(device && device->actual))
                return 0; /* wanted on a device that nobody wants, or left over from one that is not there */
        r = step_for_device(l, gone ? STEP_LINK_REMOVE : STEP_DEVICE_SET, peer->device, &s);
        if (r < 0)
                return r;
        /* Room grows at powers of two. */
        if ((s->n_peers & (s->n_peers - 1)) == 0) {
                peers = reallocarray(s->peers, MAX(s->n_peers * 2, (size_t) 1), sizeof(PlanPeerChange));
                if (!peers)
                        return -ENOMEM;
                s->peers = peers;
        }
        peer_change(&s->peers[s->n_peers], o);
        if (gone)
                s->peers[s->n_peers].remove = true;
        s->n_peers++;
        return 0;
}

static int plan_object(Plan *p, StepList *l, PlanObject *o, bool removals) {
        static const PlanStepType set[] = {
                [PLAN_ADDRESS] = STEP_ADDRESS_ADD, [PLAN_NEXTHOP] = STEP_NEXTHOP_SET, [PLAN_GROUP] = STEP_GROUP_SET,
                [PLAN_ROUTE] = STEP_ROUTE_SET,     [PLAN_SYSCTL] = STEP_SYSCTL_SET,
        }, remove[] = {
                [PLAN_ADDRESS] = STEP_ADDRESS_REMOVE, [PLAN_NEXTHOP] = STEP_NEXTHOP_REMOVE,
                [PLAN_GROUP] = STEP_GROUP_REMOVE,     [PLAN_ROUTE] = STEP_ROUTE_REMOVE,
        };
        PlanValue *w = plan_object_wanted(o);
        PlanStep *s;

        switch (o->type) {
        case PLAN_DEVICE:
                return plan_device(l, o, removals);
        case PLAN_PEER:
                return plan_peer(p, l, o, removals);
        default:
                if (w)
                        return step_add(l, set[o->type], o, w, &s);
                if (removals)
                        return step_add(l, remove[o->type], o, o->actual, &s);
                return 0;
        }
}

static int peer_change_compare(const void *a, const void *b) {
        const PlanPeerChange *x = a, *y = b;

        return memcmp(&x->peer->key, &y->peer->key, sizeof(x->peer->key));
}

static int step_compare(const void *a, const void *b) {
        const PlanStep *x = a, *y = b;
        int r;

        if (x->type != y->type)
                return x->type < y->type ? -1 : 1;
        r = strcmp(x->device, y->device);
        if (r != 0 || !x->object || !y->object)
                return r;
        return memcmp(x->object->key, y->object->key, MIN(x->object->key_len, y->object->key_len));
}

int plan_make(Plan *p, bool removals, PlanSteps *ret) {
        StepList l = { 0 };
        PlanSteps result;
        int r = 0;

        for (PlanObject *o = p->dirty; o && r >= 0; o = o->next)
                r = plan_object(p, &l, o, removals);
        result = (PlanSteps) { l.items, l.n };
        if (r < 0) {
                plan_steps_done(&result);
                return r;
        }
        for (size_t i = 0; i < l.n; i++)
                if (l.items[i].n_peers > 1)
                        qsort(l.items[i].peers, l.items[i].n_peers, sizeof(PlanPeerChange),
                              peer_change_compare);
        if (l.n > 1)
                qsort(l.items, l.n, sizeof(PlanStep), step_compare);
        *ret = result;
        return 0;
}

static bool device_is_there(Plan *p, const char *name, bool up) {
        const PlanDevice *d = plan_actual_device(p, name);

        return d && (!up || d->up);
}

/* "ipv4/conf/sdw1/rp_filter" is there with its interface; a setting of all interfaces always is. */
static bool sysctl_is_there(Plan *p, const PlanSysctl *s) {
        char device[PLAN_NAME_MAX];
        const char *name = strstr(s->key, "/conf/");
        size_t n;

        if (!name)
                return true;
        name += strlen("/conf/");
        n = strcspn(name, "/");
        if (n >= sizeof(device) || strncmp(name, "all/", 4) == 0)
                return true;
        memcpy(device, name, n);
        device[n] = '\0';
        return device_is_there(p, device, false);
}

static bool id_is_there(Plan *p, PlanType type, uint32_t id) {
        const PlanObject *o = plan_find_id(p, type, id);

        return o && o->actual;
}

bool plan_step_ready(Plan *p, const PlanStep *s) {
        const PlanGroup *g;
        const PlanRoute *route;

        switch (s->type) {
        case STEP_DEVICE_SET:
        case STEP_LINK_SET:
                return device_is_there(p, s->device, false);
        case STEP_SYSCTL_SET:
                return sysctl_is_there(p, s->value);
        case STEP_ADDRESS_ADD:
                return device_is_there(p, ((const PlanAddress *) s->value)->device, false);
        case STEP_NEXTHOP_SET:
                return device_is_there(p, ((const PlanNexthop *) s->value)->device, true);
        case STEP_GROUP_SET:
                g = s->value;
                for (size_t i = 0; i < g->n_members; i++)
                        if (!id_is_there(p, PLAN_NEXTHOP, g->members[i].id))
                                return false;
                return true;
        case STEP_ROUTE_SET:
                route = s->value;
                return route->unreachable || id_is_there(p, PLAN_GROUP, route->nexthop);
        default:
                return true;
        }
}

static int device_step_done(Plan *p, const PlanStep *s) {
        const PlanDevice *w = s->value;
        PlanValue *v = plan_value_new(PLAN_DEVICE, 0);
        PlanDevice *d;

        if (!v)
                return -ENOMEM;
        d = (PlanDevice *) v->data;
        if (s->object->actual)
                memcpy(d, s->object->actual->data, sizeof(*d));
        else
                memcpy(d->name, w->name, sizeof(d->name));
        if (s->type == STEP_LINK_CREATE || s->set_mtu)
                d->mtu = w->mtu;
        if (s->set_key)
                d->key = w->key;
        if (s->set_port)
                d->port = w->port;
        if (s->set_up)
                d->up = w->up;
        (void) plan_value_unref(s->object->actual);
        s->object->actual = v;
        plan_object_update(p, s->object);
        return 0;
}

static void object_set_actual(Plan *p, PlanObject *o, bool remove) {
        (void) plan_value_unref(o->actual);
        o->actual = remove ? NULL : plan_value_ref(plan_object_wanted(o));
        plan_object_update(p, o);
}

int plan_step_done(Plan *p, const PlanStep *s) {
        int r = 0;

        for (size_t i = 0; i < s->n_peers; i++)
                object_set_actual(p, s->peers[i].object, s->peers[i].remove);
        switch (s->type) {
        case STEP_LINK_CREATE:
        case STEP_LINK_SET:
                r = device_step_done(p, s);
                break;
        case STEP_DEVICE_SET:
                if (s->object)
                        r = device_step_done(p, s);
                break;
        case STEP_LINK_REMOVE:
                if (s->object)
                        object_set_actual(p, s->object, true);
                break;
        default:
                object_set_actual(p, s->object, s->type >= STEP_ROUTE_REMOVE);
        }
        return r;
}
