/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/macro.h"

/* Small checks of pieces of a request that HTTP/1.1 and HTTP/2 share; pure. http_target_check() stands in
 * h1.h. */

/* RFC 9110 token, at least one character. */
bool http_token_is_valid(const char *s, size_t len);

/* "name", "192.0.2.1", "[2001:db8::1]", each with or without ":port". */
bool http_host_is_valid(const char *host);

/* The host without its port is one of the list (compared without case). */
bool http_host_is_allowed(const char *host, char *const *allowed);

/* A comma-separated list has that member, without case. */
bool http_list_contains(const char *list, const char *member);

/* One name of "a=1&b=2", percent-decoded ('+' is a space), in new memory. -ENOENT; -EINVAL: bad encoding,
 * NUL, or the name stands twice. */
int http_query_value(const char *query, const char *name, char **ret) _nodiscard_;
