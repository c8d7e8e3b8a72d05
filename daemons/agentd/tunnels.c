/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/tunnels.h"

#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"

#define FRESH_USEC USEC_PER_SEC
#define KEY_DIGITS 16
#define TELL_USEC (500 * USEC_PER_MSEC)

typedef struct TunnelList {
        Tunnel *items; /* ascending ids */
        size_t n, allocated;
} TunnelList;

struct Tunnels {
        TunnelList list;
        sd_event_source *timer; /* many batches, one look at who came and went */
        bool stale;
        uint64_t read_usec;
};

static void rebuild(Manager *m);

static void list_done(TunnelList *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].peer_name);
                free(l->items[i].peer_node);
        }
        free(l->items);
        *l = (TunnelList){ 0 };
}

Tunnels *tunnels_free(Tunnels *t) {
        if (!t)
                return NULL;
        sd_event_source_disable_unref(t->timer);
        list_done(&t->list);
        return mfree(t);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        rebuild(userdata);
        return 0;
}

int tunnels_new(Manager *m, Tunnels **ret) {
        _cleanup_(tunnels_freep) Tunnels *t = new (Tunnels);
        int r;

        if (!t)
                return -ENOMEM;
        r = sd_event_add_time(m->event, &t->timer, CLOCK_MONOTONIC, UINT64_MAX, 50 * USEC_PER_MSEC, on_timer,
                              m);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        *ret = TAKE(t);
        return 0;
}

bool tunnel_is_up(const Tunnel *t) {
        return t->last_handshake_usec != 0 && now_realtime_usec() < t->last_handshake_usec + PEER_ALIVE_USEC;
}

static int tunnel_compare(const void *a, const void *b) {
        return strcmp(((const Tunnel *) a)->id, ((const Tunnel *) b)->id);
}

static void tunnel_id(const char *device, const PublicKey *key, char ret[static TUNNEL_ID_MAX]) {
        char digits[2 * KEY_SIZE + 1];

        if (strncmp(device, DEVICE_LANE_PREFIX, strlen(DEVICE_LANE_PREFIX)) == 0) {
                hex_encode(key->bytes, KEY_SIZE, digits);
                (void) snprintf(ret, TUNNEL_ID_MAX, "%s_%.*s", device, KEY_DIGITS, digits);
        } else
                (void) snprintf(ret, TUNNEL_ID_MAX, "%s", device);
}

static void add_tunnel(const char *device, const PublicKey *key, const DesiredPeer *peer, void *userdata) {
        TunnelList *t = userdata;
        Tunnel *to;

        if (t->n == t->allocated) {
                size_t n = MAX(t->allocated * 2, (size_t) 8);
                Tunnel *items = reallocarray(t->items, n, sizeof(Tunnel));
                if (!items)
                        return;
                t->items = items;
                t->allocated = n;
        }
        to = &t->items[t->n];
        *to = (Tunnel){ .key = *key,
                        .peer_name = strdup(strempty(peer->name)),
                        .peer_node = strdup(peer->node) };
        (void) snprintf(to->device, sizeof(to->device), "%s", device);
        tunnel_id(device, key, to->id);
        t->n++;
}

static Tunnel *find_by_id(const TunnelList *t, const char *id) {
        Tunnel key;

        if (t->n == 0 || strlen(id) >= sizeof(key.id))
                return NULL;
        (void) snprintf(key.id, sizeof(key.id), "%s", id);
        return bsearch(&key, t->items, t->n, sizeof(Tunnel), tunnel_compare);
}

/* Who came and who went, to the bus. */
static void tell_difference(Manager *m, const TunnelList *before, const TunnelList *after) {
        for (size_t i = 0; i < before->n; i++)
                if (!find_by_id(after, before->items[i].id))
                        tunnel_bus_emit(m, before->items[i].id, false);
        for (size_t i = 0; i < after->n; i++)
                if (!find_by_id(before, after->items[i].id))
                        tunnel_bus_emit(m, after->items[i].id, true);
}

static void rebuild(Manager *m) {
        Tunnels *t = m->tunnels;
        TunnelList before = t->list;

        t->list = (TunnelList){ 0 };
        t->stale = false;
        t->read_usec = 0;
        if (m->desired)
                desired_foreach_tunnel(m->desired, add_tunnel, &t->list);
        if (t->list.n > 1)
                qsort(t->list.items, t->list.n, sizeof(Tunnel), tunnel_compare);
        tell_difference(m, &before, &t->list);
        list_done(&before);
}

void tunnels_changed(Manager *m) {
        Tunnels *t = m->tunnels;

        if (!t || t->stale)
                return;
        t->stale = true;
        if (sd_event_source_set_time_relative(t->timer, TELL_USEC) >= 0)
                (void) sd_event_source_set_enabled(t->timer, SD_EVENT_ONESHOT);
}

static void read_device(Manager *m, TunnelList *l, const char *device) {
        WgDevice d;

        if (wg_get_device(m->kernel->wg, device, &d) < 0)
                return;
        for (size_t i = 0; i < d.n_peers; i++) {
                char id[TUNNEL_ID_MAX];
                Tunnel *to;

                tunnel_id(device, &d.peers[i].key, id);
                to = find_by_id(l, id);
                if (!to || memcmp(&to->key, &d.peers[i].key, KEY_SIZE) != 0)
                        continue;
                to->endpoint = d.peers[i].endpoint;
                to->last_handshake_usec = d.peers[i].last_handshake_usec;
                to->rx_bytes = d.peers[i].rx_bytes;
                to->tx_bytes = d.peers[i].tx_bytes;
        }
        wg_device_done(&d);
}

size_t tunnels_list(Manager *m, const Tunnel **ret) {
        uint64_t now = now_monotonic_usec();
        Tunnels *t = m->tunnels;
        TunnelList *l = &t->list;

        if (t->stale)
                rebuild(m);
        if (t->read_usec == 0 || now >= t->read_usec + FRESH_USEC) {
                t->read_usec = now;
                for (size_t i = 0; i < l->n; i++)
                        if (i == 0 || !streq(l->items[i].device, l->items[i - 1].device))
                                read_device(m, l, l->items[i].device);
        }
        *ret = l->items;
        return l->n;
}

const Tunnel *tunnels_find(Manager *m, const char *id) {
        const Tunnel *items;

        (void) tunnels_list(m, &items);
        return find_by_id(&m->tunnels->list, id);
}
