/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"

/* The one way in which the configuration changes: validate against the model, compile the touched items of
 * topics, write one transaction, and only when it is durable apply it to the model, publish the topics and
 * answer. Changes run one after the other: prepare() of the next one is called when the one before is
 * applied, so that it always sees the newest model. */

typedef struct Change Change;

typedef struct ChangeRequest {
        const char *actor; /* "user:alice", "bus:uid 0", "node:<id>", "token:<id>"; copied */
        /* Looks at the model and says what changes, by change_add() and change_tombstone(). 0; negative
         * errno refuses: nothing is written and done() gets it, with what prepare() left in *change_error().
         * Called once. */
        int (*prepare)(Manager *m, Change *c, void *userdata);
        /* After everything is applied and published, or refused. */
        void (*done)(Manager *m, int result, const FieldError *error, uint64_t revision, void *userdata);
        void *userdata; /* owned by the callbacks: done() frees it */
} ChangeRequest;

/* -EBUSY: CHANGE_QUEUE_MAX are waiting (answer 503). */
#define CHANGE_QUEUE_MAX 1024
int change_submit(Manager *m, const ChangeRequest *request) _nodiscard_;

/* Within prepare(). before: an object of the model, NULL for a new one; after: taken, NULL for a deletion.
 * Runs model_check(); -EINVAL, -EEXIST, -EBUSY with *change_error() set. Later additions of one change see
 * earlier ones where it matters: an object and those that refer to it may be added together, in the order of
 * the kinds. */
int change_add(Change *c, const Object *before, Object *after) _nodiscard_;
int change_tombstone(Change *c, const char *key) _nodiscard_;
int change_enrolment(Change *c, const char *token_id, const char *identity_hex, const char *idem,
                     const char *node_id) _nodiscard_;
/* A node with its uplinks and prefixes; tombstones its id, identity and WireGuard key (in hexadecimal). */
int change_remove_node(Change *c, const Node *n) _nodiscard_;
FieldError *change_error(Change *c);

/* For the manager: the queue itself. Freeing it refuses what waits with -ESHUTDOWN. */
int change_queue_new(Manager *m, ChangeQueue **ret) _nodiscard_;
ChangeQueue *change_queue_free(ChangeQueue *q);
size_t change_queue_length(const ChangeQueue *q);
/* The first change of a run: brings the stored items of topics to what this version of the compiler makes of
 * the model. */
int change_recompile(Manager *m, void (*done)(Manager *m, int result, void *userdata),
                     void *userdata) _nodiscard_;
