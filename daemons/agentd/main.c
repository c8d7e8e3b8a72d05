/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>

#include "agentd/bus.h"
#include "base/log.h"

static int help(void) {
        (void) puts("sdwan-agentd [OPTIONS…]\n\n"
                    "Keeps this node's tunnels, addresses and routes as the controller wants them.\n\n"
                    "  -h --help                  Show this help\n"
                    "     --version               Show the version\n"
                    "     --bus-introspect=NAME   Write the XML of a bus interface (\"list\": their "
                    "names)\n\n"
                    "It is started by systemd and configured in /etc/sdwan/agentd.conf; see "
                    "sdwan-agentd(8).");
        return EXIT_SUCCESS;
}

/* 1: go on; 0: done, with *ret_status. */
static int parse_arguments(int argc, char *argv[], int *ret_status) {
        enum { ARG_VERSION = 0x100, ARG_INTROSPECT };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "bus-introspect", required_argument, NULL, ARG_INTROSPECT },
                { 0 },
        };
        int c;

        *ret_status = EXIT_SUCCESS;
        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        *ret_status = help();
                        return 0;
                case ARG_VERSION:
                        (void) puts("sdwan-agentd " SDWAN_VERSION);
                        return 0;
                case ARG_INTROSPECT:
                        *ret_status = manager_bus_introspect(optarg) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                        return 0;
                default:
                        *ret_status = EXIT_CONFIG;
                        return 0;
                }
        if (optind < argc) {
                log_error("This program takes no arguments.");
                *ret_status = EXIT_CONFIG;
                return 0;
        }
        return 1;
}

static int run(Daemon *d, Manager **manager) {
        int status = EXIT_FAILURE, r;

        r = daemon_setup(d, "sdwan-agentd");
        if (r < 0)
                return EXIT_FAILURE;
        r = crypto_setup();
        if (r < 0) {
                (void) log_error_errno(r, "Failed to set up cryptography (is LimitMEMLOCK= too low?): %m");
                return EXIT_FAILURE;
        }
        r = manager_new(d, manager, &status);
        if (r < 0)
                return status;
        /* The network first: it needs neither bus nor controller. */
        r = manager_start(*manager, &status);
        if (r < 0)
                return status;
        r = daemon_connect_bus(d);
        if (r < 0)
                return EXIT_FAILURE;
        r = manager_bus_register(*manager);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to serve " BUS_NAME ": %m");
                return EXIT_FAILURE;
        }
        r = daemon_request_name(d, BUS_NAME);
        if (r < 0)
                return EXIT_FAILURE;
        (void) malloc_trim(0);
        return daemon_run(d);
}

int main(int argc, char *argv[]) {
        Manager *m = NULL;
        Daemon d = { 0 };
        int status;

        if (parse_arguments(argc, argv, &status) == 0)
                return status;
        /* Few small objects, one thread: more arenas and a high threshold would only cost memory. */
        (void) mallopt(M_ARENA_MAX, 1);
        status = run(&d, &m);
        (void) manager_free(m);
        daemon_done(&d);
        return status;
}
