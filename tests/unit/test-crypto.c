/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "crypto/crypto.h"

/* Expected values that are not from an RFC were computed with Python's hashlib and cryptography. */

#define SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60" /* RFC 8032 section 7.1 */
#define IDENTITY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define ALICE "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a" /* RFC 7748 section 6.1 */
#define ALICE_PUBLIC "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define BOB "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
#define BOB_PUBLIC "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"

static Secret *secret_from_hex(const char *hex) {
        static const uint8_t zeros[KEY_SIZE];
        uint8_t bytes[KEY_SIZE];
        Secret *s;

        assert_int_equal(hex_decode(hex, bytes, sizeof(bytes)), 0);
        assert_int_equal(secret_new_take(bytes, &s), 0);
        assert_memory_equal(bytes, zeros, sizeof(bytes)); /* the source was wiped */
        return s;
}

static PublicKey public_from_hex(const char *hex) {
        PublicKey p;

        assert_int_equal(hex_decode(hex, p.bytes, sizeof(p.bytes)), 0);
        return p;
}

static void assert_hex(const void *data, size_t len, const char *expected) {
        char hex[2 * 64 + 1];

        hex_encode(data, len, hex);
        assert_string_equal(hex, expected);
}

static int setup(void **state) {
        return crypto_setup();
}

static void test_identity_vector(void **state) {
        _cleanup_(secret_freep) Secret *seed = secret_from_hex(SEED);
        char id[NODE_ID_SIZE], words[FINGERPRINT_MAX];
        PublicKey key;

        assert_int_equal(identity_public(seed, &key), 0);
        assert_hex(key.bytes, KEY_SIZE, IDENTITY);
        node_id_from_identity(&key, id);
        assert_string_equal(id, "2b3a034497dc0dbea64ddb8bfe5014dd2226b4f7ab5fd3975bcbefa6cb5362c5");
        identity_fingerprint(&key, words);
        assert_string_equal(words, "loda-hujo-buba-nara-mafo");
}

static void test_wgkey_vector(void **state) {
        _cleanup_(secret_freep) Secret *alice = secret_from_hex(ALICE), *bob = secret_from_hex(BOB);
        PublicKey alice_public, bob_public, identity = public_from_hex(IDENTITY), zero = { 0 };
        Digest one, other;

        assert_int_equal(wgkey_public(alice, &alice_public), 0);
        assert_int_equal(wgkey_public(bob, &bob_public), 0);
        assert_hex(alice_public.bytes, KEY_SIZE, ALICE_PUBLIC);
        assert_hex(bob_public.bytes, KEY_SIZE, BOB_PUBLIC);

        assert_int_equal(wgkey_proof(alice, &bob_public, "challenge", &identity, &alice_public, &one), 0);
        assert_hex(one.bytes, sizeof(one.bytes),
                   "027fa90209a0b7d678cd45b2069c87ee459e53765d24da379478919d3000db63");
        assert_int_equal(wgkey_proof(bob, &alice_public, "challenge", &identity, &alice_public, &other), 0);
        assert_memory_equal(one.bytes, other.bytes, sizeof(one.bytes));
        assert_int_equal(wgkey_proof(bob, &alice_public, "challengf", &identity, &alice_public, &other), 0);
        assert_memory_not_equal(one.bytes, other.bytes, sizeof(one.bytes));

        /* Low order: the result would be the same whoever holds the private key. */
        assert_int_equal(wgkey_proof(alice, &zero, "challenge", &identity, &alice_public, &one), -EBADMSG);
        zero.bytes[0] = 1;
        assert_int_equal(wgkey_proof(alice, &zero, "challenge", &identity, &alice_public, &one), -EBADMSG);
}

static void test_wgkey_is_clamped(void **state) {
        for (unsigned i = 0; i < 100; i++) {
                _cleanup_(secret_freep) Secret *key = NULL;

                assert_int_equal(wgkey_new(&key), 0);
                assert_int_equal(secret_bytes(key)[0] & 7, 0);
                assert_int_equal(secret_bytes(key)[31] & 0xc0, 0x40);
        }
}

