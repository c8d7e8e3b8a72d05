/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/join.h"
#include "httpc/httpc.h"

#define JOIN_NONCE_SIZE 32
#define JOIN_IDEM_SIZE 33 /* 32 hexadecimal digits */

struct Join {
        Manager *manager;
        EnrolToken *token;
        JoinOptions options;
        JoinDone done;
        void *userdata;

        Identity *identity; /* NULL: not made yet; handed to the manager at the end */
        Membership *membership;
        HttpClient *client;
        sd_event_source *timer, *challenge_timer, *end_timer;
        size_t url;
        unsigned rounds;     /* through all addresses without getting anywhere */
        unsigned challenges; /* expired ones */
        unsigned busy;
        bool new_keys; /* were made because the old ones are known to the controller */
        bool any_answer; /* of a controller */
        bool stranger;   /* somebody else answered */
        bool in_doubt;   /* the controller may know our keys: a request's answer was lost or of no use */
        bool made_keys, made_idem;
        uint8_t nonce[JOIN_NONCE_SIZE];
        char idem[JOIN_IDEM_SIZE];
        Digest request_hash;

        JoinError error; /* of the end that is on its way */
        char text[ERROR_TEXT_MAX];
};

/* The bodies, pure: new memory. */
int join_challenge_body(const Join *j, char **ret, size_t *ret_len) _nodiscard_;
int join_enrol_body(const Join *j, const char *challenge, const PublicKey *server_ephemeral, char **ret,
                    size_t *ret_len) _nodiscard_;
int join_challenge_parse(const HttpResponse *response, char ret_challenge[static CHALLENGE_STRING_MAX],
                         PublicKey *ret_ephemeral) _nodiscard_;
/* Verifies the acknowledgement and fills j->membership. */
int join_take_ack(Join *j, const HttpResponse *response, const char **ret_reason) _nodiscard_;
/* Keys and idempotence key, on disk when this returns. */
int join_prepare(Join *j) _nodiscard_;
/* Takes away again what join_prepare() made, unless the controller may know it. */
void join_undo(Join *j);
