/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "conf/conf.h"

#define WHITESPACE " \t"

typedef struct Parser {
        const char *file;
        unsigned line;
        const ConfItem *items;
        size_t n_items;
        void *data;
        char *section;  /* NULL before the first */
        unsigned *seen; /* per item: line in this file, 0 none */
        ConfError *error;
} Parser;

static int fail(const Parser *p, const char *format, ...) _printf_(2, 3);
static int fail(const Parser *p, const char *format, ...) {
        char message[256];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        if (p->error)
                (void) snprintf(p->error->text, sizeof(p->error->text), "%.200s:%u: %s", p->file, p->line,
                                message);
        return -EINVAL;
}

static int set_string(char **target, const char *value) {
        char *copy = NULL;

        if (*value) {
                copy = strdup(value);
                if (!copy)
                        return -ENOMEM;
        }
        free(*target);
        *target = copy;
        return 0;
}

static int append_strv(char ***target, const char *value) {
        _cleanup_(strv_freep) char **words = NULL;
        int r;

        if (!*value) {
                strv_free(*target);
                *target = NULL;
                return 0;
        }
        r = strv_split(value, WHITESPACE, &words);
        STRV_FOREACH (w, words) {
                r = strv_append(target, *w);
                if (r < 0)
                        break;
        }
        return r;
}

static int set_u64(const Parser *p, const ConfItem *item, uint64_t *target, const char *value) {
        uint64_t max = item->max > 0 ? item->max : UINT64_MAX, v;

        if (parse_u64(value, max, &v) < 0 || v < item->min)
                return fail(p, "%s= must be a whole number from %" PRIu64 " to %" PRIu64, item->key,
                            item->min, max);
        *target = v;
        return 0;
}

static int set_bool(const Parser *p, const ConfItem *item, bool *target, const char *value) {
        static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(words[i], value)) {
                        *target = i % 2 == 1;
                        return 0;
                }
        return fail(p, "%s= must be yes or no", item->key);
}

static int set_timespan(const Parser *p, const ConfItem *item, uint64_t *target, const char *value) {
        uint64_t max = item->max > 0 ? item->max : UINT64_MAX, v;

        if (timespan_parse(value, &v) < 0)
                return fail(p, "%s= must be a time span like 30s, 15min or 1h", item->key);
        if (v < item->min || v > max)
                return fail(p, "%s= must be from %" PRIu64 "ms to %" PRIu64 "ms", item->key,
                            item->min / USEC_PER_MSEC, max / USEC_PER_MSEC);
        *target = v;
        return 0;
}

static int set_port(const Parser *p, const ConfItem *item, uint16_t *target, const char *value) {
        uint64_t v;

        if (parse_u64(value, UINT16_MAX, &v) < 0 || v == 0)
                return fail(p, "%s= must be a port from 1 to 65535", item->key);
        *target = (uint16_t) v;
        return 0;
}

static int set_enum(const Parser *p, const ConfItem *item, int *target, const char *value) {
        char allowed[160] = "";
        size_t n = 0;

        for (int i = 0; item->values[i]; i++) {
                if (streq(item->values[i], value)) {
                        *target = i;
                        return 0;
                }
                if (n < sizeof(allowed))
                        n += (size_t) snprintf(allowed + n, sizeof(allowed) - n, "%s%s", i > 0 ? ", " : "",
                                               item->values[i]);
        }
        return fail(p, "%s= must be one of: %s", item->key, allowed);
}

static int set_item(const Parser *p, const ConfItem *item, const char *value) {
        void *target = (uint8_t *) p->data + item->offset;

        switch (item->type) {
        case CONF_STRING:
                return set_string(target, value);
        case CONF_STRV:
                return append_strv(target, value);
        case CONF_U64:
                return set_u64(p, item, target, value);
        case CONF_BOOL:
                return set_bool(p, item, target, value);
        case CONF_TIMESPAN:
                return set_timespan(p, item, target, value);
        case CONF_PORT:
                return set_port(p, item, target, value);
        case CONF_ENUM:
                return set_enum(p, item, target, value);
        }
        return -EINVAL;
}

/* Cuts white space off both ends, in place. */
static char *strip(char *s) {
        size_t n;

        s += strspn(s, WHITESPACE);
        n = strlen(s);
        while (n > 0 && strchr(WHITESPACE, s[n - 1]))
                s[--n] = 0;
        return s;
}

static int parse_section(Parser *p, char *s) {
        size_t n = strlen(s);

        if (s[n - 1] != ']')
                return fail(p, "a section ends in ']'");
        s[n - 1] = 0;
        s++;
        for (size_t i = 0; i < p->n_items; i++)
                if (streq(p->items[i].section, s))
                        return set_string(&p->section, s);
        return fail(p, "unknown section [%.64s]", s);
}

static int parse_assignment(Parser *p, char *s) {
        char *equals = strchr(s, '='), *key, *value;

        if (!equals)
                return fail(p, "neither [Section] nor Key=Value");
        *equals = 0;
        key = strip(s);
        value = strip(equals + 1);
        if (!p->section)
                return fail(p, "key \"%.64s\" stands before any [Section]", key);
        for (size_t i = 0; i < p->n_items; i++) {
                const ConfItem *item = &p->items[i];

                if (!streq(item->section, p->section) || !streq(item->key, key))
                        continue;
                if (p->seen[i] > 0 && item->type != CONF_STRV)
                        return fail(p, "%s= is set in line %u already", item->key, p->seen[i]);
                p->seen[i] = p->line;
                return set_item(p, item, value);
        }
        return fail(p, "unknown key \"%.64s\" in [%s]", key, p->section);
}

static int parse_line(Parser *p, char *line) {
        char *s;

        for (const char *c = line; *c; c++)
                if (*c != '\t' && ((unsigned char) *c < 0x20 || *c == 0x7F))
                        return fail(p, *c == '\r' ? "lines end in a line feed alone" : "control character");
        s = strip(line);
        if (*s == 0 || *s == '#' || *s == ';')
                return 0;
        if (s[strlen(s) - 1] == '\\')
                return fail(p, "a line cannot be continued on the next one");
        return *s == '[' ? parse_section(p, s) : parse_assignment(p, s);
}

static int parse_lines(Parser *p, char *text) {
        int r = 0;

        for (char *line = text, *next; line && r >= 0; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                p->line++;
                r = parse_line(p, line);
        }
        return r;
}

int conf_parse(const char *file, const char *text, size_t len, const ConfItem *items, size_t n_items,
               void *data, ConfError *ret_error) {
        _cleanup_free_ char *copy = NULL;
        Parser p = {
                .file = file,
                .items = items,
                .n_items = n_items,
                .data = data,
                .error = ret_error,
        };
        int r;

        if (!utf8_is_valid(text, len))
                return fail(&p, "not UTF-8");
        copy = strndup(text, len);
        p.seen = new0(unsigned, n_items + 1);
        if (!copy || !p.seen)
                r = -ENOMEM;
        else
                r = parse_lines(&p, copy);
        free(p.seen);
        free(p.section);
        if (r == -ENOMEM && ret_error)
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "%.200s: out of memory", file);
        return r;
}
