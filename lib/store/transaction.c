/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/strutil.h"
#include "store/store-internal.h"

/* A transaction is a list of rows, rendered on the main thread: the worker binds and steps, and reads
 * nothing else. */

typedef enum OperationType { OPERATION_UPSERT, OPERATION_DELETE, OPERATION_STATEMENT } OperationType;

typedef struct Operation {
        OperationType type;
        size_t kind;         /* UPSERT, DELETE */
        Statement statement; /* STATEMENT */
        SqlValue *values;
        size_t n_values;
} Operation;

struct StoreTransaction {
        Store *store;
        uint64_t expected_revision, at_usec;
        char *actor;
        Operation *operations;
        size_t n_operations, allocated;
        bool counts; /* as a change: has a revision of its own */

        StoreDone done;
        void *userdata;
        uint64_t revision;
        Digest chain; /* as it will be when this is committed */
        int result;
        StoreTransaction *next;
};

static const char *const statement_sql[_STATEMENT_MAX] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_SAVEPOINT] = "SAVEPOINT one",
        [STATEMENT_RELEASE] = "RELEASE one",
        [STATEMENT_BACK] = "ROLLBACK TO one",
        [STATEMENT_REVISION] = "UPDATE state SET revision = ?2 WHERE revision = ?1",
        [STATEMENT_CHANGE] = "INSERT INTO change (revision, at, actor, kind, id, op, before, after, hash)"
                             " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        [STATEMENT_ITEM] = "INSERT INTO topic_item VALUES (?1, ?2, ?3, ?4)"
                           " ON CONFLICT (topic, item) DO UPDATE SET revision = ?3, data = ?4",
        [STATEMENT_TOMBSTONE] = "INSERT INTO tombstone VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
        [STATEMENT_SEQUENCE] = "INSERT INTO agent_sequence VALUES (?1, ?2, ?3)"
                               " ON CONFLICT (node) DO UPDATE SET epoch = ?2, ceiling = ?3",
        [STATEMENT_ENROLMENT] = "INSERT INTO enrolment VALUES (?1, ?2, ?3, ?4)",
};

int store_transaction_new(Store *s, uint64_t expected_revision, uint64_t at_usec, const char *actor,
                          StoreTransaction **ret) {
        _cleanup_(store_transaction_freep) StoreTransaction *t = NULL;

        assert(s && actor && ret);

        t = new(StoreTransaction);
        if (!t)
                return -ENOMEM;
        *t = (StoreTransaction) {
                .store = s,
                .expected_revision = expected_revision,
                .at_usec = at_usec,
                .actor = strdup(actor),
        };
        if (!t->actor)
                return -ENOMEM;
        *ret = TAKE(t);
        return 0;
}

StoreTransaction *store_transaction_free(StoreTransaction *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_operations; i++) {
                for (size_t k = 0; k < t->operations[i].n_values; k++)
                        sql_value_done(&t->operations[i].values[k]);
                free(t->operations[i].values);
        }
        free(t->operations);
        free(t->actor);
        return mfree(t);
}

static int add_operation(StoreTransaction *t, OperationType type, size_t n_values, Operation **ret) {
        SqlValue *values;
        int r;

        r = array_reserve(&t->operations, &t->allocated, t->n_operations + 1, sizeof(Operation), 8);
        if (r < 0)
                return r;
        values = new0(SqlValue, n_values);
        if (!values)
                return -ENOMEM;
        t->operations[t->n_operations] =
                        (Operation) { .type = type, .values = values, .n_values = n_values };
        *ret = &t->operations[t->n_operations++];
        return 0;
}

static int set_text(SqlValue *v, const char *s) {
        if (!s)
                return 0;
        *v = (SqlValue) { .type = SQL_TEXT, .text = strdup(s) };
        return v->text ? 0 : -ENOMEM;
}

static void set_integer(SqlValue *v, uint64_t n) {
        *v = (SqlValue) { .type = SQL_INTEGER, .integer = (int64_t) n };
}

/* A row of plain texts; integers are put in by the caller. */
static int add_statement(StoreTransaction *t, Statement statement, const char *const *texts, size_t n,
                         Operation **ret) {
        Operation *o;
        int r;

        r = add_operation(t, OPERATION_STATEMENT, n, &o);
        if (r < 0)
                return r;
        o->statement = statement;
        for (size_t i = 0; i < n; i++) {
                r = set_text(&o->values[i], texts[i]);
                if (r < 0)
                        return r;
        }
        *ret = o;
        return 0;
}

