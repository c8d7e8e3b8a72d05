/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"

/* M0 to M3 of SECURITY.md 2.4 and docs/protocol.md section 1. Each takes the request; the caller has limited
 * the rate. */
void enrolment_bootstrap(Manager *m, HttpRequest *r);
void enrolment_challenge(Manager *m, HttpRequest *r);
void enrolment_enrol(Manager *m, HttpRequest *r);

/* A host's name as a node's: lower case, up to the first dot, [a-z0-9-], at most 63; "node" when nothing is
 * left. */
#define NODE_NAME_MAX 64
void enrolment_clean_name(const char *host, char ret[static NODE_NAME_MAX]);
