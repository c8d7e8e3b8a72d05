/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/tunnels.h"

#include <malloc.h>
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "service/event-timer.h"

#define FRESH_USEC USEC_PER_SEC
#define KEY_DIGITS 16
#define TELL_USEC (500 * USEC_PER_MSEC)
#define KEEP_USEC (2 * USEC_PER_SEC)
#define TRIM_TUNNELS 64

typedef struct TunnelList {
        Tunnel *items; /* ascending ids */
        size_t n, allocated;
} TunnelList;

typedef struct TunnelId {
        char text[TUNNEL_ID_MAX];
} TunnelId;

struct Tunnels {
        TunnelId *told; /* what the bus was told of, ascending */
        size_t n_told;
        TunnelList list;             /* made when somebody asks, and not kept for long: a hub has many */
        sd_event_source *tell_timer; /* many batches, one look at who came and went */
        sd_event_source *drop_timer;
        bool stale;
        uint64_t read_usec;
};

static void tell(Manager *m);

static void list_done(TunnelList *l) {
        for (size_t i = 0; i < l->n; i++) {
                free(l->items[i].peer_name);
                free(l->items[i].peer_node);
        }
        free(l->items);
        *l = (TunnelList) { 0 };
}

Tunnels *tunnels_free(Tunnels *t) {
        if (!t)
                return NULL;
        sd_event_source_disable_unref(t->tell_timer);
        sd_event_source_disable_unref(t->drop_timer);
        list_done(&t->list);
        free(t->told);
        return mfree(t);
}

static void list_drop(Tunnels *t) {
        list_done(&t->list);
        t->read_usec = 0;
}

static int on_tell(sd_event_source *source, uint64_t usec, void *userdata) {
        tell(userdata);
        return 0;
}

static int on_drop(sd_event_source *source, uint64_t usec, void *userdata) {
        Tunnels *t = userdata;
        bool large = t->list.n > TRIM_TUNNELS;

        list_drop(t);
        if (large)
                (void) malloc_trim(0);
        return 0;
}

int tunnels_new(Manager *m, Tunnels **ret) {
        _cleanup_(tunnels_freep) Tunnels *t = new(Tunnels);
        int r;

        if (!t)
                return -ENOMEM;
        r = event_timer_new(m->event, 50 * USEC_PER_MSEC, on_tell, m, &t->tell_timer);
        if (r >= 0)
                r = event_timer_new(m->event, 50 * USEC_PER_MSEC, on_drop, t, &t->drop_timer);
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
        *to = (Tunnel) { .key = *key,
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

static void list_make(Manager *m) {
        TunnelList *l = &m->tunnels->list;

        list_drop(m->tunnels);
        if (m->desired)
                desired_foreach_tunnel(m->desired, add_tunnel, l);
        if (l->n > 1)
                qsort(l->items, l->n, sizeof(Tunnel), tunnel_compare);
}

/* Who came and who went, to the bus. */
static void tell(Manager *m) {
        Tunnels *t = m->tunnels;
        size_t n_before = t->n_told, n;
        TunnelId *before = t->told, *now;

        t->stale = false;
        list_make(m);
        n = t->list.n;
        now = new0(TunnelId, n + 1);
        if (!now)
                return;
        for (size_t i = 0; i < n; i++)
                memcpy(now[i].text, t->list.items[i].id, sizeof(now[i].text));
        t->told = now;
        t->n_told = n;
        for (size_t i = 0, j = 0; i < n_before || j < n;) {
                int r = i == n_before ? 1 : j == n ? -1 : strcmp(before[i].text, now[j].text);

                if (r < 0)
                        tunnel_bus_emit(m, before[i].text, false);
                else if (r > 0)
                        tunnel_bus_emit(m, now[j].text, true);
                i += r <= 0;
                j += r >= 0;
        }
        free(before);
        list_drop(t);
        (void) malloc_trim(0); /* what the batches were made of is all over the heap */
}

void tunnels_changed(Manager *m) {
        Tunnels *t = m->tunnels;

        if (!t)
                return;
        list_drop(t);
        if (t->stale)
                return;
        t->stale = true;
        event_timer_arm(t->tell_timer, TELL_USEC);
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

        if (t->read_usec == 0 || now >= t->read_usec + FRESH_USEC) {
                list_make(m);
                t->read_usec = now;
                for (size_t i = 0; i < l->n; i++)
                        if (i == 0 || !streq(l->items[i].device, l->items[i - 1].device))
                                read_device(m, l, l->items[i].device);
                event_timer_arm(t->drop_timer, KEEP_USEC);
        }
        *ret = l->items;
        return l->n;
}

const Tunnel *tunnels_find(Manager *m, const char *id) {
        const Tunnel *items;

        (void) tunnels_list(m, &items);
        return find_by_id(&m->tunnels->list, id);
}