static int find_kind(const Store *s, const Kind *kind, size_t *ret) {
        for (size_t i = 0; i < s->n_kinds; i++)
                if (s->kinds[i] == kind) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

/* {"field":{"from":…,"to":…}} as the two objects {"field":…} of a record. */
static int split_diff(json_object *diff, json_object **ret_from, json_object **ret_to) {
        _cleanup_json_ json_object *from = json_object_new_object(), *to = json_object_new_object();
        int r;

        if (!from || !to)
                return -ENOMEM;
        json_object_object_foreach(diff, name, change) {
                json_object *a = NULL, *b = NULL;

                (void) json_object_object_get_ex(change, "from", &a);
                (void) json_object_object_get_ex(change, "to", &b);
                r = json_add(from, name, json_object_get(a));
                if (r < 0)
                        return r;
                r = json_add(to, name, json_object_get(b));
                if (r < 0)
                        return r;
        }
        *ret_from = TAKE(from);
        *ret_to = TAKE(to);
        return 0;
}

static int format_record(const Object *before, const Object *after, char **ret_before, char **ret_after) {
        _cleanup_json_ json_object *from = NULL, *to = NULL, *diff = NULL;
        _cleanup_free_ char *a = NULL, *b = NULL;
        int r = 0;

        if (before && after) {
                r = object_diff(before, after, &diff);
                if (r >= 0)
                        r = split_diff(diff, &from, &to);
        } else if (before)
                r = object_to_json(before, false, &from);
        else
                r = object_to_json(after, false, &to);
        if (r < 0)
                return r;
        if (from) {
                a = json_format(from, NULL);
                if (!a)
                        return -ENOMEM;
        }
        if (to) {
                b = json_format(to, NULL);
                if (!b)
                        return -ENOMEM;
        }
        *ret_before = TAKE(a);
        *ret_after = TAKE(b);
        return 0;
}

static int add_row(StoreTransaction *t, size_t kind, const Object *o) {
        Operation *op;
        int r;

        r = add_operation(t, OPERATION_UPSERT, o->kind->n_fields + 2, &op);
        if (r < 0)
                return r;
        op->kind = kind;
        r = set_text(&op->values[0], o->id);
        if (r < 0)
                return r;
        set_integer(&op->values[1], o->revision);
        for (size_t i = 0; i < o->kind->n_fields; i++) {
                r = field_get_sql(&o->kind->fields[i], o, &op->values[i + 2]);
                if (r < 0)
                        return r;
        }
        return 0;
}

int store_transaction_object(StoreTransaction *t, const Object *before, const Object *after) {
        _cleanup_free_ char *from = NULL, *to = NULL;
        const Object *any = after ? after : before;
        Operation *op;
        size_t kind;
        int r;

        assert(t && any);

        r = find_kind(t->store, any->kind, &kind);
        if (r < 0)
                return r;
        r = format_record(before, after, &from, &to);
        if (r < 0)
                return r;
        if (after)
                r = add_row(t, kind, after);
        else {
                r = add_operation(t, OPERATION_DELETE, 1, &op);
                if (r >= 0) {
                        op->kind = kind;
                        r = set_text(&op->values[0], before->id);
                }
        }
        if (r < 0)
                return r;
        /* revision, at and the hash are the worker's */
        r = add_statement(t, STATEMENT_CHANGE,
                          (const char *const[]) { NULL, NULL, t->actor, any->kind->name, any->id,
                                                  !before ? "create"
                                                  : after ? "update"
                                                          : "delete",
                                                  from, to },
                          8, &op);
        if (r < 0)
                return r;
        set_integer(&op->values[0], t->expected_revision + 1);
        set_integer(&op->values[1], t->at_usec);
        t->counts = true;
        return 0;
}

int store_transaction_topic_item(StoreTransaction *t, const char *topic, const char *item, uint64_t revision,
                                 const char *data) {
        Operation *op;
        int r;

        r = add_statement(t, STATEMENT_ITEM, (const char *const[]) { topic, item, NULL, data }, 4, &op);
        if (r < 0)
                return r;
        set_integer(&op->values[2], revision);
        t->counts = true;
        return 0;
}

int store_transaction_tombstone(StoreTransaction *t, const char *key) {
        Operation *op;
        int r;

        r = add_statement(t, STATEMENT_TOMBSTONE, (const char *const[]) { key, NULL }, 2, &op);
        if (r < 0)
                return r;
        set_integer(&op->values[1], t->expected_revision + 1);
        t->counts = true;
        return 0;
}

int store_transaction_agent_sequence(StoreTransaction *t, const char *node, uint64_t epoch,
                                     uint64_t ceiling) {
        Operation *op;
        int r;

        r = add_statement(t, STATEMENT_SEQUENCE, (const char *const[]) { node, NULL, NULL }, 3, &op);
        if (r < 0)
                return r;
        set_integer(&op->values[1], epoch);
        set_integer(&op->values[2], ceiling);
        return 0;
}

int store_transaction_enrolment(StoreTransaction *t, const char *token_id, const char *identity_hex,
                                const char *idem, const char *node_id) {
        Operation *op;

        return add_statement(t, STATEMENT_ENROLMENT,
                             (const char *const[]) { token_id, identity_hex, idem, node_id }, 4, &op);
}

/* From here to batch_run() on the worker's thread. */

static int hash_part(Buffer *b, const void *data, size_t len) {
        uint8_t size[8];
        int r;

        for (size_t i = 0; i < sizeof(size); i++)
                size[i] = (uint8_t) ((uint64_t) len >> (8 * i));
        r = buffer_append(b, size, sizeof(size));
        return r < 0 ? r : buffer_append(b, data, len);
}

/* BLAKE2b-256("sdwan-audit-v1" || previous || the columns in their order, each behind its length): integers
 * as decimal text, NULL as a length of 0. */
static int hash_record(const Digest *previous, const SqlValue *values, size_t n, Digest *ret) {
        _cleanup_buffer_ Buffer b = { 0 };
        int r;

        r = buffer_append_str(&b, "sdwan-audit-v1");
        if (r >= 0)
                r = buffer_append(&b, previous->bytes, sizeof(previous->bytes));
        for (size_t i = 0; i < n && r >= 0; i++) {
                char number[24];
                const char *text = values[i].type == SQL_TEXT ? values[i].text : "";

                if (values[i].type == SQL_INTEGER) {
                        (void) snprintf(number, sizeof(number), "%lld", (long long) values[i].integer);
                        text = number;
                }
                r = hash_part(&b, text, strlen(text));
        }
        if (r < 0)
                return r;
        digest_blake2b(b.data, b.len, ret);
        return 0;
}

static int bind_values(Store *s, sqlite3_stmt *stmt, const SqlValue *values, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int code = values[i].type == SQL_NULL ? sqlite3_bind_null(stmt, (int) i + 1)
                           : values[i].type == SQL_INTEGER
                                           ? sqlite3_bind_int64(stmt, (int) i + 1, values[i].integer)
                                           : sqlite3_bind_text(stmt, (int) i + 1, values[i].text, -1,
                                                               SQLITE_STATIC);

                if (code != SQLITE_OK)
                        return sqlite_errno(s->write_db, code);
        }
        return 0;
}

