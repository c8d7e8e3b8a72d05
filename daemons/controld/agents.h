/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/manager.h"

/* What agents ask of the controller (docs/protocol.md): everything under /api/v1/agent/. Signed requests are
 * verified here (SECURITY.md 2.5) and lead to a stream of topics, a report or a leave; the three requests
 * before a node has an identity go on to controld/enrolment.h. */

/* Restores the replay windows from m->store; m->daemon.event, store, model and topics must be there. */
int agents_new(Manager *m, Agents **ret) _nodiscard_;
/* Ends all streams; queued requests are answered with 503. */
Agents *agents_free(Agents *a);
DEFINE_CLEANUP(Agents *, agents_free);

/* Every request whose path begins with "/api/v1/agent/". Takes the request: it is answered now or later. */
#define AGENTS_PATH "/api/v1/agent/"
void agents_handle(Manager *m, HttpRequest *r);

/* How many nodes have a live stream. */
/* Whether there is room in the journal for one more refused enrolment. */
bool agents_may_log_refusal(Agents *a);
size_t agents_connected(const Agents *a);

/* {"connected":…,"since":…,"state":"in-sync"|"pending"|"failed"|"unknown","error":…,"agent_version":…,"reported":…,
 * "applied":{topic:revision}}; times are RFC 3339 or null. Nodes that never came are "unknown". */
int agents_node_status(const Agents *a, const char *node_id, json_object **ret) _nodiscard_;

/* To be called when a change is applied. Gone: the node is no longer in the model; its stream ends and what
 * was known of it is forgotten. Changed: its role, network or state may be another; its stream gets the
 * topics of the new one, or ends. */
void agents_node_gone(Manager *m, const char *node_id);
void agents_node_changed(Manager *m, const char *node_id);
