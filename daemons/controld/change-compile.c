/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/array.h"
#include "controld/change-internal.h"
#include "overlay/compile.h"

/* A change compiles what it touches and nothing else: an uplink its node, a node itself and its prefixes, a
 * network itself and, only where ranges change, everything in it. Every item belongs to one object, so what
 * disappears is seen object by object. */

typedef struct Touched {
        const Kind *kind;
        char id[OBJECT_ID_MAX];
} Touched;

typedef struct TouchedSet {
        Touched *items;
        size_t n, allocated;
} TouchedSet;

static int touch(TouchedSet *set, const Kind *kind, const char *id) {
        int r;

        if (!id || *id == 0)
                return 0;
        r = array_reserve(&set->items, &set->allocated, set->n + 1, sizeof(*set->items), 8);
        if (r < 0)
                return r;
        set->items[set->n].kind = kind;
        memcpy(set->items[set->n].id, id, strlen(id) + 1);
        set->n++;
        return 0;
}

static int touch_referrer(const Object *o, void *userdata) {
        return touch(userdata, o->kind, o->id);
}

static int touched_compare(const void *a, const void *b) {
        const Touched *x = a, *y = b;

        if (x->kind != y->kind)
                return (uintptr_t) x->kind < (uintptr_t) y->kind ? -1 : 1;
        return strcmp(x->id, y->id);
}

static bool network_ranges_differ(const Network *a, const Network *b) {
        if (!a || !b)
                return false;
        if (!prefix_equal(&a->prefix4, &b->prefix4) || !prefix_equal(&a->prefix6, &b->prefix6) ||
            a->ranges.n != b->ranges.n)
                return true;
        for (size_t i = 0; i < a->ranges.n; i++)
                if (!prefix_equal(&a->ranges.items[i], &b->ranges.items[i]))
                        return true;
        return false;
}

static int touch_node(const Model *m, TouchedSet *set, const char *id) {
        int r;

        r = touch(set, &kind_node, id);
        return r < 0 ? r : model_referrers(m, &kind_prefix, id, touch_referrer, set);
}

typedef struct NetworkNodes {
        const Model *model;
        TouchedSet *set;
} NetworkNodes;

static int touch_network_node(const Object *o, void *userdata) {
        NetworkNodes *n = userdata;

        return touch_node(n->model, n->set, o->id);
}

static int touch_swap(const Model *m, TouchedSet *set, const ModelSwap *s) {
        const Object *o = s->after ? s->after : s->before;
        int r;

        if (o->kind == &kind_network) {
                const Network *before = s->before ? network_of(s->before) : NULL;
                const Network *after = s->after ? network_of(s->after) : NULL;

                r = touch(set, &kind_network, o->id);
                if (r < 0 || !network_ranges_differ(before, after))
                        return r;
                return model_referrers(m, &kind_node, o->id, touch_network_node,
                                       &(NetworkNodes) { .model = m, .set = set });
        }
        if (o->kind == &kind_node)
                return touch_node(m, set, o->id);
        if (o->kind == &kind_prefix)
                return touch(set, &kind_prefix, o->id);
        if (o->kind == &kind_uplink) {
                r = touch(set, &kind_node, uplink_of(o)->node);
                if (r >= 0 && s->before)
                        r = touch(set, &kind_node, uplink_of(s->before)->node);
                return r;
        }
        return 0;
}

/* An object before the change, or as the change leaves it. */
static const Object *view_get(const Change *c, bool after, const Kind *kind, const char *id) {
        const Object *o;

        if (!id)
                return NULL;
        o = model_get(c->manager->model, kind, id);
        for (size_t i = 0; after && i < c->n_swaps; i++) {
                const ModelSwap *s = &c->swaps[i];

                if (s->after && s->after->kind == kind && streq(s->after->id, id))
                        o = s->after;
                else if (o && s->before == o)
                        o = s->after;
        }
        return o;
}

