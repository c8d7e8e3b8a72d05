/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "schema/schema.h"
#include "service/worker.h"

/* The database of the controller. Opening and loading happen before the daemon is ready and block;
 * afterwards every write is one transaction on the store's worker thread, and its result comes back through
 * the event loop. */

typedef struct Store Store;

/* What store_open() found; each has its own words for the operator in *ret_message (new memory) and its own
 * exit status in the daemon. Nothing is changed on disk in any of these cases. */
typedef enum StoreProblem {
        STORE_OK,
        STORE_NEWER,   /* written by a newer version */
        STORE_DAMAGED, /* quick_check failed, not a database, or a foreign one */
        STORE_FULL,    /* no space */
        STORE_ACCESS,  /* wrong mode, owner, or a read-only file system */
        STORE_OTHER,
} StoreProblem;

/* Opens or (only when there is no file) creates the database, checks it, migrates after a backup beside it
 * (<path>.before-v<N>). PRAGMA journal_mode=WAL, synchronous=FULL, foreign_keys=ON. Negative errno with
 * *ret_problem and *ret_message set. */
int store_open(const char *path, const Kind *const *kinds, size_t n_kinds, Worker *worker,
               StoreProblem *ret_problem, char **ret_message, Store **ret) _nodiscard_;
/* While transactions are under way the last of them frees it: free the worker first. */
Store *store_free(Store *s);
DEFINE_CLEANUP(Store *, store_free);

/* Loading, in the order of the kinds: the callback owns the object. A negative return stops and is returned.
 */
int store_load_objects(Store *s, int (*callback)(Object *o, void *userdata), void *userdata) _nodiscard_;
int store_load_topic_items(Store *s,
                           int (*callback)(const char *topic, const char *item, uint64_t revision,
                                           const char *data /* NULL: tombstone */, void *userdata),
                           void *userdata) _nodiscard_;
int store_load_agent_sequences(Store *s,
                               int (*callback)(const char *node, uint64_t epoch, uint64_t ceiling,
                                               void *userdata),
                               void *userdata) _nodiscard_;
/* Keys that may never join again: node ids, identity and WireGuard keys in hexadecimal. */
int store_load_tombstones(Store *s, int (*callback)(const char *key, void *userdata),
                          void *userdata) _nodiscard_;
uint64_t store_revision(const Store *s);

/* A setting that is written once (controller id, key serial, restore epoch). *ret: new memory; -ENOENT. */
int store_get_meta(Store *s, const char *key, char **ret) _nodiscard_;
int store_set_meta(Store *s, const char *key, const char *value) _nodiscard_; /* blocks: only before READY */

/* One change to the configuration: filled on the main thread, rendered to rows there, so that the worker
 * never reads the model. */
typedef struct StoreTransaction StoreTransaction;
int store_transaction_new(Store *s, uint64_t expected_revision, uint64_t at_usec, const char *actor,
                          StoreTransaction **ret) _nodiscard_;
StoreTransaction *store_transaction_free(StoreTransaction *t);
DEFINE_CLEANUP(StoreTransaction *, store_transaction_free);
/* before NULL: create; after NULL: delete. Writes the row and its record in "change" (with the difference).
 */
int store_transaction_object(StoreTransaction *t, const Object *before, const Object *after) _nodiscard_;
int store_transaction_topic_item(StoreTransaction *t, const char *topic, const char *item, uint64_t revision,
                                 const char *data) _nodiscard_;
int store_transaction_tombstone(StoreTransaction *t, const char *key) _nodiscard_;
/* Does not count as a change: no revision, no record. */
int store_transaction_agent_sequence(StoreTransaction *t, const char *node, uint64_t epoch,
                                     uint64_t ceiling) _nodiscard_;
/* Remembers the answer of an enrolment, so that the same request again gets the same answer. */
int store_transaction_enrolment(StoreTransaction *t, const char *token_id, const char *identity_hex,
                                const char *idem, const char *node_id) _nodiscard_;

/* Result on the main thread: 0 and the new revision; -ESTALE: the revision was not the expected one;
 * -ENOSPC; -EROFS; -EIO: the connection is lost to a failed fsync and the daemon should restart from what is
 * durable; -ECANCELED: the worker went away first, and it may or may not have been written. */
typedef void (*StoreDone)(int result, uint64_t revision, void *userdata);
/* Takes t. Transactions run in the order of submission; those that wait for the worker are committed
 * together, and fail one by one. -EBUSY: STORE_WAITING_MAX are waiting. */
#define STORE_WAITING_MAX 65536
int store_submit(Store *s, StoreTransaction *t, StoreDone done, void *userdata) _nodiscard_;

/* The node that a (token, identity, idem) made: blocks for one indexed read. *ret new memory; -ENOENT. */
int store_find_enrolment(Store *s, const char *token_id, const char *identity_hex, const char *idem,
                         char **ret) _nodiscard_;
