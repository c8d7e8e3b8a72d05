/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/macro.h"
#include "service/log-control.h"

/* What the three daemons' main() share: signals, watchdog, journal, bus, ready. */

/* The caller makes it empty ({ 0 }) and sets the callbacks and userdata before daemon_run(). It stays where
 * it is: the loop points at it. */
typedef struct Daemon {
        sd_event *event;
        sd_bus *bus;
        const char *name; /* "sdwan-agentd" */
        int exit_status;
        /* Called once on SIGTERM or SIGINT; the daemon ends with sd_event_exit() when it has drained. NULL:
         * at once. */
        void (*on_terminate)(void *userdata);
        void (*on_reload)(void *userdata); /* SIGHUP; may be NULL */
        void *userdata;

        /* Of lib/service only. */
        const char *bus_name;
        bool terminating;
        LogControl log;
        sd_event_source *settled_timer;
} Daemon;

/* Exit statuses that all daemons share; documented in their manual pages. */
enum {
        EXIT_CONFIG = 2,     /* configuration or arguments */
        EXIT_IDENTITY = 3,   /* the other side is not who it should be */
        EXIT_STORE = 4,      /* the database needs the operator */
        EXIT_CREDENTIAL = 5, /* a key file is missing, unreadable or open to others */
        EXIT_ADDRESS = 6,    /* a port is taken */
};

/* Journal writer, signal sources (blocked before any thread starts), watchdog, default event loop, umask
 * 0077, PR_SET_DUMPABLE 0. */
int daemon_setup(Daemon *d, const char *name) _nodiscard_;

/* Connects to the system bus (SDWAN_BUS_ADDRESS overrides, for tests), attaches it to the loop, serves
 * org.freedesktop.LogControl1. -errno. */
int daemon_connect_bus(Daemon *d) _nodiscard_;

/* Requests the name; READY=1 is sent only from its success. When the name is refused or lost the daemon
 * exits with status 1 (PLATFORM.md 1.3). Call it when everything is served. */
int daemon_request_name(Daemon *d, const char *bus_name) _nodiscard_;

/* STATUS= for systemctl status. */
void daemon_status(const char *format, ...) _printf_(1, 2);

/* Runs the loop; the result is for main() to return. */
int daemon_run(Daemon *d);
void daemon_done(Daemon *d);

/* The listening stream socket that systemd passed under a name (FileDescriptorName=), non-blocking; -ENOENT:
 * none; -ENOTSOCK: something else. */
int daemon_listen_fd(const char *name);
