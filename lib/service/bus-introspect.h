/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-bus.h>

#include "base/macro.h"

/* One interface of a daemon: for registering it, and for the hidden --bus-introspect that a test compares
 * with the contract in dbus/. */
typedef struct BusInterface {
        const char *path; /* object, or prefix of fallback objects */
        const char *interface;
        const sd_bus_vtable *vtable;
        sd_bus_object_find_t find; /* NULL: one object at path; else a fallback vtable */
        sd_bus_node_enumerator_t enumerate;
} BusInterface;

/* Plain objects and fallback ones with their enumerators, for as long as the bus lives. An ObjectManager is
 * the caller's to add. */
int bus_register(sd_bus *bus, const BusInterface *interfaces, size_t n, void *userdata) _nodiscard_;
/* Writes the introspection XML of one interface (or, given a path, of all at that path; given "list", the
 * paths and names) to standard output: made from the vtable, on a private connection to itself, without any
 * bus daemon. -ENOENT: there is no such interface. */
int bus_introspect(const BusInterface *interfaces, size_t n, const char *interface_name) _nodiscard_;
