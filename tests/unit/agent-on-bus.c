/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/fileio.h"
#include "service/daemon.h"

/* An agent for the tests of sdwanctl and of the monitor: has two tunnels, one of them with a name as bad as
 * a name can be, and answers Join with the error that the option "name" asks for. Says on standard output
 * what it was asked. */

#define TOKEN_MAX 4096

static int say(const char *what) {
        (void) printf("%s\n", what);
        return fflush(stdout);
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        static const struct {
                const char *property, *value;
        } values[] = {
                { "Version", "0.1.0" },
                { "State", "in-sync" },
                { "NodeId", "0123456789abcdef0123456789abcdef" },
                { "NodeName", "b1" },
                { "NetworkId", "feed" },
                { "Role", "spoke" },
                { "Backend", "kernel" },
                { "Fingerprint", "AB-CD" },
                { "ControllerUrl", "https://ctl.example:9443" },
                { "LastError", "a\033b" },
        };
        const char *state = getenv("FAKE_AGENT_STATE");

        if (streq(property, "State") && state)
                return sd_bus_message_append(reply, "s", state);
        for (size_t i = 0; i < ELEMENTSOF(values); i++)
                if (streq(values[i].property, property))
                        return sd_bus_message_append(reply, "s", values[i].value);
        return -ENOENT;
}

static int get_other(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        if (streq(property, "Addresses"))
                return sd_bus_message_append(reply, "as", 2, "10.99.0.2", "fd99::2");
        if (streq(property, "Topics"))
                return sd_bus_message_append(reply, "a{st}", 1, "node/self", UINT64_C(7));
        return sd_bus_message_append(reply, "b", true);
}

static int method_list_tunnels(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        (void) say("ListTunnels");
        return sd_bus_reply_method_return(call, "a(ssssstttb)", 2, /* */
                                          "sdw1", "hub1", "aa", "sdw1", "192.0.2.1:51820",
                                          UINT64_C(1700000000000000), UINT64_C(1234), UINT64_C(5678),
                                          true, /* */
                                          "sdw2", "h\"u\\b\n2\033[31m", "bb", "sdw2", "", UINT64_C(0),
                                          UINT64_C(0), UINT64_C(0), false);
}

static int read_options(sd_bus_message *call, char **ret_error, size_t *ret_prefixes) {
        const char *key, *contents, *text;
        int r;

        r = sd_bus_message_enter_container(call, 'a', "{sv}");
        while (r >= 0) {
                r = sd_bus_message_enter_container(call, 'e', "sv");
                if (r <= 0)
                        return r;
                r = sd_bus_message_read(call, "s", &key);
                if (r < 0)
                        return r;
                if (streq(key, "prefixes")) {
                        char **l = NULL;

                        r = sd_bus_message_enter_container(call, 'v', "as");
                        if (r >= 0)
                                r = sd_bus_message_read_strv(call, &l);
                        for (char **s = l; s && *s; s++) {
                                (*ret_prefixes)++;
                                free(*s);
                        }
                        free(l);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(call);
                } else {
                        r = sd_bus_message_peek_type(call, NULL, &contents);
                        if (r >= 0)
                                r = sd_bus_message_read(call, "v", "s", &text);
                        if (r >= 0 && streq(key, "name"))
                                *ret_error = strdup(text);
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
        return r;
}

static int method_join(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        _cleanup_free_ char *error = NULL;
        _cleanup_free_ uint8_t *token = NULL;
        size_t len = 0, n_prefixes = 0;
        int fd, r;

        r = sd_bus_message_read(call, "h", &fd);
        if (r < 0)
                return r;
        r = fd_read_all(fd, TOKEN_MAX, &token, &len);
        if (r < 0)
                return r;
        r = read_options(call, &error, &n_prefixes);
        if (r < 0)
                return r;
        (void) printf("Join %zu bytes %zu prefixes\n", len, n_prefixes);
        (void) fflush(stdout);
        if (error && strchr(error, '.'))
                return sd_bus_error_setf(reterr, error, "said by the agent");
        return sd_bus_reply_method_return(call, "ss",
                                          error && streq(error, "pending") ? "pending" : "active", "AB-CD");
}

static int method_leave(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        int force, r;

        r = sd_bus_message_read(call, "b", &force);
        if (r < 0)
                return r;
        (void) say(force ? "Leave force" : "Leave");
        return sd_bus_reply_method_return(call, NULL);
}

static int method_sync(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        (void) say("Sync");
        return sd_bus_reply_method_return(call, NULL);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("NodeId", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("NodeName", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("NetworkId", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("Role", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("Addresses", "as", get_other, 0, 0),
        SD_BUS_PROPERTY("ControllerUrl", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("Connected", "b", get_other, 0, 0),
        SD_BUS_PROPERTY("Fingerprint", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("Backend", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("LastError", "s", get_text, 0, 0),
        SD_BUS_PROPERTY("Topics", "a{st}", get_other, 0, 0),
        SD_BUS_PROPERTY("Newer", "b", get_other, 0, 0), /* of an agent that is newer than we are */
        SD_BUS_METHOD("Join", "ha{sv}", "ss", method_join, 0),
        SD_BUS_METHOD("Leave", "b", NULL, method_leave, 0),
        SD_BUS_METHOD("Sync", NULL, NULL, method_sync, 0),
        SD_BUS_METHOD("ListTunnels", NULL, "a(ssssstttb)", method_list_tunnels, 0),
        SD_BUS_VTABLE_END,
};

int main(void) {
        Daemon d = { 0 };
        int r;

        if (daemon_setup(&d, "fake-agent") < 0 || daemon_connect_bus(&d) < 0)
                return EXIT_FAILURE;
        r = sd_bus_add_object_vtable(d.bus, NULL, "/org/sdwan/Agent1", "org.sdwan.Agent1.Manager", vtable,
                                     NULL);
        if (r < 0 || sd_bus_request_name(d.bus, "org.sdwan.Agent1", 0) < 0)
                return EXIT_FAILURE;
        (void) say("ready");
        r = daemon_run(&d);
        daemon_done(&d);
        return r;
}
