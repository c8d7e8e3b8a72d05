/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"
#include "kinds/kinds.h"

static void require(bool condition) {
        if (!condition)
                abort();
}

static void check_same(const Object *a, const Object *b) {
        for (size_t i = 0; i < a->kind->n_fields; i++)
                require(field_equal(&a->kind->fields[i], a, b));
}

/* What a kind accepts survives our own JSON, SQL and text. */
static void check_accepted(const Object *o) {
        _cleanup_(object_freep) Object *json_copy = NULL, *sql_copy = NULL;
        _cleanup_json_ json_object *json = NULL;
        FieldError e;

        require(object_new(o->kind, &json_copy) >= 0 && object_new(o->kind, &sql_copy) >= 0);
        require(object_to_json(o, true, &json) >= 0);
        json_object_object_del(json, "id"); /* o is new: it has none */
        require(object_from_json(json_copy, NULL, json, OBJECT_TRUSTED, &e) >= 0);
        check_same(o, json_copy);
        for (size_t i = 0; i < o->kind->n_fields; i++) {
                const Field *f = &o->kind->fields[i];
                _cleanup_free_ char *text = NULL;
                SqlValue v;

                require(field_get_sql(f, o, &v) >= 0);
                require(field_set_sql(f, sql_copy, &v) >= 0);
                sql_value_done(&v);
                require(field_to_text(f, o, &text) >= 0);
                require(utf8_is_valid(text, strlen(text)) && str_is_printable(text));
        }
        check_same(o, sql_copy);
}

/* The first byte is the kind and the mode. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(object_freep) Object *o = NULL;
        _cleanup_json_ json_object *json = NULL;
        FieldError e = { 0 };
        const Kind *kind;
        int r;

        if (size < 1 || json_parse((const char *) data + 1, size - 1, 0, NULL, &json) < 0)
                return 0;
        kind = kinds[data[0] % n_kinds];
        require(object_new(kind, &o) >= 0);
        r = object_from_json(o, NULL, json, (data[0] & 0x80) ? OBJECT_TRUSTED : OBJECT_CREATE, &e);
        if (r < 0)
                require(r == -EINVAL && e.detail[0] != 0 && utf8_is_valid(e.field, strlen(e.field)));
        else
                check_accepted(o);
        return 0;
}
