/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/strutil.h"
#include "overlay/compile.h"

void compiled_items_done(CompiledItems *c) {
        for (size_t i = 0; i < c->n; i++)
                free(c->items[i].data);
        free(c->items);
        *c = (CompiledItems) { 0 };
}

/* Takes json, also on failure. */
static int add_item(CompiledItems *c, TopicClass class, const char *owner, const char *id,
                    json_object *json) {
        _cleanup_json_ json_object *o = json;
        CompiledItem *items, *item;

        if (!item_id_is_valid(id))
                return -EINVAL;
        items = reallocarray(c->items, c->n + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        c->items = items;
        item = &items[c->n];
        *item = (CompiledItem) { 0 };
        topic_format(class, owner, item->topic);
        (void) snprintf(item->id, sizeof(item->id), "%s", id);
        item->data = json_format(o, &item->data_len);
        if (!item->data)
                return -ENOMEM;
        c->n++;
        return 0;
}

static int add_prefix_item(CompiledItems *c, TopicClass class, const char *owner, const char *id,
                           const ItemPrefix *prefix) {
        json_object *o;
        int r;

        r = item_prefix_to_json(prefix, &o);
        return r < 0 ? r : add_item(c, class, owner, id, o);
}

static int add_range(CompiledItems *c, const Network *n, const char *id, const Prefix *p) {
        ItemPrefix item = { .prefix = *p };

        if (p->address.family == 0)
                return 0;
        return add_prefix_item(c, TOPIC_AGGREGATES, n->object.id, id, &item);
}

int compile_network(const Network *n, CompiledItems *c) {
        ItemNetwork item = {
                .name = n->name,
                .prefix4 = n->prefix4,
                .prefix6 = n->prefix6,
                .mtu = (uint32_t) n->mtu,
                .port = (uint16_t) n->port,
                .keepalive = (uint16_t) n->keepalive,
        };
        json_object *o;
        int r;

        r = item_network_to_json(&item, &o);
        if (r < 0)
                return r;
        r = add_item(c, TOPIC_HUBS, n->object.id, "network", o);
        if (r >= 0)
                r = add_range(c, n, "overlay4", &n->prefix4);
        if (r >= 0)
                r = add_range(c, n, "overlay6", &n->prefix6);
        for (size_t i = 0; r >= 0 && i < n->ranges.n; i++) {
                char id[ITEM_ID_MAX], text[PREFIX_STRING_MAX];

                (void) snprintf(id, sizeof(id), "range/%s", prefix_format(&n->ranges.items[i], text));
                r = add_range(c, n, id, &n->ranges.items[i]);
        }
        return r;
}

static int add_self(CompiledItems *c, const Node *n) {
        ItemSelf item = {
                .name = n->name,
                .network = n->network,
                .role = n->role,
                .state = n->state,
                .index = (uint32_t) n->index,
                .hub_slot = (uint32_t) n->hub_slot,
                .address4 = n->address4,
                .address6 = n->address6,
                .wg_key = n->wg_key,
        };
        json_object *o;
        int r;

        r = item_self_to_json(&item, &o);
        return r < 0 ? r : add_item(c, TOPIC_NODE, n->object.id, "self", o);
}

static int compare_uplinks(const void *a, const void *b) {
        const Uplink *x = *(const Uplink *const *) a, *y = *(const Uplink *const *) b;

        if (x->cost != y->cost)
                return x->cost < y->cost ? -1 : 1;
        return strcmp(x->object.id, y->object.id);
}

/* Of the uplinks that can be dialled, the cheapest first; each endpoint once. */
static int collect_endpoints(const Uplink *const *uplinks, size_t n_uplinks, char ***ret) {
        _cleanup_(strv_freep) char **endpoints = NULL;
        _cleanup_free_ const Uplink **sorted = new0(const Uplink *, n_uplinks + 1);
        int r;

        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < n_uplinks; i++)
                sorted[i] = uplinks[i];
        qsort(sorted, n_uplinks, sizeof(*sorted), compare_uplinks);
        for (size_t i = 0; i < n_uplinks && strv_length(endpoints) < ITEM_ENDPOINTS_MAX; i++) {
                const char *endpoint = sorted[i]->endpoint;

                if (!endpoint || endpoint[0] == '\0' || (endpoints && strv_contains(endpoints, endpoint)))
                        continue;
                r = strv_append(&endpoints, endpoint);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(endpoints);
        return 0;
}

static int add_hub(CompiledItems *c, const Node *n, const Network *network, const Uplink *const *uplinks,
                   size_t n_uplinks) {
        ItemHub item = {
                .name = n->name,
                .index = (uint32_t) n->index,
                .hub_slot = (uint32_t) n->hub_slot,
                .priority = (uint32_t) n->priority,
                .address4 = n->address4,
                .address6 = n->address6,
                .wg_key = n->wg_key,
        };
        _cleanup_(strv_freep) char **endpoints = NULL;
        char id[ITEM_ID_MAX];
        json_object *o;
        int r;

        r = collect_endpoints(uplinks, n_uplinks, &endpoints);
        if (r < 0)
                return r;
        item.endpoints = endpoints;
        r = item_hub_to_json(&item, &o);
        if (r < 0)
                return r;
        (void) snprintf(id, sizeof(id), "hub/%s", n->object.id);
        return add_item(c, TOPIC_HUBS, network->object.id, id, o);
}

static int add_peer(CompiledItems *c, const Node *n, const Network *network) {
        ItemPeer item = {
                .name = n->name,
                .index = (uint32_t) n->index,
                .lane = 0,
                .wg_key = n->wg_key,
                .address4 = n->address4,
                .address6 = n->address6,
        };
        char id[ITEM_ID_MAX];
        json_object *o;
        int r;

        r = item_peer_to_json(&item, &o);
        if (r < 0)
                return r;
        (void) snprintf(id, sizeof(id), "%s/0", n->object.id);
        return add_item(c, TOPIC_LANES, network->object.id, id, o);
}

int compile_node(const Node *n, const Network *network, const Uplink *const *uplinks, size_t n_uplinks,
                 CompiledItems *c) {
        int r;

        r = add_self(c, n);
        if (r < 0 || n->state != NODE_ACTIVE)
                return r;
        return n->role == ROLE_HUB ? add_hub(c, n, network, uplinks, n_uplinks) : add_peer(c, n, network);
}

static bool is_in_aggregates(const Network *n, const Prefix *p) {
        if (n->prefix4.address.family != 0 && prefix_contains(&n->prefix4, p))
                return true;
        if (n->prefix6.address.family != 0 && prefix_contains(&n->prefix6, p))
                return true;
        for (size_t i = 0; i < n->ranges.n; i++)
                if (prefix_contains(&n->ranges.items[i], p))
                        return true;
        return false;
}

int compile_prefix(const SitePrefix *p, const Node *node, const Network *network, CompiledItems *c) {
        ItemPrefix item = {
                .node = (char *) node->object.id,
                .index = (uint32_t) node->index,
                .prefix = p->prefix,
        };
        char id[ITEM_ID_MAX];
        int r;

        if (node->state != NODE_ACTIVE)
                return 0;
        r = add_prefix_item(c, TOPIC_PREFIXES, network->object.id, p->object.id, &item);
        if (r < 0 || is_in_aggregates(network, &p->prefix))
                return r;
        (void) snprintf(id, sizeof(id), "prefix/%s", p->object.id);
        return add_prefix_item(c, TOPIC_AGGREGATES, network->object.id, id, &item);
}
