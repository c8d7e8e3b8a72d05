/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"
#include "crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static Secret *seed;
static PublicKey public;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        static uint8_t bytes[KEY_SIZE] = { 1 };

        if (crypto_setup() < 0 || secret_new_take(bytes, &seed) < 0 || identity_public(seed, &public) < 0)
                abort();
        return 0;
}

static const PublicKey *lookup(const char *key_id, void *userdata) {
        return streq(key_id, "ck-1") ? &public : NULL;
}

/* The input as an envelope: one that is accepted is what encoding its payload again gives, byte for byte.
 * The input as a payload: it comes back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *payload = NULL, *back = NULL;
        _cleanup_free_ char *json = NULL, *again = NULL;
        size_t len, json_len, again_len, back_len;
        int r;

        r = envelope_decode((const char *) data, size, DOMAIN_BATCH, lookup, NULL, &payload, &len);
        if (r == 0) {
                if (envelope_encode(seed, "ck-1", DOMAIN_BATCH, payload, len, &again, &again_len) < 0)
                        abort();
                if (again_len != size || memcmp(again, data, size) != 0)
                        abort();
        } else if (r != -EBADMSG && r != -ENOKEY && r != -ENOMEM)
                abort();

        if (envelope_encode(seed, "ck-1", DOMAIN_BATCH, data, size, &json, &json_len) < 0)
                abort();
        if (envelope_decode(json, json_len, DOMAIN_BATCH, lookup, NULL, &back, &back_len) < 0)
                abort();
        if (back_len != size || (size > 0 && memcmp(back, data, size) != 0))
                abort();
        return 0;
}
