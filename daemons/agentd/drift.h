/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/manager.h"

/* Listens to what others do to our state in the kernel, and has it repaired. */
Drift *drift_free(Drift *d);
DEFINE_CLEANUP(Drift *, drift_free);
int drift_new(Manager *m, Drift **ret) _nodiscard_;

/* The kernel tells us of our own changes too. */
void drift_expect_removal(Drift *d, PlanStepType step);
void drift_own_changes(Drift *d, size_t n_steps);
void drift_check_soon(Drift *d);
