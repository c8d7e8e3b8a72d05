/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/agent-answer.h"
#include "controld/enrolment.h"

/* Between enrolment.c (requests, signatures, answers) and enrolment-join.c (what a join changes). */

#define ENROLMENT_PREFIXES_MAX 100
#define TOKEN_ID_SIZE 8

/* One M2, from its arrival to its answer. */
typedef struct Join {
        HttpRequest *request;
        Digest body_hash;
        char token_id[2 * TOKEN_ID_SIZE + 1];
        PublicKey identity, wg_key;
        char identity_hex[2 * KEY_SIZE + 1], wg_key_hex[2 * KEY_SIZE + 1];
        char node_id[NODE_ID_SIZE];
        char idem[33];
        char name[NODE_NAME_MAX];
        char *os, *agent_version;
        Prefix *prefixes;
        size_t n_prefixes;
        Uplink *uplink; /* NULL: no endpoint was given */
        Refusal refusal;
        bool known; /* the identity has a node: perhaps of this very request, sent again */
} Join;

/* -EPERM with *ret: the token may not be used now (SECURITY.md B6: one answer for all reasons). */
int join_check_token(const Token *token, uint64_t now_usec, Refusal *ret) _nodiscard_;
int join_refuse_token(Refusal *ret);

/* prepare() of the change. */
int join_prepare(Manager *m, struct Change *c, void *userdata);
