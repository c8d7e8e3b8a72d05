/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/log.h"
#include "service/bus-introspect.h"
#include "service/bus-polkit.h"
#include "service/daemon.h"
#include "service/event-timer.h"
#include "service/program.h"
#include "service/worker.h"

extern char **environ;

#define NOBODY 65534
#define SERVICE "org.sdwan.Test1"
#define PATH "/org/sdwan/Test1"
#define ACTION "org.sdwan.test1.manage"

static const char bus_config[] =
                "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
                " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                "<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>\n"
                "<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow "
                "send_type=\"method_call\"/>\n"
                "<allow send_type=\"signal\"/><allow send_destination=\"*\"/><allow "
                "receive_type=\"method_call\"/>\n"
                "<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/><allow "
                "receive_type=\"signal\"/>\n"
                "</policy></busconfig>\n";

/* worker */

#define JOBS 50

typedef struct Probe {
        unsigned order[JOBS * 2];
        unsigned n_done, n_dropped, n_run;
} Probe;

typedef struct Job {
        Probe *probe;
        unsigned number;
        sd_event *event;
} Job;

static int job_run(void *userdata) {
        Job *j = userdata;

        j->probe->n_run++; /* one worker thread, read only after it was joined or has handed back */
        return (int) j->number * 2;
}

static int job_run_slowly(void *userdata) {
        (void) usleep(20000);
        return job_run(userdata);
}

static void job_done(int result, void *userdata) {
        Job *j = userdata;

        assert_int_equal(result, (int) j->number * 2);
        j->probe->order[j->probe->n_done++] = j->number;
        if (j->probe->n_done == JOBS)
                (void) sd_event_exit(j->event, 0);
        free(j);
}

static void job_drop(void *userdata) {
        Job *j = userdata;

        j->probe->n_dropped++;
        free(j);
}

static int submit(Worker *w, sd_event *event, Probe *probe, unsigned number, int (*run)(void *)) {
        Job *j = new(Job);
        int r;

        assert_non_null(j);
        *j = (Job) { .probe = probe, .number = number, .event = event };
        r = worker_submit(w, &(WorkerJob) { .run = run, .done = job_done, .drop = job_drop, .userdata = j });
        if (r < 0)
                free(j);
        return r;
}

static void test_worker_order(void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(worker_freep) Worker *w = NULL;
        Probe probe = { 0 };

        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(worker_new(event, "test", JOBS, &w), 0);
        for (unsigned i = 0; i < JOBS; i++)
                assert_int_equal(submit(w, event, &probe, i, job_run), 0);
        assert_int_equal(worker_pending(w), JOBS);
        assert_int_equal(sd_event_loop(event), 0);
        assert_int_equal(probe.n_done, JOBS);
        for (unsigned i = 0; i < JOBS; i++)
                assert_int_equal(probe.order[i], i);
        assert_int_equal(worker_pending(w), 0);
        assert_int_equal(submit(w, event, &probe, 0, job_run), 0); /* and it goes on */
}

static void test_worker_busy(void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(worker_freep) Worker *w = NULL;
        Probe probe = { 0 };

        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(worker_new(event, "test", 2, &w), 0);
        assert_int_equal(submit(w, event, &probe, 1, job_run_slowly), 0);
        assert_int_equal(submit(w, event, &probe, 2, job_run_slowly), 0);
        assert_int_equal(submit(w, event, &probe, 3, job_run_slowly), -EBUSY);
        while (worker_pending(w) == 2)
                assert_true(sd_event_run(event, USEC_PER_SEC) >= 0);
        assert_int_equal(submit(w, event, &probe, 4, job_run_slowly), 0);
}

static void test_worker_drop(void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(worker_freep) Worker *w = NULL;
        Probe probe = { 0 };

        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(worker_new(event, "test", 10, &w), 0);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(submit(w, event, &probe, i, job_run_slowly), 0);
        w = worker_free(w);
        assert_int_equal(probe.n_run, 3);
        assert_int_equal(probe.n_done, 0);
        assert_int_equal(probe.n_dropped, 3);
        assert_int_equal(sd_event_run(event, 0), 0); /* nothing of it is left on the loop */
}

