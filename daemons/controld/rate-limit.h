/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/addr.h"

/* Token buckets: burst at once, then per_second. */

typedef struct TokenBucket {
        uint64_t full_usec; /* when the bucket is full again; burst / per_second before that it is empty */
} TokenBucket;
/* { 0 } is full. False: empty, nothing is taken. */
bool token_bucket_spend(TokenBucket *b, uint64_t per_second, uint64_t burst, uint64_t now_usec);

/* One bucket per sender (IPv6: per /64) in a table of fixed size: a sender that is not known takes the
 * place, in its row, of the one whose bucket is the fullest, so that whoever floods stays known. seed makes
 * the rows unpredictable. */
typedef struct RateLimit RateLimit;
int rate_limit_new(uint64_t per_second, uint64_t burst, uint64_t seed, RateLimit **ret) _nodiscard_;
RateLimit *rate_limit_free(RateLimit *l);
DEFINE_CLEANUP(RateLimit *, rate_limit_free);
bool rate_limit_spend(RateLimit *l, const Address *peer, uint64_t now_usec);
/* As rate_limit_spend(), but takes nothing. */
bool rate_limit_allows(const RateLimit *l, const Address *peer, uint64_t now_usec);
