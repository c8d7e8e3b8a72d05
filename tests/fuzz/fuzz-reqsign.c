/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/strutil.h"
#include "crypto/reqsign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define CONTROLLER "00112233445566778899aabbccddeeff"
#define NODE "2b3a034497dc0dbea64ddb8bfe5014dd2226b4f7ab5fd3975bcbefa6cb5362c5"

static Secret *identity;
static PublicKey public;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        static uint8_t seed[KEY_SIZE] = { 1 };

        if (crypto_setup() < 0 || secret_new_take(seed, &identity) < 0 ||
            identity_public(identity, &public) < 0)
                abort();
        return 0;
}

/* The headers, one on each line. "=" stands for what request_sign() makes, so that a verifier which looks at
 * one header too few is found: nothing but all five as they were made may be accepted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const RequestSignatureInput in = { "GET",     "/api/v1/agent/stream", "have=a@1", "", 0,
                                                  CONTROLLER };
        RequestSignatureHeaders made, h;
        RequestSignatureClaims claims, verified;
        char *fields[] = { h.content_digest, h.audience, h.sequence, h.signature_input, h.signature };
        const char *originals[] = { made.content_digest, made.audience, made.sequence, made.signature_input,
                                    made.signature };
        const char *s = (const char *) data, *end = s + size;
        bool same = true;
        int r;

        if (request_sign(identity, NODE, 1, 3, 42, 1790000000, &in, &made) < 0)
                abort();
        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                const char *lf = memchr(s, '\n', (size_t) (end - s));
                size_t len = (size_t) ((lf ? lf : end) - s);

                if (len == 1 && *s == '=')
                        strcpy(fields[i], originals[i]);
                else
                        (void) snprintf(fields[i], REQSIGN_HEADER_MAX, "%.*s", (int) MIN(len, (size_t) 600),
                                        s);
                same = same && streq(fields[i], originals[i]);
                s = lf ? lf + 1 : end;
        }

        r = request_claims(&h, &claims);
        if (r < 0 && r != -EBADMSG)
                abort();
        if (r == 0 && strlen(claims.node_id) != NODE_ID_SIZE - 1)
                abort();
        r = request_verify(&public, &in, &h, &verified);
        if ((r == 0) != same)
                abort();
        return 0;
}
