/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "json/json.h"

/* The members of application/problem+json (RFC 9457) and our own "code" and "field". code, field and detail
 * may be NULL or empty. -ENOMEM; -EINVAL: a text is not UTF-8. */
int problem_to_json(unsigned status, const char *code, const char *field, const char *detail,
                    json_object **ret) _nodiscard_;
