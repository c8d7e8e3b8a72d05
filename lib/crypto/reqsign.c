/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <sodium.h>
#include <stdio.h>

#include "base/buffer.h"
#include "base/strutil.h"
#include "crypto/reqsign.h"

/* The constant form of the profile. Nothing else is accepted, so nothing else has to be understood. */
#define COMPONENTS "(\"@method\" \"@path\" \"@query\" \"content-digest\" \"sdwan-aud\" \"sdwan-seq\")"
#define FORM_CREATED ";created="
#define FORM_KEYID ";keyid=\""
#define FORM_END "\";alg=\"ed25519\";tag=\"sdwan-agent-v1\""
#define LABEL "sdwan="
#define DIGEST_PREFIX "sha-256=:"
#define CONTROLLER_ID_DIGITS 32
#define DECIMAL_MAX 20
#define CREATED_MAX UINT64_C(999999999999999) /* sf-integer, RFC 8941 */
#define METHOD_MAX 16
#define TARGET_MAX 65536

static bool is_hex(const char *s, size_t len) {
        return strlen(s) == len && strspn(s, "0123456789abcdef") == len;
}

/* What stands in a line of the signature base may not end that line. */
static bool is_visible_ascii(const char *s, size_t max) {
        size_t len = strnlen(s, max + 1);

        if (len > max)
                return false;
        for (size_t i = 0; i < len; i++)
                if (s[i] <= ' ' || s[i] >= 0x7f)
                        return false;
        return true;
}

static bool input_is_valid(const RequestSignatureInput *in) {
        return in->method[0] != '\0' && is_visible_ascii(in->method, METHOD_MAX) && in->path[0] == '/' &&
               is_visible_ascii(in->path, TARGET_MAX) && is_visible_ascii(in->query, TARGET_MAX) &&
               is_hex(in->controller_id, CONTROLLER_ID_DIGITS);
}

static void content_digest(const RequestSignatureInput *in, char ret[static REQSIGN_HEADER_MAX]) {
        char text[B64_SIZE(DIGEST_SIZE)];
        Digest digest;

        digest_sha256(in->body, in->body_len, &digest);
        b64_encode(digest.bytes, sizeof(digest.bytes), text);
        (void) snprintf(ret, REQSIGN_HEADER_MAX, DIGEST_PREFIX "%s:", text);
}

/* RFC 9421 section 2.5. The headers are those that go out, or those that came in and were found to be of our
 * form. */
static int signature_base(const RequestSignatureInput *in, const RequestSignatureHeaders *h, Buffer *ret) {
        return buffer_appendf(ret,
                              "\"@method\": %s\n"
                              "\"@path\": %s\n"
                              "\"@query\": ?%s\n"
                              "\"content-digest\": %s\n"
                              "\"sdwan-aud\": %s\n"
                              "\"sdwan-seq\": %s\n"
                              "\"@signature-params\": %s",
                              in->method, in->path, in->query, h->content_digest, h->audience, h->sequence,
                              h->signature_input + strlen(LABEL));
}

int request_sign(const Secret *identity, const char *node_id, unsigned identity_generation, uint64_t epoch,
                 uint64_t sequence, uint64_t created_sec, const RequestSignatureInput *in,
                 RequestSignatureHeaders *ret) {
        uint8_t public_key[KEY_SIZE], expanded[crypto_sign_SECRETKEYBYTES];
        _cleanup_buffer_ Buffer base = { 0 };
        char text[B64_SIZE(SIGNATURE_SIZE)];
        RequestSignatureHeaders h = { 0 };
        Signature signature;
        int r;

        assert(identity && node_id && in && ret);

        if (!input_is_valid(in) || !is_hex(node_id, NODE_ID_SIZE - 1) || created_sec > CREATED_MAX)
                return -EINVAL;

        content_digest(in, h.content_digest);
        (void) snprintf(h.audience, sizeof(h.audience), "%s", in->controller_id);
        (void) snprintf(h.sequence, sizeof(h.sequence), "%llu.%llu", (unsigned long long) epoch,
                        (unsigned long long) sequence);
        (void) snprintf(h.signature_input, sizeof(h.signature_input),
                        LABEL COMPONENTS FORM_CREATED "%llu" FORM_KEYID "%s/%u" FORM_END,
                        (unsigned long long) created_sec, node_id, identity_generation);

        r = signature_base(in, &h, &base);
        if (r < 0)
                return r;
        r = crypto_sign_seed_keypair(public_key, expanded, secret_bytes(identity));
        if (r == 0)
                r = crypto_sign_detached(signature.bytes, NULL, base.data, base.len, expanded);
        sodium_memzero(expanded, sizeof(expanded));
        if (r < 0)
                return -EIO;
        b64_encode(signature.bytes, sizeof(signature.bytes), text);
        (void) snprintf(h.signature, sizeof(h.signature), LABEL ":%s:", text);
        *ret = h;
        return 0;
}

static bool take_literal(const char **s, const char *literal) {
        size_t n = strlen(literal);

        if (strncmp(*s, literal, n) != 0)
                return false;
        *s += n;
        return true;
}

