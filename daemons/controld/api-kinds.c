/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/buffer.h"
#include "base/strutil.h"
#include "controld/agents.h"
#include "controld/api-internal.h"

/* Reading resources: one set of functions for all kinds. */

int api_object_to_json(Manager *m, const Object *o, json_object **ret) {
        _cleanup_json_ json_object *json = NULL, *status = NULL;
        int r;

        r = object_to_json(o, false, &json);
        if (r < 0)
                return r;
        if (o->kind == &kind_node && m->agents) {
                r = agents_node_status(m->agents, o->id, &status);
                if (r < 0)
                        return r;
                r = json_add(json, "status", TAKE(status));
                if (r < 0)
                        return r;
        }
        *ret = TAKE(json);
        return 0;
}

static void respond_missing(const Kind *kind, ApiDone done, void *userdata) {
        char detail[96];

        (void) snprintf(detail, sizeof(detail), "There is no %s of this id or name.", kind->name);
        api_problem(done, userdata, 404, "not_found", NULL, detail);
}

void api_get(Manager *m, const Kind *kind, const char *id, ApiDone done, void *userdata) {
        _cleanup_json_ json_object *json = NULL;
        const Object *o;

        o = model_find(m->model, kind, id);
        if (!o) {
                respond_missing(kind, done, userdata);
                return;
        }
        if (api_object_to_json(m, o, &json) < 0) {
                api_problem(done, userdata, 503, "busy", NULL, "Out of memory.");
                return;
        }
        api_respond_json(done, userdata, 200, json, o->revision, NULL);
}

#define LIST_DEFAULT 100
#define LIST_MAX 1000

typedef struct Filter {
        const Field *field; /* NULL: the id */
        const char *value;
} Filter;

typedef struct List {
        const Kind *kind;
        Filter filters[API_PARAMETERS_MAX];
        size_t n_filters;
        uint64_t limit;
        const char *after;
} List;

/* The name of the parameter that is wrong; NULL: none is. */
static const char *list_parse(Manager *m, const ApiQuery *q, List *l) {
        l->limit = LIST_DEFAULT;
        for (size_t i = 0; i < q->n; i++) {
                const char *name = q->items[i].name, *value = q->items[i].value;
                const Field *f = kind_field(l->kind, name);

                if (streq(name, "limit")) {
                        if (parse_u64(value, LIST_MAX, &l->limit) < 0 || l->limit == 0)
                                return name;
                } else if (streq(name, "after"))
                        l->after = value;
                else if (streq(name, "id"))
                        l->filters[l->n_filters++] = (Filter) { NULL, value };
                else if (f && !(f->flags & FIELD_HIDDEN)) {
                        const Object *o = f->type == FIELD_REF
                                                          ? model_find(m->model, kind_find(f->ref), value)
                                                          : NULL;

                        l->filters[l->n_filters++] = (Filter) { f, o ? o->id : value };
                } else
                        return name;
        }
        return NULL;
}

/* Lists are written with commas: one of the elements is enough. */
static bool text_matches(const Field *f, const char *text, const char *value) {
        size_t len = strlen(value);

        if (streq(text, value))
                return true;
        if ((f->type != FIELD_STRV && f->type != FIELD_PREFIX_LIST) || len == 0)
                return false;
        for (const char *p = text; *p != 0; p += strcspn(p, ","), p += *p == ',')
                if (strcspn(p, ",") == len && memcmp(p, value, len) == 0)
                        return true;
        return false;
}

/* 1: yes; 0: no. */
static int list_matches(const List *l, const Object *o) {
        for (size_t i = 0; i < l->n_filters; i++) {
                const Filter *f = &l->filters[i];
                _cleanup_free_ char *text = NULL;
                int r;

                if (!f->field) {
                        if (!streq(o->id, f->value))
                                return 0;
                        continue;
                }
                r = field_to_text(f->field, o, &text);
                if (r < 0)
                        return r;
                if (!text_matches(f->field, text, f->value))
                        return 0;
        }
        return 1;
}

static int list_add(Manager *m, const Object *o, Buffer *b, bool first) {
        _cleanup_json_ json_object *json = NULL;
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r;

        r = api_object_to_json(m, o, &json);
        if (r < 0)
                return r;
        text = json_format(json, &len);
        if (!text)
                return -ENOMEM;
        if (!first) {
                r = buffer_append(b, ",", 1);
                if (r < 0)
                        return r;
        }
        return buffer_append(b, text, len);
}

/* Rendered object by object: a page of 1,000 nodes is never a tree in memory. */
static int list_format(Manager *m, const List *l, Buffer *b) {
        uint64_t shown = 0, total = 0;
        const Object *o, *last = NULL;
        bool more = false;
        int r;

        r = buffer_append_str(b, "{\"items\":[");
        for (o = model_next(m->model, l->kind, NULL); o && r >= 0;
             o = model_next(m->model, l->kind, o->id)) {
                r = list_matches(l, o);
                if (r <= 0)
                        continue;
                total++;
                if (l->after && strcmp(o->id, l->after) <= 0)
                        continue;
                if (shown == l->limit) {
                        more = true;
                        continue;
                }
                r = list_add(m, o, b, shown++ == 0);
                last = o;
        }
        if (r < 0)
                return r;
        /* Ids are hexadecimal: nothing to escape. */
        return buffer_appendf(b, "],\"next\":%s%s%s,\"total\":%llu,\"revision\":%llu}", more ? "\"" : "",
                              more ? last->id : "null", more ? "\"" : "", (unsigned long long) total,
                              (unsigned long long) model_revision(m->model));
}

void api_list(Manager *m, const Kind *kind, const ApiQuery *query, ApiDone done, void *userdata) {
        _cleanup_buffer_ Buffer b = { 0 };
        List l = { .kind = kind };
        const char *wrong;

        wrong = list_parse(m, query, &l);
        if (wrong) {
                api_problem(done, userdata, 422, "invalid", wrong,
                            "Not a field to filter by, or not a value for it.");
                return;
        }
        if (list_format(m, &l, &b) < 0) {
                api_problem(done, userdata, 503, "busy", NULL, "Out of memory.");
                return;
        }
        api_respond(done, userdata, 200, "application/json", (const char *) b.data, b.len);
}
