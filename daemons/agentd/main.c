/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <malloc.h>

#include "agentd/bus.h"
#include "base/log.h"
#include "service/program.h"

#define LARGE_BYTES (64 * 1024)

static int run(Daemon *d, const char *config_path, Manager **manager) {
        int status = EXIT_FAILURE, r;

        r = daemon_setup(d, "sdwan-agentd");
        if (r < 0)
                return EXIT_FAILURE;
        r = crypto_setup();
        if (r < 0) {
                (void) log_error_errno(r,
                                       "Failed to set up cryptography (is LimitMEMLOCK= too low, or does a "
                                       "container filter mlock()?): %m");
                return EXIT_FAILURE;
        }
        r = manager_new(d, config_path, manager, &status);
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
        const BusInterface interfaces[] = { manager_bus_interface(), tunnel_bus_interface() };
        const Program program = {
                .name = "sdwan-agentd",
                .about = "Keeps this node's tunnels, addresses and routes as the controller wants them.",
                .config_path = SETTINGS_PATH,
                .interfaces = interfaces,
                .n_interfaces = ELEMENTSOF(interfaces),
        };
        const char *config_path;
        Manager *m = NULL;
        Daemon d = { 0 };
        int status;

        if (program_arguments(&program, argc, argv, &config_path, &status) == 0)
                return status;
        /* Small objects, one thread: more arenas would only cost memory. What is large lives short (a batch,
         * a dump, an answer), is mapped for itself, and goes back when it is freed. */
        (void) mallopt(M_ARENA_MAX, 1);
        (void) mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
        (void) mallopt(M_TRIM_THRESHOLD, LARGE_BYTES);
        (void) mallopt(M_TOP_PAD, 0);
        status = run(&d, config_path, &m);
        (void) manager_free(m);
        daemon_done(&d);
        return status;
}
