/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/strutil.h"

static char folder[] = "/tmp/sdwan-test-fileio-XXXXXX";

static char *path_of(const char *name) {
        static char path[512];

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        return path;
}

static int setup(void **state) {
        return mkdtemp(folder) ? 0 : -1;
}

/* Removes everything; returns the number of files that were left. */
static unsigned empty_folder(void) {
        DIR *dir = opendir(folder);
        unsigned n = 0;

        for (struct dirent *e = readdir(dir); e; e = readdir(dir))
                if (!streq(e->d_name, ".") && !streq(e->d_name, "..")) {
                        n++;
                        (void) remove(path_of(e->d_name));
                }
        (void) closedir(dir);
        return n;
}

static int teardown(void **state) {
        (void) empty_folder();
        return rmdir(folder);
}

static void test_write_and_read(void **state) {
        _cleanup_free_ uint8_t *data = NULL, *again = NULL;
        struct stat st;
        size_t len;

        assert_int_equal(file_write_atomic(path_of("a"), "hello", 5, 0640), 0);
        assert_int_equal(stat(path_of("a"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640);
        assert_int_equal(file_read(path_of("a"), 5, &data, &len), 0);
        assert_int_equal(len, 5);
        assert_string_equal((char *) data, "hello");
        assert_int_equal(file_read(path_of("a"), 4, &again, &len), -EFBIG);
        assert_int_equal(file_write_atomic(path_of("a"), "x", 1, 0600), 0);
        assert_int_equal(file_read(path_of("a"), 100, &again, &len), 0);
        assert_string_equal((char *) again, "x");
        assert_int_equal(empty_folder(), 1);
}

static void test_new(void **state) {
        _cleanup_free_ uint8_t *data = NULL;
        size_t len;

        assert_int_equal(file_write_new(path_of("k"), "one", 3, 0600), 0);
        assert_int_equal(file_write_new(path_of("k"), "two", 3, 0600), -EEXIST);
        assert_int_equal(file_read(path_of("k"), 100, &data, &len), 0);
        assert_string_equal((char *) data, "one");
        assert_int_equal(empty_folder(), 1);
}

static void test_errors(void **state) {
        uint8_t *data;
        size_t len;

        assert_int_equal(file_read(path_of("none"), 10, &data, &len), -ENOENT);
        assert_int_equal(file_read(folder, 10, &data, &len), -EISDIR);
        assert_int_equal(file_read("/dev/null", 10, &data, &len), -EINVAL);
        assert_int_equal(file_write_atomic(path_of("none/x"), "x", 1, 0600), -ENOENT);
        assert_int_equal(file_write_atomic(path_of(""), "x", 1, 0600), -EISDIR);
        assert_int_equal(symlink("/etc/hostname", path_of("link")), 0);
        assert_int_equal(file_read(path_of("link"), 1000, &data, &len), -ELOOP);
        assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
        assert_int_equal(file_read(path_of("fifo"), 10, &data, &len), -EINVAL);
        assert_int_equal(mkdir(path_of("dir"), 0700), 0);
        assert_int_equal(file_write_atomic(path_of("dir"), "x", 1, 0600), -EISDIR);
        assert_int_equal(empty_folder(), 3);
}

/* A write that fails half way leaves the old content and no other file. */
static void test_full(void **state) {
        _cleanup_free_ uint8_t *data = NULL;
        struct rlimit old, small = { 4096, 4096 };
        static uint8_t big[65536];
        size_t len;

        assert_int_equal(file_write_atomic(path_of("state"), "old", 3, 0600), 0);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        small.rlim_max = old.rlim_max;
        (void) signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        assert_int_equal(file_write_atomic(path_of("state"), big, sizeof(big), 0600), -EFBIG);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(file_read(path_of("state"), 100, &data, &len), 0);
        assert_string_equal((char *) data, "old");
        assert_int_equal(empty_folder(), 1);
}

static void test_secret(void **state) {
        static const struct {
                mode_t mode;
                int result;
        } cases[] = { { 0600, 0 },      { 0400, 0 },      { 0700, 0 },      { 0640, -EPERM },
                      { 0620, -EPERM }, { 0604, -EPERM }, { 0602, -EPERM }, { 0666, -EPERM } };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ uint8_t *data = NULL;
                size_t len;

                assert_int_equal(file_write_atomic(path_of("s"), "secret", 6, cases[i].mode), 0);
                assert_int_equal(file_read_secret(path_of("s"), 100, &data, &len), cases[i].result);
        }
        if (geteuid() == 0) { /* a file of somebody else */
                _cleanup_free_ uint8_t *data = NULL;
                size_t len;

                assert_int_equal(file_write_atomic(path_of("s"), "secret", 6, 0600), 0);
                assert_int_equal(chown(path_of("s"), 12345, 12345), 0);
                assert_int_equal(file_read_secret(path_of("s"), 100, &data, &len), -EPERM);
        }
        (void) empty_folder();
}

static void test_fd(void **state) {
        _cleanup_free_ uint8_t *data = NULL, *big = NULL;
        size_t len;
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        assert_int_equal(write(fds[1], "sdwan1.x", 8), 8);
        assert_int_equal(close(fds[1]), 0);
        assert_int_equal(fd_read_all(fds[0], 8, &data, &len), 0);
        assert_int_equal(len, 8);
        assert_string_equal((char *) data, "sdwan1.x");
        assert_int_equal(close(fds[0]), 0);

        assert_int_equal(pipe(fds), 0);
        for (unsigned i = 0; i < 30000; i += 10)
                assert_int_equal(write(fds[1], "0123456789", 10), 10);
        assert_int_equal(close(fds[1]), 0);
        assert_int_equal(fd_read_all(fds[0], 29999, &big, &len), -EFBIG);
        assert_int_equal(close(fds[0]), 0);

        assert_int_equal(pipe(fds), 0);
        for (unsigned i = 0; i < 30000; i += 10)
                assert_int_equal(write(fds[1], "0123456789", 10), 10);
        assert_int_equal(close(fds[1]), 0);
        assert_int_equal(fd_read_all(fds[0], 30000, &big, &len), 0);
        assert_int_equal(len, 30000);
        assert_memory_equal(big + 29990, "0123456789", 11);
        assert_int_equal(close(fds[0]), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_write_and_read), cmocka_unit_test(test_new),
                cmocka_unit_test(test_errors),         cmocka_unit_test(test_full),
                cmocka_unit_test(test_secret),         cmocka_unit_test(test_fd),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