static void test_envelope_signature(void **state) {
        _cleanup_(secret_freep) Secret *seed = secret_from_hex(SEED);
        PublicKey key = public_from_hex(IDENTITY);
        char long_domain[200];
        Signature s;

        assert_int_equal(envelope_sign(seed, DOMAIN_BATCH, "hello", 5, &s), 0);
        assert_hex(s.bytes, sizeof(s.bytes),
                   "58ed2f963c6ad8a69187f74e66142fedc037d600cf2f93e458d7df08c81be415"
                   "0e34da253205e41e0def4a6be42bbf1b6727d716609bb2d50ee0fc853aea5308");
        assert_int_equal(envelope_verify(&key, DOMAIN_BATCH, "hello", 5, &s), 0);
        assert_int_equal(envelope_verify(&key, DOMAIN_ENROL, "hello", 5, &s), -EBADMSG);
        assert_int_equal(envelope_verify(&key, DOMAIN_BATCH, "hellp", 5, &s), -EBADMSG);
        assert_int_equal(envelope_verify(&key, DOMAIN_BATCH, "hello", 4, &s), -EBADMSG);

        for (size_t bit = 0; bit < 8 * sizeof(s.bytes); bit++) {
                s.bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
                assert_int_equal(envelope_verify(&key, DOMAIN_BATCH, "hello", 5, &s), -EBADMSG);
                s.bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
        for (size_t bit = 0; bit < 8 * sizeof(key.bytes); bit++) {
                key.bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
                assert_int_equal(envelope_verify(&key, DOMAIN_BATCH, "hello", 5, &s), -EBADMSG);
                key.bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }

        memset(long_domain, 'd', sizeof(long_domain) - 1);
        long_domain[sizeof(long_domain) - 1] = '\0';
        assert_int_equal(envelope_sign(seed, long_domain, "hello", 5, &s), -EINVAL);
        assert_int_equal(envelope_sign(seed, "", "hello", 5, &s), -EINVAL);
}

/* S + L verifies too where malleability is not looked at (B11). */
static void test_signature_is_not_malleable(void **state) {
        static const uint8_t order[KEY_SIZE] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                                 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
        _cleanup_(secret_freep) Secret *seed = secret_from_hex(SEED);
        PublicKey key = public_from_hex(IDENTITY);
        unsigned carry = 0;
        Signature s;

        assert_int_equal(envelope_sign(seed, DOMAIN_BATCH, "x", 1, &s), 0);
        for (size_t i = 0; i < KEY_SIZE; i++) {
                carry += (unsigned) s.bytes[32 + i] + order[i];
                s.bytes[32 + i] = (uint8_t) carry;
                carry >>= 8;
        }
        assert_int_equal(envelope_verify(&key, DOMAIN_BATCH, "x", 1, &s), -EBADMSG);
}

static const PublicKey *lookup(const char *key_id, void *userdata) {
        return streq(key_id, "ck-1") ? userdata : NULL;
}

static void test_envelope_document(void **state) {
        _cleanup_(secret_freep) Secret *seed = secret_from_hex(SEED);
        PublicKey key = public_from_hex(IDENTITY);
        _cleanup_free_ uint8_t *payload = NULL;
        _cleanup_free_ char *json = NULL, *other = NULL;
        size_t len, payload_len;

        assert_int_equal(envelope_encode(seed, "ck\"", DOMAIN_BATCH, "{}", 2, &json, &len), -EINVAL);
        assert_int_equal(envelope_encode(seed, "ck-1", DOMAIN_BATCH, "{\"a\":1}", 7, &json, &len), 0);
        assert_int_equal(strlen(json), len);
        assert_non_null(strstr(json, "{\"p\":\"eyJhIjoxfQ\",\"k\":\"ck-1\",\"s\":\""));

        assert_int_equal(envelope_decode(json, len, DOMAIN_BATCH, lookup, &key, &payload, &payload_len), 0);
        assert_int_equal(payload_len, 7);
        assert_string_equal((char *) payload, "{\"a\":1}");
        payload = mfree(payload);
        assert_int_equal(envelope_decode(json, len, DOMAIN_ENROL_ACK, lookup, &key, &payload, &payload_len),
                         -EBADMSG);
        assert_int_equal(envelope_decode(json, len - 1, DOMAIN_BATCH, lookup, &key, &payload, &payload_len),
                         -EBADMSG);
        assert_int_equal(envelope_decode(json, 0, DOMAIN_BATCH, lookup, &key, &payload, &payload_len),
                         -EBADMSG);

        assert_int_equal(envelope_encode(seed, "ck-2", DOMAIN_BATCH, "", 0, &other, &payload_len), 0);
        assert_int_equal(envelope_decode(other, payload_len, DOMAIN_BATCH, lookup, &key, &payload,
                                         &payload_len),
                         -ENOKEY);

        /* No byte of it is free. */
        for (size_t i = 0; i < len; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        int r;

                        json[i] = (char) (json[i] ^ 1 << bit);
                        r = envelope_decode(json, len, DOMAIN_BATCH, lookup, &key, &payload, &payload_len);
                        assert_true(r == -EBADMSG || r == -ENOKEY);
                        json[i] = (char) (json[i] ^ 1 << bit);
                }
        assert_null(payload);
}

static void test_challenge(void **state) {
        _cleanup_(secret_freep) Secret *sealing = NULL, *foreign = NULL, *ephemeral = NULL;
        char challenge[CHALLENGE_STRING_MAX], again[CHALLENGE_STRING_MAX];
        uint8_t id[8] = "tokenid", nonce[32] = "nonce", bad[32] = "other";
        const uint64_t now = UINT64_C(1790000000) * USEC_PER_SEC;
        PublicKey public, opened;

        assert_int_equal(secret_new_random(&sealing), 0);
        assert_int_equal(secret_new_random(&foreign), 0);
        assert_int_equal(challenge_seal(sealing, id, nonce, now, challenge, &public), 0);
        assert_int_equal(challenge_seal(sealing, id, nonce, now, again, &opened), 0);
        assert_string_not_equal(challenge, again);

        assert_int_equal(challenge_open(sealing, challenge, id, nonce, now + CHALLENGE_MAX_AGE_USEC,
                                        &ephemeral),
                         0);
        assert_int_equal(wgkey_public(ephemeral, &opened), 0);
        assert_memory_equal(public.bytes, opened.bytes, KEY_SIZE);
        ephemeral = secret_free(ephemeral);

        assert_int_equal(challenge_open(sealing, challenge, id, nonce, now + CHALLENGE_MAX_AGE_USEC + 1,
                                        &ephemeral),
                         -ETIME);
        assert_int_equal(challenge_open(sealing, challenge, id, nonce, now - 1, &ephemeral), -ETIME);
        assert_int_equal(challenge_open(sealing, challenge, bad, nonce, now, &ephemeral), -EINVAL);
        assert_int_equal(challenge_open(sealing, challenge, id, bad, now, &ephemeral), -EINVAL);
        assert_int_equal(challenge_open(foreign, challenge, id, nonce, now, &ephemeral), -EBADMSG);
        assert_int_equal(challenge_open(sealing, "", id, nonce, now, &ephemeral), -EBADMSG);
        for (size_t i = 0; challenge[i]; i++) {
                challenge[i] ^= 1;
                assert_int_equal(challenge_open(sealing, challenge, id, nonce, now, &ephemeral), -EBADMSG);
                challenge[i] ^= 1;
        }
        assert_null(ephemeral);
}

static int compare_words(const void *a, const void *b) {
        return memcmp(a, b, 4);
}

/* All 2,048 words occur, and no other: counted over the words of many keys. */
static void test_fingerprint_words(void **state) {
        static char words[5 * 20000][4];
        size_t n = 0, distinct = 1;

        for (uint32_t i = 0; i < 20000; i++) {
                char text[FINGERPRINT_MAX];
                PublicKey key = { 0 };

                memcpy(key.bytes, &i, sizeof(i));
                identity_fingerprint(&key, text);
                assert_int_equal(strlen(text), 24);
                for (size_t w = 0; w < 5; w++)
                        memcpy(words[n++], text + 5 * w, 4);
        }
        qsort(words, n, 4, compare_words);
        for (size_t i = 1; i < n; i++)
                distinct += memcmp(words[i - 1], words[i], 4) != 0;
        assert_int_equal(distinct, 2048);
}

static void test_api_token(void **state) {
        char token[API_TOKEN_MAX], id[API_TOKEN_ID_MAX], parsed[API_TOKEN_ID_MAX];
        Digest hash, other;

        assert_int_equal(api_token_new(token, id, &hash), 0);
        assert_int_equal(strlen(token), 5 + 8 + 1 + 43);
        assert_int_equal(strlen(id), 8);
        assert_int_equal(api_token_parse(token, parsed, &other), 0);
        assert_string_equal(id, parsed);
        assert_memory_equal(hash.bytes, other.bytes, sizeof(hash.bytes));
        digest_sha256(token + 14, 43, &other);
        assert_memory_equal(hash.bytes, other.bytes, sizeof(hash.bytes));

        token[20] = token[20] == 'A' ? 'B' : 'A';
        assert_int_equal(api_token_parse(token, parsed, &other), 0);
        assert_memory_not_equal(hash.bytes, other.bytes, sizeof(hash.bytes));

        token[56] = '\0';
        assert_int_equal(api_token_parse(token, parsed, &other), -EINVAL);
        assert_int_equal(api_token_parse("", parsed, &other), -EINVAL);
        assert_int_equal(api_token_parse("sdwp_ABCDEFGH_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", parsed,
                                         &other),
                         -EINVAL);
        assert_int_equal(api_token_parse("sdwp_abcdefgh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", parsed,
                                         &other),
                         -EINVAL);
}

static void test_digests(void **state) {
        Digest d;

        digest_sha256("abc", 3, &d);
        assert_hex(d.bytes, sizeof(d.bytes),
                   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        digest_blake2b("abc", 3, &d);
        assert_hex(d.bytes, sizeof(d.bytes),
                   "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

static void test_random_and_wipe(void **state) {
        uint8_t a[32] = { 0 }, b[32] = { 0 }, zeros[32] = { 0 };

        crypto_random(a, sizeof(a));
        crypto_random(b, sizeof(b));
        assert_false(crypto_equal(a, b, sizeof(a)));
        assert_false(crypto_equal(a, zeros, sizeof(a)));
        assert_true(crypto_random_u64() != crypto_random_u64());
        crypto_wipe(a, sizeof(a));
        assert_true(crypto_equal(a, zeros, sizeof(a)));
        crypto_wipe(NULL, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_identity_vector),
                cmocka_unit_test(test_wgkey_vector),
                cmocka_unit_test(test_wgkey_is_clamped),
                cmocka_unit_test(test_envelope_signature),
                cmocka_unit_test(test_signature_is_not_malleable),
                cmocka_unit_test(test_envelope_document),
                cmocka_unit_test(test_challenge),
                cmocka_unit_test(test_fingerprint_words),
                cmocka_unit_test(test_api_token),
                cmocka_unit_test(test_digests),
                cmocka_unit_test(test_random_and_wipe),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