static bool take_decimal(const char **s, uint64_t max, uint64_t *ret) {
        size_t n = strspn(*s, "0123456789");
        char digits[DECIMAL_MAX + 1];

        if (n == 0 || n > DECIMAL_MAX)
                return false;
        memcpy(digits, *s, n);
        digits[n] = '\0';
        if (parse_u64(digits, max, ret) < 0)
                return false;
        *s += n;
        return true;
}

static bool take_node_id(const char **s, char ret[static NODE_ID_SIZE]) {
        if (strspn(*s, "0123456789abcdef") != NODE_ID_SIZE - 1)
                return false;
        memcpy(ret, *s, NODE_ID_SIZE - 1);
        ret[NODE_ID_SIZE - 1] = '\0';
        *s += NODE_ID_SIZE - 1;
        return true;
}

static bool headers_are_strings(const RequestSignatureHeaders *h) {
        return memchr(h->content_digest, '\0', REQSIGN_HEADER_MAX) &&
               memchr(h->audience, '\0', REQSIGN_HEADER_MAX) &&
               memchr(h->sequence, '\0', REQSIGN_HEADER_MAX) &&
               memchr(h->signature_input, '\0', REQSIGN_HEADER_MAX) &&
               memchr(h->signature, '\0', REQSIGN_HEADER_MAX);
}

int request_claims(const RequestSignatureHeaders *headers, RequestSignatureClaims *ret) {
        RequestSignatureClaims claims = { 0 };
        uint64_t generation;
        const char *s;

        assert(headers && ret);

        if (!headers_are_strings(headers))
                return -EBADMSG;
        s = headers->signature_input;
        if (!take_literal(&s, LABEL COMPONENTS FORM_CREATED) ||
            !take_decimal(&s, CREATED_MAX, &claims.created_sec) || !take_literal(&s, FORM_KEYID) ||
            !take_node_id(&s, claims.node_id) || !take_literal(&s, "/") ||
            !take_decimal(&s, UINT32_MAX, &generation) || !take_literal(&s, FORM_END) || *s != '\0')
                return -EBADMSG;
        claims.identity_generation = (unsigned) generation;

        s = headers->sequence;
        if (!take_decimal(&s, UINT64_MAX, &claims.epoch) || !take_literal(&s, ".") ||
            !take_decimal(&s, UINT64_MAX, &claims.sequence) || *s != '\0')
                return -EBADMSG;
        *ret = claims;
        return 0;
}

static int signature_decode(const char *s, Signature *ret) {
        char text[B64_SIZE(SIGNATURE_SIZE)];

        if (!take_literal(&s, LABEL ":") || strlen(s) != sizeof(text) || s[sizeof(text) - 1] != ':')
                return -EBADMSG;
        memcpy(text, s, sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        return b64_decode_exact(text, ret->bytes, sizeof(ret->bytes)) < 0 ? -EBADMSG : 0;
}

int request_verify(const PublicKey *identity, const RequestSignatureInput *in,
                   const RequestSignatureHeaders *headers, RequestSignatureClaims *ret) {
        _cleanup_buffer_ Buffer base = { 0 };
        char digest[REQSIGN_HEADER_MAX];
        RequestSignatureClaims claims;
        Signature signature;
        int r;

        assert(identity && in && headers && ret);

        if (!input_is_valid(in))
                return -EBADMSG;
        r = request_claims(headers, &claims);
        if (r < 0)
                return r;
        if (!streq(headers->audience, in->controller_id))
                return -EBADMSG;
        content_digest(in, digest);
        if (!streq(headers->content_digest, digest))
                return -EBADMSG;
        r = signature_decode(headers->signature, &signature);
        if (r < 0)
                return r;

        r = signature_base(in, headers, &base);
        if (r < 0)
                return r;
        if (crypto_sign_verify_detached(signature.bytes, base.data, base.len, identity->bytes) < 0)
                return -EBADMSG;
        *ret = claims;
        return 0;
}

#define REPLAY_WINDOW_SIZE 64

bool replay_window_accept(ReplayWindow *w, uint64_t epoch, uint64_t sequence) {
        assert(w);

        if (epoch < w->epoch)
                return false;
        if (epoch > w->epoch) {
                *w = (ReplayWindow) { .epoch = epoch, .highest = sequence, .bitmap = 1 };
                return true;
        }
        if (sequence > w->highest) {
                uint64_t shift = sequence - w->highest;

                w->bitmap = shift < REPLAY_WINDOW_SIZE ? w->bitmap << shift | 1 : 1;
                w->highest = sequence;
                return true;
        }
        if (w->highest - sequence >= REPLAY_WINDOW_SIZE)
                return false;
        if (w->bitmap & UINT64_C(1) << (w->highest - sequence))
                return false;
        w->bitmap |= UINT64_C(1) << (w->highest - sequence);
        return true;
}

void replay_window_restore(ReplayWindow *w, uint64_t epoch, uint64_t ceiling) {
        assert(w);
        *w = (ReplayWindow) { .epoch = epoch, .highest = ceiling, .bitmap = UINT64_MAX };
}
