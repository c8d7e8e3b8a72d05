/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/manager.h"

/* The connection to the controller: the stream down, reports up (docs/protocol.md sections 2 to 4). */
Sync *sync_free(Sync *s);
DEFINE_CLEANUP(Sync *, sync_free);
int sync_new(Manager *m, Sync **ret) _nodiscard_;

void sync_start(Sync *s); /* connects at once; drops what is under way */
void sync_reconnect_in(Sync *s, uint64_t usec);
void sync_report(Sync *s); /* tells the controller what is applied, and how it went */
/* done: 0 when the controller has removed the node or does not know it any more, else negative errno. */
int sync_leave(Sync *s, void (*done)(int result, const char *reason, void *userdata),
               void *userdata) _nodiscard_;
const char *sync_url(const Sync *s);
