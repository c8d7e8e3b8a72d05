/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "controld/api-internal.h"
#include "crypto/token.h"

/* What single kinds need besides their tables: values that only the controller knows. */

#define TOKEN_LIFE_DEFAULT_USEC (UINT64_C(3600) * USEC_PER_SEC)
#define TOKEN_LIFE_MAX_USEC (UINT64_C(30) * 86400 * USEC_PER_SEC)

static int refuse(FieldError *e, const char *field, const char *detail) {
        (void) snprintf(e->field, sizeof(e->field), "%s", field);
        (void) snprintf(e->detail, sizeof(e->detail), "%s", detail);
        return -EINVAL;
}

/* Whole seconds: what the API shows is what is stored. */
static uint64_t now_seconds_usec(void) {
        return now_realtime_usec() / USEC_PER_SEC * USEC_PER_SEC;
}

static int create_token(ApiWrite *w, Token *t, FieldError *ret_error) {
        uint64_t now = now_seconds_usec();
        int r;

        if (t->not_after == 0)
                t->not_after = now + TOKEN_LIFE_DEFAULT_USEC;
        if (t->not_after <= now)
                return refuse(ret_error, "not_after", "It is in the past.");
        if (t->not_after > now + TOKEN_LIFE_MAX_USEC)
                return refuse(ret_error, "not_after", "At most 30 days from now.");
        t->created = now;
        free(t->created_by);
        t->created_by = strdup(w->actor.name);
        if (!t->created_by)
                return -ENOMEM;
        r = secret_new_random(&w->seed);
        return r < 0 ? r : identity_public(w->seed, &t->key);
}

int api_rules_create(Manager *m, ApiWrite *w, Object *o, FieldError *ret_error) {
        if (o->kind == &kind_token)
                return create_token(w, (Token *) o, ret_error);
        return 0;
}

int api_rules_delete(Manager *m, Change *c, const Object *o) {
        if (o->kind == &kind_node)
                return change_remove_node(c, node_of(o));
        return change_add(c, o, NULL);
}

int api_approve(Change *c, const Node *before, FieldError *ret_error) {
        _cleanup_(object_freep) Object *o = NULL;
        int r;

        if (before->state == NODE_REVOKED)
                return refuse(ret_error, "state",
                              "A revoked node stays revoked: remove it and let it join again.");
        r = object_copy(&before->object, &o);
        if (r < 0)
                return r;
        ((Node *) o)->state = NODE_ACTIVE;
        return change_add(c, &before->object, TAKE(o));
}

/* The one time that the token's text is seen: its seed is in it, and nowhere else. */
static int answer_token(Manager *m, const ApiWrite *w, const Token *t, json_object *answer,
                        char **ret_secret) {
        EnrolToken token = {
                .urls = m->settings.urls,
                .seed = w->seed,
                .ca_pins = { m->credentials.ca_pin },
                .n_ca_pins = 1,
                .not_after_sec = t->not_after / USEC_PER_SEC,
        };
        char *text = NULL, *place;
        int r;

        r = hex_decode(m->credentials.controller_id, token.controller_id, sizeof(token.controller_id));
        if (r >= 0)
                r = hex_decode(t->object.id, token.token_id, sizeof(token.token_id));
        if (r < 0)
                return r;
        root_keys_digest(&m->credentials.root_public, 1, &token.root_keys);
        r = enrol_token_encode(&token, &text);
        if (r < 0)
                return r;
        place = strdup(text);
        if (place) {
                memset(place, API_SECRET_PLACE, strlen(place));
                r = json_add_string(answer, "token", place);
                free(place);
        } else
                r = -ENOMEM;
        if (r < 0) {
                crypto_wipe(text, strlen(text));
                free(text);
                return r;
        }
        *ret_secret = text;
        return 0;
}

int api_rules_answer(Manager *m, const ApiWrite *w, const Object *o, json_object *answer,
                     char **ret_secret) {
        *ret_secret = NULL;
        return o->kind == &kind_token && w->seed ? answer_token(m, w, token_of(o), answer, ret_secret) : 0;
}
