/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "crypto/token.h"

static int setup(void **state) {
        return crypto_setup();
}

static EnrolToken *sample(void) {
        EnrolToken *t = new(EnrolToken);

        assert_non_null(t);
        assert_int_equal(strv_append(&t->urls, "https://ctl1.example:443"), 0);
        assert_int_equal(strv_append(&t->urls, "https://[2001:db8::1]:8443"), 0);
        memset(t->controller_id, 0x11, sizeof(t->controller_id));
        memset(t->token_id, 0x22, sizeof(t->token_id));
        assert_int_equal(secret_new_random(&t->seed), 0);
        memset(t->ca_pins[0].bytes, 0x33, DIGEST_SIZE);
        t->n_ca_pins = 1;
        memset(t->root_keys.bytes, 0x44, DIGEST_SIZE);
        t->not_after_sec = 1790000000;
        return t;
}

/* Puts a token around any JSON, with the right check digits. */
static char *wrap(const char *json) {
        _cleanup_free_ char *text = NULL, *head = NULL;
        char sum[9];
        Digest d;

        assert_int_equal(b64url_encode(json, strlen(json), &text), 0);
        head = str_printf("sdwan1.%s", text);
        digest_blake2b(head, strlen(head), &d);
        hex_encode(d.bytes, 4, sum);
        return str_printf("%s.%s", head, sum);
}

static void test_round_trip(void **state) {
        _cleanup_(enrol_token_freep) EnrolToken *t = sample(), *u = NULL;
        _cleanup_free_ char *text = NULL, *padded = NULL;

        for (unsigned pins = 0; pins <= TOKEN_PINS_MAX; pins++) {
                t->n_ca_pins = pins;
                text = mfree(text);
                u = enrol_token_free(u);
                assert_int_equal(enrol_token_encode(t, &text), 0);
                assert_int_equal(enrol_token_decode(text, &u, NULL), 0);
                assert_int_equal(u->n_ca_pins, pins);
        }
        t->n_ca_pins = 1;
        text = mfree(text);
        u = enrol_token_free(u);
        assert_int_equal(enrol_token_encode(t, &text), 0);
        padded = str_printf(" \n%s\r\n", text);
        assert_int_equal(enrol_token_decode(padded, &u, NULL), 0);
        assert_int_equal(strv_length(u->urls), 2);
        assert_string_equal(u->urls[1], "https://[2001:db8::1]:8443");
        assert_memory_equal(u->controller_id, t->controller_id, 16);
        assert_memory_equal(u->token_id, t->token_id, 8);
        assert_memory_equal(secret_bytes(u->seed), secret_bytes(t->seed), KEY_SIZE);
        assert_memory_equal(u->ca_pins, t->ca_pins, sizeof(u->ca_pins[0]));
        assert_memory_equal(u->root_keys.bytes, t->root_keys.bytes, DIGEST_SIZE);
        assert_int_equal(u->not_after_sec, t->not_after_sec);
}

static void test_every_byte_counts(void **state) {
        _cleanup_(enrol_token_freep) EnrolToken *t = sample(), *u = NULL;
        _cleanup_free_ char *text = NULL;
        const char *reason;
        size_t len;

        assert_int_equal(enrol_token_encode(t, &text), 0);
        len = strlen(text);
        for (size_t i = 0; i < len; i++) {
                text[i] ^= 1;
                reason = NULL;
                assert_int_equal(enrol_token_decode(text, &u, &reason), -EINVAL);
                assert_non_null(reason);
                text[i] ^= 1;
        }
        for (; len > 0; len--) {
                text[len - 1] = '\0';
                assert_int_equal(enrol_token_decode(text, &u, &reason), -EINVAL);
        }
        assert_null(u);
}

static void test_refuses_to_make(void **state) {
        static const char *const urls[] = { "http://ctl",   "https://",    "ctl",         "https://a/b",
                                            "https://a\"b", "https://u@h", "https://a\nb" };
        _cleanup_free_ char *text = NULL;

        for (size_t i = 0; i < ELEMENTSOF(urls); i++) {
                _cleanup_(enrol_token_freep) EnrolToken *t = sample();

                assert_int_equal(strv_append(&t->urls, urls[i]), 0);
                assert_int_equal(enrol_token_encode(t, &text), -EINVAL);
        }
        _cleanup_(enrol_token_freep) EnrolToken *t = sample();
        for (size_t i = 0; i < TOKEN_URLS_MAX; i++)
                assert_int_equal(strv_append(&t->urls, "https://a"), 0);
        assert_int_equal(enrol_token_encode(t, &text), -EINVAL);
}

