/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "httpd/httpd.h"
#include "overlay/items.h"
#include "store/store.h"

/* The desired state as topics (DESIGN.md 4.4): lists ordered by revision, with tombstones, and who listens
 * to them. */

typedef struct Topics Topics;
typedef struct Subscriber Subscriber;

typedef struct TopicsCounters {
        uint64_t batches_encoded; /* = signed: each batch once, whatever the number of subscribers */
        uint64_t batches_sent;    /* to subscribers */
        uint64_t items_sent;      /* summed over batches_encoded */
        uint64_t bytes_sent;
        uint64_t subscribers;
} TopicsCounters;

int topics_new(const char *controller_id, uint64_t epoch, const Secret *signing_key, const char *key_id,
               Topics **ret) _nodiscard_;
Topics *topics_free(Topics *t);
DEFINE_CLEANUP(Topics *, topics_free);
const TopicsCounters *topics_counters(const Topics *t);

/* At start, from the store. data NULL: tombstone. */
int topics_load(Topics *t, const char *topic, const char *item, uint64_t revision,
                const char *data) _nodiscard_;
/* The highest revision of the topic's items, tombstones included; 0: no such topic. */
uint64_t topics_revision(const Topics *t, const char *topic);
/* The data of an item, NULL when there is none or a tombstone: a change only writes what differs. */
const char *topics_get(const Topics *t, const char *topic, const char *item);

/* A change that has become durable: sets items (data NULL: tombstone), and then sends one batch per touched
 * topic. */
/* -EINVAL: not a topic or item id, or a revision below one that was published. */
int topics_set(Topics *t, const char *topic, const char *item, uint64_t revision,
               const char *data) _nodiscard_;
void topics_publish(Topics *t);

/* To be called once a second while there are subscribers: each gets an empty line every
 * TOPICS_HEARTBEAT_SECONDS, not all of them at once. Also gives back the memory of catch-up batches that
 * nobody asked for lately. */
#define TOPICS_HEARTBEAT_SECONDS 18
void topics_heartbeat(Topics *t);

/* One agent's stream. Names of topics are copied; have: what the agent has of each. Sends what is newer at
 * once. The subscriber goes with topics_unsubscribe(), which the stream's on_close calls. */
typedef struct TopicHave {
        char topic[TOPIC_MAX];
        uint64_t revision;
} TopicHave;
#define SUBSCRIBER_TOPICS_MAX 8
int topics_subscribe(Topics *t, HttpStream *stream, const TopicHave *topics, size_t n,
                     Subscriber **ret) _nodiscard_;
/* When a node's role or network changed: what is new is sent, what is gone is sent no more. */
int topics_resubscribe(Topics *t, Subscriber *s, const TopicHave *topics, size_t n) _nodiscard_;
void topics_unsubscribe(Topics *t, Subscriber *s);
