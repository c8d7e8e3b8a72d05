/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>

#include "base/addr.h"
#include "base/fileio.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "crypto/token.h"
#include "ctl/ctl.h"
#include "ctl/node-state.h"

static int refuse_arguments_of_other_transports(Ctl *c) {
        return c->controller ? fail(c, STATUS_USAGE, _("--controller= is for the verbs of the controller."))
                             : STATUS_OK;
}

/* What every verb of this machine begins with. */
static int begin(Ctl *c) {
        int r;

        r = values_check(c);
        if (r == STATUS_OK)
                r = refuse_arguments_of_other_transports(c);
        return r == STATUS_OK ? bus_connect(c) : r;
}

int verb_status(Ctl *c) {
        _cleanup_(node_state_done) NodeState s = { 0 };
        int r;

        r = begin(c);
        if (r == STATUS_OK)
                r = node_state_read(c, &s);
        if (r != STATUS_OK)
                return r;
        if (!s.agent && !s.controller)
                return fail(c, STATUS_NOT_RUNNING,
                            _("Neither an agent nor a controller runs on this machine; "
                              "try \"systemctl enable --now sdwan-agentd\"."));
        r = show_json_mode(c) != JSON_OFF ? node_state_show_json(c, &s) : node_state_show(c, &s);
        if (r != STATUS_OK)
                return r;
        /* A machine with a controller alone is as it should be. */
        return s.agent && streq(s.state, "unenrolled") && !s.controller ? STATUS_NOT_RUNNING : STATUS_OK;
}

/* join */

typedef struct Secrets {
        uint8_t *data;
        size_t len;
} Secrets;

static void secrets_done(Secrets *s) {
        if (s->data)
                crypto_wipe(s->data, s->len);
        free(s->data);
}

/* From the terminal without echo, or from whatever standard input is. */
static int read_standard_input(const Ctl *c, Secrets *ret) {
        struct termios before, quiet;
        bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) >= 0;
        char *line;
        ssize_t n;
        int r;

        if (!terminal)
                return fd_read_all(STDIN_FILENO, TOKEN_STRING_MAX, &ret->data, &ret->len);

        (void) fputs(_("Token (not shown): "), stderr);
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t) ECHO;
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
        line = new0(char, TOKEN_STRING_MAX + 2);
        if (!line)
                r = -ENOMEM;
        else {
                n = read(STDIN_FILENO, line, TOKEN_STRING_MAX + 1);
                r = n < 0 ? -errno : n > TOKEN_STRING_MAX ? -EFBIG : 0;
        }
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        (void) fputs("\n", stderr);
        ret->data = (uint8_t *) line;
        ret->len = line ? strlen(line) : 0;
        return r;
}

/* What enrol_token_decode() may say, for the translation. */
static const char *const token_reasons[] = {
        N_("this is not an enrolment token"),
        N_("the token is of a version that this program does not know"),
        N_("the token is too long"),
        N_("the token is incomplete"),
        N_("the token is mistyped (its check digits do not match)"),
        N_("the token is damaged"),
};

static int read_join_token(Ctl *c, Secrets *ret) {
        _cleanup_(enrol_token_freep) EnrolToken *token = NULL;
        const char *path = c->n_args > 0 ? c->args[0] : "-", *reason = NULL;
        int r;

        r = streq(path, "-") ? read_standard_input(c, ret)
                             : file_read(path, TOKEN_STRING_MAX, &ret->data, &ret->len);
        if (r == -EFBIG)
                return fail(c, STATUS_TOKEN_MISTYPED, _("Failed to join: %s"), _("the token is too long"));
        if (r < 0)
                return fail(c, STATUS_FAILURE, _("Failed to read the token from %s: %s"),
                            streq(path, "-") ? _("standard input") : path, strerror(-r));
        r = memchr(ret->data, '\0', ret->len) ? -EINVAL
                                              : enrol_token_decode((char *) ret->data, &token, &reason);
        if (r == -ENOMEM)
                return fail_oom(c);
        if (r < 0)
                return fail(c, STATUS_TOKEN_MISTYPED, _("Failed to join: %s"),
                            _(reason ?: token_reasons[0]));
        return STATUS_OK;
}

/* A pipe leaves no page with the token behind once it has been read. */
static int token_pipe(const Secrets *s, int *ret_fd) {
        _cleanup_close_ int reader = -EBADF, writer = -EBADF;
        int fds[2];
        ssize_t n;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        reader = fds[0];
        writer = fds[1];
        n = write(writer, s->data, s->len); /* less than PIPE_BUF: all or nothing */
        if (n < 0)
                return -errno;
        if ((size_t) n != s->len)
                return -EIO;
        *ret_fd = TAKE_FD(reader);
        return 0;
}

static int append_text_option(sd_bus_message *m, Ctl *c, const char *option, const char *key) {
        const char *text = value_get(c, option);

        return text ? sd_bus_message_append(m, "{sv}", key, "s", text) : 0;
}

