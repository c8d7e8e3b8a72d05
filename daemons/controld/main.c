/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "controld/manager-bus.h"
#include "controld/settings.h"

static const char *arg_config;
static const char *arg_introspect;

/* 1: go on; 0: done; -EINVAL: said what is wrong. */
static int parse_arguments(int argc, char *argv[]) {
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                { "config", required_argument, NULL, 'c' },
                { "bus-introspect", required_argument, NULL, 'i' },
                { NULL, 0, NULL, 0 },
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                if (c == 'h')
                        return printf("sdwan-controld [--config=FILE]\n\nThe controller of the SD-WAN.\n\n"
                                      "  -h --help         Show this help\n"
                                      "     --version      Show the version\n"
                                      "     --config=FILE  Read FILE instead of %s\n\n"
                                      "See the sdwan-controld(8) man page for details.\n",
                                      SETTINGS_PATH) < 0;
                else if (c == 'V')
                        return printf("sdwan %s\n", SDWAN_VERSION) < 0;
                else if (c == 'c')
                        arg_config = optarg;
                else if (c == 'i')
                        arg_introspect = optarg;
                else
                        return -EINVAL;
        if (optind < argc)
                return log_error_errno(-EINVAL, "This program takes no arguments.");
        return 1;
}

int main(int argc, char *argv[]) {
        Manager m = { .listen_fd = -EBADF, .lock_fd = -EBADF };
        int r, status = EXIT_FAILURE;

        r = parse_arguments(argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_CONFIG : EXIT_SUCCESS;
        if (arg_introspect)
                return bus_introspect(manager_bus_interfaces, n_manager_bus_interfaces, arg_introspect) < 0;
        m.config_path = arg_config;
        r = manager_start(&m, &status);
        if (r >= 0)
                status = daemon_run(&m.daemon);
        manager_done(&m);
        return status;
}
