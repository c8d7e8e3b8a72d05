/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <sys/socket.h>

#include "service/bus-introspect.h"

#define INTROSPECT_ROUNDS_MAX 1000

static sd_bus *bus_close_quietly(sd_bus *bus) {
        if (bus)
                sd_bus_close(bus);
        return sd_bus_unref(bus);
}
DEFINE_CLEANUP(sd_bus *, bus_close_quietly);

int bus_register(sd_bus *bus, const BusInterface *interfaces, size_t n, void *userdata) {
        int r;

        assert(bus && (interfaces || n == 0));

        for (size_t i = 0; i < n; i++) {
                const BusInterface *b = interfaces + i;

                if (b->find)
                        r = sd_bus_add_fallback_vtable(bus, NULL, b->path, b->interface, b->vtable, b->find,
                                                       userdata);
                else
                        r = sd_bus_add_object_vtable(bus, NULL, b->path, b->interface, b->vtable, userdata);
                if (r < 0)
                        return r;
                if (!b->enumerate)
                        continue;
                r = sd_bus_add_node_enumerator(bus, NULL, b->path, b->enumerate, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Fallback objects too become plain ones: introspection reads the vtable alone, and find() would want a
 * manager. */
static int register_plain(sd_bus *bus, const BusInterface *interfaces, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int r = sd_bus_add_object_vtable(bus, NULL, interfaces[i].path, interfaces[i].interface,
                                                 interfaces[i].vtable, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int start_side(int fd, bool server, sd_bus **ret) {
        _cleanup_(bus_close_quietlyp) sd_bus *bus = NULL;
        _cleanup_close_ int owned = fd;
        sd_id128_t id;
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus, owned, owned);
        if (r < 0)
                return r;
        (void) TAKE_FD(owned);
        if (server) {
                r = sd_id128_randomize(&id);
                if (r < 0)
                        return r;
                r = sd_bus_set_server(bus, true, id);
                if (r < 0)
                        return r;
        }
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE(bus);
        return 0;
}

typedef struct Answer {
        bool done;
        int error;
        char *xml;
} Answer;

static int on_introspect(sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        Answer *a = userdata;
        const char *xml;

        a->done = true;
        a->error = -sd_bus_message_get_errno(reply);
        if (a->error < 0)
                return 0;
        a->error = sd_bus_message_read(reply, "s", &xml);
        if (a->error < 0)
                return 0;
        a->xml = strdup(xml);
        a->error = a->xml ? 0 : -ENOMEM;
        return 0;
}

static int introspect_path(const BusInterface *interfaces, size_t n, const char *path, char **ret) {
        _cleanup_(bus_close_quietlyp) sd_bus *server = NULL, *client = NULL;
        _cleanup_close_ int peer = -EBADF;
        Answer answer = { 0 };
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        peer = fds[1];
        r = start_side(fds[0], true, &server);
        if (r < 0)
                return r;
        r = register_plain(server, interfaces, n);
        if (r < 0)
                return r;
        r = start_side(TAKE_FD(peer), false, &client);
        if (r < 0)
                return r;
        r = sd_bus_call_method_async(client, NULL, NULL, path, "org.freedesktop.DBus.Introspectable",
                                     "Introspect", on_introspect, &answer, NULL);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < INTROSPECT_ROUNDS_MAX && !answer.done; i++) {
                r = sd_bus_process(server, NULL);
                if (r < 0)
                        break;
                r = sd_bus_process(client, NULL);
                if (r < 0)
                        break;
        }
        if (!answer.done)
                return r < 0 ? r : -ETIMEDOUT;
        if (answer.error < 0)
                return answer.error;
        *ret = answer.xml;
        return 0;
}

static int print_interface(const char *xml, const char *name) {
        static const char end_mark[] = "</interface>\n";
        char start_mark[300];
        const char *start, *end;

        (void) snprintf(start_mark, sizeof(start_mark), " <interface name=\"%s\">", name);
        start = strstr(xml, start_mark);
        if (!start)
                return -ENOENT;
        end = strstr(start, end_mark);
        if (!end)
                return -EBADMSG;
        (void) fwrite(start, 1, (size_t) (end - start) + strlen(end_mark), stdout);
        return 0;
}

/* Every interface that the table has at path, in the table's order, as one document. */
static int print_path(const BusInterface *interfaces, size_t n, const char *path, const char *only) {
        _cleanup_free_ char *xml = NULL;
        int r;

        r = introspect_path(interfaces, n, path, &xml);
        if (r < 0)
                return r;
        (void) fputs("<node>\n", stdout);
        for (size_t i = 0; i < n; i++) {
                if (!streq(interfaces[i].path, path) || (only && !streq(interfaces[i].interface, only)))
                        continue;
                r = print_interface(xml, interfaces[i].interface);
                if (r < 0)
                        return r;
        }
        (void) fputs("</node>\n", stdout);
        return fflush(stdout) == EOF ? -errno : 0;
}

int bus_introspect(const BusInterface *interfaces, size_t n, const char *interface_name) {
        assert((interfaces || n == 0) && interface_name);

        if (streq(interface_name, "list")) {
                for (size_t i = 0; i < n; i++)
                        (void) printf("%s %s\n", interfaces[i].path, interfaces[i].interface);
                return fflush(stdout) == EOF ? -errno : 0;
        }
        for (size_t i = 0; i < n; i++) {
                if (streq(interfaces[i].interface, interface_name))
                        return print_path(interfaces, n, interfaces[i].path, interface_name);
                if (streq(interfaces[i].path, interface_name))
                        return print_path(interfaces, n, interfaces[i].path, NULL);
        }
        return -ENOENT;
}
