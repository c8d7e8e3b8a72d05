/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "base/log.h"
#include "service/log-control.h"

#define JOURNAL_FIELDS_MAX 24
#define JOURNAL_TEXT_MAX 256

static const char *const level_names[] = { "emerg",   "alert",  "crit", "err",
                                           "warning", "notice", "info", "debug" };

static int level_from_string(const char *s, int *ret) {
        for (size_t i = 0; i < ELEMENTSOF(level_names); i++)
                if (streq(level_names[i], s) || (s[0] == (char) ('0' + i) && s[1] == '\0')) {
                        *ret = (int) i;
                        return 0;
                }
        return -EINVAL;
}

static void add_field(struct iovec *iov, size_t *n, const char *text, size_t len) {
        if (*n < JOURNAL_FIELDS_MAX && len > 0)
                iov[(*n)++] = (struct iovec){ .iov_base = (void *) text, .iov_len = len };
}

/* fields is "KEY=value\nKEY=value". */
static void add_fields(struct iovec *iov, size_t *n, const char *fields) {
        while (fields && *fields) {
                size_t len = strcspn(fields, "\n");

                add_field(iov, n, fields, len);
                fields += len;
                fields += *fields == '\n';
        }
}

static void write_journal(int level, int error, const char *file, int line, const char *func,
                          const char *fields, const char *message) {
        _cleanup_free_ char *text = NULL;
        char head[6][JOURNAL_TEXT_MAX];
        struct iovec iov[JOURNAL_FIELDS_MAX];
        size_t n = 0;
        int r;

        (void) snprintf(head[0], sizeof(head[0]), "PRIORITY=%i", level);
        (void) snprintf(head[1], sizeof(head[1]), "CODE_FILE=%s", strempty(file));
        (void) snprintf(head[2], sizeof(head[2]), "CODE_LINE=%i", line);
        (void) snprintf(head[3], sizeof(head[3]), "CODE_FUNC=%s", strempty(func));
        (void) snprintf(head[4], sizeof(head[4]), "SYSLOG_IDENTIFIER=%s", program_invocation_short_name);
        for (size_t i = 0; i < 5; i++)
                add_field(iov, &n, head[i], strlen(head[i]));
        if (error != 0) {
                (void) snprintf(head[5], sizeof(head[5]), "ERRNO=%i", abs(error));
                add_field(iov, &n, head[5], strlen(head[5]));
        }
        r = asprintf(&text, "MESSAGE=%s", message);
        if (r >= 0) {
                add_field(iov, &n, text, (size_t) r);
                add_fields(iov, &n, fields);
                r = sd_journal_sendv(iov, (int) n);
        } else
                text = NULL;
        if (r < 0)
                (void) fprintf(stderr, "%s\n", message);
}

static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) < 0)
                return false;
        return st.st_dev == (dev_t) device && st.st_ino == (ino_t) inode;
}

static void log_control_apply(LogControl *c, LogTarget target) {
        c->target = target;
        log_set_writer(target == LOG_TARGET_JOURNAL ? write_journal : NULL);
}

void log_control_init(LogControl *c) {
        const char *level = getenv("SDWAN_LOG_LEVEL");
        int l;

        log_control_apply(c, stderr_is_journal() ? LOG_TARGET_JOURNAL : LOG_TARGET_CONSOLE);
        if (level && level_from_string(level, &l) >= 0)
                log_set_max_level(l);
}

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        return sd_bus_message_append(reply, "s", level_names[log_get_max_level()]);
}

static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *value, void *userdata, sd_bus_error *reterr) {
        const char *s;
        int l, r;

        r = sd_bus_message_read(value, "s", &s);
        if (r < 0)
                return r;
        r = level_from_string(s, &l);
        if (r < 0)
                return sd_bus_error_set(reterr, SD_BUS_ERROR_INVALID_ARGS, "Invalid log level");
        log_set_max_level(l);
        return 0;
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const LogControl *c = userdata;

        return sd_bus_message_append(reply, "s", c->target == LOG_TARGET_JOURNAL ? "journal" : "console");
}

static int set_target(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *value, void *userdata, sd_bus_error *reterr) {
        LogControl *c = userdata;
        const char *s;
        int r;

        r = sd_bus_message_read(value, "s", &s);
        if (r < 0)
                return r;
        if (streq(s, "auto"))
                log_control_apply(c, stderr_is_journal() ? LOG_TARGET_JOURNAL : LOG_TARGET_CONSOLE);
        else if (streq(s, "journal"))
                log_control_apply(c, LOG_TARGET_JOURNAL);
        else if (streq(s, "console"))
                log_control_apply(c, LOG_TARGET_CONSOLE);
        else
                return sd_bus_error_set(reterr, SD_BUS_ERROR_INVALID_ARGS, "Invalid log target");
        return 0;
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        const LogControl *c = userdata;

        return sd_bus_message_append(reply, "s", c->identifier);
}

static const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int log_control_serve(sd_bus *bus, const char *identifier, LogControl *c) {
        assert(bus && identifier && c);

        c->identifier = identifier;
        return sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/LogControl1",
                                        "org.freedesktop.LogControl1", log_control_vtable, c);
}
