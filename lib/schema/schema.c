/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"
#include "schema/field.h"

const Field *kind_field(const Kind *kind, const char *name) {
        for (size_t i = 0; i < kind->n_fields; i++)
                if (streq(kind->fields[i].name, name))
                        return &kind->fields[i];
        return NULL;
}

int object_new(const Kind *kind, Object **ret) {
        _cleanup_(object_freep) Object *o = NULL;
        int r;

        assert(kind->size >= sizeof(Object));

        o = calloc(1, kind->size);
        if (!o)
                return -ENOMEM;
        o->kind = kind;
        for (size_t i = 0; i < kind->n_fields; i++) {
                r = field_set_default(&kind->fields[i], o);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(o);
        return 0;
}

Object *object_free(Object *o) {
        if (!o)
                return NULL;
        for (size_t i = 0; i < o->kind->n_fields; i++)
                field_clear(&o->kind->fields[i], o);
        return mfree(o);
}

int object_copy(const Object *o, Object **ret) {
        _cleanup_(object_freep) Object *copy = NULL;
        int r;

        copy = calloc(1, o->kind->size);
        if (!copy)
                return -ENOMEM;
        *copy = *o;
        for (size_t i = 0; i < o->kind->n_fields; i++) {
                r = field_copy(&o->kind->fields[i], o, copy);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(copy);
        return 0;
}

void object_make_id(Object *o) {
        uint8_t random[8];

        crypto_random(random, sizeof(random));
        hex_encode(random, sizeof(random), o->id);
}

const char *object_name(const Object *o) {
        const Field *f = kind_name_field(o->kind);
        const char *name = f && f->type == FIELD_STRING ? *(char **) field_pointer(o, f) : NULL;

        return name ? name : o->id;
}
