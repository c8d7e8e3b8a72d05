/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "agentd/keydoc.h"
#include "base/strutil.h"
#include "crypto/x509.h"
#include "json/json.h"

#define CONTROLLER "00112233445566778899aabbccddeeff"
#define NOW UINT64_C(1790000000)

static Secret *root, *other_root, *signing;
static PublicKey root_public, other_public, signing_public;
static char *ca, *ca_key, *other_ca, *other_ca_key;
static Digest pin, roots_digest;

/* What a document says; the rest is as it should be. */
typedef struct Says {
        const char *type, *controller_id;
        uint64_t serial;
        const char *ca_pem[4];
        size_t n_roots, n_keys; /* repeated */
        bool same_kid, no_roots;
        const Secret *signer;
        const PublicKey *signer_public;
        const char *domain, *payload, *more;
        size_t bad_signatures; /* before the good one */
} Says;

static Says says(void) {
        return (Says) {
                .type = "keydoc",
                .controller_id = CONTROLLER,
                .serial = 3,
                .ca_pem = { ca },
                .n_roots = 1,
                .n_keys = 1,
                .signer = root,
                .signer_public = &root_public,
                .domain = DOMAIN_KEYDOC,
        };
}

static json_object *b64_list(const PublicKey *key, size_t n) {
        json_object *l = json_object_new_array();
        char *text;

        assert_int_equal(b64url_encode(key->bytes, KEY_SIZE, &text), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(json_append(l, json_object_new_string(text)), 0);
        free(text);
        return l;
}

static char *make_payload(const Says *s) {
        _cleanup_json_ json_object *o = json_object_new_object();
        json_object *keys = json_object_new_array(), *tls = json_object_new_object();
        size_t len;

        assert_int_equal(json_add_string(o, "type", s->type), 0);
        assert_int_equal(json_add_string(o, "controller_id", s->controller_id), 0);
        assert_int_equal(json_add_u64(o, "epoch", 1), 0);
        assert_int_equal(json_add_u64(o, "keys_serial", s->serial), 0);
        assert_int_equal(json_add(o, "root_keys", b64_list(&root_public, s->no_roots ? 0 : s->n_roots)), 0);
        for (size_t i = 0; i < s->n_keys; i++) {
                json_object *key = json_object_new_object();
                char kid[32];

                (void) snprintf(kid, sizeof(kid), "ck-%zu", s->same_kid ? 1 : i + 1);
                assert_int_equal(json_add_string(key, "kid", kid), 0);
                assert_int_equal(json_add_b64url(key, "pk", signing_public.bytes, KEY_SIZE), 0);
                assert_int_equal(json_append(keys, key), 0);
        }
        assert_int_equal(json_add(o, "signing_keys", keys), 0);
        assert_int_equal(json_add_string(tls, "mode", "pin"), 0);
        assert_int_equal(json_add_strv(tls, "ca_pem", (char *const *) s->ca_pem), 0);
        assert_int_equal(json_add(o, "tls", tls), 0);
        return json_format(o, &len);
}

static char *make(const Says *s) {
        _cleanup_free_ char *payload = s->payload ? strdup(s->payload) : make_payload(s), *p = NULL;
        _cleanup_json_ json_object *o = json_object_new_object();
        json_object *signatures = json_object_new_array();
        Signature signature;
        size_t len;

        assert_int_equal(envelope_sign(s->signer, s->domain, payload, strlen(payload), &signature), 0);
        assert_int_equal(b64url_encode(payload, strlen(payload), &p), 0);
        assert_int_equal(json_add_string(o, "p", p), 0);
        for (size_t i = 0; i <= s->bad_signatures; i++) {
                json_object *one = json_object_new_object();
                Signature bad = signature;

                bad.bytes[0] ^= i < s->bad_signatures;
                assert_int_equal(json_add_b64url(one, "k", s->signer_public->bytes, KEY_SIZE), 0);
                assert_int_equal(json_add_b64url(one, "s", bad.bytes, SIGNATURE_SIZE), 0);
                assert_int_equal(json_append(signatures, one), 0);
        }
        assert_int_equal(json_add(o, "sigs", signatures), 0);
        if (s->more)
                assert_int_equal(json_add_string(o, s->more, "x"), 0);
        return json_format(o, &len);
}

static KeyDocTrust trust(void) {
        return (KeyDocTrust) {
                .controller_id = CONTROLLER,
                .root_keys = roots_digest,
                .ca_pins = &pin,
                .n_ca_pins = 1,
                .min_serial = 3,
        };
}

static int verify(const Says *s, const KeyDocTrust *t, KeyDoc *ret) {
        _cleanup_free_ char *text = make(s);
        const char *reason = NULL;
        int r;

        r = keydoc_verify(text, strlen(text), t, ret, &reason);
        if (r < 0) {
                assert_non_null(reason);
                assert_int_equal(ret->n_keys, 0); /* nothing of what was refused comes out */
                assert_null(ret->ca_pem);
        }
        return r;
}

static void test_good(void **state) {
        KeyDocTrust t = trust();
        Says s = says();
        KeyDoc k = { 0 };

        assert_int_equal(verify(&s, &t, &k), 0);
        assert_string_equal(k.controller_id, CONTROLLER);
        assert_int_equal(k.serial, 3);
        assert_string_equal(k.ca_pem, ca);
        assert_memory_equal(keydoc_find(&k, "ck-1"), &signing_public, KEY_SIZE);
        assert_null(keydoc_find(&k, "ck-2"));
        assert_null(keydoc_find(&k, ""));
        keydoc_done(&k);

        s.serial = 4;
        s.n_keys = KEYDOC_SIGNING_MAX;
        s.bad_signatures = KEYDOC_ROOTS_MAX - 1; /* those of roots that are gone do no harm */
        assert_int_equal(verify(&s, &t, &k), 0);
        assert_int_equal(k.n_keys, KEYDOC_SIGNING_MAX);
        keydoc_done(&k);

        t.n_ca_pins = 0; /* the machine's own authorities decide: no pin is asked for */
        s.ca_pem[0] = other_ca;
        assert_int_equal(verify(&s, &t, &k), 0);
        keydoc_done(&k);
}

static void test_refused(void **state) {
        _cleanup_free_ char *two = str_printf("%s%s", ca, other_ca),
                            *behind = str_printf("text\n%s%s", ca, ca_key);
        const struct {
                const char *what;
                int expected;
                Says says;
        } cases[] = {
#define CASE(e, ...) \
        { #__VA_ARGS__, e, ({ \
                  Says s = says(); \
                  __VA_ARGS__; \
                  s; \
          }) }
                CASE(-EKEYREJECTED, s.signer = other_root),
                CASE(-EKEYREJECTED, s.signer = other_root, s.signer_public = &other_public),
                CASE(-EKEYREJECTED, s.signer = signing, s.signer_public = &signing_public),
                CASE(-EKEYREJECTED, s.domain = DOMAIN_BATCH),
                CASE(-EKEYREJECTED, s.domain = DOMAIN_ENROL_ACK),
                CASE(-EKEYREJECTED,
                     s.bad_signatures = KEYDOC_ROOTS_MAX), /* the good one is past the limit */
                CASE(-EKEYREJECTED, s.controller_id = "ff112233445566778899aabbccddeeff"),
                CASE(-EBADMSG, s.controller_id = "0011"),
                CASE(-EBADMSG, s.type = "batch"),
                CASE(-ESTALE, s.serial = 2),
                CASE(-EKEYREJECTED, s.ca_pem[0] = other_ca),
                CASE(-EKEYREJECTED, s.ca_pem[1] = other_ca),
                CASE(-EKEYREJECTED, s.ca_pem[0] = NULL),
                CASE(-EBADMSG, s.ca_pem[0] = two), /* the second one would come in unpinned */
                CASE(-EBADMSG, s.ca_pem[0] = behind),
                CASE(-EBADMSG, s.ca_pem[0] = "no certificate"),
                CASE(-EBADMSG, s.n_keys = 0),
                CASE(-EBADMSG, s.n_keys = KEYDOC_SIGNING_MAX + 1),
                CASE(-EBADMSG, s.n_keys = 2, s.same_kid = true),
                CASE(-EBADMSG, s.no_roots = true),
                CASE(-EBADMSG, s.n_roots = KEYDOC_ROOTS_MAX + 1),
                CASE(-EBADMSG, s.payload = "{}"),
                CASE(-EBADMSG, s.payload = "[]"),
                CASE(-EBADMSG, s.payload = "{\"type\":\"keydoc\",\"type\":\"keydoc\"}"),
                CASE(-EBADMSG, s.payload = "no JSON"),
                CASE(-EBADMSG, s.more = "extra"),
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                KeyDocTrust t = trust();
                KeyDoc k = { 0 };
                int r = verify(&cases[i].says, &t, &k);

                if (r != cases[i].expected)
                        fail_msg("%s: %d instead of %d", cases[i].what, r, cases[i].expected);
        }
}

