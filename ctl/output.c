/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <inttypes.h>
#include <stdio.h>
#include <wchar.h>

#include "base/array.h"
#include "base/strutil.h"
#include "ctl/output.h"

#define COLUMN_WIDTH_MIN 8 /* a column is never cut below this */
#define COLUMN_GAP 1
#define ELLIPSIS "…"

typedef struct Cell {
        char *text;
        Color color;
        size_t width;
} Cell;

struct Table {
        size_t n_columns, n_cells, n_allocated;
        bool *right;
        Cell *cells;
};

/* The next character: its length in bytes and width. Text is valid UTF-8 without control characters; what
 * the C library cannot place counts as one column. */
static size_t next_character(const char *s, size_t *ret_width) {
        mbstate_t state = { 0 };
        wchar_t c;
        size_t n = mbrtowc(&c, s, strlen(s), &state);
        int w;

        if (n == (size_t) -1 || n == (size_t) -2 || n == 0) {
                *ret_width = 1;
                return 1;
        }
        w = wcwidth(c);
        *ret_width = w < 0 ? 1 : (size_t) w;
        return n;
}

size_t text_width(const char *s) {
        size_t width = 0, w;

        for (; *s; width += w)
                s += next_character(s, &w);
        return width;
}

char *text_ellipsize(const char *s, size_t width) {
        size_t used = 0, end = 0;

        if (text_width(s) <= width)
                return strdup(s);
        if (width == 0)
                return strdup("");
        while (s[end]) {
                size_t w, n = next_character(s + end, &w);

                if (used + w > width - 1)
                        break;
                used += w;
                end += n;
        }
        return str_printf("%.*s%s", (int) end, s, ELLIPSIS);
}

int table_new(size_t n_columns, Table **ret) {
        _cleanup_(table_freep) Table *t = NULL;

        assert(n_columns > 0 && ret);

        t = new(Table);
        if (!t)
                return -ENOMEM;
        t->n_columns = n_columns;
        t->right = new0(bool, n_columns);
        if (!t->right)
                return -ENOMEM;
        *ret = TAKE(t);
        return 0;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        free(t->cells);
        free(t->right);
        return mfree(t);
}

int table_add(Table *t, const char *text, Color color) {
        _cleanup_free_ char *copy = NULL;
        int r;

        assert(t);

        copy = str_escape(text && *text ? text : "-");
        if (!copy)
                return -ENOMEM;
        r = array_reserve(&t->cells, &t->n_allocated, t->n_cells + 1, sizeof(Cell), t->n_columns * 8);
        if (r < 0)
                return r;
        t->cells[t->n_cells++] = (Cell) { .width = text_width(copy), .color = color, .text = copy };
        copy = NULL;
        return 0;
}

void table_align_right(Table *t, size_t column) {
        assert(column < t->n_columns);
        t->right[column] = true;
}

size_t table_rows(const Table *t) {
        return t->n_cells / t->n_columns;
}

static void measure(const Table *t, const TableStyle *style, size_t *widths) {
        for (size_t i = style->legend ? 0 : t->n_columns; i < t->n_cells; i++)
                widths[i % t->n_columns] = MAX(widths[i % t->n_columns], t->cells[i].width);
}

/* Takes a column at a time from the widest until the line fits, or nothing more can be taken. */
static void shrink(size_t *widths, size_t n, size_t limit) {
        for (;;) {
                size_t total = (n - 1) * COLUMN_GAP, widest = 0;

                for (size_t i = 0; i < n; i++) {
                        total += widths[i];
                        if (widths[i] > widths[widest])
                                widest = i;
                }
                if (total <= limit || widths[widest] <= COLUMN_WIDTH_MIN)
                        return;
                widths[widest] -= MIN(total - limit, widths[widest] - COLUMN_WIDTH_MIN);
        }
}

const char *color_begin(bool enabled, Color c) {
        static const char *const sequences[] = {
                [COLOR_NONE] = "",           [COLOR_GOOD] = "\033[0;32m", [COLOR_BAD] = "\033[0;1;31m",
                [COLOR_WARN] = "\033[0;33m", [COLOR_DIM] = "\033[0;90m",  [COLOR_BOLD] = "\033[0;1m",
        };

        return enabled ? sequences[c] : "";
}

const char *color_end(bool enabled, Color c) {
        return enabled && c != COLOR_NONE ? "\033[0m" : "";
}

