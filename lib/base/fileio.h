/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include "base/macro.h"

/* Reads a regular file of at most max bytes; *ret carries a NUL behind its *ret_len bytes; the caller frees.
 * -EFBIG past max; -ENOENT and other errno of open(2). Symbolic links are not followed in the last part. */
int file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len);

/* As file_read(), for a secret: refuses (-EPERM) a file that group or others can read or write, or that is
 * not owned by this user or root. The caller wipes. */
int file_read_secret(const char *path, size_t max, uint8_t **ret, size_t *ret_len);

/* Writes beside the path, fsyncs, renames over it, fsyncs the folder: afterwards the path has the old or the
 * new content, never a part. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode);

/* Like file_write_atomic() but -EEXIST when the path is there already; never replaces. */
int file_write_new(const char *path, const void *data, size_t len, mode_t mode);

/* A file descriptor's content until its end, for tokens on standard input. -EFBIG past max. */
int fd_read_all(int fd, size_t max, uint8_t **ret, size_t *ret_len);
