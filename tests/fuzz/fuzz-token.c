/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"
#include "crypto/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        return crypto_setup();
}

/* What is accepted is encoded again, and then is the same token. */
static void check(const char *text) {
        _cleanup_(enrol_token_freep) EnrolToken *t = NULL, *again = NULL;
        _cleanup_free_ char *encoded = NULL;
        const char *reason = NULL;
        int r;

        r = enrol_token_decode(text, &t, &reason);
        if (r < 0) {
                if (!reason)
                        abort();
                return;
        }
        if (enrol_token_encode(t, &encoded) < 0 || enrol_token_decode(encoded, &again, NULL) < 0 ||
            !crypto_equal(secret_bytes(t->seed), secret_bytes(again->seed), KEY_SIZE) ||
            t->not_after_sec != again->not_after_sec || t->n_ca_pins != again->n_ca_pins ||
            strv_length(t->urls) != strv_length(again->urls))
                abort();
}

/* The input as it is, and as the JSON inside of a token whose check digits are right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL, *b64 = NULL, *head = NULL, *token = NULL;
        Digest digest;
        char sum[9];

        text = strndup((const char *) data, size);
        if (!text || b64url_encode(data, size, &b64) < 0)
                return 0;
        check(text);
        head = str_printf("sdwan1.%s", b64);
        if (!head)
                return 0;
        digest_blake2b(head, strlen(head), &digest);
        hex_encode(digest.bytes, 4, sum);
        token = str_printf("%s.%s", head, sum);
        if (token)
                check(token);
        return 0;
}
