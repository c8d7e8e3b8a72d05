/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "crypto/reqsign.h"

#define SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60" /* RFC 8032 section 7.1 */
#define CONTROLLER "00112233445566778899aabbccddeeff"
#define NODE "2b3a034497dc0dbea64ddb8bfe5014dd2226b4f7ab5fd3975bcbefa6cb5362c5"

static const RequestSignatureInput input = {
        .method = "POST",
        .path = "/api/v1/agent/report",
        .query = "",
        .body = "{\"applied\":{}}",
        .body_len = 14,
        .controller_id = CONTROLLER,
};

static Secret *identity;
static PublicKey public;

static int setup(void **state) {
        uint8_t bytes[KEY_SIZE];
        int r;

        r = crypto_setup();
        if (r < 0)
                return r;
        r = hex_decode(SEED, bytes, sizeof(bytes));
        if (r < 0)
                return r;
        r = secret_new_take(bytes, &identity);
        if (r < 0)
                return r;
        return identity_public(identity, &public);
}

static int teardown(void **state) {
        identity = secret_free(identity);
        return 0;
}

/* The signature was made by an independent program (Python's cryptography) from the text of RFC 9421. */
static void test_vector(void **state) {
        RequestSignatureHeaders h;
        RequestSignatureClaims c;

        assert_int_equal(request_sign(identity, NODE, 1, 3, 42, 1790000000, &input, &h), 0);
        assert_string_equal(h.content_digest, "sha-256=:Nun/gEnIJXT6ui7EXcp1NLGmWE/ei6eZasqpIpRy0/g=:");
        assert_string_equal(h.audience, CONTROLLER);
        assert_string_equal(h.sequence, "3.42");
        assert_string_equal(h.signature_input, "sdwan=(\"@method\" \"@path\" \"@query\" \"content-digest\" "
                                               "\"sdwan-aud\" \"sdwan-seq\")"
                                               ";created=1790000000;keyid=\"" NODE
                                               "/1\";alg=\"ed25519\";tag=\"sdwan-agent-v1\"");
        assert_string_equal(h.signature, "sdwan=:+/O/cAYClFl3952cngH//N0ahbyU0dW+Q1u3O4/"
                                         "o7UWIZDZtCJWkROMDB66SqERMbricVWf6Hd4Qrig2OR2NCA==:");

        assert_int_equal(request_verify(&public, &input, &h, &c), 0);
        assert_string_equal(c.node_id, NODE);
        assert_int_equal(c.identity_generation, 1);
        assert_int_equal(c.epoch, 3);
        assert_int_equal(c.sequence, 42);
        assert_int_equal(c.created_sec, 1790000000);
}

static void test_what_is_signed(void **state) {
        RequestSignatureInput in;
        RequestSignatureHeaders h;
        RequestSignatureClaims c;
        PublicKey other = { { 1 } };

        assert_int_equal(request_sign(identity, NODE, 1, 3, 42, 1790000000, &input, &h), 0);
        in = input, in.method = "PUT";
        assert_int_equal(request_verify(&public, &in, &h, &c), -EBADMSG);
        in = input, in.path = "/api/v1/agent/leave";
        assert_int_equal(request_verify(&public, &in, &h, &c), -EBADMSG);
        in = input, in.query = "x";
        assert_int_equal(request_verify(&public, &in, &h, &c), -EBADMSG);
        in = input, in.body = "{\"applied\":[]}";
        assert_int_equal(request_verify(&public, &in, &h, &c), -EBADMSG);
        in = input, in.body_len--;
        assert_int_equal(request_verify(&public, &in, &h, &c), -EBADMSG);
        in = input, in.controller_id = "10112233445566778899aabbccddeeff";
        assert_int_equal(request_verify(&public, &in, &h, &c), -EBADMSG);
        assert_int_equal(request_verify(&other, &input, &h, &c), -EBADMSG);
        assert_int_equal(request_verify(&public, &input, &h, &c), 0);
}

/* One line of the signature base must not be able to look like two. */
static void test_no_injection(void **state) {
        static const char *const bad[] = { "/a\n\"@query\": ?x", "/a b", "/a\r", "a", "", "/a\x7f",
                                           "/\xc3\xa4" };
        RequestSignatureHeaders h;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                RequestSignatureInput in = input;

                in.path = bad[i];
                assert_int_equal(request_sign(identity, NODE, 1, 1, 1, 1, &in, &h), -EINVAL);
        }
        assert_int_equal(request_sign(identity, "x", 1, 1, 1, 1, &input, &h), -EINVAL);
}

static void flip_all(RequestSignatureHeaders *h, char *text) {
        RequestSignatureClaims c;
        size_t len = strlen(text);

        for (size_t i = 0; i < len; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        text[i] = (char) (text[i] ^ 1 << bit);
                        assert_int_equal(request_verify(&public, &input, h, &c), -EBADMSG);
                        text[i] = (char) (text[i] ^ 1 << bit);
                }
        text[len] = ' ';
        text[len + 1] = '\0';
        assert_int_equal(request_verify(&public, &input, h, &c), -EBADMSG);
        text[len] = '\0';
        text[len - 1] ^= 0x20;
        assert_int_equal(request_verify(&public, &input, h, &c), -EBADMSG);
        text[len - 1] ^= 0x20;
        assert_int_equal(request_verify(&public, &input, h, &c), 0);
}

static void test_every_bit_of_every_header(void **state) {
        RequestSignatureHeaders h;

        assert_int_equal(request_sign(identity, NODE, 1, 3, 42, 1790000000, &input, &h), 0);
        flip_all(&h, h.content_digest);
        flip_all(&h, h.audience);
        flip_all(&h, h.sequence);
        flip_all(&h, h.signature_input);
        flip_all(&h, h.signature);
}

