/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/timeutil.h"
#include "controld/administrators.h"

typedef struct Creation {
        char *name;
        char token[API_TOKEN_MAX];
        AdministratorDone done;
        void *userdata;
} Creation;

static Creation *creation_free(Creation *c) {
        if (!c)
                return NULL;
        crypto_wipe(c->token, sizeof(c->token));
        free(c->name);
        return mfree(c);
}
DEFINE_CLEANUP(Creation *, creation_free);

static int fill_user(Creation *c, User *u) {
        char id[API_TOKEN_ID_MAX];
        int r;

        r = api_token_new(c->token, id, &u->token_hash);
        if (r < 0)
                return r;
        u->token_id = strdup(id);
        u->created = now_realtime_usec() / USEC_PER_SEC * USEC_PER_SEC;
        return u->token_id ? 0 : -ENOMEM;
}

static int prepare(Manager *m, Change *change, void *userdata) {
        _cleanup_json_ json_object *json = json_object_new_object();
        _cleanup_(object_freep) Object *o = NULL;
        Creation *c = userdata;
        int r;

        if (!json)
                return -ENOMEM;
        r = json_add_string(json, "name", c->name);
        if (r >= 0)
                r = object_new(&kind_user, &o);
        if (r < 0)
                return r;
        object_make_id(o);
        r = object_from_json(o, NULL, json, OBJECT_CREATE, change_error(change));
        if (r >= 0)
                r = fill_user(c, (User *) o);
        return r < 0 ? r : change_add(change, NULL, TAKE(o));
}

static void on_done(Manager *m, int result, const FieldError *error, uint64_t revision, void *userdata) {
        _cleanup_(creation_freep) Creation *c = userdata;

        c->done(result, error, result < 0 ? NULL : c->token, c->userdata);
}

int administrator_create(Manager *m, const char *name, const char *actor, AdministratorDone done,
                         void *userdata) {
        _cleanup_(creation_freep) Creation *c = new(Creation);
        int r;

        if (!c)
                return -ENOMEM;
        *c = (Creation) { .name = strdup(name), .done = done, .userdata = userdata };
        if (!c->name)
                return -ENOMEM;
        r = change_submit(m, &(ChangeRequest) { .actor = actor,
                                               .prepare = prepare,
                                               .done = on_done,
                                               .userdata = c });
        if (r < 0)
                return r;
        (void) TAKE(c); /* on_done() frees it */
        return 0;
}
