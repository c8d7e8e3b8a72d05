/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <linux/netlink.h>
#include <linux/wireguard.h>

#include "wg/genl.h"
#include "wg/internal.h"

/* Attributes that are still to be read, and the current one. */
typedef struct AttrReader {
        const uint8_t *data;
        size_t left;
        uint32_t seen; /* types below 32 that were there */
        uint16_t type;
        const uint8_t *value;
        size_t value_len;
} AttrReader;

/* 1: the next attribute is there; 0: the end. -EBADMSG: lengths do not fit; or unique, and a type is there
 * twice. */
static int attr_next(AttrReader *a, bool unique) {
        struct nlattr h;
        size_t step;

        if (a->left == 0)
                return 0;
        if (a->left < sizeof(h))
                return -EBADMSG;
        memcpy(&h, a->data, sizeof(h));
        if (h.nla_len < sizeof(h) || h.nla_len > a->left)
                return -EBADMSG;

        a->type = (uint16_t) (h.nla_type & (uint16_t) NLA_TYPE_MASK);
        a->value = a->data + sizeof(h);
        a->value_len = h.nla_len - sizeof(h);
        if (unique && a->type < 32) {
                if (a->seen & (UINT32_C(1) << a->type))
                        return -EBADMSG;
                a->seen |= UINT32_C(1) << a->type;
        }
        step = MIN((size_t) NLA_ALIGN(h.nla_len), a->left); /* the last one may come without its padding */
        a->data += step;
        a->left -= step;
        return 1;
}

static int attr_copy(const AttrReader *a, void *ret, size_t size) {
        if (a->value_len != size)
                return -EBADMSG;
        memcpy(ret, a->value, size);
        return 0;
}

static AttrReader attr_nested(const AttrReader *a) {
        return (AttrReader) { .data = a->value, .left = a->value_len };
}

