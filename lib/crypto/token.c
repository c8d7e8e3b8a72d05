/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sodium.h>

#include "base/buffer.h"
#include "base/strutil.h"
#include "crypto/token.h"
#include "json/json.h"

#define TOKEN_PREFIX "sdwan1."
#define TOKEN_VERSION 1
#define CHECKSUM_DIGITS 8
#define URL_MAX 256
#define SEED_TEXT_SIZE 43
#define SEED_MEMBER "\"s\":\""

EnrolToken *enrol_token_free(EnrolToken *t) {
        if (!t)
                return NULL;
        strv_free(t->urls);
        (void) secret_free(t->seed);
        sodium_memzero(t, sizeof(*t));
        return mfree(t);
}

static void checksum(const char *s, size_t len, char ret[static CHECKSUM_DIGITS + 1]) {
        Digest digest;

        digest_blake2b(s, len, &digest);
        hex_encode(digest.bytes, CHECKSUM_DIGITS / 2, ret);
}

/* "https://host[:port]" of characters that need no escaping in JSON, and nothing behind it. */
static bool url_is_valid(const char *s) {
        static const char scheme[] = "https://";
        size_t len = strlen(s);

        if (len <= strlen(scheme) || len > URL_MAX || memcmp(s, scheme, strlen(scheme)) != 0)
                return false;
        s += strlen(scheme);
        return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]")] == '\0';
}

static bool urls_are_valid(char *const *urls) {
        size_t n = strv_length(urls);

        if (n == 0 || n > TOKEN_URLS_MAX)
                return false;
        STRV_FOREACH (url, urls)
                if (!url_is_valid(*url))
                        return false;
        return true;
}

static int add_pins(json_object *object, const EnrolToken *t) {
        _cleanup_(strv_freep) char **pins = NULL;
        int r;

        for (size_t i = 0; i < t->n_ca_pins; i++) {
                _cleanup_free_ char *text = NULL;

                r = b64url_encode(t->ca_pins[i].bytes, DIGEST_SIZE, &text);
                if (r < 0)
                        return r;
                r = strv_append(&pins, text);
                if (r < 0)
                        return r;
        }
        return json_add_strv(object, "ca", pins);
}

/* json-c does not wipe, so it never sees the seed: a seed of zeros stands in its place. */
static int token_to_json(const EnrolToken *t, char **ret, size_t *ret_len) {
        static const uint8_t no_seed[KEY_SIZE];
        _cleanup_json_ json_object *object = json_object_new_object();
        char *text;
        int r;

        if (!object)
                return -ENOMEM;
        r = json_add_u64(object, "v", TOKEN_VERSION);
        if (r < 0)
                return r;
        r = json_add_strv(object, "u", t->urls);
        if (r < 0)
                return r;
        r = json_add_b64url(object, "c", t->controller_id, sizeof(t->controller_id));
        if (r < 0)
                return r;
        r = json_add_b64url(object, "t", t->token_id, sizeof(t->token_id));
        if (r < 0)
                return r;
        r = json_add_b64url(object, "s", no_seed, sizeof(no_seed));
        if (r < 0)
                return r;
        r = add_pins(object, t);
        if (r < 0)
                return r;
        r = json_add_b64url(object, "rk", t->root_keys.bytes, DIGEST_SIZE);
        if (r < 0)
                return r;
        r = json_add_u64(object, "exp", t->not_after_sec);
        if (r < 0)
                return r;
        text = json_format(object, ret_len);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}

/* Where the text of the seed stands: the only place where this run of characters can be, because a quotation
 * mark within a string is escaped. NULL: nowhere. */
static char *find_seed(char *json, size_t len) {
        char *p = memmem(json, len, SEED_MEMBER, strlen(SEED_MEMBER));

        if (!p)
                return NULL;
        p += strlen(SEED_MEMBER);
        return (size_t) (json + len - p) >= SEED_TEXT_SIZE ? p : NULL;
}

