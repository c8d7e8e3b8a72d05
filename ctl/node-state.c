/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <inttypes.h>
#include <stdio.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "ctl/node-state.h"

#define SHORT_ID 16 /* digits of a node's id that are shown */

void node_state_done(NodeState *s) {
        char *const texts[] = { s->version,
                                s->state,
                                s->node_id,
                                s->node_name,
                                s->network_id,
                                s->role,
                                s->controller_url,
                                s->fingerprint,
                                s->backend,
                                s->last_error,
                                s->controller_version,
                                s->controller_id };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                free(texts[i]);
        strv_free(s->addresses);
        json_unref(s->topics);
        *s = (NodeState) { 0 };
}

/* Where a property of the bus goes. */
typedef struct Property {
        const char *name, *signature;
        size_t offset;
} Property;

static const Property agent_properties[] = {
        { "Version", "s", offsetof(NodeState, version) },
        { "State", "s", offsetof(NodeState, state) },
        { "NodeId", "s", offsetof(NodeState, node_id) },
        { "NodeName", "s", offsetof(NodeState, node_name) },
        { "NetworkId", "s", offsetof(NodeState, network_id) },
        { "Role", "s", offsetof(NodeState, role) },
        { "ControllerUrl", "s", offsetof(NodeState, controller_url) },
        { "Fingerprint", "s", offsetof(NodeState, fingerprint) },
        { "Backend", "s", offsetof(NodeState, backend) },
        { "LastError", "s", offsetof(NodeState, last_error) },
        { "Connected", "b", offsetof(NodeState, connected) },
        { "Addresses", "as", offsetof(NodeState, addresses) },
        { "Topics", "a{st}", offsetof(NodeState, topics) },
};

static const Property controller_properties[] = {
        { "Version", "s", offsetof(NodeState, controller_version) },
        { "ControllerId", "s", offsetof(NodeState, controller_id) },
        { "Revision", "t", offsetof(NodeState, revision) },
        { "NodeCount", "u", offsetof(NodeState, node_count) },
        { "ConnectedCount", "u", offsetof(NodeState, connected_count) },
};

static int read_topics(sd_bus_message *m, json_object **ret) {
        _cleanup_json_ json_object *o = json_object_new_object();
        const char *topic;
        uint64_t revision;
        int r;

        if (!o)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "{st}");
        while (r >= 0) {
                r = sd_bus_message_read(m, "{st}", &topic, &revision);
                if (r == 0)
                        break;
                if (r > 0)
                        r = json_add_u64(o, topic, revision);
        }
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return sd_bus_message_exit_container(m);
}

/* One value that has the expected signature; the container is open. */
static int read_value(sd_bus_message *m, const Property *p, void *target) {
        const char *text;
        uint32_t u;
        int b, r;

        switch (p->signature[0]) {
        case 's':
                r = sd_bus_message_read(m, "s", &text);
                if (r < 0)
                        return r;
                *(char **) target = strdup(text);
                return *(char **) target ? 0 : -ENOMEM;
        case 'b':
                r = sd_bus_message_read(m, "b", &b);
                if (r >= 0)
                        *(bool *) target = b;
                return r;
        case 't':
                return sd_bus_message_read(m, "t", target);
        case 'u':
                r = sd_bus_message_read(m, "u", &u);
                if (r >= 0)
                        *(uint64_t *) target = u;
                return r;
        default:
                return p->signature[1] == 's' ? sd_bus_message_read_strv(m, target) : read_topics(m, target);
        }
}

static int read_property(sd_bus_message *m, const Property *properties, size_t n, NodeState *s) {
        const char *name, *contents;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                if (!streq(properties[i].name, name) || !streq(properties[i].signature, contents))
                        continue;
                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r < 0)
                        return r;
                r = read_value(m, properties + i, (char *) s + properties[i].offset);
                return r < 0 ? r : sd_bus_message_exit_container(m);
        }
        return sd_bus_message_skip(m, "v"); /* of a newer daemon */
}

static int read_properties(sd_bus_message *m, const Property *properties, size_t n, NodeState *s) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0) {
                r = sd_bus_message_enter_container(m, 'e', "sv");
                if (r <= 0)
                        break;
                r = read_property(m, properties, n, s);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* To a daemon that may not run, and is not started for this. *ret_reply NULL: it does not run. */
static int call_running(Ctl *c, const char *what, sd_bus_message *m, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        *ret_reply = NULL;
        r = sd_bus_message_set_auto_start(m, false);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, 0, &error, ret_reply);
        if (r >= 0)
                return STATUS_OK;
        if (status_from_bus_error(error.name, r) == STATUS_NOT_RUNNING)
                return STATUS_OK;
        return fail_bus(c, what, &error, r);
}

