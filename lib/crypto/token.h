/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "crypto/crypto.h"

/* The enrolment token (SECURITY.md 2.3): "sdwan1." base64url(JSON) "." 8 hexadecimal digits of BLAKE2b of
 * what stands before the dot, which only catches typing mistakes. */

#define TOKEN_STRING_MAX 2048
#define TOKEN_URLS_MAX 8
#define TOKEN_PINS_MAX 4

typedef struct EnrolToken {
        char **urls; /* https only */
        uint8_t controller_id[16];
        uint8_t token_id[8];
        Secret *seed;                   /* Ed25519 */
        Digest ca_pins[TOKEN_PINS_MAX]; /* SHA-256 of the SubjectPublicKeyInfo */
        size_t n_ca_pins;               /* 0: web PKI decides */
        Digest root_keys;               /* BLAKE2b-256 over the sorted root public keys */
        uint64_t not_after_sec;         /* seconds since the epoch */
} EnrolToken;

EnrolToken *enrol_token_free(EnrolToken *t); /* wipes */
DEFINE_CLEANUP(EnrolToken *, enrol_token_free);

/* *ret is wiped with crypto_wipe() before it is freed. */
int enrol_token_encode(const EnrolToken *t, char **ret) _nodiscard_;

/* White space around it is ignored. -EINVAL: no token, mistyped, or of an unknown version; *ret_reason
 * (static, may be NULL) says which in English. Expiry is not judged here. */
int enrol_token_decode(const char *s, EnrolToken **ret, const char **ret_reason) _nodiscard_;

/* BLAKE2b-256 over the root keys in ascending order of their bytes. */
void root_keys_digest(const PublicKey *keys, size_t n_keys, Digest *ret);
