/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-bus.h>

#include "base/macro.h"

typedef enum LogTarget { LOG_TARGET_CONSOLE, LOG_TARGET_JOURNAL } LogTarget;

typedef struct LogControl {
        LogTarget target;
        const char *identifier;
} LogControl;

/* The journal when standard error is connected to it, otherwise standard error; the level of SDWAN_LOG_LEVEL
 * ("debug", "7") when that is set. */
void log_control_init(LogControl *c);

/* org.freedesktop.LogControl1, for "systemctl service-log-level": readable by all, writable by root and our
 * own user. c and identifier live as long as the bus. */
int log_control_serve(sd_bus *bus, const char *identifier, LogControl *c) _nodiscard_;
