/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "kinds/kinds.h"
#include "store/sqlite.h"

typedef struct Fixture {
        char folder[64], path[96];
        sd_event *event;
        Worker *worker;
        Store *store;
        StoreProblem problem;
        char *message;
        int result;
        uint64_t revision;
        unsigned n_done;
} Fixture;

static int setup(void **state) {
        Fixture *f = new(Fixture);

        (void) umask(0077);
        (void) snprintf(f->folder, sizeof(f->folder), "/tmp/test-store-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        (void) snprintf(f->path, sizeof(f->path), "%s/c.db", f->folder);
        assert_true(crypto_setup() >= 0);
        assert_true(sd_event_new(&f->event) >= 0);
        assert_true(worker_new(f->event, "store", 64, &f->worker) >= 0);
        *state = f;
        return 0;
}

static void remove_folder(const char *folder) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) execlp("rm", "rm", "-rf", folder, NULL);
                _exit(1);
        }
        (void) waitpid(pid, NULL, 0);
}

static int teardown(void **state) {
        Fixture *f = *state;

        f->worker = worker_free(f->worker);
        f->store = store_free(f->store);
        sd_event_unref(f->event);
        remove_folder(f->folder);
        free(f->message);
        free(f);
        return 0;
}

static int try_open_full(Fixture *f, const StoreMigration *migrations, size_t n) {
        free(f->message);
        f->message = NULL;
        return store_open_full(f->path, kinds, n_kinds, f->worker, migrations, n, &f->problem, &f->message,
                               &f->store);
}

static int try_open(Fixture *f) {
        return try_open_full(f, store_migrations, n_store_migrations);
}

static void close_store(Fixture *f) {
        f->store = store_free(f->store);
}

static void on_done(int result, uint64_t revision, void *userdata) {
        Fixture *f = userdata;

        f->result = result;
        f->revision = revision;
        f->n_done++;
}

static int commit(Fixture *f, StoreTransaction *t) {
        unsigned before = f->n_done;

        assert_true(store_submit(f->store, t, on_done, f) >= 0);
        while (f->n_done == before)
                assert_true(sd_event_run(f->event, UINT64_C(5000000)) > 0);
        return f->result;
}

static Object *make_network(const char *name, const char *prefix) {
        Object *o = NULL;
        Network *n;

        assert_true(object_new(&kind_network, &o) >= 0);
        object_make_id(o);
        n = (Network *) o;
        n->name = strdup(name);
        assert_true(prefix_parse(prefix, &n->prefix4) >= 0);
        return o;
}

static int add_network(Fixture *f, uint64_t expected, const char *name) {
        _cleanup_(object_freep) Object *o = make_network(name, "10.0.0.0/16");
        StoreTransaction *t = NULL;

        assert_true(store_transaction_new(f->store, expected, 1000, "user:test", &t) >= 0);
        o->revision = expected + 1;
        assert_true(store_transaction_object(t, NULL, o) >= 0);
        assert_true(store_transaction_topic_item(t, "net/x/hubs", name, expected + 1, "{}") >= 0);
        return commit(f, t);
}

static int64_t query(const char *path, const char *sql) {
        _cleanup_sqlite_ sqlite3 *db = NULL;
        int64_t v = -1;

        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_true(sqlite_get_int(db, sql, &v) >= 0);
        return v;
}

static void execute(const char *path, const char *sql) {
        _cleanup_sqlite_ sqlite3 *db = NULL;

        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
                         SQLITE_OK);
        assert_true(sqlite_run(db, sql) >= 0);
}

static int count_object(Object *o, void *userdata) {
        Object **last = userdata;

        (void) object_free(*last);
        *last = o;
        return 0;
}

static int find_item(const char *topic, const char *item, uint64_t revision, const char *data,
                     void *userdata) {
        unsigned *n = userdata;

        if (streq(item, "gone"))
                assert_null(data);
        else
                assert_string_equal(data, "{}");
        (*n)++;
        return 0;
}

static int find_sequence(const char *node, uint64_t epoch, uint64_t ceiling, void *userdata) {
        assert_string_equal(node, "n1");
        *(uint64_t *) userdata = epoch * 100000 + ceiling;
        return 0;
}

static int find_tombstone(const char *key, void *userdata) {
        assert_string_equal(key, "dead");
        (*(unsigned *) userdata)++;
        return 0;
}

