/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "agentd/keydoc.h"
#include "base/strutil.h"
#include "crypto/x509.h"
#include "json/json.h"

typedef struct Outer {
        const char *payload;
        json_object *signatures;
} Outer;

typedef struct Inner {
        const char *type, *controller_id, *min_agent;
        uint64_t epoch, serial, time;
        char **root_keys;
        json_object *signing_keys, *tls;
} Inner;

void keydoc_done(KeyDoc *k) {
        free(k->ca_pem);
        *k = (KeyDoc) { 0 };
}

const PublicKey *keydoc_find(const KeyDoc *k, const char *key_id) {
        for (size_t i = 0; i < k->n_keys; i++)
                if (streq(k->keys[i].id, key_id))
                        return &k->keys[i].key;
        return NULL;
}

static int parse_roots(char *const *l, PublicKey *ret, size_t *ret_n) {
        size_t n = 0;

        STRV_FOREACH (s, l) {
                if (n == KEYDOC_ROOTS_MAX)
                        return -EBADMSG;
                if (b64url_decode_exact(*s, ret[n++].bytes, KEY_SIZE) < 0)
                        return -EBADMSG;
        }
        *ret_n = n;
        return n == 0 ? -EBADMSG : 0;
}

/* One good signature of a root key is enough; one that is bad or of a key that is no root counts as none. */
static int verify_roots(json_object *signatures, const PublicKey *roots, size_t n_roots,
                        const uint8_t *payload, size_t len) {
        static const JsonField fields[] = {
                { "k", JSON_FIELD_B64URL_32, 0, JSON_REQUIRED },
                { "s", JSON_FIELD_B64URL_64, KEY_SIZE, JSON_REQUIRED },
        };
        struct {
                PublicKey key;
                Signature signature;
        } s;
        size_t n = json_object_array_length(signatures);

        for (size_t i = 0; i < n && i < KEYDOC_ROOTS_MAX; i++) {
                if (json_dispatch(json_object_array_get_idx(signatures, i), fields, ELEMENTSOF(fields),
                                  false, &s, NULL) < 0)
                        return -EBADMSG;
                for (size_t j = 0; j < n_roots; j++)
                        if (memcmp(&roots[j], &s.key, sizeof(s.key)) == 0 &&
                            envelope_verify(&s.key, DOMAIN_KEYDOC, payload, len, &s.signature) >= 0)
                                return 0;
        }
        return -EBADMSG;
}

static int parse_signing_keys(json_object *l, KeyDoc *k) {
        typedef struct SigningKey {
                const char *id;
                uint64_t not_before, not_after;
                PublicKey key;
        } SigningKey;
        static const JsonField fields[] = {
                { "kid", JSON_FIELD_STRING, offsetof(SigningKey, id), JSON_REQUIRED },
                { "pk", JSON_FIELD_B64URL_32, offsetof(SigningKey, key), JSON_REQUIRED },
                { "nbf", JSON_FIELD_U64, offsetof(SigningKey, not_before), 0 },
                { "exp", JSON_FIELD_U64, offsetof(SigningKey, not_after), 0 },
        };
        size_t n = json_object_array_length(l);

        if (n == 0 || n > KEYDOC_SIGNING_MAX)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                SigningKey s = { 0 };

                if (json_dispatch(json_object_array_get_idx(l, i), fields, ELEMENTSOF(fields), true, &s,
                                  NULL) < 0 ||
                    strlen(s.id) >= KEYDOC_KID_MAX || keydoc_find(k, s.id))
                        return -EBADMSG;
                (void) snprintf(k->keys[i].id, KEYDOC_KID_MAX, "%s", s.id);
                k->keys[i].key = s.key;
                k->keys[i].not_before = s.not_before;
                k->keys[i].not_after = s.not_after;
                k->n_keys++;
        }
        return 0;
}

static bool pin_is_known(const KeyDocTrust *trust, const Digest *pin) {
        for (size_t i = 0; i < trust->n_ca_pins; i++)
                if (crypto_equal(&trust->ca_pins[i], pin, sizeof(*pin)))
                        return true;
        return trust->n_ca_pins == 0;
}

/* The pin is of the first certificate of a text: a second one would come in unpinned. */
static bool is_one_certificate(const char *pem) {
        static const char begin[] = "-----BEGIN ";
        const char *first = strstr(pem, begin);

        return first && !strstr(first + 1, begin);
}