typedef struct Held {
        int enter[2], leave[2], dropped[2]; /* pipes: the job runs, it may end, it is dropped */
} Held;

static int held_run(void *userdata) {
        Held *h = userdata;
        char byte = 'x';

        assert_int_equal(write(h->enter[1], &byte, 1), 1);
        return (int) read(h->leave[0], &byte, 1);
}

static void held_done(int result, void *userdata) {
        fail_msg("an abandoned job was handed back");
}

static void held_drop(void *userdata) {
        Held *h = userdata;

        assert_int_equal(write(h->dropped[1], "x", 1), 1);
}

/* Whoever abandons a worker does not wait for what hangs in it. */
static void test_worker_abandon(void **state) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        Worker *w = NULL;
        WorkerJob job = { .run = held_run, .done = held_done, .drop = held_drop };
        struct pollfd p = { .events = POLLIN };
        char bytes[2];
        Held h;

        assert_int_equal(pipe(h.enter) | pipe(h.leave) | pipe(h.dropped), 0);
        assert_int_equal(sd_event_new(&event), 0);
        assert_int_equal(worker_new(event, "test", 10, &w), 0);
        p.fd = h.dropped[0];
        job.userdata = &h;
        assert_int_equal(worker_submit(w, &job), 0);
        assert_int_equal(worker_submit(w, &job), 0);
        assert_int_equal(read(h.enter[0], bytes, 1), 1);
        w = worker_abandon(w);
        assert_null(w);
        assert_int_equal(read(h.dropped[0], bytes, 2), 1); /* the one that waited */
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(write(h.leave[1], "x", 1), 1);
        assert_int_equal(read(h.dropped[0], bytes, 2), 1); /* the one that ran, when it ended */
        assert_int_equal(sd_event_run(event, 0), 0);
        assert_int_equal(worker_new(event, "test", 10, &w), 0);
        assert_null(worker_abandon(w)); /* an idle one */
        assert_null(worker_abandon(NULL));
        for (size_t i = 0; i < 2; i++) {
                (void) close(h.enter[i]);
                (void) close(h.leave[i]);
                (void) close(h.dropped[i]);
        }
}

/* A private bus */

typedef struct Bus {
        char directory[32];
        char address[64];
        pid_t pid;
} Bus;

static void stop_process(pid_t pid) {
        if (pid > 0) {
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
        }
}

static void bus_stop(Bus *b) {
        char path[64];

        stop_process(b->pid);
        (void) snprintf(path, sizeof(path), "%s/bus", b->directory);
        (void) unlink(path);
        (void) snprintf(path, sizeof(path), "%s/config", b->directory);
        (void) unlink(path);
        (void) rmdir(b->directory);
}

/* false: there is no dbus-daemon on this machine. */
static bool bus_start(Bus *b) {
        char config[64], argument[96], *argv[] = { "dbus-daemon", "--nofork", "--nosyslog", argument, NULL };
        FILE *f;

        *b = (Bus) { .directory = "/tmp/sdwan-test-XXXXXX" };
        assert_non_null(mkdtemp(b->directory));
        assert_int_equal(chmod(b->directory, 0755), 0);
        (void) snprintf(config, sizeof(config), "%s/config", b->directory);
        (void) snprintf(b->address, sizeof(b->address), "unix:path=%s/bus", b->directory);
        (void) snprintf(argument, sizeof(argument), "--config-file=%s", config);
        f = fopen(config, "we");
        assert_non_null(f);
        (void) fprintf(f, bus_config, b->directory);
        assert_int_equal(fclose(f), 0);
        if (posix_spawnp(&b->pid, argv[0], NULL, NULL, argv, environ) != 0) {
                b->pid = 0;
                return false;
        }
        for (unsigned i = 0; i < 200; i++) {
                if (access(b->address + strlen("unix:path="), F_OK) == 0)
                        return true;
                (void) usleep(25000);
        }
        return false;
}

static int bus_open(const char *address, sd_bus **ret) {
        sd_bus *bus = NULL;

        if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address) < 0 ||
            sd_bus_set_bus_client(bus, true) < 0 || sd_bus_start(bus) < 0)
                return -EIO;
        *ret = bus;
        return 0;
}

