/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/log.h"
#include "monitord/manager.h"

#define MONITOR_PATH "/org/sdwan/Monitor1"
#define MONITOR_INTERFACE "org.sdwan.Monitor1.Manager"

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        return sd_bus_message_append(reply, "s", SDWAN_VERSION);
}

static int get_agent_present(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "b", m->agent_present);
}

static int get_tunnel_count(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) m->snapshot.n_tunnels);
}

static int get_tunnels_up(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) snapshot_count_up(&m->snapshot));
}

static void on_refreshed(Manager *m, int error, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata;
        int r;

        if (error < 0)
                r = sd_bus_reply_method_errorf(call, "org.sdwan.Monitor1.Error.NoAgent",
                                               "The agent is not running or does not answer.");
        else
                r = sd_bus_reply_method_return(call, NULL);
        if (r < 0)
                (void) log_debug_errno(r, "Failed to answer Refresh, ignoring: %m");
}

static int method_refresh(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        Manager *m = userdata;
        int r;

        r = bus_verify_polkit_async(call, "org.sdwan.monitor1.manage", &m->polkit, reterr);
        if (r < 0)
                return r;
        if (r == 0)
                return 1;
        r = agent_ask(m, true, on_refreshed, sd_bus_message_ref(call), NULL);
        if (r < 0) {
                (void) sd_bus_message_unref(call);
                return sd_bus_error_set_errnof(reterr, r, "Failed to ask the agent: %m");
        }
        return 1;
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("AgentPresent", "b", get_agent_present, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("TunnelCount", "u", get_tunnel_count, 0, 0),
        SD_BUS_PROPERTY("TunnelsUp", "u", get_tunnels_up, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Refresh", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_refresh,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

const BusInterface manager_interfaces[] = {
        { .path = MONITOR_PATH, .interface = MONITOR_INTERFACE, .vtable = manager_vtable },
};
const size_t n_manager_interfaces = ELEMENTSOF(manager_interfaces);

void manager_emit_agent_present(Manager *m) {
        (void) sd_bus_emit_properties_changed(m->daemon.bus, MONITOR_PATH, MONITOR_INTERFACE, "AgentPresent",
                                              NULL);
}
