/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/addr.h"
#include "crypto/crypto.h"
#include "json/json.h"

/* A resource kind is a struct and a table of its fields (DESIGN.md 4.1). Everything else - SQL, JSON,
 * OpenAPI, the verbs and columns of sdwanctl, the difference in the audit log - is derived from the table by
 * the functions here. Pure: no descriptor, clock or environment. */

typedef enum FieldType {
        FIELD_STRING,  /* char *; NULL is "absent" */
        FIELD_REF,     /* char *: id of an object of Field.ref */
        FIELD_U64,     /* uint64_t */
        FIELD_BOOL,    /* bool */
        FIELD_ENUM,    /* int: index into Field.values */
        FIELD_TIME,    /* uint64_t, microseconds since the epoch, 0 absent; JSON: RFC 3339, whole seconds */
        FIELD_ADDRESS, /* Address */
        FIELD_PREFIX,  /* Prefix; address.family 0 is absent */
        FIELD_PREFIX_LIST, /* PrefixList */
        FIELD_STRV,        /* char ** */
        FIELD_KEY,         /* PublicKey; all zero is absent; JSON: base64 as wg(8) shows it */
        FIELD_DIGEST,      /* Digest; JSON: hexadecimal */
} FieldType;

typedef struct PrefixList {
        Prefix *items;
        size_t n;
} PrefixList;

typedef enum FieldFlags {
        FIELD_REQUIRED = 1 << 0,  /* must be given at creation and cannot be made absent */
        FIELD_READ_ONLY = 1 << 1, /* the controller sets it; a request that names it is refused */
        FIELD_IMMUTABLE = 1 << 2, /* may be given at creation only */
        FIELD_HIDDEN = 1 << 3,    /* stored, never in an answer (hashes) */
        FIELD_UNIQUE = 1 << 4,    /* no two objects of the kind share it */
        FIELD_IN_LIST = 1 << 5,   /* a column of "sdwanctl list" */
} FieldFlags;

typedef struct Field {
        const char *name; /* JSON member, SQL column, option of sdwanctl */
        FieldType type;
        size_t offset;
        FieldFlags flags;
        uint64_t min, max;         /* U64: value; STRING, STRV: bytes of a string; lists: see max_items */
        size_t max_items;          /* lists; 0: FIELD_ITEMS_MAX */
        const char *const *values; /* ENUM, NULL-terminated */
        const char *ref;           /* REF: name of the kind */
        const char *default_text;  /* as on the command line; NULL: absent or 0 */
        const char *title;         /* column header, English, upper case */
        const char *help_en, *help_zh;
} Field;

#define FIELD_ITEMS_MAX 256
#define OBJECT_ID_MAX 65 /* with the NUL; 16 digits, 64 for nodes */

typedef struct Kind Kind;

/* The beginning of every kind's struct. Objects are immutable once they are in the model: a change is a new
 * one. */
typedef struct Object {
        const Kind *kind;
        char id[OBJECT_ID_MAX];
        uint64_t revision; /* of the change that made it what it is */
} Object;

/* What was wrong with an input. field is a table's name or static; detail is for people, English, may name
 * the allowed values, never echoes a secret. */
typedef struct FieldError {
        char field[64];
        char detail[256];
} FieldError;

struct Kind {
        const char *name, *plural; /* "node", "nodes"; "token", "tokens" */
        const char *path;          /* under /api/v1: "nodes" */
        size_t size;
        const Field *fields;
        size_t n_fields;
        const char *help_en, *help_zh;
        bool create_by_api; /* false: nodes, which enrol */
        bool delete_by_api;
        /* Rules of this kind beyond single fields; old is NULL at creation. 0 or -EINVAL with *ret_error. */
        int (*validate)(const Object *object, const Object *old, FieldError *ret_error);
};

const Field *kind_field(const Kind *kind, const char *name); /* NULL: none of that name */
/* The field called "name", by which people find an object; NULL: the kind has none. */
static inline const Field *kind_name_field(const Kind *kind) {
        return kind_field(kind, "name");
}

