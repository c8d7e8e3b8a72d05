/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "wg/wg.h"

struct mnl_socket;

typedef struct WgKernel {
        struct mnl_socket *socket;
        uint16_t family;
        uint32_t seq;
} WgKernel;

struct Wg {
        WgBackendType backend;
        WgCounters counters;
        WgKernel kernel;
};

/* A name that is one part of a path and an interface's. */
bool wg_name_is_valid(const char *name);
/* -EINVAL: a name, an address or a length that is none; -E2BIG: WG_ALLOWED_IPS_MAX. */
int wg_device_check(const WgDevice *d) _nodiscard_;
/* An empty peer at the end of d, or a prefix at the end of p: both grow by doubling. -ENOMEM, -E2BIG. */
int wg_device_append_peer(WgDevice *d, const PublicKey *key, WgPeer **ret) _nodiscard_;
int wg_peer_append_allowed_ip(WgPeer *p, const Prefix *prefix) _nodiscard_;

/* -EOPNOTSUPP: this kernel has no WireGuard. */
int wg_kernel_open(WgKernel *k) _nodiscard_;
void wg_kernel_close(WgKernel *k);
int wg_kernel_probe(WgKernel *k, const char *name) _nodiscard_; /* 0: it is a WireGuard interface */
int wg_kernel_get(WgKernel *k, const char *name, WgDevice *ret) _nodiscard_;
int wg_kernel_set(WgKernel *k, const WgDevice *d, WgCounters *counters) _nodiscard_;

int wg_userspace_probe(const char *name) _nodiscard_; /* 0: somebody listens */
int wg_userspace_get(const char *name, WgDevice *ret) _nodiscard_;
int wg_userspace_set(const WgDevice *d, WgCounters *counters) _nodiscard_;