static void test_one_form(void **state) {
        static const char *const sequences[] = { "",
                                                 "3",
                                                 "3.",
                                                 ".42",
                                                 "03.42",
                                                 "3.042",
                                                 "+3.42",
                                                 "3.42.1",
                                                 " 3.42",
                                                 "18446744073709551616.1",
                                                 "1.18446744073709551616",
                                                 "3,42" };
        static const char *const inputs[] = {
                "",
                "sdwan=()",
                "sdwan=(\"@method\" \"@path\" \"@query\" \"content-digest\" "
                "\"sdwan-aud\");created=1;keyid=\"" NODE "/1\";alg=\"ed25519\";tag=\"sdwan-agent-v1\"",
                "sdwan=(\"@method\" \"@path\" \"@query\" \"content-digest\" \"sdwan-aud\" "
                "\"sdwan-seq\");created=01;"
                "keyid=\"" NODE "/1\";alg=\"ed25519\";tag=\"sdwan-agent-v1\"",
                "sdwan=(\"@method\" \"@path\" \"@query\" \"content-digest\" \"sdwan-aud\" "
                "\"sdwan-seq\");created=1;"
                "keyid=\"" NODE "/1\";alg=\"none\";tag=\"sdwan-agent-v1\"",
                "sdwan=(\"@method\" \"@path\" \"@query\" \"content-digest\" \"sdwan-aud\" "
                "\"sdwan-seq\");created=1;"
                "keyid=\"" NODE "f/1\";alg=\"ed25519\";tag=\"sdwan-agent-v1\"",
                "sdwan=(\"@method\" \"@path\" \"@query\" \"content-digest\" \"sdwan-aud\" "
                "\"sdwan-seq\");created=1;"
                "keyid=\"" NODE "/4294967296\";alg=\"ed25519\";tag=\"sdwan-agent-v1\"",
        };
        RequestSignatureHeaders h;
        RequestSignatureClaims c;

        assert_int_equal(request_sign(identity, NODE, 1, 3, 42, 1790000000, &input, &h), 0);
        for (size_t i = 0; i < ELEMENTSOF(sequences); i++) {
                RequestSignatureHeaders bad = h;

                strcpy(bad.sequence, sequences[i]);
                assert_int_equal(request_claims(&bad, &c), -EBADMSG);
        }
        for (size_t i = 0; i < ELEMENTSOF(inputs); i++) {
                RequestSignatureHeaders bad = h;

                strcpy(bad.signature_input, inputs[i]);
                assert_int_equal(request_claims(&bad, &c), -EBADMSG);
        }
        memset(h.sequence, '1', sizeof(h.sequence));
        assert_int_equal(request_claims(&h, &c), -EBADMSG);
}

/* Compared with the simplest thing that remembers: every number of an epoch at most once, none from a lower
 * epoch, none of the last 64 refused that was not seen. */
static void test_replay_window_property(void **state) {
        enum { NUMBERS = 512 };

        for (unsigned round = 0; round < 200; round++) {
                bool seen[NUMBERS] = { 0 };
                ReplayWindow w = { 0 };
                uint64_t epoch = 0, highest = 0;
                bool any = false;

                for (unsigned i = 0; i < 2000; i++) {
                        uint64_t random = crypto_random_u64();
                        uint64_t e = random % 101 == 0               ? epoch + 1
                                     : random % 53 == 0 && epoch > 0 ? epoch - 1
                                                                     : epoch;
                        uint64_t base = highest > 90 ? highest - 90 : 0,
                                 n = (base + (random >> 32) % 100) % NUMBERS;
                        bool accepted = replay_window_accept(&w, e, n), expected;

                        if (e > epoch) {
                                memset(seen, 0, sizeof(seen));
                                epoch = e;
                                highest = n;
                                any = true;
                                expected = true;
                        } else if (e < epoch)
                                expected = false;
                        else
                                expected = !seen[n] && (!any || n > highest || highest - n < 64);
                        assert_int_equal(accepted, expected);
                        if (accepted) {
                                seen[n] = true;
                                if (!any || n > highest)
                                        highest = n;
                                any = true;
                        }
                }
        }
}

static void test_replay_window_edges(void **state) {
        ReplayWindow w = { 0 };

        assert_true(replay_window_accept(&w, 0, 0));
        assert_false(replay_window_accept(&w, 0, 0));
        assert_true(replay_window_accept(&w, 0, 64));
        assert_false(replay_window_accept(&w, 0, 0));
        assert_true(replay_window_accept(&w, 0, 1));
        assert_true(replay_window_accept(&w, 0, UINT64_MAX));
        assert_false(replay_window_accept(&w, 0, UINT64_MAX));
        assert_true(replay_window_accept(&w, 0, UINT64_MAX - 63));
        assert_false(replay_window_accept(&w, 0, UINT64_MAX - 64));

        replay_window_restore(&w, 7, 4096);
        assert_false(replay_window_accept(&w, 6, 5000));
        for (uint64_t n = 0; n <= 4096; n++)
                assert_false(replay_window_accept(&w, 7, n));
        assert_true(replay_window_accept(&w, 7, 4097));
        assert_false(replay_window_accept(&w, 7, 4097));
        assert_true(replay_window_accept(&w, 8, 1));
        assert_false(replay_window_accept(&w, 7, 5000));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vector),
                cmocka_unit_test(test_what_is_signed),
                cmocka_unit_test(test_no_injection),
                cmocka_unit_test(test_every_bit_of_every_header),
                cmocka_unit_test(test_one_form),
                cmocka_unit_test(test_replay_window_property),
                cmocka_unit_test(test_replay_window_edges),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
