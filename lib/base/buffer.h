/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <stdint.h>

#include "base/macro.h"

/* A growing run of bytes. { 0 } is an empty one. data is NULL or carries a NUL after len bytes that
 * len does not count. */
typedef struct Buffer {
        uint8_t *data;
        size_t len;
        size_t allocated;
} Buffer;

/* Frees the memory and makes it empty again. */
void buffer_done(Buffer *b);

/* As buffer_done(), for secrets: wipes first. */
void buffer_wipe(Buffer *b);

/* Room for n more bytes. -ENOMEM, or -EOVERFLOW past SIZE_MAX / 2. */
int buffer_reserve(Buffer *b, size_t n) _nodiscard_;

/* Appends. -ENOMEM; the buffer is as before on failure. */
int buffer_append(Buffer *b, const void *data, size_t len) _nodiscard_;
int buffer_append_str(Buffer *b, const char *s) _nodiscard_;
int buffer_appendf(Buffer *b, const char *format, ...) _printf_(2, 3) _nodiscard_;

/* Drops n bytes from the front; n may not exceed len. */
void buffer_consume(Buffer *b, size_t n);

#define _cleanup_buffer_ _cleanup_(buffer_done)
