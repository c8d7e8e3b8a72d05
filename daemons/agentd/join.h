/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/manager.h"
#include "crypto/token.h"

/* M0 to M3 of docs/protocol.md section 1, from the agent's side. */
typedef enum JoinError {
        JOIN_OK,
        JOIN_TOKEN_INVALID,
        JOIN_TOKEN_MALFORMED,
        JOIN_CONTROLLER_MISMATCH,
        JOIN_ALREADY_JOINED,
        JOIN_PREFIX_REFUSED,
        JOIN_POOL_EXHAUSTED,
        JOIN_UNREACHABLE,
        JOIN_BUSY,
        JOIN_FAILED, /* on this side: no disk, no memory */
} JoinError;

typedef struct JoinOptions {
        char **prefixes;
        char *endpoint, *name; /* NULL: none, the host's */
} JoinOptions;
void join_options_done(JoinOptions *o);

typedef void (*JoinDone)(JoinError error, const char *text, void *userdata);

/* Takes token and options. done is called once, not from within; the Join is freed after it. -EALREADY: one
 * is under way. */
int join_start(Manager *m, EnrolToken *token, JoinOptions *options, JoinDone done,
               void *userdata) _nodiscard_;
Join *join_free(Join *j); /* without calling done */
DEFINE_CLEANUP(Join *, join_free);
int join_erase(const char *directory);
