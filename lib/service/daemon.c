/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "base/timeutil.h"
#include "service/bus-open.h"
#include "service/daemon.h"
#include "service/event-timer.h"
#include "service/log-control.h"
#include "service/startup-pages.h"

#define STATUS_MAX 512
#define SETTLED_USEC (10 * USEC_PER_SEC)

static int on_terminate_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Daemon *d = userdata;

        /* Whoever asks twice does not want to wait for the draining. */
        if (d->terminating || !d->on_terminate) {
                (void) sd_notify(false, "STOPPING=1");
                return sd_event_exit(d->event, d->exit_status);
        }
        d->terminating = true;
        log_debug("Received signal %u, terminating.", si->ssi_signo);
        (void) sd_notify(false, "STOPPING=1");
        d->on_terminate(d->userdata);
        return 0;
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *si, void *userdata) {
        Daemon *d = userdata;

        if (!d->on_reload)
                return 0;
        (void) sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%llu",
                          (unsigned long long) now_monotonic_usec());
        d->on_reload(d->userdata);
        (void) sd_notify(false, "READY=1");
        return 0;
}

static int daemon_add_signals(Daemon *d) {
        static const int terminate[] = { SIGTERM, SIGINT };
        sigset_t mask;
        int r;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return -errno;

        for (size_t i = 0; i < ELEMENTSOF(terminate); i++) {
                r = sd_event_add_signal(d->event, NULL, terminate[i], on_terminate_signal, d);
                if (r < 0)
                        return r;
        }
        return sd_event_add_signal(d->event, NULL, SIGHUP, on_reload_signal, d);
}

int daemon_setup(Daemon *d, const char *name) {
        int r;

        assert(d && name);

        d->name = name;
        (void) umask(0077);
        log_control_init(&d->log);
/* LeakSanitizer looks at the process from outside and may not, once this is set. */
#ifndef __SANITIZE_ADDRESS__
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return log_error_errno(errno, "Failed to forbid core dumps: %m");
#endif
        r = sd_event_default(&d->event);
        if (r < 0)
                return log_error_errno(r, "Failed to make the event loop: %m");
        r = daemon_add_signals(d);
        if (r < 0)
                return log_error_errno(r, "Failed to set up signals: %m");
        r = sd_event_set_watchdog(d->event, true);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the watchdog: %m");
        return 0;
}

int daemon_connect_bus(Daemon *d) {
        int r;

        assert(d && d->event);

        r = bus_open(d->name, &d->bus);
        if (r < 0)
                return log_error_errno(r, "Failed to connect to the system bus: %m");
        r = sd_bus_set_exit_on_disconnect(d->bus, true);
        if (r < 0)
                return log_error_errno(r, "Failed to watch the bus connection: %m");
        r = sd_bus_attach_event(d->bus, d->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return log_error_errno(r, "Failed to attach the bus to the event loop: %m");
        r = log_control_serve(d->bus, d->name, &d->log);
        if (r < 0)
                return log_error_errno(r, "Failed to serve org.freedesktop.LogControl1: %m");
        return 0;
}

static int on_name_reply(sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        Daemon *d = userdata;
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        uint32_t code;
        int r;

        if (e) {
                log_error("Failed to own %s on the bus: %s", d->bus_name, e->message ?: e->name);
                return sd_event_exit(d->event, EXIT_FAILURE);
        }
        r = sd_bus_message_read(reply, "u", &code);
        if (r < 0)
                return sd_event_exit(d->event, EXIT_FAILURE);
        if (code != 1 && code != 4) { /* DBUS_REQUEST_NAME_REPLY_PRIMARY_OWNER, …_ALREADY_OWNER */
                log_error("%s is taken on the bus: is another %s running?", d->bus_name, d->name);
                return sd_event_exit(d->event, EXIT_FAILURE);
        }
        (void) sd_notify(false, "READY=1");
        event_timer_arm(d->settled_timer, SETTLED_USEC);
        return 0;
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata) {
        startup_pages_release();
        return 0;
}

static int on_name_lost(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Daemon *d = userdata;

        log_error("Lost %s on the bus.", d->bus_name);
        return sd_event_exit(d->event, EXIT_FAILURE);
}

int daemon_request_name(Daemon *d, const char *bus_name) {
        char rule[512];
        int r;

        assert(d && d->bus && bus_name);

        d->bus_name = bus_name;
        r = event_timer_new(d->event, USEC_PER_SEC, on_settled, d, &d->settled_timer);
        if (r < 0)
                return log_error_errno(r, "Failed to make a timer: %m");
        (void) snprintf(rule, sizeof(rule),
                        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                        "interface='org.freedesktop.DBus',member='NameLost',arg0='%s'",
                        bus_name);
        r = sd_bus_add_match_async(d->bus, NULL, rule, on_name_lost, NULL, d);
        if (r < 0)
                return log_error_errno(r, "Failed to watch the name on the bus: %m");
        r = sd_bus_request_name_async(d->bus, NULL, bus_name, 0, on_name_reply, d);
        if (r < 0)
                return log_error_errno(r, "Failed to request %s on the bus: %m", bus_name);
        return 0;
}

void daemon_status(const char *format, ...) {
        char text[STATUS_MAX] = "STATUS=";
        size_t prefix = strlen(text);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text + prefix, sizeof(text) - prefix, format, ap);
        va_end(ap);
        /* A line feed would begin another assignment. */
        for (char *p = text + prefix; *p; p++)
                if (*p == '\n')
                        *p = ' ';
        (void) sd_notify(false, text);
}

int daemon_run(Daemon *d) {
        int r;

        assert(d && d->event);

        r = sd_event_loop(d->event);
        if (r < 0) {
                (void) log_error_errno(r, "The event loop failed: %m");
                return EXIT_FAILURE;
        }
        return r != 0 ? r : d->exit_status;
}

void daemon_done(Daemon *d) {
        if (!d)
                return;
        d->settled_timer = sd_event_source_disable_unref(d->settled_timer);
        if (d->bus)
                (void) sd_bus_set_exit_on_disconnect(d->bus, false);
        d->bus = sd_bus_flush_close_unref(d->bus);
        d->event = sd_event_unref(d->event);
}

static void free_names(char ***names) {
        for (char **n = *names; n && *n; n++)
                free(*n);
        free(*names);
}

int daemon_listen_fd(const char *name) {
        _cleanup_(free_names) char **names = NULL;
        int n;

        assert(name);

        n = sd_listen_fds_with_names(false, &names);
        if (n < 0)
                return n;
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i, r;

                if (!streq(names[i], name))
                        continue;
                r = sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1);
                if (r < 0)
                        return r;
                if (r == 0)
                        return -ENOTSOCK;
                r = fcntl(fd, F_GETFL);
                if (r < 0 || fcntl(fd, F_SETFL, r | O_NONBLOCK) < 0)
                        return -errno;
                return fd;
        }
        return -ENOENT;
}
