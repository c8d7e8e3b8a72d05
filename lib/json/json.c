/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <limits.h>

#include "base/strutil.h"
#include "json/json.h"
#include "json/scan.h"

static int parse_error(JsonError *ret_error, int error, size_t offset, const char *reason) {
        if (ret_error)
                *ret_error = (JsonError) { .offset = offset, .reason = reason };
        return error;
}

int json_parse(const char *s, size_t len, JsonFlags flags, JsonError *ret_error, json_object **ret) {
        size_t max_items = (flags & JSON_TRUSTED_SIZE) ? 0 : JSON_ITEMS_MAX, offset = 0;
        const char *reason = NULL;
        json_tokener *tokener;
        json_object *o;
        enum json_tokener_error status;
        int r;

        if (len > INT_MAX - 1)
                return parse_error(ret_error, -E2BIG, 0, "too long");
        r = json_scan(s, len, JSON_DEPTH_MAX, max_items, &offset, &reason);
        if (r < 0)
                return parse_error(ret_error, r, offset, reason);

        tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
        if (!tokener)
                return parse_error(ret_error, -ENOMEM, 0, "out of memory");
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        o = json_tokener_parse_ex(tokener, s, (int) len);
        status = json_tokener_get_error(tokener);
        if (status == json_tokener_continue) { /* a number ends only where something else begins */
                o = json_tokener_parse_ex(tokener, "\n", 2);
                status = json_tokener_get_error(tokener);
        }
        offset = json_tokener_get_parse_end(tokener);
        json_tokener_free(tokener);
        if (status != json_tokener_success) /* the scanner let through what json-c does not read */
                return parse_error(ret_error, -EBADMSG, offset, "not understood");
        *ret = o;
        return 0;
}

