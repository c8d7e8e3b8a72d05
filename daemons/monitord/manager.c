/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "monitord/manager.h"
#include "base/log.h"

#define DRAIN_USEC (2 * USEC_PER_SEC)

static void on_drained(void *userdata) {
        Manager *m = userdata;

        (void) sd_event_exit(m->daemon.event, 0);
}

static void on_terminate(void *userdata) {
        Manager *m = userdata;

        if (http_server_drain(m->http, DRAIN_USEC, on_drained, m) < 0)
                on_drained(m);
}

static void on_reload(void *userdata) {
        Manager *m = userdata;
        Settings fresh;

        if (settings_load(m->config_path, &fresh) < 0)
                return; /* logged; what we have stays */
        if (!endpoint_equal(&fresh.listen, &m->settings.listen))
                log_notice("Listen= takes effect at the next start.");
        m->settings.cache_usec = fresh.cache_usec;
        log_info("Configuration reloaded.");
}

int manager_start(Manager *m, int *ret_status) {
        int r;

        *ret_status = EXIT_FAILURE;
        r = daemon_setup(&m->daemon, "sdwan-monitord");
        if (r < 0)
                return r;
        m->daemon.on_terminate = on_terminate;
        m->daemon.on_reload = on_reload;
        m->daemon.userdata = m;

        r = settings_load(m->config_path, &m->settings);
        if (r < 0) {
                *ret_status = EXIT_CONFIG;
                return r;
        }
        r = daemon_connect_bus(&m->daemon);
        if (r < 0)
                return r;
        r = bus_register(m->daemon.bus, manager_interfaces, n_manager_interfaces, m);
        if (r < 0)
                return log_error_errno(r, "Failed to register objects on the bus: %m");
        r = metrics_start(m, ret_status);
        if (r < 0)
                return r;
        r = agent_watch(m);
        if (r < 0)
                return log_error_errno(r, "Failed to watch for the agent: %m");
        daemon_status("No agent");
        return daemon_request_name(&m->daemon, "org.sdwan.Monitor1");
}

void manager_done(Manager *m) {
        m->http = http_server_free(m->http); /* its requests forget their waiters */
        m->owner_query = sd_bus_slot_unref(m->owner_query);
        m->tunnels_query = sd_bus_slot_unref(m->tunnels_query);
        agent_cancel(m);
        m->polkit = polkit_registry_free(m->polkit);
        daemon_done(&m->daemon);
        snapshot_done(&m->snapshot);
}
