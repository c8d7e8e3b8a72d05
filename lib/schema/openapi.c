/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/strutil.h"
#include "schema/field.h"

/* A document under construction. Every step is a no-op after the first failure, and a NULL parent is one, so
 * that the document reads as what it is and the error is looked at once. */
typedef struct Doc {
        int error;
} Doc;

static json_object *put(Doc *d, json_object *parent, const char *key, json_object *value) {
        int r;

        if (!value || !parent) {
                json_object_put(value);
                d->error = -ENOMEM;
                return NULL;
        }
        r = key ? json_add(parent, key, value) : json_append(parent, value);
        if (r < 0) {
                d->error = r;
                return NULL;
        }
        return value;
}

/* key NULL: parent is an array. The result is owned by the parent. */
static json_object *object(Doc *d, json_object *parent, const char *key) {
        return put(d, parent, key, json_object_new_object());
}

static json_object *array(Doc *d, json_object *parent, const char *key) {
        return put(d, parent, key, json_object_new_array());
}

static void text(Doc *d, json_object *parent, const char *key, const char *value) {
        (void) put(d, parent, key, json_object_new_string(value));
}

static void textf(Doc *d, json_object *parent, const char *key, const char *format, ...) _printf_(4, 5);
static void textf(Doc *d, json_object *parent, const char *key, const char *format, ...) {
        char s[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(s, sizeof(s), format, ap);
        va_end(ap);
        text(d, parent, key, s);
}

static void number(Doc *d, json_object *parent, const char *key, uint64_t value) {
        (void) put(d, parent, key, json_object_new_uint64(value));
}

static void truth(Doc *d, json_object *parent, const char *key, bool value) {
        (void) put(d, parent, key, json_object_new_boolean(value));
}

static void reference(Doc *d, json_object *parent, const char *key, const char *section, const char *name) {
        textf(d, key ? object(d, parent, key) : parent, "$ref", "#/components/%s/%s", section, name);
}

/* "network" is "Network" among the schemas. */
static void schema_name(const Kind *kind, char ret[static 64]) {
        (void) snprintf(ret, 64, "%s", kind->name);
        ret[0] = (char) toupper((unsigned char) ret[0]);
}

static bool is_writable(const Field *f) {
        return !(f->flags & (FIELD_READ_ONLY | FIELD_HIDDEN));
}

/* ---- one field ---- */

/* Absent is null. */
static void type_of(Doc *d, json_object *schema, const char *type, bool nullable) {
        json_object *types;

        if (!nullable) {
                text(d, schema, "type", type);
                return;
        }
        types = array(d, schema, "type");
        text(d, types, NULL, type);
        text(d, types, NULL, "null");
}

/* What a text of a field, or of an item of a list, looks like. */
static void text_form(Doc *d, json_object *schema, const Field *f) {
        switch (f->type) {
        case FIELD_STRING:
        case FIELD_STRV:
                number(d, schema, "minLength", MAX(f->min, 1U));
                number(d, schema, "maxLength", field_max_bytes(f));
                break;
        case FIELD_REF:
                textf(d, schema, "x-reference", "%s", f->ref);
                break;
        case FIELD_TIME:
                text(d, schema, "format", "date-time");
                break;
        case FIELD_ADDRESS:
                text(d, schema, "format", "ip-address");
                break;
        case FIELD_PREFIX:
        case FIELD_PREFIX_LIST:
                text(d, schema, "format", "ip-prefix");
                break;
        case FIELD_KEY:
                text(d, schema, "pattern", "^[A-Za-z0-9+/]{43}=$");
                break;
        case FIELD_DIGEST:
                text(d, schema, "pattern", "^[0-9a-f]{64}$");
                break;
        case FIELD_U64:
        case FIELD_BOOL:
        case FIELD_ENUM:
                break;
        }
}

static void default_of(Doc *d, json_object *schema, const Field *f) {
        json_object *value = NULL;

        if (!f->default_text)
                return;
        if (field_text_to_json(f, f->default_text, &value, NULL) < 0)
                d->error = -EINVAL; /* the table itself is wrong */
        else if (value)
                (void) put(d, schema, "default", value);
}

static void field_schema(Doc *d, json_object *properties, const Field *f, bool writing) {
        json_object *schema = object(d, properties, f->name), *items, *values;
        bool nullable = !(f->flags & FIELD_REQUIRED);

        if (f->type == FIELD_U64) {
                type_of(d, schema, "integer", writing && nullable);
                number(d, schema, "minimum", f->min);
                number(d, schema, "maximum", field_max_value(f));
        } else if (f->type == FIELD_BOOL)
                type_of(d, schema, "boolean", writing && nullable);
        else if (f->type == FIELD_ENUM) {
                type_of(d, schema, "string", writing && nullable);
                values = array(d, schema, "enum");
                for (size_t i = 0; f->values[i]; i++)
                        text(d, values, NULL, f->values[i]);
                if (writing && nullable && values && json_append(values, NULL) < 0)
                        d->error = -ENOMEM;
        } else if (field_is_list(f)) {
                type_of(d, schema, "array", writing && nullable);
                number(d, schema, "maxItems", field_max_items(f));
                truth(d, schema, "uniqueItems", true);
                items = object(d, schema, "items");
                text(d, items, "type", "string");
                text_form(d, items, f);
        } else {
                type_of(d, schema, "string", nullable);
                text_form(d, schema, f);
        }
        if (writing)
                default_of(d, schema, f);
        else if (f->flags & FIELD_READ_ONLY)
                truth(d, schema, "readOnly", true);
        if (f->flags & FIELD_IMMUTABLE)
                truth(d, schema, "x-immutable", true);
        if (f->flags & FIELD_UNIQUE)
                truth(d, schema, "x-unique", true);
        text(d, schema, "title", strempty(f->title));
        text(d, schema, "description", strempty(f->help_en));
        text(d, schema, "x-description-zh", strempty(f->help_zh));
}

/* ---- schemas of one kind ---- */

static void id_and_revision(Doc *d, json_object *properties) {
        json_object *schema = object(d, properties, "id");

        text(d, schema, "type", "string");
        text(d, schema, "pattern", "^([0-9a-f]{16}|[0-9a-f]{64})$");
        schema = object(d, properties, "revision");
        text(d, schema, "type", "integer");
        number(d, schema, "minimum", 0);
        text(d, schema, "description", "Revision of the change that made the object what it is; its ETag");
}

static void read_schema(Doc *d, json_object *schemas, const Kind *kind) {
        json_object *schema, *properties, *required;
        char name[64];

        schema_name(kind, name);
        schema = object(d, schemas, name);
        text(d, schema, "type", "object");
        text(d, schema, "description", strempty(kind->help_en));
        text(d, schema, "x-description-zh", strempty(kind->help_zh));
        required = array(d, schema, "required");
        text(d, required, NULL, "id");
        text(d, required, NULL, "revision");
        properties = object(d, schema, "properties");
        id_and_revision(d, properties);
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = &kind->fields[i];

                if (f->flags & FIELD_HIDDEN)
                        continue;
                text(d, required, NULL, f->name);
                field_schema(d, properties, f, false);
        }
}

