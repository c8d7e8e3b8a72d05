/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "controld/manager-bus.h"
#include "controld/settings.h"
#include "service/program.h"

int main(int argc, char *argv[]) {
        const Program program = {
                .name = "sdwan-controld",
                .about = "The controller of the SD-WAN: its configuration, its API, and what its agents are "
                         "told.",
                .config_path = SETTINGS_PATH,
                .interfaces = manager_bus_interfaces,
                .n_interfaces = n_manager_bus_interfaces,
        };
        Manager m = { .listen_fd = -EBADF, .lock_fd = -EBADF };
        int r, status;

        if (program_arguments(&program, argc, argv, &m.config_path, &status) == 0)
                return status;
        r = manager_start(&m, &status);
        if (r >= 0)
                status = daemon_run(&m.daemon);
        manager_done(&m);
        return status;
}
