/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <utlist.h>

#include "base/strutil.h"
#include "overlay/desired-internal.h"

#define HUB_PREFIX "hub/"
#define AGGREGATE_PREFIX "aggregate/"
#define UNIT_ID_MAX (sizeof(AGGREGATE_PREFIX) + ITEM_ID_MAX)

/* One item of a batch, decoded. */
typedef struct Decoded {
        TopicClass class;
        bool tombstone;
        union {
                ItemSelf self;
                ItemNetwork network;
                ItemHub hub;
                ItemPeer peer;
                ItemPrefix prefix;
        };
        enum {
                DECODED_NONE,
                DECODED_SELF,
                DECODED_NETWORK,
                DECODED_HUB,
                DECODED_PEER,
                DECODED_PREFIX
        } shape;
} Decoded;

static void decoded_done(Decoded *i) {
        switch (i->tombstone ? DECODED_NONE : i->shape) {
        case DECODED_SELF:
                item_self_done(&i->self);
                break;
        case DECODED_NETWORK:
                item_network_done(&i->network);
                break;
        case DECODED_HUB:
                item_hub_done(&i->hub);
                break;
        case DECODED_PEER:
                item_peer_done(&i->peer);
                break;
        case DECODED_PREFIX:
                item_prefix_done(&i->prefix);
                break;
        default:
                break;
        }
        i->shape = DECODED_NONE;
}

static void desired_mark(Desired *d, Unit *u) {
        if (u->dirty)
                return;
        u->dirty = true;
        u->next_dirty = d->dirty;
        d->dirty = u;
}

static void desired_mark_all(Desired *d) {
        for (Unit *u = d->units; u; u = u->hh.next)
                desired_mark(d, u);
}

static void on_route(PlanOwner *lost, PlanOwner *won, void *userdata) {
        Desired *d = userdata;

        if (lost)
                desired_mark(d, CONTAINER_OF(lost, Unit, owner));
        if (won)
                desired_mark(d, CONTAINER_OF(won, Unit, owner));
}

static int unit_get(Desired *d, const char *id, Unit **ret) {
        Unit *u;

        HASH_FIND_STR(d->units, id, u);
        if (!u) {
                u = calloc(1, sizeof(Unit) + strlen(id) + 1);
                if (!u)
                        return -ENOMEM;
                memcpy(u->id, id, strlen(id) + 1);
                u->owner.name = u->id;
                u->desired = d;
                HASH_ADD_STR(d->units, id, u);
        }
        *ret = u;
        return 0;
}

static void unit_drop_hub(Unit *u) {
        if (!u->hub)
                return;
        LL_DELETE2(u->desired->hubs, u, next_hub);
        item_hub_done(u->hub);
        u->hub = mfree(u->hub);
}

static void unit_drop_peer(Unit *u) {
        if (u->peer)
                item_peer_done(u->peer);
        u->peer = mfree(u->peer);
}

static void prefix_drop(Desired *d, DesiredPrefix *p) {
        desired_mark(d, p->unit);
        if (p->prev)
                p->prev->next = p->next;
        else
                p->unit->prefixes = p->next;
        if (p->next)
                p->next->prev = p->prev;
        HASH_DEL(d->prefixes, p);
        free(p);
}

/* A unit that holds nothing: whatever it wanted is given up. */
static void unit_free(Desired *d, Unit *u) {
        while (u->prefixes)
                prefix_drop(d, u->prefixes);
        unit_drop_hub(u);
        unit_drop_peer(u);
        plan_owner_begin(&u->owner);
        plan_owner_end(d->plan, &u->owner);
        HASH_DEL(d->units, u);
        free(u);
}

Desired *desired_free(Desired *d) {
        Unit *u, *next;
        DesiredName *n, *next_name;

        if (!d)
                return NULL;
        plan_set_route_handler(d->plan, NULL, NULL);
        HASH_ITER (hh, d->units, u, next)
                unit_free(d, u);
        HASH_ITER (hh, d->names, n, next_name) {
                HASH_DEL(d->names, n);
                free(n);
        }
        if (d->self)
                item_self_done(d->self);
        free(d->self);
        if (d->network)
                item_network_done(d->network);
        free(d->network);
        return mfree(d);
}

