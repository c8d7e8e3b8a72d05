/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sodium.h>

#include "base/strutil.h"
#include "crypto/crypto.h"

#define DOMAIN_MAX 64
#define KEY_ID_MAX 64
#define SIGNATURE_TEXT_SIZE 86 /* base64url of 64 bytes */

int identity_public(const Secret *seed, PublicKey *ret) {
        uint8_t expanded[crypto_sign_SECRETKEYBYTES];
        int r;

        assert(seed && ret);

        r = crypto_sign_seed_keypair(ret->bytes, expanded, secret_bytes(seed));
        sodium_memzero(expanded, sizeof(expanded));
        return r < 0 ? -EIO : 0;
}

/* "<domain>\0" || BLAKE2b-256(data). -EINVAL: no domain, or a longer one than we have. */
static int envelope_message(const char *domain, const void *data, size_t len,
                            uint8_t ret[static DOMAIN_MAX + DIGEST_SIZE], size_t *ret_len) {
        size_t domain_size = strlen(domain) + 1;
        Digest digest;

        if (domain_size < 2 || domain_size > DOMAIN_MAX)
                return -EINVAL;
        digest_blake2b(data, len, &digest);
        memcpy(ret, domain, domain_size);
        memcpy(ret + domain_size, digest.bytes, DIGEST_SIZE);
        *ret_len = domain_size + DIGEST_SIZE;
        return 0;
}

int envelope_sign(const Secret *seed, const char *domain, const void *data, size_t len, Signature *ret) {
        uint8_t message[DOMAIN_MAX + DIGEST_SIZE], public_key[KEY_SIZE],
                        expanded[crypto_sign_SECRETKEYBYTES];
        Signature signature;
        size_t message_len;
        int r;

        assert(seed && domain && ret);

        r = envelope_message(domain, data, len, message, &message_len);
        if (r < 0)
                return r;
        r = crypto_sign_seed_keypair(public_key, expanded, secret_bytes(seed));
        if (r == 0)
                r = crypto_sign_detached(signature.bytes, NULL, message, message_len, expanded);
        sodium_memzero(expanded, sizeof(expanded));
        if (r < 0)
                return -EIO;
        *ret = signature;
        return 0;
}

int envelope_verify(const PublicKey *key, const char *domain, const void *data, size_t len,
                    const Signature *signature) {
        uint8_t message[DOMAIN_MAX + DIGEST_SIZE];
        size_t message_len;
        int r;

        assert(key && domain && signature);

        r = envelope_message(domain, data, len, message, &message_len);
        if (r < 0)
                return r;
        if (crypto_sign_verify_detached(signature->bytes, message, message_len, key->bytes) < 0)
                return -EBADMSG;
        return 0;
}

/* Key ids stand in JSON unescaped, so they are of characters that need no escaping. */
static bool key_id_is_valid(const char *s, size_t len) {
        if (len == 0 || len > KEY_ID_MAX)
                return false;
        for (size_t i = 0; i < len; i++) {
                char c = s[i];

                if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.'))
                        return false;
        }
        return true;
}

static char *append(char *to, const void *data, size_t len) {
        memcpy(to, data, len);
        return to + len;
}

static char *append_b64url(char *to, const void *data, size_t len) {
        size_t size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);

        sodium_bin2base64(to, size, data, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        return to + size - 1;
}

#define FORM_PAYLOAD "{\"p\":\""
#define FORM_KEY "\",\"k\":\""
#define FORM_SIGNATURE "\",\"s\":\""
#define FORM_END "\"}"
#define FORM_SIZE (sizeof(FORM_PAYLOAD FORM_KEY FORM_SIGNATURE FORM_END) - 1)

