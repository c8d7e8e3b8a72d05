/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "crypto/x509.h"

#define NOW_SEC UINT64_C(1790000000)
#define LIFETIME_SEC (UINT64_C(90) * 86400)

static char *names[] = { "ctl1.example", "192.0.2.1", "2001:db8::1", "localhost", NULL };

static int setup(void **state) {
        return crypto_setup();
}

static void test_leaf(void **state) {
        _cleanup_free_ char *ca = NULL, *ca_key = NULL, *leaf = NULL, *leaf_key = NULL, *other = NULL,
                            *other_key = NULL;
        char *more[] = { "ctl2.example", NULL }, *address[] = { "192.0.2.2", NULL }, *none[] = { NULL };
        Digest pin, again;
        uint64_t at;

        assert_int_equal(x509_make_ca("sdwan CA", NOW_SEC, &ca, &ca_key), 0);
        assert_int_equal(x509_make_ca("sdwan CA", NOW_SEC, &other, &other_key), 0);
        assert_int_equal(x509_make_leaf(ca, ca_key, names, NOW_SEC, LIFETIME_SEC, &leaf, &leaf_key), 0);

        assert_true(x509_leaf_covers(ca, leaf, names));
        assert_true(x509_leaf_covers(ca, leaf, none));
        assert_false(x509_leaf_covers(other, leaf, names));
        assert_false(x509_leaf_covers(ca, leaf, more));
        assert_false(x509_leaf_covers(ca, leaf, address));
        assert_false(x509_leaf_covers(leaf, leaf, names)); /* not an authority */
        assert_false(x509_leaf_covers(ca, "", names));

        assert_int_equal(x509_not_after(leaf, &at), 0);
        assert_int_equal(at, NOW_SEC + LIFETIME_SEC);
        assert_int_equal(x509_not_after(ca, &at), 0);
        assert_int_equal(at, NOW_SEC + UINT64_C(3650) * 86400);

        assert_int_equal(x509_spki_pin(ca, &pin), 0);
        assert_int_equal(x509_spki_pin(ca, &again), 0);
        assert_memory_equal(pin.bytes, again.bytes, sizeof(pin.bytes));
        assert_int_equal(x509_spki_pin(other, &again), 0);
        assert_memory_not_equal(pin.bytes, again.bytes, sizeof(pin.bytes));
}

/* openssl x509 -pubkey | openssl pkey -pubin -outform DER | sha256sum, of a certificate made by openssl req.
 */
static void test_pin_vector(void **state) {
        static const char pem[] = "-----BEGIN CERTIFICATE-----\n"
                                  "MIIBeDCCAR2gAwIBAgIURe8np6tctkTWbr7x+GIR9DJ7bXowCgYIKoZIzj0EAwIw\n"
                                  "ETEPMA0GA1UEAwwGdmVjdG9yMB4XDTI2MTEyMjA4MjcxOVoXDTM2MTExOTA4Mjcx\n"
                                  "OVowETEPMA0GA1UEAwwGdmVjdG9yMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n"
                                  "8qp1deEin4u/HWszHLNZO85fC1OsG4dnxd7cFzotfsrBiINyVnjLReHaB9FlJfMR\n"
                                  "uUXZl5aBqKdf6tyWduP+N6NTMFEwHQYDVR0OBBYEFASF1LXcj07n1C6sJ50AZPtc\n"
                                  "OjIDMB8GA1UdIwQYMBaAFASF1LXcj07n1C6sJ50AZPtcOjIDMA8GA1UdEwEB/wQF\n"
                                  "MAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhANBsz/fxTl/AqoduhdD/lj8Q30CK7aCj\n"
                                  "p5/B+o4rOg2vAiEAu9pBaFiI0B6gTucmhbmfGnUXlQKItTdWxgF2+CBsm0g=\n"
                                  "-----END CERTIFICATE-----\n";
        static const uint8_t expected[DIGEST_SIZE] = {
                0xd9, 0x75, 0xda, 0xa9, 0x92, 0x3b, 0xee, 0x43, 0xf7, 0x13, 0x6c,
                0x77, 0xca, 0x86, 0xb3, 0xe7, 0xe6, 0x4b, 0xce, 0x7e, 0xba, 0xfb,
                0xbf, 0x3d, 0xbc, 0xdf, 0xe4, 0x3c, 0x80, 0x02, 0x79, 0x86,
        };
        Digest pin;

        assert_int_equal(x509_spki_pin(pem, &pin), 0);
        assert_memory_equal(pin.bytes, expected, sizeof(expected));
}

static void test_refused(void **state) {
        static char *const bad[] = { "",
                                     "-a",
                                     "a..b",
                                     "a b",
                                     "1.2.3",
                                     "256.1.1.1",
                                     "a_b",
                                     "*.example",
                                     "a.-",
                                     "::g",
                                     "0123456789012345678901234567890123456789012345678901234567890123" };
        _cleanup_free_ char *ca = NULL, *ca_key = NULL;
        char *leaf = NULL, *leaf_key = NULL, *none[] = { NULL };
        Digest pin;
        uint64_t at;

        assert_int_equal(x509_make_ca("", NOW_SEC, &ca, &ca_key), -EINVAL);
        assert_int_equal(x509_make_ca("sdwan CA", NOW_SEC, &ca, &ca_key), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                char *list[] = { bad[i], NULL };

                assert_int_equal(x509_make_leaf(ca, ca_key, list, NOW_SEC, 1, &leaf, &leaf_key), -EINVAL);
        }
        assert_int_equal(x509_make_leaf(ca, ca_key, none, NOW_SEC, 1, &leaf, &leaf_key), -EINVAL);
        assert_int_equal(x509_make_leaf(ca, "no key", names, NOW_SEC, 1, &leaf, &leaf_key), -EBADMSG);
        assert_int_equal(x509_make_leaf(ca_key, ca_key, names, NOW_SEC, 1, &leaf, &leaf_key), -EBADMSG);
        assert_int_equal(x509_spki_pin("", &pin), -EBADMSG);
        assert_int_equal(x509_spki_pin(ca_key, &pin), -EBADMSG);
        assert_int_equal(x509_not_after("-----BEGIN CERTIFICATE-----\n", &at), -EBADMSG);
        assert_null(leaf);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_leaf),
                cmocka_unit_test(test_pin_vector),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
