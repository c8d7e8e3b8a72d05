/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <uthash.h>

#include "controld/agent-answer.h"
#include "controld/agents.h"
#include "controld/rate-limit.h"
#include "crypto/reqsign.h"

/* Between agents.c (requests, their signatures and sequence) and agents-stream.c (streams, reports,
 * leaving). */

#define TOPIC_CLASSES 5
#define AGENT_TEXT_MAX 512
#define AGENT_VERSION_MAX 64

typedef struct AgentReport {
        bool failed;
        char *error;
        char version[AGENT_VERSION_MAX];
        uint64_t at_usec;
        uint64_t applied[TOPIC_CLASSES]; /* revision by class; 0: none */
} AgentReport;

typedef struct AgentRequest AgentRequest;

/* What is known of a node that has come at least once, in this run or before. */
typedef struct AgentNode {
        UT_hash_handle hh;
        Agents *agents;
        char id[NODE_ID_SIZE];

        ReplayWindow window;
        uint64_t durable_epoch, ceiling; /* what the store has: nothing beyond it is accepted */
        uint64_t restored;               /* sequences of durable_epoch up to it are from before our start */
        uint64_t persisting_epoch, persisting_ceiling;
        AgentRequest *waiting; /* for the store */
        size_t n_waiting;
        bool persisting, gone;

        TokenBucket bucket;
        HttpStream *stream;
        Subscriber *subscriber;
        uint64_t stream_epoch, stream_sequence, stream_since_usec;
        AgentReport *report;
} AgentNode;

/* A request whose signature is right. */
struct AgentRequest {
        AgentRequest *prev, *next;
        HttpRequest *request;
        RequestSignatureClaims claims;
        void (*handle)(Manager *m, AgentNode *n, const Node *node, AgentRequest *q);
        bool while_pending; /* also for nodes that wait for approval */
};

struct Agents {
        Manager *manager;
        AgentNode *nodes; /* by id */
        RateLimit *joins, *failures;
        TokenBucket refusals_logged; /* of enrolments: strangers do not fill the journal */
        sd_event_source *heartbeat;
        size_t n_streams;
};

/* The request must be answered within, or taken over; q goes when they return. */
void agent_stream(Manager *m, AgentNode *n, const Node *node, AgentRequest *q);
void agent_report(Manager *m, AgentNode *n, const Node *node, AgentRequest *q);
void agent_leave(Manager *m, AgentNode *n, const Node *node, AgentRequest *q);

void agent_stream_end(AgentNode *n);
AgentReport *agent_report_free(AgentReport *r);
AgentNode *agents_find(const Agents *a, const char *id);
int agent_refuse_revoked(Refusal *ret);
/* -EPERM with *ret: what the node's state forbids. node NULL: it is gone. */
int agent_check_state(const Node *node, bool while_pending, Refusal *ret) _nodiscard_;
