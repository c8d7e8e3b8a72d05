/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "wg/wg.h"

/* /etc/sdwan/agentd.conf (SDWAN_AGENTD_CONF overrides, for tests). */
typedef struct Settings {
        int wireguard;         /* WgBackendType */
        uint64_t confirm_usec; /* how long a change may go without the controller before it is undone; 0: for
                                  ever */
} Settings;

/* Logs what is wrong. -EINVAL. */
int settings_load(Settings *ret) _nodiscard_;
