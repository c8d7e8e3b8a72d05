/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"

/* The HTTPS transport: who asks, and which part answers. All say what is wrong themselves. */
/* systemd's socket "https", else one of our own. Before anything else is touched: *ret_exit is EXIT_ADDRESS
 * when its port is taken. */
int manager_http_bind(Manager *m, int *ret_exit) _nodiscard_;
int manager_http_new(Manager *m) _nodiscard_;
int manager_http_listen(Manager *m) _nodiscard_;
