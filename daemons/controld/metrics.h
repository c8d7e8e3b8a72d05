/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"

/* Prometheus' text format (0.0.4), in new memory; NULL: out of memory. */
char *metrics_format(const Manager *m);
