/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/log.h"
#include "wg/genl.h"
#include "wg/internal.h"

void wg_peer_done(WgPeer *p) {
        if (!p)
                return;
        free(p->allowed_ips);
        crypto_wipe(p, sizeof(*p));
}

void wg_device_done(WgDevice *d) {
        if (!d)
                return;
        for (size_t i = 0; i < d->n_peers; i++)
                wg_peer_done(&d->peers[i]);
        free(d->peers);
        *d = (WgDevice) { 0 };
}

const WgPeer *wg_device_find_peer(const WgDevice *d, const PublicKey *key) {
        for (size_t i = 0; i < d->n_peers; i++)
                if (memcmp(&d->peers[i].key, key, sizeof(*key)) == 0)
                        return &d->peers[i];
        return NULL;
}

/* Room for one more of n items: there is room for the next power of two. The memory is moved by hand because
 * the old place may have held a preshared key. */
static int grow(void **items, size_t n, size_t item_size) {
        void *larger;

        if ((n & (n - 1)) != 0)
                return 0;
        larger = calloc(n == 0 ? 1 : 2 * n, item_size);
        if (!larger)
                return -ENOMEM;
        if (n > 0) {
                memcpy(larger, *items, n * item_size);
                crypto_wipe(*items, n * item_size);
        }
        free(*items);
        *items = larger;
        return 0;
}

int wg_device_append_peer(WgDevice *d, const PublicKey *key, WgPeer **ret) {
        void *items = d->peers;
        int r;

        if (d->n_peers >= WG_PEERS_MAX)
                return -E2BIG;
        r = grow(&items, d->n_peers, sizeof(WgPeer));
        if (r < 0)
                return r;
        d->peers = items;
        d->peers[d->n_peers] = (WgPeer) { .key = *key };
        *ret = &d->peers[d->n_peers++];
        return 0;
}

int wg_peer_append_allowed_ip(WgPeer *p, const Prefix *prefix) {
        void *items = p->allowed_ips;
        int r;

        if (p->n_allowed_ips >= WG_DUMP_ALLOWED_IPS_MAX)
                return -E2BIG;
        r = grow(&items, p->n_allowed_ips, sizeof(Prefix));
        if (r < 0)
                return r;
        p->allowed_ips = items;
        p->allowed_ips[p->n_allowed_ips++] = *prefix;
        return 0;
}

bool wg_name_is_valid(const char *name) {
        size_t len = strnlen(name, WG_NAME_MAX);

        if (len == 0 || len >= WG_NAME_MAX || streq(name, ".") || streq(name, ".."))
                return false;
        for (const char *c = name; *c; c++)
                if (*c <= ' ' || *c == '/' || *c == ':' || *c == 0x7f)
                        return false;
        return true;
}

static int peer_check(const WgPeer *p) {
        if (p->n_allowed_ips > WG_ALLOWED_IPS_MAX)
                return -E2BIG;
        if ((p->flags & WG_PEER_HAS_ENDPOINT) &&
            (address_size(&p->endpoint.address) == 0 || p->endpoint.port == 0))
                return -EINVAL;
        for (size_t i = 0; i < p->n_allowed_ips; i++) {
                const Prefix *ip = &p->allowed_ips[i];

                if (address_size(&ip->address) == 0 || ip->length > address_bits(&ip->address))
                        return -EINVAL;
        }
        return 0;
}

int wg_device_check(const WgDevice *d) {
        int r;

        if (!wg_name_is_valid(d->name) || ((d->flags & WG_DEVICE_HAS_PRIVATE_KEY) && !d->private_key))
                return -EINVAL;
        if (d->n_peers > WG_PEERS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < d->n_peers; i++) {
                r = peer_check(&d->peers[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* No WireGuard, or no generic netlink at all; anything else may be over in a moment. */
static bool kernel_is_without(int error) {
        return error == -EOPNOTSUPP || error == -EPROTONOSUPPORT || error == -EAFNOSUPPORT;
}

int wg_open(WgBackendType type, Wg **ret) {
        _cleanup_(wg_closep) Wg *w = NULL;
        int r;

        assert(ret);

        w = new(Wg);
        if (!w)
                return -ENOMEM;
        w->backend = WG_BACKEND_USERSPACE;
        if (type != WG_BACKEND_USERSPACE) {
                r = wg_kernel_open(&w->kernel);
                if (r < 0 && (type == WG_BACKEND_KERNEL || !kernel_is_without(r)))
                        return r;
                if (r < 0)
                        (void) log_debug_errno(r, "No WireGuard in the kernel, using userspace sockets: %m");
                else
                        w->backend = WG_BACKEND_KERNEL;
        }
        *ret = TAKE(w);
        return 0;
}

Wg *wg_close(Wg *w) {
        if (!w)
                return NULL;
        wg_kernel_close(&w->kernel);
        return mfree(w);
}

WgBackendType wg_backend(const Wg *w) {
        return w->backend;
}

const WgCounters *wg_counters(const Wg *w) {
        return &w->counters;
}

bool wg_device_exists(Wg *w, const char *name) {
        assert(w && name);

        if (!wg_name_is_valid(name))
                return false;
        if (w->backend == WG_BACKEND_KERNEL)
                return wg_kernel_probe(&w->kernel, name) >= 0;
        return wg_userspace_probe(name) >= 0;
}

int wg_get_device(Wg *w, const char *name, WgDevice *ret) {
        assert(w && name && ret);

        if (!wg_name_is_valid(name))
                return -EINVAL;
        if (w->backend == WG_BACKEND_KERNEL)
                return wg_kernel_get(&w->kernel, name, ret);
        return wg_userspace_get(name, ret);
}

int wg_set_device(Wg *w, const WgDevice *d) {
        int r;

        assert(w && d);

        r = wg_device_check(d);
        if (r < 0)
                return r;
        if (d->flags == 0 && d->n_peers == 0)
                return 0;
        if (w->backend == WG_BACKEND_KERNEL)
                return wg_kernel_set(&w->kernel, d, &w->counters);
        return wg_userspace_set(d, &w->counters);
}