/* patch: nothing is required, and null makes absent. */
static void write_schema(Doc *d, json_object *schemas, const Kind *kind, bool patch) {
        json_object *schema, *properties, *required = NULL;
        char name[64], key[80];

        schema_name(kind, name);
        (void) snprintf(key, sizeof(key), "%s%s", name, patch ? "Patch" : "Write");
        schema = object(d, schemas, key);
        text(d, schema, "type", "object");
        truth(d, schema, "additionalProperties", false);
        if (!patch)
                required = array(d, schema, "required");
        properties = object(d, schema, "properties");
        id_and_revision(d, properties);
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = &kind->fields[i];

                if (!is_writable(f))
                        continue;
                if (!patch && (f->flags & FIELD_REQUIRED))
                        text(d, required, NULL, f->name);
                field_schema(d, properties, f, true);
        }
}

static void list_schema(Doc *d, json_object *schemas, const Kind *kind) {
        json_object *schema, *properties, *items, *next, *required;
        char name[64], key[80];

        schema_name(kind, name);
        (void) snprintf(key, sizeof(key), "%sList", name);
        schema = object(d, schemas, key);
        text(d, schema, "type", "object");
        required = array(d, schema, "required");
        text(d, required, NULL, "items");
        properties = object(d, schema, "properties");
        items = object(d, properties, "items");
        text(d, items, "type", "array");
        reference(d, items, "items", "schemas", name);
        next = object(d, properties, "next");
        type_of(d, next, "string", true);
        text(d, next, "description", "What \"after\" must be to get the next page; null on the last one");
}

