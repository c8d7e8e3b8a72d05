/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"

#define LOG_MESSAGE_MAX 2048

/* The one place with state of the process: where its log goes. Threads other than the main one log too. */
static _Atomic(LogWriter) log_writer;
static _Atomic int log_max_level = LOG_INFO;

void log_set_writer(LogWriter writer) {
        atomic_store(&log_writer, writer);
}

void log_set_max_level(int level) {
        atomic_store(&log_max_level, level);
}

int log_get_max_level(void) {
        return atomic_load(&log_max_level);
}

/* A service manager that reads our standard error understands "<level>" in front of a line. */
static void write_stderr(int level, const char *message) {
        if (secure_getenv("SDWAN_LOG_PREFIX") || secure_getenv("JOURNAL_STREAM"))
                (void) dprintf(STDERR_FILENO, "<%d>%s\n", level & LOG_PRIMASK, message);
        else
                (void) dprintf(STDERR_FILENO, "%s\n", message);
}

int log_internal(int level, int error, const char *file, int line, const char *func, const char *fields,
                 const char *format, ...) {
        _cleanup_free_ char *escaped = NULL;
        char message[LOG_MESSAGE_MAX];
        LogWriter writer = atomic_load(&log_writer);
        int saved = errno, ret = error > 0 ? -error : error;
        va_list ap;

        if (ret == 0 && (level & LOG_PRIMASK) <= LOG_ERR)
                ret = -EIO;
        if ((level & LOG_PRIMASK) > log_get_max_level())
                return ret;

        errno = error < 0 ? -error : error;
        va_start(ap, format);
        if (vsnprintf(message, sizeof(message), format, ap) < 0)
                (void) snprintf(message, sizeof(message), "(a message that could not be formatted)");
        va_end(ap);

        /* What others chose (names, answers) must not forge a line or drive a terminal. */
        escaped = str_escape(message);
        if (writer)
                writer(level, error, file, line, func, fields, escaped ? escaped : "Out of memory.");
        else
                write_stderr(level, escaped ? escaped : "Out of memory.");
        errno = saved;
        return ret;
}
