/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/addr.h"

#define SETTINGS_PATH "/etc/sdwan/monitord.conf"

typedef struct Settings {
        Endpoint listen;     /* of the metrics, when systemd passed no socket */
        uint64_t cache_usec; /* how long an answer of the agent counts as fresh */
} Settings;

/* The defaults, and over them the file and its drop-ins. path NULL: SETTINGS_PATH, which may be missing.
 * Logs what is wrong, with the place; -EINVAL. *ret is untouched on failure. */
int settings_load(const char *path, Settings *ret) _nodiscard_;
