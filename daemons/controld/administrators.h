/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/change.h"

/* A new user with an API token, made on the host only (SECURITY.md B4). done() gets the token once and may
 * not keep it; NULL with a negative result and what was wrong (may be NULL). */
typedef void (*AdministratorDone)(int result, const FieldError *error, const char *token, void *userdata);
int administrator_create(Manager *m, const char *name, const char *actor, AdministratorDone done,
                         void *userdata) _nodiscard_;
