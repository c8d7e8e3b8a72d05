/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"
#include "conf/conf.h"

typedef struct Settings {
        char *path;
        char **words;
        uint64_t count, interval;
        bool enabled;
        uint16_t port;
        int level;
} Settings;

static const char *const levels[] = { "low", "high", NULL };

static const ConfItem items[] = {
        { "Main", "Path", CONF_STRING, offsetof(Settings, path) },
        { "Main", "Words", CONF_STRV, offsetof(Settings, words) },
        { "Main", "Count", CONF_U64, offsetof(Settings, count), .min = 2, .max = 5 },
        { "Main", "Enabled", CONF_BOOL, offsetof(Settings, enabled) },
        { "Net", "Interval", CONF_TIMESPAN, offsetof(Settings, interval), .min = 1,
          .max = 60 * USEC_PER_SEC },
        { "Net", "Port", CONF_PORT, offsetof(Settings, port) },
        { "Net", "Level", CONF_ENUM, offsetof(Settings, level), .values = levels },
};

/* Whatever is accepted is within its limits; whatever is refused says where. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Settings s = { .count = 2, .interval = 1, .port = 1 };
        ConfError e = { 0 };
        int r;

        r = conf_parse("file", (const char *) data, size, items, ELEMENTSOF(items), &s, &e);
        if (r < 0 && strncmp(e.text, "file:", 5) != 0)
                abort();
        if (s.count < 2 || s.count > 5 || s.interval < 1 || s.interval > 60 * USEC_PER_SEC || s.port == 0 ||
            s.level < 0 || s.level > 1)
                abort();
        if (s.path && (!*s.path || !utf8_is_valid(s.path, strlen(s.path)) || strchr(s.path, '\n')))
                abort();
        free(s.path);
        strv_free(s.words);
        return 0;
}
