/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/strutil.h"
#include "controld/api-internal.h"

/* Changing resources. The body is read when the request comes; everything that depends on what there is
 * happens in prepare(), when all changes before this one are applied. */

static ApiWrite *write_free(ApiWrite *w) {
        if (!w)
                return NULL;
        free(w->target);
        json_object_put(w->body);
        json_object_put(w->preview);
        (void) secret_free(w->seed);
        return mfree(w);
}
DEFINE_CLEANUP(ApiWrite *, write_free);

/* For prepare(): refuses with a status of its own. */
static int refuse(ApiWrite *w, unsigned status, const char *code) {
        w->status = status;
        w->code = code;
        return -ECANCELED;
}

static int find_by_text(Manager *m, const Field *f, json_object *value, const char **ret_id) {
        const Object *o;

        if (!json_object_is_type(value, json_type_string))
                return -ENOENT;
        o = model_find(m->model, kind_find(f->ref), json_object_get_string(value));
        if (!o)
                return -ENOENT;
        *ret_id = o->id;
        return 0;
}

/* References may be given by name in requests: replaced by the id. -EINVAL with *ret_error. */
static int api_resolve_references(Manager *m, const Kind *kind, json_object *body, FieldError *ret_error) {
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = &kind->fields[i];
                json_object *value = NULL;
                const char *id;
                int r;

                if (f->type != FIELD_REF || !json_object_object_get_ex(body, f->name, &value) || !value)
                        continue;
                if (find_by_text(m, f, value, &id) < 0) {
                        (void) snprintf(ret_error->field, sizeof(ret_error->field), "%s", f->name);
                        (void) snprintf(ret_error->detail, sizeof(ret_error->detail),
                                        "There is no %s of this id or name.", f->ref);
                        return -EINVAL;
                }
                r = json_add_string(body, f->name, id);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int build_preview(ApiWrite *w, const Object *before, const Object *after) {
        _cleanup_json_ json_object *preview = json_object_new_object(), *diff = NULL, *object = NULL;
        int r;

        if (!preview)
                return -ENOMEM;
        r = object_diff(before, after, &diff);
        if (r < 0)
                return r;
        if (after) {
                r = object_to_json(after, false, &object);
                if (r < 0)
                        return r;
        }
        r = json_add_bool(preview, "dry_run", true);
        if (r >= 0)
                r = json_add(preview, "diff", TAKE(diff));
        if (r >= 0)
                r = json_add(preview, "object", TAKE(object));
        if (r < 0)
                return r;
        w->preview = TAKE(preview);
        return -ECANCELED; /* nothing is written */
}

static int prepare_create(Manager *m, Change *c, ApiWrite *w) {
        _cleanup_(object_freep) Object *o = NULL;
        int r;

        r = api_resolve_references(m, w->kind, w->body, change_error(c));
        if (r < 0)
                return r;
        r = object_new(w->kind, &o);
        if (r < 0)
                return r;
        object_make_id(o);
        r = object_from_json(o, NULL, w->body, OBJECT_CREATE, change_error(c));
        if (r >= 0)
                r = api_rules_create(m, w, o, change_error(c));
        if (r < 0)
                return r;
        memcpy(w->id, o->id, sizeof(w->id));
        if (w->dry_run) {
                r = model_check(m->model, NULL, o, change_error(c));
                return r < 0 ? r : build_preview(w, NULL, o);
        }
        return change_add(c, NULL, TAKE(o));
}

static int prepare_update(Manager *m, Change *c, ApiWrite *w, const Object *before) {
        _cleanup_(object_freep) Object *o = NULL;
        int r;

        r = api_resolve_references(m, w->kind, w->body, change_error(c));
        if (r < 0)
                return r;
        r = object_copy(before, &o);
        if (r < 0)
                return r;
        r = object_from_json(o, before, w->body, w->operation == API_PATCH ? OBJECT_PATCH : OBJECT_REPLACE,
                             change_error(c));
        if (r < 0)
                return r;
        if (w->dry_run) {
                r = model_check(m->model, before, o, change_error(c));
                return r < 0 ? r : build_preview(w, before, o);
        }
        return change_add(c, before, TAKE(o));
}

static int prepare_delete(Manager *m, Change *c, ApiWrite *w, const Object *before) {
        int r;

        r = api_rules_delete(m, c, before);
        if (r < 0)
                return r;
        return w->dry_run ? build_preview(w, before, NULL) : 0;
}

static int write_prepare(Manager *m, Change *c, void *userdata) {
        ApiWrite *w = userdata;
        const Object *before;

        if (w->operation == API_CREATE)
                return prepare_create(m, c, w);
        before = model_find(m->model, w->kind, w->target);
        if (!before)
                return refuse(w, 404, "not_found");
        if (w->has_if_match && w->if_match != before->revision)
                return refuse(w, 412, "revision");
        memcpy(w->id, before->id, sizeof(w->id));
        if (w->operation == API_APPROVE)
                return api_approve(c, node_of(before), change_error(c));
        return w->operation == API_DELETE ? prepare_delete(m, c, w, before)
                                          : prepare_update(m, c, w, before);
}

typedef struct Failure {
        int error;
        unsigned status;
        const char *code, *detail; /* detail NULL: the field's */
} Failure;

static const Failure failures[] = {
        { -EINVAL, 422, "invalid", NULL },
        { -EEXIST, 409, "conflict", NULL },
        { -EBUSY, 409, "in_use", NULL },
        { -EAGAIN, 503, "busy", "Too many changes are waiting." },
        { -ENOSPC, 507, "disk_full", "The controller's disk is full: nothing was changed." },
        { -EROFS, 503, "read_only", "The controller's database cannot be written: nothing was changed." },
        { -EIO, 503, "storage", "The controller's database failed; the controller starts again." },
        { -ESHUTDOWN, 503, "stopping", "The controller is stopping." },
        { -ECANCELED, 503, "stopping", "The controller is stopping." },
        { -ENOMEM, 503, "busy", "Out of memory." },
};

static void respond_failure(ApiWrite *w, int error, const FieldError *field) {
        for (size_t i = 0; i < ELEMENTSOF(failures); i++)
                if (failures[i].error == error) {
                        const char *detail = failures[i].detail;

                        api_problem(w->done, w->userdata, failures[i].status, failures[i].code,
                                    field && !detail ? field->field : NULL,
                                    detail  ? detail
                                    : field ? field->detail
                                            : "The request cannot be carried out.");
                        return;
                }
        api_problem(w->done, w->userdata, 500, "internal", NULL, NULL);
}

static void respond_object(Manager *m, ApiWrite *w) {
        const Object *o = model_get(m->model, w->kind, w->id);
        _cleanup_json_ json_object *json = NULL;
        char location[160], *secret = NULL;
        int r;

        if (!o) { /* gone again already */
                api_problem(w->done, w->userdata, 404, "not_found", NULL, NULL);
                return;
        }
        r = api_object_to_json(m, o, &json);
        if (r >= 0 && w->operation == API_CREATE)
                r = api_rules_answer(m, w, o, json, &secret);
        if (r < 0) {
                api_problem(w->done, w->userdata, 503, "busy", NULL, "It is made, but cannot be shown.");
                return;
        }
        (void) snprintf(location, sizeof(location), "/api/v1/%s/%s", w->kind->path, o->id);
        api_respond_json_secret(w->done, w->userdata, w->operation == API_CREATE ? 201 : 200, json,
                                o->revision, w->operation == API_CREATE ? location : NULL, secret);
        if (secret)
                crypto_wipe(secret, strlen(secret));
        free(secret);
}

static void write_done(Manager *m, int result, const FieldError *error, uint64_t revision, void *userdata) {
        _cleanup_(write_freep) ApiWrite *w = userdata;

        if (w->preview)
                api_respond_json(w->done, w->userdata, 200, w->preview, 0, NULL);
        else if (w->status != 0)
                api_problem(w->done, w->userdata, w->status, w->code, NULL,
                            w->status == 404 ? "There is no such object."
                                             : "It was changed meanwhile: read it again.");
        else if (result < 0)
                respond_failure(w, result, error);
        else if (w->operation == API_DELETE)
                api_respond(w->done, w->userdata, 204, NULL, "", 0);
        else
                respond_object(m, w);
}

/* "7" in quotes, as ETag gives it; "*" is any. */
static int parse_if_match(const char *s, ApiWrite *w) {
        char digits[24];
        size_t len = strlen(s);

        if (streq(s, "*"))
                return 0;
        if (len < 3 || len - 2 >= sizeof(digits) || s[0] != '"' || s[len - 1] != '"')
                return -EINVAL;
        memcpy(digits, s + 1, len - 2);
        digits[len - 2] = 0;
        w->has_if_match = true;
        return parse_u64(digits, UINT64_MAX, &w->if_match);
}

/* The words for a body that is not an object of JSON; NULL: it is one. */
static const char *parse_body(const ApiRequest *q, ApiWrite *w, char *buf, size_t size) {
        JsonError error = { 0 };

        if (json_parse(q->body, q->body_len, 0, &error, &w->body) < 0) {
                (void) snprintf(buf, size, "Not valid JSON at byte %zu: %s.", error.offset,
                                strempty(error.reason));
                return buf;
        }
        return json_object_is_type(w->body, json_type_object) ? NULL : "The body must be a JSON object.";
}

static int parse_dry_run(const ApiQuery *query, ApiWrite *w) {
        const char *value = api_query_get(query, "dry_run");

        if (query->n > (value ? 1U : 0U))
                return -EINVAL;
        if (value && !streq(value, "true") && !streq(value, "false"))
                return -EINVAL;
        w->dry_run = value && streq(value, "true");
        return 0;
}

void api_write(Manager *m, const ApiRequest *request, const Kind *kind, const char *target, bool approve,
               const ApiQuery *query, ApiDone done, void *userdata) {
        _cleanup_(write_freep) ApiWrite *w = new(ApiWrite);
        const char *wrong;
        char buf[160];
        int r;

        if (!w || (target && !(w->target = strdup(target)))) {
                api_problem(done, userdata, 503, "busy", NULL, "Out of memory.");
                return;
        }
        w->kind = kind;
        w->operation = approve                           ? API_APPROVE
                       : !target                         ? API_CREATE
                       : streq(request->method, "PUT")   ? API_REPLACE
                       : streq(request->method, "PATCH") ? API_PATCH
                                                         : API_DELETE;
        w->actor = *request->actor;
        w->done = done;
        w->userdata = userdata;
        if (parse_dry_run(query, w) < 0) {
                api_problem(done, userdata, 422, "invalid", "dry_run",
                            "The only parameter is dry_run=true.");
                return;
        }
        if (request->if_match && parse_if_match(request->if_match, w) < 0) {
                api_problem(done, userdata, 400, "if_match", NULL, "If-Match must be one ETag of this API.");
                return;
        }
        if (approve && w->dry_run) {
                api_problem(done, userdata, 422, "invalid", "dry_run", "Not for this request.");
                return;
        }
        wrong = w->operation == API_DELETE || approve ? NULL : parse_body(request, w, buf, sizeof(buf));
        if (wrong) {
                api_problem(done, userdata, 400, "bad_json", NULL, wrong);
                return;
        }
        r = change_submit(m, &(ChangeRequest) {
                                             .actor = w->actor.name,
                                             .prepare = write_prepare,
                                             .done = write_done,
                                             .userdata = w,
                             });
        if (r < 0) {
                api_problem(done, userdata, 503, "busy", NULL, "Too many changes are waiting.");
                return;
        }
        (void) TAKE(w); /* write_done() frees it */
}
