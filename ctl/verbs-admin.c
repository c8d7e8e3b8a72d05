/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "crypto/crypto.h"
#include "ctl/ctl.h"
#include "ctl/fields.h"
#include "kinds/kinds.h"

static int find_kind(Ctl *c, const char *name, const Kind **ret) {
        *ret = kind_find(name);
        return *ret ? STATUS_OK
                    : fail(c, STATUS_USAGE, _("There is no kind \"%s\"; \"%s list\" lists them."), name,
                           program_invocation_short_name);
}

/* list */

static int list_kinds(Ctl *c) {
        _cleanup_json_ json_object *array = json_object_new_array();
        _cleanup_(table_freep) Table *t = NULL;

        if (!array || table_new(2, &t) < 0 || table_add(t, _("KIND"), COLOR_NONE) < 0 ||
            table_add(t, _("MEANING"), COLOR_NONE) < 0)
                return fail_oom(c);
        for (size_t i = 0; i < n_kinds; i++)
                if (json_append(array, json_object_new_string(kinds[i]->plural)) < 0 ||
                    table_add(t, kinds[i]->plural, COLOR_NONE) < 0 ||
                    table_add(t, fields_chinese() ? kinds[i]->help_zh : kinds[i]->help_en, COLOR_NONE) < 0)
                        return fail_oom(c);
        return show_json_mode(c) != JSON_OFF ? show_json(c, array) : show_table(c, t, NULL);
}

static int list_objects(Ctl *c, const Kind *kind, json_object **ret) {
        _cleanup_free_ char *what = str_printf(_("list the %s"), kind->plural);

        return what ? api_list(c, what, kind->path, ret) : fail_oom(c);
}

int verb_list(Ctl *c) {
        _cleanup_json_ json_object *objects = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_(names_freep) Names *names = NULL;
        const Kind *kind;
        char legend[96];
        int r;

        r = values_check(c);
        if (r != STATUS_OK)
                return r;
        if (c->n_args == 0)
                return list_kinds(c);
        r = find_kind(c, c->args[0], &kind);
        if (r == STATUS_OK)
                r = list_objects(c, kind, &objects);
        if (r != STATUS_OK)
                return r;
        if (show_json_mode(c) != JSON_OFF)
                return show_json(c, objects);
        r = names_load(c, kind, FIELD_IN_LIST, &names);
        if (r == STATUS_OK)
                r = fields_table(c, kind, objects, names, &t);
        if (r != STATUS_OK)
                return r;
        size_t n = table_rows(t) - 1;
        (void) snprintf(legend, sizeof(legend), ngettext("%zu object listed.", "%zu objects listed.", n), n);
        return show_table(c, t, legend);
}

/* show */

static int get_object(Ctl *c, const char *what, const Kind *kind, const char *name, json_object **ret) {
        _cleanup_free_ char *path = api_path(kind->path, name);
        int r;

        if (!*name)
                return fail(c, STATUS_USAGE, _("The name of a %s is missing."), kind->name);
        if (!path)
                return fail_oom(c);
        r = api_call(c, what, "GET", path, NULL, ret);
        if (r != STATUS_OK)
                return r;
        return json_object_is_type(*ret, json_type_object)
                               ? STATUS_OK
                               : fail(c, STATUS_FAILURE,
                                      _("Failed to %s: the controller's answer is not understood."), what);
}

int verb_show(Ctl *c) {
        _cleanup_(names_freep) Names *names = NULL;
        _cleanup_buffer_ Buffer b = { 0 };
        const Kind *kind;
        int r;

        r = values_check(c);
        if (r == STATUS_OK)
                r = find_kind(c, c->args[0], &kind);
        for (size_t i = 1; i < c->n_args && r == STATUS_OK; i++) {
                _cleanup_json_ json_object *o = NULL;
                _cleanup_free_ char *what = str_printf(_("show %s"), c->args[i]);

                r = what ? get_object(c, what, kind, c->args[i], &o) : fail_oom(c);
                if (r != STATUS_OK)
                        break;
                if (show_json_mode(c) != JSON_OFF) {
                        if (json_output(o, show_json_mode(c), &b) < 0)
                                return fail_oom(c);
                        continue;
                }
                if (!names)
                        r = names_load(c, kind, 0, &names);
                if (r == STATUS_OK && i > 1 && buffer_append_str(&b, "\n") < 0)
                        r = fail_oom(c);
                if (r == STATUS_OK)
                        r = fields_show(c, kind, o, names, &b);
        }
        /* What was found before a failure is shown as well. */
        int shown = show_text(c, &b);
        return r != STATUS_OK ? r : shown;
}

