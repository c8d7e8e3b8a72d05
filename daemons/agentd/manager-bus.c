/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agentd/bus.h"
#include "agentd/join.h"
#include "agentd/reconcile.h"
#include "agentd/sync.h"
#include "agentd/tunnels.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"
#include "service/bus-introspect.h"

#define ACTION_MANAGE "org.sdwan.agent1.manage"
#define ERROR_PREFIX "org.sdwan.Agent1.Error."
#define OPTION_PREFIXES_MAX 256
#define OPTION_TEXT_MAX 255

/* ---- properties ---- */

static int property_string(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;
        const Membership *member = m->membership;
        const char *s = "";

        if (streq(property, "Version"))
                s = SDWAN_VERSION;
        else if (streq(property, "State"))
                s = agent_state_to_string(manager_state(m));
        else if (streq(property, "LastError"))
                s = m->refused[0] != '\0' ? m->refused : m->error;
        else if (streq(property, "Backend"))
                s = m->kernel && wg_backend(m->kernel->wg) == WG_BACKEND_USERSPACE ? "userspace" : "kernel";
        else if (streq(property, "Fingerprint") && m->identity)
                s = m->identity->fingerprint;
        else if (member && streq(property, "NodeId"))
                s = member->node_id;
        else if (member && streq(property, "NodeName"))
                s = member->name;
        else if (member && streq(property, "NetworkId"))
                s = member->network;
        else if (member && streq(property, "Role"))
                s = member->hub ? "hub" : "spoke";
        else if (member && streq(property, "ControllerUrl"))
                s = m->sync ? sync_url(m->sync) : member->urls[0];
        return sd_bus_message_append(reply, "s", s);
}

static int property_connected(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;

        return sd_bus_message_append(reply, "b", m->connected);
}

