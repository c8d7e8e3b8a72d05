/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "service/bus-introspect.h"

/* What a daemon says of itself on its command line. */
typedef struct Program {
        const char *name;        /* "sdwan-agentd" */
        const char *about;       /* one line of --help */
        const char *config_path; /* what --config=FILE takes the place of */
        const BusInterface *interfaces;
        size_t n_interfaces;
} Program;

/* Answers --help, --version and the hidden --bus-introspect=NAME itself. 1: go on, with FILE of
 * --config=FILE (NULL: not given; it is part of argv); 0: main() returns *ret_status. */
int program_arguments(const Program *p, int argc, char *argv[], const char **ret_config,
                      int *ret_status) _nodiscard_;

/* Where the daemon keeps what must survive: SDWAN_STATE_DIRECTORY, else the first of systemd's
 * STATE_DIRECTORY, else fallback. New memory. -EINVAL: not an absolute path. -ENOMEM. */
int program_state_directory(const char *fallback, char **ret) _nodiscard_;
