/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <libintl.h>
#include <systemd/sd-bus.h>

#include "ctl/output.h"

#define _(text) gettext(text)
#define N_(text) (text) /* for xgettext: translated where it is used */

/* Documented in sdwanctl(1). */
typedef enum ExitStatus {
        STATUS_OK = 0,
        STATUS_FAILURE = 1,
        STATUS_USAGE = 2,
        STATUS_NOT_RUNNING = 3, /* or this machine is in no network */
        STATUS_NO_OBJECT = 4,
        STATUS_REFUSED = 5,       /* polkit, or the controller's authorisation */
        STATUS_TOKEN_REFUSED = 6, /* unknown, expired, spent or revoked */
        STATUS_TOKEN_MISTYPED = 7,
        STATUS_WRONG_CONTROLLER = 8,
        STATUS_UNREACHABLE = 9,
} ExitStatus;

/* An option that only some verbs know: --max-uses 10 is { "max_uses", "10" }. */
typedef struct Value {
        const char *name, *text;
        bool used; /* a verb that knows it marks it; the rest is a usage error */
} Value;

typedef struct Ctl {
        JsonMode json;
        bool json_auto; /* pretty on a terminal, short otherwise */
        bool legend, pager, ask_password, quiet, full;
        const char *controller, *token_file, *ca_file, *machine;

        Value *values;
        size_t n_values;
        char **args; /* behind the verb */
        size_t n_args;

        sd_bus *bus;
        pid_t password_agent;
        char *token; /* of the API, wiped at the end */
        char *ca_pem;
} Ctl;

/* One line on standard error; control characters are escaped. Returns status. */
int fail(const Ctl *c, ExitStatus status, const char *format, ...) _printf_(3, 4);
int fail_oom(const Ctl *c);
/* "Failed to …: <what the bus said>", with the exit status that the error stands for. */
int fail_bus(const Ctl *c, const char *what, const sd_bus_error *error, int r);
ExitStatus status_from_bus_error(const char *name, int r);

/* The verb's own option; NULL: not given. *ret_error_status is for the last of repeated ones: see
 * value_next(). */
const char *value_get(Ctl *c, const char *name);
/* Each of a repeated option: start with NULL. */
Value *value_next(Ctl *c, const char *name, Value *after);
/* STATUS_USAGE, said, when an option is left that the verb did not ask for. */
int values_check(Ctl *c);

/* show.c: standard output, through the pager where there is one. */
int show_text(Ctl *c, const Buffer *b);
int show_json(Ctl *c, json_object *o);
/* count_text: what the legend says below, NULL: nothing. */
int show_table(Ctl *c, const Table *t, const char *count_text);
bool show_colors(void);
/* Where a verb is wanted in JSON: the mode after --json and the terminal. */
JsonMode show_json_mode(const Ctl *c);

/* bus.c */
int bus_connect(Ctl *c); /* 0, or an exit status, said */
/* A call that may ask for a password and has minutes. */
#define CALL_TIMEOUT_USEC (120 * USEC_PER_SEC)
void bus_disconnect(Ctl *c);

#define AGENT_NAME "org.sdwan.Agent1"
#define AGENT_PATH "/org/sdwan/Agent1"
#define AGENT_INTERFACE "org.sdwan.Agent1.Manager"
#define CONTROL_NAME "org.sdwan.Control1"
#define CONTROL_PATH "/org/sdwan/Control1"
#define CONTROL_INTERFACE "org.sdwan.Control1.Manager"

/* api.c: one request to the controller's API, by D-Bus or HTTPS. path is encoded already. body NULL: none.
 * *ret_answer is NULL when the answer has no body. 0, or an exit status that has been said ("Failed to
 * <what>: …"). */
int api_call(Ctl *c, const char *what, const char *method, const char *path, json_object *body,
             json_object **ret_answer);
/* "/api/v1/<collection>/<item>", item percent-encoded; NULL: out of memory. */
char *api_path(const char *collection, const char *item);
/* Every object of a collection, page by page, as one array. */
int api_list(Ctl *c, const char *what, const char *collection, json_object **ret);

/* verbs: argc and argv without the verb; an exit status. */
int verb_status(Ctl *c);
int verb_join(Ctl *c);
int verb_leave(Ctl *c);
int verb_tunnels(Ctl *c);
int verb_sync(Ctl *c);
int verb_list(Ctl *c);
int verb_show(Ctl *c);
int verb_add(Ctl *c);
int verb_set(Ctl *c);
int verb_remove(Ctl *c);
int verb_token(Ctl *c);
int verb_admin(Ctl *c);
