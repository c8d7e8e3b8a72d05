/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <locale.h>
#include <stdio.h>

#include "base/strutil.h"
#include "ctl/fields.h"
#include "kinds/kinds.h"

bool fields_chinese(void) {
        return strncmp(strempty(setlocale(LC_MESSAGES, NULL)), "zh", 2) == 0;
}

static const char *member_text(json_object *object, const char *name) {
        json_object *v;

        if (!json_object_is_type(object, json_type_object) || !json_object_object_get_ex(object, name, &v) ||
            !json_object_is_type(v, json_type_string))
                return NULL;
        return json_object_get_string(v);
}

const char *fields_id(json_object *object) {
        return member_text(object, "id");
}

const char *fields_name(json_object *object) {
        return member_text(object, "name") ?: strempty(fields_id(object));
}

/* Names: for each kind that is referred to, {id: name}. */

struct Names {
        const Kind **kinds;
        json_object **maps;
        size_t n;
};

Names *names_free(Names *n) {
        if (!n)
                return NULL;
        for (size_t i = 0; i < n->n; i++)
                json_unref(n->maps[i]);
        free(n->maps);
        free(n->kinds);
        return mfree(n);
}

static const char *names_find(const Names *n, const char *kind, const char *id) {
        for (size_t i = 0; n && i < n->n; i++)
                if (streq(n->kinds[i]->name, kind))
                        return member_text(n->maps[i], id);
        return NULL;
}

static int names_add(Ctl *c, Names *n, const Kind *kind) {
        _cleanup_json_ json_object *objects = NULL, *map = json_object_new_object();
        int r;

        if (!map)
                return fail_oom(c);
        r = api_list(c, _("look up names"), kind->path, &objects);
        if (r != STATUS_OK)
                return r;
        for (size_t i = 0; i < json_object_array_length(objects); i++) {
                json_object *o = json_object_array_get_idx(objects, i);

                if (fields_id(o) && json_add_string(map, fields_id(o), fields_name(o)) < 0)
                        return fail_oom(c);
        }
        n->kinds[n->n] = kind;
        n->maps[n->n++] = TAKE(map);
        return STATUS_OK;
}

int names_load(Ctl *c, const Kind *kind, FieldFlags flags, Names **ret) {
        _cleanup_(names_freep) Names *n = new(Names);
        int r;

        if (!n)
                return fail_oom(c);
        n->kinds = new0(const Kind *, n_kinds);
        n->maps = new0(json_object *, n_kinds);
        if (!n->kinds || !n->maps)
                return fail_oom(c);
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = kind->fields + i;
                const Kind *target = f->type == FIELD_REF ? kind_find(f->ref) : NULL;
                bool known = false;

                if (!target || (f->flags & flags) != flags)
                        continue;
                for (size_t j = 0; j < n->n; j++)
                        known |= n->kinds[j] == target;
                if (known)
                        continue;
                r = names_add(c, n, target);
                if (r != STATUS_OK)
                        return r;
        }
        *ret = TAKE(n);
        return STATUS_OK;
}

/* Objects as text */

