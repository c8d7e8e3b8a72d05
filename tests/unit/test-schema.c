/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/strutil.h"
#include "schema/schema.h"

/* A kind with a field of every type and every flag. */
typedef struct Thing {
        Object object;
        char *name, *note, *owner, *secret_word;
        uint64_t number, stamp;
        bool yes;
        int colour;
        Address address;
        Prefix prefix;
        PrefixList ranges;
        char **tags;
        PublicKey key;
        Digest digest;
} Thing;

static const char *const colours[] = { "red", "green", NULL };

static const Field fields[] = {
        { "name", FIELD_STRING, offsetof(Thing, name), FIELD_REQUIRED | FIELD_UNIQUE | FIELD_IN_LIST,
          .min = 2, .max = 8, .title = "NAME", .help_en = "a name", .help_zh = "名称" },
        { "note", FIELD_STRING, offsetof(Thing, note), 0, .title = "NOTE" },
        { "owner", FIELD_REF, offsetof(Thing, owner), FIELD_IMMUTABLE, .ref = "user", .title = "OWNER" },
        { "secret_word", FIELD_STRING, offsetof(Thing, secret_word), FIELD_HIDDEN | FIELD_READ_ONLY,
          .title = "S" },
        { "number", FIELD_U64, offsetof(Thing, number), 0, .min = 5, .max = 10, .default_text = "7",
          .title = "NUMBER" },
        { "stamp", FIELD_TIME, offsetof(Thing, stamp), 0, .title = "STAMP" },
        { "yes", FIELD_BOOL, offsetof(Thing, yes), 0, .default_text = "true", .title = "YES" },
        { "colour", FIELD_ENUM, offsetof(Thing, colour), 0, .values = colours, .default_text = "green",
          .title = "COLOUR" },
        { "address", FIELD_ADDRESS, offsetof(Thing, address), 0, .title = "ADDRESS" },
        { "prefix", FIELD_PREFIX, offsetof(Thing, prefix), 0, .title = "PREFIX" },
        { "ranges", FIELD_PREFIX_LIST, offsetof(Thing, ranges), 0, .max_items = 3, .title = "RANGES" },
        { "tags", FIELD_STRV, offsetof(Thing, tags), 0, .max = 4, .max_items = 3, .default_text = "a,b",
          .title = "TAGS" },
        { "key", FIELD_KEY, offsetof(Thing, key), FIELD_READ_ONLY, .title = "KEY" },
        { "index", FIELD_DIGEST, offsetof(Thing, digest), 0, .title = "INDEX" },
};

static int validate(const Object *object, const Object *old, FieldError *ret_error) {
        const Thing *t = (const Thing *) object;

        if (t->note && streq(t->note, "forbidden")) {
                (void) snprintf(ret_error->field, sizeof(ret_error->field), "note");
                (void) snprintf(ret_error->detail, sizeof(ret_error->detail), "is forbidden");
                return -EINVAL;
        }
        return 0;
}

static const Kind kind_thing = {
        .name = "thing",
        .plural = "things",
        .path = "things",
        .size = sizeof(Thing),
        .fields = fields,
        .n_fields = ELEMENTSOF(fields),
        .help_en = "a thing",
        .help_zh = "东西",
        .create_by_api = true,
        .delete_by_api = true,
        .validate = validate,
};

#define KEY_TEXT "AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define DIGEST_TEXT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OWNER "0123456789abcdef"
#define FULL \
        "{\"id\":\"00000000000000aa\",\"revision\":3,\"name\":\"thing\",\"note\":\"a, " \
        "\\u00e9\",\"owner\":\"" OWNER "\",\"secret_word\":\"hush\",\"number\":9,\"stamp\":\"2026-11-" \
        "22T07:42:37Z\",\"yes\":false,\"colour\":\"red\"," \
        "\"address\":\"2001:db8::1\",\"prefix\":\"10.0.0.0/8\",\"ranges\":[\"10.0.0.0/8\",\"fd00::/48\"]," \
        "\"tags\":[\"x\",\"\\u5e97\"],\"key\":\"" KEY_TEXT "\",\"index\":\"" DIGEST_TEXT "\"}"

