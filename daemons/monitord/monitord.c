/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "monitord/manager.h"

static const char *arg_config;
static const char *arg_introspect;

static void help(void) {
        (void) printf("%s [OPTIONS…]\n\n"
                      "Watches the tunnels of this machine and serves their metrics.\n\n"
                      "  -h --help           Show this help\n"
                      "     --version        Show the version\n"
                      "     --config=FILE    Read FILE instead of %s\n\n"
                      "See the sdwan-monitord(8) man page for details.\n",
                      program_invocation_short_name, SETTINGS_PATH);
}

/* 1: go on; 0: done; -EINVAL: said what is wrong. */
static int parse_arguments(int argc, char *argv[]) {
        enum { ARG_VERSION = 256, ARG_CONFIG, ARG_INTROSPECT };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "bus-introspect", required_argument, NULL, ARG_INTROSPECT },
                { NULL, 0, NULL, 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        help();
                        return 0;
                case ARG_VERSION:
                        (void) printf("sdwan %s\n", SDWAN_VERSION);
                        return 0;
                case ARG_CONFIG:
                        arg_config = optarg;
                        break;
                case ARG_INTROSPECT:
                        arg_introspect = optarg;
                        break;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                log_error("This program takes no arguments.");
                return -EINVAL;
        }
        return 1;
}

int main(int argc, char *argv[]) {
        Manager m = { 0 };
        int r, status;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_CONFIG : EXIT_SUCCESS;
        if (arg_introspect) {
                r = bus_introspect(manager_interfaces, n_manager_interfaces, arg_introspect);
                if (r < 0)
                        (void) log_error_errno(r, "Failed to introspect %s: %m", arg_introspect);
                return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        m.config_path = arg_config;
        r = manager_start(&m, &status);
        if (r >= 0)
                status = daemon_run(&m.daemon);
        manager_done(&m);
        return status;
}