static void test_round_trip(void **state) {
        Fixture *f = *state;
        _cleanup_(object_freep) Object *o = NULL, *last = NULL;
        _cleanup_free_ char *meta = NULL, *node = NULL;
        uint64_t sequence = 0, bad = 99;
        StoreTransaction *t = NULL;
        unsigned items = 0, tombstones = 0;
        struct stat st;

        assert_int_equal(try_open(f), 0);
        assert_int_equal(f->problem, STORE_OK);
        assert_int_equal(store_revision(f->store), 0);
        assert_true(stat(f->path, &st) >= 0);
        assert_int_equal(st.st_mode & 07777, 0600);

        o = make_network("corp", "10.1.0.0/16");
        o->revision = 1;
        assert_true(store_transaction_new(f->store, 0, 1000, "user:test", &t) >= 0);
        assert_true(store_transaction_object(t, NULL, o) >= 0);
        assert_true(store_transaction_topic_item(t, "net/x/hubs", "network", 1, "{}") >= 0);
        assert_true(store_transaction_topic_item(t, "net/x/hubs", "gone", 1, NULL) >= 0);
        assert_true(store_transaction_tombstone(t, "dead") >= 0);
        assert_true(store_transaction_enrolment(t, "t1", "aa", "i1", "n1") >= 0);
        assert_int_equal(commit(f, t), 0);
        assert_int_equal(f->revision, 1);

        /* a sequence is no change */
        assert_true(store_transaction_new(f->store, 77, 1000, "agents", &t) >= 0);
        assert_true(store_transaction_agent_sequence(t, "n1", 3, 4096) >= 0);
        assert_int_equal(commit(f, t), 0);
        assert_int_equal(f->revision, 1);
        assert_int_equal(store_find_enrolment(f->store, "t1", "aa", "i1", &node), 0);
        assert_string_equal(node, "n1");
        assert_int_equal(store_find_enrolment(f->store, "t1", "aa", "i2", &node), -ENOENT);
        assert_int_equal(store_set_meta(f->store, "k", "v"), 0);
        close_store(f);

        assert_int_equal(try_open(f), 0);
        assert_int_equal(store_revision(f->store), 1);
        assert_int_equal(store_load_objects(f->store, count_object, &last), 0);
        assert_non_null(last);
        assert_string_equal(last->id, o->id);
        assert_int_equal(last->revision, 1);
        for (size_t i = 0; i < kind_network.n_fields; i++)
                assert_true(field_equal(&kind_network.fields[i], last, o));
        assert_int_equal(store_load_topic_items(f->store, find_item, &items), 0);
        assert_int_equal(items, 2);
        assert_int_equal(store_load_agent_sequences(f->store, find_sequence, &sequence), 0);
        assert_int_equal(sequence, 304096);
        assert_int_equal(store_load_tombstones(f->store, find_tombstone, &tombstones), 0);
        assert_int_equal(tombstones, 1);
        assert_int_equal(store_get_meta(f->store, "k", &meta), 0);
        assert_string_equal(meta, "v");
        assert_int_equal(store_get_meta(f->store, "none", &meta), -ENOENT);
        assert_int_equal(store_verify_chain(f->store, &bad), 0);
        assert_int_equal(bad, 0);
}

static void test_compare_and_swap(void **state) {
        Fixture *f = *state;

        assert_int_equal(try_open(f), 0);
        assert_int_equal(add_network(f, 0, "a"), 0);
        assert_int_equal(add_network(f, 0, "b"), -ESTALE);
        assert_int_equal(store_revision(f->store), 1);
        assert_int_equal(add_network(f, 5, "b"), -ESTALE);
        assert_int_equal(add_network(f, 1, "b"), 0);
        assert_int_equal(query(f->path, "SELECT count(*) FROM networks"), 2);
        assert_int_equal(query(f->path, "SELECT count(*) FROM topic_item"), 2);
        assert_int_equal(query(f->path, "SELECT count(*) FROM change"), 2);
}

/* Those that waited are committed together: one bad one does not take the others with it. */
static void test_batch(void **state) {
        Fixture *f = *state;
        uint64_t bad = 99;

        assert_int_equal(try_open(f), 0);
        for (uint64_t i = 0; i < 20; i++) {
                _cleanup_(object_freep) Object *o = NULL;
                char name[16];
                StoreTransaction *t = NULL;

                (void) snprintf(name, sizeof(name), "n%llu", (unsigned long long) i);
                o = make_network(name, "10.0.0.0/16");
                /* number 10 comes with an old revision */
                assert_true(store_transaction_new(f->store,
                                                  i == 10  ? 3
                                                  : i > 10 ? i - 1
                                                           : i,
                                                  1, "u", &t) >= 0);
                assert_true(store_transaction_object(t, NULL, o) >= 0);
                assert_true(store_submit(f->store, t, on_done, f) >= 0);
        }
        while (f->n_done < 20)
                assert_true(sd_event_run(f->event, UINT64_C(5000000)) > 0);
        assert_int_equal(store_revision(f->store), 19);
        assert_int_equal(query(f->path, "SELECT count(*) FROM networks"), 19);
        assert_int_equal(query(f->path, "SELECT count(*) FROM networks WHERE name = 'n10'"), 0);
        assert_int_equal(store_verify_chain(f->store, &bad), 0);
        assert_int_equal(bad, 0);
}