int desired_new(const char *node_id, const char *network, const PublicKey *own_key, Plan *p, Desired **ret) {
        _cleanup_(desired_freep) Desired *d = NULL;
        int r;

        if (strlen(node_id) >= OBJECT_ID_MAX || strlen(network) >= OBJECT_ID_MAX)
                return -EINVAL;
        d = new(Desired);
        if (!d)
                return -ENOMEM;
        d->plan = p;
        d->own_key = *own_key;
        memcpy(d->node_id, node_id, strlen(node_id) + 1);
        memcpy(d->network_id, network, strlen(network) + 1);
        r = unit_get(d, "", &d->base);
        if (r < 0)
                return r;
        plan_set_route_handler(p, on_route, d);
        desired_mark(d, d->base);
        *ret = TAKE(d);
        return 0;
}

const ItemSelf *desired_self(const Desired *d) {
        return d->self;
}

const ItemNetwork *desired_network(const Desired *d) {
        return d->network;
}

bool desired_wants_topic(const Desired *d, TopicClass class) {
        bool hub = d->self && d->self->role == ROLE_HUB;

        if (!d->self)
                return true; /* kept until the role is known */
        return class == TOPIC_NODE || class == TOPIC_HUBS || (class == TOPIC_AGGREGATES ? !hub : hub);
}

bool desired_hub_endpoint(Desired *d, const ItemHub *hub, Address *ret) {
        STRV_FOREACH (e, hub->endpoints) {
                DesiredName *n;

                if (address_parse(*e, ret) >= 0)
                        return true;
                HASH_FIND_STR(d->names, *e, n);
                if (n) {
                        *ret = n->address;
                        return true;
                }
        }
        return false;
}

bool desired_hub_usable(Desired *d, const Unit *u) {
        for (const Unit *o = d->hubs; o; o = o->next_hub)
                if (o != u && o->hub->hub_slot == u->hub->hub_slot && strcmp(o->id, u->id) < 0)
                        return false;
        return true;
}

/* Hubs choose among each other's slots and are the exits of spokes: few, so one that changes is compiled
 * with all. */
static void mark_hubs(Desired *d) {
        for (Unit *u = d->hubs; u; u = u->next_hub)
                desired_mark(d, u);
        desired_mark(d, d->base);
}

int desired_set_address(Desired *d, const char *name, const Address *a) {
        DesiredName *n;

        HASH_FIND_STR(d->names, name, n);
        if (n && address_equal(&n->address, a))
                return 0;
        if (!n) {
                n = calloc(1, sizeof(DesiredName) + strlen(name) + 1);
                if (!n)
                        return -ENOMEM;
                memcpy(n->name, name, strlen(name) + 1);
                HASH_ADD_STR(d->names, name, n);
        }
        n->address = *a;
        mark_hubs(d);
        return 1;
}

void desired_foreach_name(Desired *d,
                          void (*visit)(const char *name, const Address *address, void *userdata),
                          void *userdata) {
        for (Unit *u = d->hubs; u; u = u->next_hub)
                STRV_FOREACH (e, u->hub->endpoints) {
                        DesiredName *n;
                        Address a;

                        if (address_parse(*e, &a) >= 0)
                                continue;
                        HASH_FIND_STR(d->names, *e, n);
                        visit(*e, n ? &n->address : NULL, userdata);
                }
}

/* What no site can have behind it. */
static bool prefix_is_sane(const Prefix *p) {
        const uint8_t *b = p->address.bytes;

        if (p->length == 0)
                return false;
        if (p->address.family == AF_INET)
                return b[0] != 0 && b[0] != 127 && b[0] < 224 && !(b[0] == 169 && b[1] == 254);
        return !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80) && b[0] != 0xff && (b[0] | b[1] | b[2] | b[3]) != 0;
}

/* The node id of "<node>/<lane>". */
static int peer_id_parse(const char *id, char ret_node[static OBJECT_ID_MAX], bool *ret_first_lane) {
        const char *slash = strrchr(id, '/');

        if (!slash || slash == id || (size_t) (slash - id) >= OBJECT_ID_MAX)
                return -EINVAL;
        memcpy(ret_node, id, (size_t) (slash - id));
        ret_node[slash - id] = '\0';
        *ret_first_lane = streq(slash, "/0");
        return 0;
}

static int decode_self(Desired *d, json_object *o, Decoded *ret, const char **reason) {
        int r = item_self_from_json(o, &ret->self, reason);

        if (r < 0)
                return r;
        if (ret->self.network && strlen(ret->self.network) < OBJECT_ID_MAX &&
            ret->self.hub_slot <= HUB_SLOT_MAX && (ret->self.role != ROLE_HUB || ret->self.hub_slot != 0))
                return 0;
        *reason = "network or hub slot out of range";
        item_self_done(&ret->self);
        return -EBADMSG;
}

