/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>

#include "wg/genl.h"

static struct nlmsghdr *put_header(void *buf, uint16_t family, uint16_t flags, uint32_t seq,
                                   uint8_t command) {
        struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
        struct genlmsghdr *g;

        h->nlmsg_type = family;
        h->nlmsg_flags = flags;
        h->nlmsg_seq = seq;
        g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
        g->cmd = command;
        g->version = WG_GENL_VERSION;
        return h;
}

static void put_device(struct nlmsghdr *h, const WgDevice *d) {
        if (d->flags & WG_DEVICE_HAS_PRIVATE_KEY)
                mnl_attr_put(h, WGDEVICE_A_PRIVATE_KEY, KEY_SIZE, secret_bytes(d->private_key));
        if (d->flags & WG_DEVICE_HAS_LISTEN_PORT)
                mnl_attr_put_u16(h, WGDEVICE_A_LISTEN_PORT, d->listen_port);
        if (d->flags & WG_DEVICE_HAS_FWMARK)
                mnl_attr_put_u32(h, WGDEVICE_A_FWMARK, d->fwmark);
        if (d->flags & WG_DEVICE_REPLACE_PEERS)
                mnl_attr_put_u32(h, WGDEVICE_A_FLAGS, WGDEVICE_F_REPLACE_PEERS);
}

static bool put_endpoint(struct nlmsghdr *h, size_t size, const Endpoint *e) {
        struct sockaddr_storage sa;
        socklen_t len = endpoint_to_sockaddr(e, &sa);

        return mnl_attr_put_check(h, size, WGPEER_A_ENDPOINT, len, &sa);
}

/* Everything of a peer but its allowed-ips. False: no room. */
static bool put_peer_head(struct nlmsghdr *h, size_t size, const WgPeer *p, bool first) {
        uint32_t flags = 0;

        if (!mnl_attr_put_check(h, size, WGPEER_A_PUBLIC_KEY, KEY_SIZE, p->key.bytes))
                return false;
        if (p->flags & WG_PEER_REMOVE)
                return mnl_attr_put_u32_check(h, size, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
        if (p->flags & WG_PEER_UPDATE_ONLY)
                flags |= WGPEER_F_UPDATE_ONLY;
        if (first) {
                if (p->flags & WG_PEER_REPLACE_ALLOWED_IPS)
                        flags |= WGPEER_F_REPLACE_ALLOWEDIPS;
                if ((p->flags & WG_PEER_HAS_PRESHARED_KEY) &&
                    !mnl_attr_put_check(h, size, WGPEER_A_PRESHARED_KEY, KEY_SIZE, p->preshared_key))
                        return false;
                if ((p->flags & WG_PEER_HAS_ENDPOINT) && !put_endpoint(h, size, &p->endpoint))
                        return false;
                if ((p->flags & WG_PEER_HAS_KEEPALIVE) &&
                    !mnl_attr_put_u16_check(h, size, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, p->keepalive))
                        return false;
        }
        return flags == 0 || mnl_attr_put_u32_check(h, size, WGPEER_A_FLAGS, flags);
}

static bool put_allowed_ip(struct nlmsghdr *h, size_t size, const Prefix *p) {
        struct nlattr *nest;

        nest = mnl_attr_nest_start_check(h, size, 0);
        if (!nest)
                return false;
        if (!mnl_attr_put_u16_check(h, size, WGALLOWEDIP_A_FAMILY, p->address.family) ||
            !mnl_attr_put_check(h, size, WGALLOWEDIP_A_IPADDR, address_size(&p->address),
                                p->address.bytes) ||
            !mnl_attr_put_u8_check(h, size, WGALLOWEDIP_A_CIDR_MASK, p->length)) {
                mnl_attr_nest_cancel(h, nest);
                return false;
        }
        mnl_attr_nest_end(h, nest);
        return true;
}

/* 1: the peer is complete; 0: the message is full, the rest of the peer goes on in the next; -ENOSPC:
 * nothing of it is in the message. */
static int put_peer(struct nlmsghdr *h, size_t size, const WgPeer *p, size_t *allowed_ip) {
        size_t i = *allowed_ip, n = (p->flags & WG_PEER_REMOVE) ? 0 : p->n_allowed_ips;
        struct nlattr *peer, *ips;

        peer = mnl_attr_nest_start_check(h, size, 0);
        if (!peer)
                return -ENOSPC;
        if (!put_peer_head(h, size, p, i == 0))
                goto full;
        if (i < n) {
                ips = mnl_attr_nest_start_check(h, size, WGPEER_A_ALLOWEDIPS);
                if (!ips)
                        goto full;
                while (i < n && put_allowed_ip(h, size, &p->allowed_ips[i]))
                        i++;
                if (i == *allowed_ip)
                        goto full;
                mnl_attr_nest_end(h, ips);
        }
        mnl_attr_nest_end(h, peer);
        *allowed_ip = i < n ? i : 0;
        return i >= n;
full:
        mnl_attr_nest_cancel(h, peer);
        return -ENOSPC;
}

int wg_genl_build_set(const WgDevice *d, uint16_t family, uint32_t seq, void *buf, size_t size,
                      WgGenlCursor *cursor, size_t *ret_len) {
        struct nlmsghdr *h;
        struct nlattr *peers;
        int r;

        assert(d && buf && cursor && ret_len);
        assert(size >= WG_GENL_MESSAGE_MIN && size <= WG_GENL_MESSAGE_MAX);

        if (cursor->started && cursor->peer >= d->n_peers)
                return 0;

        memset(buf, 0, size); /* libmnl leaves padding as it is */
        h = put_header(buf, family, NLM_F_REQUEST | NLM_F_ACK, seq, WG_CMD_SET_DEVICE);
        mnl_attr_put_strz(h, WGDEVICE_A_IFNAME, d->name);
        if (!cursor->started)
                put_device(h, d);
        cursor->started = true;

        if (d->n_peers > 0) {
                peers = mnl_attr_nest_start(h, WGDEVICE_A_PEERS);
                while (cursor->peer < d->n_peers) {
                        r = put_peer(h, size, &d->peers[cursor->peer], &cursor->allowed_ip);
                        if (r <= 0)
                                break;
                        cursor->peer++;
                }
                mnl_attr_nest_end(h, peers);
        }
        *ret_len = h->nlmsg_len;
        return 1;
}

void wg_genl_build_get(const char *name, uint16_t family, uint32_t seq, void *buf, size_t *ret_len) {
        struct nlmsghdr *h;

        memset(buf, 0, WG_GENL_MESSAGE_MIN);
        h = put_header(buf, family, NLM_F_REQUEST | NLM_F_ACK | NLM_F_DUMP, seq, WG_CMD_GET_DEVICE);
        mnl_attr_put_strz(h, WGDEVICE_A_IFNAME, name);
        *ret_len = h->nlmsg_len;
}