static int step(Store *s, sqlite3_stmt *stmt) {
        int code, r;

        code = sqlite3_step(stmt);
        /* Before the reset, which would repeat the code but may have touched the connection's last errno. */
        r = sqlite_errno(s->write_db, code);
        if (r == -EIO)
                s->poisoned = true;
        (void) sqlite3_reset(stmt);
        (void) sqlite3_clear_bindings(stmt);
        return r;
}

static int statement(Store *s, Statement which, sqlite3_stmt **ret) {
        int r;

        if (!s->statements[which]) {
                r = sqlite_prepare(s->write_db, statement_sql[which], &s->statements[which]);
                if (r < 0)
                        return r;
        }
        *ret = s->statements[which];
        return 0;
}

static int run_statement(Store *s, Statement which) {
        sqlite3_stmt *stmt = NULL;
        int r;

        r = statement(s, which, &stmt);
        return r < 0 ? r : step(s, stmt);
}

static int kind_statement(Store *s, const Operation *o, sqlite3_stmt **ret) {
        sqlite3_stmt **slot = o->type == OPERATION_UPSERT ? &s->upsert[o->kind] : &s->delete[o->kind];
        int r;

        if (!*slot) {
                _cleanup_free_ char *sql = o->type == OPERATION_UPSERT ? kind_sql_upsert(s->kinds[o->kind])
                                                                       : kind_sql_delete(s->kinds[o->kind]);

                if (!sql)
                        return -ENOMEM;
                r = sqlite_prepare(s->write_db, sql, slot);
                if (r < 0)
                        return r;
        }
        *ret = *slot;
        return 0;
}

