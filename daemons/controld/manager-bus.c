/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "controld/administrators.h"
#include "controld/agents.h"
#include "controld/api.h"
#include "controld/manager-bus.h"

#define CONTROL_PATH "/org/sdwan/Control1"
#define CONTROL_INTERFACE "org.sdwan.Control1.Manager"
#define CONTROL_ERROR "org.sdwan.Control1.Error."

#define ACTION_ID_READ "org.sdwan.control1.read"
#define ACTION_ID_MANAGE "org.sdwan.control1.manage"

#define BODY_MAX (1024 * 1024)
#define TARGET_MAX (8 * 1024)

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        return sd_bus_message_append(reply, "s", SDWAN_VERSION);
}

static int get_controller_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "s", m->credentials.controller_id);
}

static int get_revision(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "t", model_revision(m->model));
}

static int get_node_count(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) model_count(m->model, &kind_node));
}

static int get_connected_count(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) (m->agents ? agents_connected(m->agents) : 0));
}

/* "bus:uid 1000", from what the bus itself knows of the sender. */
static void actor_name(sd_bus_message *call, char ret[static ACTOR_NAME_MAX]) {
        _cleanup_(sd_bus_creds_unrefp) sd_bus_creds *creds = NULL;
        uid_t uid;

        (void) snprintf(ret, ACTOR_NAME_MAX, "bus");
        if (sd_bus_query_sender_creds(call, SD_BUS_CREDS_EUID, &creds) >= 0 &&
            sd_bus_creds_get_euid(creds, &uid) >= 0)
                (void) snprintf(ret, ACTOR_NAME_MAX, "bus:uid %u", uid);
}

static void on_answer(const ApiResponse *response, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_sensitive(reply); /* a new token's text may be in it */
        if (r >= 0)
                r = sd_bus_message_append(reply, "us", (uint32_t) response->status,
                                          strempty(response->body));
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r < 0)
                (void) log_debug_errno(r, "Failed to answer a call, ignoring: %m");
}

/* What lib/httpd checks for HTTPS (SECURITY.md C9). */
static bool target_is_valid(const char *target) {
        size_t len = strlen(target), path = strcspn(target, "?");

        if (target[0] != '/' || len > TARGET_MAX)
                return false;
        for (size_t i = 0; i < len; i++)
                if (target[i] <= ' ' || target[i] == 0x7F || target[i] == '#')
                        return false;
        return !memmem(target, path, "//", 2) && !memmem(target, path, "/.", 2);
}

static int method_call(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        const char *method, *target, *body;
        _cleanup_free_ char *path = NULL;
        Actor actor = { 0 };
        Manager *m = userdata;
        size_t len;
        bool read;
        int r;

        r = sd_bus_message_read(call, "sss", &method, &target, &body);
        if (r < 0)
                return r;
        if (!target_is_valid(target) || strlen(body) > BODY_MAX)
                return sd_bus_error_set(reterr, SD_BUS_ERROR_INVALID_ARGS,
                                        "The path or the body is not acceptable.");
        len = strcspn(target, "?");
        path = strndup(target, len);
        if (!path)
                return -ENOMEM;
        read = api_action(method, path) != ACTION_MANAGE;
        r = bus_verify_polkit_async(call, read ? ACTION_ID_READ : ACTION_ID_MANAGE, &m->polkit, reterr);
        if (r < 0)
                return r;
        if (r == 0)
                return 1;
        actor.type = read ? ACTOR_BUS_READER : ACTOR_BUS_MANAGER;
        actor_name(call, actor.name);
        api_dispatch(m,
                     &(ApiRequest) {
                             .actor = &actor,
                             .method = method,
                             .path = path,
                             .query = target[len] == '?' ? target + len + 1 : "",
                             .body = body,
                             .body_len = strlen(body),
                     },
                     on_answer, sd_bus_message_ref(call));
        return 1;
}

static void on_administrator(int result, const FieldError *error, const char *token, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata;
        int r;

        if (result >= 0) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

                r = sd_bus_message_new_method_return(call, &reply);
                if (r >= 0)
                        r = sd_bus_message_sensitive(reply);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "s", token);
                if (r >= 0)
                        r = sd_bus_send(NULL, reply, NULL);
        } else if (result == -EEXIST)
                r = sd_bus_reply_method_errorf(call, CONTROL_ERROR "Exists",
                                               "There is a user of this name already.");
        else if (result == -EINVAL)
                r = sd_bus_reply_method_errorf(call, SD_BUS_ERROR_INVALID_ARGS, "%s",
                                               error ? error->detail : "The name is not acceptable.");
        else
                r = sd_bus_reply_method_errnof(call, result, "Failed to make the user: %m");
        if (r < 0)
                (void) log_debug_errno(r, "Failed to answer CreateAdministrator, ignoring: %m");
}

static int method_create_administrator(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        char actor[ACTOR_NAME_MAX];
        Manager *m = userdata;
        const char *name;
        int r;

        r = sd_bus_message_read(call, "s", &name);
        if (r < 0)
                return r;
        r = bus_verify_polkit_async(call, ACTION_ID_MANAGE, &m->polkit, reterr);
        if (r < 0)
                return r;
        if (r == 0)
                return 1;
        actor_name(call, actor);
        r = administrator_create(m, name, actor, on_administrator, sd_bus_message_ref(call));
        if (r < 0) {
                (void) sd_bus_message_unref(call);
                return sd_bus_error_set_errnof(reterr, r, "Failed to make the user: %m");
        }
        return 1;
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("ControllerId", "s", get_controller_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Revision", "t", get_revision, 0, 0),
        SD_BUS_PROPERTY("NodeCount", "u", get_node_count, 0, 0),
        SD_BUS_PROPERTY("ConnectedCount", "u", get_connected_count, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("Call", SD_BUS_ARGS("s", method, "s", path, "s", body),
                                SD_BUS_RESULT("u", status, "s", answer), method_call,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateAdministrator", SD_BUS_ARGS("s", name), SD_BUS_RESULT("s", token),
                                method_create_administrator, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("RevisionChanged", SD_BUS_ARGS("t", revision), 0),
        SD_BUS_VTABLE_END,
};

const BusInterface manager_bus_interfaces[] = {
        { .path = CONTROL_PATH, .interface = CONTROL_INTERFACE, .vtable = manager_vtable },
};
const size_t n_manager_bus_interfaces = ELEMENTSOF(manager_bus_interfaces);

int manager_bus_register(Manager *m) {
        return bus_register(m->daemon.bus, manager_bus_interfaces, n_manager_bus_interfaces, m);
}

void manager_bus_revision_changed(Manager *m) {
        if (m->daemon.bus && m->ready)
                (void) sd_bus_emit_signal(m->daemon.bus, CONTROL_PATH, CONTROL_INTERFACE, "RevisionChanged",
                                          "t", model_revision(m->model));
}