/* polkit: a service that answers "Do" behind an action, a caller in a process of its own, a polkit that we
 * play */

typedef enum Play { PLAY_ABSENT, PLAY_ALLOW, PLAY_CHALLENGE, PLAY_DENY, PLAY_NONSENSE } Play;

typedef struct Fixture {
        sd_event *event;
        sd_bus *service, *polkit;
        PolkitRegistry *registry;
        Play play;
        unsigned n_calls, n_done, n_asked;
        char subject[64];
        bool interactive;
} Fixture;

static int method_do(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        Fixture *f = userdata;
        const char *s;
        int r;

        f->n_calls++;
        r = sd_bus_message_read(call, "s", &s);
        if (r < 0)
                return r;
        assert_string_equal(s, "payload"); /* on the second pass as well */
        r = bus_verify_polkit_async(call, ACTION, &f->registry, reterr);
        if (r < 0)
                return r;
        if (r == 0)
                return 1;
        f->n_done++;
        return sd_bus_reply_method_return(call, NULL);
}

static int method_check(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        Fixture *f = userdata;
        const char *kind, *action, *key, *sender;
        uint32_t flags;

        f->n_asked++;
        assert_true(sd_bus_message_enter_container(call, 'r', "sa{sv}") > 0);
        assert_true(sd_bus_message_read(call, "s", &kind) > 0);
        assert_string_equal(kind, "system-bus-name");
        assert_true(sd_bus_message_read(call, "a{sv}", 1, &key, "s", &sender) > 0);
        assert_string_equal(key, "name");
        (void) snprintf(f->subject, sizeof(f->subject), "%s", sender);
        assert_true(sd_bus_message_exit_container(call) >= 0);
        assert_true(sd_bus_message_read(call, "s", &action) > 0);
        assert_string_equal(action, ACTION);
        assert_true(sd_bus_message_skip(call, "a{ss}") >= 0);
        assert_true(sd_bus_message_read(call, "u", &flags) > 0);
        f->interactive = flags & 1;
        if (f->play == PLAY_NONSENSE)
                return sd_bus_reply_method_return(call, "s", "yes");
        return sd_bus_reply_method_return(call, "(bba{ss})", f->play == PLAY_ALLOW,
                                          f->play == PLAY_CHALLENGE, 0);
}

static const sd_bus_vtable test_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Do", SD_BUS_ARGS("s", what), SD_BUS_NO_RESULT, method_do,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable polkit_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", method_check,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* The caller's exit status is its finding. */
enum { CALL_OK = 10, CALL_DENIED, CALL_INTERACTIVE, CALL_OTHER };

