/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-bus.h>

#include "base/macro.h"

/* The system bus, or the one at SDWAN_BUS_ADDRESS (for tests). name is the connection's in busctl. */
int bus_open(const char *name, sd_bus **ret) _nodiscard_;
