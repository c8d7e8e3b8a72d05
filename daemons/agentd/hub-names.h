/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/manager.h"

/* Names of hubs to addresses, on a thread that exists only when there are names. The last address of each is
 * on disk: a site boots without a name server. */
HubNames *hub_names_free(HubNames *r);
DEFINE_CLEANUP(HubNames *, hub_names_free);
void hub_names_load(Manager *m);   /* what is on disk */
void hub_names_update(Manager *m); /* asks for names that are new, and for all of them every few minutes */
int hub_names_erase(const char *directory);
