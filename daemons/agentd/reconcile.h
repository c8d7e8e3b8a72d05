/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/manager.h"

/* desired × actual → plan → apply, and again while something fails. */
Reconcile *reconcile_free(Reconcile *r);
DEFINE_CLEANUP(Reconcile *, reconcile_free);
int reconcile_new(Manager *m, Reconcile **ret) _nodiscard_;

void reconcile_schedule(Manager *m);         /* when the loop has nothing else to do */
int reconcile_run(Manager *m);               /* now; what fails is logged and comes again */
int reconcile_resync(Manager *m);            /* dumps the kernel first */
bool reconcile_is_waiting(const Manager *m); /* only for interfaces that others make */
