/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/change.h"

/* Between change.c (queue, transaction) and change-compile.c (what a change does to the topics). */

typedef struct ChangeItem {
        char topic[TOPIC_MAX];
        char item[ITEM_ID_MAX];
        char *data; /* NULL: tombstone */
} ChangeItem;

typedef struct ChangeEnrolment {
        char *token_id, *identity_hex, *idem, *node_id;
} ChangeEnrolment;

struct Change {
        Manager *manager;
        ChangeRequest request;
        char *actor;
        uint64_t revision;
        FieldError error;
        ModelSwap *swaps; /* after is ours until it is in the model */
        size_t n_swaps, swaps_allocated;
        ChangeItem *items;
        size_t n_items, items_allocated;
        char **tombstones;
        ChangeEnrolment *enrolments;
        size_t n_enrolments;
        Change *next; /* in the queue */
};

/* data: copied; NULL: tombstone. */
int change_add_item(Change *c, const char *topic, const char *item, const char *data) _nodiscard_;

/* Compares the items of everything that the swaps touch, before and after, with what the topics have. */
int change_compile(Change *c) _nodiscard_;