int enrol_token_encode(const EnrolToken *t, char **ret) {
        char seed[SEED_TEXT_SIZE + 1], sum[CHECKSUM_DIGITS + 1], *json = NULL, *place, *token;
        size_t len, size, text_size;
        int r;

        assert(t && t->seed && ret);

        if (!urls_are_valid(t->urls) || t->n_ca_pins > TOKEN_PINS_MAX || t->not_after_sec > INT64_MAX)
                return -EINVAL;
        r = token_to_json(t, &json, &len);
        if (r < 0)
                return r;
        text_size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        size = strlen(TOKEN_PREFIX) + text_size + 1 + CHECKSUM_DIGITS;
        place = find_seed(json, len);
        token = place && size <= TOKEN_STRING_MAX ? malloc(size) : NULL;
        if (!token) {
                free(json);
                return !place ? -EINVAL : size > TOKEN_STRING_MAX ? -E2BIG : -ENOMEM;
        }

        sodium_bin2base64(seed, sizeof(seed), secret_bytes(t->seed), KEY_SIZE,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        memcpy(place, seed, SEED_TEXT_SIZE);
        sodium_memzero(seed, sizeof(seed));

        memcpy(token, TOKEN_PREFIX, strlen(TOKEN_PREFIX));
        sodium_bin2base64(token + strlen(TOKEN_PREFIX), text_size, (const uint8_t *) json, len,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        sodium_memzero(json, len);
        free(json);

        len = strlen(token);
        checksum(token, len, sum);
        token[len++] = '.';
        memcpy(token + len, sum, sizeof(sum));
        *ret = token;
        return 0;
}

typedef struct TokenFields {
        uint64_t version;
        char **urls;
        const char *controller_id, *token_id;
        uint8_t seed[KEY_SIZE];
        char **pins;
        uint8_t root_keys[DIGEST_SIZE];
        uint64_t not_after_sec;
} TokenFields;

static void token_fields_done(TokenFields *f) {
        strv_free(f->urls);
        strv_free(f->pins);
}

static const JsonField token_fields[] = {
        { "v", JSON_FIELD_U64, offsetof(TokenFields, version), JSON_REQUIRED },
        { "u", JSON_FIELD_STRV, offsetof(TokenFields, urls), JSON_REQUIRED },
        { "c", JSON_FIELD_STRING, offsetof(TokenFields, controller_id), JSON_REQUIRED },
        { "t", JSON_FIELD_STRING, offsetof(TokenFields, token_id), JSON_REQUIRED },
        { "s", JSON_FIELD_B64URL_32, offsetof(TokenFields, seed), JSON_REQUIRED },
        { "ca", JSON_FIELD_STRV, offsetof(TokenFields, pins), JSON_REQUIRED },
        { "rk", JSON_FIELD_B64URL_32, offsetof(TokenFields, root_keys), JSON_REQUIRED },
        { "exp", JSON_FIELD_U64, offsetof(TokenFields, not_after_sec), JSON_REQUIRED },
};

static int read_pins(char *const *pins, EnrolToken *t) {
        size_t n = strv_length(pins);

        if (n > TOKEN_PINS_MAX)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (b64url_decode_exact(pins[i], t->ca_pins[i].bytes, DIGEST_SIZE) < 0)
                        return -EINVAL;
        t->n_ca_pins = n;
        return 0;
}

/* Everything but the seed, for which zeros stand. */
static int token_from_json(const char *json, size_t len, EnrolToken *t) {
        _cleanup_(token_fields_done) TokenFields fields = { 0 };
        _cleanup_json_ json_object *object = NULL;
        int r;

        r = json_parse(json, len, 0, NULL, &object);
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        if (json_object_get_type(object) != json_type_object)
                return -EINVAL;
        r = json_dispatch(object, token_fields, ELEMENTSOF(token_fields), false, &fields, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        if (fields.version != TOKEN_VERSION || !urls_are_valid(fields.urls) ||
            fields.not_after_sec > INT64_MAX || !sodium_is_zero(fields.seed, sizeof(fields.seed)))
                return -EINVAL;
        if (b64url_decode_exact(fields.controller_id, t->controller_id, sizeof(t->controller_id)) < 0 ||
            b64url_decode_exact(fields.token_id, t->token_id, sizeof(t->token_id)) < 0)
                return -EINVAL;
        r = read_pins(fields.pins, t);
        if (r < 0)
                return r;
        memcpy(t->root_keys.bytes, fields.root_keys, DIGEST_SIZE);
        t->not_after_sec = fields.not_after_sec;
        t->urls = TAKE(fields.urls);
        return 0;
}

/* Takes the seed out of the text, and leaves zeros in its place. */
static int take_seed(char *json, size_t len, Secret **ret) {
        char *place = find_seed(json, len), text[SEED_TEXT_SIZE + 1];
        uint8_t seed[KEY_SIZE];
        int r;

        if (!place)
                return -EINVAL;
        memcpy(text, place, SEED_TEXT_SIZE);
        text[SEED_TEXT_SIZE] = '\0';
        memset(place, 'A', SEED_TEXT_SIZE);
        r = b64url_decode_exact(text, seed, sizeof(seed));
        sodium_memzero(text, sizeof(text));
        if (r < 0) {
                sodium_memzero(seed, sizeof(seed));
                return -EINVAL;
        }
        return secret_new_take(seed, ret);
}

static int token_decode_text(const char *text, size_t text_len, EnrolToken **ret) {
        _cleanup_(enrol_token_freep) EnrolToken *t = NULL;
        uint8_t *json;
        size_t len;
        int r;

        t = new(EnrolToken);
        if (!t)
                return -ENOMEM;
        r = b64url_decode(text, text_len, &json, &len);
        if (r < 0)
                return r;
        r = take_seed((char *) json, len, &t->seed);
        if (r == 0)
                r = token_from_json((char *) json, len, t);
        sodium_memzero(json, len);
        free(json);
        if (r < 0)
                return r;
        *ret = TAKE(t);
        return 0;
}

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int enrol_token_decode(const char *s, EnrolToken **ret, const char **ret_reason) {
        size_t len, prefix_len = strlen(TOKEN_PREFIX), text_len;
        char sum[CHECKSUM_DIGITS + 1];
        const char *reason = NULL;
        int r = -EINVAL;

        assert(s && ret);

        while (is_space(*s))
                s++;
        len = strnlen(s, TOKEN_STRING_MAX + 1024);
        while (len > 0 && is_space(s[len - 1]))
                len--;

        if (len < strlen("sdwan") || memcmp(s, "sdwan", strlen("sdwan")) != 0)
                reason = "this is not an enrolment token";
        else if (len < prefix_len || memcmp(s, TOKEN_PREFIX, prefix_len) != 0)
                reason = "the token is of a version that this program does not know";
        else if (len >= TOKEN_STRING_MAX)
                reason = "the token is too long";
        else if (len <= prefix_len + 1 + CHECKSUM_DIGITS || s[len - CHECKSUM_DIGITS - 1] != '.')
                reason = "the token is incomplete";
        else {
                text_len = len - CHECKSUM_DIGITS - 1 - prefix_len;
                checksum(s, len - CHECKSUM_DIGITS - 1, sum);
                if (memcmp(sum, s + len - CHECKSUM_DIGITS, CHECKSUM_DIGITS) != 0)
                        reason = "the token is mistyped (its check digits do not match)";
                else {
                        r = token_decode_text(s + prefix_len, text_len, ret);
                        if (r < 0)
                                reason = r == -ENOMEM ? "out of memory" : "the token is damaged";
                }
        }
        if (r < 0 && ret_reason)
                *ret_reason = reason;
        return r;
}

/* The next key in ascending order after *last (NULL: the first); equal keys count once. NULL: there is none.
 */
static const PublicKey *next_key(const PublicKey *keys, size_t n_keys, const PublicKey *last) {
        const PublicKey *best = NULL;

        for (size_t i = 0; i < n_keys; i++) {
                if (last && memcmp(keys[i].bytes, last->bytes, KEY_SIZE) <= 0)
                        continue;
                if (!best || memcmp(keys[i].bytes, best->bytes, KEY_SIZE) < 0)
                        best = keys + i;
        }
        return best;
}

void root_keys_digest(const PublicKey *keys, size_t n_keys, Digest *ret) {
        crypto_generichash_state state;
        const PublicKey *key;

        assert((keys || n_keys == 0) && ret);

        (void) crypto_generichash_init(&state, NULL, 0, DIGEST_SIZE);
        for (key = next_key(keys, n_keys, NULL); key; key = next_key(keys, n_keys, key))
                (void) crypto_generichash_update(&state, key->bytes, KEY_SIZE);
        (void) crypto_generichash_final(&state, ret->bytes, DIGEST_SIZE);
}