static int decode_hub(json_object *o, Decoded *ret, const char **reason) {
        int r = item_hub_from_json(o, &ret->hub, reason);

        if (r < 0)
                return r;
        if (ret->hub.hub_slot >= 1 && ret->hub.hub_slot <= HUB_SLOT_MAX && ret->hub.index <= NODE_INDEX_MAX)
                return 0;
        *reason = "hub slot or index out of range";
        item_hub_done(&ret->hub);
        return -EBADMSG;
}

static int decode_peer(json_object *o, Decoded *ret, const char **reason) {
        int r = item_peer_from_json(o, &ret->peer, reason);

        if (r < 0)
                return r;
        if (ret->peer.index <= NODE_INDEX_MAX && ret->peer.lane < LANE_MAX)
                return 0;
        *reason = "index or lane out of range";
        item_peer_done(&ret->peer);
        return -EBADMSG;
}

static int decode_prefix(TopicClass class, const char *id, json_object *o, Decoded *ret,
                         const char **reason) {
        int r = item_prefix_from_json(o, &ret->prefix, reason);

        if (r < 0)
                return r;
        if (class == TOPIC_PREFIXES && (!ret->prefix.node || strlen(ret->prefix.node) >= OBJECT_ID_MAX))
                *reason = "no node";
        else if (!prefix_is_sane(&ret->prefix.prefix) || ret->prefix.index > NODE_INDEX_MAX)
                *reason = "not a prefix that a site can have";
        else
                return 0;
        item_prefix_done(&ret->prefix);
        return -EBADMSG;
}

static int decode_item(Desired *d, TopicClass class, const BatchItem *item, Decoded *ret,
                       const char **reason) {
        char node[OBJECT_ID_MAX];
        bool first;
        int r;

        *ret = (Decoded) { .class = class, .tombstone = !item->data };
        *reason = "unknown item";
        switch (class) {
        case TOPIC_NODE:
                if (!streq(item->id, "self"))
                        return -EBADMSG;
                r = item->data ? decode_self(d, item->data, ret, reason) : 0;
                ret->shape = r < 0 ? DECODED_NONE : DECODED_SELF;
                return r;
        case TOPIC_HUBS:
                if (streq(item->id, "network")) {
                        r = item->data ? item_network_from_json(item->data, &ret->network, reason) : 0;
                        ret->shape = r < 0 ? DECODED_NONE : DECODED_NETWORK;
                        return r;
                }
                if (strncmp(item->id, HUB_PREFIX, strlen(HUB_PREFIX)) != 0)
                        return -EBADMSG;
                r = item->data ? decode_hub(item->data, ret, reason) : 0;
                ret->shape = r < 0 ? DECODED_NONE : DECODED_HUB;
                return r;
        case TOPIC_LANES:
                if (peer_id_parse(item->id, node, &first) < 0)
                        return -EBADMSG;
                r = item->data ? decode_peer(item->data, ret, reason) : 0;
                ret->shape = r < 0 ? DECODED_NONE : DECODED_PEER;
                return r;
        default:
                r = item->data ? decode_prefix(class, item->id, item->data, ret, reason) : 0;
                ret->shape = r < 0 ? DECODED_NONE : DECODED_PREFIX;
                return r;
        }
}

/* Everything of the network that the node is no longer in. */
static void drop_network(Desired *d) {
        Unit *u, *next;

        HASH_ITER (hh, d->units, u, next) {
                while (u->prefixes)
                        prefix_drop(d, u->prefixes);
                unit_drop_hub(u);
                unit_drop_peer(u);
                u->aggregate = (Prefix) { 0 };
        }
        if (d->network)
                item_network_done(d->network);
        d->network = mfree(d->network);
}

static int take_self(Desired *d, Decoded *i) {
        ItemSelf *self = NULL;

        if (!i->tombstone) {
                self = new(ItemSelf);
                if (!self)
                        return -ENOMEM;
                *self = i->self;
                i->shape = DECODED_NONE;
                if (!streq(self->network, d->network_id)) {
                        drop_network(d);
                        memcpy(d->network_id, self->network, strlen(self->network) + 1);
                }
        }
        if (d->self)
                item_self_done(d->self);
        free(d->self);
        d->self = self;
        desired_mark_all(d);
        return 0;
}

static int take_network(Desired *d, Decoded *i) {
        ItemNetwork *network = NULL;

        if (!i->tombstone) {
                network = new(ItemNetwork);
                if (!network)
                        return -ENOMEM;
                *network = i->network;
                i->shape = DECODED_NONE;
        }
        if (d->network)
                item_network_done(d->network);
        free(d->network);
        d->network = network;
        d->network_generation = d->generation;
        desired_mark_all(d);
        return 0;
}