static int read_daemon(Ctl *c, const char *name, const char *path, const char *interface,
                       const Property *properties, size_t n, NodeState *s, bool *ret_running) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, name, path, "org.freedesktop.DBus.Properties",
                                           "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", interface);
        if (r < 0)
                return fail_bus(c, _("ask for the state"), NULL, r);
        r = call_running(c, _("ask for the state"), m, &reply);
        if (r != STATUS_OK || !reply)
                return r;
        r = read_properties(reply, properties, n, s);
        if (r < 0)
                return fail_bus(c, _("ask for the state"), NULL, r);
        *ret_running = true;
        return STATUS_OK;
}

typedef struct Tunnel {
        const char *id, *peer, *node, *interface, *endpoint;
        uint64_t handshake_usec, received_bytes, sent_bytes;
        int up;
} Tunnel;

/* 1: one read; 0: the end. */
static int read_tunnel(sd_bus_message *m, Tunnel *ret) {
        return sd_bus_message_read(m, "(ssssstttb)", &ret->id, &ret->peer, &ret->node, &ret->interface,
                                   &ret->endpoint, &ret->handshake_usec, &ret->received_bytes,
                                   &ret->sent_bytes, &ret->up);
}

static int count_tunnels(Ctl *c, NodeState *s) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        Tunnel t;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, AGENT_NAME, AGENT_PATH, AGENT_INTERFACE,
                                           "ListTunnels");
        if (r < 0)
                return fail_bus(c, _("list the tunnels"), NULL, r);
        r = call_running(c, _("list the tunnels"), m, &reply);
        if (r != STATUS_OK || !reply)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ssssstttb)");
        while (r >= 0) {
                r = read_tunnel(reply, &t);
                if (r <= 0)
                        break;
                s->tunnels++;
                s->tunnels_up += t.up != 0;
        }
        if (r < 0)
                return fail_bus(c, _("list the tunnels"), NULL, r);
        s->tunnels_known = true;
        return STATUS_OK;
}

int node_state_read(Ctl *c, NodeState *s) {
        int r;

        r = read_daemon(c, AGENT_NAME, AGENT_PATH, AGENT_INTERFACE, agent_properties,
                        ELEMENTSOF(agent_properties), s, &s->agent);
        if (r == STATUS_OK)
                r = read_daemon(c, CONTROL_NAME, CONTROL_PATH, CONTROL_INTERFACE, controller_properties,
                                ELEMENTSOF(controller_properties), s, &s->controller);
        if (r == STATUS_OK && s->agent && !s->state)
                return fail(c, STATUS_FAILURE, _("The agent does not say in which state it is."));
        if (r == STATUS_OK && s->agent && !streq(s->state, "unenrolled"))
                r = count_tunnels(c, s);
        return r;
}

/* "   Controller: https://…": right-aligned labels, as systemctl has them. text is somebody else's. */
static int add_line(Buffer *b, const char *label, const char *text) {
        _cleanup_free_ char *escaped = str_escape(text);
        size_t width = text_width(label);

        if (!escaped)
                return -ENOMEM;
        return buffer_appendf(b, "%*s%s: %s\n", (int) (16 - MIN(width, (size_t) 16)), "", label, escaped);
}

static int add_optional(Buffer *b, const char *label, const char *text) {
        return text && *text ? add_line(b, label, text) : 0;
}

static Color state_color(const char *state) {
        static const struct {
                const char *state;
                Color color;
        } colors[] = {
                { "in-sync", COLOR_GOOD }, { "failed", COLOR_BAD },      { "revoked", COLOR_BAD },
                { "pending", COLOR_WARN }, { "connecting", COLOR_WARN }, { "joining", COLOR_WARN },
        };

        for (size_t i = 0; i < ELEMENTSOF(colors); i++)
                if (streq(colors[i].state, state))
                        return colors[i].color;
        return COLOR_DIM;
}

static int add_headline(Buffer *b, const char *name, const char *state, Color color) {
        _cleanup_free_ char *safe_name = str_escape(name), *safe_state = str_escape(state);
        bool on = show_colors();

        if (!safe_name || !safe_state)
                return -ENOMEM;
        return buffer_appendf(b, "%s●%s %s - %s%s%s\n", color_begin(on, color), color_end(on, color),
                              safe_name, color_begin(on, color), safe_state, color_end(on, color));
}