static int property_addresses(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;
        char text[ADDRESS_STRING_MAX];
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        if (r < 0)
                return r;
        if (m->membership && m->membership->address4.family != 0) {
                r = sd_bus_message_append(reply, "s", address_format(&m->membership->address4, text));
                if (r < 0)
                        return r;
        }
        if (m->membership && m->membership->address6.family != 0) {
                r = sd_bus_message_append(reply, "s", address_format(&m->membership->address6, text));
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static int property_topics(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const Manager *m = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{st}");
        if (r < 0)
                return r;
        for (int i = 0; m->state && i < STATE_CLASSES; i++) {
                const StateTopic *t = &m->state->topics[i];

                if (t->topic[0] == '\0')
                        continue;
                r = sd_bus_message_append(reply, "{st}", t->topic, t->revision);
                if (r < 0)
                        return r;
        }
        return sd_bus_message_close_container(reply);
}

static void emit(Manager *m, const char *property) {
        int r = sd_bus_emit_properties_changed(m->bus, BUS_PATH, BUS_MANAGER_INTERFACE, property, NULL);

        if (r < 0)
                (void) log_debug_errno(r, "Failed to tell the bus of %s: %m", property);
}

void manager_changed(Manager *m, const char *also) {
        const char *error = m->refused[0] != '\0' ? m->refused : m->error;
        AgentState state = manager_state(m);

        if (!m->bus)
                return;
        if (state != m->shown_state) {
                m->shown_state = state;
                daemon_status("%s", agent_state_to_string(state));
                emit(m, "State");
        }
        if (m->connected != m->shown_connected) {
                m->shown_connected = m->connected;
                emit(m, "Connected");
        }
        if (!streq(error, m->shown_error)) {
                (void) snprintf(m->shown_error, sizeof(m->shown_error), "%s", error);
                emit(m, "LastError");
        }
        if (also)
                emit(m, also);
}

/* ---- Join ---- */

static const char *const join_errors[] = {
        [JOIN_TOKEN_INVALID] = ERROR_PREFIX "TokenInvalid",
        [JOIN_TOKEN_MALFORMED] = ERROR_PREFIX "TokenMalformed",
        [JOIN_CONTROLLER_MISMATCH] = ERROR_PREFIX "ControllerMismatch",
        [JOIN_ALREADY_JOINED] = ERROR_PREFIX "AlreadyJoined",
        [JOIN_PREFIX_REFUSED] = ERROR_PREFIX "PrefixRefused",
        [JOIN_POOL_EXHAUSTED] = ERROR_PREFIX "PoolExhausted",
        [JOIN_UNREACHABLE] = ERROR_PREFIX "Unreachable",
        [JOIN_BUSY] = ERROR_PREFIX "Busy",
        [JOIN_FAILED] = SD_BUS_ERROR_FAILED,
};

typedef struct Waiting {
        Manager *manager;
        sd_bus_message *call;
        bool force;
} Waiting;

static Waiting *waiting_free(Waiting *w) {
        if (!w)
                return NULL;
        sd_bus_message_unref(w->call);
        return mfree(w);
}
DEFINE_CLEANUP(Waiting *, waiting_free);

static Waiting *waiting_new(Manager *m, sd_bus_message *call) {
        Waiting *w = new(Waiting);

        if (w)
                *w = (Waiting) { .manager = m, .call = sd_bus_message_ref(call) };
        return w;
}

static void on_join_done(JoinError error, const char *text, void *userdata) {
        _cleanup_(waiting_freep) Waiting *w = userdata;
        Manager *m = w->manager;
        int r;

        if (error == JOIN_OK)
                r = sd_bus_reply_method_return(w->call, "ss", text,
                                               m->identity ? m->identity->fingerprint : "");
        else
                r = sd_bus_reply_method_errorf(w->call, join_errors[error], "%s", text);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to answer Join, ignoring: %m");
}

/* As much of a file, or of what is in a pipe or a socket already. 0: that was all. */
static ssize_t read_some(int fd, mode_t mode, void *data, size_t len, size_t offset) {
        ssize_t n;

        if (S_ISREG(mode))
                n = pread(fd, data, len, (off_t) offset);
        else if (S_ISSOCK(mode))
                n = recv(fd, data, len, MSG_DONTWAIT);
        else
                n = read(fd, data, len); /* a pipe, which read_token() has told not to wait */
        if (n < 0)
                return errno == EAGAIN ? 0 : -errno;
        return n;
}

/* Never waits: whoever holds the other end of a pipe could let the whole agent wait with it. Devices can do
 * that, and worse, so they are not read at all. */
static int read_token(int fd, char ret[static TOKEN_STRING_MAX + 1]) {
        struct stat st;
        ssize_t k = 1;
        size_t n = 0;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISFIFO(st.st_mode)) {
                int flags = fcntl(fd, F_GETFL);

                if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                        return -errno;
        } else if (!S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode))
                return -EBADF;
        while (n < TOKEN_STRING_MAX && k > 0) {
                k = read_some(fd, st.st_mode, ret + n, TOKEN_STRING_MAX - n, n);
                if (k > 0)
                        n += (size_t) k;
        }
        ret[n] = '\0';
        return k < 0 ? (int) k : 0;
}