/* add */

static int created(Ctl *c, const Kind *kind, json_object *answer) {
        const char *name = fields_name(answer);

        if (show_json_mode(c) != JSON_OFF)
                return show_json(c, answer);
        if (!c->quiet && c->legend) {
                _cleanup_free_ char *escaped = str_escape(name);

                if (!escaped)
                        return fail_oom(c);
                (void) fprintf(stderr, _("Added %s %s.\n"), kind->name, escaped);
        }
        return STATUS_OK;
}

static int post(Ctl *c, const Kind *kind, json_object *body, json_object **ret) {
        _cleanup_free_ char *path = api_path(kind->path, NULL),
                            *what = str_printf(_("add the %s"), kind->name);

        if (!path || !what)
                return fail_oom(c);
        return api_call(c, what, "POST", path, body, ret);
}

int verb_add(Ctl *c) {
        _cleanup_json_ json_object *body = json_object_new_object(), *answer = NULL;
        const Kind *kind;
        int r;

        if (!body)
                return fail_oom(c);
        r = find_kind(c, c->args[0], &kind);
        if (r != STATUS_OK)
                return r;
        if (kind == &kind_token)
                return fail(c, STATUS_USAGE, _("Tokens are made with \"token create\"."));
        if (kind == &kind_user)
                return fail(c, STATUS_USAGE,
                            _("Administrators are made with \"admin create\" on the controller's machine."));
        if (!kind->create_by_api)
                return fail(c, STATUS_USAGE,
                            _("Nodes join with an enrolment token: see \"token create\" and \"join\"."));
        r = fields_from_values(c, kind, body);
        for (size_t i = 1; i < c->n_args && r == STATUS_OK; i++)
                r = fields_assign(c, kind, c->args[i], NULL, body);
        if (r == STATUS_OK)
                r = values_check(c);
        if (r == STATUS_OK)
                r = fields_require(c, kind, body);
        if (r == STATUS_OK)
                r = post(c, kind, body, &answer);
        return r == STATUS_OK ? created(c, kind, answer) : r;
}

/* set */

int verb_set(Ctl *c) {
        _cleanup_json_ json_object *before = NULL, *body = json_object_new_object(), *answer = NULL;
        _cleanup_free_ char *path = NULL, *what = str_printf(_("change %s"), c->args[1]);
        json_object *revision;
        const Kind *kind;
        int r;

        if (!body || !what)
                return fail_oom(c);
        r = find_kind(c, c->args[0], &kind);
        if (r == STATUS_OK)
                r = values_check(c);
        /* What can be refused without the controller is refused first. */
        for (size_t i = 2; i < c->n_args && r == STATUS_OK; i++)
                r = fields_check_assignment(c, kind, c->args[i]);
        if (r == STATUS_OK)
                r = get_object(c, what, kind, c->args[1], &before);
        for (size_t i = 2; i < c->n_args && r == STATUS_OK; i++)
                r = fields_assign(c, kind, c->args[i], before, body);
        if (r != STATUS_OK)
                return r;
        /* += is computed from what we have read: the controller refuses it when that has changed meanwhile.
         */
        if (json_object_object_get_ex(before, "revision", &revision) &&
            json_add(body, "revision", json_object_get(revision)) < 0)
                return fail_oom(c);
        path = api_path(kind->path, fields_id(before) ?: c->args[1]);
        if (!path)
                return fail_oom(c);
        r = api_call(c, what, "PATCH", path, body, &answer);
        if (r != STATUS_OK)
                return r;
        return show_json_mode(c) != JSON_OFF && answer ? show_json(c, answer) : STATUS_OK;
}

/* remove */

int verb_remove(Ctl *c) {
        const Kind *kind;
        int r, status = STATUS_OK;

        r = values_check(c);
        if (r == STATUS_OK)
                r = find_kind(c, c->args[0], &kind);
        if (r != STATUS_OK)
                return r;
        for (size_t i = 1; i < c->n_args; i++) {
                _cleanup_free_ char *path = NULL, *what = NULL;
                _cleanup_json_ json_object *answer = NULL;

                if (!*c->args[i])
                        return fail(c, STATUS_USAGE, _("The name of a %s is missing."), kind->name);
                path = api_path(kind->path, c->args[i]);
                what = str_printf(_("remove %s"), c->args[i]);
                if (!path || !what)
                        return fail_oom(c);
                r = api_call(c, what, "DELETE", path, NULL, &answer);
                if (r != STATUS_OK)
                        status = r;
        }
        return status;
}

