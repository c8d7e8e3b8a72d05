/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <inttypes.h>
#include <stdio.h>

#include "base/strutil.h"
#include "schema/field.h"

static int item_to_json(const Field *f, const Object *o, size_t i, json_object **ret) {
        _cleanup_buffer_ Buffer b = { 0 };
        json_object *json;
        int r;

        r = field_item_to_text(f, o, i, &b);
        if (r < 0)
                return r;
        json = json_object_new_string(b.data ? (char *) b.data : "");
        if (!json)
                return -ENOMEM;
        *ret = json;
        return 0;
}

static int list_to_json(const Field *f, const Object *o, json_object **ret) {
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < field_n_items(f, o); i++) {
                json_object *item;

                r = item_to_json(f, o, i, &item);
                if (r < 0)
                        return r;
                r = json_append(array, item);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(array);
        return 0;
}

int field_to_json(const Field *f, const Object *o, json_object **ret) {
        const void *p = field_pointer(o, f);
        json_object *json;

        if (field_is_list(f))
                return list_to_json(f, o, ret);
        if (field_is_absent(f, o)) {
                *ret = NULL;
                return 0;
        }
        if (f->type == FIELD_U64)
                json = json_object_new_uint64(*(const uint64_t *) p);
        else if (f->type == FIELD_BOOL)
                json = json_object_new_boolean(*(const bool *) p);
        else
                return item_to_json(f, o, 0, ret);
        if (!json)
                return -ENOMEM;
        *ret = json;
        return 0;
}

