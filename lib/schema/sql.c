/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"
#include "schema/field.h"

/* The names come from our tables; they are quoted because "index" is one of them. */

static bool is_integer(const Field *f) {
        return f->type == FIELD_U64 || f->type == FIELD_BOOL || f->type == FIELD_TIME;
}

int field_get_sql(const Field *f, const Object *o, SqlValue *ret) {
        const void *p = field_pointer(o, f);
        uint64_t v;
        char *text;
        int r;

        if (field_is_absent(f, o)) {
                *ret = (SqlValue) { .type = SQL_NULL };
                return 0;
        }
        if (is_integer(f)) {
                v = f->type == FIELD_BOOL ? *(const bool *) p : *(const uint64_t *) p;
                if (v > INT64_MAX)
                        return -ERANGE;
                *ret = (SqlValue) { .type = SQL_INTEGER, .integer = (int64_t) v };
                return 0;
        }
        r = field_to_text(f, o, &text);
        if (r < 0)
                return r;
        *ret = (SqlValue) { .type = SQL_TEXT, .text = text };
        return 0;
}

static int set_integer(const Field *f, Object *o, int64_t v) {
        void *p = field_pointer(o, f);

        if (v < 0)
                return -EBADMSG;
        if (f->type == FIELD_BOOL) {
                if (v > 1)
                        return -EBADMSG;
                *(bool *) p = v == 1;
        } else if (f->type == FIELD_TIME) {
                if (v == 0) /* would have been NULL */
                        return -EBADMSG;
                *(uint64_t *) p = (uint64_t) v;
        } else if (field_set_u64(f, o, (uint64_t) v, NULL) < 0)
                return -EBADMSG;
        return 0;
}

/* Written differently from how we write it is as wrong as unreadable: two texts would mean the same. */
static int set_text(const Field *f, Object *o, const char *text) {
        _cleanup_free_ char *again = NULL;
        int r;

        r = field_set_text(f, o, text, NULL);
        if (r == -EINVAL)
                return -EBADMSG;
        if (r < 0)
                return r;
        r = field_to_text(f, o, &again);
        if (r < 0)
                return r;
        return *text && streq(text, again) ? 0 : -EBADMSG;
}

int field_set_sql(const Field *f, Object *o, const SqlValue *v) {
        int r;

        if (v->type == SQL_NULL) {
                field_clear(f, o);
                if (!field_is_absent(f, o)) /* a type that is always written */
                        return -EBADMSG;
                return 0;
        }
        if ((v->type == SQL_INTEGER) != is_integer(f))
                return -EBADMSG;
        r = v->type == SQL_INTEGER ? set_integer(f, o, v->integer) : set_text(f, o, v->text);
        if (r < 0)
                field_clear(f, o);
        return r;
}

/* Hands the text over, or NULL where one of the appends failed. */
static char *statement_finish(Buffer *b, int r) {
        char *s = NULL;

        if (r >= 0)
                s = (char *) b->data;
        else
                buffer_done(b);
        *b = (Buffer) { 0 };
        return s;
}

char *kind_sql_create(const Kind *kind) {
        Buffer b = { 0 };
        int r;

        r = buffer_appendf(&b,
                           "CREATE TABLE \"%s\" (\"id\" TEXT PRIMARY KEY NOT NULL, \"revision\" INTEGER NOT "
                           "NULL",
                           kind->plural);
        for (size_t i = 0; i < kind->n_fields && r >= 0; i++) {
                const Field *f = &kind->fields[i];

                r = buffer_appendf(&b, ", \"%s\" %s%s%s", f->name, is_integer(f) ? "INTEGER" : "TEXT",
                                   (f->flags & FIELD_REQUIRED) && !field_is_list(f) ? " NOT NULL" : "",
                                   (f->flags & FIELD_UNIQUE) ? " UNIQUE" : "");
        }
        if (r >= 0)
                r = buffer_append_str(&b, ") STRICT");
        return statement_finish(&b, r);
}

char *kind_sql_upsert(const Kind *kind) {
        Buffer b = { 0 };
        int r;

        r = buffer_appendf(&b, "INSERT INTO \"%s\" (\"id\", \"revision\"", kind->plural);
        for (size_t i = 0; i < kind->n_fields && r >= 0; i++)
                r = buffer_appendf(&b, ", \"%s\"", kind->fields[i].name);
        if (r >= 0)
                r = buffer_append_str(&b, ") VALUES (?, ?");
        for (size_t i = 0; i < kind->n_fields && r >= 0; i++)
                r = buffer_append_str(&b, ", ?");
        if (r >= 0)
                r = buffer_append_str(
                                &b,
                                ") ON CONFLICT (\"id\") DO UPDATE SET \"revision\" = excluded.\"revision\"");
        for (size_t i = 0; i < kind->n_fields && r >= 0; i++)
                r = buffer_appendf(&b, ", \"%s\" = excluded.\"%s\"", kind->fields[i].name,
                                   kind->fields[i].name);
        return statement_finish(&b, r);
}

char *kind_sql_delete(const Kind *kind) {
        return str_printf("DELETE FROM \"%s\" WHERE \"id\" = ?", kind->plural);
}

char *kind_sql_select(const Kind *kind) {
        Buffer b = { 0 };
        int r;

        r = buffer_append_str(&b, "SELECT \"id\", \"revision\"");
        for (size_t i = 0; i < kind->n_fields && r >= 0; i++)
                r = buffer_appendf(&b, ", \"%s\"", kind->fields[i].name);
        if (r >= 0)
                r = buffer_appendf(&b, " FROM \"%s\"", kind->plural);
        return statement_finish(&b, r);
}
