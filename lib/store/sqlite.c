/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "store/sqlite.h"

const StoreMigration store_migrations[] = {
        { "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
          "CREATE TABLE state (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), revision INTEGER NOT "
          "NULL);"
          "INSERT INTO state VALUES (1, 0);"
          "CREATE TABLE change (seq INTEGER PRIMARY KEY, revision INTEGER NOT NULL, at INTEGER NOT NULL,"
          " actor TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, op TEXT NOT NULL, before TEXT, after "
          "TEXT,"
          " hash BLOB NOT NULL);"
          "CREATE INDEX change_revision ON change (revision);"
          "CREATE TABLE topic_item (topic TEXT NOT NULL, item TEXT NOT NULL, revision INTEGER NOT NULL, "
          "data TEXT,"
          " PRIMARY KEY (topic, item)) WITHOUT ROWID;"
          "CREATE TABLE agent_sequence (node TEXT PRIMARY KEY, epoch INTEGER NOT NULL, ceiling INTEGER NOT "
          "NULL)"
          " WITHOUT ROWID;"
          "CREATE TABLE tombstone (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;"
          "CREATE TABLE enrolment (token TEXT NOT NULL, identity TEXT NOT NULL, idem TEXT NOT NULL,"
          " node TEXT NOT NULL, PRIMARY KEY (token, identity, idem)) WITHOUT ROWID;" },
};
const size_t n_store_migrations = ELEMENTSOF(store_migrations);

typedef struct Problem {
        StoreProblem *ret;
        char **ret_message;
} Problem;

static int problem(const Problem *p, StoreProblem what, int error, const char *format, ...) _printf_(4, 5);

static int problem(const Problem *p, StoreProblem what, int error, const char *format, ...) {
        va_list ap;
        char *text = NULL;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        *p->ret = what;
        *p->ret_message = n < 0 ? NULL : text;
        return error;
}

int sqlite_errno(sqlite3 *db, int code) {
        int system = db ? sqlite3_system_errno(db) : 0;

        switch (code & 0xFF) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
                return 0;
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_CONSTRAINT:
                return -EEXIST;
        case SQLITE_CANTOPEN:
                return system == ENOSPC || system == EDQUOT ? -ENOSPC : system == EROFS ? -EROFS : -EACCES;
        case SQLITE_PERM:
        case SQLITE_AUTH:
                return -EACCES;
        default:
                /* A failed fsync says nothing about what reached the disk, whatever its errno was. */
                if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
                        return -EIO;
                if (system == ENOSPC || system == EDQUOT)
                        return -ENOSPC;
                return -EIO;
        }
}

int sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret) {
        sqlite3_stmt *s = NULL;
        int code;

        code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
        if (code != SQLITE_OK)
                return sqlite_errno(db, code);
        *ret = s;
        return 0;
}

int sqlite_run(sqlite3 *db, const char *sql) {
        int code;

        do {
                _cleanup_stmt_ sqlite3_stmt *s = NULL;
                const char *tail = NULL;

                code = sqlite3_prepare_v2(db, sql, -1, &s, &tail);
                if (code != SQLITE_OK)
                        return sqlite_errno(db, code);
                sql = tail;
                if (!s)
                        continue;
                do
                        code = sqlite3_step(s);
                while (code == SQLITE_ROW);
                if (code != SQLITE_DONE)
                        return sqlite_errno(db, code);
        } while (*sql != 0);
        return 0;
}

int sqlite_get_int(sqlite3 *db, const char *sql, int64_t *ret) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int r, code;

        r = sqlite_prepare(db, sql, &s);
        if (r < 0)
                return r;
        code = sqlite3_step(s);
        if (code == SQLITE_DONE)
                return -ENOENT;
        if (code != SQLITE_ROW)
                return sqlite_errno(db, code);
        *ret = sqlite3_column_int64(s, 0);
        return 0;
}