static Object *new_thing(void) {
        Object *o;

        assert_int_equal(object_new(&kind_thing, &o), 0);
        return o;
}

static int read_into(Object *o, const Object *old, const char *text, ObjectMode mode, FieldError *e) {
        _cleanup_json_ json_object *json = NULL;

        assert_int_equal(json_parse(text, strlen(text), 0, NULL, &json), 0);
        *e = (FieldError) { 0 };
        return object_from_json(o, old, json, mode, e);
}

static Object *full_thing(void) {
        Object *o = new_thing();
        FieldError e;

        if (read_into(o, NULL, FULL, OBJECT_TRUSTED, &e) < 0)
                fail_msg("%s %s", e.field, e.detail);
        return o;
}

static void assert_json(const Object *o, bool with_hidden, const char *wanted) {
        _cleanup_json_ json_object *json = NULL, *json_wanted = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(object_to_json(o, with_hidden, &json), 0);
        text = json_format(json, NULL);
        assert_int_equal(json_parse(wanted, strlen(wanted), 0, NULL, &json_wanted), 0);
        if (!json_object_equal(json, json_wanted))
                fail_msg("%s", text);
}

static void test_new(void **state) {
        _cleanup_(object_freep) Object *o = new_thing();
        const Thing *t = (const Thing *) o;

        assert_string_equal(o->id, "");
        assert_int_equal(t->number, 7);
        assert_true(t->yes);
        assert_int_equal(t->colour, 1);
        assert_int_equal(strv_length(t->tags), 2);
        assert_null(t->name);
        object_make_id(o);
        assert_int_equal(strlen(o->id), 16);
        assert_string_equal(object_name(o), o->id);
        assert_non_null(kind_field(&kind_thing, "index"));
        assert_null(kind_field(&kind_thing, "id"));
        assert_null(object_free(NULL));

        _cleanup_(object_freep) Object *other = new_thing();

        object_make_id(other);
        assert_string_not_equal(o->id, other->id);
}

static void test_round_trip_json(void **state) {
        _cleanup_(object_freep) Object *o = full_thing(), *empty = new_thing(), *copy = NULL;

        assert_json(o, true, FULL);
        assert_string_equal(object_name(o), "thing");
        assert_int_equal(object_copy(o, &copy), 0);
        for (size_t i = 0; i < kind_thing.n_fields; i++) {
                assert_true(field_equal(&fields[i], o, copy));
                assert_false(field_equal(&fields[i], o, empty));
        }
        assert_json(copy, true, FULL);
        assert_int_equal(copy->revision, 3);
        object_free(TAKE(o));
        assert_json(copy, true, FULL); /* nothing is shared */
        assert_json(empty, false,
                    "{\"id\":\"\",\"revision\":0,\"name\":null,\"note\":null,\"owner\":null,\"number\":7,"
                    "\"stamp\":null,"
                    "\"yes\":true,\"colour\":\"green\",\"address\":null,\"prefix\":null,\"ranges\":[],"
                    "\"tags\":[\"a\",\"b\"],\"key\":null,\"index\":null}");
}

