/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/macro.h"

#define KEY_SIZE 32       /* Ed25519 and X25519 public keys, seeds, X25519 private keys */
#define SIGNATURE_SIZE 64 /* Ed25519 */
#define DIGEST_SIZE 32    /* BLAKE2b-256, SHA-256 */

typedef struct PublicKey {
        uint8_t bytes[KEY_SIZE];
} PublicKey;

typedef struct Signature {
        uint8_t bytes[SIGNATURE_SIZE];
} Signature;

typedef struct Digest {
        uint8_t bytes[DIGEST_SIZE];
} Digest;

/* A secret of 32 bytes (Ed25519 seed, X25519 private key) in guarded, locked memory that is wiped when
 * freed. Read it only for the length of a call. */
typedef struct Secret Secret;
Secret *secret_free(Secret *s);
DEFINE_CLEANUP(Secret *, secret_free);
int secret_new_random(Secret **ret) _nodiscard_;
/* Copies 32 bytes and wipes the source. -ENOMEM. */
int secret_new_take(uint8_t bytes[static KEY_SIZE], Secret **ret) _nodiscard_;
const uint8_t *secret_bytes(const Secret *s);

/* Must be called once before anything else here. -EIO: no random numbers, or mlock is refused (SECURITY.md
 * 0.1). */
int crypto_setup(void) _nodiscard_;

void crypto_random(void *ret, size_t len);
uint64_t crypto_random_u64(void);
void crypto_wipe(void *p, size_t len);
bool crypto_equal(const void *a, const void *b, size_t len); /* constant time */

void digest_blake2b(const void *data, size_t len, Digest *ret);
void digest_sha256(const void *data, size_t len, Digest *ret);

/* Ed25519. The seed is the secret; the expanded key is made for the length of a call. */
int identity_public(const Secret *seed, PublicKey *ret) _nodiscard_;

/* Signatures are over "<domain>\0" || BLAKE2b-256(data) (SECURITY.md 2.4), so no JSON is ever canonicalised
 * and a signature of one purpose is none of another. */
int envelope_sign(const Secret *seed, const char *domain, const void *data, size_t len,
                  Signature *ret) _nodiscard_;
/* -EBADMSG: not this key's signature over this domain and data. */
int envelope_verify(const PublicKey *key, const char *domain, const void *data, size_t len,
                    const Signature *signature) _nodiscard_;

#define DOMAIN_KEYDOC "sdwan-keydoc-v1"
#define DOMAIN_ENROL "sdwan-enroll-v1"
#define DOMAIN_ENROL_ACK "sdwan-enroll-ack-v1"
#define DOMAIN_BATCH "sdwan-batch-v1"

/* A signed document on the wire: {"p":"<b64url payload>","k":"<key id>","s":"<b64url signature>"}.
 * Both ends work on the bytes of the payload. This order of members without white space is the only form
 * that is read. -EINVAL: a key id of other characters than letters, digits, "-", "_", ".", or of more
 * than 64. */
int envelope_encode(const Secret *seed, const char *key_id, const char *domain, const void *payload,
                    size_t len, char **ret_json, size_t *ret_len) _nodiscard_;
/* Looks the key up by its id through lookup (NULL: unknown). -EBADMSG: not of this form or not signed;
 * -ENOKEY: unknown key id. The caller frees *ret_payload (NUL behind its bytes). */
typedef const PublicKey *(*EnvelopeKeyLookup)(const char *key_id, void *userdata);
int envelope_decode(const char *json, size_t len, const char *domain, EnvelopeKeyLookup lookup,
                    void *userdata, uint8_t **ret_payload, size_t *ret_len) _nodiscard_;

/* X25519 for WireGuard. The private key is clamped as WireGuard does. */
int wgkey_new(Secret **ret) _nodiscard_;
int wgkey_public(const Secret *private_key, PublicKey *ret) _nodiscard_;

/* Proof that the sender of ik holds the private half of the WireGuard key (SECURITY.md 2.4, M2):
 * BLAKE2b-256(key = X25519(own private, other public), "sdwan-wgpop-v1" || BLAKE2b-256(challenge || ik ||
 * wk)). The node calls it with its WireGuard private key and the server's ephemeral public key, the server
 * the other way round. -EBADMSG: a low-order point. */
int wgkey_proof(const Secret *own_private, const PublicKey *other_public, const char *challenge,
                const PublicKey *identity, const PublicKey *wgkey, Digest *ret) _nodiscard_;

/* The stateless challenge of M1. sealing_key is a secret of this controller, made anew at every start.
 * challenge_open: -EBADMSG: not ours; -ETIME: older than CHALLENGE_MAX_AGE; -EINVAL: of another token or
 * nonce. */
#define CHALLENGE_MAX_AGE_USEC (60 * USEC_PER_SEC)
#define CHALLENGE_STRING_MAX 256
int challenge_seal(const Secret *sealing_key, const uint8_t token_id[static 8],
                   const uint8_t nonce[static 32], uint64_t now_usec,
                   char ret_challenge[static CHALLENGE_STRING_MAX], PublicKey *ret_ephemeral) _nodiscard_;
int challenge_open(const Secret *sealing_key, const char *challenge, const uint8_t token_id[static 8],
                   const uint8_t nonce[static 32], uint64_t now_usec, Secret **ret_ephemeral) _nodiscard_;

/* Node id: 64 hexadecimal digits of BLAKE2b-256("sdwan-node-v1" || identity). */
#define NODE_ID_SIZE (2 * DIGEST_SIZE + 1)
void node_id_from_identity(const PublicKey *identity, char ret[static NODE_ID_SIZE]);

/* Five words of 2,048 (55 bits of BLAKE2b of the key) joined by "-", "loda-hujo-buba-nara-mafo": what two
 * people compare. The words are made by a rule: consonant, vowel, consonant, vowel. */
#define FINGERPRINT_MAX 64
void identity_fingerprint(const PublicKey *identity, char ret[static FINGERPRINT_MAX]);

/* API tokens: "sdwp_<8 characters>_<43 characters>" (SECURITY.md section 3). Only the SHA-256 of the secret
 * part is stored. api_token_parse(): -EINVAL. */
#define API_TOKEN_MAX 64
#define API_TOKEN_ID_MAX 16
int api_token_new(char ret_token[static API_TOKEN_MAX], char ret_id[static API_TOKEN_ID_MAX],
                  Digest *ret_hash) _nodiscard_;
int api_token_parse(const char *token, char ret_id[static API_TOKEN_ID_MAX], Digest *ret_hash) _nodiscard_;