static _noreturn_ void call_and_exit(const char *address, uid_t uid, bool interactive) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus *bus = NULL;
        int r;

        if (uid != 0 && (setgid(uid) < 0 || setuid(uid) < 0))
                _exit(CALL_OTHER);
        if (bus_open(address, &bus) < 0)
                _exit(CALL_OTHER);
        (void) sd_bus_set_allow_interactive_authorization(bus, interactive);
        r = sd_bus_call_method(bus, SERVICE, PATH, SERVICE ".Manager", "Do", &error, NULL, "s", "payload");
        if (r >= 0)
                _exit(CALL_OK);
        if (sd_bus_error_has_name(&error, SD_BUS_ERROR_ACCESS_DENIED))
                _exit(CALL_DENIED);
        if (sd_bus_error_has_name(&error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                _exit(CALL_INTERACTIVE);
        (void) fprintf(stderr, "caller: %s\n", strempty(error.message));
        _exit(CALL_OTHER);
}

static int on_child(sd_event_source *source, const siginfo_t *si, void *userdata) {
        *(int *) userdata = si->si_status;
        return 0;
}

static int fixture_call(Fixture *f, const char *address, uid_t uid, bool interactive) {
        pid_t pid = fork();
        int status = -1;

        assert_true(pid >= 0);
        if (pid == 0)
                call_and_exit(address, uid, interactive);
        assert_true(sd_event_add_child(f->event, NULL, pid, WEXITED, on_child, &status) >= 0);
        while (status < 0) /* not sd_event_exit(): sd-bus closes its connections then */
                assert_true(sd_event_run(f->event, 30 * USEC_PER_SEC) > 0);
        return status;
}

static void fixture_start(Fixture *f, const char *address, Play play) {
        sigset_t mask;

        *f = (Fixture) { .play = play };
        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        assert_int_equal(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
        assert_int_equal(sd_event_new(&f->event), 0);
        assert_int_equal(bus_open(address, &f->service), 0);
        assert_true(sd_bus_attach_event(f->service, f->event, 0) >= 0);
        assert_int_equal(bus_register(f->service,
                                      &(BusInterface) { .path = PATH,
                                                        .interface = SERVICE ".Manager",
                                                        .vtable = test_vtable },
                                      1, f),
                         0);
        assert_true(sd_bus_request_name(f->service, SERVICE, 0) >= 0);
        if (play == PLAY_ABSENT)
                return;
        assert_int_equal(bus_open(address, &f->polkit), 0);
        assert_true(sd_bus_attach_event(f->polkit, f->event, 0) >= 0);
        assert_true(sd_bus_add_object_vtable(f->polkit, NULL, "/org/freedesktop/PolicyKit1/Authority",
                                             "org.freedesktop.PolicyKit1.Authority", polkit_vtable, f) >= 0);
        assert_true(sd_bus_request_name(f->polkit, "org.freedesktop.PolicyKit1", 0) >= 0);
}

static void fixture_stop(Fixture *f) {
        (void) polkit_registry_free(f->registry);
        (void) sd_bus_flush_close_unref(f->service);
        (void) sd_bus_flush_close_unref(f->polkit);
        (void) sd_event_unref(f->event);
}

typedef struct PolkitCase {
        const char *name;
        Play play;
        bool interactive;
        uid_t uid;
        int expected;
        unsigned n_calls, n_asked;
} PolkitCase;

static const PolkitCase polkit_cases[] = {
        { "root is not asked", PLAY_DENY, false, 0, CALL_OK, 1, 0 },
        { "root with polkit absent", PLAY_ABSENT, false, 0, CALL_OK, 1, 0 },
        { "user, polkit absent", PLAY_ABSENT, true, NOBODY, CALL_DENIED, 2, 0 },
        { "user, allowed", PLAY_ALLOW, false, NOBODY, CALL_OK, 2, 1 },
        { "user, denied", PLAY_DENY, true, NOBODY, CALL_DENIED, 2, 1 },
        { "user, challenge", PLAY_CHALLENGE, false, NOBODY, CALL_INTERACTIVE, 2, 1 },
        { "user, nonsense from polkit", PLAY_NONSENSE, false, NOBODY, CALL_DENIED, 2, 1 },
};

static void test_polkit(void **state) {
        Bus bus;

        if (getuid() != 0) {
                print_message("[  SKIP  ] needs root to call as another user\n");
                skip();
        }
        if (!bus_start(&bus)) {
                bus_stop(&bus);
                print_message("[  SKIP  ] needs dbus-daemon\n");
                skip();
        }
        for (size_t i = 0; i < ELEMENTSOF(polkit_cases); i++) {
                const PolkitCase *c = polkit_cases + i;
                Fixture f;

                print_message("polkit: %s\n", c->name);
                fixture_start(&f, bus.address, c->play);
                for (unsigned round = 1; round <= 3;
                     round++) { /* a verdict is never kept for the next call */
                        assert_int_equal(fixture_call(&f, bus.address, c->uid, c->interactive), c->expected);
                        assert_int_equal(f.n_calls, c->n_calls * round);
                        assert_int_equal(f.n_asked, c->n_asked * round);
                        assert_int_equal(f.n_done, c->expected == CALL_OK ? round : 0);
                }
                if (f.n_asked > 0) {
                        assert_int_equal(f.subject[0], ':'); /* the unique name */
                        assert_int_equal(f.interactive, c->interactive);
                }
                fixture_stop(&f);
        }
        bus_stop(&bus);
}

/* daemon: name, ready, reload, stop; and what happens when the name is taken */

static void on_reload(void *userdata) {
        (*(unsigned *) userdata)++;
}

static _noreturn_ void daemon_main(const char *address, const char *notify) {
        Daemon d = { 0 };
        unsigned reloads = 0;

        if (setenv("SDWAN_BUS_ADDRESS", address, 1) < 0 || setenv("NOTIFY_SOCKET", notify, 1) < 0)
                _exit(90);
        if (daemon_setup(&d, "test") < 0 || daemon_connect_bus(&d) < 0 ||
            daemon_request_name(&d, SERVICE) < 0)
                _exit(91);
        d.on_reload = on_reload;
        d.userdata = &reloads;
        daemon_status("line\nfeed");
        int r = daemon_run(&d);
        daemon_done(&d);
        _exit(r != 0 ? r : reloads == 1 ? 0 : 92);
}

static int notify_open(const char *path) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        return fd;
}

/* The next datagram begins with what is expected. */
static void notify_expect(int fd, const char *expected) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char buf[256];
        ssize_t n;

        assert_int_equal(poll(&p, 1, 10000), 1);
        n = recv(fd, buf, sizeof(buf) - 1, 0);
        assert_true(n > 0);
        buf[n] = '\0';
        buf[MIN((size_t) n, strlen(expected))] = '\0';
        assert_string_equal(buf, expected);
}