static int read_strings(sd_bus_message *call, char ***ret) {
        const char *s;
        int r;

        strv_free(*ret);
        *ret = NULL;
        r = sd_bus_message_enter_container(call, 'v', "as");
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(call, 'a', "s");
        if (r < 0)
                return r;
        for (;;) {
                r = sd_bus_message_read(call, "s", &s);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                if (strlen(s) > OPTION_TEXT_MAX || strv_length(*ret) == OPTION_PREFIXES_MAX)
                        return -EINVAL;
                r = strv_append(ret, s);
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_exit_container(call);
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int read_string(sd_bus_message *call, char **ret) {
        const char *s;
        int r;

        r = sd_bus_message_read(call, "v", "s", &s);
        if (r < 0)
                return r;
        if (strlen(s) > OPTION_TEXT_MAX || !str_is_printable(s))
                return -EINVAL;
        free(*ret);
        *ret = s[0] != '\0' ? strdup(s) : NULL;
        return *ret || s[0] == '\0' ? 0 : -ENOMEM;
}

/* -EBADRQC: an option that does not exist. */
static int read_options(sd_bus_message *call, JoinOptions *o) {
        int r;

        r = sd_bus_message_enter_container(call, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
                const char *key;

                r = sd_bus_message_read(call, "s", &key);
                if (r < 0)
                        return r;
                if (streq(key, "prefixes"))
                        r = read_strings(call, &o->prefixes);
                else if (streq(key, "endpoint"))
                        r = read_string(call, &o->endpoint);
                else if (streq(key, "name"))
                        r = read_string(call, &o->name);
                else
                        r = -EBADRQC;
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(call);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int check_prefixes(const JoinOptions *o, sd_bus_error *reterr) {
        STRV_FOREACH (s, o->prefixes) {
                Prefix p;

                if (prefix_parse(*s, &p) < 0)
                        return sd_bus_error_setf(
                                        reterr, join_errors[JOIN_PREFIX_REFUSED],
                                        "\"%s\" is not a prefix such as 10.1.0.0/24 (without host bits).",
                                        *s);
        }
        return 0;
}

static int join_with(Manager *m, sd_bus_message *call, const char *text, JoinOptions *options,
                     sd_bus_error *reterr) {
        _cleanup_(enrol_token_freep) EnrolToken *token = NULL;
        _cleanup_(waiting_freep) Waiting *w = NULL;
        const char *reason = "";
        int r;

        r = enrol_token_decode(text, &token, &reason);
        if (r < 0)
                return sd_bus_error_setf(reterr, join_errors[JOIN_TOKEN_MALFORMED],
                                         "This is not an enrolment token: %s.", reason ?: "mistyped");
        if (token->not_after_sec != 0 && token->not_after_sec + 86400 < now_realtime_usec() / USEC_PER_SEC)
                return sd_bus_error_setf(reterr, join_errors[JOIN_TOKEN_INVALID], "The token has expired.");
        w = waiting_new(m, call);
        if (!w)
                return -ENOMEM;
        r = join_start(m, token, options, on_join_done, w);
        if (r < 0)
                return sd_bus_error_set_errnof(reterr, r, "Failed to join: %m");
        token = NULL; /* both are the join's now */
        w = NULL;
        return 1;
}

static int method_join(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        char text[TOKEN_STRING_MAX + 1];
        JoinOptions options = { 0 };
        Manager *m = userdata;
        int fd, r;

        r = bus_verify_polkit_async(call, ACTION_MANAGE, &m->polkit, reterr);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (m->membership)
                return sd_bus_error_setf(reterr, join_errors[JOIN_ALREADY_JOINED],
                                         "This node has joined a network already, as %s. Leave it first.",
                                         m->membership->name);
        if (m->join)
                return sd_bus_error_set(reterr, join_errors[JOIN_BUSY], "Joining is under way already.");
        r = sd_bus_message_read(call, "h", &fd);
        if (r < 0)
                return r;
        r = read_options(call, &options);
        if (r == -EBADRQC || r == -EINVAL)
                r = sd_bus_error_set(reterr, SD_BUS_ERROR_INVALID_ARGS,
                                     "Unknown option, or one that is out of its limits.");
        if (r >= 0)
                r = check_prefixes(&options, reterr);
        if (r >= 0) {
                r = read_token(fd, text);
                if (r < 0)
                        r = sd_bus_error_set_errnof(reterr, r, "Failed to read the token: %m");
        }
        if (r >= 0)
                r = join_with(m, call, text, &options, reterr);
        crypto_wipe(text, sizeof(text));
        join_options_done(&options);
        return r;
}

/* ---- Leave, Sync, ListTunnels ---- */

static int on_leave_now(sd_event_source *source, void *userdata) {
        _cleanup_(waiting_freep) Waiting *w = userdata;

        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (w->manager->membership)
                manager_leave(w->manager);
        (void) sd_bus_reply_method_return(w->call, NULL);
        return 0;
}

/* The connection that told us the answer cannot be taken down from within its callback. */
static void leave_later(Manager *m, sd_bus_message *call) {
        _cleanup_(waiting_freep) Waiting *w = waiting_new(m, call);
        sd_event_source *source = NULL;

        if (!w || sd_event_add_defer(m->event, &source, on_leave_now, w) < 0) {
                (void) sd_bus_reply_method_errno(call, ENOMEM, NULL);
                return;
        }
        (void) sd_event_source_set_floating(source, true);
        sd_event_source_unref(source);
        w = NULL;
}

static void on_leave_done(int result, const char *reason, void *userdata) {
        _cleanup_(waiting_freep) Waiting *w = userdata;
        int r;

        if (result < 0 && !w->force) {
                r = sd_bus_reply_method_errorf(w->call, join_errors[JOIN_UNREACHABLE],
                                               "The controller could not be told: %s. Nothing was changed; "
                                               "with force the node leaves all the "
                                               "same.",
                                               reason);
        } else {
                leave_later(w->manager, w->call);
                r = 0;
        }
        if (r < 0)
                (void) log_warning_errno(r, "Failed to answer Leave, ignoring: %m");
}

static int method_leave(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        _cleanup_(waiting_freep) Waiting *w = NULL;
        Manager *m = userdata;
        int force, r;

        r = bus_verify_polkit_async(call, ACTION_MANAGE, &m->polkit, reterr);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(call, "b", &force);
        if (r < 0)
                return r;
        if (!m->membership)
                return sd_bus_error_set(reterr, SD_BUS_ERROR_FAILED, "This node has joined no network.");
        w = waiting_new(m, call);
        if (!w)
                return -ENOMEM;
        w->force = force;
        if (!m->sync || m->membership->revoked) {
                on_leave_done(0, "", TAKE(w));
                return 1;
        }
        r = sync_leave(m->sync, on_leave_done, w);
        if (r == -EALREADY)
                return sd_bus_error_set(reterr, join_errors[JOIN_BUSY], "Leaving is under way already.");
        if (r < 0) {
                on_leave_done(r, strerror(-r), TAKE(w));
                return 1;
        }
        w = NULL;
        return 1;
}

static int method_sync(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        Manager *m = userdata;
        int r;

        r = bus_verify_polkit_async(call, ACTION_MANAGE, &m->polkit, reterr);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (!m->membership)
                return sd_bus_error_set(reterr, SD_BUS_ERROR_FAILED, "This node has joined no network.");
        if (m->desired) {
                r = reconcile_resync(m);
                if (r < 0)
                        return sd_bus_error_set_errnof(reterr, r, "Failed to read what the kernel has: %m");
        }
        if (m->sync && !m->connected)
                sync_start(m->sync);
        return sd_bus_reply_method_return(call, NULL);
}

static int method_list_tunnels(sd_bus_message *call, void *userdata, sd_bus_error *reterr) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Manager *m = userdata;
        const Tunnel *t;
        size_t n;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(ssssstttb)");
        if (r < 0)
                return r;
        n = tunnels_list(m, &t);
        for (size_t i = 0; i < n; i++) {
                char endpoint[ENDPOINT_STRING_MAX] = "";

                if (t[i].endpoint.address.family != 0)
                        (void) endpoint_format(&t[i].endpoint, endpoint);
                r = sd_bus_message_append(reply, "(ssssstttb)", t[i].id, t[i].peer_name, t[i].peer_node,
                                          t[i].device, endpoint, t[i].last_handshake_usec, t[i].rx_bytes,
                                          t[i].tx_bytes, tunnel_is_up(&t[i]));
                if (r < 0)
                        return r;
        }
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

#define EMITS SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define OPEN SD_BUS_VTABLE_UNPRIVILEGED

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", property_string, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("NodeId", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("NodeName", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("NetworkId", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("Role", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("Addresses", "as", property_addresses, 0, EMITS),
        SD_BUS_PROPERTY("ControllerUrl", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("Connected", "b", property_connected, 0, EMITS),
        SD_BUS_PROPERTY("Fingerprint", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("Backend", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("LastError", "s", property_string, 0, EMITS),
        SD_BUS_PROPERTY("Topics", "a{st}", property_topics, 0, EMITS),
        SD_BUS_METHOD_WITH_ARGS("Join", SD_BUS_ARGS("h", token, "a{sv}", options),
                                SD_BUS_RESULT("s", state, "s", fingerprint), method_join, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Leave", SD_BUS_ARGS("b", force), SD_BUS_NO_RESULT, method_leave, OPEN),
        SD_BUS_METHOD_WITH_ARGS("Sync", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_sync, OPEN),
        SD_BUS_METHOD_WITH_ARGS("ListTunnels", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssssstttb)", tunnels),
                                method_list_tunnels, OPEN),
        SD_BUS_VTABLE_END,
};

BusInterface manager_bus_interface(void) {
        return (BusInterface) { .path = BUS_PATH,
                               .interface = BUS_MANAGER_INTERFACE,
                               .vtable = manager_vtable };
}

int manager_bus_register(Manager *m) {
        BusInterface interfaces[] = { manager_bus_interface(), tunnel_bus_interface() };
        int r;

        m->bus = m->daemon->bus;
        m->shown_state = manager_state(m);
        r = sd_bus_add_object_manager(m->bus, NULL, BUS_PATH);
        if (r < 0)
                return r;
        return bus_register(m->bus, interfaces, ELEMENTSOF(interfaces), m);
}
