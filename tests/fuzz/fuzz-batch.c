/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "overlay/items.h"

/* What was read is written and read again: both must be the same. */
static void check_batch(const Batch *b) {
        _cleanup_free_ char *text = NULL, *again = NULL;
        const char *reason = NULL;
        size_t len, again_len;
        Batch copy;

        if (batch_to_json(b, &text, &len) < 0)
                abort();
        if (batch_from_json(text, len, &copy, &reason) < 0)
                abort();
        if (batch_to_json(&copy, &again, &again_len) < 0 || len != again_len ||
            memcmp(text, again, len) != 0)
                abort();
        batch_done(&copy);
}

static void read_item(json_object *o) {
        const char *reason = NULL;
        ItemSelf self;
        ItemNetwork network;
        ItemHub hub;
        ItemPeer peer;
        ItemPrefix prefix;

        if (item_self_from_json(o, &self, &reason) >= 0)
                item_self_done(&self);
        if (item_network_from_json(o, &network, &reason) >= 0)
                item_network_done(&network);
        if (item_hub_from_json(o, &hub, &reason) >= 0)
                item_hub_done(&hub);
        if (item_peer_from_json(o, &peer, &reason) >= 0)
                item_peer_done(&peer);
        if (item_prefix_from_json(o, &prefix, &reason) >= 0)
                item_prefix_done(&prefix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *reason = NULL;
        Batch b;

        if (batch_from_json((const char *) data, size, &b, &reason) < 0)
                return 0;
        check_batch(&b);
        for (size_t i = 0; i < b.n_items; i++)
                if (b.items[i].data)
                        read_item(b.items[i].data);
        batch_done(&b);
        return 0;
}