static int wait_status(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static pid_t daemon_spawn(const Bus *bus, const char *notify) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                daemon_main(bus->address, notify);
        return pid;
}

static void check_log_level(const Bus *bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *client = NULL;
        _cleanup_free_ char *level = NULL;

        assert_int_equal(bus_open(bus->address, &client), 0);
        assert_true(sd_bus_set_property(client, SERVICE, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", "LogLevel", NULL, "s", "debug") >= 0);
        assert_true(sd_bus_get_property_string(client, SERVICE, "/org/freedesktop/LogControl1",
                                               "org.freedesktop.LogControl1", "LogLevel", NULL,
                                               &level) >= 0);
        assert_string_equal(level, "debug");
        assert_true(sd_bus_set_property(client, SERVICE, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", "LogLevel", &error, "s",
                                        "chatty") < 0);
        assert_true(sd_bus_error_has_name(&error, SD_BUS_ERROR_INVALID_ARGS));
}

static void test_daemon(void **state) {
        char path[64];
        Bus bus;
        int fd;

        if (!bus_start(&bus)) {
                bus_stop(&bus);
                print_message("[  SKIP  ] needs dbus-daemon\n");
                skip();
        }
        (void) snprintf(path, sizeof(path), "%s/notify", bus.directory);
        fd = notify_open(path);

        pid_t pid = daemon_spawn(&bus, path);
        notify_expect(fd, "STATUS=line feed");
        notify_expect(fd, "READY=1");
        check_log_level(&bus);

        pid_t second = daemon_spawn(&bus, path);
        notify_expect(fd, "STATUS=");
        assert_int_equal(wait_status(second), 1); /* and no READY=1 of it: */
        assert_int_equal(kill(pid, SIGHUP), 0);
        notify_expect(fd, "RELOADING=1\nMONOTONIC_USEC=");
        notify_expect(fd, "READY=1");
        assert_int_equal(kill(pid, SIGTERM), 0);
        notify_expect(fd, "STOPPING=1");
        assert_int_equal(wait_status(pid), 0);

        /* The bus goes away under it. */
        pid = daemon_spawn(&bus, path);
        notify_expect(fd, "STATUS=");
        notify_expect(fd, "READY=1");
        stop_process(bus.pid);
        bus.pid = 0;
        assert_int_equal(wait_status(pid), 1);
        (void) close(fd);
        (void) unlink(path);
        bus_stop(&bus);
}

/* introspection */

static void test_introspect(void **state) {
        static const BusInterface interfaces[] = {
                { .path = PATH, .interface = SERVICE ".Manager", .vtable = test_vtable },
                { .path = PATH "/thing", .interface = SERVICE ".Thing", .vtable = test_vtable },
        };
        static const char expected[] =
                        "<node>\n <interface name=\"org.sdwan.Test1.Thing\">\n"
                        "  <method name=\"Do\">\n   <arg type=\"s\" name=\"what\" direction=\"in\"/>\n"
                        "  </method>\n </interface>\n</node>\n";
        char name[] = "/tmp/sdwan-introspect-XXXXXX", buf[4096];
        int fd = mkstemp(name), saved = dup(STDOUT_FILENO);
        ssize_t n;

        assert_true(fd >= 0 && saved >= 0);
        (void) unlink(name);
        (void) fflush(stdout);
        assert_true(dup2(fd, STDOUT_FILENO) >= 0);
        int found = bus_introspect(interfaces, ELEMENTSOF(interfaces), SERVICE ".Thing");
        int missing = bus_introspect(interfaces, ELEMENTSOF(interfaces), SERVICE ".Nothing");
        assert_true(dup2(saved, STDOUT_FILENO) >= 0);
        (void) close(saved);

        assert_int_equal(found, 0);
        assert_int_equal(missing, -ENOENT);
        n = pread(fd, buf, sizeof(buf) - 1, 0);
        assert_true(n > 0);
        buf[n] = '\0';
        assert_string_equal(buf, expected);
        (void) close(fd);
}

/* program: what is answered at once, and what goes on */

static int arguments(const char *argument, const char **ret_config, int *ret_status) {
        static const Program program = { .name = "sdwan-test",
                                         .about = "Tests.",
                                         .config_path = "/nowhere" };
        char *argv[] = { "sdwan-test", (char *) argument, NULL };

        optind = 0;
        return program_arguments(&program, argument ? 2 : 1, argv, ret_config, ret_status);
}

static void test_program(void **state) {
        const char *config = "untouched";
        char *directory = NULL;
        int status = -1;

        assert_int_equal(arguments(NULL, &config, &status), 1);
        assert_null(config);
        assert_int_equal(arguments("--config=/some/file", &config, &status), 1);
        assert_string_equal(config, "/some/file");
        assert_int_equal(status, -1);
        assert_int_equal(arguments("--version", &config, &status), 0);
        assert_int_equal(status, EXIT_SUCCESS);
        assert_int_equal(arguments("--no-such-option", &config, &status), 0);
        assert_int_equal(status, EXIT_CONFIG);
        assert_int_equal(arguments("operand", &config, &status), 0);
        assert_int_equal(status, EXIT_CONFIG);
        assert_int_equal(arguments("--bus-introspect=org.sdwan.Nothing", &config, &status), 0);
        assert_int_equal(status, EXIT_FAILURE);

        (void) unsetenv("SDWAN_STATE_DIRECTORY");
        assert_int_equal(setenv("STATE_DIRECTORY", "/a/b:/c", true), 0);
        assert_int_equal(program_state_directory("/d", &directory), 0);
        assert_string_equal(directory, "/a/b");
        directory = mfree(directory);
        assert_int_equal(setenv("STATE_DIRECTORY", "a/b", true), 0);
        assert_int_equal(program_state_directory("/d", &directory), -EINVAL);
        assert_null(directory);
        assert_int_equal(unsetenv("STATE_DIRECTORY"), 0);
        assert_int_equal(program_state_directory("/d", &directory), 0);
        assert_string_equal(directory, "/d");
        free(directory);
}

/* event timer: not armed at first, once when armed, and again */

static int on_event_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        unsigned *fired = userdata;

        (*fired)++;
        return 0;
}

static void test_event_timer(void **state) {
        sd_event_source *timer = NULL;
        sd_event *event = NULL;
        unsigned fired = 0;

        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(event_timer_new(event, 1000, on_event_timer, &fired, &timer), 0);
        assert_int_equal(sd_event_run(event, 5000), 0);
        assert_int_equal(fired, 0);
        for (unsigned i = 1; i <= 2; i++) {
                event_timer_arm(timer, 1000);
                assert_true(sd_event_run(event, UINT64_MAX) > 0);
                assert_int_equal(fired, i);
                assert_int_equal(sd_event_run(event, 5000), 0);
        }
        sd_event_source_disable_unref(timer);
        (void) sd_event_unref(event);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_worker_order), cmocka_unit_test(test_worker_busy),
                cmocka_unit_test(test_worker_drop),  cmocka_unit_test(test_worker_abandon),
                cmocka_unit_test(test_introspect),   cmocka_unit_test(test_program),
                cmocka_unit_test(test_event_timer),  cmocka_unit_test(test_polkit),
                cmocka_unit_test(test_daemon),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