static int run_operation(Store *s, StoreTransaction *t, const Operation *o) {
        sqlite3_stmt *stmt = NULL;
        int r;

        r = o->type == OPERATION_STATEMENT ? statement(s, o->statement, &stmt) : kind_statement(s, o, &stmt);
        if (r < 0)
                return r;
        r = bind_values(s, stmt, o->values, o->n_values);
        if (r < 0)
                return r;
        if (o->type == OPERATION_STATEMENT && o->statement == STATEMENT_CHANGE) {
                Digest next;
                int code;

                r = hash_record(&t->chain, o->values, o->n_values, &next);
                if (r < 0)
                        return r;
                t->chain = next;
                code = sqlite3_bind_blob(stmt, 9, t->chain.bytes, sizeof(t->chain.bytes), SQLITE_STATIC);
                if (code != SQLITE_OK)
                        return sqlite_errno(s->write_db, code);
        }
        return step(s, stmt);
}

/* The compare-and-swap that makes two writers of one revision impossible. */
static int advance_revision(Store *s, StoreTransaction *t) {
        sqlite3_stmt *stmt = NULL;
        SqlValue values[2];
        int r;

        r = statement(s, STATEMENT_REVISION, &stmt);
        if (r < 0)
                return r;
        set_integer(&values[0], t->expected_revision);
        set_integer(&values[1], t->expected_revision + 1);
        r = bind_values(s, stmt, values, 2);
        if (r >= 0)
                r = step(s, stmt);
        if (r < 0)
                return r;
        return sqlite3_changes(s->write_db) == 1 ? 0 : -ESTALE;
}

/* Within the batch's BEGIN. */
static int transaction_run(Store *s, StoreTransaction *t) {
        int r;

        t->chain = s->chain;
        r = run_statement(s, STATEMENT_SAVEPOINT);
        if (r < 0)
                return r;
        if (t->counts)
                r = advance_revision(s, t);
        for (size_t i = 0; i < t->n_operations && r >= 0; i++)
                r = run_operation(s, t, &t->operations[i]);
        if (r >= 0) {
                r = run_statement(s, STATEMENT_RELEASE);
                if (r >= 0)
                        s->chain = t->chain;
                return r;
        }
        /* SQLite takes back everything by itself where it cannot go on (a full disk): then there is no
         * savepoint. */
        if (!sqlite3_get_autocommit(s->write_db) &&
            (run_statement(s, STATEMENT_BACK) < 0 || run_statement(s, STATEMENT_RELEASE) < 0))
                s->poisoned = true;
        return r;
}

/* What waited while the worker was busy is one commit: one fsync, whatever their number. */
static int batch_run(void *userdata) {
        Store *s = userdata;
        Digest chain = s->chain;
        int r;

        r = s->poisoned ? -EIO : run_statement(s, STATEMENT_BEGIN);
        for (StoreTransaction *t = s->batch; t && r >= 0; t = t->next) {
                t->result = transaction_run(s, t);
                if (sqlite3_get_autocommit(s->write_db) || s->poisoned)
                        r = t->result < 0 ? t->result : -EIO;
        }
        if (r >= 0)
                r = run_statement(s, STATEMENT_COMMIT);
        if (r >= 0)
                return 0;
        if (!sqlite3_get_autocommit(s->write_db) && run_statement(s, STATEMENT_ROLLBACK) < 0)
                s->poisoned = true;
        s->chain = chain;
        r = s->poisoned ? -EIO : r;
        for (StoreTransaction *t = s->batch; t; t = t->next)
                t->result = r;
        return r;
}

/* Main thread again. */

