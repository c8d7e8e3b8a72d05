/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-event.h>

#include "overlay/plan.h"
#include "rtnl/rtnl.h"
#include "wg/wg.h"

#define KERNEL_LINKS_MAX 128
#define PEER_ALIVE_USEC (180 * USEC_PER_SEC) /* WireGuard's own limit for a session */

/* The kernel as the plan's other half: dumps into it, does its steps. */
typedef struct KernelLink {
        char name[PLAN_NAME_MAX];
        int index;
        bool fresh; /* made or taken over in this run, nothing set yet */
} KernelLink;

typedef struct Kernel {
        Wg *wg;
        Rtnl *rtnl;
        KernelLink links[KERNEL_LINKS_MAX];
        size_t n_links;
} Kernel;

Kernel *kernel_free(Kernel *k); /* leaves everything as it is */
DEFINE_CLEANUP(Kernel *, kernel_free);
int kernel_open(WgBackendType backend, Kernel **ret) _nodiscard_;
int kernel_dump(Kernel *k, Plan *p) _nodiscard_;

/* Does one step. -EAGAIN: its interface is made by somebody else, who has not made it yet. */
int kernel_apply(Kernel *k, const PlanStep *step, const Secret *wg_key) _nodiscard_;
int kernel_link_index(const Kernel *k, const char *name); /* 0: unknown */
