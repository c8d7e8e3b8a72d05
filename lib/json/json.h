/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <json-c/json.h>

#include "base/buffer.h"
#include "base/macro.h"

/* json-c behind a strict pre-scanner (json/scan.h): what comes out of json_parse() is RFC 8259 with no
 * duplicate name, no NUL, no lone surrogate, valid UTF-8, integers that fit in 64 bits. json-c's object type
 * is what the rest of the tree passes around; values are read only through the getters below, which check
 * the type. */

#define JSON_DEPTH_MAX 32
#define JSON_ITEMS_MAX 10000 /* values in one document, for what comes from strangers */

typedef enum JsonFlags {
        JSON_TRUSTED_SIZE = 1 << 0, /* no JSON_ITEMS_MAX: our own state files and signed batches */
} JsonFlags;

typedef struct JsonError {
        size_t offset;      /* byte where it went wrong */
        const char *reason; /* static text, English */
} JsonError;

/* -EBADMSG: not strict JSON; *ret_error (may be NULL) says where and why. -E2BIG: too deep or too many
 * items. -ENOMEM. The caller drops *ret with json_object_put(); it is NULL for JSON null. The top level may
 * be any value. */
int json_parse(const char *s, size_t len, JsonFlags flags, JsonError *ret_error,
               json_object **ret) _nodiscard_;

/* Compact serialisation in new memory; NULL: out of memory. '/' is not escaped. */
char *json_format(json_object *o, size_t *ret_len);
/* Indented with two spaces, for people. */
char *json_format_pretty(json_object *o);

static inline json_object *json_unref(json_object *o) {
        if (o)
                json_object_put(o);
        return NULL;
}
DEFINE_CLEANUP(json_object *, json_unref);
#define _cleanup_json_ _cleanup_(json_unrefp)

/* Builders: take ownership of value, also on failure (-ENOMEM; -EINVAL: a string is not UTF-8, which no JSON
 * could carry). value NULL is JSON null. */
int json_add(json_object *object, const char *key, json_object *value) _nodiscard_;
int json_add_string(json_object *object, const char *key,
                    const char *value) _nodiscard_; /* NULL: JSON null */
int json_add_u64(json_object *object, const char *key, uint64_t value) _nodiscard_;
int json_add_bool(json_object *object, const char *key, bool value) _nodiscard_;
int json_add_b64url(json_object *object, const char *key, const void *data, size_t len) _nodiscard_;
int json_add_strv(json_object *object, const char *key, char *const *l) _nodiscard_;
int json_append(json_object *array, json_object *value) _nodiscard_;

/* A table-driven reader of objects, strict about unknown, missing and mistyped members. */
typedef enum JsonFieldType {
        JSON_FIELD_STRING,    /* const char **: borrowed from the object */
        JSON_FIELD_U64,       /* uint64_t * */
        JSON_FIELD_BOOL,      /* bool * */
        JSON_FIELD_OBJECT,    /* json_object **: borrowed */
        JSON_FIELD_ARRAY,     /* json_object **: borrowed */
        JSON_FIELD_STRV,      /* char ***: new memory, array of strings */
        JSON_FIELD_B64URL_32, /* uint8_t[32] */
        JSON_FIELD_B64URL_64, /* uint8_t[64] */
        JSON_FIELD_ANY,       /* json_object **: borrowed, NULL for JSON null */
} JsonFieldType;

typedef enum JsonFieldFlags {
        JSON_REQUIRED = 1 << 0,
        JSON_NULLABLE = 1 << 1, /* null counts as absent */
} JsonFieldFlags;

typedef struct JsonField {
        const char *name;
        JsonFieldType type;
        size_t offset; /* into the struct at data */
        JsonFieldFlags flags;
} JsonField;

/* Reads object into data. Fields that are absent stay as they are. On failure: -EINVAL (wrong type or
 * value), -ENODATA (a required one is missing), -EBADRQC (an unknown one), and *ret_field (may be NULL)
 * names the field: a name of the table, or of the object's own member, which lives as long as the object. */
int json_dispatch(json_object *object, const JsonField *fields, size_t n_fields, bool allow_unknown,
                  void *data, const char **ret_field) _nodiscard_;
