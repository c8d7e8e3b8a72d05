/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/addr.h"
#include "base/buffer.h"
#include "crypto/crypto.h"

/* WireGuard devices through either of two backends: the kernel's generic netlink, or a userspace
 * implementation's cross-platform UAPI socket (/run/wireguard/<name>.sock: wireguard-go and others).
 * Builders and parsers (wg/genl.h, wg/uapi.h) are pure; this is the transport. Calls block for the kernel's
 * answer (microseconds on netlink; the UAPI socket has a 2 s deadline). */

#define WG_NAME_MAX 16
#define WG_ALLOWED_IPS_MAX 4096 /* of one peer */

typedef enum WgPeerFlags {
        WG_PEER_REMOVE = 1 << 0,
        WG_PEER_REPLACE_ALLOWED_IPS = 1 << 1,
        WG_PEER_UPDATE_ONLY = 1 << 2, /* nothing is done when the peer is gone */
        WG_PEER_HAS_ENDPOINT = 1 << 3,
        WG_PEER_HAS_KEEPALIVE = 1 << 4,
        WG_PEER_HAS_PRESHARED_KEY = 1 << 5,
} WgPeerFlags;

typedef struct WgPeer {
        PublicKey key;
        WgPeerFlags flags;  /* of a change: what to do; of a dump: which WG_PEER_HAS_… there are */
        Endpoint endpoint;  /* family 0: none */
        uint16_t keepalive; /* seconds, 0 off */
        uint8_t preshared_key[KEY_SIZE];
        Prefix *allowed_ips;
        size_t n_allowed_ips;
        /* Read only: */
        uint64_t last_handshake_usec; /* realtime, 0 never */
        uint64_t rx_bytes, tx_bytes;
} WgPeer;

typedef enum WgDeviceFlags {
        WG_DEVICE_REPLACE_PEERS = 1 << 0, /* only when creating: drops every session */
        WG_DEVICE_HAS_PRIVATE_KEY = 1 << 1,
        WG_DEVICE_HAS_LISTEN_PORT = 1 << 2,
        WG_DEVICE_HAS_FWMARK = 1 << 3,
} WgDeviceFlags;

/* A change (only what the flags name is sent), or what a dump said. */
typedef struct WgDevice {
        char name[WG_NAME_MAX];
        WgDeviceFlags flags;
        const Secret *private_key; /* borrowed; changes only. A dump never keeps the private key. */
        PublicKey public_key;      /* dumps only */
        uint16_t listen_port;
        uint32_t fwmark;
        WgPeer *peers;
        size_t n_peers;
} WgDevice;

void wg_device_done(WgDevice *d); /* frees peers and their allowed-ips; { 0 } is empty */
void wg_peer_done(WgPeer *p);
const WgPeer *wg_device_find_peer(const WgDevice *d, const PublicKey *key);

typedef enum WgBackendType { WG_BACKEND_AUTO, WG_BACKEND_KERNEL, WG_BACKEND_USERSPACE } WgBackendType;

typedef struct WgCounters {
        uint64_t messages_sent; /* netlink messages or UAPI requests that changed something */
        uint64_t peers_sent;
        uint64_t bytes_sent;
} WgCounters;

typedef struct Wg Wg;

/* AUTO: the kernel where it knows WireGuard (its module is loaded when there is one), else userspace.
 * -EOPNOTSUPP: KERNEL was asked for and is not there. */
int wg_open(WgBackendType type, Wg **ret) _nodiscard_;
Wg *wg_close(Wg *w);
DEFINE_CLEANUP(Wg *, wg_close);
WgBackendType wg_backend(const Wg *w);
const WgCounters *wg_counters(const Wg *w);

/* Userspace: whether the socket of the device answers. Kernel: whether the interface exists and is
 * WireGuard. (Kernel interfaces are created and deleted through lib/rtnl.) */
bool wg_device_exists(Wg *w, const char *name);

/* -ENODEV: no such device. The caller calls wg_device_done(). */
int wg_get_device(Wg *w, const char *name, WgDevice *ret) _nodiscard_;
/* Sends exactly what d says, in as few messages as fit. Messages that held a key are wiped. What came before
 * a failure stays done: dump and diff again. -ENODEV, -EPERM …; -EINVAL: a name, address or length that is
 * none, -E2BIG: more than WG_ALLOWED_IPS_MAX (nothing was sent); -ETIMEDOUT: a userspace implementation did
 * not answer. */
int wg_set_device(Wg *w, const WgDevice *d) _nodiscard_;

/* What has to be sent so that actual becomes wanted: changed fields of the device, peers that are new, gone
 * or different, and of these only what differs. An endpoint is only sent when wanted has one and roaming has
 * not been seen (the peer has no endpoint yet), or when force_endpoints. *ret is empty (flags 0, no peers)
 * when nothing is to do. Private keys are compared by public_key of wanted and actual. Allowed-ips of a peer
 * are replaced only when one must go that no other peer of wanted takes over. The result borrows wanted's
 * private key. Pure. -EINVAL: a key is there twice. */
int wg_diff(const WgDevice *actual, const WgDevice *wanted, bool force_endpoints, WgDevice *ret) _nodiscard_;
