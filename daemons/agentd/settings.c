/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/settings.h"

#include "base/log.h"
#include "conf/conf.h"

#define CONFIRM_DEFAULT_USEC (30 * USEC_PER_SEC)
#define CONFIRM_MAX_USEC (3600 * USEC_PER_SEC)

static const char *const backends[] = {
        [WG_BACKEND_AUTO] = "auto",
        [WG_BACKEND_KERNEL] = "kernel",
        [WG_BACKEND_USERSPACE] = "userspace",
        NULL,
};

static const ConfItem items[] = {
        { "Agent", "WireGuard", CONF_ENUM, offsetof(Settings, wireguard), .values = backends },
        { "Agent", "ConfirmTimeout", CONF_TIMESPAN, offsetof(Settings, confirm_usec),
          .max = CONFIRM_MAX_USEC },
};

int settings_load(const char *path, Settings *ret) {
        Settings s = { .wireguard = WG_BACKEND_AUTO, .confirm_usec = CONFIRM_DEFAULT_USEC };
        ConfError error = { 0 };
        int r;

        r = conf_load(path ?: SETTINGS_PATH, items, ELEMENTSOF(items), &s, &error);
        if (r < 0)
                return log_error_errno(r, "%s", error.text);
        *ret = s;
        return 0;
}
