/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <getopt.h>
#include <stdio.h>

#include "service/daemon.h"
#include "service/program.h"

static int help(const Program *p) {
        int n = printf("%s [OPTIONS…]\n\n%s\n\n"
                       "  -h --help         Show this help\n"
                       "     --version      Show the version\n"
                       "     --config=FILE  Read FILE and its drop-ins instead of %s\n\n"
                       "See the %s(8) man page for details.\n",
                       p->name, p->about, p->config_path, p->name);

        return n < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int introspect(const Program *p, const char *name) {
        int r = bus_introspect(p->interfaces, p->n_interfaces, name);

        if (r < 0)
                (void) fprintf(stderr, "Failed to introspect %s: %s\n", name, strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int program_arguments(const Program *p, int argc, char *argv[], const char **ret_config, int *ret_status) {
        enum { ARG_VERSION = 0x100, ARG_CONFIG, ARG_INTROSPECT };
        static const struct option options[] = {
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "bus-introspect", required_argument, NULL, ARG_INTROSPECT },
                { 0 },
        };
        const char *config = NULL;
        int c;

        assert(p && ret_config && ret_status);

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case 'h':
                        *ret_status = help(p);
                        return 0;
                case ARG_VERSION:
                        *ret_status = printf("sdwan %s\n", SDWAN_VERSION) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
                        return 0;
                case ARG_CONFIG:
                        config = optarg;
                        break;
                case ARG_INTROSPECT:
                        *ret_status = introspect(p, optarg);
                        return 0;
                default:
                        *ret_status = EXIT_CONFIG;
                        return 0;
                }
        if (optind < argc) {
                (void) fprintf(stderr, "%s takes no arguments.\n", p->name);
                *ret_status = EXIT_CONFIG;
                return 0;
        }
        *ret_config = config;
        return 1;
}

int program_state_directory(const char *fallback, char **ret) {
        const char *path = secure_getenv("SDWAN_STATE_DIRECTORY");
        char *copy;

        assert(fallback && ret);

        if (!path || *path == '\0')
                path = secure_getenv("STATE_DIRECTORY");
        if (!path || *path == '\0')
                path = fallback;
        if (*path != '/')
                return -EINVAL;
        copy = strndup(path, strcspn(path, ":")); /* systemd may name several */
        if (!copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}
