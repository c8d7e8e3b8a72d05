/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sodium.h>

#include "base/strutil.h"
#include "crypto/crypto.h"

#define PROOF_LABEL "sdwan-wgpop-v1"

static void clamp(uint8_t key[static KEY_SIZE]) {
        key[0] &= 248;
        key[31] = (uint8_t) ((key[31] & 127) | 64);
}

int wgkey_new(Secret **ret) {
        uint8_t key[KEY_SIZE];

        randombytes_buf(key, sizeof(key));
        clamp(key);
        return secret_new_take(key, ret);
}

int wgkey_public(const Secret *private_key, PublicKey *ret) {
        assert(private_key && ret);
        return crypto_scalarmult_base(ret->bytes, secret_bytes(private_key)) < 0 ? -EIO : 0;
}

int wgkey_proof(const Secret *own_private, const PublicKey *other_public, const char *challenge,
                const PublicKey *identity, const PublicKey *wgkey, Digest *ret) {
        uint8_t shared[KEY_SIZE];
        crypto_generichash_state state;
        Digest binding;

        assert(own_private && other_public && challenge && identity && wgkey && ret);

        if (crypto_scalarmult(shared, secret_bytes(own_private), other_public->bytes) < 0)
                return -EBADMSG;

        (void) crypto_generichash_init(&state, NULL, 0, DIGEST_SIZE);
        (void) crypto_generichash_update(&state, (const uint8_t *) challenge, strlen(challenge));
        (void) crypto_generichash_update(&state, identity->bytes, KEY_SIZE);
        (void) crypto_generichash_update(&state, wgkey->bytes, KEY_SIZE);
        (void) crypto_generichash_final(&state, binding.bytes, DIGEST_SIZE);

        (void) crypto_generichash_init(&state, shared, sizeof(shared), DIGEST_SIZE);
        (void) crypto_generichash_update(&state, (const uint8_t *) PROOF_LABEL, strlen(PROOF_LABEL));
        (void) crypto_generichash_update(&state, binding.bytes, DIGEST_SIZE);
        (void) crypto_generichash_final(&state, ret->bytes, DIGEST_SIZE);

        sodium_memzero(shared, sizeof(shared));
        sodium_memzero(&state, sizeof(state));
        return 0;
}

/* The challenge carries what the controller must remember, sealed to itself, so that a stranger who asks for
 * many fills no table. */
#define CHALLENGE_LABEL "sdwan-challenge-v1"
#define CHALLENGE_NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define CHALLENGE_TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES

typedef struct ChallengePlain {
        uint8_t token_id[8];
        uint8_t nonce[32];
        uint8_t time_usec[8]; /* little endian */
        uint8_t ephemeral[KEY_SIZE];
} ChallengePlain;

typedef struct ChallengeSealed {
        uint8_t nonce[CHALLENGE_NONCE_SIZE];
        uint8_t text[sizeof(ChallengePlain) + CHALLENGE_TAG_SIZE];
} ChallengeSealed;

static void u64_to_le(uint64_t u, uint8_t ret[static 8]) {
        for (size_t i = 0; i < 8; i++)
                ret[i] = (uint8_t) (u >> (8 * i));
}

static uint64_t u64_from_le(const uint8_t bytes[static 8]) {
        uint64_t u = 0;

        for (size_t i = 0; i < 8; i++)
                u |= (uint64_t) bytes[i] << (8 * i);
        return u;
}

int challenge_seal(const Secret *sealing_key, const uint8_t token_id[static 8],
                   const uint8_t nonce[static 32], uint64_t now_usec,
                   char ret_challenge[static CHALLENGE_STRING_MAX], PublicKey *ret_ephemeral) {
        ChallengePlain plain;
        ChallengeSealed sealed;
        int r;

        assert(sealing_key && ret_ephemeral);

        memcpy(plain.token_id, token_id, sizeof(plain.token_id));
        memcpy(plain.nonce, nonce, sizeof(plain.nonce));
        u64_to_le(now_usec, plain.time_usec);
        randombytes_buf(plain.ephemeral, sizeof(plain.ephemeral));
        clamp(plain.ephemeral);
        randombytes_buf(sealed.nonce, sizeof(sealed.nonce));

        r = crypto_scalarmult_base(ret_ephemeral->bytes, plain.ephemeral);
        if (r == 0)
                r = crypto_aead_xchacha20poly1305_ietf_encrypt(
                                sealed.text, NULL, (const uint8_t *) &plain, sizeof(plain),
                                (const uint8_t *) CHALLENGE_LABEL, strlen(CHALLENGE_LABEL), NULL,
                                sealed.nonce, secret_bytes(sealing_key));
        sodium_memzero(&plain, sizeof(plain));
        if (r < 0)
                return -EIO;
        sodium_bin2base64(ret_challenge, CHALLENGE_STRING_MAX, (const uint8_t *) &sealed, sizeof(sealed),
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        return 0;
}

static int challenge_check(const ChallengePlain *plain, const uint8_t token_id[static 8],
                           const uint8_t nonce[static 32], uint64_t now_usec) {
        uint64_t made_usec = u64_from_le(plain->time_usec);

        if (now_usec < made_usec || now_usec - made_usec > CHALLENGE_MAX_AGE_USEC)
                return -ETIME;
        if (memcmp(plain->token_id, token_id, sizeof(plain->token_id)) != 0 ||
            memcmp(plain->nonce, nonce, sizeof(plain->nonce)) != 0)
                return -EINVAL;
        return 0;
}

int challenge_open(const Secret *sealing_key, const char *challenge, const uint8_t token_id[static 8],
                   const uint8_t nonce[static 32], uint64_t now_usec, Secret **ret_ephemeral) {
        ChallengeSealed sealed;
        ChallengePlain plain;
        int r;

        assert(sealing_key && challenge && ret_ephemeral);

        if (b64url_decode_exact(challenge, &sealed, sizeof(sealed)) < 0)
                return -EBADMSG;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(
                            (uint8_t *) &plain, NULL, NULL, sealed.text, sizeof(sealed.text),
                            (const uint8_t *) CHALLENGE_LABEL, strlen(CHALLENGE_LABEL), sealed.nonce,
                            secret_bytes(sealing_key)) < 0)
                return -EBADMSG;
        r = challenge_check(&plain, token_id, nonce, now_usec);
        if (r == 0)
                r = secret_new_take(plain.ephemeral, ret_ephemeral);
        sodium_memzero(&plain, sizeof(plain));
        return r;
}
