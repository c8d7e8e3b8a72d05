/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/addr.h"
#include "crypto/crypto.h"
#include "json/json.h"
#include "kinds/kinds.h"

/* The items of topics (DESIGN.md 4.4, docs/protocol.md section 5): what the controller streams and agents
 * apply. One struct per shape, with its JSON both ways. Decoding is strict: -EBADMSG with *ret_reason
 * (static). Ids are the keys of an item inside its topic. */

#define TOPIC_MAX 128
#define ITEM_ID_MAX 160
#define ITEM_ENDPOINTS_MAX 16

/* Members of an item's data that are not known here are ignored, so that a newer controller can add some;
 * known ones are checked in full. */

typedef enum TopicClass {
        TOPIC_NODE,       /* node/<id>            that node */
        TOPIC_HUBS,       /* net/<id>/hubs        all nodes of the network */
        TOPIC_LANES,      /* net/<id>/lanes       hubs */
        TOPIC_PREFIXES,   /* net/<id>/prefixes    hubs */
        TOPIC_AGGREGATES, /* net/<id>/aggregates  spokes */
} TopicClass;

/* owner: the node's or the network's id. */
void topic_format(TopicClass class, const char *owner, char ret[static TOPIC_MAX]);
/* -EINVAL: no topic of this version. */
int topic_parse(const char *topic, TopicClass *ret_class, char ret_owner[static OBJECT_ID_MAX]) _nodiscard_;

/* node/<id> "self" */
typedef struct ItemSelf {
        char *name;
        char *network;
        int role;
        int state;
        uint32_t index;
        uint32_t hub_slot;
        Address address4, address6;
        PublicKey wg_key; /* what the controller believes; the node reports when it runs another */
} ItemSelf;

/* net/<id>/hubs "network" */
typedef struct ItemNetwork {
        char *name;
        Prefix prefix4, prefix6;
        uint32_t mtu;
        uint16_t port;
        uint16_t keepalive;
} ItemNetwork;

/* net/<id>/hubs "hub/<node id>" */
typedef struct ItemHub {
        char *name;
        uint32_t index, hub_slot, priority;
        Address address4, address6;
        PublicKey wg_key;
        char **endpoints; /* addresses or names without ports, in order of cost; empty: cannot be dialled */
} ItemHub;

/* net/<id>/lanes "<node id>/<lane>" */
typedef struct ItemPeer {
        char *name;
        uint32_t index;
        uint32_t lane;
        PublicKey wg_key;
        Address address4, address6;
} ItemPeer;

/* net/<id>/prefixes "<prefix id>", and net/<id>/aggregates "overlay4", "overlay6", "range/<prefix>",
 * "prefix/<id>" */
typedef struct ItemPrefix {
        char *node;     /* id; NULL for aggregates */
        uint32_t index; /* of that node; 0 for aggregates */
        Prefix prefix;
} ItemPrefix;

void item_self_done(ItemSelf *i);
void item_network_done(ItemNetwork *i);
void item_hub_done(ItemHub *i);
void item_peer_done(ItemPeer *i);
void item_prefix_done(ItemPrefix *i);
int item_self_to_json(const ItemSelf *i, json_object **ret) _nodiscard_;
int item_network_to_json(const ItemNetwork *i, json_object **ret) _nodiscard_;
int item_hub_to_json(const ItemHub *i, json_object **ret) _nodiscard_;
int item_peer_to_json(const ItemPeer *i, json_object **ret) _nodiscard_;
int item_prefix_to_json(const ItemPrefix *i, json_object **ret) _nodiscard_;
int item_self_from_json(json_object *o, ItemSelf *ret, const char **ret_reason) _nodiscard_;
int item_network_from_json(json_object *o, ItemNetwork *ret, const char **ret_reason) _nodiscard_;
int item_hub_from_json(json_object *o, ItemHub *ret, const char **ret_reason) _nodiscard_;
int item_peer_from_json(json_object *o, ItemPeer *ret, const char **ret_reason) _nodiscard_;
int item_prefix_from_json(json_object *o, ItemPrefix *ret, const char **ret_reason) _nodiscard_;

/* The signed payload of a batch (docs/protocol.md section 4). */
typedef struct BatchItem {
        char *id;
        uint64_t revision;
        json_object *data; /* NULL: tombstone */
} BatchItem;

typedef struct Batch {
        char *controller_id;
        uint64_t epoch;
        char *topic;
        uint64_t from, to; /* what it builds on, and the topic's revision afterwards */
        bool snapshot;     /* replaces all that was known of the topic */
        BatchItem *items;
        size_t n_items;
} Batch;
void batch_done(Batch *b);
int batch_to_json(const Batch *b, char **ret, size_t *ret_len) _nodiscard_;
/* -EBADMSG with *ret_reason (static; may be NULL): not strict JSON, an unknown member, a topic or id that is
 * none, from above to, items out of the order of their revisions, of a revision outside (from, to], named
 * twice; more than BATCH_ITEMS_MAX. The data of the items are objects or null: their meaning is for
 * item_*_from_json(). */
int batch_from_json(const char *s, size_t len, Batch *ret, const char **ret_reason) _nodiscard_;

/* The same bytes as batch_to_json(), from data that is JSON text: a controller that keeps text need not
 * parse it. head: items and n_items are ignored. -EINVAL: an id that is none (item_id_is_valid()). */
typedef struct BatchText {
        const char *id;
        uint64_t revision;
        const char *data; /* NULL: tombstone */
} BatchText;
int batch_text_to_json(const Batch *head, const BatchText *items, size_t n_items, char **ret,
                       size_t *ret_len) _nodiscard_;

/* [a-z0-9/:._-], 1…ITEM_ID_MAX - 1 of them: needs no escaping anywhere. */
bool item_id_is_valid(const char *id);

/* A catch-up is split into batches of at most BATCH_ITEMS_WANTED items, but those of one revision stay
 * together, so a batch can have more; past BATCH_ITEMS_MAX nobody takes it. */
#define BATCH_ITEMS_WANTED 1000
#define BATCH_ITEMS_MAX 200000