static int parse_allowed_ip(AttrReader a, Prefix *ret) {
        const uint32_t all = 1U << WGALLOWEDIP_A_FAMILY | 1U << WGALLOWEDIP_A_IPADDR |
                             1U << WGALLOWEDIP_A_CIDR_MASK;
        const uint8_t *bytes = NULL;
        size_t bytes_len = 0;
        uint16_t family = 0;
        Prefix p = { 0 };
        int r;

        while ((r = attr_next(&a, true)) > 0) {
                r = 0;
                switch (a.type) {
                case WGALLOWEDIP_A_FAMILY:
                        r = attr_copy(&a, &family, sizeof(family));
                        break;
                case WGALLOWEDIP_A_IPADDR:
                        bytes = a.value;
                        bytes_len = a.value_len;
                        break;
                case WGALLOWEDIP_A_CIDR_MASK:
                        r = attr_copy(&a, &p.length, sizeof(p.length));
                        break;
                }
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if ((a.seen & all) != all || (family != AF_INET && family != AF_INET6))
                return -EBADMSG;
        p.address.family = (uint8_t) family;
        if (bytes_len != address_size(&p.address) || p.length > address_bits(&p.address))
                return -EBADMSG;
        memcpy(p.address.bytes, bytes, bytes_len);
        prefix_mask(&p);
        *ret = p;
        return 0;
}

static int parse_allowed_ips(AttrReader a, WgPeer *p) {
        Prefix prefix;
        int r;

        while ((r = attr_next(&a, false)) > 0) {
                r = parse_allowed_ip(attr_nested(&a), &prefix);
                if (r < 0)
                        return r;
                r = wg_peer_append_allowed_ip(p, &prefix);
                if (r < 0)
                        return r;
        }
        return r;
}

static int parse_endpoint(const AttrReader *a, WgPeer *p) {
        struct sockaddr_storage sa = { 0 };

        if (a->value_len < sizeof(struct sockaddr) || a->value_len > sizeof(sa))
                return -EBADMSG;
        memcpy(&sa, a->value, a->value_len);
        if (sa.ss_family == AF_UNSPEC)
                return 0;
        if (endpoint_from_sockaddr((struct sockaddr *) &sa, (socklen_t) a->value_len, &p->endpoint) < 0)
                return -EBADMSG;
        p->flags |= WG_PEER_HAS_ENDPOINT;
        return 0;
}

static int parse_handshake(const AttrReader *a, WgPeer *p) {
        int64_t time[2]; /* struct __kernel_timespec */
        int r;

        r = attr_copy(a, time, sizeof(time));
        if (r < 0)
                return r;
        if (time[0] < 0 || time[0] > INT64_MAX / (int64_t) USEC_PER_SEC || time[1] < 0 ||
            time[1] >= 1000000000)
                return -EBADMSG;
        p->last_handshake_usec = (uint64_t) time[0] * USEC_PER_SEC + (uint64_t) time[1] / NSEC_PER_USEC;
        return 0;
}

static int parse_preshared_key(const AttrReader *a, WgPeer *p) {
        static const uint8_t none[KEY_SIZE];
        int r;

        r = attr_copy(a, p->preshared_key, KEY_SIZE);
        if (r < 0)
                return r;
        if (!crypto_equal(p->preshared_key, none, KEY_SIZE))
                p->flags |= WG_PEER_HAS_PRESHARED_KEY;
        return 0;
}

static int parse_peer_attribute(const AttrReader *a, WgPeer *p) {
        switch (a->type) {
        case WGPEER_A_PRESHARED_KEY:
                return parse_preshared_key(a, p);
        case WGPEER_A_ENDPOINT:
                return parse_endpoint(a, p);
        case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
                p->flags |= WG_PEER_HAS_KEEPALIVE;
                return attr_copy(a, &p->keepalive, sizeof(p->keepalive));
        case WGPEER_A_LAST_HANDSHAKE_TIME:
                return parse_handshake(a, p);
        case WGPEER_A_RX_BYTES:
                return attr_copy(a, &p->rx_bytes, sizeof(p->rx_bytes));
        case WGPEER_A_TX_BYTES:
                return attr_copy(a, &p->tx_bytes, sizeof(p->tx_bytes));
        case WGPEER_A_ALLOWEDIPS:
                return parse_allowed_ips(attr_nested(a), p);
        }
        return 0;
}

static int parse_peer_key(AttrReader a, PublicKey *ret) {
        int r;

        while ((r = attr_next(&a, true)) > 0)
                if (a.type == WGPEER_A_PUBLIC_KEY)
                        return attr_copy(&a, ret->bytes, KEY_SIZE);
        return -EBADMSG;
}

static int parse_peer(AttrReader a, WgDevice *d) {
        PublicKey key;
        WgPeer *p;
        int r;

        r = parse_peer_key(a, &key);
        if (r < 0)
                return r;
        if (d->n_peers > 0 && memcmp(&d->peers[d->n_peers - 1].key, &key, sizeof(key)) == 0)
                p = &d->peers[d->n_peers - 1];
        else {
                r = wg_device_append_peer(d, &key, &p);
                if (r < 0)
                        return r;
        }
        while ((r = attr_next(&a, true)) > 0) {
                r = parse_peer_attribute(&a, p);
                if (r < 0)
                        return r;
        }
        return r;
}

static int parse_peers(AttrReader a, WgDevice *d) {
        int r;

        while ((r = attr_next(&a, false)) > 0) {
                r = parse_peer(attr_nested(&a), d);
                if (r < 0)
                        return r;
        }
        return r;
}

static int parse_name(const AttrReader *a, WgDevice *d) {
        char name[WG_NAME_MAX] = "";

        if (a->value_len == 0 || a->value_len > sizeof(name) || a->value[a->value_len - 1] != '\0')
                return -EBADMSG;
        memcpy(name, a->value, a->value_len);
        if (name[0] == '\0' || (d->name[0] != '\0' && !streq(name, d->name)))
                return -EBADMSG;
        memcpy(d->name, name, sizeof(name));
        return 0;
}

int wg_genl_parse(const void *attributes, size_t len, WgDevice *d) {
        AttrReader a = { .data = attributes, .left = len };
        int r;

        assert(attributes && d);

        while ((r = attr_next(&a, true)) > 0) {
                r = 0;
                switch (a.type) {
                case WGDEVICE_A_IFNAME:
                        r = parse_name(&a, d);
                        break;
                case WGDEVICE_A_PUBLIC_KEY:
                        r = attr_copy(&a, d->public_key.bytes, KEY_SIZE);
                        break;
                case WGDEVICE_A_LISTEN_PORT:
                        d->flags |= WG_DEVICE_HAS_LISTEN_PORT;
                        r = attr_copy(&a, &d->listen_port, sizeof(d->listen_port));
                        break;
                case WGDEVICE_A_FWMARK:
                        d->flags |= WG_DEVICE_HAS_FWMARK;
                        r = attr_copy(&a, &d->fwmark, sizeof(d->fwmark));
                        break;
                case WGDEVICE_A_PEERS:
                        r = parse_peers(attr_nested(&a), d);
                        break;
                }
                if (r < 0)
                        return r;
        }
        return r;
}
