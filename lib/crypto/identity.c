/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sodium.h>

#include "base/strutil.h"
#include "crypto/crypto.h"

#define NODE_ID_LABEL "sdwan-node-v1"

void node_id_from_identity(const PublicKey *identity, char ret[static NODE_ID_SIZE]) {
        uint8_t message[sizeof(NODE_ID_LABEL) - 1 + KEY_SIZE];
        Digest digest;

        assert(identity);

        memcpy(message, NODE_ID_LABEL, sizeof(NODE_ID_LABEL) - 1);
        memcpy(message + sizeof(NODE_ID_LABEL) - 1, identity->bytes, KEY_SIZE);
        digest_blake2b(message, sizeof(message), &digest);
        hex_encode(digest.bytes, sizeof(digest.bytes), ret);
}

/* The list of words is a rule, not a table: consonant, vowel, consonant, vowel, with letters that sound
 * apart on a bad line. 16 * 4 * 16 * 2 = 2,048 words, each of four letters. */
#define WORD_LETTERS 4
#define WORD_BITS 11
#define FINGERPRINT_WORDS 5

static void word_nth(unsigned n, char ret[static WORD_LETTERS]) {
        static const char consonants[] = "bdfghjklmnprstvz";
        static const char vowels[] = "aiou";

        ret[0] = consonants[n >> 7 & 15];
        ret[1] = vowels[n >> 5 & 3];
        ret[2] = consonants[n >> 1 & 15];
        ret[3] = n & 1 ? 'o' : 'a';
}

void identity_fingerprint(const PublicKey *identity, char ret[static FINGERPRINT_MAX]) {
        uint64_t bits = 0;
        Digest digest;
        char *p = ret;

        assert(identity);

        digest_blake2b(identity->bytes, KEY_SIZE, &digest);
        for (size_t i = 0; i < 8; i++)
                bits = bits << 8 | digest.bytes[i];
        for (unsigned i = 0; i < FINGERPRINT_WORDS; i++) {
                word_nth((unsigned) (bits >> (64 - WORD_BITS * (i + 1))) & ((1U << WORD_BITS) - 1), p);
                p += WORD_LETTERS;
                *p++ = i + 1 < FINGERPRINT_WORDS ? '-' : '\0';
        }
}

#define API_TOKEN_PREFIX "sdwp_"
#define API_TOKEN_PREFIX_SIZE (sizeof(API_TOKEN_PREFIX) - 1)
#define API_TOKEN_ID_SIZE 8
#define API_TOKEN_SECRET_SIZE 43 /* base64url of 32 bytes */

static const char api_token_alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

int api_token_new(char ret_token[static API_TOKEN_MAX], char ret_id[static API_TOKEN_ID_MAX],
                  Digest *ret_hash) {
        uint8_t secret[KEY_SIZE], id[API_TOKEN_ID_SIZE];
        char *p = ret_token;

        assert(ret_hash);

        randombytes_buf(id, sizeof(id));
        randombytes_buf(secret, sizeof(secret));
        for (size_t i = 0; i < API_TOKEN_ID_SIZE; i++)
                ret_id[i] = api_token_alphabet[id[i] & 31];
        ret_id[API_TOKEN_ID_SIZE] = '\0';

        memcpy(p, API_TOKEN_PREFIX, API_TOKEN_PREFIX_SIZE);
        p += API_TOKEN_PREFIX_SIZE;
        memcpy(p, ret_id, API_TOKEN_ID_SIZE);
        p += API_TOKEN_ID_SIZE;
        *p++ = '_';
        sodium_bin2base64(p, API_TOKEN_SECRET_SIZE + 1, secret, sizeof(secret),
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        sodium_memzero(secret, sizeof(secret));
        digest_sha256(p, API_TOKEN_SECRET_SIZE, ret_hash);
        return 0;
}

int api_token_parse(const char *token, char ret_id[static API_TOKEN_ID_MAX], Digest *ret_hash) {
        const char *id, *text;
        uint8_t secret[KEY_SIZE];
        int r;

        assert(token && ret_hash);

        if (strlen(token) != API_TOKEN_PREFIX_SIZE + API_TOKEN_ID_SIZE + 1 + API_TOKEN_SECRET_SIZE ||
            memcmp(token, API_TOKEN_PREFIX, API_TOKEN_PREFIX_SIZE) != 0)
                return -EINVAL;
        id = token + API_TOKEN_PREFIX_SIZE;
        if (strspn(id, api_token_alphabet) != API_TOKEN_ID_SIZE || id[API_TOKEN_ID_SIZE] != '_')
                return -EINVAL;
        text = id + API_TOKEN_ID_SIZE + 1;
        r = b64url_decode_exact(text, secret, sizeof(secret));
        sodium_memzero(secret, sizeof(secret));
        if (r < 0)
                return -EINVAL;
        memcpy(ret_id, id, API_TOKEN_ID_SIZE);
        ret_id[API_TOKEN_ID_SIZE] = '\0';
        digest_sha256(text, API_TOKEN_SECRET_SIZE, ret_hash);
        return 0;
}
