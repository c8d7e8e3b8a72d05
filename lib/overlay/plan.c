/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <utlist.h>

#include "overlay/plan-internal.h"

#define PLAN_KEY_MAX (1 + PLAN_SYSCTL_KEY_MAX)

struct PlanClaim {
        PlanClaim *object_next;
        PlanClaim *owner_next;
        PlanObject *object;
        PlanOwner *owner;
        PlanValue *value;
        uint32_t generation;
};

PlanValue *plan_value_new(PlanType type, size_t n) {
        static const size_t sizes[] = {
                [PLAN_DEVICE] = sizeof(PlanDevice),   [PLAN_PEER] = sizeof(PlanPeer),
                [PLAN_ADDRESS] = sizeof(PlanAddress), [PLAN_NEXTHOP] = sizeof(PlanNexthop),
                [PLAN_GROUP] = sizeof(PlanGroup),     [PLAN_ROUTE] = sizeof(PlanRoute),
                [PLAN_SYSCTL] = sizeof(PlanSysctl),
        };
        size_t size = sizes[type];
        PlanValue *v;

        if (n > UINT16_MAX)
                return NULL;
        if (type == PLAN_PEER)
                size += n * sizeof(Prefix);
        else if (type == PLAN_GROUP)
                size += n * sizeof(((PlanGroup *) NULL)->members[0]);
        v = calloc(1, sizeof(PlanValue) + size);
        if (!v)
                return NULL;
        v->refs = 1;
        v->size = (uint32_t) size;
        if (type == PLAN_PEER)
                ((PlanPeer *) v->data)->n_allowed = (uint32_t) n;
        else if (type == PLAN_GROUP)
                ((PlanGroup *) v->data)->n_members = (uint32_t) n;
        return v;
}

PlanValue *plan_value_unref(PlanValue *v) {
        if (v && --v->refs == 0)
                free(v);
        return NULL;
}

PlanValue *plan_value_ref(PlanValue *v) {
        if (v)
                v->refs++;
        return v;
}