static void transaction_finish(StoreTransaction *t, int result) {
        Store *s = t->store;

        if (result >= 0 && t->counts)
                s->revision = t->expected_revision + 1;
        if (t->done)
                t->done(result, s->revision, t->userdata);
        s->pending--;
        (void) store_transaction_free(t);
}

static void finish_all(StoreTransaction **list, int error) {
        while (*list) {
                StoreTransaction *t = *list;

                *list = t->next;
                transaction_finish(t, error < 0 ? error : t->result);
        }
}

static void batch_start(Store *s);

static void batch_done(int result, void *userdata) {
        Store *s = userdata;

        finish_all(&s->batch, 0);
        s->busy = false;
        if (s->closing && s->pending == 0)
                (void) store_free(s);
        else
                batch_start(s);
}

static void batch_drop(void *userdata) {
        Store *s = userdata;

        finish_all(&s->batch, -ECANCELED);
        finish_all(&s->waiting, -ECANCELED);
        s->waiting_last = NULL;
        s->busy = false;
        if (s->closing)
                (void) store_free(s);
}

static void batch_start(Store *s) {
        int r;

        if (s->busy || !s->waiting)
                return;
        s->busy = true;
        s->batch = TAKE(s->waiting);
        s->waiting_last = NULL;
        r = worker_submit(s->worker, &(WorkerJob) {
                                                     .run = batch_run,
                                                     .done = batch_done,
                                                     .drop = batch_drop,
                                                     .userdata = s,
                                     });
        if (r < 0) {
                finish_all(&s->batch, r);
                s->busy = false;
        }
}

int store_submit(Store *s, StoreTransaction *t, StoreDone done, void *userdata) {
        assert(s && t && t->store == s);

        if (s->pending >= STORE_WAITING_MAX) {
                (void) store_transaction_free(t);
                return -EBUSY;
        }
        t->done = done;
        t->userdata = userdata;
        if (s->waiting_last)
                s->waiting_last->next = t;
        else
                s->waiting = t;
        s->waiting_last = t;
        s->pending++;
        batch_start(s);
        return 0;
}

/* The chain, read back. */

int store_chain_head(sqlite3 *db, Digest *ret) {
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        int r, code;

        r = sqlite_prepare(db, "SELECT hash FROM change ORDER BY seq DESC LIMIT 1", &stmt);
        if (r < 0)
                return r;
        *ret = (Digest) { 0 };
        code = sqlite3_step(stmt);
        if (code == SQLITE_ROW) {
                if (sqlite3_column_bytes(stmt, 0) != DIGEST_SIZE)
                        return -EUCLEAN;
                memcpy(ret->bytes, sqlite3_column_blob(stmt, 0), DIGEST_SIZE);
                return 0;
        }
        return sqlite_errno(db, code);
}

int store_verify_chain(Store *s, uint64_t *ret_bad) {
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        Digest chain = { 0 };
        int r, code;

        r = sqlite_prepare(s->read_db,
                           "SELECT revision, at, actor, kind, id, op, before, after, hash, seq FROM change "
                           "ORDER BY seq",
                           &stmt);
        if (r < 0)
                return r;
        while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
                SqlValue values[8];

                for (int i = 0; i < 8; i++) {
                        int type = sqlite3_column_type(stmt, i);

                        values[i] = (SqlValue) { .type = type == SQLITE_NULL      ? SQL_NULL
                                                         : type == SQLITE_INTEGER ? SQL_INTEGER
                                                                                  : SQL_TEXT };
                        if (type == SQLITE_INTEGER)
                                values[i].integer = sqlite3_column_int64(stmt, i);
                        else if (type != SQLITE_NULL) /* borrowed until the next step */
                                values[i].text = (char *) strempty(
                                                (const char *) sqlite3_column_text(stmt, i));
                }
                r = hash_record(&chain, values, ELEMENTSOF(values), &chain);
                if (r < 0)
                        return r;
                if (sqlite3_column_bytes(stmt, 8) != DIGEST_SIZE ||
                    !crypto_equal(chain.bytes, sqlite3_column_blob(stmt, 8), DIGEST_SIZE)) {
                        *ret_bad = (uint64_t) sqlite3_column_int64(stmt, 9);
                        return 0;
                }
        }
        if (code == SQLITE_DONE)
                *ret_bad = 0;
        return sqlite_errno(s->read_db, code);
}
