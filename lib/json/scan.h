/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/macro.h"

/* RFC 8259 and nothing else, in one pass without allocation but for the names of open objects: refuses
 * duplicate names (compared after unescaping), NUL (raw or \u0000), lone surrogates, invalid UTF-8, raw
 * control characters, NaN and its like, trailing bytes, integers outside [INT64_MIN, UINT64_MAX], numbers
 * that overflow a double, names "__proto__", "constructor", "prototype".
 *
 * 0; -EBADMSG with *ret_offset and *ret_reason (static) set; -E2BIG for depth or max_items (0: no limit);
 * -ENOMEM. */
int json_scan(const char *s, size_t len, unsigned max_depth, size_t max_items, size_t *ret_offset,
              const char **ret_reason) _nodiscard_;