typedef struct Uplinks {
        const Change *change;
        bool after;
        const Uplink **items;
        size_t n;
} Uplinks;

static int add_uplink(Uplinks *u, const Uplink *uplink) {
        const Uplink **items = reallocarray(u->items, u->n + 1, sizeof(*items));

        if (!items)
                return -ENOMEM;
        items[u->n++] = uplink;
        u->items = items;
        return 0;
}

static int collect_uplink(const Object *o, void *userdata) {
        Uplinks *u = userdata;

        for (size_t i = 0; u->after && i < u->change->n_swaps; i++)
                if (u->change->swaps[i].before == o)
                        return 0;
        return add_uplink(u, uplink_of(o));
}

static int compile_one_node(const Change *c, bool after, const Node *n, CompiledItems *ret) {
        Uplinks u = { .change = c, .after = after };
        const Object *network = view_get(c, after, &kind_network, n->network);
        int r;

        if (!network)
                return 0;
        r = model_referrers(c->manager->model, &kind_uplink, n->object.id, collect_uplink, &u);
        for (size_t i = 0; after && i < c->n_swaps && r >= 0; i++) {
                const Object *o = c->swaps[i].after;

                if (o && o->kind == &kind_uplink && streq_ptr(uplink_of(o)->node, n->object.id))
                        r = add_uplink(&u, uplink_of(o));
        }
        if (r >= 0)
                r = compile_node(n, network_of(network), u.items, u.n, ret);
        free(u.items);
        return r;
}

static int compile_one(const Change *c, bool after, const Kind *kind, const char *id, CompiledItems *ret) {
        const Object *o = view_get(c, after, kind, id), *node, *network;

        if (!o)
                return 0;
        if (kind == &kind_network)
                return compile_network(network_of(o), ret);
        if (kind == &kind_node)
                return compile_one_node(c, after, node_of(o), ret);
        node = view_get(c, after, &kind_node, prefix_of(o)->node);
        network = node ? view_get(c, after, &kind_network, node_of(node)->network) : NULL;
        if (!network)
                return 0;
        return compile_prefix(prefix_of(o), node_of(node), network_of(network), ret);
}

static bool compiled_contains(const CompiledItems *c, const CompiledItem *item) {
        for (size_t i = 0; i < c->n; i++)
                if (streq(c->items[i].id, item->id) && streq(c->items[i].topic, item->topic))
                        return true;
        return false;
}