/* What "dry_run" answers. */
static void preview_schema(Doc *d, json_object *schemas, const Kind *kind) {
        static const char *const members[] = { "dry_run", "diff", "object" };
        json_object *schema, *properties, *difference, *required, *any;
        char name[64], key[80];

        schema_name(kind, name);
        (void) snprintf(key, sizeof(key), "%sPreview", name);
        schema = object(d, schemas, key);
        text(d, schema, "type", "object");
        required = array(d, schema, "required");
        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                text(d, required, NULL, members[i]);
        properties = object(d, schema, "properties");
        text(d, object(d, properties, "dry_run"), "type", "boolean");
        difference = object(d, properties, "diff");
        text(d, difference, "type", "object");
        text(d, difference, "description", "What would change, by field");
        difference = object(d, difference, "additionalProperties");
        text(d, difference, "type", "object");
        difference = object(d, difference, "properties");
        (void) object(d, difference, "from");
        (void) object(d, difference, "to");
        any = array(d, object(d, properties, "object"), "anyOf");
        reference(d, object(d, any, NULL), NULL, "schemas", name);
        text(d, object(d, any, NULL), "type", "null");
}

static void problem_schema(Doc *d, json_object *schemas) {
        static const struct {
                const char *name, *type, *help;
        } members[] = {
                { "type", "string", "URI reference of the kind of problem" },
                { "title", "string", "The status in words" },
                { "status", "integer", "The HTTP status" },
                { "detail", "string", "What is wrong" },
                { "field", "string", "The field that is wrong" },
                { "code", "string", "The problem as a word, for programs" },
        };
        json_object *schema = object(d, schemas, "Problem"), *properties;

        text(d, schema, "type", "object");
        text(d, schema, "description", "RFC 9457");
        properties = object(d, schema, "properties");
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                json_object *member = object(d, properties, members[i].name);

                text(d, member, "type", members[i].type);
                text(d, member, "description", members[i].help);
        }
}

/* ---- paths of one kind ---- */

static json_object *parameter(Doc *d, json_object *parameters, const char *name, const char *in,
                              const char *type, const char *help) {
        json_object *p = object(d, parameters, NULL), *schema;

        text(d, p, "name", name);
        text(d, p, "in", in);
        if (streq(in, "path"))
                truth(d, p, "required", true);
        text(d, p, "description", help);
        schema = object(d, p, "schema");
        text(d, schema, "type", type);
        return schema;
}

/* preview: or this one, with "dry_run"; NULL: none. */
static void response_ref(Doc *d, json_object *responses, const char *status, const char *help,
                         const char *schema, const char *preview, bool etag) {
        json_object *response = object(d, responses, status), *media, *header, *any;

        text(d, response, "description", help);
        if (etag) {
                header = object(d, object(d, response, "headers"), "ETag");
                text(d, header, "description", "The object's revision, quoted");
                text(d, object(d, header, "schema"), "type", "string");
        }
        if (!schema)
                return;
        media = object(d, object(d, response, "content"), "application/json");
        if (!preview) {
                reference(d, media, "schema", "schemas", schema);
                return;
        }
        any = array(d, object(d, media, "schema"), "anyOf");
        reference(d, object(d, any, NULL), NULL, "schemas", schema);
        reference(d, object(d, any, NULL), NULL, "schemas", preview);
}

