/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/strutil.h"
#include "overlay/items.h"

#define NAME_BYTES_MAX 63
#define ENDPOINT_BYTES_MAX 253

/* ---- names of topics ---- */

static const struct {
        const char *prefix, *suffix;
} topic_forms[] = {
        [TOPIC_NODE] = { "node/", "" },
        [TOPIC_HUBS] = { "net/", "/hubs" },
        [TOPIC_LANES] = { "net/", "/lanes" },
        [TOPIC_PREFIXES] = { "net/", "/prefixes" },
        [TOPIC_AGGREGATES] = { "net/", "/aggregates" },
};

void topic_format(TopicClass class, const char *owner, char ret[static TOPIC_MAX]) {
        assert(class < ELEMENTSOF(topic_forms));
        assert(strlen(owner) < OBJECT_ID_MAX);

        (void) snprintf(ret, TOPIC_MAX, "%s%s%s", topic_forms[class].prefix, owner,
                        topic_forms[class].suffix);
}

static bool owner_is_valid(const char *s, size_t len) {
        if (len == 0 || len >= OBJECT_ID_MAX)
                return false;
        for (size_t i = 0; i < len; i++)
                if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') || s[i] == '-'))
                        return false;
        return true;
}

/* -EINVAL: not a topic that we know. */
int topic_parse(const char *topic, TopicClass *ret_class, char ret_owner[static OBJECT_ID_MAX]) {
        size_t len = strlen(topic);

        for (size_t i = 0; i < ELEMENTSOF(topic_forms); i++) {
                size_t head = strlen(topic_forms[i].prefix), tail = strlen(topic_forms[i].suffix);

                if (len <= head + tail || strncmp(topic, topic_forms[i].prefix, head) != 0 ||
                    !streq(topic + len - tail, topic_forms[i].suffix) ||
                    !owner_is_valid(topic + head, len - head - tail))
                        continue;
                *ret_class = (TopicClass) i;
                memcpy(ret_owner, topic + head, len - head - tail);
                ret_owner[len - head - tail] = '\0';
                return 0;
        }
        return -EINVAL;
}

/* ---- values ---- */

static const char *const role_names[] = { [ROLE_SPOKE] = "spoke", [ROLE_HUB] = "hub" };
static const char *const state_names[] = {
        [NODE_ACTIVE] = "active",
        [NODE_PENDING] = "pending",
        [NODE_REVOKED] = "revoked",
};

static int name_to_value(const char *const *names, size_t n, const char *s) {
        for (size_t i = 0; i < n; i++)
                if (streq(names[i], s))
                        return (int) i;
        return -EINVAL;
}

static bool key_is_zero(const PublicKey *k) {
        static const PublicKey zero = { 0 };

        return memcmp(k, &zero, sizeof(zero)) == 0;
}

static int add_address(json_object *o, const char *name, const Address *a) {
        char buf[ADDRESS_STRING_MAX];

        return a->family == 0 ? 0 : json_add_string(o, name, address_format(a, buf));
}

static int add_prefix(json_object *o, const char *name, const Prefix *p) {
        char buf[PREFIX_STRING_MAX];

        return p->address.family == 0 ? 0 : json_add_string(o, name, prefix_format(p, buf));
}

static int add_key(json_object *o, const char *name, const PublicKey *k) {
        char buf[B64_SIZE(KEY_SIZE)];

        b64_encode(k->bytes, sizeof(k->bytes), buf);
        return json_add_string(o, name, buf);
}

/* s NULL: absent, which leaves *ret empty. */
static int read_address(const char *s, int family, Address *ret) {
        Address a;
        int r;

        if (!s)
                return 0;
        r = address_parse(s, &a);
        if (r < 0)
                return r;
        if (a.family != family)
                return -EINVAL;
        *ret = a;
        return 0;
}

static int read_prefix(const char *s, int family, Prefix *ret) {
        Prefix p;
        int r;

        if (!s)
                return 0;
        r = prefix_parse(s, &p);
        if (r < 0)
                return r;
        if (family != 0 && p.address.family != family)
                return -EINVAL;
        *ret = p;
        return 0;
}

static int read_key(const char *s, PublicKey *ret) {
        int r = b64_decode_exact(s, ret->bytes, sizeof(ret->bytes));

        if (r < 0)
                return r;
        return key_is_zero(ret) ? -EINVAL : 0;
}

