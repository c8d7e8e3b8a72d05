/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/model.h"

/* Between model.c (indexes) and model-check.c (rules). */

typedef struct ModelIndex {
        const Field *field; /* NULL: by id */
        const Object **items; /* ordered by value, then by id; objects without a value are not in it */
        size_t n, allocated;
} ModelIndex;

typedef struct KindTable {
        const Kind *kind;
        ModelIndex by_id;
        ModelIndex *fields;
        size_t n_fields;
} KindTable;

const KindTable *model_table(const Model *m, const Kind *kind);
/* The first with this value; NULL: none, or the value means "absent". */
const Object *model_index_find(const Model *m, const ModelIndex *index, const void *value);
int model_field_referrers(const ModelIndex *index, const char *id,
                          int (*callback)(const Object *o, void *userdata), void *userdata);
