/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "crypto/crypto.h"
#include "crypto/token.h"

#define KEYDOC_BYTES_MAX (64 * 1024)
#define KEYDOC_ROOTS_MAX 8
#define KEYDOC_SIGNING_MAX 16
#define KEYDOC_KID_MAX 64
#define CONTROLLER_ID_SIZE 33

/* The controller's key document (docs/protocol.md section 1, M0): which keys may sign what the agent obeys.
 */
typedef struct KeyDoc {
        char controller_id[CONTROLLER_ID_SIZE];
        uint64_t epoch, serial;
        struct {
                char id[KEYDOC_KID_MAX];
                PublicKey key;
                uint64_t not_before, not_after; /* seconds, 0: no limit */
        } keys[KEYDOC_SIGNING_MAX];
        size_t n_keys;
        char *ca_pem; /* one after the other; NULL: the machine's own CA store decides */
} KeyDoc;

void keydoc_done(KeyDoc *k);

/* What it must agree with: from the token at enrolment, later from what is on disk. */
typedef struct KeyDocTrust {
        const char *controller_id; /* 32 hexadecimal digits */
        Digest root_keys;
        const Digest *ca_pins;
        size_t n_ca_pins; /* 0: no pin is asked for */
        uint64_t min_serial;
} KeyDocTrust;

/* -EBADMSG: not a key document, or not signed. -EKEYREJECTED: of another controller, or with other roots or
 * CA. -ESTALE: older than one that was seen. *ret_reason is static. */
int keydoc_verify(const char *json, size_t len, const KeyDocTrust *trust, KeyDoc *ret,
                  const char **ret_reason) _nodiscard_;
const PublicKey *keydoc_find(const KeyDoc *k, const char *key_id);
