/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/buffer.h"
#include "json/json.h"

/* What sdwanctl shows: tables that are padded by the width of characters, JSON, colours, a pager. Everything
 * that came from somebody else is escaped on its way out: no control character reaches the terminal. */

typedef enum Color { COLOR_NONE, COLOR_GOOD, COLOR_BAD, COLOR_WARN, COLOR_DIM, COLOR_BOLD } Color;

typedef enum JsonMode { JSON_OFF, JSON_SHORT, JSON_PRETTY } JsonMode;

typedef struct Table Table;
int table_new(size_t n_columns, Table **ret) _nodiscard_;
Table *table_free(Table *t);
DEFINE_CLEANUP(Table *, table_free);

/* The next cell, row by row; text is copied and escaped, NULL and "" show as "-". -ENOMEM. */
int table_add(Table *t, const char *text, Color color) _nodiscard_;
void table_align_right(Table *t, size_t column);
size_t table_rows(const Table *t);

typedef struct TableStyle {
        bool legend; /* the first row is a header, and is shown */
        bool color;
        size_t width; /* of the terminal, 0: no limit; wide columns are cut to fit */
} TableStyle;

/* The first row is the header. No white space stands at the end of a line. */
int table_format(const Table *t, const TableStyle *style, Buffer *b) _nodiscard_;

/* Columns that s (UTF-8) takes on a terminal. */
size_t text_width(const char *s);
/* At most width columns of s, "…" in place of what is cut; new memory, NULL: out of memory. */
char *text_ellipsize(const char *s, size_t width);

/* One line of JSON, or indented lines; control characters that JSON lets pass (DEL, C1) are escaped too. */
int json_output(json_object *o, JsonMode mode, Buffer *b) _nodiscard_;

const char *color_begin(bool enabled, Color c);
const char *color_end(bool enabled, Color c);

/* "12.3 MiB"; "3min 5s". ret is returned. */
#define SHORT_TEXT_MAX 32
const char *bytes_format(uint64_t bytes, char ret[static SHORT_TEXT_MAX]);
const char *span_format(uint64_t usec, char ret[static SHORT_TEXT_MAX]);
