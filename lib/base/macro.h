/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))
#define _nodiscard_ __attribute__((warn_unused_result))
#define _noreturn_ __attribute__((noreturn))

#define ELEMENTSOF(x) (sizeof(x) / sizeof((x)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) ((type *) ((char *) (ptr) - offsetof(type, member)))

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define NSEC_PER_USEC UINT64_C(1000)
#define USEC_INFINITY UINT64_MAX

/* Memory of n objects, zeroed; NULL when there is none. */
#define new0(t, n) ((t *) calloc((n), sizeof(t)))
#define new(t) new0(t, 1)

/* Hands over what a _cleanup_ variable owns: the variable is empty afterwards. */
#define TAKE(p)                                                                                               \
        ({                                                                                                    \
                __auto_type _take_p = &(p);                                                                   \
                __auto_type _taken = *_take_p;                                                                \
                *_take_p = NULL;                                                                              \
                _taken;                                                                                       \
        })

#define TAKE_FD(fd)                                                                                           \
        ({                                                                                                    \
                int *_take_fd = &(fd);                                                                        \
                int _taken_fd = *_take_fd;                                                                    \
                *_take_fd = -EBADF;                                                                           \
                _taken_fd;                                                                                    \
        })

/* Frees and returns NULL, so that a destructor can end in "return mfree(x)". */
#define mfree(p)                                                                                              \
        ({                                                                                                    \
                free(p);                                                                                      \
                (__typeof__(p)) NULL;                                                                         \
        })

/* Defines func##p, the form that _cleanup_ wants, for a destructor that takes a pointer. */
#define DEFINE_CLEANUP(type, func)                                                                            \
        static inline void func##p(type *p) {                                                                 \
                if (*p)                                                                                       \
                        (void) func(*p);                                                                      \
        }                                                                                                     \
        struct _semicolon_needed_

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0) {
                int saved = errno;
                (void) close(*fd);
                errno = saved;
        }
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static inline bool streq_ptr(const char *a, const char *b) {
        return a == b || (a && b && strcmp(a, b) == 0);
}

static inline const char *strempty(const char *s) {
        return s ? s : "";
}
