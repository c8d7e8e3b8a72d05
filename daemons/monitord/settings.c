/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "monitord/settings.h"
#include "base/log.h"
#include "conf/conf.h"

#define CACHE_MAX_USEC (60 * USEC_PER_SEC)

typedef struct Raw {
        char *listen;
        uint64_t cache_usec;
} Raw;

static void raw_done(Raw *r) {
        free(r->listen);
}

static const ConfItem items[] = {
        { .section = "Monitor", .key = "Listen", .type = CONF_STRING, .offset = offsetof(Raw, listen) },
        { .section = "Monitor",
          .key = "CacheTime",
          .type = CONF_TIMESPAN,
          .offset = offsetof(Raw, cache_usec),
          .max = CACHE_MAX_USEC },
};

int settings_load(const char *path, Settings *ret) {
        _cleanup_(raw_done) Raw raw = { .cache_usec = USEC_PER_SEC };
        const char *file = path ?: SETTINGS_PATH;
        ConfError error = { 0 };
        Settings s = { 0 };
        int r;

        assert(ret);

        r = conf_load(file, items, ELEMENTSOF(items), &raw, &error);
        if (r < 0)
                return log_error_errno(r, "%s", error.text);
        r = endpoint_parse(raw.listen ?: "127.0.0.1:9586", &s.listen);
        if (r < 0) {
                log_error("%s: Listen= in [Monitor] must be an address with a port, like 127.0.0.1:9586.",
                          file);
                return -EINVAL;
        }
        s.cache_usec = raw.cache_usec;
        *ret = s;
        return 0;
}
