/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "kinds/kinds.h"

/* Rules that several kinds share. Each returns 0, or -EINVAL with *ret_error. */

#define NAME_MAX_BYTES 63

/* 1 to 63 of a-z 0-9 - _ . and a letter or digit at the front: fit for a host name, a path of the API and a
 * shell. */
int rule_name(const char *field, const char *name, FieldError *ret_error) _nodiscard_;

/* A range that may be routed to a node: not the default route, and no loopback, link-local, multicast or
 * unspecified addresses in it. */
int rule_site_range(const char *field, const Prefix *p, FieldError *ret_error) _nodiscard_;

int rule_error(FieldError *ret_error, const char *field, const char *detail);
