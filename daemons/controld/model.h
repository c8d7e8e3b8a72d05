/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "kinds/kinds.h"

/* The whole configuration in memory (DESIGN.md 4.2), indexed by every key that is looked up. Reads never
 * touch the database. Objects in it are immutable; a change swaps them. */

typedef struct Model Model;
int model_new(Model **ret) _nodiscard_;
Model *model_free(Model *m);
DEFINE_CLEANUP(Model *, model_free);

uint64_t model_revision(const Model *m);
void model_set_revision(Model *m, uint64_t revision);

const Object *model_get(const Model *m, const Kind *kind, const char *id); /* NULL: none */
/* By id, by name, or by the first 8 or more digits of an id when they are enough. NULL: none, or ambiguous.
 */
const Object *model_find(const Model *m, const Kind *kind, const char *id_or_name);
size_t model_count(const Model *m, const Kind *kind);
/* Objects in the order of their ids (stable for paging): the first whose id is greater than after (NULL: the
 * first). */
const Object *model_next(const Model *m, const Kind *kind, const char *after);

/* Objects that refer to an object: kind_node with a network's id, kind_prefix with a node's … Calls back in
 * no order; stops at a non-zero return and returns it. */
int model_referrers(const Model *m, const Kind *kind, const char *id,
                    int (*callback)(const Object *o, void *userdata), void *userdata);

/* Node by its keys, and the user by an API token's id. */
const Node *model_node_by_identity(const Model *m, const PublicKey *identity);
const Node *model_node_by_wg_key(const Model *m, const PublicKey *wg_key);
const User *model_user_by_token_id(const Model *m, const char *token_id);
/* Any prefix or overlay range that overlaps, of another node than but_node (may be NULL); NULL: none. */
const Object *model_overlapping_prefix(const Model *m, const Prefix *p, const char *but_node);
/* Lowest free number after the highest that was given, then the lowest free at all; 0: none left. */
uint64_t model_next_index(const Model *m, const Network *n);
uint64_t model_next_hub_slot(const Model *m, const Network *n);

bool model_is_tombstoned(const Model *m, const char *key);
int model_add_tombstone(Model *m, const char *key) _nodiscard_;

/* What the kinds' own rules cannot know: references exist, unique fields are unique, prefixes do not
 * overlap, nothing refers to what is deleted. after NULL: delete. 0; -EINVAL, -EEXIST (unique), -EBUSY
 * (referred to) with *ret_error. */
int model_check(const Model *m, const Object *before, const Object *after,
                FieldError *ret_error) _nodiscard_;

/* As model_check(), with what the same change does besides: swaps that are not in the model yet. */
typedef struct ModelSwap {
        const Object *before;
        Object *after;
} ModelSwap;
int model_check_with(const Model *m, const ModelSwap *pending, size_t n_pending, const Object *before,
                     const Object *after, FieldError *ret_error) _nodiscard_;

/* Takes after (NULL: delete before). Frees before. -ENOMEM leaves the model as it was. */
int model_swap(Model *m, const Object *before, Object *after) _nodiscard_;