static void test_refused(void **state) {
        static const struct {
                const char *json, *field;
        } bad[] = {
                { "[]", "" },
                { "{}", "name" },
                { "{\"name\":null}", "name" },
                { "{\"name\":\"ok\",\"other\":1}", "other" },
                { "{\"name\":\"ok\",\"id\":\"00000000000000aa\"}", "id" },
                { "{\"name\":\"ok\",\"id\":\"\"}", "id" },
                { "{\"name\":\"ok\",\"revision\":0}", "revision" },
                { "{\"name\":\"ok\",\"key\":\"" KEY_TEXT "\"}", "key" },
                { "{\"name\":\"ok\",\"key\":null}", "key" },
                { "{\"name\":\"ok\",\"secret_word\":\"x\"}", "secret_word" },
                { "{\"name\":\"x\"}", "name" },
                { "{\"name\":\"123456789\"}", "name" },
                { "{\"name\":\"\"}", "name" },
                { "{\"name\":5}", "name" },
                { "{\"name\":[\"ok\"]}", "name" },
                { "{\"name\":\"a\\nb\"}", "name" },
                { "{\"name\":\"a\\u009bb\"}", "name" },
                { "{\"name\":\"ok\",\"note\":\"\"}", "note" },
                { "{\"name\":\"ok\",\"note\":\"forbidden\"}", "note" },
                { "{\"name\":\"ok\",\"owner\":\"bob\"}", "owner" },
                { "{\"name\":\"ok\",\"owner\":\"0123456789ABCDEF\"}", "owner" },
                { "{\"name\":\"ok\",\"owner\":\"0123456789abcde\"}", "owner" },
                { "{\"name\":\"ok\",\"owner\":\"0123456789abcdefg\"}", "owner" },
                { "{\"name\":\"ok\",\"number\":4}", "number" },
                { "{\"name\":\"ok\",\"number\":11}", "number" },
                { "{\"name\":\"ok\",\"number\":-7}", "number" },
                { "{\"name\":\"ok\",\"number\":18446744073709551615}", "number" },
                { "{\"name\":\"ok\",\"number\":7.0}", "number" },
                { "{\"name\":\"ok\",\"number\":\"7\"}", "number" },
                { "{\"name\":\"ok\",\"number\":true}", "number" },
                { "{\"name\":\"ok\",\"stamp\":\"yesterday\"}", "stamp" },
                { "{\"name\":\"ok\",\"stamp\":\"1970-01-01T00:00:00Z\"}", "stamp" },
                { "{\"name\":\"ok\",\"stamp\":1795333357}", "stamp" },
                { "{\"name\":\"ok\",\"yes\":1}", "yes" },
                { "{\"name\":\"ok\",\"yes\":\"true\"}", "yes" },
                { "{\"name\":\"ok\",\"colour\":\"blue\"}", "colour" },
                { "{\"name\":\"ok\",\"colour\":0}", "colour" },
                { "{\"name\":\"ok\",\"address\":\"10.0.0.256\"}", "address" },
                { "{\"name\":\"ok\",\"address\":\"10.0.0.0/8\"}", "address" },
                { "{\"name\":\"ok\",\"prefix\":\"10.0.0.1/8\"}", "prefix" },
                { "{\"name\":\"ok\",\"prefix\":\"10.0.0.0/40\"}", "prefix" },
                { "{\"name\":\"ok\",\"ranges\":\"10.0.0.0/8\"}", "ranges" },
                { "{\"name\":\"ok\",\"ranges\":[1]}", "ranges" },
                { "{\"name\":\"ok\",\"ranges\":[null]}", "ranges" },
                { "{\"name\":\"ok\",\"ranges\":[\"10.0.0.0/8\",\"10.0.0.0/8\"]}", "ranges" },
                { "{\"name\":\"ok\",\"ranges\":[\"10.0.0.0/8\",\"11.0.0.0/8\",\"12.0.0.0/8\",\"13.0.0.0/"
                  "8\"]}",
                  "ranges" },
                { "{\"name\":\"ok\",\"tags\":\"x\"}", "tags" },
                { "{\"name\":\"ok\",\"tags\":[\"x\",\"x\"]}", "tags" },
                { "{\"name\":\"ok\",\"tags\":[\"12345\"]}", "tags" },
                { "{\"name\":\"ok\",\"tags\":[\"\"]}", "tags" },
                { "{\"name\":\"ok\",\"tags\":[\"a,b\"]}", "tags" },
                { "{\"name\":\"ok\",\"tags\":[\"1\",\"2\",\"3\",\"4\"]}", "tags" },
                { "{\"name\":\"ok\",\"index\":\"00\"}", "index" },
                { "{\"name\":\"ok\",\"index\":{}}", "index" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(object_freep) Object *o = new_thing();
                FieldError e;
                int r = read_into(o, NULL, bad[i].json, OBJECT_CREATE, &e);

                if (r != -EINVAL || !streq(e.field, bad[i].field) || !e.detail[0])
                        fail_msg("%s: %d \"%s\" \"%s\"", bad[i].json, r, e.field, e.detail);
        }
}

/* That there is such a field is nobody's business. */
static void test_hidden_is_unknown(void **state) {
        _cleanup_(object_freep) Object *o = new_thing();
        FieldError e;

        assert_int_equal(read_into(o, NULL, "{\"secret_word\":\"x\"}", OBJECT_CREATE, &e), -EINVAL);
        assert_string_equal(e.detail, "is not a field of a thing");
}

static void test_long_unknown_name(void **state) {
        _cleanup_(object_freep) Object *o = new_thing();
        char json[256] = "{\"", *p = json + 2;
        FieldError e;

        for (unsigned i = 0; i < 40; i++)
                p = stpcpy(p, i == 0 ? "xx" : "网");
        (void) stpcpy(p, "\":1}");
        assert_int_equal(read_into(o, NULL, json, OBJECT_CREATE, &e), -EINVAL);
        assert_int_equal(strlen(e.field), 62); /* cut between characters */
        assert_true(utf8_is_valid(e.field, strlen(e.field)));
}

static void test_modes(void **state) {
        _cleanup_(object_freep) Object *old = full_thing(), *o = NULL;
        const Thing *t;
        FieldError e;

        /* patch: only what is named */
        assert_int_equal(object_copy(old, &o), 0);
        t = (const Thing *) o;
        assert_int_equal(read_into(o, old,
                                   "{\"id\":\"00000000000000aa\",\"revision\":3,\"note\":null,\"number\":5,"
                                   "\"tags\":null,\"ranges\":[]}",
                                   OBJECT_PATCH, &e),
                         0);
        assert_null(t->note);
        assert_int_equal(t->number, 5);
        assert_int_equal(strv_length(t->tags), 2); /* its default */
        assert_int_equal(t->ranges.n, 0);
        assert_string_equal(t->name, "thing");
        assert_string_equal(t->secret_word, "hush");
        assert_int_equal(t->colour, 0);
        assert_int_equal(read_into(o, old, "{\"number\":null}", OBJECT_PATCH, &e), 0);
        assert_int_equal(t->number, 7);
        assert_int_equal(read_into(o, old, "{\"name\":null}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "name");
        assert_int_equal(read_into(o, old, "{\"revision\":2}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "revision");
        assert_int_equal(read_into(o, old, "{\"id\":\"00000000000000ab\"}", OBJECT_PATCH, &e), -EINVAL);
        assert_int_equal(read_into(o, old, "{\"id\":5}", OBJECT_PATCH, &e), -EINVAL);
        assert_int_equal(read_into(o, old, "{\"key\":\"" KEY_TEXT "\"}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "key");

        /* immutable: the same again is fine */
        assert_int_equal(read_into(o, old, "{\"owner\":\"" OWNER "\"}", OBJECT_PATCH, &e), 0);
        assert_int_equal(read_into(o, old, "{\"owner\":\"0123456789abcde0\"}", OBJECT_PATCH, &e), -EINVAL);
        assert_string_equal(e.field, "owner");
        object_free(TAKE(o));

        /* replace: the rest goes back to its default, but what nobody may write */
        assert_int_equal(object_copy(old, &o), 0);
        t = (const Thing *) o;
        assert_int_equal(read_into(o, old, "{\"name\":\"new\"}", OBJECT_REPLACE, &e), 0);
        assert_string_equal(t->name, "new");
        assert_null(t->note);
        assert_int_equal(t->number, 7);
        assert_int_equal(t->stamp, 0);
        assert_true(t->yes);
        assert_int_equal(t->ranges.n, 0);
        assert_string_equal(t->owner, OWNER);
        assert_string_equal(t->secret_word, "hush");
        assert_int_equal(t->key.bytes[0], 1);
        assert_int_equal(read_into(o, old, "{\"number\":5}", OBJECT_REPLACE, &e), -EINVAL);
        assert_string_equal(e.field, "name");
        assert_int_equal(read_into(o, old, "{\"name\":\"new\",\"owner\":null}", OBJECT_REPLACE, &e),
                         -EINVAL);
        assert_string_equal(e.field, "owner");
}

static void test_text(void **state) {
        static const char *const wanted[] = { "thing",
                                              "a, é",
                                              OWNER,
                                              "hush",
                                              "9",
                                              "2026-11-22T07:42:37Z",
                                              "false",
                                              "red",
                                              "2001:db8::1",
                                              "10.0.0.0/8",
                                              "10.0.0.0/8,fd00::/48",
                                              "x,店",
                                              KEY_TEXT,
                                              DIGEST_TEXT };
        _cleanup_(object_freep) Object *o = full_thing(), *empty = new_thing();
        FieldError e;

        for (size_t i = 0; i < ELEMENTSOF(fields); i++) {
                _cleanup_free_ char *text = NULL, *none = NULL;
                _cleanup_json_ json_object *value = NULL, *nothing = NULL, *json = NULL;

                assert_int_equal(field_to_text(&fields[i], o, &text), 0);
                assert_string_equal(text, wanted[i]);
                /* the command line's text, as JSON, is what the object shows */
                assert_int_equal(field_text_to_json(&fields[i], text, &value, &e), 0);
                assert_int_equal(object_to_json(o, true, &json), 0);
                assert_true(json_object_equal(value, json_object_object_get(json, fields[i].name)));
                assert_int_equal(field_text_to_json(&fields[i], "", &nothing, &e), 0);
                assert_null(nothing);
                assert_int_equal(field_to_text(&fields[i], empty, &none), 0);
        }
        _cleanup_free_ char *none = NULL;
        json_object *value;

        assert_int_equal(field_to_text(&fields[0], empty, &none), 0);
        assert_string_equal(none, "");
        assert_int_equal(field_text_to_json(kind_field(&kind_thing, "number"), "x", &value, &e), -EINVAL);
        assert_string_equal(e.field, "number");
        assert_int_equal(field_text_to_json(kind_field(&kind_thing, "yes"), "maybe", &value, &e), -EINVAL);
        assert_int_equal(field_text_to_json(kind_field(&kind_thing, "note"), "\xff", &value, &e), -EINVAL);
        assert_int_equal(field_text_to_json(kind_field(&kind_thing, "yes"), "yes", &value, &e), 0);
        assert_true(json_object_get_boolean(value));
        json_object_put(value);
}

static void assert_diff(const Object *a, const Object *b, const char *wanted) {
        _cleanup_json_ json_object *diff = NULL, *json_wanted = NULL;
        _cleanup_free_ char *text = NULL;

        assert_int_equal(object_diff(a, b, &diff), 0);
        text = json_format(diff, NULL);
        assert_int_equal(json_parse(wanted, strlen(wanted), 0, NULL, &json_wanted), 0);
        if (!json_object_equal(diff, json_wanted))
                fail_msg("%s", text);
}

static void test_diff(void **state) {
        _cleanup_(object_freep) Object *a = full_thing(), *b = NULL, *fresh = new_thing();
        FieldError e;

        assert_int_equal(object_copy(a, &b), 0);
        assert_diff(a, b, "{}");
        assert_int_equal(read_into(b, a,
                                   "{\"note\":null,\"number\":6,\"secret_word\":\"other\",\"tags\":[\"z\"]}",
                                   OBJECT_TRUSTED, &e),
                         0);
        assert_diff(a, b,
                    "{\"note\":{\"from\":\"a, "
                    "é\",\"to\":null},\"secret_word\":{\"from\":\"(hidden)\",\"to\":\"(hidden)\"},"
                    "\"number\":{\"from\":9,\"to\":6},\"tags\":{\"from\":[\"x\",\"店\"],\"to\":[\"z\"]}}");
        assert_diff(NULL, fresh,
                    "{\"number\":{\"from\":null,\"to\":7},\"yes\":{\"from\":null,\"to\":true},"
                    "\"colour\":{\"from\":null,\"to\":\"green\"},\"tags\":{\"from\":null,\"to\":[\"a\","
                    "\"b\"]}}");
        assert_diff(fresh, NULL,
                    "{\"number\":{\"from\":7,\"to\":null},\"yes\":{\"from\":true,\"to\":null},"
                    "\"colour\":{\"from\":\"green\",\"to\":null},\"tags\":{\"from\":[\"a\",\"b\"],\"to\":"
                    "null}}");
}

static void run_sql(sqlite3 *db, char *sql, const char *const *values) {
        sqlite3_stmt *statement;

        assert_non_null(sql);
        if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sqlite3_errmsg(db), sql);
        for (int i = 0; values && values[i]; i++)
                assert_int_equal(sqlite3_bind_text(statement, i + 1, values[i], -1, SQLITE_STATIC),
                                 SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        free(sql);
}

static int upsert(sqlite3 *db, const Object *o) {
        _cleanup_free_ char *sql = kind_sql_upsert(o->kind);
        sqlite3_stmt *statement;
        int r;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_bind_parameter_count(statement), (int) o->kind->n_fields + 2);
        (void) sqlite3_bind_text(statement, 1, o->id, -1, SQLITE_TRANSIENT);
        (void) sqlite3_bind_int64(statement, 2, (int64_t) o->revision);
        for (size_t i = 0; i < o->kind->n_fields; i++) {
                SqlValue v;

                assert_int_equal(field_get_sql(&o->kind->fields[i], o, &v), 0);
                if (v.type == SQL_INTEGER)
                        (void) sqlite3_bind_int64(statement, (int) i + 3, v.integer);
                else if (v.type == SQL_TEXT)
                        (void) sqlite3_bind_text(statement, (int) i + 3, v.text, -1, SQLITE_TRANSIENT);
                sql_value_done(&v);
        }
        r = sqlite3_step(statement);
        (void) sqlite3_finalize(statement);
        return r;
}

static Object *select_one(sqlite3 *db) {
        _cleanup_free_ char *sql = kind_sql_select(&kind_thing);
        sqlite3_stmt *statement;
        Object *o = new_thing();

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        (void) snprintf(o->id, sizeof(o->id), "%s", (const char *) sqlite3_column_text(statement, 0));
        o->revision = (uint64_t) sqlite3_column_int64(statement, 1);
        for (size_t i = 0; i < kind_thing.n_fields; i++) {
                int column = (int) i + 2, type = sqlite3_column_type(statement, column);
                SqlValue v = { SQL_NULL };

                if (type == SQLITE_INTEGER)
                        v = (SqlValue) { .type = SQL_INTEGER,
                                        .integer = sqlite3_column_int64(statement, column) };
                else if (type == SQLITE_TEXT)
                        v = (SqlValue) { .type = SQL_TEXT,
                                        .text = (char *) sqlite3_column_text(statement, column) };
                assert_int_equal(field_set_sql(&fields[i], o, &v), 0);
        }
        assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
        (void) sqlite3_finalize(statement);
        return o;
}

static void test_sql(void **state) {
        _cleanup_(object_freep) Object *o = full_thing(), *read = NULL, *other = full_thing();
        const char *id[] = { "00000000000000aa", NULL };
        Thing *t = (Thing *) o;
        sqlite3 *db;

        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        run_sql(db, kind_sql_create(&kind_thing), NULL);
        t->stamp += 5; /* parts of a second survive */
        assert_int_equal(upsert(db, o), SQLITE_DONE);
        read = select_one(db);
        assert_json(read, true, FULL);
        assert_int_equal(((Thing *) read)->stamp, t->stamp);

        /* the same row again, with everything absent that can be */
        FieldError e;

        object_free(TAKE(read));
        assert_int_equal(read_into(o, NULL,
                                   "{\"note\":null,\"owner\":null,\"secret_word\":null,\"stamp\":null,"
                                   "\"address\":null,"
                                   "\"prefix\":null,\"ranges\":[],\"tags\":[],\"key\":null,\"index\":null}",
                                   OBJECT_TRUSTED, &e),
                         0);
        o->revision = 4;
        assert_int_equal(upsert(db, o), SQLITE_DONE);
        read = select_one(db);
        assert_int_equal(read->revision, 4);
        for (size_t i = 0; i < kind_thing.n_fields; i++)
                assert_true(field_equal(&fields[i], o, read));

        memcpy(other->id, "00000000000000bb", 17); /* unique name */
        assert_int_equal(upsert(db, other), SQLITE_CONSTRAINT);
        run_sql(db, kind_sql_delete(&kind_thing), id);
        assert_int_equal(upsert(db, other), SQLITE_DONE);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_sql_damaged(void **state) {
        static const struct {
                const char *field;
                SqlValue value;
        } bad[] = {
                { "name", { .type = SQL_INTEGER, .integer = 1 } },
                { "name", { .type = SQL_TEXT, .text = (char *) "" } },
                { "name", { .type = SQL_TEXT, .text = (char *) "too long a name" } },
                { "number", { .type = SQL_NULL } },
                { "number", { .type = SQL_INTEGER, .integer = 4 } },
                { "number", { .type = SQL_INTEGER, .integer = -1 } },
                { "number", { .type = SQL_TEXT, .text = (char *) "7" } },
                { "yes", { .type = SQL_INTEGER, .integer = 2 } },
                { "yes", { .type = SQL_NULL } },
                { "stamp", { .type = SQL_INTEGER, .integer = 0 } },
                { "stamp", { .type = SQL_TEXT, .text = (char *) "2026-11-22T07:42:37Z" } },
                { "colour", { .type = SQL_TEXT, .text = (char *) "blue" } },
                { "colour", { .type = SQL_NULL } },
                { "address", { .type = SQL_TEXT, .text = (char *) "2001:DB8::1" } },
                { "prefix", { .type = SQL_TEXT, .text = (char *) "10.0.0.1" } },
                { "ranges", { .type = SQL_TEXT, .text = (char *) "10.0.0.0/8,,11.0.0.0/8" } },
                { "ranges", { .type = SQL_TEXT, .text = (char *) "10.0.0.0/8," } },
                { "tags", { .type = SQL_TEXT, .text = (char *) "," } },
                { "key", { .type = SQL_TEXT, .text = (char *) "AAAA" } },
                { "index", { .type = SQL_TEXT, .text = (char *) "AA" } },
        };
        _cleanup_(object_freep) Object *o = new_thing();

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(field_set_sql(kind_field(&kind_thing, bad[i].field), o, &bad[i].value),
                                 -EBADMSG);
}

static void test_check_response(void **state) {
        _cleanup_(object_freep) Object *o = full_thing();
        _cleanup_json_ json_object *json = NULL, *hidden = NULL;
        FieldError e;

        assert_int_equal(object_to_json(o, false, &json), 0);
        assert_int_equal(schema_check_response(&kind_thing, json, &e), 0);
        assert_int_equal(object_to_json(o, true, &hidden), 0);
        assert_int_equal(schema_check_response(&kind_thing, hidden, &e), -EBADMSG);
        assert_string_equal(e.field, "secret_word");
        json_object_object_del(json, "note");
        assert_int_equal(schema_check_response(&kind_thing, json, &e), -EBADMSG);
        assert_string_equal(e.field, "note");
        assert_int_equal(json_add_u64(json, "note", 1), 0);
        assert_int_equal(schema_check_response(&kind_thing, json, &e), -EBADMSG);
        assert_int_equal(json_add_string(json, "note", NULL), 0);
        assert_int_equal(schema_check_response(&kind_thing, json, &e), 0);
        assert_int_equal(json_add_u64(json, "more", 1), 0);
        assert_int_equal(schema_check_response(&kind_thing, json, &e), -EBADMSG);
        assert_string_equal(e.field, "more");
        json_object_object_del(json, "more");
        json_object_object_del(json, "revision");
        assert_int_equal(schema_check_response(&kind_thing, json, &e), -EBADMSG);
        assert_int_equal(schema_check_response(&kind_thing, NULL, &e), -EBADMSG);
}

/* Every "$ref" of the document leads somewhere. */
static unsigned check_references(json_object *root, json_object *o) {
        unsigned n = 0;

        if (json_object_is_type(o, json_type_array))
                for (size_t i = 0; i < json_object_array_length(o); i++)
                        n += check_references(root, json_object_array_get_idx(o, i));
        if (!json_object_is_type(o, json_type_object))
                return n;
        json_object_object_foreach(o, name, value) {
                _cleanup_(strv_freep) char **path = NULL;
                json_object *target = root;

                if (!streq(name, "$ref")) {
                        n += check_references(root, value);
                        continue;
                }
                assert_int_equal(strv_split(json_object_get_string(value) + 1, "/", &path), 0);
                STRV_FOREACH (part, path)
                        if (!json_object_object_get_ex(target, *part, &target))
                                fail_msg("%s", json_object_get_string(value));
                n++;
        }
        return n;
}

static json_object *find(json_object *o, const char *path) {
        _cleanup_(strv_freep) char **parts = NULL;

        assert_int_equal(strv_split(path, " ", &parts), 0);
        STRV_FOREACH (p, parts)
                if (!json_object_object_get_ex(o, *p, &o))
                        return NULL;
        return o;
}

static void test_openapi(void **state) {
        const Kind *const all[] = { &kind_thing };
        _cleanup_json_ json_object *doc = NULL, *again = NULL;
        _cleanup_free_ char *a = NULL, *b = NULL;
        Kind closed = kind_thing;
        const Kind *const closed_kinds[] = { &closed };

        assert_int_equal(schema_openapi(all, 1, "1.2.3", &doc), 0);
        assert_int_equal(schema_openapi(all, 1, "1.2.3", &again), 0);
        a = json_format(doc, NULL);
        b = json_format(again, NULL);
        assert_string_equal(a, b);
        assert_true(check_references(doc, doc) > 10);
        assert_string_equal(json_object_get_string(find(doc, "openapi")), "3.1.0");
        assert_non_null(find(doc, "paths /api/v1/things post requestBody"));
        assert_non_null(find(doc, "paths /api/v1/things/{id} patch"));
        assert_non_null(find(doc, "paths /api/v1/things/{id} delete responses 204"));
        assert_non_null(find(doc, "components securitySchemes bearer"));
        assert_non_null(find(doc, "components schemas Thing properties key readOnly"));
        assert_null(find(doc, "components schemas Thing properties secret_word"));
        assert_null(find(doc, "components schemas ThingWrite properties key"));
        assert_non_null(find(doc, "components schemas ThingWrite properties number default"));
        assert_int_equal(
                        json_object_get_int(find(doc, "components schemas Thing properties number maximum")),
                        10);
        assert_null(strstr(a, "secret_word"));
        /* one more field in the table is one more everywhere */
        for (size_t i = 0; i < kind_thing.n_fields; i++) {
                _cleanup_free_ char *path =
                                str_printf("components schemas Thing properties %s", fields[i].name);

                assert_true(!find(doc, path) == !!(fields[i].flags & FIELD_HIDDEN));
        }
        json_object_put(TAKE(again));
        closed.create_by_api = closed.delete_by_api = false;
        assert_int_equal(schema_openapi(closed_kinds, 1, "1", &again), 0);
        assert_null(find(again, "paths /api/v1/things post"));
        assert_null(find(again, "paths /api/v1/things/{id} delete"));
        assert_non_null(find(again, "paths /api/v1/things/{id} put"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_new),
                cmocka_unit_test(test_round_trip_json),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_long_unknown_name),
                cmocka_unit_test(test_hidden_is_unknown),
                cmocka_unit_test(test_modes),
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_diff),
                cmocka_unit_test(test_sql),
                cmocka_unit_test(test_sql_damaged),
                cmocka_unit_test(test_check_response),
                cmocka_unit_test(test_openapi),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
