/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <errno.h>
#include <syslog.h>

#include "base/macro.h"

/* Where records go is decided once: the journal when standard error is connected to it (JOURNAL_STREAM),
 * otherwise standard error. lib/base has no libsystemd: lib/service installs the journal's writer. */
typedef void (*LogWriter)(int level, int error, const char *file, int line, const char *func,
                          const char *fields, const char *message);

/* NULL: standard error, as "<level>message" when SDWAN_LOG_PREFIX is wanted by a service manager. */
void log_set_writer(LogWriter writer);
void log_set_max_level(int level); /* LOG_INFO at first */
int log_get_max_level(void);

/* fields: NULL, or "KEY=value\nKEY=value" for the journal. Returns -abs(error), -EIO where error is 0 and
 * the level is an error's. The message may use %m. */
int log_internal(int level, int error, const char *file, int line, const char *func, const char *fields,
                 const char *format, ...) _printf_(7, 8);

#define log_full_errno(level, error, ...) \
        log_internal((level), (error), __FILE__, __LINE__, __func__, NULL, __VA_ARGS__)
#define log_fields_errno(level, error, fields, ...) \
        log_internal((level), (error), __FILE__, __LINE__, __func__, (fields), __VA_ARGS__)

#define log_debug(...) (void) log_full_errno(LOG_DEBUG, 0, __VA_ARGS__)
#define log_info(...) (void) log_full_errno(LOG_INFO, 0, __VA_ARGS__)
#define log_notice(...) (void) log_full_errno(LOG_NOTICE, 0, __VA_ARGS__)
#define log_warning(...) (void) log_full_errno(LOG_WARNING, 0, __VA_ARGS__)
#define log_error(...) (void) log_full_errno(LOG_ERR, 0, __VA_ARGS__)

#define log_debug_errno(error, ...) log_full_errno(LOG_DEBUG, (error), __VA_ARGS__)
#define log_warning_errno(error, ...) log_full_errno(LOG_WARNING, (error), __VA_ARGS__)
#define log_error_errno(error, ...) log_full_errno(LOG_ERR, (error), __VA_ARGS__)
#define log_oom() log_error_errno(-ENOMEM, "Out of memory.")