#define B16 "EREREREREREREREREREREQ"
#define B8 "IiIiIiIiIiI"
#define B32 "MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzM"
#define JSON(v, u, c, t, s, ca, rk, exp) \
        "{\"v\":" v ",\"u\":" u ",\"c\":" c ",\"t\":" t "," s ",\"ca\":" ca ",\"rk\":" rk ",\"exp\":" exp "}"
#define SEED "\"s\":\"" B32 "\""
#define URLS "[\"https://ctl\"]"

static void test_strict_json(void **state) {
        static const char *const bad[] = {
                JSON("2", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED, "[]", "\"" B32 "\"", "1"),
                JSON("\"1\"", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED, "[]", "\"" B32 "\"", "1"),
                JSON("1", "[]", "\"" B16 "\"", "\"" B8 "\"", SEED, "[]", "\"" B32 "\"", "1"),
                JSON("1", "[\"http://ctl\"]", "\"" B16 "\"", "\"" B8 "\"", SEED, "[]", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B8 "\"", "\"" B8 "\"", SEED, "[]", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "7", SEED, "[]", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED "," SEED, "[]", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", "\"\\u0073\":\"" B32 "\"", "[]", "\"" B32 "\"",
                     "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", "\"s\": \"" B32 "\"", "[]", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", "\"s\":\"" B32 "A\"", "[]", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", "\"s\":\"" B16 "\"", "[]", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED, "[\"x\"]", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED, "null", "\"" B32 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED, "[]", "\"" B8 "\"", "1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED, "[]", "\"" B32 "\"", "-1"),
                JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED, "[]", "\"" B32 "\"", "1,\"x\":1"),
                "[]",
                "",
                "{}",
                "{\"s\":\"" B32 "\"}",
                "\"s\":\"",
        };
        _cleanup_(enrol_token_freep) EnrolToken *t = NULL;
        _cleanup_free_ char *good =
                        wrap(JSON("1", URLS, "\"" B16 "\"", "\"" B8 "\"", SEED, "[]", "\"" B32 "\"", "1"));

        assert_int_equal(enrol_token_decode(good, &t, NULL), 0);
        assert_int_equal(secret_bytes(t->seed)[0], 0x33);
        assert_int_equal(secret_bytes(t->seed)[31], 0x33);
        t = enrol_token_free(t);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *text = wrap(bad[i]);

                if (enrol_token_decode(text, &t, NULL) != -EINVAL)
                        fail_msg("accepted: %s", bad[i]);
        }
        assert_null(t);
}

static void test_reasons(void **state) {
        _cleanup_(enrol_token_freep) EnrolToken *t = NULL;
        char huge[4000];
        const char *reason;

        memset(huge, 'A', sizeof(huge) - 1);
        huge[sizeof(huge) - 1] = '\0';
        assert_int_equal(enrol_token_decode("", &t, &reason), -EINVAL);
        assert_non_null(strstr(reason, "not an enrolment token"));
        assert_int_equal(enrol_token_decode(huge, &t, &reason), -EINVAL);
        memcpy(huge, "sdwan1.", 7);
        assert_int_equal(enrol_token_decode(huge, &t, &reason), -EINVAL);
        assert_non_null(strstr(reason, "too long"));
        assert_int_equal(enrol_token_decode("sdwan2.AAAA.00000000", &t, &reason), -EINVAL);
        assert_non_null(strstr(reason, "version"));
        assert_int_equal(enrol_token_decode("sdwan1.AAAA.00000000", &t, &reason), -EINVAL);
        assert_non_null(strstr(reason, "mistyped"));
        assert_int_equal(enrol_token_decode("sdwan1.", &t, &reason), -EINVAL);
        assert_non_null(strstr(reason, "incomplete"));
}

/* The order in which the keys are handed over does not matter. Value computed with Python's hashlib. */
static void test_root_keys(void **state) {
        static const char *const hex[] = {
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
        };
        char text[2 * DIGEST_SIZE + 1];
        PublicKey keys[3];
        Digest d;

        for (size_t first = 0; first < 3; first++) {
                for (size_t i = 0; i < 3; i++)
                        assert_int_equal(hex_decode(hex[(first + i) % 3], keys[i].bytes, KEY_SIZE), 0);
                root_keys_digest(keys, 3, &d);
                hex_encode(d.bytes, sizeof(d.bytes), text);
                assert_string_equal(text,
                                    "59876574fe6e42ef72993c4640ed37555132caed8885a900701db1ba02494329");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_every_byte_counts),
                cmocka_unit_test(test_refuses_to_make), cmocka_unit_test(test_strict_json),
                cmocka_unit_test(test_reasons),         cmocka_unit_test(test_root_keys),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