static int add_differences(Change *c, const CompiledItems *before, const CompiledItems *after) {
        Topics *topics = c->manager->topics;
        int r;

        for (size_t i = 0; i < after->n; i++) {
                const CompiledItem *item = &after->items[i];
                const char *now = topics_get(topics, item->topic, item->id);

                if (now && streq(now, item->data))
                        continue;
                r = change_add_item(c, item->topic, item->id, item->data);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < before->n; i++) {
                const CompiledItem *item = &before->items[i];

                if (compiled_contains(after, item) || !topics_get(topics, item->topic, item->id))
                        continue;
                r = change_add_item(c, item->topic, item->id, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compile_touched(Change *c, const Touched *t) {
        _cleanup_(compiled_items_done) CompiledItems before = { 0 }, after = { 0 };
        int r;

        r = compile_one(c, false, t->kind, t->id, &before);
        if (r >= 0)
                r = compile_one(c, true, t->kind, t->id, &after);
        return r < 0 ? r : add_differences(c, &before, &after);
}

int change_compile(Change *c) {
        TouchedSet set = { 0 };
        int r = 0;

        for (size_t i = 0; i < c->n_swaps && r >= 0; i++)
                r = touch_swap(c->manager->model, &set, &c->swaps[i]);
        if (r >= 0 && set.n > 1)
                qsort(set.items, set.n, sizeof(*set.items), touched_compare);
        for (size_t i = 0; i < set.n && r >= 0; i++)
                if (i == 0 || touched_compare(&set.items[i - 1], &set.items[i]) != 0)
                        r = compile_touched(c, &set.items[i]);
        free(set.items);
        return r < 0 ? r : 0;
}

/* At start. Which items belong is remembered as eight bytes of a digest, so that 10,000 nodes need no copy
 * of their items. */

typedef struct KnownItems {
        Change *change;
        uint64_t *keys;
        size_t n, allocated;
} KnownItems;

static uint64_t item_key(const char *topic, const char *item) {
        char text[TOPIC_MAX + ITEM_ID_MAX];
        Digest d;
        uint64_t key;
        size_t a = strlen(topic), b = strlen(item);

        if (a + b + 1 > sizeof(text))
                return 0;
        memcpy(text, topic, a + 1);
        memcpy(text + a + 1, item, b);
        digest_blake2b(text, a + b + 1, &d);
        memcpy(&key, d.bytes, sizeof(key));
        return key;
}

static int known_add(KnownItems *k, uint64_t key) {
        int r;

        r = array_reserve(&k->keys, &k->allocated, k->n + 1, sizeof(*k->keys), 64);
        if (r < 0)
                return r;
        k->keys[k->n++] = key;
        return 0;
}

static int key_compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return x < y ? -1 : x > y;
}

static int compile_kind(Change *c, const Kind *kind, KnownItems *known) {
        const Model *m = c->manager->model;
        int r;

        for (const Object *o = model_next(m, kind, NULL); o; o = model_next(m, kind, o->id)) {
                _cleanup_(compiled_items_done) CompiledItems items = { 0 };

                r = compile_one(c, true, kind, o->id, &items);
                if (r >= 0)
                        r = add_differences(c, &(CompiledItems) { 0 }, &items);
                for (size_t i = 0; i < items.n && r >= 0; i++)
                        r = known_add(known, item_key(items.items[i].topic, items.items[i].id));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int drop_unknown(const char *topic, const char *item, uint64_t revision, const char *data,
                        void *userdata) {
        KnownItems *k = userdata;
        uint64_t key = item_key(topic, item);

        if (!data || (k->n > 0 && bsearch(&key, k->keys, k->n, sizeof(key), key_compare)))
                return 0;
        return change_add_item(k->change, topic, item, NULL);
}

/* Compares the items of all that there is, against what is stored: another version of the compiler may say
 * it differently. For prepare() at the start only, while nothing else uses the store. */
static int change_compile_all(Change *c) {
        KnownItems known = { .change = c };
        int r;

        r = compile_kind(c, &kind_network, &known);
        if (r >= 0)
                r = compile_kind(c, &kind_node, &known);
        if (r >= 0)
                r = compile_kind(c, &kind_prefix, &known);
        if (r >= 0 && known.n > 1)
                qsort(known.keys, known.n, sizeof(*known.keys), key_compare);
        if (r >= 0)
                r = store_load_topic_items(c->manager->store, drop_unknown, &known);
        free(known.keys);
        return r < 0 ? r : 0;
}

typedef struct Recompile {
        void (*done)(Manager *m, int result, void *userdata);
        void *userdata;
} Recompile;

static int recompile_prepare(Manager *m, Change *c, void *userdata) {
        return change_compile_all(c);
}

static void recompile_done(Manager *m, int result, const FieldError *error, uint64_t revision,
                           void *userdata) {
        Recompile *r = userdata;

        r->done(m, result, r->userdata);
        free(r);
}

int change_recompile(Manager *m, void (*done)(Manager *m, int result, void *userdata), void *userdata) {
        Recompile *r = new(Recompile);
        int k;

        if (!r)
                return -ENOMEM;
        *r = (Recompile) { done, userdata };
        k = change_submit(m, &(ChangeRequest) {
                                             .actor = "system:start",
                                             .prepare = recompile_prepare,
                                             .done = recompile_done,
                                             .userdata = r,
                             });
        if (k < 0)
                free(r);
        return k;
}
