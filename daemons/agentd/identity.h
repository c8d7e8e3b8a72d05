/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "crypto/crypto.h"
#include "crypto/reqsign.h"

/* Who this node is: its identity key, the WireGuard key of lane 0, and the counters of signed requests. */
typedef struct Identity {
        char *directory;
        Secret *identity;
        Secret *wg_key;
        PublicKey identity_public, wg_public;
        char node_id[NODE_ID_SIZE];
        char fingerprint[FINGERPRINT_MAX];
        uint64_t epoch;    /* counted up and on disk before the first request of a run */
        uint64_t sequence; /* of the last request */
} Identity;

Identity *identity_free(Identity *i);
DEFINE_CLEANUP(Identity *, identity_free);

/* -ENOENT: this node has no keys yet. -EPERM: a key file is open to others or not ours. -EBADMSG: it is no
 * key. */
int identity_load(const char *directory, Identity **ret) _nodiscard_;
/* New keys on disk; -EEXIST when there are some. */
int identity_create(const char *directory, Identity **ret) _nodiscard_;
/* Overwrites and removes the keys and counters. */
int identity_erase(const char *directory);

/* A higher epoch than ever used before, on disk when this returns. */
int identity_next_epoch(Identity *i) _nodiscard_;
/* As identity_next_epoch(), and above seen, which the controller told; in memory where the disk does not
 * take it. */
void identity_raise_epoch(Identity *i, uint64_t seen);
/* Goes on behind what the controller has seen. */
void identity_skip_sequence(Identity *i, uint64_t min);
int identity_sign(Identity *i, const RequestSignatureInput *in, RequestSignatureHeaders *ret) _nodiscard_;