static char *format(json_object *o, int flags, size_t *ret_len) {
        size_t len;
        const char *s = json_object_to_json_string_length(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
        char *copy = s ? malloc(len + 1) : NULL;

        if (!copy)
                return NULL;
        memcpy(copy, s, len);
        copy[len] = 0;
        if (ret_len)
                *ret_len = len;
        return copy;
}

char *json_format(json_object *o, size_t *ret_len) {
        return format(o, JSON_C_TO_STRING_PLAIN, ret_len);
}

char *json_format_pretty(json_object *o) {
        return format(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED, NULL);
}

int json_add(json_object *object, const char *key, json_object *value) {
        if (!object || json_object_object_add(object, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

/* value was just made: NULL is "out of memory" here, not JSON's null. */
static int add_made(json_object *object, const char *key, json_object *value) {
        return value ? json_add(object, key, value) : -ENOMEM;
}

int json_add_string(json_object *object, const char *key, const char *value) {
        if (!value)
                return json_add(object, key, NULL);
        if (!utf8_is_valid(value, strlen(value)))
                return -EINVAL;
        return add_made(object, key, json_object_new_string(value));
}

int json_add_u64(json_object *object, const char *key, uint64_t value) {
        return add_made(object, key, json_object_new_uint64(value));
}

int json_add_bool(json_object *object, const char *key, bool value) {
        return add_made(object, key, json_object_new_boolean(value));
}

int json_add_b64url(json_object *object, const char *key, const void *data, size_t len) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = b64url_encode(data, len, &text);
        if (r < 0)
                return r;
        return add_made(object, key, json_object_new_string(text));
}

int json_add_strv(json_object *object, const char *key, char *const *l) {
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        STRV_FOREACH (s, l) {
                json_object *item;

                if (!utf8_is_valid(*s, strlen(*s)))
                        return -EINVAL;
                item = json_object_new_string(*s);
                r = item ? json_append(array, item) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return json_add(object, key, TAKE(array));
}

int json_append(json_object *array, json_object *value) {
        if (!array || json_object_array_add(array, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

static int get_string(json_object *o, const char **ret) {
        const char *s;

        if (!json_object_is_type(o, json_type_string))
                return -EINVAL;
        s = json_object_get_string(o);
        if (strlen(s) != (size_t) json_object_get_string_len(o)) /* did not come through the scanner */
                return -EINVAL;
        *ret = s;
        return 0;
}

static int get_u64(json_object *o, uint64_t *ret) {
        if (!json_object_is_type(o, json_type_int) || json_object_get_int64(o) < 0)
                return -EINVAL;
        *ret = json_object_get_uint64(o);
        return 0;
}

static int get_object(json_object *o, enum json_type type, json_object **ret) {
        if (!json_object_is_type(o, type))
                return -EINVAL;
        *ret = o;
        return 0;
}

static int get_strv(json_object *o, char ***ret) {
        _cleanup_(strv_freep) char **l = NULL;
        const char *s;
        size_t n;
        int r;

        if (!json_object_is_type(o, json_type_array))
                return -EINVAL;
        n = json_object_array_length(o);
        l = new0(char *, n + 1);
        if (!l)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                r = get_string(json_object_array_get_idx(o, i), &s);
                if (r < 0)
                        return r;
                l[i] = strdup(s);
                if (!l[i])
                        return -ENOMEM;
        }
        strv_free(*ret);
        *ret = TAKE(l);
        return 0;
}

static int get_b64url(json_object *o, uint8_t *ret, size_t len) {
        const char *s;
        int r;

        r = get_string(o, &s);
        if (r < 0)
                return r;
        return b64url_decode_exact(s, ret, len);
}

static int dispatch_field(json_object *o, const JsonField *f, void *data) {
        void *p = (uint8_t *) data + f->offset;

        switch (f->type) {
        case JSON_FIELD_STRING:
                return get_string(o, p);
        case JSON_FIELD_U64:
                return get_u64(o, p);
        case JSON_FIELD_BOOL:
                if (!json_object_is_type(o, json_type_boolean))
                        return -EINVAL;
                *(bool *) p = json_object_get_boolean(o);
                return 0;
        case JSON_FIELD_OBJECT:
                return get_object(o, json_type_object, p);
        case JSON_FIELD_ARRAY:
                return get_object(o, json_type_array, p);
        case JSON_FIELD_STRV:
                return get_strv(o, p);
        case JSON_FIELD_B64URL_32:
                return get_b64url(o, p, 32);
        case JSON_FIELD_B64URL_64:
                return get_b64url(o, p, 64);
        case JSON_FIELD_ANY:
                *(json_object **) p = o;
                return 0;
        }
        return -EINVAL;
}

static int dispatch_error(const char **ret_field, const char *name, int error) {
        if (ret_field)
                *ret_field = name;
        return error;
}

static const JsonField *find_field(const JsonField *fields, size_t n_fields, const char *name) {
        for (size_t i = 0; i < n_fields; i++)
                if (streq(fields[i].name, name))
                        return &fields[i];
        return NULL;
}

int json_dispatch(json_object *object, const JsonField *fields, size_t n_fields, bool allow_unknown,
                  void *data, const char **ret_field) {
        int r;

        if (!json_object_is_type(object, json_type_object))
                return dispatch_error(ret_field, "", -EINVAL);

        for (size_t i = 0; i < n_fields; i++) {
                json_object *value;

                if (!(fields[i].flags & JSON_REQUIRED))
                        continue;
                if (!json_object_object_get_ex(object, fields[i].name, &value) ||
                    (!value && (fields[i].flags & JSON_NULLABLE)))
                        return dispatch_error(ret_field, fields[i].name, -ENODATA);
        }

        json_object_object_foreach(object, name, value) {
                const JsonField *f = find_field(fields, n_fields, name);

                if (!f && allow_unknown)
                        continue;
                if (!f)
                        return dispatch_error(ret_field, name, -EBADRQC);
                if (!value && (f->flags & JSON_NULLABLE) && f->type != JSON_FIELD_ANY)
                        continue;
                r = dispatch_field(value, f, data);
                if (r < 0)
                        return dispatch_error(ret_field, f->name, r);
        }
        return 0;
}
