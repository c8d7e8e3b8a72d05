/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/keydoc.h"
#include "base/addr.h"

/* What came of joining, and stays on disk: which controller, whom to trust, who we are to it. */
typedef struct Membership {
        char controller_id[CONTROLLER_ID_SIZE];
        char **urls;
        Digest root_keys;
        Digest ca_pins[TOKEN_PINS_MAX];
        size_t n_ca_pins;
        char *key_document; /* as it came, signed by the roots */
        KeyDoc keys;        /* of the key document */
        char *node_id, *name, *network;
        bool hub;
        bool pending, revoked;
        Address address4, address6;
        uint64_t controller_epoch; /* highest one seen */
} Membership;

Membership *membership_free(Membership *m);
DEFINE_CLEANUP(Membership *, membership_free);

/* -ENOENT: not joined. -EBADMSG: damaged. The key document is verified again. */
int membership_load(const char *directory, Membership **ret) _nodiscard_;
int membership_save(const char *directory, const Membership *m) _nodiscard_;
int membership_erase(const char *directory);
/* Verifies a key document against what is trusted and puts it in the place of the old one. */
int membership_set_key_document(Membership *m, const char *json, size_t len,
                                const char **ret_reason) _nodiscard_;
