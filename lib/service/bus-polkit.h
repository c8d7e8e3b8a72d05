/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-bus.h>

#include "base/macro.h"

/* Asynchronous polkit with libsystemd's public API. Verify before the first change of state; the handler
 * runs again from its top when the verdict is there (STYLE.md section 3). */

typedef struct PolkitRegistry PolkitRegistry;
PolkitRegistry *polkit_registry_free(PolkitRegistry *p);
DEFINE_CLEANUP(PolkitRegistry *, polkit_registry_free);

/* 1: allowed (root and our own user are, without asking). 0: asked, the handler returns 1 and is called
 * again with the same message. Negative, with *reterr set: refused - any failure to ask is a refusal. The
 * subject is the sender's unique bus name, never a pid. *registry is made when first needed. */
int bus_verify_polkit_async(sd_bus_message *call, const char *action, PolkitRegistry **registry,
                            sd_bus_error *reterr) _nodiscard_;