/* Every byte of a good document that is changed makes it a bad one, or says the same. */
static void test_altered(void **state) {
        KeyDocTrust t = trust();
        Says s = says();
        _cleanup_free_ char *text = make(&s);
        const char *reason;
        size_t len = strlen(text);

        for (size_t i = 0; i < len; i++) {
                for (unsigned bit = 0; bit < 8; bit += 3) {
                        KeyDoc k = { 0 };

                        text[i] = (char) (text[i] ^ 1 << bit);
                        if (keydoc_verify(text, len, &t, &k, &reason) >= 0) {
                                assert_string_equal(k.controller_id, CONTROLLER);
                                assert_memory_equal(keydoc_find(&k, "ck-1"), &signing_public, KEY_SIZE);
                                keydoc_done(&k);
                        }
                        text[i] = (char) (text[i] ^ 1 << bit);
                }
        }
        for (size_t cut = 0; cut < len; cut += 7) {
                KeyDoc k = { 0 };

                assert_true(keydoc_verify(text, cut, &t, &k, &reason) < 0);
        }
}

static int setup(void **state) {
        if (crypto_setup() < 0 || secret_new_random(&root) < 0 || secret_new_random(&other_root) < 0 ||
            secret_new_random(&signing) < 0)
                return -1;
        if (identity_public(root, &root_public) < 0 || identity_public(other_root, &other_public) < 0 ||
            identity_public(signing, &signing_public) < 0)
                return -1;
        if (x509_make_ca("one", NOW, &ca, &ca_key) < 0 ||
            x509_make_ca("two", NOW, &other_ca, &other_ca_key) < 0)
                return -1;
        root_keys_digest(&root_public, 1, &roots_digest);
        return x509_spki_pin(ca, &pin);
}

static int teardown(void **state) {
        (void) secret_free(root);
        (void) secret_free(other_root);
        (void) secret_free(signing);
        free(ca);
        free(ca_key);
        free(other_ca);
        free(other_ca_key);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_altered),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
