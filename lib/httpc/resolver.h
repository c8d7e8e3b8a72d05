/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-event.h>

#include "base/addr.h"

/* Names to addresses, off the loop. The thread exists only while it has something to do or until
 * resolver_rest(). */

#define RESOLVE_ADDRESSES_MAX 8

typedef struct Resolver Resolver;

/* result: 0, or negative errno (-ENXIO: there is no such name) with reason (static). Called on the loop. */
typedef void (*ResolveDone)(int result, const char *reason, const Endpoint *endpoints, size_t n,
                            void *userdata);

int resolver_new(sd_event *event, ResolveDone done, void *userdata, Resolver **ret) _nodiscard_;
/* Waits for a lookup that is under way: getaddrinfo() cannot be interrupted. */
Resolver *resolver_free(Resolver *r);
DEFINE_CLEANUP(Resolver *, resolver_free);

/* The answer to an earlier question is dropped. */
int resolver_start(Resolver *r, const char *host, uint16_t port) _nodiscard_;
void resolver_cancel(Resolver *r);
/* Ends the thread when it is idle. Not from within done. */
void resolver_rest(Resolver *r);
