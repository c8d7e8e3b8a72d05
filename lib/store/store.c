/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/buffer.h"
#include "store/sqlite.h"
#include "store/store-internal.h"

int store_open_full(const char *path, const Kind *const *kinds, size_t n_kinds, Worker *worker,
                    const StoreMigration *migrations, size_t n_migrations, StoreProblem *ret_problem,
                    char **ret_message, Store **ret) {
        _cleanup_(store_freep) Store *s = NULL;
        int64_t revision = 0;
        int r;

        assert(path && kinds && worker && ret_problem && ret_message && ret);

        *ret_problem = STORE_OTHER;
        *ret_message = NULL;
        s = new(Store);
        if (!s)
                return -ENOMEM;
        *s = (Store) { .kinds = kinds, .n_kinds = n_kinds, .worker = worker };
        s->upsert = new0(sqlite3_stmt *, n_kinds);
        s->delete = new0(sqlite3_stmt *, n_kinds);
        if (!s->upsert || !s->delete)
                return -ENOMEM;
        r = sqlite_open(path, kinds, n_kinds, migrations, n_migrations, ret_problem, ret_message,
                        &s->write_db, &s->read_db);
        if (r < 0)
                return r;
        r = sqlite_get_int(s->write_db, "SELECT revision FROM state", &revision);
        if (r >= 0)
                r = store_chain_head(s->write_db, &s->chain);
        if (r < 0) {
                *ret_problem = STORE_DAMAGED;
                return r;
        }
        s->revision = (uint64_t) revision;
        *ret = TAKE(s);
        return 0;
}

int store_open(const char *path, const Kind *const *kinds, size_t n_kinds, Worker *worker,
               StoreProblem *ret_problem, char **ret_message, Store **ret) {
        return store_open_full(path, kinds, n_kinds, worker, store_migrations, n_store_migrations,
                               ret_problem, ret_message, ret);
}

Store *store_free(Store *s) {
        if (!s)
                return NULL;
        if (s->pending > 0) {
                /* The worker still uses the connection: the last job frees us (see transaction_release()).
                 */
                s->closing = true;
                return NULL;
        }
        for (size_t i = 0; i < s->n_kinds; i++) {
                if (s->upsert)
                        (void) sqlite3_finalize(s->upsert[i]);
                if (s->delete)
                        (void) sqlite3_finalize(s->delete[i]);
        }
        for (size_t i = 0; i < _STATEMENT_MAX; i++)
                (void) sqlite3_finalize(s->statements[i]);
        (void) sqlite3_finalize(s->find_enrolment);
        (void) sqlite3_close_v2(s->read_db);
        (void) sqlite3_close_v2(s->write_db); /* the last connection folds the log into the database */
        free(s->upsert);
        free(s->delete);
        return mfree(s);
}

uint64_t store_revision(const Store *s) {
        return s->revision;
}

static int column_value(sqlite3_stmt *stmt, int column, SqlValue *ret) {
        const char *text;

        switch (sqlite3_column_type(stmt, column)) {
        case SQLITE_NULL:
                *ret = (SqlValue) { .type = SQL_NULL };
                return 0;
        case SQLITE_INTEGER:
                *ret = (SqlValue) { .type = SQL_INTEGER, .integer = sqlite3_column_int64(stmt, column) };
                return 0;
        case SQLITE_TEXT:
                text = (const char *) sqlite3_column_text(stmt, column);
                *ret = (SqlValue) { .type = SQL_TEXT, .text = text ? strdup(text) : NULL };
                return ret->text ? 0 : -ENOMEM;
        default:
                return -EUCLEAN;
        }
}

static int load_object(const Kind *kind, sqlite3_stmt *stmt, Object **ret) {
        _cleanup_(object_freep) Object *o = NULL;
        const char *id = (const char *) sqlite3_column_text(stmt, 0);
        int r;

        r = object_new(kind, &o);
        if (r < 0)
                return r;
        if (!id || strlen(id) >= sizeof(o->id))
                return -EUCLEAN;
        memcpy(o->id, id, strlen(id) + 1);
        o->revision = (uint64_t) sqlite3_column_int64(stmt, 1);
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = &kind->fields[i];
                SqlValue v = { 0 };

                r = column_value(stmt, (int) i + 2, &v);
                if (r < 0)
                        return r;
                /* Always written, so a column that an upgrade added: the field keeps its default. */
                if (v.type == SQL_NULL &&
                    (f->type == FIELD_U64 || f->type == FIELD_BOOL || f->type == FIELD_ENUM))
                        continue;
                r = field_set_sql(f, o, &v);
                sql_value_done(&v);
                if (r < 0)
                        return r == -EBADMSG ? -EUCLEAN : r;
        }
        *ret = TAKE(o);
        return 0;
}

