/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "crypto/crypto.h"

/* The one RFC 9421 profile of agents' requests (SECURITY.md 2.5). The verifier compares the parameter list
 * byte for byte with the constant form and rebuilds the signature base: there is no structured-field parser.
 */

#define REQSIGN_HEADER_MAX 512

typedef struct RequestSignatureHeaders {
        char content_digest[REQSIGN_HEADER_MAX];  /* Content-Digest: sha-256=:…: */
        char audience[REQSIGN_HEADER_MAX];        /* Sdwan-Aud: controller id, 32 hexadecimal digits */
        char sequence[REQSIGN_HEADER_MAX];        /* Sdwan-Seq: <epoch>.<seq> */
        char signature_input[REQSIGN_HEADER_MAX]; /* Signature-Input */
        char signature[REQSIGN_HEADER_MAX];       /* Signature */
} RequestSignatureHeaders;

typedef struct RequestSignatureInput {
        const char *method; /* "GET" */
        const char *path;   /* "/api/v1/agent/stream" */
        const char *query;  /* without '?'; "" when there is none */
        const void *body;
        size_t body_len;
        const char *controller_id; /* 32 hexadecimal digits */
} RequestSignatureInput;

int request_sign(const Secret *identity, const char *node_id, unsigned identity_generation, uint64_t epoch,
                 uint64_t sequence, uint64_t created_sec, const RequestSignatureInput *in,
                 RequestSignatureHeaders *ret) _nodiscard_;

/* Step one, before any key is known: reads key id, epoch and sequence. -EBADMSG: not of our form. Nothing
 * that it returns is to be trusted before request_verify(). node_id needs NODE_ID_SIZE bytes. */
typedef struct RequestSignatureClaims {
        char node_id[NODE_ID_SIZE];
        unsigned identity_generation;
        uint64_t epoch;
        uint64_t sequence;
        uint64_t created_sec;
} RequestSignatureClaims;
int request_claims(const RequestSignatureHeaders *headers, RequestSignatureClaims *ret) _nodiscard_;

/* -EBADMSG: audience, digest or signature do not match. */
int request_verify(const PublicKey *identity, const RequestSignatureInput *in,
                   const RequestSignatureHeaders *headers, RequestSignatureClaims *ret) _nodiscard_;

/* Replay window of one node. { 0 } has seen nothing. */
typedef struct ReplayWindow {
        uint64_t epoch;
        uint64_t highest;
        uint64_t bitmap; /* bit n: highest - n was seen */
} ReplayWindow;

/* True and recorded when new; false when seen, or too old to know. */
bool replay_window_accept(ReplayWindow *w, uint64_t epoch, uint64_t sequence);
/* What a controller that starts again knows: everything up to ceiling counts as seen. */
void replay_window_restore(ReplayWindow *w, uint64_t epoch, uint64_t ceiling);