int object_to_json(const Object *o, bool with_hidden, json_object **ret) {
        _cleanup_json_ json_object *json = json_object_new_object();
        int r;

        if (!json)
                return -ENOMEM;
        r = json_add_string(json, "id", o->id);
        if (r < 0)
                return r;
        r = json_add_u64(json, "revision", o->revision);
        if (r < 0)
                return r;
        for (size_t i = 0; i < o->kind->n_fields; i++) {
                const Field *f = &o->kind->fields[i];
                json_object *value;

                if ((f->flags & FIELD_HIDDEN) && !with_hidden)
                        continue;
                r = field_to_json(f, o, &value);
                if (r < 0)
                        return r;
                r = json_add(json, f->name, value);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(json);
        return 0;
}

static int string_of(const Field *f, json_object *json, const char **ret, FieldError *ret_error) {
        if (!json_object_is_type(json, json_type_string))
                return field_error(ret_error, f->name,
                                   field_is_list(f) ? "must be a list of texts" : "must be a text");
        *ret = json_object_get_string(json);
        if (strlen(*ret) != (size_t) json_object_get_string_len(json))
                return field_error(ret_error, f->name, "must not contain control characters");
        return 0;
}

static int set_list(const Field *f, Object *o, json_object *json, FieldError *ret_error) {
        const char *s = NULL;
        int r;

        if (!json_object_is_type(json, json_type_array))
                return field_error(ret_error, f->name, "must be a list of texts");
        if (json_object_array_length(json) > field_max_items(f))
                return field_error(ret_error, f->name, "must have at most %zu items", field_max_items(f));
        field_clear(f, o);
        for (size_t i = 0; i < json_object_array_length(json); i++) {
                r = string_of(f, json_object_array_get_idx(json, i), &s, ret_error);
                if (r < 0)
                        return r;
                r = field_add_text(f, o, s, ret_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int field_set_json(const Field *f, Object *o, json_object *json, FieldError *ret_error) {
        const char *s = NULL;
        int r;

        if (field_is_list(f))
                return set_list(f, o, json, ret_error);
        if (f->type == FIELD_U64) {
                if (!json_object_is_type(json, json_type_int) || json_object_get_int64(json) < 0)
                        return field_error(ret_error, f->name,
                                           "must be a whole number from %" PRIu64 " to %" PRIu64, f->min,
                                           field_max_value(f));
                return field_set_u64(f, o, json_object_get_uint64(json), ret_error);
        }
        if (f->type == FIELD_BOOL) {
                if (!json_object_is_type(json, json_type_boolean))
                        return field_error(ret_error, f->name, "must be true or false");
                *(bool *) field_pointer(o, f) = json_object_get_boolean(json);
                return 0;
        }
        r = string_of(f, json, &s, ret_error);
        if (r < 0)
                return r;
        return field_add_text(f, o, s, ret_error);
}

static int set_id(Object *o, json_object *json, ObjectMode mode, FieldError *ret_error) {
        const char *s = json_object_is_type(json, json_type_string) ? json_object_get_string(json) : "";
        size_t len = strlen(s);

        if (len > 0 && streq(s, o->id))
                return 0;
        if (mode != OBJECT_TRUSTED)
                return field_error(ret_error, "id", "cannot be chosen or changed");
        if ((len != 16 && len != OBJECT_ID_MAX - 1) || strspn(s, "0123456789abcdef") != len)
                return field_error(ret_error, "id", "must be 16 or 64 hexadecimal digits");
        memcpy(o->id, s, len + 1);
        return 0;
}

static int set_revision(Object *o, json_object *json, ObjectMode mode, FieldError *ret_error) {
        if (!json_object_is_type(json, json_type_int) || json_object_get_int64(json) < 0)
                return field_error(ret_error, "revision", "must be a whole number");
        if (mode == OBJECT_TRUSTED)
                o->revision = json_object_get_uint64(json);
        else if (json_object_get_uint64(json) != o->revision || mode == OBJECT_CREATE)
                return field_error(ret_error, "revision", "is not the revision of this object");
        return 0;
}

/* json NULL is null: back to what the field is when nobody names it. */
static int set_value(const Field *f, Object *o, json_object *json, ObjectMode mode, FieldError *ret_error) {
        if (json)
                return field_set_json(f, o, json, ret_error);
        if ((f->flags & FIELD_REQUIRED) && mode != OBJECT_TRUSTED)
                return field_error(ret_error, f->name, "is required");
        return field_set_default(f, o);
}

static int set_member(Object *o, const Object *old, const char *name, json_object *json, ObjectMode mode,
                      FieldError *ret_error) {
        const Field *f;
        int r;

        if (streq(name, "id"))
                return set_id(o, json, mode, ret_error);
        if (streq(name, "revision"))
                return set_revision(o, json, mode, ret_error);
        f = kind_field(o->kind, name);
        if (!f || (mode != OBJECT_TRUSTED && (f->flags & FIELD_HIDDEN)))
                return field_error(ret_error, name, "is not a field of a %s", o->kind->name);
        if (mode != OBJECT_TRUSTED && (f->flags & FIELD_READ_ONLY))
                return field_error(ret_error, f->name, "is read-only");
        r = set_value(f, o, json, mode, ret_error);
        if (r < 0)
                return r;
        if ((mode == OBJECT_REPLACE || mode == OBJECT_PATCH) && (f->flags & FIELD_IMMUTABLE) && old &&
            !field_equal(f, o, old))
                return field_error(ret_error, f->name, "cannot be changed");
        return 0;
}

/* What the request did not name. */
static int set_rest(Object *o, json_object *json, ObjectMode mode, FieldError *ret_error) {
        int r;

        if (mode != OBJECT_CREATE && mode != OBJECT_REPLACE)
                return 0;
        for (size_t i = 0; i < o->kind->n_fields; i++) {
                const Field *f = &o->kind->fields[i];

                if ((f->flags & (FIELD_READ_ONLY | FIELD_HIDDEN)) ||
                    json_object_object_get_ex(json, f->name, NULL))
                        continue;
                if (mode == OBJECT_REPLACE && (f->flags & FIELD_IMMUTABLE))
                        continue;
                if (f->flags & FIELD_REQUIRED)
                        return field_error(ret_error, f->name, "is required");
                if (mode == OBJECT_REPLACE) {
                        r = field_set_default(f, o);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

int object_from_json(Object *o, const Object *old, json_object *json, ObjectMode mode,
                     FieldError *ret_error) {
        int r;

        if (!json_object_is_type(json, json_type_object))
                return field_error(ret_error, "", "must be an object");
        json_object_object_foreach(json, name, value) {
                r = set_member(o, old, name, value, mode, ret_error);
                if (r < 0)
                        return r;
        }
        r = set_rest(o, json, mode, ret_error);
        if (r < 0)
                return r;
        return o->kind->validate ? o->kind->validate(o, old, ret_error) : 0;
}

int schema_check_response(const Kind *kind, json_object *object, FieldError *ret_error) {
        _cleanup_(object_freep) Object *o = NULL;
        int r;

        r = object_new(kind, &o);
        if (r < 0)
                return r;
        if (!json_object_is_type(object, json_type_object)) {
                (void) field_error(ret_error, "", "must be an object");
                return -EBADMSG;
        }
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = &kind->fields[i];
                bool hidden = f->flags & FIELD_HIDDEN;

                if (json_object_object_get_ex(object, f->name, NULL) == hidden) {
                        (void) field_error(ret_error, f->name, hidden ? "must not be shown" : "is missing");
                        return -EBADMSG;
                }
        }
        r = object_from_json(o, NULL, object, OBJECT_TRUSTED, ret_error);
        if (r == -EINVAL)
                return -EBADMSG;
        if (r >= 0 && (o->id[0] == 0 || !json_object_object_get_ex(object, "revision", NULL))) {
                (void) field_error(ret_error, o->id[0] == 0 ? "id" : "revision", "is missing");
                return -EBADMSG;
        }
        return r;
}