static int take_hub(Desired *d, const char *id, Decoded *i) {
        ItemHub *hub = NULL;
        Unit *u = NULL;
        int r;

        r = unit_get(d, id + strlen(HUB_PREFIX), &u);
        if (r < 0)
                return r;
        if (!i->tombstone) {
                hub = new(ItemHub);
                if (!hub)
                        return -ENOMEM;
                *hub = i->hub;
                i->shape = DECODED_NONE;
        }
        mark_hubs(d);
        unit_drop_hub(u);
        u->hub = hub;
        if (hub)
                LL_PREPEND2(d->hubs, u, next_hub);
        u->hub_generation = d->generation;
        desired_mark(d, u);
        return 0;
}

static int take_peer(Desired *d, const char *id, Decoded *i) {
        char node[OBJECT_ID_MAX];
        ItemPeer *peer = NULL;
        Unit *u = NULL;
        bool first;
        int r;

        r = peer_id_parse(id, node, &first);
        if (r < 0 || !first)
                return r; /* other lanes than the first have no interface in this version */
        r = unit_get(d, node, &u);
        if (r < 0)
                return r;
        if (!i->tombstone) {
                peer = new(ItemPeer);
                if (!peer)
                        return -ENOMEM;
                *peer = i->peer;
                i->shape = DECODED_NONE;
        }
        unit_drop_peer(u);
        u->peer = peer;
        u->peer_generation = d->generation;
        desired_mark(d, u);
        return 0;
}

static int take_prefix(Desired *d, const char *id, Decoded *i) {
        DesiredPrefix *p;
        Unit *u = NULL;
        int r;

        HASH_FIND_STR(d->prefixes, id, p);
        if (p)
                prefix_drop(d, p);
        if (i->tombstone)
                return 0;
        r = unit_get(d, i->prefix.node, &u);
        if (r < 0)
                return r;
        p = calloc(1, sizeof(DesiredPrefix) + strlen(id) + 1);
        if (!p)
                return -ENOMEM;
        p->unit = u;
        p->prefix = i->prefix.prefix;
        p->index = i->prefix.index;
        p->generation = d->generation;
        memcpy(p->id, id, strlen(id) + 1);
        p->next = u->prefixes;
        if (p->next)
                p->next->prev = p;
        u->prefixes = p;
        HASH_ADD_STR(d->prefixes, id, p);
        desired_mark(d, u);
        return 0;
}

static int take_aggregate(Desired *d, const char *item, Decoded *i) {
        char id[UNIT_ID_MAX];
        Unit *u = NULL;
        int r;

        (void) snprintf(id, sizeof(id), AGGREGATE_PREFIX "%s", item);
        r = unit_get(d, id, &u);
        if (r < 0)
                return r;
        u->aggregate = i->tombstone ? (Prefix) { 0 } : i->prefix.prefix;
        u->own = !i->tombstone && i->prefix.node && streq(i->prefix.node, d->node_id);
        u->aggregate_generation = d->generation;
        desired_mark(d, u);
        return 0;
}

static int take_item(Desired *d, const char *id, Decoded *i) {
        switch (i->class) {
        case TOPIC_NODE:
                return take_self(d, i);
        case TOPIC_HUBS:
                return streq(id, "network") ? take_network(d, i) : take_hub(d, id, i);
        case TOPIC_LANES:
                return take_peer(d, id, i);
        case TOPIC_PREFIXES:
                return take_prefix(d, id, i);
        default:
                return take_aggregate(d, id, i);
        }
}

/* What a snapshot did not name is gone. */
static void snapshot_sweep(Desired *d, TopicClass class) {
        DesiredPrefix *p, *next;

        if (class == TOPIC_PREFIXES)
                HASH_ITER (hh, d->prefixes, p, next)
                        if (p->generation != d->generation)
                                prefix_drop(d, p);
        if (class == TOPIC_HUBS && d->network && d->network_generation != d->generation) {
                item_network_done(d->network);
                d->network = mfree(d->network);
                desired_mark_all(d);
        }
        for (Unit *u = d->units; u; u = u->hh.next) {
                if (class == TOPIC_HUBS && u->hub && u->hub_generation != d->generation) {
                        mark_hubs(d);
                        unit_drop_hub(u);
                        desired_mark(d, u);
                } else if (class == TOPIC_LANES && u->peer && u->peer_generation != d->generation) {
                        unit_drop_peer(u);
                        desired_mark(d, u);
                } else if (class == TOPIC_AGGREGATES && u->aggregate.address.family != 0 &&
                           u->aggregate_generation != d->generation) {
                        u->aggregate = (Prefix) { 0 };
                        desired_mark(d, u);
                }
        }
}

