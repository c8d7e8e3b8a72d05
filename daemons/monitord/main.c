/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "monitord/manager.h"
#include "service/program.h"

int main(int argc, char *argv[]) {
        const Program program = {
                .name = "sdwan-monitord",
                .about = "Watches the tunnels of this machine and serves their metrics.",
                .config_path = SETTINGS_PATH,
                .interfaces = manager_interfaces,
                .n_interfaces = n_manager_interfaces,
        };
        Manager m = { 0 };
        int r, status;

        if (program_arguments(&program, argc, argv, &m.config_path, &status) == 0)
                return status;
        r = manager_start(&m, &status);
        if (r >= 0)
                status = daemon_run(&m.daemon);
        manager_done(&m);
        return status;
}