static bool value_equal(const PlanValue *a, const PlanValue *b) {
        return a == b || (a && b && a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
}

/* The bytes in front of a value that name its object. */
static size_t key_of(PlanType type, const PlanValue *v, uint8_t ret[static PLAN_KEY_MAX]) {
        size_t n;

        switch (type) {
        case PLAN_DEVICE:
                n = PLAN_NAME_MAX;
                break;
        case PLAN_PEER:
                n = offsetof(PlanPeer, endpoint);
                break;
        case PLAN_ADDRESS:
                n = offsetof(PlanAddress, address) + sizeof(Address);
                break;
        case PLAN_NEXTHOP:
        case PLAN_GROUP:
                n = sizeof(uint32_t);
                break;
        case PLAN_ROUTE:
                n = offsetof(PlanRoute, metric) + sizeof(uint32_t);
                break;
        default:
                n = PLAN_SYSCTL_KEY_MAX;
        }
        ret[0] = (uint8_t) type;
        memcpy(ret + 1, v->data, n);
        return n + 1;
}

PlanObject *plan_find_id(Plan *p, PlanType type, uint32_t id) {
        uint8_t key[1 + sizeof(id)] = { (uint8_t) type };
        PlanObject *o;

        memcpy(key + 1, &id, sizeof(id));
        HASH_FIND(hh, p->objects, key, sizeof(key), o);
        return o;
}

PlanObject *plan_find_device(Plan *p, const char *name) {
        uint8_t key[1 + PLAN_NAME_MAX] = { PLAN_DEVICE };
        PlanObject *o;

        (void) strncpy((char *) key + 1, name, PLAN_NAME_MAX - 1);
        HASH_FIND(hh, p->objects, key, sizeof(key), o);
        return o;
}

static int object_get(Plan *p, PlanType type, const PlanValue *v, PlanObject **ret) {
        uint8_t key[PLAN_KEY_MAX];
        size_t n = key_of(type, v, key);
        PlanObject *o;

        HASH_FIND(hh, p->objects, key, (unsigned) n, o);
        if (!o) {
                o = calloc(1, sizeof(PlanObject) + n);
                if (!o)
                        return -ENOMEM;
                o->type = type;
                o->key_len = (uint8_t) n;
                memcpy(o->key, key, n);
                HASH_ADD_KEYPTR(hh, p->objects, o->key, o->key_len, o);
        }
        *ret = o;
        return 0;
}

PlanValue *plan_object_wanted(const PlanObject *o) {
        return o->claims ? o->claims->value : NULL;
}

/* What the kernel says is brought into the form of what is wanted where the two may differ without being
 * wrong. */
static void actual_normalise(PlanType type, PlanValue *actual, const PlanValue *wanted, bool alive) {
        if (type == PLAN_DEVICE && wanted) {
                if (((const PlanDevice *) wanted->data)->port == 0)
                        ((PlanDevice *) actual->data)->port = 0;
        } else if (type == PLAN_PEER && wanted) {
                const PlanPeer *w = (const PlanPeer *) wanted->data;
                PlanPeer *a = (PlanPeer *) actual->data;

                if (w->endpoint.family != 0 && !alive)
                        return;
                a->endpoint = w->endpoint;
                a->endpoint_port = w->endpoint_port;
        }
}

/* Puts the object into the list of those that differ or takes it out, and frees one that nobody knows any
 * more. */
void plan_object_update(Plan *p, PlanObject *o) {
        PlanValue *wanted = plan_object_wanted(o);
        bool dirty;

        if (o->dumped && wanted && o->actual) {
                o->dumped = false;
                actual_normalise(o->type, o->actual, wanted, o->alive);
        }
        dirty = !value_equal(wanted, o->actual);
        if (!dirty && o->actual != wanted) { /* one copy is enough */
                (void) plan_value_unref(o->actual);
                o->actual = plan_value_ref(wanted);
        }

        /* A setting that is no longer wanted stays as it is: nobody knows what it was before. */
        if (o->type == PLAN_SYSCTL && !wanted) {
                o->actual = plan_value_unref(o->actual);
                dirty = false;
        }
        if (dirty && !o->dirty) {
                DL_APPEND(p->dirty, o);
                p->n_dirty++;
        } else if (!dirty && o->dirty) {
                DL_DELETE(p->dirty, o);
                p->n_dirty--;
        }
        o->dirty = dirty;
        if (wanted || o->actual || dirty)
                return;
        HASH_DEL(p->objects, o);
        free(o);
}

static void object_free(PlanObject *o) {
        while (o->claims) {
                PlanClaim *c = o->claims;
                o->claims = c->object_next;
                (void) plan_value_unref(c->value);
                free(c);
        }
        (void) plan_value_unref(o->actual);
        free(o);
}

int plan_new(Plan **ret) {
        Plan *p = new(Plan);

        if (!p)
                return -ENOMEM;
        *ret = p;
        return 0;
}

Plan *plan_free(Plan *p) {
        PlanObject *o, *next;

        if (!p)
                return NULL;
        HASH_ITER (hh, p->objects, o, next) {
                HASH_DEL(p->objects, o);
                object_free(o);
        }
        return mfree(p);
}

void plan_set_route_handler(Plan *p, void (*handler)(PlanOwner *lost, PlanOwner *won, void *userdata),
                            void *userdata) {
        p->on_route = handler;
        p->on_route_userdata = userdata;
}

static void route_changed(Plan *p, const PlanObject *o, PlanOwner *before) {
        PlanOwner *after = o->claims ? o->claims->owner : NULL;

        if (o->type == PLAN_ROUTE && before != after && p->on_route)
                p->on_route(before, after, p->on_route_userdata);
}

void plan_owner_begin(PlanOwner *o) {
        o->generation++;
}

static void claim_insert(PlanObject *object, PlanClaim *c) {
        PlanClaim **at = &object->claims;

        while (*at && strcmp((*at)->owner->name, c->owner->name) < 0)
                at = &(*at)->object_next;
        c->object_next = *at;
        *at = c;
}

int plan_want(Plan *p, PlanOwner *owner, PlanType type, PlanValue *value) {
        _cleanup_(plan_value_unrefp) PlanValue *v = value;
        PlanObject *o = NULL;
        PlanOwner *before;
        PlanClaim *c;
        int r;

        if (!v)
                return -ENOMEM;
        r = object_get(p, type, v, &o);
        if (r < 0)
                return r;
        before = o->claims ? o->claims->owner : NULL;
        for (c = o->claims; c; c = c->object_next)
                if (c->owner == owner)
                        break;
        if (!c) {
                c = new(PlanClaim);
                if (!c) {
                        plan_object_update(p, o);
                        return -ENOMEM;
                }
                c->object = o;
                c->owner = owner;
                claim_insert(o, c);
                c->owner_next = owner->claims;
                owner->claims = c;
        }
        c->generation = owner->generation;
        if (!value_equal(c->value, v)) {
                (void) plan_value_unref(c->value);
                c->value = TAKE(v);
        }
        route_changed(p, o, before);
        plan_object_update(p, o);
        return 0;
}

static void claim_drop(Plan *p, PlanClaim *c) {
        PlanObject *o = c->object;
        PlanOwner *before = o->claims->owner;

        LL_DELETE2(o->claims, c, object_next);
        route_changed(p, o, before);
        (void) plan_value_unref(c->value);
        free(c);
        plan_object_update(p, o);
}

static void owner_sweep(Plan *p, PlanOwner *o, bool all_types, PlanType type) {
        PlanClaim **at = &o->claims;

        while (*at) {
                PlanClaim *c = *at;

                if (c->generation == o->generation || (!all_types && c->object->type != type)) {
                        at = &c->owner_next;
                        continue;
                }
                *at = c->owner_next;
                claim_drop(p, c);
        }
}

void plan_owner_end(Plan *p, PlanOwner *o) {
        owner_sweep(p, o, true, PLAN_ROUTE);
}

void plan_owner_end_type(Plan *p, PlanOwner *o, PlanType type) {
        owner_sweep(p, o, false, type);
}

bool plan_owner_has_route(Plan *p, const PlanOwner *owner, const Prefix *destination, uint32_t metric) {
        uint8_t key[1 + offsetof(PlanRoute, metric) + sizeof(metric)] = { PLAN_ROUTE };
        PlanObject *o;

        memcpy(key + 1, destination, sizeof(*destination));
        memcpy(key + 1 + offsetof(PlanRoute, metric), &metric, sizeof(metric));
        HASH_FIND(hh, p->objects, key, sizeof(key), o);
        return o && o->claims && o->claims->owner == owner;
}

void plan_actual_begin(Plan *p) {
        PlanObject *o, *next;

        HASH_ITER (hh, p->objects, o, next)
                o->seen = o->type == PLAN_SYSCTL;
}

int plan_actual(Plan *p, PlanType type, PlanValue *value, bool alive) {
        PlanObject *o = NULL;
        int r;

        if (!value)
                return -ENOMEM;
        r = object_get(p, type, value, &o);
        if (r < 0) {
                (void) plan_value_unref(value);
                return r;
        }
        (void) plan_value_unref(o->actual);
        o->actual = value;
        o->seen = true;
        o->dumped = true;
        o->alive = alive;
        plan_object_update(p, o);
        return 0;
}

void plan_actual_end(Plan *p) {
        PlanObject *o, *next;

        HASH_ITER (hh, p->objects, o, next) {
                if (o->seen || !o->actual)
                        continue;
                o->actual = plan_value_unref(o->actual);
                plan_object_update(p, o);
        }
}

void plan_forget_actual(Plan *p, PlanType type) {
        PlanObject *o, *next;

        HASH_ITER (hh, p->objects, o, next) {
                if (o->type != type || !o->actual)
                        continue;
                o->actual = plan_value_unref(o->actual);
                plan_object_update(p, o);
        }
}

size_t plan_dirty(const Plan *p) {
        return p->n_dirty;
}

size_t plan_objects(const Plan *p, PlanType type) {
        size_t n = 0;

        for (PlanObject *o = p->objects; o; o = o->hh.next)
                if (o->type == type && o->claims)
                        n++;
        return n;
}

const PlanDevice *plan_actual_device(Plan *p, const char *name) {
        PlanObject *o = plan_find_device(p, name);

        return o && o->actual ? (const PlanDevice *) o->actual->data : NULL;
}