static int load_kind(Store *s, const Kind *kind, int (*callback)(Object *o, void *userdata),
                     void *userdata) {
        _cleanup_free_ char *sql = kind_sql_select(kind);
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        int r, code;

        if (!sql)
                return -ENOMEM;
        r = sqlite_prepare(s->write_db, sql, &stmt);
        if (r < 0)
                return r;
        while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
                Object *o = NULL;

                r = load_object(kind, stmt, &o);
                if (r < 0)
                        return r;
                r = callback(o, userdata);
                if (r < 0)
                        return r;
        }
        return sqlite_errno(s->write_db, code);
}

int store_load_objects(Store *s, int (*callback)(Object *o, void *userdata), void *userdata) {
        int r;

        for (size_t i = 0; i < s->n_kinds; i++) {
                r = load_kind(s, s->kinds[i], callback, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

int store_load_topic_items(Store *s,
                           int (*callback)(const char *topic, const char *item, uint64_t revision,
                                           const char *data, void *userdata),
                           void *userdata) {
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        int r, code;

        r = sqlite_prepare(s->write_db, "SELECT topic, item, revision, data FROM topic_item", &stmt);
        if (r < 0)
                return r;
        while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
                r = callback(strempty((const char *) sqlite3_column_text(stmt, 0)),
                             strempty((const char *) sqlite3_column_text(stmt, 1)),
                             (uint64_t) sqlite3_column_int64(stmt, 2),
                             (const char *) sqlite3_column_text(stmt, 3), userdata);
                if (r < 0)
                        return r;
        }
        return sqlite_errno(s->write_db, code);
}

int store_load_agent_sequences(Store *s,
                               int (*callback)(const char *node, uint64_t epoch, uint64_t ceiling,
                                               void *userdata),
                               void *userdata) {
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        int r, code;

        r = sqlite_prepare(s->write_db, "SELECT node, epoch, ceiling FROM agent_sequence", &stmt);
        if (r < 0)
                return r;
        while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
                r = callback(strempty((const char *) sqlite3_column_text(stmt, 0)),
                             (uint64_t) sqlite3_column_int64(stmt, 1),
                             (uint64_t) sqlite3_column_int64(stmt, 2), userdata);
                if (r < 0)
                        return r;
        }
        return sqlite_errno(s->write_db, code);
}

int store_load_tombstones(Store *s, int (*callback)(const char *key, void *userdata), void *userdata) {
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        int r, code;

        r = sqlite_prepare(s->write_db, "SELECT key FROM tombstone ORDER BY key", &stmt);
        if (r < 0)
                return r;
        while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
                r = callback(strempty((const char *) sqlite3_column_text(stmt, 0)), userdata);
                if (r < 0)
                        return r;
        }
        return sqlite_errno(s->write_db, code);
}

int store_get_meta(Store *s, const char *key, char **ret) {
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        char *value;
        int r, code;

        r = sqlite_prepare(s->write_db, "SELECT value FROM meta WHERE key = ?1", &stmt);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        code = sqlite3_step(stmt);
        if (code == SQLITE_DONE)
                return -ENOENT;
        if (code != SQLITE_ROW)
                return sqlite_errno(s->write_db, code);
        value = strdup(strempty((const char *) sqlite3_column_text(stmt, 0)));
        if (!value)
                return -ENOMEM;
        *ret = value;
        return 0;
}

int store_set_meta(Store *s, const char *key, const char *value) {
        _cleanup_stmt_ sqlite3_stmt *stmt = NULL;
        int r;

        r = sqlite_prepare(s->write_db,
                           "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
                           &stmt);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(stmt, 1, key, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
        return sqlite_errno(s->write_db, sqlite3_step(stmt));
}

int store_find_enrolment(Store *s, const char *token_id, const char *identity_hex, const char *idem,
                         char **ret) {
        char *node = NULL;
        int r, code;

        if (!s->find_enrolment) {
                r = sqlite_prepare(s->read_db,
                                   "SELECT node FROM enrolment WHERE token = ?1 AND identity = ?2 AND idem "
                                   "= ?3",
                                   &s->find_enrolment);
                if (r < 0)
                        return r;
        }
        (void) sqlite3_bind_text(s->find_enrolment, 1, token_id, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(s->find_enrolment, 2, identity_hex, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(s->find_enrolment, 3, idem, -1, SQLITE_STATIC);
        code = sqlite3_step(s->find_enrolment);
        r = code == SQLITE_DONE ? -ENOENT : sqlite_errno(s->read_db, code);
        if (code == SQLITE_ROW) {
                node = strdup(strempty((const char *) sqlite3_column_text(s->find_enrolment, 0)));
                r = node ? 0 : -ENOMEM;
        }
        (void) sqlite3_reset(s->find_enrolment);
        (void) sqlite3_clear_bindings(s->find_enrolment);
        if (r < 0)
                return r;
        *ret = node;
        return 0;
}
