/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "store/sqlite.h"

typedef enum Statement {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_SAVEPOINT,
        STATEMENT_RELEASE,
        STATEMENT_BACK,
        STATEMENT_REVISION,
        STATEMENT_CHANGE,
        STATEMENT_ITEM,
        STATEMENT_TOMBSTONE,
        STATEMENT_SEQUENCE,
        STATEMENT_ENROLMENT,
        _STATEMENT_MAX,
} Statement;

struct Store {
        const Kind *const *kinds;
        size_t n_kinds;
        Worker *worker;
        sqlite3 *read_db; /* of the main thread */
        sqlite3_stmt *find_enrolment;
        uint64_t revision;
        size_t pending; /* transactions that were submitted and are not done */
        StoreTransaction *waiting, *waiting_last;
        bool busy, closing;

        /* The worker's alone while busy. */
        StoreTransaction *batch;
        sqlite3 *write_db;
        sqlite3_stmt **upsert, **delete; /* by kind */
        sqlite3_stmt *statements[_STATEMENT_MAX];
        Digest chain; /* hash of the last record of "change" */
        bool poisoned; /* an fsync failed: what is on disk is unknown until it is opened again */
};

/* The hash of the last record, or 32 zero bytes. */
int store_chain_head(sqlite3 *db, Digest *ret) _nodiscard_;