int envelope_encode(const Secret *seed, const char *key_id, const char *domain, const void *payload,
                    size_t len, char **ret_json, size_t *ret_len) {
        Signature signature;
        size_t size;
        char *json, *p;
        int r;

        assert(seed && key_id && domain && (payload || len == 0) && ret_json && ret_len);

        if (!key_id_is_valid(key_id, strlen(key_id)))
                return -EINVAL;
        if (len > SIZE_MAX / 4)
                return -EOVERFLOW;
        r = envelope_sign(seed, domain, payload, len, &signature);
        if (r < 0)
                return r;

        size = FORM_SIZE + strlen(key_id) + SIGNATURE_TEXT_SIZE +
               sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        json = malloc(size);
        if (!json)
                return -ENOMEM;
        p = append(json, FORM_PAYLOAD, strlen(FORM_PAYLOAD));
        p = append_b64url(p, payload, len);
        p = append(p, FORM_KEY, strlen(FORM_KEY));
        p = append(p, key_id, strlen(key_id));
        p = append(p, FORM_SIGNATURE, strlen(FORM_SIGNATURE));
        p = append_b64url(p, signature.bytes, sizeof(signature.bytes));
        p = append(p, FORM_END, sizeof(FORM_END));
        *ret_json = json;
        *ret_len = (size_t) (p - json) - 1;
        return 0;
}

typedef struct EnvelopeParts {
        const char *payload;
        size_t payload_len;
        char key_id[KEY_ID_MAX + 1];
        Signature signature;
} EnvelopeParts;

/* Takes a literal, or everything up to the next quotation mark, from the front of what is left. */
static bool take_literal(const char **s, size_t *len, const char *literal) {
        size_t n = strlen(literal);

        if (*len < n || memcmp(*s, literal, n) != 0)
                return false;
        *s += n;
        *len -= n;
        return true;
}

static bool take_value(const char **s, size_t *len, const char **ret, size_t *ret_len) {
        const char *end = memchr(*s, '"', *len);

        if (!end)
                return false;
        *ret = *s;
        *ret_len = (size_t) (end - *s);
        *s = end;
        *len -= *ret_len;
        return true;
}

/* Our encoder writes one form and that is the only one read: there is no second way to write the same
 * envelope. */
static int envelope_split(const char *json, size_t len, EnvelopeParts *ret) {
        _cleanup_free_ uint8_t *signature = NULL;
        const char *key_id, *text;
        size_t key_id_len, text_len, signature_len;
        int r;

        if (!take_literal(&json, &len, FORM_PAYLOAD) ||
            !take_value(&json, &len, &ret->payload, &ret->payload_len) ||
            !take_literal(&json, &len, FORM_KEY) || !take_value(&json, &len, &key_id, &key_id_len) ||
            !take_literal(&json, &len, FORM_SIGNATURE) || !take_value(&json, &len, &text, &text_len) ||
            !take_literal(&json, &len, FORM_END) || len != 0)
                return -EBADMSG;
        if (!key_id_is_valid(key_id, key_id_len) || text_len != SIGNATURE_TEXT_SIZE)
                return -EBADMSG;
        r = b64url_decode(text, text_len, &signature, &signature_len);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        if (signature_len != SIGNATURE_SIZE)
                return -EBADMSG;
        memcpy(ret->signature.bytes, signature, SIGNATURE_SIZE);
        memcpy(ret->key_id, key_id, key_id_len);
        ret->key_id[key_id_len] = '\0';
        return 0;
}

int envelope_decode(const char *json, size_t len, const char *domain, EnvelopeKeyLookup lookup,
                    void *userdata, uint8_t **ret_payload, size_t *ret_len) {
        _cleanup_free_ uint8_t *payload = NULL;
        const PublicKey *key;
        EnvelopeParts parts;
        size_t payload_len;
        int r;

        assert((json || len == 0) && domain && lookup && ret_payload && ret_len);

        if (len == 0)
                return -EBADMSG;
        r = envelope_split(json, len, &parts);
        if (r < 0)
                return r;
        key = lookup(parts.key_id, userdata);
        if (!key)
                return -ENOKEY;
        r = b64url_decode(parts.payload, parts.payload_len, &payload, &payload_len);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        r = envelope_verify(key, domain, payload, payload_len, &parts.signature);
        if (r < 0)
                return r;
        *ret_payload = TAKE(payload);
        *ret_len = payload_len;
        return 0;
}