/* The operator's words for an error that no check of ours saw coming. */
static int problem_errno(const Problem *p, const char *path, int error, const char *doing) {
        switch (error) {
        case -ENOSPC:
                return problem(p, STORE_FULL, error,
                               "No space left for the database %s (while %s). Free space on its file system "
                               "and start again; nothing was changed.",
                               path, doing);
        case -EUCLEAN:
                return problem(p, STORE_DAMAGED, error,
                               "The database %s is damaged (found while %s). Put it aside and restore the "
                               "newest backup; nothing was changed.",
                               path, doing);
        case -EROFS:
                return problem(p, STORE_ACCESS, error,
                               "The database %s cannot be written (while %s): read-only file system or "
                               "files. Make it writable and start again.",
                               path, doing);
        case -EACCES:
        case -EPERM:
                return problem(p, STORE_ACCESS, error,
                               "The database %s cannot be opened (while %s). Its folder and the files "
                               "beside it must belong to the controller's user.",
                               path, doing);
        case -EBUSY:
                return problem(p, STORE_OTHER, error,
                               "The database %s is locked by another program (while %s). Stop the other "
                               "controller or tool first.",
                               path, doing);
        default:
                return problem(p, STORE_OTHER, error, "The database %s could not be used (while %s): %s.",
                               path, doing, strerror(-error));
        }
}

static int check_folder(const Problem *p, const char *path) {
        _cleanup_free_ char *folder = strdup(path);
        char *slash;

        if (!folder)
                return problem(p, STORE_OTHER, -ENOMEM, "Out of memory.");
        slash = strrchr(folder, '/');
        if (!slash)
                return 0;
        slash[slash == folder ? 1 : 0] = 0;
        if (access(folder, W_OK | X_OK) >= 0)
                return 0;
        if (errno == EROFS)
                return problem(p, STORE_ACCESS, -EROFS,
                               "The folder %s is on a read-only file system. Mount it writable and start "
                               "again.",
                               folder);
        return problem(p, STORE_ACCESS, -errno,
                       "The folder %s cannot be written: %s. It must belong to the controller's user.",
                       folder, strerror(errno));
}

/* 1: there is a file that looks like a database; 0: there is none. */
static int check_file(const Problem *p, const char *path) {
        _cleanup_free_ char *wal = str_printf("%s-wal", path);
        struct stat st;

        if (!wal)
                return problem(p, STORE_OTHER, -ENOMEM, "Out of memory.");
        if (lstat(path, &st) < 0) {
                if (errno != ENOENT)
                        return problem(p, STORE_ACCESS, -errno, "The database %s cannot be looked at: %s.",
                                       path, strerror(errno));
                if (access(wal, F_OK) >= 0)
                        return problem(p, STORE_DAMAGED, -EUCLEAN,
                                       "The database %s is gone, but its log %s is still there. Restore the "
                                       "newest backup; nothing was changed.",
                                       path, wal);
                return 0;
        }
        if (!S_ISREG(st.st_mode))
                return problem(p, STORE_DAMAGED, -EUCLEAN, "%s is not a regular file, and so no database.",
                               path);
        if (st.st_uid != geteuid())
                return problem(p, STORE_ACCESS, -EPERM,
                               "The database %s belongs to uid %u, not to the controller's user (uid %u). "
                               "Put that right with chown(1).",
                               path, st.st_uid, geteuid());
        if ((st.st_mode & 0077) != 0)
                return problem(p, STORE_ACCESS, -EPERM,
                               "The database %s has mode %04o: others can reach it. Put that right with: "
                               "chmod 600 %s",
                               path, (unsigned) (st.st_mode & 07777), path);
        if (st.st_size == 0)
                return problem(p, STORE_DAMAGED, -EUCLEAN,
                               "The database %s is empty (0 bytes), so what was in it is lost. Restore the "
                               "newest backup, or remove the file to begin anew; nothing was changed.",
                               path);
        return 1;
}