static int append_value(Buffer *b, json_object *v) {
        if (!v)
                return 0;
        if (!json_object_is_type(v, json_type_array))
                return buffer_append_str(b, json_object_get_string(v));
        for (size_t i = 0; i < json_object_array_length(v); i++) {
                int r = buffer_appendf(b, "%s%s", i > 0 ? ", " : "",
                                       strempty(json_object_get_string(json_object_array_get_idx(v, i))));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* One field for people; "" when absent. The caller frees. */
static char *field_text(const Field *f, json_object *object, const Names *names) {
        _cleanup_buffer_ Buffer b = { 0 };
        json_object *v = NULL;
        char *text;

        (void) json_object_object_get_ex(object, f->name, &v);
        if (f->type == FIELD_REF && json_object_is_type(v, json_type_string)) {
                const char *name = names_find(names, f->ref, json_object_get_string(v));

                if (name && *name)
                        return strdup(name);
        }
        if (buffer_append_str(&b, "") < 0 || append_value(&b, v) < 0)
                return NULL;
        if (!b.data)
                return strdup("");
        text = (char *) b.data;
        b = (Buffer) { 0 };
        return text;
}

static Color value_color(const Field *f, const char *text) {
        if (streq(f->name, "state"))
                return streq(text, "active") ? COLOR_GOOD : streq(text, "pending") ? COLOR_WARN : COLOR_BAD;
        if (streq(f->name, "revoked"))
                return streq(text, "true") ? COLOR_BAD : COLOR_NONE;
        return COLOR_NONE;
}

/* Nodes come with what the controller knows about them at the moment. */
static const char *status_text(json_object *object, Color *ret_color) {
        json_object *status, *connected;
        const char *state;

        if (!json_object_object_get_ex(object, "status", &status))
                return NULL;
        state = member_text(status, "state");
        if (!json_object_object_get_ex(status, "connected", &connected) ||
            !json_object_get_boolean(connected)) {
                *ret_color = COLOR_WARN;
                return "offline";
        }
        *ret_color = streq_ptr(state, "in-sync")  ? COLOR_GOOD
                     : streq_ptr(state, "failed") ? COLOR_BAD
                                                  : COLOR_WARN;
        return state;
}

typedef struct Columns {
        const Kind *kind;
        bool id, status; /* in front, and behind */
        size_t n;
} Columns;

static int add_header(const Columns *columns, Table *t) {
        int r = 0;

        if (columns->id)
                r = table_add(t, "ID", COLOR_NONE);
        for (size_t i = 0; i < columns->kind->n_fields && r >= 0; i++)
                if (columns->kind->fields[i].flags & FIELD_IN_LIST)
                        r = table_add(t, columns->kind->fields[i].title, COLOR_NONE);
        if (r >= 0 && columns->status)
                r = table_add(t, "STATUS", COLOR_NONE);
        return r;
}

static int add_row(const Columns *columns, Table *t, json_object *object, const Names *names) {
        Color color = COLOR_NONE;
        int r = 0;

        if (columns->id)
                r = table_add(t, fields_id(object), COLOR_NONE);
        for (size_t i = 0; i < columns->kind->n_fields && r >= 0; i++) {
                const Field *f = columns->kind->fields + i;
                _cleanup_free_ char *text = NULL;

                if (!(f->flags & FIELD_IN_LIST))
                        continue;
                text = field_text(f, object, names);
                r = text ? table_add(t, text, value_color(f, text)) : -ENOMEM;
        }
        if (r >= 0 && columns->status) {
                const char *text = status_text(object, &color);

                r = table_add(t, text, color);
        }
        return r;
}

int fields_table(Ctl *c, const Kind *kind, json_object *objects, const Names *names, Table **ret) {
        const Field *name = kind_name_field(kind);
        Columns columns = {
                .kind = kind,
                .id = !name || !(name->flags & FIELD_UNIQUE) ||
                      kind == &kind_token, /* or it could not be named */
                .status = kind == &kind_node,
        };
        _cleanup_(table_freep) Table *t = NULL;
        int r;

        for (size_t i = 0; i < kind->n_fields; i++)
                columns.n += (kind->fields[i].flags & FIELD_IN_LIST) != 0;
        columns.n += (size_t) columns.id + columns.status;
        r = table_new(columns.n, &t);
        if (r >= 0)
                r = add_header(&columns, t);
        for (size_t i = 0; i < json_object_array_length(objects) && r >= 0; i++)
                r = add_row(&columns, t, json_object_array_get_idx(objects, i), names);
        if (r < 0)
                return fail_oom(c);
        *ret = TAKE(t);
        return STATUS_OK;
}

static int show_line(Buffer *b, const char *label, const char *text) {
        _cleanup_free_ char *escaped = str_escape(*text ? text : "-");

        return escaped ? buffer_appendf(b, "%16s: %s\n", label, escaped) : -ENOMEM;
}

int fields_show(Ctl *c, const Kind *kind, json_object *object, const Names *names, Buffer *b) {
        Color color;
        const char *status = status_text(object, &color);
        json_object *v;
        int r;

        r = show_line(b, "id", strempty(fields_id(object)));
        for (size_t i = 0; i < kind->n_fields && r >= 0; i++) {
                const Field *f = kind->fields + i;
                _cleanup_free_ char *text = NULL;

                if (f->flags & FIELD_HIDDEN)
                        continue;
                text = field_text(f, object, names);
                r = text ? show_line(b, f->name, text) : -ENOMEM;
        }
        if (r >= 0 && status)
                r = show_line(b, "status", status);
        if (r >= 0 && json_object_object_get_ex(object, "status", &v) && member_text(v, "error"))
                r = show_line(b, "error", member_text(v, "error"));
        if (r >= 0 && json_object_object_get_ex(object, "revision", &v))
                r = show_line(b, "revision", strempty(json_object_get_string(v)));
        return r < 0 ? fail_oom(c) : STATUS_OK;
}

/* Text to objects */

static int check_field(Ctl *c, const Kind *kind, const char *name, const Field **ret) {
        const Field *f = kind_field(kind, name);

        if (!f || (f->flags & FIELD_HIDDEN))
                return fail(c, STATUS_USAGE, _("A %s has no field \"%s\"; \"%s add %s --help\" lists them."),
                            kind->name, name, program_invocation_short_name, kind->name);
        if (f->flags & FIELD_READ_ONLY)
                return fail(c, STATUS_USAGE, _("\"%s\" is set by the controller alone."), name);
        *ret = f;
        return STATUS_OK;
}

static int text_to_json(Ctl *c, const Field *f, const char *text, json_object **ret) {
        FieldError error = { 0 };
        int r = field_text_to_json(f, text, ret, &error);

        if (r == -EINVAL)
                return fail(c, STATUS_USAGE, "%s: %s", f->name, error.detail);
        return r < 0 ? fail_oom(c) : STATUS_OK;
}

int fields_set(Ctl *c, const Kind *kind, const char *name, const char *text, json_object *body) {
        json_object *value = NULL;
        const Field *f;
        int r;

        r = check_field(c, kind, name, &f);
        if (r == STATUS_OK)
                r = text_to_json(c, f, text, &value);
        if (r != STATUS_OK)
                return r;
        return json_add(body, f->name, value) < 0 ? fail_oom(c) : STATUS_OK;
}

static bool is_list(const Field *f) {
        return f->type == FIELD_STRV || f->type == FIELD_PREFIX_LIST;
}

static bool array_has(json_object *array, const char *text) {
        for (size_t i = 0; i < json_object_array_length(array); i++)
                if (streq_ptr(json_object_get_string(json_object_array_get_idx(array, i)), text))
                        return true;
        return false;
}

static int append_from(json_object *target, json_object *source, json_object *except) {
        for (size_t i = 0; source && i < json_object_array_length(source); i++) {
                json_object *item = json_object_array_get_idx(source, i);
                const char *text = strempty(json_object_get_string(item));
                int r;

                if (array_has(target, text) || (except && array_has(except, text)))
                        continue;
                r = json_append(target, json_object_get(item));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The list that body has by now, or that the object had; NULL: none. */
static json_object *current_list(const Field *f, json_object *before, json_object *body) {
        json_object *v = NULL;

        if (!json_object_object_get_ex(body, f->name, &v) && before)
                (void) json_object_object_get_ex(before, f->name, &v);
        return json_object_is_type(v, json_type_array) ? v : NULL;
}

static int change_list(Ctl *c, const Field *f, const char *text, bool add, json_object *before,
                       json_object *body) {
        _cleanup_json_ json_object *named = NULL, *result = json_object_new_array();
        int r;

        if (!result)
                return fail_oom(c);
        r = text_to_json(c, f, text, &named);
        if (r != STATUS_OK)
                return r;
        if (!named)
                named = json_object_new_array();
        r = named ? append_from(result, current_list(f, before, body), add ? NULL : named) : -ENOMEM;
        if (r >= 0 && add)
                r = append_from(result, named, NULL);
        if (r >= 0)
                r = json_add(body, f->name, TAKE(result));
        return r < 0 ? fail_oom(c) : STATUS_OK;
}

int fields_from_values(Ctl *c, const Kind *kind, json_object *body) {
        for (size_t i = 0; i < c->n_values; i++) {
                Value *v = c->values + i;
                const Field *f = kind_field(kind, v->name);
                int r;

                if (v->used || !f || (f->flags & (FIELD_READ_ONLY | FIELD_HIDDEN)))
                        continue;
                v->used = true;
                r = is_list(f) ? change_list(c, f, v->text, true, NULL, body)
                               : fields_set(c, kind, v->name, v->text, body);
                if (r != STATUS_OK)
                        return r;
        }
        return STATUS_OK;
}

typedef struct Assignment {
        const Field *field;
        char op; /* '=', '+', '-' */
        const char *text;
} Assignment;

static int parse_assignment(Ctl *c, const Kind *kind, const char *text, Assignment *ret) {
        _cleanup_free_ char *name = NULL;
        const char *equals = strchr(text, '=');
        size_t len;
        int r;

        if (!equals || equals == text)
                return fail(c, STATUS_USAGE, _("\"%s\" is not of the form FIELD=VALUE."), text);
        len = (size_t) (equals - text);
        *ret = (Assignment) { .op = '=', .text = equals + 1 };
        if (len > 1 && (text[len - 1] == '+' || text[len - 1] == '-'))
                ret->op = text[--len];
        name = strndup(text, len);
        if (!name)
                return fail_oom(c);
        r = check_field(c, kind, name, &ret->field);
        if (r != STATUS_OK)
                return r;
        if (ret->op != '=' && !is_list(ret->field))
                return fail(c, STATUS_USAGE, _("\"%s\" is not a list: += and -= mean nothing for it."),
                            name);
        return STATUS_OK;
}

int fields_check_assignment(Ctl *c, const Kind *kind, const char *assignment) {
        _cleanup_json_ json_object *value = NULL;
        Assignment a;
        int r;

        r = parse_assignment(c, kind, assignment, &a);
        if (r == STATUS_OK && (a.field->flags & FIELD_IMMUTABLE))
                return fail(c, STATUS_USAGE, _("\"%s\" cannot be changed."), a.field->name);
        return r == STATUS_OK ? text_to_json(c, a.field, a.text, &value) : r;
}

int fields_assign(Ctl *c, const Kind *kind, const char *assignment, json_object *before, json_object *body) {
        Assignment a;
        int r;

        r = parse_assignment(c, kind, assignment, &a);
        if (r != STATUS_OK)
                return r;
        if (a.op == '=')
                return fields_set(c, kind, a.field->name, a.text, body);
        return change_list(c, a.field, a.text, a.op == '+', before, body);
}

int fields_require(Ctl *c, const Kind *kind, json_object *body) {
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = kind->fields + i;
                _cleanup_free_ char *option = NULL;
                json_object *v = NULL;

                if (!(f->flags & FIELD_REQUIRED) || (f->flags & FIELD_READ_ONLY) || f->default_text)
                        continue;
                if (json_object_object_get_ex(body, f->name, &v) && v)
                        continue;
                option = strdup(f->name);
                if (!option)
                        return fail_oom(c);
                for (char *p = option; *p; p++)
                        *p = *p == '_' ? '-' : *p;
                return fail(c, STATUS_USAGE, _("A %s needs --%s=."), kind->name, option);
        }
        return STATUS_OK;
}
