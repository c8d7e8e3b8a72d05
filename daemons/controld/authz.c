/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <strings.h>

#include "base/timeutil.h"
#include "controld/authz.h"
#include "controld/rate-limit.h"

static const bool allowed[_ACTOR_MAX][_ACTION_MAX] = {
        [ACTOR_NOBODY] = { [ACTION_HEALTH] = true },
        [ACTOR_USER] = { [ACTION_HEALTH] = true, [ACTION_READ] = true, [ACTION_MANAGE] = true },
        [ACTOR_BUS_READER] = { [ACTION_HEALTH] = true, [ACTION_READ] = true },
        [ACTOR_BUS_MANAGER] = { [ACTION_HEALTH] = true, [ACTION_READ] = true, [ACTION_MANAGE] = true },
};

bool authz(const Actor *actor, Action action) {
        if ((unsigned) actor->type >= _ACTOR_MAX || (unsigned) action >= _ACTION_MAX)
                return false;
        return allowed[actor->type][action];
}

int authn_bearer(Manager *m, const HttpRequest *r, Actor *ret) {
        static const Digest nobodys;
        const char *header = http_request_header(r, "authorization");
        char id[API_TOKEN_ID_MAX];
        const User *user = NULL;
        Digest hash = { 0 };
        bool valid = false;

        if (header && http_request_header_count(r, "authorization") == 1 &&
            strncasecmp(header, "Bearer ", 7) == 0 && api_token_parse(header + 7, id, &hash) >= 0) {
                user = model_user_by_token_id(m->model, id);
                /* The same comparison for an id that nobody has. */
                valid = crypto_equal(user ? user->token_hash.bytes : nobodys.bytes, hash.bytes,
                                     DIGEST_SIZE) &&
                        user;
        }
        crypto_wipe(&hash, sizeof(hash));
        if (!valid) {
                m->counters.api_unauthorized++;
                return rate_limit_spend(m->failures, http_request_peer(r), now_monotonic_usec()) ? -EACCES
                                                                                                 : -EAGAIN;
        }
        *ret = (Actor) { .type = ACTOR_USER };
        (void) snprintf(ret->name, sizeof(ret->name), "user:%s", strempty(user->name));
        return 0;
}