static int check_content(const Problem *p, sqlite3 *db, const char *path, size_t n_migrations) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int64_t application = 0, version = 0;
        int r, code;

        r = sqlite_get_int(db, "PRAGMA application_id", &application);
        if (r >= 0)
                r = sqlite_get_int(db, "PRAGMA user_version", &version);
        if (r < 0)
                return problem_errno(p, path, r, "reading its header");
        if (application != STORE_APPLICATION_ID)
                return problem(p, STORE_DAMAGED, -EUCLEAN,
                               "%s is a database of another program. Put it elsewhere, or name another "
                               "state folder; nothing was changed.",
                               path);
        if (version > (int64_t) n_migrations)
                return problem(p, STORE_NEWER, -EPROTO,
                               "The database %s was written by a newer version (schema %lld, this one knows "
                               "%zu). "
                               "Install that version again, or restore a backup from before; nothing was "
                               "changed.",
                               path, (long long) version, n_migrations);

        r = sqlite_prepare(db, "PRAGMA quick_check(1)", &s);
        if (r < 0)
                return problem_errno(p, path, r, "checking it");
        code = sqlite3_step(s);
        if (code != SQLITE_ROW)
                return problem_errno(p, path, sqlite_errno(db, code), "checking it");
        if (!streq(strempty((const char *) sqlite3_column_text(s, 0)), "ok"))
                return problem_errno(p, path, -EUCLEAN, "checking it");
        return 0;
}

static int configure(sqlite3 *db) {
        int r;

        (void) sqlite3_extended_result_codes(db, 1);
        (void) sqlite3_busy_timeout(db, 2000);
        r = sqlite_run(db, "PRAGMA foreign_keys=ON; PRAGMA cache_size=-1024; PRAGMA trusted_schema=OFF;"
                           "PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=4194304");
        if (r < 0)
                return r;
        return sqlite_run(db, "PRAGMA synchronous=FULL");
}

static int open_connection(const char *path, int flags, sqlite3 **ret) {
        _cleanup_sqlite_ sqlite3 *db = NULL;
        int r, code;

        code = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
        if (code != SQLITE_OK)
                return sqlite_errno(db, code);
        r = configure(db);
        if (r < 0)
                return r;
        *ret = TAKE(db);
        return 0;
}

/* Columns of a table that the kind does not know, or does not have yet. */
static int kind_columns(sqlite3 *db, const Kind *kind, bool *present, bool *ret_foreign, bool *ret_any) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int r, code;

        r = sqlite_prepare(db, "SELECT name FROM pragma_table_info(?1)", &s);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(s, 1, kind->plural, -1, SQLITE_STATIC);
        *ret_foreign = *ret_any = false;
        while ((code = sqlite3_step(s)) == SQLITE_ROW) {
                const char *name = strempty((const char *) sqlite3_column_text(s, 0));
                const Field *f = kind_field(kind, name);

                *ret_any = true;
                if (f)
                        present[f - kind->fields] = true;
                else if (!streq(name, "id") && !streq(name, "revision"))
                        *ret_foreign = true;
        }
        return sqlite_errno(db, code);
}

/* -EPROTO: a column that only a newer version can have written. 1: the table changed (or would, when dry).
 */
static int sync_kind(sqlite3 *db, const Kind *kind, bool dry) {
        _cleanup_free_ bool *present = new0(bool, kind->n_fields + 1);
        bool foreign, any, changed = false;
        int r;

        if (!present)
                return -ENOMEM;
        r = kind_columns(db, kind, present, &foreign, &any);
        if (r < 0)
                return r;
        if (foreign)
                return -EPROTO;
        if (!any) {
                _cleanup_free_ char *sql = dry ? NULL : kind_sql_create(kind);

                if (!dry && !sql)
                        return -ENOMEM;
                r = dry ? 0 : sqlite_run(db, sql);
                return r < 0 ? r : 1;
        }
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = &kind->fields[i];
                bool integer = f->type == FIELD_U64 || f->type == FIELD_BOOL || f->type == FIELD_TIME;
                _cleanup_free_ char *sql = NULL;

                if (present[i])
                        continue;
                changed = true;
                if (dry)
                        continue;
                sql = str_printf("ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s", kind->plural, f->name,
                                 integer ? "INTEGER" : "TEXT");
                if (!sql)
                        return -ENOMEM;
                r = sqlite_run(db, sql);
                if (r < 0)
                        return r;
        }
        return changed;
}