static void problem_responses(Doc *d, json_object *responses, const char *const *statuses) {
        for (; *statuses; statuses++)
                reference(d, responses, *statuses, "responses", "Problem");
        reference(d, responses, "default", "responses", "Problem");
}

static void request_body(Doc *d, json_object *operation, const char *media_type, const char *schema) {
        json_object *body = object(d, operation, "requestBody"), *media;

        truth(d, body, "required", true);
        media = object(d, object(d, body, "content"), media_type);
        reference(d, media, "schema", "schemas", schema);
}

static json_object *operation(Doc *d, json_object *path, const char *method, const char *verb,
                              const Kind *kind, const char *summary) {
        json_object *o = object(d, path, method);

        textf(d, o, "operationId", "%s_%s", verb, kind->name);
        textf(d, o, "summary", "%s", summary);
        text(d, array(d, o, "tags"), NULL, kind->name);
        return o;
}

static void list_operation(Doc *d, json_object *path, const Kind *kind, const char *name) {
        static const char *const problems[] = { "400", "401", "403", NULL };
        json_object *o = operation(d, path, "get", "list", kind, "List, in the order of the ids"), *schema,
                    *parameters, *responses;
        char key[80];

        parameters = array(d, o, "parameters");
        schema = parameter(d, parameters, "limit", "query", "integer", "Objects in one answer");
        number(d, schema, "minimum", 1);
        (void) parameter(d, parameters, "after", "query", "string", "Begin behind this id");
        for (size_t i = 0; i < kind->n_fields; i++) {
                const Field *f = &kind->fields[i];
                char help[128];

                if (f->flags & FIELD_HIDDEN)
                        continue;
                (void) snprintf(help, sizeof(help), "Only objects whose %s is this%s", f->name,
                                field_is_list(f) ? " or contains it" : "");
                (void) parameter(d, parameters, f->name, "query", "string", help);
        }
        responses = object(d, o, "responses");
        (void) snprintf(key, sizeof(key), "%sList", name);
        response_ref(d, responses, "200", "The objects", key, NULL, false);
        problem_responses(d, responses, problems);
}

static void create_operation(Doc *d, json_object *path, const Kind *kind, const char *name) {
        static const char *const problems[] = { "400", "401", "403", "409", "422", "503", NULL };
        json_object *o = operation(d, path, "post", "create", kind, "Create"), *responses;
        char key[80];

        (void) parameter(d, array(d, o, "parameters"), "dry_run", "query", "boolean",
                         "Answer with the difference; change nothing");
        (void) snprintf(key, sizeof(key), "%sWrite", name);
        request_body(d, o, "application/json", key);
        responses = object(d, o, "responses");
        (void) snprintf(key, sizeof(key), "%sPreview", name);
        response_ref(d, responses, "200", "With dry_run: what would be", key, NULL, false);
        response_ref(d, responses, "201", "Created; Location names it", name, NULL, true);
        problem_responses(d, responses, problems);
}

static void get_operation(Doc *d, json_object *path, const Kind *kind, const char *name) {
        static const char *const problems[] = { "401", "403", "404", NULL };
        json_object *responses = object(d, operation(d, path, "get", "get", kind, "Show"), "responses");

        response_ref(d, responses, "200", "The object", name, NULL, true);
        problem_responses(d, responses, problems);
}

