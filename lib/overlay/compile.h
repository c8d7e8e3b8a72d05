/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "overlay/items.h"

/* Model to items, one object at a time, so that a change compiles what it touches and nothing else. Pure. */

typedef struct CompiledItem {
        char topic[TOPIC_MAX];
        char id[ITEM_ID_MAX];
        char *data; /* JSON text */
        size_t data_len;
} CompiledItem;

typedef struct CompiledItems {
        CompiledItem *items;
        size_t n;
} CompiledItems;
void compiled_items_done(CompiledItems *c);

/* What an object adds to topics. Pending and revoked nodes add only their "self", and their prefixes
 * nothing. Appends to *c; on failure what was appended stays and goes with compiled_items_done().
 *
 * What depends on what: uplinks go into the item of their hub (compile the node again); a prefix's item
 * carries its node's index and is there while the node is active (again when a node's state changes);
 * whether it is also an aggregate depends on the network's ranges (again when those change). */
int compile_network(const Network *n, CompiledItems *c) _nodiscard_;
int compile_node(const Node *n, const Network *network, const Uplink *const *uplinks, size_t n_uplinks,
                 CompiledItems *c) _nodiscard_;
int compile_prefix(const SitePrefix *p, const Node *node, const Network *network,
                   CompiledItems *c) _nodiscard_;
