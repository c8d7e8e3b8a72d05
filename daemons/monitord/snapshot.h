/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/buffer.h"

/* What the agent said when it was asked last, and its form for Prometheus. Pure. */

#define SNAPSHOT_TUNNELS_MAX 65536

typedef struct TunnelSample {
        char *id, *peer, *interface;
        uint64_t handshake_usec; /* realtime, 0: never */
        uint64_t received_bytes, sent_bytes;
        bool up;
} TunnelSample;

typedef struct Snapshot {
        bool agent_up;
        TunnelSample *tunnels;
        size_t n_tunnels, n_allocated;
} Snapshot;

void snapshot_done(Snapshot *s); /* empty again, agent_up false */

/* Copies the strings. -E2BIG past SNAPSHOT_TUNNELS_MAX. */
int snapshot_add(Snapshot *s, const char *id, const char *peer, const char *interface,
                 uint64_t handshake_usec, uint64_t received_bytes, uint64_t sent_bytes, bool up) _nodiscard_;
size_t snapshot_count_up(const Snapshot *s);

/* Prometheus' text format 0.0.4; label values are escaped. */
int snapshot_render(const Snapshot *s, uint64_t now_realtime_usec, const char *version,
                    Buffer *b) _nodiscard_;
