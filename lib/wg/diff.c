/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "wg/internal.h"

/* Prefixes in order, and whose they are. */
typedef struct PrefixSet {
        Prefix *items;
        size_t n;
} PrefixSet;

static void prefix_set_done(PrefixSet *s) {
        free(s->items);
}

static int prefix_compare_void(const void *a, const void *b) {
        return prefix_compare(a, b);
}

static int peer_compare_void(const void *a, const void *b) {
        const WgPeer *const *x = a, *const *y = b;

        return memcmp(&(*x)->key, &(*y)->key, sizeof(PublicKey));
}

/* Sorts and drops what is there twice. */
static void prefix_set_sort(PrefixSet *s) {
        size_t n = 0;

        if (s->n == 0)
                return;
        qsort(s->items, s->n, sizeof(Prefix), prefix_compare_void);
        for (size_t i = 0; i < s->n; i++)
                if (n == 0 || !prefix_equal(&s->items[n - 1], &s->items[i]))
                        s->items[n++] = s->items[i];
        s->n = n;
}

static int prefix_set_of_peer(const WgPeer *p, PrefixSet *ret) {
        PrefixSet s = { .n = p->n_allowed_ips };

        s.items = new0(Prefix, MAX(s.n, (size_t) 1));
        if (!s.items)
                return -ENOMEM;
        if (s.n > 0)
                memcpy(s.items, p->allowed_ips, s.n * sizeof(Prefix));
        prefix_set_sort(&s);
        *ret = s;
        return 0;
}

static int prefix_set_of_device(const WgDevice *d, PrefixSet *ret) {
        PrefixSet s = { 0 };
        size_t n = 0;

        for (size_t i = 0; i < d->n_peers; i++)
                n += d->peers[i].n_allowed_ips;
        s.items = new0(Prefix, MAX(n, (size_t) 1));
        if (!s.items)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_peers; i++)
                for (size_t k = 0; k < d->peers[i].n_allowed_ips; k++)
                        s.items[s.n++] = d->peers[i].allowed_ips[k];
        prefix_set_sort(&s);
        *ret = s;
        return 0;
}

static bool prefix_set_has(const PrefixSet *s, const Prefix *p) {
        return s->n > 0 && bsearch(p, s->items, s->n, sizeof(Prefix), prefix_compare_void);
}

/* Peers by key. -EINVAL: a key is there twice. */
static int peers_sorted(const WgDevice *d, const WgPeer ***ret) {
        _cleanup_free_ const WgPeer **l = NULL;

        l = new0(const WgPeer *, d->n_peers + 1);
        if (!l)
                return -ENOMEM;
        for (size_t i = 0; i < d->n_peers; i++)
                l[i] = &d->peers[i];
        qsort(l, d->n_peers, sizeof(*l), peer_compare_void);
        for (size_t i = 1; i < d->n_peers; i++)
                if (peer_compare_void(&l[i - 1], &l[i]) == 0)
                        return -EINVAL;
        *ret = TAKE(l);
        return 0;
}