/* Repeated and comma-separated alike. */
static int collect_prefixes(Ctl *c, char ***ret) {
        for (Value *v = value_next(c, "prefix", NULL); v; v = value_next(c, "prefix", v)) {
                _cleanup_(strv_freep) char **parts = NULL;
                int r;

                r = strv_split(v->text, ",", &parts);
                if (r < 0)
                        return fail_oom(c);
                STRV_FOREACH (s, parts) {
                        Prefix p;

                        r = prefix_parse(*s, &p);
                        if (r == -EADDRNOTAVAIL)
                                return fail(c, STATUS_USAGE,
                                            _("--prefix=%s: bits are set behind the prefix length."), *s);
                        if (r < 0)
                                return fail(c, STATUS_USAGE, _("--prefix=%s is not an address range."), *s);
                        if (strv_append(ret, *s) < 0)
                                return fail_oom(c);
                }
        }
        return STATUS_OK;
}

static int append_join_options(sd_bus_message *m, Ctl *c, char **prefixes) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && prefixes) {
                r = sd_bus_message_open_container(m, 'e', "sv");
                if (r >= 0)
                        r = sd_bus_message_append(m, "s", "prefixes");
                if (r >= 0)
                        r = sd_bus_message_open_container(m, 'v', "as");
                if (r >= 0)
                        r = sd_bus_message_append_strv(m, prefixes);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        if (r >= 0)
                r = append_text_option(m, c, "endpoint", "endpoint");
        if (r >= 0)
                r = append_text_option(m, c, "name", "name");
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int call_join(Ctl *c, const Secrets *token, char **prefixes, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = token_pipe(token, &fd);
        if (r < 0)
                return fail(c, STATUS_FAILURE, _("Failed to hand over the token: %s"), strerror(-r));
        r = sd_bus_message_new_method_call(c->bus, &m, AGENT_NAME, AGENT_PATH, AGENT_INTERFACE, "Join");
        if (r >= 0)
                r = sd_bus_message_append(m, "h", fd);
        if (r >= 0)
                r = append_join_options(m, c, prefixes);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, CALL_TIMEOUT_USEC, &error, ret_reply);
        return r < 0 ? fail_bus(c, _("join"), &error, r) : STATUS_OK;
}

static int show_joined(Ctl *c, const char *state, const char *fingerprint) {
        _cleanup_json_ json_object *o = NULL;
        _cleanup_buffer_ Buffer b = { 0 };
        int r;

        if (show_json_mode(c) != JSON_OFF) {
                o = json_object_new_object();
                if (!o || json_add_string(o, "state", state) < 0 ||
                    json_add_string(o, "fingerprint", fingerprint) < 0)
                        return fail_oom(c);
                return show_json(c, o);
        }
        if (c->quiet)
                return STATUS_OK;
        if (streq(state, "pending"))
                r = buffer_appendf(&b,
                                   _("Enrolled; an administrator has yet to approve this node. Its "
                                     "fingerprint is %s\n"),
                                   fingerprint);
        else
                r = buffer_appendf(&b, _("Joined. The fingerprint of this node is %s\n"), fingerprint);
        return r < 0 ? fail_oom(c) : show_text(c, &b);
}

int verb_join(Ctl *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(strv_freep) char **prefixes = NULL;
        _cleanup_(secrets_done) Secrets token = { 0 };
        const char *state, *fingerprint;
        int r;

        r = collect_prefixes(c, &prefixes);
        if (r != STATUS_OK)
                return r;
        (void) value_get(c, "endpoint");
        (void) value_get(c, "name");
        r = values_check(c);
        if (r == STATUS_OK)
                r = refuse_arguments_of_other_transports(c);
        if (r == STATUS_OK)
                r = read_join_token(c, &token);
        if (r == STATUS_OK)
                r = bus_connect(c);
        if (r == STATUS_OK)
                r = call_join(c, &token, prefixes, &reply);
        if (r != STATUS_OK)
                return r;
        r = sd_bus_message_read(reply, "ss", &state, &fingerprint);
        return r < 0 ? fail_bus(c, _("join"), NULL, r) : show_joined(c, state, fingerprint);
}

/* leave, sync, tunnels */

static int call_agent(Ctl *c, const char *what, sd_bus_message *m, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(c->bus, m, CALL_TIMEOUT_USEC, &error, ret_reply);

        return r < 0 ? fail_bus(c, what, &error, r) : STATUS_OK;
}

static int new_agent_call(Ctl *c, const char *method, sd_bus_message **ret) {
        int r = sd_bus_message_new_method_call(c->bus, ret, AGENT_NAME, AGENT_PATH, AGENT_INTERFACE, method);

        return r < 0 ? fail(c, STATUS_FAILURE, _("Failed to make a bus message: %s"), strerror(-r))
                     : STATUS_OK;
}

int verb_leave(Ctl *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        bool force = value_get(c, "force");
        int r;

        r = begin(c);
        if (r == STATUS_OK)
                r = new_agent_call(c, "Leave", &m);
        if (r != STATUS_OK)
                return r;
        r = sd_bus_message_append(m, "b", force);
        return r < 0 ? fail_bus(c, _("leave"), NULL, r) : call_agent(c, _("leave"), m, NULL);
}

int verb_sync(Ctl *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = begin(c);
        if (r == STATUS_OK)
                r = new_agent_call(c, "Sync", &m);
        return r == STATUS_OK ? call_agent(c, _("synchronise"), m, NULL) : r;
}

int verb_tunnels(Ctl *c) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = begin(c);
        if (r == STATUS_OK)
                r = new_agent_call(c, "ListTunnels", &m);
        if (r == STATUS_OK)
                r = call_agent(c, _("list the tunnels"), m, &reply);
        return r == STATUS_OK ? node_show_tunnels(c, reply) : r;
}
