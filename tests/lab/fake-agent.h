/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "crypto/reqsign.h"
#include "crypto/token.h"
#include "httpc/httpc.h"

/* Agents without a network: the protocol of docs/protocol.md, well and badly spoken, for tests and
 * benchmarks. What an agent needs to come again is one file per agent in the state folder: "0", "1" … */

#define STATE_MAX (64U * 1024)
#define API "/api/v1/agent/"

typedef struct FakeAgent {
        char *path; /* of its state */
        char *url, *ca_pem, *controller_id, *node_id;
        Secret *identity;
        PublicKey signing_key;
        char *signing_key_id;
        uint64_t epoch, sequence;
} FakeAgent;

FakeAgent *fake_agent_free(FakeAgent *a);
DEFINE_CLEANUP(FakeAgent *, fake_agent_free);

int fake_agent_save(const FakeAgent *a) _nodiscard_;
/* Reads agent number n and counts its epoch up, on disk. */
int fake_agent_load(const char *folder, unsigned n, FakeAgent **ret) _nodiscard_;
/* The lowest number that no agent has. */
unsigned fake_agent_next(const char *folder);

/* A request, in pieces that a test can alter after it was signed. */
typedef struct FakeRequest {
        char method[8];
        char path[64];
        char query[1024];
        char body[1024];
        RequestSignatureHeaders headers;
        const char *without; /* leaves out this header */
        const char *twice;   /* sends this header twice */
} FakeRequest;

/* Signs with the next sequence number, or with the one that is given (0: the next). */
int fake_request_sign(FakeAgent *a, FakeRequest *q, uint64_t epoch, uint64_t sequence) _nodiscard_;
/* Sends it. *ret_code: member "code" of a refusal, "" otherwise; *ret_min: its member "min", or 0. */
int fake_request_send(const FakeAgent *a, const FakeRequest *q, unsigned *ret_status,
                      char ret_code[static 64], uint64_t *ret_min) _nodiscard_;
int fake_report(FakeAgent *a, FakeRequest *ret) _nodiscard_; /* a report, not signed yet */

typedef struct FakeArguments {
        const char *state, *token_file, *name;
        unsigned count, parallel, seconds, agent;
        bool verbose, twice;
        char **prefixes;
        const char *endpoint;
} FakeArguments;

/* The modes; each returns what main() returns. */
int fake_join(const FakeArguments *args);
int fake_stream(const FakeArguments *args);
int fake_replay(const FakeArguments *args);
int fake_record(const FakeArguments *args);
int fake_replay_recorded(const FakeArguments *args);
