/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/identity.h"
#include "agentd/keydoc.h"
#include "overlay/items.h"

/* The newest verified state of every topic on disk: one file per class, whose lines are the batches as the
 * controller signed them, after a first line that may be what was folded together, signed by this node. A
 * line is appended and synced before its batch is applied, so one batch costs one line, whatever the size of
 * the topic. A line that its crash cut off was never applied and is dropped; a file that is damaged in any
 * other way is not used at all. */

#define STATE_CLASSES 5 /* of TopicClass */
#define STATE_BYTES_MAX (64U * 1024 * 1024)

typedef struct StateTopic {
        char topic[TOPIC_MAX]; /* "": nothing known */
        uint64_t epoch, revision;
        uint64_t length;       /* bytes of whole lines */
        uint64_t first_length; /* of the first of them, which may be what was folded together */
        unsigned lines;
        /* As it was when the controller was last reached with it applied. */
        uint64_t confirmed_epoch, confirmed_revision, confirmed_length;
        unsigned confirmed_lines;
        bool has_undo; /* the confirmed content is in a file beside it */
        bool damaged;
} StateTopic;

typedef struct State {
        char *directory;
        const Identity *identity;
        const KeyDoc *keys;
        StateTopic topics[STATE_CLASSES];
} State;

State *state_free(State *s);
DEFINE_CLEANUP(State *, state_free);
int state_new(const char *directory, const Identity *identity, const KeyDoc *keys, State **ret) _nodiscard_;

/* A line of the stream to its batch. -EBADMSG: not signed by one of the keys, or not a batch of this
 * controller. -ENOKEY: signed by a key that is not in the key document. */
int state_verify_line(const State *s, const char *line, size_t len, Batch *ret,
                      const char **ret_reason) _nodiscard_;

/* Calls visit for every batch on disk, topic by topic. Returns 1 when a file was damaged (its topic counts
 * as unknown), else 0. */
int state_load(State *s, int (*visit)(const Batch *b, void *userdata), void *userdata) _nodiscard_;

/* -ESTALE: a rollback (an older revision or epoch). -EREMCHG: it builds on what is not here: connect again.
 * 1: known already. */
int state_check(const State *s, const Batch *b) _nodiscard_;
/* On disk when this returns 0. After a failure the revision is counted all the same: the batch is applied
 * from memory. */
int state_append(State *s, const Batch *b, const char *line, size_t len) _nodiscard_;

/* The controller was reached with all of it applied: no way back is kept. Folds long files. */
void state_confirm(State *s);
bool state_is_confirmed(const State *s);
/* Back to what was confirmed last. Afterwards everything is to be loaded anew. */
int state_undo(State *s) _nodiscard_;
/* Nothing known any more, on disk neither. */
int state_erase(State *s);