/* Replace, patch and delete, which If-Match guards. */
static void change_operation(Doc *d, json_object *path, const Kind *kind, const char *name,
                             const char *method, const char *summary) {
        static const char *const problems[] = {
                "400", "401", "403", "404", "409", "412", "422", "503", NULL
        };
        bool patch = streq(method, "patch"), delete = streq(method, "delete");
        const char *verb = patch ? "patch" : delete ? "delete" : "replace";
        json_object *o = operation(d, path, method, verb, kind, summary), *parameters, *responses;
        char key[80];

        parameters = array(d, o, "parameters");
        (void) parameter(d, parameters, "If-Match", "header", "string",
                         "The ETag that the change is based on; 412 when the object has another");
        (void) parameter(d, parameters, "dry_run", "query", "boolean",
                         "Answer with the difference; change nothing");
        (void) snprintf(key, sizeof(key), "%s%s", name, patch ? "Patch" : "Write");
        if (!delete)
                request_body(d, o, patch ? "application/merge-patch+json" : "application/json", key);
        responses = object(d, o, "responses");
        (void) snprintf(key, sizeof(key), "%sPreview", name);
        if (delete) {
                response_ref(d, responses, "200", "With dry_run: what would be", key, NULL, false);
                response_ref(d, responses, "204", "Deleted", NULL, NULL, false);
        } else
                response_ref(d, responses, "200", "The object as it is now; with dry_run what it would be",
                             name, key, true);
        problem_responses(d, responses, problems);
}

static void kind_paths(Doc *d, json_object *paths, const Kind *kind) {
        char name[64], key[128];
        json_object *path;

        schema_name(kind, name);
        (void) snprintf(key, sizeof(key), "/api/v1/%s", kind->path);
        path = object(d, paths, key);
        list_operation(d, path, kind, name);
        if (kind->create_by_api)
                create_operation(d, path, kind, name);

        (void) snprintf(key, sizeof(key), "/api/v1/%s/{id}", kind->path);
        path = object(d, paths, key);
        (void) parameter(d, array(d, path, "parameters"), "id", "path", "string", "Id or name");
        get_operation(d, path, kind, name);
        change_operation(d, path, kind, name, "put", "Replace; what is not named goes back to its default");
        change_operation(d, path, kind, name, "patch", "Change what is named (RFC 7396)");
        if (kind->delete_by_api)
                change_operation(d, path, kind, name, "delete", "Delete");
}

static void components(Doc *d, json_object *root, const Kind *const *all, size_t n) {
        json_object *parent = object(d, root, "components"), *schemas, *scheme, *problem, *media;

        schemas = object(d, parent, "schemas");
        for (size_t i = 0; i < n; i++) {
                read_schema(d, schemas, all[i]);
                write_schema(d, schemas, all[i], false);
                write_schema(d, schemas, all[i], true);
                list_schema(d, schemas, all[i]);
                preview_schema(d, schemas, all[i]);
        }
        problem_schema(d, schemas);
        problem = object(d, object(d, parent, "responses"), "Problem");
        text(d, problem, "description", "Refused");
        media = object(d, object(d, problem, "content"), "application/problem+json");
        reference(d, media, "schema", "schemas", "Problem");
        scheme = object(d, object(d, parent, "securitySchemes"), "bearer");
        text(d, scheme, "type", "http");
        text(d, scheme, "scheme", "bearer");
        text(d, scheme, "description", "API token of a user");
}

int schema_openapi(const Kind *const *kinds, size_t n_kinds, const char *version, json_object **ret) {
        _cleanup_json_ json_object *root = json_object_new_object();
        json_object *info, *paths;
        Doc d = { 0 };

        if (!root)
                return -ENOMEM;
        text(&d, root, "openapi", "3.1.0");
        info = object(&d, root, "info");
        text(&d, info, "title", "sdwan controller");
        text(&d, info, "version", version);
        text(&d, object(&d, info, "license"), "name", "GPL-2.0-or-later");
        (void) array(&d, object(&d, array(&d, root, "security"), NULL), "bearer");
        paths = object(&d, root, "paths");
        for (size_t i = 0; i < n_kinds; i++)
                kind_paths(&d, paths, kinds[i]);
        components(&d, root, kinds, n_kinds);
        if (d.error < 0)
                return d.error;
        *ret = TAKE(root);
        return 0;
}
