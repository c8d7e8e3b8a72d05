/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fileio.h"
#include "base/strutil.h"
#include "conf/conf.h"

typedef struct Settings {
        char *path;
        char **words;
        uint64_t count, interval;
        bool enabled;
        uint16_t port;
        int level;
} Settings;

static const char *const levels[] = { "low", "high", NULL };

static const ConfItem items[] = {
        { "Main", "Path", CONF_STRING, offsetof(Settings, path) },
        { "Main", "Words", CONF_STRV, offsetof(Settings, words) },
        { "Main", "Count", CONF_U64, offsetof(Settings, count), .min = 2, .max = 5 },
        { "Main", "Enabled", CONF_BOOL, offsetof(Settings, enabled) },
        { "Net", "Interval", CONF_TIMESPAN, offsetof(Settings, interval), .min = USEC_PER_SEC,
          .max = 60 * USEC_PER_SEC },
        { "Net", "Port", CONF_PORT, offsetof(Settings, port) },
        { "Net", "Level", CONF_ENUM, offsetof(Settings, level), .values = levels },
};

static void settings_done(Settings *s) {
        free(s->path);
        strv_free(s->words);
}

static int parse(const char *text, Settings *s, ConfError *e) {
        *e = (ConfError) { 0 };
        return conf_parse("/etc/x.conf", text, strlen(text), items, ELEMENTSOF(items), s, e);
}

static void test_good(void **state) {
        _cleanup_(settings_done) Settings s = { .path = strdup("/default") };
        ConfError e;

        assert_int_equal(parse("", &s, &e), 0);
        assert_string_equal(s.path, "/default");
        assert_int_equal(parse("# a comment\n; another\n\n  [Main]  \n\tPath = /a b=c # no comment "
                               "\nWords=one  two\tthree\n"
                               "Words=four\nCount=5\nEnabled=yes\n[Net]\nInterval=30s\nPort=8443\nLevel="
                               "high\n[Main]",
                               &s, &e),
                         0);
        assert_string_equal(s.path, "/a b=c # no comment");
        assert_int_equal(strv_length(s.words), 4);
        assert_string_equal(s.words[3], "four");
        assert_int_equal(s.count, 5);
        assert_true(s.enabled);
        assert_int_equal(s.interval, 30 * USEC_PER_SEC);
        assert_int_equal(s.port, 8443);
        assert_int_equal(s.level, 1);
        /* a later file wins; lists go on, and an empty value begins anew */
        assert_int_equal(parse("[Main]\nPath=\nWords=\nWords=five\nEnabled=off\n", &s, &e), 0);
        assert_null(s.path);
        assert_int_equal(strv_length(s.words), 1);
        assert_false(s.enabled);
}