static int add_agent(Buffer *b, const NodeState *s) {
        char id[SHORT_ID + 1] = "", tunnels[96];
        int r;

        r = add_headline(b, s->node_name && *s->node_name ? s->node_name : "sdwan-agentd", s->state,
                         state_color(s->state));
        if (r < 0)
                return r;
        if (s->node_id)
                (void) snprintf(id, sizeof(id), "%s", s->node_id);
        r = add_optional(b, _("Node"), id);
        if (r >= 0)
                r = add_optional(b, _("Network"), s->network_id);
        if (r >= 0)
                r = add_optional(b, _("Role"), s->role);
        STRV_FOREACH (a, s->addresses)
                if (r >= 0)
                        r = add_line(b, _("Address"), *a);
        if (r >= 0)
                r = add_optional(b, _("Controller"), s->controller_url);
        if (r >= 0 && s->controller_url && *s->controller_url)
                r = add_line(b, _("Connected"), s->connected ? _("yes") : _("no"));
        if (r >= 0 && s->tunnels_known) {
                (void) snprintf(tunnels, sizeof(tunnels), _("%zu of %zu up"), s->tunnels_up, s->tunnels);
                r = add_line(b, _("Tunnels"), tunnels);
        }
        if (r >= 0)
                r = add_optional(b, _("Backend"), s->backend);
        if (r >= 0)
                r = add_optional(b, _("Fingerprint"), s->fingerprint);
        if (r >= 0)
                r = add_optional(b, _("Version"), s->version);
        return r < 0 ? r : add_optional(b, _("Last error"), s->last_error);
}

static int add_controller(Buffer *b, const NodeState *s) {
        char text[96];
        int r;

        r = add_headline(b, "sdwan-controld", _("running"), COLOR_GOOD);
        if (r >= 0)
                r = add_optional(b, _("Controller id"), s->controller_id);
        if (r >= 0) {
                (void) snprintf(text, sizeof(text), "%" PRIu64, s->revision);
                r = add_line(b, _("Revision"), text);
        }
        if (r >= 0) {
                (void) snprintf(text, sizeof(text), _("%llu of %llu connected"),
                                (unsigned long long) s->connected_count, (unsigned long long) s->node_count);
                r = add_line(b, _("Nodes"), text);
        }
        return r < 0 ? r : add_optional(b, _("Version"), s->controller_version);
}

int node_state_show(Ctl *c, const NodeState *s) {
        _cleanup_buffer_ Buffer b = { 0 };
        int r = 0;

        if (s->agent)
                r = add_agent(&b, s);
        if (r >= 0 && s->agent && streq(s->state, "unenrolled"))
                r = buffer_appendf(&b, "%s\n",
                                   _("This machine is in no network; \"sdwanctl join\" takes an enrolment "
                                     "token."));
        if (r >= 0 && s->agent && s->controller)
                r = buffer_append_str(&b, "\n");
        if (r >= 0 && s->controller)
                r = add_controller(&b, s);
        return r < 0 ? fail_oom(c) : show_text(c, &b);
}

static int agent_to_json(const NodeState *s, json_object *o) {
        const struct {
                const char *name, *text;
        } texts[] = {
                { "version", s->version },         { "state", s->state },
                { "node_id", s->node_id },         { "node_name", s->node_name },
                { "network_id", s->network_id },   { "role", s->role },
                { "backend", s->backend },         { "controller_url", s->controller_url },
                { "fingerprint", s->fingerprint }, { "last_error", s->last_error },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(texts) && r >= 0; i++)
                r = json_add_string(o, texts[i].name,
                                    texts[i].text && *texts[i].text ? texts[i].text : NULL);
        if (r >= 0)
                r = json_add_strv(o, "addresses", s->addresses);
        if (r >= 0)
                r = json_add_bool(o, "connected", s->connected);
        if (r >= 0 && s->topics)
                r = json_add(o, "topics", json_object_get(s->topics));
        if (r >= 0)
                r = json_add_u64(o, "tunnels", s->tunnels);
        return r < 0 ? r : json_add_u64(o, "tunnels_up", s->tunnels_up);
}

static int controller_to_json(const NodeState *s, json_object *o) {
        int r;

        r = json_add_string(o, "version", s->controller_version);
        if (r >= 0)
                r = json_add_string(o, "controller_id", s->controller_id);
        if (r >= 0)
                r = json_add_u64(o, "revision", s->revision);
        if (r >= 0)
                r = json_add_u64(o, "nodes", s->node_count);
        return r < 0 ? r : json_add_u64(o, "connected", s->connected_count);
}

