/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/bus.h"
#include "agentd/tunnels.h"
#include "base/log.h"
#include "base/strutil.h"

/* Objects exist while somebody looks: the path names the tunnel, and the manager is what handlers get. */
static const Tunnel *tunnel_at(Manager *m, const char *path) {
        _cleanup_free_ char *id = NULL;

        if (sd_bus_path_decode(path, BUS_TUNNEL_PREFIX, &id) <= 0)
                return NULL;
        return tunnels_find(m, id);
}

static int tunnel_find(sd_bus *bus, const char *path, const char *interface, void *userdata,
                       void **ret_found, sd_bus_error *reterr) {
        if (!tunnel_at(userdata, path))
                return 0;
        *ret_found = userdata;
        return 1;
}

static int tunnel_enumerate(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                            sd_bus_error *reterr) {
        _cleanup_(strv_freep) char **paths = NULL;
        Manager *m = userdata;
        const Tunnel *t;
        size_t n;

        n = tunnels_list(m, &t);
        paths = new0(char *, n + 1); /* one at a time would be square */
        if (!paths)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = sd_bus_path_encode(BUS_TUNNEL_PREFIX, t[i].id, &paths[i]);
                if (r < 0)
                        return r;
        }
        *ret_nodes = TAKE(paths);
        return 1;
}

static int property_string(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        char key[B64_SIZE(KEY_SIZE)], endpoint[ENDPOINT_STRING_MAX] = "";
        const Tunnel *t = tunnel_at(userdata, path);
        const char *s = "";

        if (!t)
                return -ENOENT;
        if (streq(property, "Id"))
                s = t->id;
        else if (streq(property, "PeerName"))
                s = t->peer_name;
        else if (streq(property, "PeerNode"))
                s = t->peer_node;
        else if (streq(property, "Interface"))
                s = t->device;
        else if (streq(property, "PublicKey")) {
                b64_encode(t->key.bytes, KEY_SIZE, key);
                s = key;
        } else if (t->endpoint.address.family != 0)
                s = endpoint_format(&t->endpoint, endpoint);
        return sd_bus_message_append(reply, "s", strempty(s));
}

static int property_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Tunnel *t = tunnel_at(userdata, path);
        uint64_t n;

        if (!t)
                return -ENOENT;
        n = streq(property, "LastHandshake") ? t->last_handshake_usec
            : streq(property, "RxBytes")     ? t->rx_bytes
                                             : t->tx_bytes;
        return sd_bus_message_append(reply, "t", n);
}

static int property_up(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Tunnel *t = tunnel_at(userdata, path);

        return t ? sd_bus_message_append(reply, "b", tunnel_is_up(t)) : -ENOENT;
}

static const sd_bus_vtable tunnel_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "s", property_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("PeerName", "s", property_string, 0, 0),
        SD_BUS_PROPERTY("PeerNode", "s", property_string, 0, 0),
        SD_BUS_PROPERTY("Interface", "s", property_string, 0, 0),
        SD_BUS_PROPERTY("PublicKey", "s", property_string, 0, 0),
        SD_BUS_PROPERTY("Endpoint", "s", property_string, 0, 0),
        SD_BUS_PROPERTY("LastHandshake", "t", property_number, 0, 0),
        SD_BUS_PROPERTY("RxBytes", "t", property_number, 0, 0),
        SD_BUS_PROPERTY("TxBytes", "t", property_number, 0, 0),
        SD_BUS_PROPERTY("Up", "b", property_up, 0, 0),
        SD_BUS_VTABLE_END,
};

BusInterface tunnel_bus_interface(void) {
        return (BusInterface) {
                .path = BUS_TUNNEL_PREFIX,
                .interface = BUS_TUNNEL_INTERFACE,
                .vtable = tunnel_vtable,
                .find = tunnel_find,
                .enumerate = tunnel_enumerate,
        };
}

void tunnel_bus_emit(Manager *m, const char *id, bool added) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (!m->bus)
                return;
        r = sd_bus_path_encode(BUS_TUNNEL_PREFIX, id, &path);
        if (r >= 0 && added)
                r = sd_bus_emit_interfaces_added(m->bus, path, BUS_TUNNEL_INTERFACE, NULL);
        else if (r >= 0)
                r = sd_bus_emit_interfaces_removed(m->bus, path, BUS_TUNNEL_INTERFACE, NULL);
        if (r < 0)
                (void) log_debug_errno(r, "Failed to tell the bus of the tunnel %s: %m", id);
}