static void test_refused(void **state) {
        static const struct {
                const char *text, *error; /* error: behind the file's name */
        } bad[] = {
                { "[Main]\nPrt=1\n", "2: unknown key \"Prt\" in [Main]" },
                { "[Main]\nPort=1\n", "2: unknown key \"Port\" in [Main]" },
                { "[Main]\n\n[Other]\n", "3: unknown section [Other]" },
                { "[main]\n", "1: unknown section [main]" },
                { "Path=/x\n", "1: key \"Path\" stands before any [Section]" },
                { "[Main\n", "1: a section ends in ']'" },
                { "[", "1: a section ends in ']'" },
                { "[]", "1: unknown section []" },
                { "[Main] # x\n", "1: a section ends in ']'" },
                { "[Main]\nPath\n", "2: neither [Section] nor Key=Value" },
                { "[Main]\n=x\n", "2: unknown key \"\" in [Main]" },
                { "[Main]\nCount=2\nCount=3\n", "3: Count= is set in line 2 already" },
                { "[Main]\nCount=1\n", "2: Count= must be a whole number from 2 to 5" },
                { "[Main]\nCount=6\n", "2: Count= must be a whole number from 2 to 5" },
                { "[Main]\nCount=\n", "2: Count= must be a whole number from 2 to 5" },
                { "[Main]\nCount=3x\n", "2: Count= must be a whole number from 2 to 5" },
                { "[Main]\nEnabled=maybe\n", "2: Enabled= must be yes or no" },
                { "[Net]\nInterval=2x\n", "2: Interval= must be a time span like 30s, 15min or 1h" },
                { "[Net]\nInterval=2min\n", "2: Interval= must be from 1000ms to 60000ms" },
                { "[Net]\nInterval=0\n", "2: Interval= must be from 1000ms to 60000ms" },
                { "[Net]\nPort=0\n", "2: Port= must be a port from 1 to 65535" },
                { "[Net]\nPort=65536\n", "2: Port= must be a port from 1 to 65535" },
                { "[Net]\nLevel=middle\n", "2: Level= must be one of: low, high" },
                { "[Main]\nPath=a\\\n", "2: a line cannot be continued on the next one" },
                { "[Main]\r\n", "1: lines end in a line feed alone" },
                { "[Main]\nPath=\x1b[2J\n", "2: control character" },
                { "[Main]\nPath=\xff\n", "0: not UTF-8" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(settings_done) Settings s = { 0 };
                ConfError e;

                assert_int_equal(parse(bad[i].text, &s, &e), -EINVAL);
                assert_memory_equal(e.text, "/etc/x.conf:", 12);
                assert_string_equal(e.text + 12, bad[i].error);
        }
        Settings s = { 0 };

        assert_int_equal(conf_parse("x", "[Main]\0\n", 8, items, ELEMENTSOF(items), &s, NULL), -EINVAL);
}

static void test_load(void **state) {
        char folder[] = "/tmp/sdwan-test-conf-XXXXXX", path[64], dropins[80], file[128];
        static const struct {
                const char *name, *text;
        } files[] = {
                { "20-b.conf", "[Main]\nCount=4\nWords=b\n" },
                { "10-a.conf", "[Main]\nCount=3\nWords=a\n" },
                { ".hidden.conf", "nonsense" },
                { "30-c.conf.bak", "nonsense" },
                { ".conf", "nonsense" },
        };
        _cleanup_(settings_done) Settings s = { 0 };
        ConfError e = { 0 };

        assert_non_null(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/x.conf", folder);
        (void) snprintf(dropins, sizeof(dropins), "%s.d", path);

        /* nothing there: the defaults */
        assert_int_equal(conf_load(path, items, ELEMENTSOF(items), &s, &e), 0);
        assert_int_equal(file_write_atomic(path, "[Main]\nCount=2\nPath=/p\n", 23, 0644), 0);
        assert_int_equal(mkdir(dropins, 0755), 0);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                (void) snprintf(file, sizeof(file), "%s/%s", dropins, files[i].name);
                assert_int_equal(file_write_atomic(file, files[i].text, strlen(files[i].text), 0644), 0);
        }
        assert_int_equal(conf_load(path, items, ELEMENTSOF(items), &s, &e), 0);
        assert_int_equal(s.count, 4);
        assert_string_equal(s.path, "/p");
        assert_int_equal(strv_length(s.words), 2);
        assert_string_equal(s.words[0], "a");

        (void) snprintf(file, sizeof(file), "%s/30-bad.conf", dropins);
        assert_int_equal(file_write_atomic(file, "[Main]\nCuont=2\n", 15, 0644), 0);
        assert_int_equal(conf_load(path, items, ELEMENTSOF(items), &s, &e), -EINVAL);
        assert_non_null(strstr(e.text, "30-bad.conf:2: unknown key \"Cuont\" in [Main]"));
        assert_int_equal(unlink(file), 0);
        assert_int_equal(symlink("/etc/hostname", file), 0);
        assert_int_equal(conf_load(path, items, ELEMENTSOF(items), &s, &e), -ELOOP);
        assert_non_null(strstr(e.text, "30-bad.conf: symbolic links are not followed"));
        assert_int_equal(unlink(file), 0);

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                (void) snprintf(file, sizeof(file), "%s/%s", dropins, files[i].name);
                assert_int_equal(unlink(file), 0);
        }
        assert_int_equal(rmdir(dropins), 0);
        assert_int_equal(file_write_atomic(dropins, "x", 1, 0644),
                         0); /* a file where the folder should be */
        assert_int_equal(conf_load(path, items, ELEMENTSOF(items), &s, &e), -ENOTDIR);
        assert_int_equal(unlink(dropins), 0);

        char *big = calloc(1, CONF_FILE_MAX + 1);

        memset(big, '#', CONF_FILE_MAX + 1);
        assert_int_equal(file_write_atomic(path, big, CONF_FILE_MAX + 1, 0644), 0);
        assert_int_equal(conf_load(path, items, ELEMENTSOF(items), &s, &e), -EFBIG);
        assert_int_equal(file_write_atomic(path, big, CONF_FILE_MAX, 0644), 0);
        assert_int_equal(conf_load(path, items, ELEMENTSOF(items), &s, &e), 0);
        free(big);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(folder), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_load),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
