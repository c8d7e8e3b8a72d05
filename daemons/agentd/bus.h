/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/manager.h"
#include "service/bus-introspect.h"

#define BUS_NAME "org.sdwan.Agent1"
#define BUS_PATH "/org/sdwan/Agent1"
#define BUS_TUNNEL_PREFIX BUS_PATH "/tunnel"
#define BUS_MANAGER_INTERFACE "org.sdwan.Agent1.Manager"
#define BUS_TUNNEL_INTERFACE "org.sdwan.Agent1.Tunnel"

BusInterface manager_bus_interface(void);
BusInterface tunnel_bus_interface(void);