/* With all defaults applied and an empty id. -ENOMEM. */
int object_new(const Kind *kind, Object **ret) _nodiscard_;
Object *object_free(Object *o);
DEFINE_CLEANUP(Object *, object_free);
int object_copy(const Object *o, Object **ret) _nodiscard_;
/* 16 random hexadecimal digits. */
void object_make_id(Object *o);

static inline void *field_pointer(const Object *o, const Field *f) {
        return (char *) o + f->offset;
}
const char *object_name(const Object *o); /* its name, or its id where it has none */

typedef enum ObjectMode {
        OBJECT_CREATE,  /* o is fresh; immutable fields allowed, required ones demanded */
        OBJECT_REPLACE, /* o is a copy; what is not named goes back to its default */
        OBJECT_PATCH,   /* o is a copy; only what is named changes (RFC 7396: null makes absent) */
        OBJECT_TRUSTED, /* our own output: read-only and hidden fields too */
} ObjectMode;

/* Reads JSON into o and runs kind->validate. -EINVAL with *ret_error: unknown, read-only, mistyped, out of
 * range, missing. "id" and "revision" are accepted where they equal the object's, refused otherwise.
 * References are checked for their form only: the model knows what exists. */
int object_from_json(Object *o, const Object *old, json_object *json, ObjectMode mode,
                     FieldError *ret_error) _nodiscard_;
/* id, revision and the fields in the table's order; hidden ones only when asked. */
int object_to_json(const Object *o, bool with_hidden, json_object **ret) _nodiscard_;

/* One field as text (lists: comma-separated), as columns, CSV and the command line write it; "" when absent.
 * The caller frees. */
int field_to_text(const Field *f, const Object *o, char **ret) _nodiscard_;
/* The command line's text as the JSON value of that field, so that the controller does the checking; "" is
 * null. Lists are comma-separated. */
int field_text_to_json(const Field *f, const char *text, json_object **ret,
                       FieldError *ret_error) _nodiscard_;

/* Whether a field is the same in both; and the difference as {"field":{"from":…,"to":…},…}, hidden ones as
 * "(hidden)". before or after may be NULL. */
bool field_equal(const Field *f, const Object *a, const Object *b);
int object_diff(const Object *before, const Object *after, json_object **ret) _nodiscard_;

/* Values of columns. text is borrowed from the caller on set, new memory on get. */
typedef struct SqlValue {
        enum { SQL_NULL, SQL_INTEGER, SQL_TEXT } type;
        int64_t integer;
        char *text;
} SqlValue;
static inline void sql_value_done(SqlValue *v) {
        free(v->text);
        v->text = NULL;
}
int field_get_sql(const Field *f, const Object *o, SqlValue *ret) _nodiscard_;
/* -EBADMSG: not what field_get_sql() would have written. */
int field_set_sql(const Field *f, Object *o, const SqlValue *v) _nodiscard_;
/* Statements for SQLite; new memory, NULL: out of memory. The table is named as the plural; columns "id TEXT
 * PRIMARY KEY, revision INTEGER NOT NULL" and one per field; UNIQUE columns get an index. */
char *kind_sql_create(const Kind *kind);
char *kind_sql_upsert(const Kind *kind); /* parameters: id, revision, fields in the table's order */
char *kind_sql_delete(const Kind *kind); /* parameter: id */
char *kind_sql_select(const Kind *kind); /* id, revision, fields in the table's order */

/* The OpenAPI 3.1 document of these kinds' resources; the caller adds what is not a kind. */
int schema_openapi(const Kind *const *kinds, size_t n_kinds, const char *version,
                   json_object **ret) _nodiscard_;
/* Checks an answer against the kind: every member known, of its type. For tests. -EBADMSG. */
int schema_check_response(const Kind *kind, json_object *object, FieldError *ret_error) _nodiscard_;