/* token create */

/* The options of "token create" that have friendlier names than the fields. */
static int add_expiry(Ctl *c, json_object *body) {
        const char *text = value_get(c, "expires");
        char formatted[TIME_STRING_MAX];
        uint64_t span, now = now_realtime_usec();

        if (!text)
                return STATUS_OK;
        if (timespan_parse(text, &span) < 0 || span == 0 || span > UINT64_MAX - now)
                return fail(c, STATUS_USAGE,
                            _("--expires= takes a time span such as 90s, 15min, 1h or 7d."));
        if (json_add_string(body, "not_after", time_format(now + span, formatted)) < 0)
                return fail_oom(c);
        return STATUS_OK;
}

static int add_aliases(Ctl *c, json_object *body) {
        _cleanup_buffer_ Buffer prefixes = { 0 };
        const char *uses = value_get(c, "uses");
        int r = STATUS_OK;

        for (Value *v = value_next(c, "allow-prefix", NULL); v; v = value_next(c, "allow-prefix", v))
                if (buffer_appendf(&prefixes, "%s%s", prefixes.len > 0 ? "," : "", v->text) < 0)
                        return fail_oom(c);
        if (uses)
                r = fields_set(c, &kind_token, "max_uses", uses, body);
        if (r == STATUS_OK && prefixes.len > 0)
                r = fields_set(c, &kind_token, "allowed_prefixes", (const char *) prefixes.data, body);
        return r == STATUS_OK ? add_expiry(c, body) : r;
}

static int show_token(Ctl *c, json_object *answer) {
        json_object *text;

        if (show_json_mode(c) != JSON_OFF)
                return show_json(c, answer);
        if (!json_object_is_type(answer, json_type_object) ||
            !json_object_object_get_ex(answer, "token", &text) ||
            !json_object_is_type(text, json_type_string))
                return fail(c, STATUS_FAILURE,
                            _("The controller made a token, but its answer does not have it."));
        (void) printf("%s\n", json_object_get_string(text));
        if (fflush(stdout) == EOF)
                return fail(c, STATUS_FAILURE, _("Failed to write to standard output: %s"), strerror(errno));
        if (!c->quiet && c->legend)
                (void) fputs(_("This is shown only once. On the new node: \"sdwanctl join\", and paste "
                               "it.\n"),
                             stderr);
        return STATUS_OK;
}

int verb_token(Ctl *c) {
        _cleanup_json_ json_object *body = json_object_new_object(), *answer = NULL;
        int r;

        if (!body)
                return fail_oom(c);
        if (!streq(c->args[0], "create"))
                return fail(c, STATUS_USAGE, _("Usage: %s token create --network=NAME [OPTIONS…]"),
                            program_invocation_short_name);
        r = add_aliases(c, body);
        if (r == STATUS_OK)
                r = fields_from_values(c, &kind_token, body);
        if (r == STATUS_OK)
                r = values_check(c);
        if (r == STATUS_OK)
                r = fields_require(c, &kind_token, body);
        if (r == STATUS_OK)
                r = post(c, &kind_token, body, &answer);
        return r == STATUS_OK ? show_token(c, answer) : r;
}

/* admin create */

int verb_admin(Ctl *c) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *token;
        int r;

        if (!streq(c->args[0], "create"))
                return fail(c, STATUS_USAGE, _("Usage: %s admin create NAME"),
                            program_invocation_short_name);
        r = values_check(c);
        if (r != STATUS_OK)
                return r;
        if (c->controller)
                return fail(c, STATUS_USAGE,
                            _("Administrators are made with \"admin create\" on the controller's machine."));
        r = bus_connect(c);
        if (r != STATUS_OK)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, CONTROL_NAME, CONTROL_PATH, CONTROL_INTERFACE,
                                           "CreateAdministrator");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", c->args[1]);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, CALL_TIMEOUT_USEC, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &token);
        if (r < 0)
                return fail_bus(c, _("make the administrator"), &error, r);
        (void) printf("%s\n", token);
        if (fflush(stdout) == EOF)
                return fail(c, STATUS_FAILURE, _("Failed to write to standard output: %s"), strerror(errno));
        if (!c->quiet && c->legend)
                (void) fputs(_("This API token is shown only once; keep it in a file of mode 0600 for "
                               "--token-file=.\n"),
                             stderr);
        return STATUS_OK;
}