static int sync_kinds(sqlite3 *db, const Kind *const *kinds, size_t n_kinds, bool dry) {
        int changed = 0, r;

        for (size_t i = 0; i < n_kinds; i++) {
                r = sync_kind(db, kinds[i], dry);
                if (r < 0)
                        return r;
                changed |= r;
        }
        return changed;
}

/* All in one transaction: a crash leaves the version before or the one after. */
static int migrate(sqlite3 *db, const Kind *const *kinds, size_t n_kinds, const StoreMigration *migrations,
                   size_t n_migrations, int64_t version) {
        char pragma[64];
        int r;

        r = sqlite_run(db, "BEGIN IMMEDIATE");
        if (r < 0)
                return r;
        for (size_t i = (size_t) version; i < n_migrations && r >= 0; i++)
                if (migrations[i].sql)
                        r = sqlite_run(db, migrations[i].sql);
        if (r >= 0)
                r = sync_kinds(db, kinds, n_kinds, false);
        if (r >= 0) {
                (void) snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%zu", n_migrations);
                r = sqlite_run(db, pragma);
        }
        if (r >= 0)
                r = sqlite_run(db, "COMMIT");
        if (r < 0) {
                /* Closing would do it too; the first error counts. */
                int ignored _unused_ = sqlite_run(db, "ROLLBACK");
        }
        return r;
}

static int fsync_path(const char *path, int flags) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int fsync_folder_of(const char *path) {
        _cleanup_free_ char *folder = strdup(path);
        char *slash;

        if (!folder)
                return -ENOMEM;
        slash = strrchr(folder, '/');
        if (!slash)
                return fsync_path(".", O_DIRECTORY);
        slash[slash == folder ? 1 : 0] = 0;
        return fsync_path(folder, O_DIRECTORY);
}

/* Built under another name and moved into place, so that a crash never leaves half a database under ours.
 * The other name can only hold what a crash left there: it goes. */
static int create(const Problem *p, const char *path, const Kind *const *kinds, size_t n_kinds,
                  const StoreMigration *migrations, size_t n_migrations) {
        _cleanup_free_ char *fresh = str_printf("%s.new", path),
                            *journal = str_printf("%s.new-journal", path);
        char pragma[64];
        int r;

        if (!fresh || !journal)
                return problem(p, STORE_OTHER, -ENOMEM, "Out of memory.");
        (void) unlink(fresh);
        (void) unlink(journal);
        {
                _cleanup_sqlite_ sqlite3 *db = NULL;

                r = open_connection(fresh, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db);
                (void) snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%d", STORE_APPLICATION_ID);
                if (r >= 0)
                        r = chmod(fresh, 0600) < 0 ? -errno : 0;
                if (r >= 0)
                        r = sqlite_run(db, pragma);
                if (r >= 0)
                        r = migrate(db, kinds, n_kinds, migrations, n_migrations, 0);
        }
        if (r >= 0)
                r = fsync_path(fresh, 0);
        /* link(2), not rename(2): should somebody have made the file meanwhile, it stays. */
        if (r >= 0 && link(fresh, path) < 0)
                r = -errno;
        (void) unlink(fresh);
        (void) unlink(journal);
        if (r >= 0)
                r = fsync_folder_of(path);
        return r < 0 ? problem_errno(p, path, r, "creating it") : 0;
}

