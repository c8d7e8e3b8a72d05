/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "schema/field.h"

static int side_to_json(const Field *f, const Object *o, json_object **ret) {
        if (!o || field_is_absent(f, o)) {
                *ret = NULL;
                return 0;
        }
        if (f->flags & FIELD_HIDDEN) {
                *ret = json_object_new_string("(hidden)");
                return *ret ? 0 : -ENOMEM;
        }
        return field_to_json(f, o, ret);
}

static int add_difference(json_object *diff, const Field *f, const Object *before, const Object *after) {
        _cleanup_json_ json_object *entry = json_object_new_object();
        json_object *from, *to;
        int r;

        r = side_to_json(f, before, &from);
        if (r < 0)
                return r;
        r = json_add(entry, "from", from);
        if (r < 0)
                return r;
        r = side_to_json(f, after, &to);
        if (r < 0)
                return r;
        r = json_add(entry, "to", to);
        if (r < 0)
                return r;
        return json_add(diff, f->name, TAKE(entry));
}

int object_diff(const Object *before, const Object *after, json_object **ret) {
        _cleanup_json_ json_object *diff = json_object_new_object();
        const Object *any = before ? before : after;
        int r;

        assert(any && (!before || !after || before->kind == after->kind));

        if (!diff)
                return -ENOMEM;
        for (size_t i = 0; i < any->kind->n_fields; i++) {
                const Field *f = &any->kind->fields[i];

                if (before && after ? field_equal(f, before, after) : field_is_absent(f, any))
                        continue;
                r = add_difference(diff, f, before, after);
                if (r < 0)
                        return r;
        }
        *ret = TAKE(diff);
        return 0;
}
