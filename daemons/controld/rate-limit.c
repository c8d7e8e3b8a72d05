/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "controld/rate-limit.h"

#define ROWS 512
#define COLUMNS 8

typedef struct Sender {
        Address address; /* family 0: free */
        TokenBucket bucket;
} Sender;

struct RateLimit {
        uint64_t per_second, burst, seed;
        Sender senders[ROWS][COLUMNS];
};

/* full_usec says all: a bucket that is full at t lacks (t - now) * per_second tokens. */
static bool bucket_has(const TokenBucket *b, uint64_t per_second, uint64_t burst, uint64_t now_usec,
                       uint64_t *ret_full) {
        uint64_t one = USEC_PER_SEC / per_second, full = MAX(b->full_usec, now_usec) + one;

        if (full - now_usec > one * burst)
                return false;
        *ret_full = full;
        return true;
}

bool token_bucket_spend(TokenBucket *b, uint64_t per_second, uint64_t burst, uint64_t now_usec) {
        return bucket_has(b, per_second, burst, now_usec, &b->full_usec);
}

int rate_limit_new(uint64_t per_second, uint64_t burst, uint64_t seed, RateLimit **ret) {
        RateLimit *l;

        assert(ret);

        if (per_second == 0 || per_second > USEC_PER_SEC || burst == 0 || burst > UINT32_MAX)
                return -EINVAL;
        l = new(RateLimit);
        if (!l)
                return -ENOMEM;
        l->per_second = per_second;
        l->burst = burst;
        l->seed = seed;
        *ret = l;
        return 0;
}

RateLimit *rate_limit_free(RateLimit *l) {
        return mfree(l);
}

/* Whoever has a network has all its addresses. */
static Address sender_of(const Address *peer) {
        Address a = *peer;

        if (a.family == AF_INET6)
                memset(a.bytes + 8, 0, 8);
        return a;
}

static size_t row_of(const RateLimit *l, const Address *a) {
        uint64_t h = l->seed ^ UINT64_C(0xcbf29ce484222325);

        for (size_t i = 0; i < sizeof(a->bytes); i++)
                h = (h ^ a->bytes[i]) * UINT64_C(0x100000001b3);
        h ^= h >> 29;
        h *= UINT64_C(0xbf58476d1ce4e5b9);
        return (size_t) (h >> 32) % ROWS;
}

static const Sender *find_sender(const RateLimit *l, const Address *a) {
        const Sender *row = l->senders[row_of(l, a)];

        for (size_t i = 0; i < COLUMNS; i++)
                if (address_equal(&row[i].address, a))
                        return &row[i];
        return NULL;
}

static Sender *take_place(RateLimit *l, const Address *a) {
        Sender *row = l->senders[row_of(l, a)], *place = &row[0];

        for (size_t i = 1; i < COLUMNS; i++)
                if (row[i].bucket.full_usec < place->bucket.full_usec)
                        place = &row[i];
        *place = (Sender) { .address = *a };
        return place;
}

bool rate_limit_spend(RateLimit *l, const Address *peer, uint64_t now_usec) {
        Address a = sender_of(peer);
        Sender *s = (Sender *) find_sender(l, &a);

        if (!s)
                s = take_place(l, &a);
        return token_bucket_spend(&s->bucket, l->per_second, l->burst, now_usec);
}

bool rate_limit_allows(const RateLimit *l, const Address *peer, uint64_t now_usec) {
        Address a = sender_of(peer);
        const Sender *s = find_sender(l, &a);
        uint64_t full;

        return !s || bucket_has(&s->bucket, l->per_second, l->burst, now_usec, &full);
}
