/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "wg/wg.h"

#define SETTINGS_PATH "/etc/sdwan/agentd.conf"

typedef struct Settings {
        int wireguard;         /* WgBackendType */
        uint64_t confirm_usec; /* how long a change may go without the controller before it is undone; 0: for
                                  ever */
} Settings;

/* The defaults, and over them the file and its drop-ins. path NULL: SETTINGS_PATH, which may be missing.
 * Logs what is wrong, with the place. *ret is untouched on failure. */
int settings_load(const char *path, Settings *ret) _nodiscard_;
