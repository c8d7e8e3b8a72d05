/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/timeutil.h"
#include "test-wg-common.h"

/* Against wireguard-go, in a network namespace of its own. Its socket is in the one place that it knows, so
 * the name of the interface is this process's. */

#define PROGRAM "/usr/bin/wireguard-go"

static void test_errors(void **state) {
        Fixture *f = *state;
        WgDevice d = { .name = "sdwnone0", .flags = WG_DEVICE_HAS_FWMARK };

        assert_false(wg_device_exists(f->wg, "sdwnone0"));
        assert_false(wg_device_exists(f->wg, "../etc/x"));
        assert_int_equal(wg_get_device(f->wg, "sdwnone0", &d), -ENODEV);
        assert_int_equal(wg_set_device(f->wg, &d), -ENODEV);
        assert_int_equal(wg_get_device(f->wg, "a/b", &d), -EINVAL);
}

/* A socket that takes the request and never answers costs two seconds. */
static void test_deadline(void **state) {
        Fixture *f = *state;
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;
        WgDevice d = { 0 };
        char name[WG_NAME_MAX];
        uint64_t start;

        (void) snprintf(name, sizeof(name), "sdwd%d", (int) getpid() % 1000000);
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "/run/wireguard/%s.sock", name);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(listen(fd, 1), 0);
        start = now_monotonic_usec();
        assert_int_equal(wg_get_device(f->wg, name, &d), -ETIMEDOUT);
        assert_in_range(now_monotonic_usec() - start, 1900000, 4000000);
        (void) close(TAKE_FD(fd));
        assert_int_equal(wg_get_device(f->wg, name, &d), -ENODEV); /* left behind by a dead process */
        (void) unlink(sa.sun_path);
}

static pid_t start_program(const char *name) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) setenv("LOG_LEVEL", "error", 1);
                (void) execl(PROGRAM, PROGRAM, "-f", name, NULL);
                _exit(127);
        }
        return pid;
}

static int setup(void **state) {
        Fixture *f = new(Fixture);

        if (!f || crypto_setup() < 0 || unshare(CLONE_NEWNET) < 0)
                return -1;
        f->messages_max = 1;
        (void) snprintf(f->name, sizeof(f->name), "sdwt%d", (int) getpid() % 1000000);
        if (wgkey_new(&f->secret) < 0 || wgkey_public(f->secret, &f->public_key) < 0 ||
            wg_open(WG_BACKEND_USERSPACE, &f->wg) < 0)
                return -1;
        f->pid = start_program(f->name);
        if (f->pid < 0)
                return -1;
        for (unsigned i = 0; i < 100 && !wg_device_exists(f->wg, f->name); i++)
                (void) usleep(100 * 1000);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void) kill(f->pid, SIGTERM);
        (void) waitpid(f->pid, NULL, 0);
        (void) wg_close(f->wg);
        (void) secret_free(f->secret);
        free(f);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_thousand_peers),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_deadline),
        };

        if (geteuid() != 0) {
                printf("SKIP: network namespaces need root\n");
                return 77; /* meson: skipped */
        }
        if (access(PROGRAM, X_OK) < 0 || access("/dev/net/tun", F_OK) < 0) {
                printf("SKIP: needs wireguard-go and /dev/net/tun\n");
                return 77;
        }
        return cmocka_run_group_tests(tests, setup, teardown);
}
