/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdarg.h>
#include <stdio.h>

#include "base/buffer.h"

#define BUFFER_SIZE_MIN 64

void buffer_done(Buffer *b) {
        free(b->data);
        *b = (Buffer) { 0 };
}

void buffer_wipe(Buffer *b) {
        if (b->data)
                explicit_bzero(b->data, b->allocated);
        buffer_done(b);
}

int buffer_reserve(Buffer *b, size_t n) {
        uint8_t *data;
        size_t wanted, size;

        if (n > SIZE_MAX / 2 - 1 || b->len > SIZE_MAX / 2 - 1 - n)
                return -EOVERFLOW;
        wanted = b->len + n + 1;
        if (wanted <= b->allocated)
                return 0;

        size = MAX(wanted, MAX(b->allocated * 2, (size_t) BUFFER_SIZE_MIN));
        data = realloc(b->data, size);
        if (!data)
                return -ENOMEM;
        data[b->len] = 0;
        b->data = data;
        b->allocated = size;
        return 0;
}

int buffer_append(Buffer *b, const void *data, size_t len) {
        int r;

        r = buffer_reserve(b, len);
        if (r < 0)
                return r;
        if (len > 0)
                memcpy(b->data + b->len, data, len);
        b->len += len;
        b->data[b->len] = 0;
        return 0;
}

int buffer_append_str(Buffer *b, const char *s) {
        return buffer_append(b, s, strlen(s));
}

static int buffer_appendv(Buffer *b, const char *format, va_list ap) _printf_(2, 0);
static int buffer_appendv(Buffer *b, const char *format, va_list ap) {
        va_list copy;
        int r, n;

        va_copy(copy, ap);
        n = vsnprintf(NULL, 0, format, copy);
        va_end(copy);
        if (n < 0)
                return -EINVAL;
        r = buffer_reserve(b, (size_t) n);
        if (r < 0)
                return r;
        (void) vsnprintf((char *) b->data + b->len, (size_t) n + 1, format, ap);
        b->len += (size_t) n;
        return 0;
}

int buffer_appendf(Buffer *b, const char *format, ...) {
        va_list ap;
        int r;

        va_start(ap, format);
        r = buffer_appendv(b, format, ap);
        va_end(ap);
        return r;
}

void buffer_consume(Buffer *b, size_t n) {
        assert(n <= b->len);

        if (n == 0)
                return;
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
        b->data[b->len] = 0;
}