static int append_all(WgPeer *p, const PrefixSet *s) {
        int r;

        for (size_t i = 0; i < s->n; i++) {
                r = wg_peer_append_allowed_ip(p, &s->items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

typedef struct Diff {
        const WgDevice *wanted;
        PrefixSet all; /* every allowed-ip of wanted; made when it is first asked for */
        bool has_all;
        bool force_endpoints;
        WgDevice result;
} Diff;

/* Whether another peer of wanted has the prefix. It then moves there, and this peer need not be told: the
 * kernel and every other implementation give a prefix to the peer that was last given it. */
static int moves_elsewhere(Diff *d, const Prefix *p) {
        int r;

        if (!d->has_all) {
                r = prefix_set_of_device(d->wanted, &d->all);
                if (r < 0)
                        return r;
                d->has_all = true;
        }
        return prefix_set_has(&d->all, p);
}

/* What has to be said so that the allowed-ips have come to be those of wanted: only the new ones where none
 * must go. */
static int diff_allowed_ips(Diff *d, const WgPeer *actual, const WgPeer *wanted, WgPeer *change) {
        _cleanup_(prefix_set_done) PrefixSet old = { 0 }, new = { 0 };
        int r;

        r = prefix_set_of_peer(actual, &old);
        if (r < 0)
                return r;
        r = prefix_set_of_peer(wanted, &new);
        if (r < 0)
                return r;
        for (size_t i = 0; i < old.n; i++) {
                if (prefix_set_has(&new, &old.items[i]))
                        continue;
                r = moves_elsewhere(d, &old.items[i]);
                if (r < 0)
                        return r;
                if (r == 0) {
                        change->flags |= WG_PEER_REPLACE_ALLOWED_IPS;
                        return append_all(change, &new);
                }
        }
        for (size_t i = 0; i < new.n; i++) {
                if (prefix_set_has(&old, &new.items[i]))
                        continue;
                r = wg_peer_append_allowed_ip(change, &new.items[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool endpoint_differs(const Diff *d, const WgPeer *actual, const WgPeer *wanted) {
        if (!(wanted->flags & WG_PEER_HAS_ENDPOINT) || wanted->endpoint.address.family == 0)
                return false;
        if (actual->endpoint.address.family == 0)
                return true;
        return d->force_endpoints && !endpoint_equal(&actual->endpoint, &wanted->endpoint);
}

static int diff_peer(Diff *d, const WgPeer *actual, const WgPeer *wanted) {
        _cleanup_(wg_peer_done) WgPeer change = { .key = wanted->key };
        WgPeer *added;
        int r;

        if (endpoint_differs(d, actual, wanted)) {
                change.flags |= WG_PEER_HAS_ENDPOINT;
                change.endpoint = wanted->endpoint;
        }
        if ((wanted->flags & WG_PEER_HAS_KEEPALIVE) && wanted->keepalive != actual->keepalive) {
                change.flags |= WG_PEER_HAS_KEEPALIVE;
                change.keepalive = wanted->keepalive;
        }
        if ((wanted->flags & WG_PEER_HAS_PRESHARED_KEY) &&
            !crypto_equal(wanted->preshared_key, actual->preshared_key, KEY_SIZE)) {
                change.flags |= WG_PEER_HAS_PRESHARED_KEY;
                memcpy(change.preshared_key, wanted->preshared_key, KEY_SIZE);
        }
        r = diff_allowed_ips(d, actual, wanted, &change);
        if (r < 0)
                return r;
        if (change.flags == 0 && change.n_allowed_ips == 0)
                return 0;

        r = wg_device_append_peer(&d->result, &wanted->key, &added);
        if (r < 0)
                return r;
        change.flags |= WG_PEER_UPDATE_ONLY; /* half a peer is worse than none */
        *added = change;
        change.allowed_ips = NULL;
        return 0;
}

static int diff_new_peer(Diff *d, const WgPeer *wanted) {
        const WgPeerFlags settings =
                        WG_PEER_HAS_ENDPOINT | WG_PEER_HAS_KEEPALIVE | WG_PEER_HAS_PRESHARED_KEY;
        _cleanup_(prefix_set_done) PrefixSet ips = { 0 };
        WgPeer *p;
        int r;

        r = prefix_set_of_peer(wanted, &ips);
        if (r < 0)
                return r;
        r = wg_device_append_peer(&d->result, &wanted->key, &p);
        if (r < 0)
                return r;
        p->flags = (wanted->flags & settings) | WG_PEER_REPLACE_ALLOWED_IPS;
        if (wanted->endpoint.address.family == 0)
                p->flags &= ~(WgPeerFlags) WG_PEER_HAS_ENDPOINT;
        p->endpoint = wanted->endpoint;
        p->keepalive = wanted->keepalive;
        memcpy(p->preshared_key, wanted->preshared_key, KEY_SIZE);
        return append_all(p, &ips);
}

static int diff_gone_peer(Diff *d, const WgPeer *actual) {
        WgPeer *p;
        int r;

        r = wg_device_append_peer(&d->result, &actual->key, &p);
        if (r < 0)
                return r;
        p->flags = WG_PEER_REMOVE;
        return 0;
}

typedef enum Pass { PASS_GONE, PASS_OTHERS } Pass;

/* Walks both lists in the order of their keys. */
static int diff_pass(Diff *d, Pass pass, const WgPeer **actual, size_t n_actual, const WgPeer **wanted,
                     size_t n_wanted) {
        size_t i = 0, k = 0;
        int r = 0;

        while (r >= 0 && (i < n_actual || k < n_wanted)) {
                int order = i >= n_actual   ? 1
                            : k >= n_wanted ? -1
                                            : peer_compare_void(&actual[i], &wanted[k]);

                if (order < 0) {
                        if (pass == PASS_GONE)
                                r = diff_gone_peer(d, actual[i]);
                        i++;
                } else if (order > 0) {
                        if (pass == PASS_OTHERS)
                                r = diff_new_peer(d, wanted[k]);
                        k++;
                } else {
                        if (pass == PASS_OTHERS)
                                r = diff_peer(d, actual[i], wanted[k]);
                        i++;
                        k++;
                }
        }
        return r;
}

static void diff_device(const WgDevice *actual, const WgDevice *wanted, WgDevice *result) {
        memcpy(result->name, wanted->name, sizeof(result->name));
        if ((wanted->flags & WG_DEVICE_HAS_PRIVATE_KEY) &&
            memcmp(&actual->public_key, &wanted->public_key, sizeof(PublicKey)) != 0) {
                result->flags |= WG_DEVICE_HAS_PRIVATE_KEY;
                result->private_key = wanted->private_key;
        }
        /* Port 0 asks for any, and a device that has one keeps it. */
        if ((wanted->flags & WG_DEVICE_HAS_LISTEN_PORT) && wanted->listen_port != 0 &&
            wanted->listen_port != actual->listen_port) {
                result->flags |= WG_DEVICE_HAS_LISTEN_PORT;
                result->listen_port = wanted->listen_port;
        }
        if ((wanted->flags & WG_DEVICE_HAS_FWMARK) && wanted->fwmark != actual->fwmark) {
                result->flags |= WG_DEVICE_HAS_FWMARK;
                result->fwmark = wanted->fwmark;
        }
}

int wg_diff(const WgDevice *actual, const WgDevice *wanted, bool force_endpoints, WgDevice *ret) {
        _cleanup_free_ const WgPeer **old = NULL, **new = NULL;
        Diff d = { .wanted = wanted, .force_endpoints = force_endpoints };
        int r;

        assert(actual && wanted && ret);

        r = peers_sorted(actual, &old);
        if (r < 0)
                return r;
        r = peers_sorted(wanted, &new);
        if (r < 0)
                return r;
        diff_device(actual, wanted, &d.result);
        for (Pass pass = PASS_GONE; r >= 0 && pass <= PASS_OTHERS; pass++)
                r = diff_pass(&d, pass, old, actual->n_peers, new, wanted->n_peers);
        prefix_set_done(&d.all);
        if (r < 0) {
                wg_device_done(&d.result);
                return r;
        }
        *ret = d.result;
        return 0;
}
