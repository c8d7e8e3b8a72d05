/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/kernel.h"

#define KERNEL_TABLE 254 /* main */

KernelLink *kernel_link_find(Kernel *k, const char *name);
KernelLink *kernel_link_set(Kernel *k, const char *name, int index); /* NULL: too many */
void kernel_link_drop(Kernel *k, const char *name);
