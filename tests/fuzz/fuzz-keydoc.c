/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "agentd/keydoc.h"
#include "base/strutil.h"

#define CONTROLLER "00112233445566778899aabbccddeeff"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static Secret *root;
static KeyDocTrust trust = { .controller_id = CONTROLLER };

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        static uint8_t bytes[KEY_SIZE] = { 1 };
        PublicKey public;

        if (crypto_setup() < 0 || secret_new_take(bytes, &root) < 0 || identity_public(root, &public) < 0)
                abort();
        root_keys_digest(&public, 1, &trust.root_keys);
        return 0;
}

static int verify(const char *text, size_t len) {
        const char *reason = NULL;
        KeyDoc k = { 0 };
        int r;

        r = keydoc_verify(text, len, &trust, &k, &reason);
        if (r < 0 && !reason)
                abort();
        if (r >= 0 && (!streq(k.controller_id, CONTROLLER) || k.n_keys == 0))
                abort();
        keydoc_done(&k);
        return r;
}

/* The input as it comes from the network, from whoever is there; and as what the root keys have signed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *p = NULL, *k = NULL, *s = NULL, *text = NULL;
        Signature signature;
        PublicKey public;

        (void) verify((const char *) data, size);
        if (identity_public(root, &public) < 0 ||
            envelope_sign(root, DOMAIN_KEYDOC, data, size, &signature) < 0 ||
            b64url_encode(data, size, &p) < 0 || b64url_encode(public.bytes, KEY_SIZE, &k) < 0 ||
            b64url_encode(signature.bytes, SIGNATURE_SIZE, &s) < 0)
                abort();
        text = str_printf("{\"p\":\"%s\",\"sigs\":[{\"k\":\"%s\",\"s\":\"%s\"}]}", p, k, s);
        if (!text)
                abort();
        (void) verify(text, strlen(text));
        return 0;
}