/* The worker goes away with work under way: everybody hears of it, nothing leaks. */
static void test_stop_under_way(void **state) {
        Fixture *f = *state;

        assert_int_equal(try_open(f), 0);
        for (unsigned i = 0; i < 5; i++) {
                StoreTransaction *t = NULL;

                assert_true(store_transaction_new(f->store, 0, 1, "u", &t) >= 0);
                assert_true(store_transaction_agent_sequence(t, "n1", 1, i) >= 0);
                assert_true(store_submit(f->store, t, on_done, f) >= 0);
        }
        f->worker = worker_free(f->worker);
        assert_int_equal(f->n_done, 5);
        assert_int_equal(f->result, -ECANCELED);
}

static void test_chain_shows_tampering(void **state) {
        Fixture *f = *state;
        uint64_t bad = 0;

        assert_int_equal(try_open(f), 0);
        for (uint64_t i = 0; i < 5; i++) {
                char name[] = { (char) ('a' + i), 0 };

                assert_int_equal(add_network(f, i, name), 0);
        }
        close_store(f);
        execute(f->path, "UPDATE change SET actor = 'user:other' WHERE seq = 3");
        assert_int_equal(try_open(f), 0);
        assert_int_equal(store_verify_chain(f->store, &bad), 0);
        assert_int_equal(bad, 3);
        close_store(f);
        execute(f->path, "UPDATE change SET actor = 'user:test' WHERE seq = 3");
        assert_int_equal(try_open(f), 0);
        assert_int_equal(store_verify_chain(f->store, &bad), 0);
        assert_int_equal(bad, 0);
        close_store(f);
        execute(f->path, "DELETE FROM change WHERE seq = 2");
        assert_int_equal(try_open(f), 0);
        assert_int_equal(store_verify_chain(f->store, &bad), 0);
        assert_int_equal(bad, 3);
}

/* What a record says of hidden fields is that they changed. */
static void test_record_hides_secrets(void **state) {
        Fixture *f = *state;
        _cleanup_(object_freep) Object *o = NULL, *changed = NULL;
        StoreTransaction *t = NULL;

        assert_int_equal(try_open(f), 0);
        assert_true(object_new(&kind_user, &o) >= 0);
        object_make_id(o);
        ((User *) o)->name = strdup("alice");
        ((User *) o)->token_id = strdup("abcdefgh");
        memset(((User *) o)->token_hash.bytes, 0xAB, DIGEST_SIZE);
        assert_true(object_copy(o, &changed) >= 0);
        memset(((User *) changed)->token_hash.bytes, 0xCD, DIGEST_SIZE);
        assert_true(store_transaction_new(f->store, 0, 1, "u", &t) >= 0);
        assert_true(store_transaction_object(t, NULL, o) >= 0);
        assert_int_equal(commit(f, t), 0);
        assert_true(store_transaction_new(f->store, 1, 1, "u", &t) >= 0);
        assert_true(store_transaction_object(t, o, changed) >= 0);
        assert_int_equal(commit(f, t), 0);
        assert_int_equal(query(f->path,
                               "SELECT count(*) FROM change WHERE op = 'update' AND after LIKE '%hidden%'"),
                         1);
        assert_int_equal(query(f->path,
                               "SELECT count(*) FROM change WHERE ifnull(before,'') || after LIKE '%abab%'"
                               " OR ifnull(before,'') || after LIKE '%cdcd%'"),
                         0);
        assert_int_equal(query(f->path, "SELECT count(*) FROM users WHERE token_hash LIKE 'cdcd%'"), 1);
}

static off_t size_of(const char *path) {
        struct stat st;

        return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void test_zero_length(void **state) {
        Fixture *f = *state;
        int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        (void) close(fd);
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_DAMAGED);
        assert_non_null(strstr(f->message, "0 bytes"));
        assert_int_equal(size_of(f->path), 0);
}

static void test_not_a_database(void **state) {
        Fixture *f = *state;
        FILE *out = fopen(f->path, "we");

        for (unsigned i = 0; i < 5000; i++)
                (void) fputs("this is no database ", out);
        (void) fclose(out);
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_DAMAGED);
        assert_int_equal(size_of(f->path), 100000);
}

