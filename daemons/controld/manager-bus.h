/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"
#include "service/bus-introspect.h"

/* org.sdwan.Control1 (dbus/org.sdwan.Control1.xml). */
extern const BusInterface manager_bus_interfaces[];
extern const size_t n_manager_bus_interfaces;

int manager_bus_register(Manager *m) _nodiscard_;
/* RevisionChanged. Nothing without a bus. */
void manager_bus_revision_changed(Manager *m);
