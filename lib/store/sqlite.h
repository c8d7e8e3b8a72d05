/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <sqlite3.h>

#include "store/store.h"

/* What only lib/store sees: the connection, its migrations, and how SQLite's results become ours. */

#define STORE_APPLICATION_ID 0x53445743 /* "SDWC" in the file's header: file(1) and we know it as ours */

/* Numbered, forward only, each in the one transaction that also counts user_version up. A field that a kind
 * gains needs no statement (its column is added by sqlite_open()), but an entry here, so that older binaries
 * refuse the database. */
typedef struct StoreMigration {
        const char *sql; /* NULL: nothing but the number */
} StoreMigration;
extern const StoreMigration store_migrations[];
extern const size_t n_store_migrations;

/* Negative errno of a result code of this connection. -ENOSPC, -EROFS, -EUCLEAN (damaged), -EIO, -EACCES,
 * -EEXIST (a unique column), -EBUSY, -ENOMEM. */
int sqlite_errno(sqlite3 *db, int code);

int sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret) _nodiscard_;
/* Literal statements without parameters. */
int sqlite_run(sqlite3 *db, const char *sql) _nodiscard_;
int sqlite_get_int(sqlite3 *db, const char *sql, int64_t *ret) _nodiscard_;

static inline void sqlite_finalizep(sqlite3_stmt **s) {
        (void) sqlite3_finalize(*s);
}
static inline void sqlite_closep(sqlite3 **db) {
        (void) sqlite3_close_v2(*db);
}
#define _cleanup_stmt_ _cleanup_(sqlite_finalizep)
#define _cleanup_sqlite_ _cleanup_(sqlite_closep)

/* As store_open(): *ret_write is the connection of the worker, *ret_read that of the main thread. */
int sqlite_open(const char *path, const Kind *const *kinds, size_t n_kinds, const StoreMigration *migrations,
                size_t n_migrations, StoreProblem *ret_problem, char **ret_message, sqlite3 **ret_write,
                sqlite3 **ret_read) _nodiscard_;

/* store_open() with other migrations, for tests. */
int store_open_full(const char *path, const Kind *const *kinds, size_t n_kinds, Worker *worker,
                    const StoreMigration *migrations, size_t n_migrations, StoreProblem *ret_problem,
                    char **ret_message, Store **ret) _nodiscard_;

/* Walks the hash chain of "change" from its beginning. *ret_bad: sequence number of the first record that
 * does not fit, 0 when all do. */
int store_verify_chain(Store *s, uint64_t *ret_bad) _nodiscard_;