static int format_cell(const Table *t, const TableStyle *style, size_t i, size_t width, Buffer *b) {
        const Cell *c = t->cells + i;
        size_t column = i % t->n_columns, padding;
        bool last = column + 1 == t->n_columns;
        _cleanup_free_ char *cut = NULL;
        Color color = i < t->n_columns ? COLOR_NONE : c->color;
        int r;

        cut = text_ellipsize(c->text, width);
        if (!cut)
                return -ENOMEM;
        padding = width - text_width(cut);
        if (t->right[column]) {
                r = buffer_appendf(b, "%*s", (int) padding, "");
                if (r < 0)
                        return r;
        }
        r = buffer_appendf(b, "%s%s%s", color_begin(style->color, color), cut,
                           color_end(style->color, color));
        if (r < 0 || last)
                return r;
        return buffer_appendf(b, "%*s", (int) ((t->right[column] ? 0 : padding) + COLUMN_GAP), "");
}

static int format_row(const Table *t, const TableStyle *style, size_t row, const size_t *widths, Buffer *b) {
        bool underline = row == 0 && style->color;
        int r;

        if (underline) {
                r = buffer_append_str(b, "\033[4m");
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < t->n_columns; i++) {
                r = format_cell(t, style, row * t->n_columns + i, widths[i], b);
                if (r < 0)
                        return r;
        }
        return buffer_append_str(b, underline ? "\033[0m\n" : "\n");
}

int table_format(const Table *t, const TableStyle *style, Buffer *b) {
        _cleanup_free_ size_t *widths = NULL;
        int r;

        assert(t && style && b && t->n_cells % t->n_columns == 0);

        widths = new0(size_t, t->n_columns);
        if (!widths)
                return -ENOMEM;
        measure(t, style, widths);
        if (style->width > 0)
                shrink(widths, t->n_columns, style->width);
        for (size_t row = style->legend ? 0 : 1; row < table_rows(t); row++) {
                r = format_row(t, style, row, widths, b);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Inside JSON these bytes can only stand in strings, where an escape means the same. */
static int escape_json_controls(const char *s, Buffer *b) {
        const char *start = s;
        int r;

        for (; *s; s++) {
                unsigned code;
                size_t skip;

                if ((unsigned char) s[0] == 0x7F) {
                        code = 0x7F;
                        skip = 1;
                } else if ((unsigned char) s[0] == 0xC2 && (unsigned char) s[1] >= 0x80 &&
                           (unsigned char) s[1] <= 0x9F) {
                        code = (unsigned char) s[1];
                        skip = 2;
                } else
                        continue;
                r = buffer_append(b, start, (size_t) (s - start));
                if (r < 0)
                        return r;
                r = buffer_appendf(b, "\\u%04x", code);
                if (r < 0)
                        return r;
                start = s + skip;
                s = start - 1;
        }
        return buffer_append(b, start, (size_t) (s - start));
}

int json_output(json_object *o, JsonMode mode, Buffer *b) {
        _cleanup_free_ char *text = NULL;
        int r;

        assert(b && mode != JSON_OFF);

        text = mode == JSON_PRETTY ? json_format_pretty(o) : json_format(o, NULL);
        if (!text)
                return -ENOMEM;
        r = escape_json_controls(text, b);
        if (r < 0)
                return r;
        return b->len > 0 && b->data[b->len - 1] == '\n' ? 0 : buffer_append_str(b, "\n");
}

const char *bytes_format(uint64_t bytes, char ret[static SHORT_TEXT_MAX]) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        size_t unit = 0;
        double value = (double) bytes;

        while (value >= 1024 && unit + 1 < ELEMENTSOF(units)) {
                value /= 1024;
                unit++;
        }
        (void) snprintf(ret, SHORT_TEXT_MAX, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
        return ret;
}

const char *span_format(uint64_t usec, char ret[static SHORT_TEXT_MAX]) {
        static const struct {
                uint64_t seconds;
                const char *name;
        } units[] = { { 86400, "d" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
        uint64_t seconds = usec / USEC_PER_SEC;

        for (size_t i = 0; i + 1 < ELEMENTSOF(units); i++) {
                uint64_t rest = seconds % units[i].seconds / units[i + 1].seconds;

                if (seconds < units[i].seconds)
                        continue;
                if (rest == 0)
                        (void) snprintf(ret, SHORT_TEXT_MAX, "%" PRIu64 "%s", seconds / units[i].seconds,
                                        units[i].name);
                else
                        (void) snprintf(ret, SHORT_TEXT_MAX, "%" PRIu64 "%s %" PRIu64 "%s",
                                        seconds / units[i].seconds, units[i].name, rest, units[i + 1].name);
                return ret;
        }
        (void) snprintf(ret, SHORT_TEXT_MAX, "%" PRIu64 "s", seconds);
        return ret;
}