static void test_foreign_database(void **state) {
        Fixture *f = *state;

        execute(f->path, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')");
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_DAMAGED);
        assert_non_null(strstr(f->message, "another program"));
        assert_int_equal(query(f->path, "SELECT count(*) FROM bookmarks"), 1);
        assert_int_equal(query(f->path, "SELECT count(*) FROM sqlite_schema"), 1);
}

static void test_lost_database(void **state) {
        Fixture *f = *state;
        char wal[128];
        FILE *out;

        (void) snprintf(wal, sizeof(wal), "%s-wal", f->path);
        out = fopen(wal, "we");
        (void) fputs("x", out);
        (void) fclose(out);
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_DAMAGED);
        assert_int_equal(size_of(f->path), -1);
}

static void make_database(Fixture *f) {
        assert_int_equal(try_open(f), 0);
        for (uint64_t i = 0; i < 50; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "net%llu", (unsigned long long) i);
                assert_int_equal(add_network(f, i, name), 0);
        }
        close_store(f);
}

/* Every page in turn is overwritten: found, or it was one that says nothing; never a crash, never a new
 * database. */
static void test_damaged_pages(void **state) {
        Fixture *f = *state;
        unsigned found = 0, pages;
        off_t size;

        make_database(f);
        size = size_of(f->path);
        pages = (unsigned) (size / 4096);
        for (unsigned i = 0; i < pages; i++) {
                char keep[4096], junk[4096];
                int fd = open(f->path, O_RDWR | O_CLOEXEC);
                int r;

                memset(junk, 0x5A, sizeof(junk));
                assert_int_equal(pread(fd, keep, 4096, (off_t) i * 4096), 4096);
                assert_int_equal(pwrite(fd, junk, 4096, (off_t) i * 4096), 4096);
                r = try_open(f);
                if (r < 0) {
                        assert_int_equal(f->problem, STORE_DAMAGED);
                        assert_int_equal(size_of(f->path), size);
                        found++;
                }
                close_store(f);
                assert_int_equal(pwrite(fd, keep, 4096, (off_t) i * 4096), 4096);
                (void) close(fd);
        }
        assert_true(found >= pages / 2);
        assert_int_equal(try_open(f), 0);
        assert_int_equal(store_revision(f->store), 50);
}

static void test_truncated(void **state) {
        Fixture *f = *state;

        make_database(f);
        assert_true(truncate(f->path, 4096 * 3 + 17) >= 0);
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_DAMAGED);
        assert_int_equal(size_of(f->path), 4096 * 3 + 17);
}

static void test_newer(void **state) {
        Fixture *f = *state;

        make_database(f);
        execute(f->path, "PRAGMA user_version = 4711");
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_NEWER);
        assert_non_null(strstr(f->message, "newer version"));
        assert_int_equal(query(f->path, "PRAGMA user_version"), 4711);
        execute(f->path, "PRAGMA user_version = 1; ALTER TABLE networks ADD COLUMN colour TEXT");
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_NEWER);
}

static void test_modes(void **state) {
        Fixture *f = *state;

        make_database(f);
        assert_true(chmod(f->path, 0640) >= 0);
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_ACCESS);
        assert_non_null(strstr(f->message, "chmod 600"));
        assert_true(chmod(f->path, 0600) >= 0);
        if (geteuid() == 0) {
                assert_true(chown(f->path, 12345, 12345) >= 0);
                assert_true(try_open(f) < 0);
                assert_int_equal(f->problem, STORE_ACCESS);
                assert_non_null(strstr(f->message, "12345"));
                assert_true(chown(f->path, 0, 0) >= 0);
        }
        assert_int_equal(try_open(f), 0);
}

