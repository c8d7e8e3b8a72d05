/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "schema/schema.h"

/* One field of one object: what the files of this folder share. */

#define FIELD_STRING_MAX 255 /* bytes, where the table says nothing */

/* Fills *ret and returns -EINVAL. field may come from a request; format and what it prints may not. */
int field_error(FieldError *ret, const char *field, const char *format, ...) _printf_(3, 4);

size_t field_max_items(const Field *f);
size_t field_max_bytes(const Field *f);
uint64_t field_max_value(const Field *f);
static inline bool field_is_list(const Field *f) {
        return f->type == FIELD_STRV || f->type == FIELD_PREFIX_LIST;
}

bool field_is_absent(const Field *f, const Object *o);
void field_clear(const Field *f, Object *o); /* frees what it holds; absent or 0 afterwards */
int field_copy(const Field *f, const Object *from, Object *to) _nodiscard_;
int field_set_default(const Field *f, Object *o) _nodiscard_;

/* What one item of a list, or a field that is none, is as text; only U64 and BOOL are not text in JSON. The
 * buffer is appended to; nothing is appended for what is absent. */
size_t field_n_items(const Field *f, const Object *o);
int field_item_to_text(const Field *f, const Object *o, size_t i, Buffer *b) _nodiscard_;

/* The reverse: sets a field, or appends an item to a list. -EINVAL, -ENOMEM. */
int field_add_text(const Field *f, Object *o, const char *text, FieldError *ret_error) _nodiscard_;
int field_set_u64(const Field *f, Object *o, uint64_t v, FieldError *ret_error) _nodiscard_;
/* A whole field from text: numbers, truth values and comma-separated lists too; "" is absent. */
int field_set_text(const Field *f, Object *o, const char *text, FieldError *ret_error) _nodiscard_;

int field_to_json(const Field *f, const Object *o, json_object **ret) _nodiscard_; /* *ret NULL: null */