static int parse_tls(json_object *o, const KeyDocTrust *trust, KeyDoc *k) {
        typedef struct Tls {
                const char *mode;
                char **ca_pem;
        } Tls;
        static const JsonField fields[] = {
                { "mode", JSON_FIELD_STRING, offsetof(Tls, mode), JSON_REQUIRED },
                { "ca_pem", JSON_FIELD_STRV, offsetof(Tls, ca_pem), JSON_REQUIRED },
        };
        _cleanup_buffer_ Buffer pem = { 0 };
        Tls tls = { 0 };
        int r;

        r = json_dispatch(o, fields, ELEMENTSOF(fields), true, &tls, NULL) < 0 ? -EBADMSG : 0;
        STRV_FOREACH (s, tls.ca_pem) {
                Digest pin;

                if (r >= 0 && (!is_one_certificate(*s) || x509_spki_pin(*s, &pin) < 0))
                        r = -EBADMSG;
                if (r >= 0 && !pin_is_known(trust, &pin))
                        r = -EKEYREJECTED;
                if (r >= 0)
                        r = buffer_append_str(&pem, *s);
        }
        strv_free(tls.ca_pem);
        if (r < 0)
                return r;
        if (trust->n_ca_pins > 0 && pem.len == 0)
                return -EKEYREJECTED;
        k->ca_pem = (char *) TAKE(pem.data);
        return 0;
}

static int inner_verify(json_object *o, json_object *signatures, const uint8_t *payload, size_t len,
                        const KeyDocTrust *trust, Inner *in, KeyDoc *k, const char **ret_reason) {
        static const JsonField fields[] = {
                { "type", JSON_FIELD_STRING, offsetof(Inner, type), JSON_REQUIRED },
                { "controller_id", JSON_FIELD_STRING, offsetof(Inner, controller_id), JSON_REQUIRED },
                { "epoch", JSON_FIELD_U64, offsetof(Inner, epoch), JSON_REQUIRED },
                { "keys_serial", JSON_FIELD_U64, offsetof(Inner, serial), JSON_REQUIRED },
                { "root_keys", JSON_FIELD_STRV, offsetof(Inner, root_keys), JSON_REQUIRED },
                { "signing_keys", JSON_FIELD_ARRAY, offsetof(Inner, signing_keys), JSON_REQUIRED },
                { "tls", JSON_FIELD_OBJECT, offsetof(Inner, tls), JSON_REQUIRED },
                { "min_agent", JSON_FIELD_STRING, offsetof(Inner, min_agent), 0 },
                { "time", JSON_FIELD_U64, offsetof(Inner, time), 0 },
        };
        PublicKey roots[KEYDOC_ROOTS_MAX];
        Digest digest;
        size_t n = 0;
        int r;

        *ret_reason = "the key document is malformed";
        r = json_dispatch(o, fields, ELEMENTSOF(fields), true, in, NULL);
        if (r < 0 || !streq(in->type, "keydoc") || strlen(in->controller_id) != CONTROLLER_ID_SIZE - 1)
                return -EBADMSG;
        r = parse_roots(in->root_keys, roots, &n);
        if (r < 0)
                return r;
        root_keys_digest(roots, n, &digest);
        *ret_reason = "the root keys are not those that were expected";
        if (!crypto_equal(&digest, &trust->root_keys, sizeof(digest)))
                return -EKEYREJECTED;
        *ret_reason = "no root key has signed the key document";
        r = verify_roots(signatures, roots, n, payload, len);
        if (r < 0)
                return -EKEYREJECTED;
        *ret_reason = "it is another controller";
        if (!streq(in->controller_id, trust->controller_id))
                return -EKEYREJECTED;
        *ret_reason = "the key document is older than one that was seen before";
        if (in->serial < trust->min_serial)
                return -ESTALE;
        (void) snprintf(k->controller_id, sizeof(k->controller_id), "%s", in->controller_id);
        k->epoch = in->epoch;
        k->serial = in->serial;
        *ret_reason = "the signing keys of the key document are malformed";
        r = parse_signing_keys(in->signing_keys, k);
        if (r < 0)
                return r;
        *ret_reason = "the certificate authority is not the one that was expected";
        return parse_tls(in->tls, trust, k);
}

int keydoc_verify(const char *json, size_t len, const KeyDocTrust *trust, KeyDoc *ret,
                  const char **ret_reason) {
        static const JsonField fields[] = {
                { "p", JSON_FIELD_STRING, offsetof(Outer, payload), JSON_REQUIRED },
                { "sigs", JSON_FIELD_ARRAY, offsetof(Outer, signatures), JSON_REQUIRED },
        };
        _cleanup_json_ json_object *outer = NULL, *inner = NULL;
        _cleanup_free_ uint8_t *payload = NULL;
        size_t payload_len = 0;
        KeyDoc k = { 0 };
        Outer out = { 0 };
        Inner in = { 0 };
        int r;

        *ret_reason = "the answer is no key document";
        if (len > KEYDOC_BYTES_MAX || json_parse(json, len, 0, NULL, &outer) < 0 ||
            json_dispatch(outer, fields, ELEMENTSOF(fields), false, &out, NULL) < 0 ||
            b64url_decode(out.payload, strlen(out.payload), &payload, &payload_len) < 0 ||
            json_parse((char *) payload, payload_len, 0, NULL, &inner) < 0)
                return -EBADMSG;
        r = inner_verify(inner, out.signatures, payload, payload_len, trust, &in, &k, ret_reason);
        strv_free(in.root_keys);
        if (r < 0) {
                keydoc_done(&k);
                return r;
        }
        *ret = k;
        return 0;
}