static bool batch_is_for_us(const Desired *d, TopicClass class, const char *owner) {
        return streq(owner, class == TOPIC_NODE ? d->node_id : d->network_id) &&
               desired_wants_topic(d, class);
}

static int decode_batch(Desired *d, TopicClass class, const Batch *b, Decoded *items,
                        char ret_item[static ITEM_ID_MAX], const char **ret_reason) {
        int r;

        for (size_t i = 0; i < b->n_items; i++) {
                r = decode_item(d, class, &b->items[i], &items[i], ret_reason);
                if (r < 0) {
                        (void) snprintf(ret_item, ITEM_ID_MAX, "%s", b->items[i].id);
                        return r;
                }
        }
        return 0;
}

int desired_apply(Desired *d, const Batch *b, char ret_item[static ITEM_ID_MAX], const char **ret_reason) {
        char owner[OBJECT_ID_MAX];
        Decoded *items;
        TopicClass class;
        int r;

        ret_item[0] = '\0';
        *ret_reason = "unknown topic";
        r = topic_parse(b->topic, &class, owner);
        if (r < 0 || !batch_is_for_us(d, class, owner))
                return 1;
        items = new0(Decoded, MAX(b->n_items, (size_t) 1));
        if (!items)
                return -ENOMEM;
        r = decode_batch(d, class, b, items, ret_item, ret_reason);
        if (r >= 0 && b->snapshot)
                d->generation++;
        for (size_t i = 0; i < b->n_items && r >= 0; i++)
                r = take_item(d, b->items[i].id, &items[i]);
        if (r >= 0 && b->snapshot)
                snapshot_sweep(d, class);
        for (size_t i = 0; i < b->n_items; i++)
                decoded_done(&items[i]);
        free(items);
        return MIN(r, 0);
}

static void mark_aggregates(Desired *d) {
        for (Unit *u = d->units; u; u = u->hh.next)
                if (u->aggregate.address.family != 0)
                        desired_mark(d, u);
}

static bool unit_is_empty(const Desired *d, const Unit *u) {
        return u != d->base && !u->hub && !u->peer && !u->prefixes && u->aggregate.address.family == 0;
}

/* After a failure: all of the list is to be done again. */
static int compile_failed(Desired *d, Unit *list, int error) {
        for (Unit *next; list; list = next) {
                next = list->next_dirty;
                list->dirty = false;
                desired_mark(d, list);
        }
        return error;
}

/* Two rounds: first who has the route to which prefix, which can touch a unit more, then what each unit
 * makes of it. */
int desired_compile(Desired *d) {
        Unit *list = NULL, *next;
        bool exit = network_has_exit(d);
        int r;

        if (exit != d->had_exit) {
                d->had_exit = exit;
                mark_aggregates(d);
        }
        while (d->dirty) {
                Unit *u = d->dirty;

                d->dirty = u->next_dirty;
                u->next_dirty = list;
                list = u;
                r = network_compile_routes(d, u);
                if (r < 0)
                        return compile_failed(d, list, r);
        }
        for (; list; list = next) {
                next = list->next_dirty;
                r = network_compile(d, list);
                if (r < 0)
                        return compile_failed(d, list, r);
                list->dirty = false;
                if (unit_is_empty(d, list))
                        unit_free(d, list);
        }
        return 0;
}

void desired_foreach_tunnel(Desired *d,
                            void (*visit)(const char *device, const PublicKey *key, const DesiredPeer *peer,
                                          void *userdata),
                            void *userdata) {
        bool hub = d->self && d->self->role == ROLE_HUB;

        if (!d->self || d->self->state != NODE_ACTIVE)
                return;
        for (Unit *u = d->hubs; u; u = u->next_hub) {
                char device[PLAN_NAME_MAX];

                if (streq(u->id, d->node_id) || !desired_hub_usable(d, u))
                        continue;
                (void) snprintf(device, sizeof(device), DEVICE_HUB_PREFIX "%u", u->hub->hub_slot);
                visit(device, &u->hub->wg_key, &(DesiredPeer) { u->id, u->hub->name }, userdata);
        }
        for (Unit *u = d->units; u && hub; u = u->hh.next)
                if (u->peer && !u->hub && !streq(u->id, d->node_id))
                        visit(DEVICE_LANE_PREFIX "0", &u->peer->wg_key,
                              &(DesiredPeer) { u->id, u->peer->name }, userdata);
}