static bool name_is_valid(const char *s) {
        size_t len = strlen(s);

        return len > 0 && len <= NAME_BYTES_MAX && str_is_printable(s);
}

/* An address or a DNS name, without a port. What resolves it decides the rest. */
static bool endpoint_is_valid(const char *s) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-";
        size_t len = strlen(s);

        return len > 0 && len <= ENDPOINT_BYTES_MAX && strspn(s, allowed) == len;
}

static int bad(const char *reason, const char **ret_reason) {
        if (ret_reason)
                *ret_reason = reason;
        return -EBADMSG;
}

/* The data of items come in signed batches of the controller, which may be newer than the agent: members
 * that are not known are for agents that know them. Those that are known must be right. */
static int read_members(json_object *o, const JsonField *fields, size_t n_fields, void *data,
                        const char **ret_reason) {
        const char *field = "not an object";
        int r;

        if (!o || !json_object_is_type(o, json_type_object))
                return bad(field, ret_reason);
        r = json_dispatch(o, fields, n_fields, true, data, &field);
        if (r == -ENOMEM)
                return r;
        return r < 0 ? bad(field, ret_reason) : 0;
}

/* ---- node/<id> self ---- */

void item_self_done(ItemSelf *i) {
        free(i->name);
        free(i->network);
        *i = (ItemSelf) { 0 };
}