/* {"agent":{…} or null,"controller":{…} or null} */
int node_state_show_json(Ctl *c, const NodeState *s) {
        _cleanup_json_ json_object *o = json_object_new_object();
        json_object *agent = s->agent ? json_object_new_object() : NULL,
                    *controller = s->controller ? json_object_new_object() : NULL;
        int r = o ? 0 : -ENOMEM;

        if (r >= 0 && agent)
                r = agent_to_json(s, agent);
        if (r >= 0 && controller)
                r = controller_to_json(s, controller);
        if (r < 0) {
                json_unref(agent);
                json_unref(controller);
                return fail_oom(c);
        }
        r = json_add(o, "agent", agent);
        if (r < 0)
                json_unref(controller);
        else
                r = json_add(o, "controller", controller);
        return r < 0 ? fail_oom(c) : show_json(c, o);
}

static int tunnel_to_json(const Tunnel *t, json_object *array) {
        json_object *o = json_object_new_object();
        int r = o ? 0 : -ENOMEM;

        if (r >= 0)
                r = json_add_string(o, "id", t->id);
        if (r >= 0)
                r = json_add_string(o, "peer", t->peer);
        if (r >= 0)
                r = json_add_string(o, "peer_node", t->node);
        if (r >= 0)
                r = json_add_string(o, "interface", t->interface);
        if (r >= 0)
                r = json_add_string(o, "endpoint", *t->endpoint ? t->endpoint : NULL);
        if (r >= 0)
                r = json_add_u64(o, "last_handshake_usec", t->handshake_usec);
        if (r >= 0)
                r = json_add_u64(o, "received_bytes", t->received_bytes);
        if (r >= 0)
                r = json_add_u64(o, "sent_bytes", t->sent_bytes);
        if (r >= 0)
                r = json_add_bool(o, "up", t->up != 0);
        if (r >= 0)
                return json_append(array, o);
        json_unref(o);
        return r;
}

static int tunnel_to_row(const Tunnel *t, Table *table) {
        char age[SHORT_TEXT_MAX], received[SHORT_TEXT_MAX], sent[SHORT_TEXT_MAX];
        uint64_t now = now_realtime_usec();
        const char *const cells[] = {
                t->id,
                t->peer,
                t->interface,
                t->endpoint,
                t->handshake_usec == 0 ? _("never") : span_format(now - MIN(now, t->handshake_usec), age),
                bytes_format(t->received_bytes, received),
                bytes_format(t->sent_bytes, sent),
        };

        for (size_t i = 0; i < ELEMENTSOF(cells); i++) {
                int r = table_add(table, cells[i], COLOR_NONE);
                if (r < 0)
                        return r;
        }
        return table_add(table, t->up ? _("up") : _("down"), t->up ? COLOR_GOOD : COLOR_BAD);
}

static int tunnels_table(Table **ret) {
        const char *const titles[] = { _("TUNNEL"),    _("PEER"),     _("INTERFACE"), _("ENDPOINT"),
                                       _("HANDSHAKE"), _("RECEIVED"), _("SENT"),      _("STATE") };
        _cleanup_(table_freep) Table *t = NULL;
        int r;

        r = table_new(ELEMENTSOF(titles), &t);
        for (size_t i = 0; i < ELEMENTSOF(titles) && r >= 0; i++)
                r = table_add(t, titles[i], COLOR_NONE);
        if (r < 0)
                return r;
        for (size_t i = 4; i < 7; i++)
                table_align_right(t, i);
        *ret = TAKE(t);
        return 0;
}

int node_show_tunnels(Ctl *c, sd_bus_message *reply) {
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_(table_freep) Table *table = NULL;
        bool json = show_json_mode(c) != JSON_OFF;
        char legend[96];
        Tunnel t;
        int r;

        if (!array || tunnels_table(&table) < 0)
                return fail_oom(c);
        r = sd_bus_message_enter_container(reply, 'a', "(ssssstttb)");
        while (r >= 0) {
                r = read_tunnel(reply, &t);
                if (r <= 0)
                        break;
                r = json ? tunnel_to_json(&t, array) : tunnel_to_row(&t, table);
        }
        if (r < 0)
                return fail_bus(c, _("list the tunnels"), NULL, r);
        if (json)
                return show_json(c, array);
        size_t n = table_rows(table) - 1;
        (void) snprintf(legend, sizeof(legend), ngettext("%zu tunnel listed.", "%zu tunnels listed.", n), n);
        return show_table(c, table, legend);
}
