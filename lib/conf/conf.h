/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/macro.h"

/* Configuration files of the daemons: "[Section]", "Key=Value", comments behind '#' or ';' at the beginning
 * of a line. UTF-8, no control characters but tab, no continued lines, no quoting. White space around keys
 * and values does not count. An unknown section or key, a key that is set twice in one file and a value out
 * of its limits are errors: a daemon does not start with half of what its administrator meant. */

#define CONF_FILE_MAX (256 * 1024) /* bytes */
#define CONF_DROPINS_MAX 256       /* files */

typedef enum ConfType {
        CONF_STRING,   /* char *: "Key=" is NULL */
        CONF_STRV,     /* char **: separated by white space; further lines append, "Key=" empties */
        CONF_U64,      /* uint64_t within min…max */
        CONF_BOOL,     /* bool: yes/no, true/false, on/off, 1/0 */
        CONF_TIMESPAN, /* uint64_t, microseconds within min…max: "90s", "15min" (base/timeutil.h) */
        CONF_PORT,     /* uint16_t, 1…65535 */
        CONF_ENUM,     /* int: index into values */
} ConfType;

typedef struct ConfItem {
        const char *section, *key; /* compared as they are */
        ConfType type;
        size_t offset;             /* into the struct at data */
        uint64_t min, max;         /* U64, TIMESPAN; max 0: no limit */
        const char *const *values; /* ENUM, NULL-terminated */
} ConfItem;

/* One line for the administrator: "/etc/sdwan/agent.conf:7: unknown key "Prot" in [Agent]". Never quotes a
 * value. */
typedef struct ConfError {
        char text[512];
} ConfError;

/* Reads text into data, where the defaults are already. Strings that are replaced are freed. file is what
 * errors are said to be in. -EINVAL with *ret_error, -ENOMEM; data is then partly changed, and is the
 * caller's to free. */
int conf_parse(const char *file, const char *text, size_t len, const ConfItem *items, size_t n_items,
               void *data, ConfError *ret_error) _nodiscard_;

/* The file, and then <path>.d/ *.conf in the order of their names; what comes later wins. Neither needs to
 * exist. As conf_parse(); also errors of reading, -EFBIG, -E2BIG for too many drop-ins. */
int conf_load(const char *path, const ConfItem *items, size_t n_items, void *data,
              ConfError *ret_error) _nodiscard_;