int item_self_to_json(const ItemSelf *i, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        if (i->role < 0 || (size_t) i->role >= ELEMENTSOF(role_names) || i->state < 0 ||
            (size_t) i->state >= ELEMENTSOF(state_names))
                return -EINVAL;
        r = json_add_string(o, "name", i->name);
        if (r >= 0)
                r = json_add_string(o, "network", i->network);
        if (r >= 0)
                r = json_add_string(o, "role", role_names[i->role]);
        if (r >= 0)
                r = json_add_string(o, "state", state_names[i->state]);
        if (r >= 0)
                r = json_add_u64(o, "index", i->index);
        if (r >= 0 && i->hub_slot > 0)
                r = json_add_u64(o, "hub_slot", i->hub_slot);
        if (r >= 0)
                r = add_address(o, "address4", &i->address4);
        if (r >= 0)
                r = add_address(o, "address6", &i->address6);
        if (r >= 0)
                r = add_key(o, "wg_key", &i->wg_key);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

typedef struct RawSelf {
        const char *name, *network, *role, *state, *address4, *address6, *wg_key;
        uint64_t index, hub_slot;
} RawSelf;

static const JsonField self_fields[] = {
        { "name", JSON_FIELD_STRING, offsetof(RawSelf, name), JSON_REQUIRED },
        { "network", JSON_FIELD_STRING, offsetof(RawSelf, network), JSON_REQUIRED },
        { "role", JSON_FIELD_STRING, offsetof(RawSelf, role), JSON_REQUIRED },
        { "state", JSON_FIELD_STRING, offsetof(RawSelf, state), JSON_REQUIRED },
        { "index", JSON_FIELD_U64, offsetof(RawSelf, index), JSON_REQUIRED },
        { "hub_slot", JSON_FIELD_U64, offsetof(RawSelf, hub_slot), JSON_NULLABLE },
        { "address4", JSON_FIELD_STRING, offsetof(RawSelf, address4), JSON_NULLABLE },
        { "address6", JSON_FIELD_STRING, offsetof(RawSelf, address6), JSON_NULLABLE },
        { "wg_key", JSON_FIELD_STRING, offsetof(RawSelf, wg_key), JSON_REQUIRED },
};

static const char *check_self(const RawSelf *raw, ItemSelf *i) {
        i->role = name_to_value(role_names, ELEMENTSOF(role_names), raw->role);
        if (i->role < 0)
                return "role";
        i->state = name_to_value(state_names, ELEMENTSOF(state_names), raw->state);
        if (i->state < 0)
                return "state";
        if (!name_is_valid(raw->name))
                return "name";
        if (!owner_is_valid(raw->network, strlen(raw->network)))
                return "network";
        if (raw->index < 1 || raw->index > NODE_INDEX_MAX)
                return "index";
        if (raw->hub_slot > HUB_SLOT_MAX || (raw->hub_slot > 0) != (i->role == ROLE_HUB))
                return "hub_slot";
        if (read_address(raw->address4, AF_INET, &i->address4) < 0)
                return "address4";
        if (read_address(raw->address6, AF_INET6, &i->address6) < 0)
                return "address6";
        if (i->address4.family == 0 && i->address6.family == 0)
                return "no address";
        if (read_key(raw->wg_key, &i->wg_key) < 0)
                return "wg_key";
        i->index = (uint32_t) raw->index;
        i->hub_slot = (uint32_t) raw->hub_slot;
        return NULL;
}

int item_self_from_json(json_object *o, ItemSelf *ret, const char **ret_reason) {
        _cleanup_(item_self_done) ItemSelf i = { 0 };
        RawSelf raw = { 0 };
        const char *reason;
        int r;

        r = read_members(o, self_fields, ELEMENTSOF(self_fields), &raw, ret_reason);
        if (r < 0)
                return r;
        reason = check_self(&raw, &i);
        if (reason)
                return bad(reason, ret_reason);
        i.name = strdup(raw.name);
        i.network = strdup(raw.network);
        if (!i.name || !i.network)
                return -ENOMEM;
        *ret = i;
        i = (ItemSelf) { 0 };
        return 0;
}

/* ---- net/<id>/hubs network ---- */

void item_network_done(ItemNetwork *i) {
        free(i->name);
        *i = (ItemNetwork) { 0 };
}

int item_network_to_json(const ItemNetwork *i, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "name", i->name);
        if (r >= 0)
                r = add_prefix(o, "prefix4", &i->prefix4);
        if (r >= 0)
                r = add_prefix(o, "prefix6", &i->prefix6);
        if (r >= 0)
                r = json_add_u64(o, "mtu", i->mtu);
        if (r >= 0)
                r = json_add_u64(o, "port", i->port);
        if (r >= 0)
                r = json_add_u64(o, "keepalive", i->keepalive);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

typedef struct RawNetwork {
        const char *name, *prefix4, *prefix6;
        uint64_t mtu, port, keepalive;
} RawNetwork;

static const JsonField network_fields[] = {
        { "name", JSON_FIELD_STRING, offsetof(RawNetwork, name), JSON_REQUIRED },
        { "prefix4", JSON_FIELD_STRING, offsetof(RawNetwork, prefix4), JSON_NULLABLE },
        { "prefix6", JSON_FIELD_STRING, offsetof(RawNetwork, prefix6), JSON_NULLABLE },
        { "mtu", JSON_FIELD_U64, offsetof(RawNetwork, mtu), JSON_REQUIRED },
        { "port", JSON_FIELD_U64, offsetof(RawNetwork, port), JSON_REQUIRED },
        { "keepalive", JSON_FIELD_U64, offsetof(RawNetwork, keepalive), JSON_REQUIRED },
};

static const char *check_network(const RawNetwork *raw, ItemNetwork *i) {
        if (!name_is_valid(raw->name))
                return "name";
        if (read_prefix(raw->prefix4, AF_INET, &i->prefix4) < 0)
                return "prefix4";
        if (read_prefix(raw->prefix6, AF_INET6, &i->prefix6) < 0)
                return "prefix6";
        if (i->prefix4.address.family == 0 && i->prefix6.address.family == 0)
                return "no prefix";
        if (raw->mtu < 1280 || raw->mtu > 9000)
                return "mtu";
        if (raw->port < 1 || raw->port > UINT16_MAX)
                return "port";
        if (raw->keepalive > 3600)
                return "keepalive";
        i->mtu = (uint32_t) raw->mtu;
        i->port = (uint16_t) raw->port;
        i->keepalive = (uint16_t) raw->keepalive;
        return NULL;
}

int item_network_from_json(json_object *o, ItemNetwork *ret, const char **ret_reason) {
        _cleanup_(item_network_done) ItemNetwork i = { 0 };
        RawNetwork raw = { 0 };
        const char *reason;
        int r;

        r = read_members(o, network_fields, ELEMENTSOF(network_fields), &raw, ret_reason);
        if (r < 0)
                return r;
        reason = check_network(&raw, &i);
        if (reason)
                return bad(reason, ret_reason);
        i.name = strdup(raw.name);
        if (!i.name)
                return -ENOMEM;
        *ret = i;
        i = (ItemNetwork) { 0 };
        return 0;
}

/* ---- net/<id>/hubs hub/<node> ---- */

void item_hub_done(ItemHub *i) {
        free(i->name);
        strv_free(i->endpoints);
        *i = (ItemHub) { 0 };
}

int item_hub_to_json(const ItemHub *i, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "name", i->name);
        if (r >= 0)
                r = json_add_u64(o, "index", i->index);
        if (r >= 0)
                r = json_add_u64(o, "hub_slot", i->hub_slot);
        if (r >= 0)
                r = json_add_u64(o, "priority", i->priority);
        if (r >= 0)
                r = add_address(o, "address4", &i->address4);
        if (r >= 0)
                r = add_address(o, "address6", &i->address6);
        if (r >= 0)
                r = add_key(o, "wg_key", &i->wg_key);
        if (r >= 0)
                r = json_add_strv(o, "endpoints", i->endpoints);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

typedef struct RawHub {
        const char *name, *address4, *address6, *wg_key;
        uint64_t index, hub_slot, priority;
        char **endpoints;
} RawHub;

static const JsonField hub_fields[] = {
        { "name", JSON_FIELD_STRING, offsetof(RawHub, name), JSON_REQUIRED },
        { "index", JSON_FIELD_U64, offsetof(RawHub, index), JSON_REQUIRED },
        { "hub_slot", JSON_FIELD_U64, offsetof(RawHub, hub_slot), JSON_REQUIRED },
        { "priority", JSON_FIELD_U64, offsetof(RawHub, priority), JSON_REQUIRED },
        { "address4", JSON_FIELD_STRING, offsetof(RawHub, address4), JSON_NULLABLE },
        { "address6", JSON_FIELD_STRING, offsetof(RawHub, address6), JSON_NULLABLE },
        { "wg_key", JSON_FIELD_STRING, offsetof(RawHub, wg_key), JSON_REQUIRED },
        { "endpoints", JSON_FIELD_STRV, offsetof(RawHub, endpoints), JSON_NULLABLE },
};

static void raw_hub_done(RawHub *raw) {
        strv_free(raw->endpoints);
}

static const char *check_hub(const RawHub *raw, ItemHub *i) {
        if (!name_is_valid(raw->name))
                return "name";
        if (raw->index < 1 || raw->index > NODE_INDEX_MAX)
                return "index";
        if (raw->hub_slot < 1 || raw->hub_slot > HUB_SLOT_MAX)
                return "hub_slot";
        if (raw->priority > UINT32_MAX)
                return "priority";
        if (read_address(raw->address4, AF_INET, &i->address4) < 0)
                return "address4";
        if (read_address(raw->address6, AF_INET6, &i->address6) < 0)
                return "address6";
        if (i->address4.family == 0 && i->address6.family == 0)
                return "no address";
        if (read_key(raw->wg_key, &i->wg_key) < 0)
                return "wg_key";
        if (strv_length(raw->endpoints) > ITEM_ENDPOINTS_MAX)
                return "too many endpoints";
        STRV_FOREACH (e, raw->endpoints)
                if (!endpoint_is_valid(*e))
                        return "endpoints";
        i->index = (uint32_t) raw->index;
        i->hub_slot = (uint32_t) raw->hub_slot;
        i->priority = (uint32_t) raw->priority;
        return NULL;
}

int item_hub_from_json(json_object *o, ItemHub *ret, const char **ret_reason) {
        _cleanup_(raw_hub_done) RawHub raw = { 0 };
        _cleanup_(item_hub_done) ItemHub i = { 0 };
        const char *reason;
        int r;

        r = read_members(o, hub_fields, ELEMENTSOF(hub_fields), &raw, ret_reason);
        if (r < 0)
                return r;
        reason = check_hub(&raw, &i);
        if (reason)
                return bad(reason, ret_reason);
        i.name = strdup(raw.name);
        if (!i.name)
                return -ENOMEM;
        i.endpoints = TAKE(raw.endpoints);
        *ret = i;
        i = (ItemHub) { 0 };
        return 0;
}

/* ---- net/<id>/lanes <node>/<lane> ---- */

void item_peer_done(ItemPeer *i) {
        free(i->name);
        *i = (ItemPeer) { 0 };
}

int item_peer_to_json(const ItemPeer *i, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "name", i->name);
        if (r >= 0)
                r = json_add_u64(o, "index", i->index);
        if (r >= 0)
                r = json_add_u64(o, "lane", i->lane);
        if (r >= 0)
                r = add_key(o, "wg_key", &i->wg_key);
        if (r >= 0)
                r = add_address(o, "address4", &i->address4);
        if (r >= 0)
                r = add_address(o, "address6", &i->address6);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

typedef struct RawPeer {
        const char *name, *address4, *address6, *wg_key;
        uint64_t index, lane;
} RawPeer;

static const JsonField peer_fields[] = {
        { "name", JSON_FIELD_STRING, offsetof(RawPeer, name), JSON_REQUIRED },
        { "index", JSON_FIELD_U64, offsetof(RawPeer, index), JSON_REQUIRED },
        { "lane", JSON_FIELD_U64, offsetof(RawPeer, lane), JSON_REQUIRED },
        { "wg_key", JSON_FIELD_STRING, offsetof(RawPeer, wg_key), JSON_REQUIRED },
        { "address4", JSON_FIELD_STRING, offsetof(RawPeer, address4), JSON_NULLABLE },
        { "address6", JSON_FIELD_STRING, offsetof(RawPeer, address6), JSON_NULLABLE },
};

static const char *check_peer(const RawPeer *raw, ItemPeer *i) {
        if (!name_is_valid(raw->name))
                return "name";
        if (raw->index < 1 || raw->index > NODE_INDEX_MAX)
                return "index";
        if (raw->lane >= LANE_MAX)
                return "lane";
        if (read_key(raw->wg_key, &i->wg_key) < 0)
                return "wg_key";
        if (read_address(raw->address4, AF_INET, &i->address4) < 0)
                return "address4";
        if (read_address(raw->address6, AF_INET6, &i->address6) < 0)
                return "address6";
        if (i->address4.family == 0 && i->address6.family == 0)
                return "no address";
        i->index = (uint32_t) raw->index;
        i->lane = (uint32_t) raw->lane;
        return NULL;
}

int item_peer_from_json(json_object *o, ItemPeer *ret, const char **ret_reason) {
        _cleanup_(item_peer_done) ItemPeer i = { 0 };
        RawPeer raw = { 0 };
        const char *reason;
        int r;

        r = read_members(o, peer_fields, ELEMENTSOF(peer_fields), &raw, ret_reason);
        if (r < 0)
                return r;
        reason = check_peer(&raw, &i);
        if (reason)
                return bad(reason, ret_reason);
        i.name = strdup(raw.name);
        if (!i.name)
                return -ENOMEM;
        *ret = i;
        i = (ItemPeer) { 0 };
        return 0;
}

/* ---- net/<id>/prefixes and net/<id>/aggregates ---- */

void item_prefix_done(ItemPrefix *i) {
        free(i->node);
        *i = (ItemPrefix) { 0 };
}

int item_prefix_to_json(const ItemPrefix *i, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        int r = 0;

        if (!o)
                return -ENOMEM;
        if (i->node) {
                r = json_add_string(o, "node", i->node);
                if (r >= 0)
                        r = json_add_u64(o, "index", i->index);
        }
        if (r >= 0)
                r = add_prefix(o, "prefix", &i->prefix);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

typedef struct RawPrefix {
        const char *node, *prefix;
        uint64_t index;
} RawPrefix;

static const JsonField prefix_fields[] = {
        { "node", JSON_FIELD_STRING, offsetof(RawPrefix, node), JSON_NULLABLE },
        { "index", JSON_FIELD_U64, offsetof(RawPrefix, index), JSON_NULLABLE },
        { "prefix", JSON_FIELD_STRING, offsetof(RawPrefix, prefix), JSON_REQUIRED },
};

int item_prefix_from_json(json_object *o, ItemPrefix *ret, const char **ret_reason) {
        _cleanup_(item_prefix_done) ItemPrefix i = { 0 };
        RawPrefix raw = { 0 };
        int r;

        r = read_members(o, prefix_fields, ELEMENTSOF(prefix_fields), &raw, ret_reason);
        if (r < 0)
                return r;
        if (raw.node && !owner_is_valid(raw.node, strlen(raw.node)))
                return bad("node", ret_reason);
        if (raw.index > NODE_INDEX_MAX || (raw.index > 0) != (raw.node != NULL))
                return bad("index", ret_reason);
        if (read_prefix(raw.prefix, 0, &i.prefix) < 0)
                return bad("prefix", ret_reason);
        i.index = (uint32_t) raw.index;
        if (raw.node) {
                i.node = strdup(raw.node);
                if (!i.node)
                        return -ENOMEM;
        }
        *ret = i;
        i = (ItemPrefix) { 0 };
        return 0;
}