static int backup(sqlite3 *db, const char *path, int64_t version) {
        _cleanup_free_ char *target = str_printf("%s.before-v%lld", path, (long long) version + 1);
        _cleanup_free_ char *fresh = str_printf("%s.backup-new", path);
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int r, code;

        if (!target || !fresh)
                return -ENOMEM;
        for (unsigned i = 2; access(target, F_OK) >= 0; i++) { /* an older backup is never written over */
                if (i > 99)
                        return -EEXIST;
                free(target);
                target = str_printf("%s.before-v%lld.%u", path, (long long) version + 1, i);
                if (!target)
                        return -ENOMEM;
        }
        (void) unlink(fresh);
        r = sqlite_prepare(db, "VACUUM INTO ?1", &s);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(s, 1, fresh, -1, SQLITE_STATIC);
        code = sqlite3_step(s);
        r = sqlite_errno(db, code);
        if (r >= 0 && chmod(fresh, 0600) < 0)
                r = -errno;
        if (r >= 0)
                r = fsync_path(fresh, 0);
        if (r >= 0 && rename(fresh, target) < 0)
                r = -errno;
        if (r < 0) {
                (void) unlink(fresh);
                return r;
        }
        return fsync_folder_of(path);
}

static int upgrade(const Problem *p, sqlite3 *db, const char *path, const Kind *const *kinds, size_t n_kinds,
                   const StoreMigration *migrations, size_t n_migrations) {
        int64_t version = 0;
        int r;

        r = sqlite_get_int(db, "PRAGMA user_version", &version);
        if (r >= 0)
                r = sync_kinds(db, kinds, n_kinds, true);
        if (r == -EPROTO)
                return problem(p, STORE_NEWER, r,
                               "The database %s has fields of a newer version. Install that version again, "
                               "or restore a backup from before; nothing was changed.",
                               path);
        if (r < 0)
                return problem_errno(p, path, r, "reading its schema");
        if (r == 0 && version == (int64_t) n_migrations)
                return 0;
        r = backup(db, path, version);
        if (r < 0)
                return problem_errno(p, path, r, "making a backup before its upgrade");
        r = migrate(db, kinds, n_kinds, migrations, n_migrations, version);
        return r < 0 ? problem_errno(p, path, r, "upgrading it") : 0;
}

/* A full or failing disk shows here, where the operator is looking, and not at the first change. */
static int probe_write(sqlite3 *db) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        char now[24];
        int r;

        (void) snprintf(now, sizeof(now), "%llu", (unsigned long long) (now_realtime_usec() / USEC_PER_SEC));
        r = sqlite_prepare(
                        db,
                        "INSERT INTO meta VALUES ('opened', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1",
                        &s);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(s, 1, now, -1, SQLITE_STATIC);
        return sqlite_errno(db, sqlite3_step(s));
}

int sqlite_open(const char *path, const Kind *const *kinds, size_t n_kinds, const StoreMigration *migrations,
                size_t n_migrations, StoreProblem *ret_problem, char **ret_message, sqlite3 **ret_write,
                sqlite3 **ret_read) {
        _cleanup_sqlite_ sqlite3 *write_db = NULL, *read_db = NULL;
        Problem p = { ret_problem, ret_message };
        int r;

        r = check_folder(&p, path);
        if (r < 0)
                return r;
        r = check_file(&p, path);
        if (r < 0)
                return r;
        if (r == 0) {
                r = create(&p, path, kinds, n_kinds, migrations, n_migrations);
                if (r < 0)
                        return r;
        }
        r = open_connection(path, SQLITE_OPEN_READWRITE, &write_db);
        if (r < 0)
                return problem_errno(&p, path, r, "opening it");
        r = check_content(&p, write_db, path, n_migrations);
        if (r < 0)
                return r;
        r = sqlite_run(write_db, "PRAGMA journal_mode=WAL");
        if (r < 0)
                return problem_errno(&p, path, r, "opening its log");
        r = upgrade(&p, write_db, path, kinds, n_kinds, migrations, n_migrations);
        if (r < 0)
                return r;
        r = probe_write(write_db);
        if (r < 0)
                return problem_errno(&p, path, r, "writing to it");
        r = open_connection(path, SQLITE_OPEN_READONLY, &read_db);
        if (r >= 0)
                r = sqlite_run(read_db, "PRAGMA cache_size=-64");
        if (r < 0)
                return problem_errno(&p, path, r, "opening it to read");
        *ret_problem = STORE_OK;
        *ret_write = TAKE(write_db);
        *ret_read = TAKE(read_db);
        return 0;
}
