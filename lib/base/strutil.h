/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <stdint.h>

#include "base/macro.h"

/* Lower-case hexadecimal. ret needs 2 * len + 1 bytes. */
void hex_encode(const void *data, size_t len, char *ret);

/* Exactly len bytes from 2 * len lower-case digits and then the end of the string. -EINVAL otherwise. */
int hex_decode(const char *s, void *ret, size_t len);

/* The value of one digit of either case; its time depends on it, so not for secrets. -1: not a digit. */
int hex_digit(char c);

/* RFC 4648 base64url without padding; the caller frees *ret. -ENOMEM. */
int b64url_encode(const void *data, size_t len, char **ret);

/* Strict: no padding, no white space, no stray bits. -EINVAL. *ret carries a NUL behind its *ret_len bytes.
 */
int b64url_decode(const char *s, size_t s_len, uint8_t **ret, size_t *ret_len);

/* As b64url_decode(), for a value of known size such as a key. -EINVAL when it has another. */
int b64url_decode_exact(const char *s, void *ret, size_t len);

/* RFC 4648 base64 with padding, as WireGuard's tools and RFC 9421 write it. ret needs B64_SIZE(len) bytes.
 */
#define B64_SIZE(len) ((((len) + 2) / 3) * 4 + 1)
void b64_encode(const void *data, size_t len, char *ret);
int b64_decode_exact(const char *s, void *ret, size_t len);

/* A decimal number without sign, leading zero or space, at most max. -EINVAL, -ERANGE. */
int parse_u64(const char *s, uint64_t max, uint64_t *ret);

/* Valid UTF-8 (RFC 3629), no NUL within len. */
bool utf8_is_valid(const char *s, size_t len);

/* Neither C0 nor C1 control characters nor DEL; s is valid UTF-8. */
bool str_is_printable(const char *s);

/* A copy in which control characters are written as \xNN, for terminals and logs. NULL: out of memory. */
char *str_escape(const char *s);

/* Formatted into new memory. NULL: out of memory. */
char *str_printf(const char *format, ...) _printf_(1, 2);

/* NULL-terminated arrays of strings. */
void strv_free(char **l);
size_t strv_length(char *const *l);
bool strv_contains(char *const *l, const char *s);
int strv_append(char ***l, const char *s);                          /* copies s; -ENOMEM */
int strv_copy(char *const *l, char ***ret);                         /* NULL copies to NULL */
int strv_split(const char *s, const char *separators, char ***ret); /* drops empty parts */
static inline void strv_freep(char ***l) {
        strv_free(*l);
}
#define STRV_FOREACH(s, l) for (char **s = (char **) (l); s && *s; s++)
