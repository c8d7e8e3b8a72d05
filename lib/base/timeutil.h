/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/macro.h"

/* Microseconds since the epoch (CLOCK_REALTIME), and since boot (CLOCK_MONOTONIC). */
uint64_t now_realtime_usec(void);
uint64_t now_monotonic_usec(void);

/* "2026-11-22T07:42:37Z" (RFC 3339). ret needs TIME_STRING_MAX bytes; "" for 0. */
#define TIME_STRING_MAX 32
const char *time_format(uint64_t usec, char buf[static TIME_STRING_MAX]);
/* RFC 3339 in UTC ("…Z"), whole seconds. -EINVAL. */
int time_parse(const char *s, uint64_t *ret_usec);

/* "90s", "15min", "1h", "30d", or seconds without a unit. -EINVAL, -ERANGE. */
int timespan_parse(const char *s, uint64_t *ret_usec);

/* Full-jitter exponential back-off (SECURITY.md section 6.2): a random wait in [floor, min(cap, base *
 * 2^attempt)]. random is handed in so that the function is pure. attempt starts at 0. */
typedef struct Backoff {
        uint64_t base_usec;
        uint64_t cap_usec;
        unsigned attempt;
} Backoff;
uint64_t backoff_next(Backoff *b, uint64_t random);
static inline void backoff_reset(Backoff *b) {
        b->attempt = 0;
}