/* An upgrade: the backup has the old, the database the new, and a failing one leaves the old. */
static void test_migration(void **state) {
        Fixture *f = *state;
        StoreMigration two[] = { store_migrations[0], { "CREATE TABLE fresh (x INTEGER)" } };
        StoreMigration broken[] = { store_migrations[0],
                                    { "CREATE TABLE half (x INTEGER); SELECT nonsense FROM nowhere" } };
        char backup[128];

        make_database(f);
        (void) snprintf(backup, sizeof(backup), "%s.before-v2", f->path);
        assert_true(try_open_full(f, broken, 2) < 0);
        assert_int_equal(query(f->path, "PRAGMA user_version"), 1);
        assert_int_equal(query(f->path, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
        assert_true(unlink(backup) >= 0);

        assert_int_equal(try_open_full(f, two, 2), 0);
        assert_int_equal(store_revision(f->store), 50);
        close_store(f);
        assert_int_equal(query(f->path, "PRAGMA user_version"), 2);
        assert_int_equal(query(f->path, "SELECT count(*) FROM fresh"), 0);
        assert_int_equal(query(backup, "PRAGMA user_version"), 1);
        assert_int_equal(query(backup, "SELECT count(*) FROM networks"), 50);
        /* the older binary refuses it */
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_NEWER);
}

/* A field that a kind gained: old objects have its default. */
static void test_new_field(void **state) {
        Fixture *f = *state;
        _cleanup_(object_freep) Object *last = NULL;

        make_database(f);
        execute(f->path, "ALTER TABLE networks DROP COLUMN mtu");
        execute(f->path, "ALTER TABLE networks DROP COLUMN ranges");
        assert_int_equal(try_open(f), 0);
        assert_int_equal(store_load_objects(f->store, count_object, &last), 0);
        assert_int_equal(((Network *) last)->mtu, 1420);
        assert_int_equal(((Network *) last)->ranges.n, 0);
        close_store(f);
        assert_int_equal(try_open(f), 0);
}

/* A first start that was killed leaves nothing that stands in the way of the second. */
static void test_unfinished_creation(void **state) {
        Fixture *f = *state;
        char fresh[128];
        FILE *out;

        (void) snprintf(fresh, sizeof(fresh), "%s.new", f->path);
        out = fopen(fresh, "we");
        (void) fputs("half a page", out);
        (void) fclose(out);
        assert_int_equal(try_open(f), 0);
        assert_int_equal(size_of(fresh), -1);
}

static void fill(const char *folder, char ret[static 128]) {
        static const char zeros[4096];
        int fd;

        (void) snprintf(ret, 128, "%s/filler", folder);
        fd = open(ret, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        while (write(fd, zeros, sizeof(zeros)) == (ssize_t) sizeof(zeros))
                ;
        (void) close(fd);
}

static void test_full_disk(void **state) {
        Fixture *f = *state;
        char filler[128];
        int r = 0;

        if (geteuid() != 0 || mount("tmpfs", f->folder, "tmpfs", 0, "size=1m") < 0) {
                print_message("needs root and mount(2)\n");
                skip();
        }
        assert_int_equal(try_open(f), 0);
        assert_int_equal(add_network(f, 0, "first"), 0);
        fill(f->folder, filler);
        for (unsigned i = 0; i < 200 && r >= 0; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "n%u", i);
                r = add_network(f, store_revision(f->store), name);
        }
        assert_int_equal(r, -ENOSPC);
        /* space returns: no restart needed */
        assert_true(unlink(filler) >= 0);
        assert_int_equal(add_network(f, store_revision(f->store), "after"), 0);
        close_store(f);

        /* at start, on a full disk */
        assert_int_equal(try_open(f), 0);
        close_store(f);
        fill(f->folder, filler);
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_FULL);
        assert_non_null(strstr(f->message, "Free space"));
        assert_true(unlink(filler) >= 0);
        assert_int_equal(try_open(f), 0);
        assert_int_equal(query(f->path, "SELECT count(*) FROM networks WHERE name IN ('first', 'after')"),
                         2);
        close_store(f);
        assert_true(umount(f->folder) >= 0);

        /* a first start on a full disk leaves nothing behind */
        assert_true(mount("tmpfs", f->folder, "tmpfs", 0, "size=64k") >= 0);
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_FULL);
        assert_int_equal(size_of(f->path), -1);
        assert_true(umount(f->folder) >= 0);
}

static void test_read_only(void **state) {
        Fixture *f = *state;

        if (geteuid() != 0 || mount("tmpfs", f->folder, "tmpfs", 0, "size=2m") < 0) {
                print_message("needs root and mount(2)\n");
                skip();
        }
        make_database(f);
        assert_true(mount("tmpfs", f->folder, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) >= 0);
        assert_true(try_open(f) < 0);
        assert_int_equal(f->problem, STORE_ACCESS);
        assert_non_null(strstr(f->message, "read-only"));
        assert_true(umount(f->folder) >= 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(test_round_trip),
                T(test_compare_and_swap),
                T(test_batch),
                T(test_stop_under_way),
                T(test_chain_shows_tampering),
                T(test_record_hides_secrets),
                T(test_zero_length),
                T(test_not_a_database),
                T(test_foreign_database),
                T(test_lost_database),
                T(test_damaged_pages),
                T(test_truncated),
                T(test_newer),
                T(test_modes),
                T(test_migration),
                T(test_new_field),
                T(test_unfinished_creation),
                T(test_full_disk),
                T(test_read_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
