/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "controld/change.h"
#include "controld/enrolment-internal.h"

#define NAME_TRIES 99

int join_refuse_token(Refusal *ret) {
        return refuse(ret, 403, "token_invalid", NULL,
                      "The token is not valid: it is unknown, expired, used up or revoked, or the request "
                      "was not "
                      "signed with it.");
}

int join_check_token(const Token *token, uint64_t now_usec, Refusal *ret) {
        if (!token || token->revoked || token->not_after <= now_usec || token->uses >= token->max_uses)
                return join_refuse_token(ret);
        return 0;
}

void enrolment_clean_name(const char *host, char ret[static NODE_NAME_MAX]) {
        size_t n = 0;

        for (; *host != '\0' && *host != '.' && n < NODE_NAME_MAX - 1; host++) {
                char c = *host;

                if (c >= 'A' && c <= 'Z')
                        c = (char) (c - 'A' + 'a');
                else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
                        c = '-';
                if (c == '-' && (n == 0 || ret[n - 1] == '-'))
                        continue;
                ret[n++] = c;
        }
        while (n > 0 && ret[n - 1] == '-')
                n--;
        ret[n] = '\0';
        if (n == 0)
                (void) snprintf(ret, NODE_NAME_MAX, "node");
}

/* "b1", "b1-2" … "b1-99"; with more of that name, the beginning of the id, so that the search stays short.
 */
static void choose_name(const Manager *m, const Join *j, char ret[static NODE_NAME_MAX]) {
        (void) snprintf(ret, NODE_NAME_MAX, "%s", j->name);
        for (unsigned i = 2; i <= NAME_TRIES; i++) {
                if (!model_find(m->model, &kind_node, ret))
                        return;
                (void) snprintf(ret, NODE_NAME_MAX, "%.55s-%u", j->name, i);
        }
        if (model_find(m->model, &kind_node, ret))
                (void) snprintf(ret, NODE_NAME_MAX, "%.50s-%.12s", j->name, j->node_id);
}

static int check_keys(const Manager *m, Join *j) {
        j->known = model_node_by_identity(m->model, &j->identity) != NULL;
        if (j->known || model_node_by_wg_key(m->model, &j->wg_key) ||
            model_is_tombstoned(m->model, j->node_id) || model_is_tombstoned(m->model, j->identity_hex) ||
            model_is_tombstoned(m->model, j->wg_key_hex))
                return refuse(&j->refusal, 409, "already_enrolled", NULL,
                              "The identity key or the WireGuard key is known already, or was revoked.");
        return 0;
}

static bool is_allowed(const Token *token, const Prefix *p) {
        for (size_t i = 0; i < token->allowed_prefixes.n; i++)
                if (prefix_contains(&token->allowed_prefixes.items[i], p))
                        return true;
        return false;
}

static int check_prefixes(const Manager *m, const Token *token, Join *j) {
        char field[32];

        for (size_t i = 0; i < j->n_prefixes; i++) {
                (void) snprintf(field, sizeof(field), "prefixes[%zu]", i);
                if (!is_allowed(token, &j->prefixes[i]))
                        return refuse(&j->refusal, 403, "prefix_not_allowed", field,
                                      "The token does not allow this prefix.");
                if (model_overlapping_prefix(m->model, &j->prefixes[i], NULL))
                        return refuse(&j->refusal, 409, "prefix_taken", field,
                                      "The prefix overlaps one of another node, or of the overlay.");
        }
        return 0;
}

static int refuse_pool(Refusal *ret) {
        return refuse(ret, 409, "pool_exhausted", NULL, "The network has no address or hub slot left.");
}

static int assign_addresses(const Manager *m, const Network *network, Node *n, Refusal *ret) {
        n->index = model_next_index(m->model, network);
        if (n->index == 0)
                return refuse_pool(ret);
        if (network->prefix4.address.family != 0 &&
            prefix_nth(&network->prefix4, n->index, &n->address4) < 0)
                return refuse_pool(ret);
        if (network->prefix6.address.family != 0 &&
            prefix_nth(&network->prefix6, n->index, &n->address6) < 0)
                return refuse_pool(ret);
        if (n->role != ROLE_HUB)
                return 0;
        n->hub_slot = model_next_hub_slot(m->model, network);
        return n->hub_slot == 0 ? refuse_pool(ret) : 0;
}

static int set_string(char **field, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*field);
        *field = copy;
        return 0;
}

static int make_node(const Manager *m, const Token *token, const Network *network, Join *j, Object **ret) {
        _cleanup_(object_freep) Object *o = NULL;
        char name[NODE_NAME_MAX];
        Node *n;
        int r;

        r = object_new(&kind_node, &o);
        if (r < 0)
                return r;
        n = (Node *) o;
        memcpy(o->id, j->node_id, sizeof(j->node_id));
        choose_name(m, j, name);
        r = set_string(&n->name, name);
        if (r >= 0)
                r = set_string(&n->network, network->object.id);
        if (r >= 0)
                r = set_string(&n->token, token->object.id);
        if (r >= 0 && j->os)
                r = set_string(&n->os, j->os);
        if (r >= 0 && j->agent_version)
                r = set_string(&n->agent_version, j->agent_version);
        if (r < 0)
                return r;
        n->role = token->role;
        n->state = token->approval == APPROVAL_MANUAL ? NODE_PENDING : NODE_ACTIVE;
        n->identity = j->identity;
        n->wg_key = j->wg_key;
        n->created = now_realtime_usec() / USEC_PER_SEC * USEC_PER_SEC;
        r = assign_addresses(m, network, n, &j->refusal);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

/* Takes o. The kind's own rules, then those of the model. */
static int add_object(Change *c, const Object *before, Object *object) {
        _cleanup_(object_freep) Object *o = object;
        int r;

        if (o->kind->validate) {
                r = o->kind->validate(o, before, change_error(c));
                if (r < 0)
                        return r;
        }
        return change_add(c, before, TAKE(o));
}

static int spend_token(Change *c, const Token *token) {
        Object *o;
        int r;

        r = object_copy(&token->object, &o);
        if (r < 0)
                return r;
        ((Token *) o)->uses++;
        return change_add(c, &token->object, o);
}

static int add_prefixes(Change *c, const Join *j) {
        for (size_t i = 0; i < j->n_prefixes; i++) {
                _cleanup_(object_freep) Object *o = NULL;
                SitePrefix *p;
                int r;

                r = object_new(&kind_prefix, &o);
                if (r < 0)
                        return r;
                object_make_id(o);
                p = (SitePrefix *) o;
                p->prefix = j->prefixes[i];
                r = set_string(&p->node, j->node_id);
                if (r < 0)
                        return r;
                r = add_object(c, NULL, TAKE(o));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Everything is looked at again: another change may have come in between, and only one of two that want the
 * last use of a token is here first (SECURITY.md B5). */
int join_prepare(Manager *m, Change *c, void *userdata) {
        Join *j = userdata;
        const Token *token;
        const Network *network;
        const Object *o;
        Object *node;
        int r;

        r = check_keys(m, j);
        if (r < 0)
                return r;
        o = model_get(m->model, &kind_token, j->token_id);
        token = o ? token_of(o) : NULL;
        r = join_check_token(token, now_realtime_usec(), &j->refusal);
        if (r < 0)
                return r;
        o = model_get(m->model, &kind_network, token->network);
        if (!o)
                return join_refuse_token(&j->refusal);
        network = network_of(o);
        r = check_prefixes(m, token, j);
        if (r < 0)
                return r;
        r = make_node(m, token, network, j, &node);
        if (r < 0)
                return r;
        r = add_object(c, NULL, node);
        if (r >= 0 && j->uplink)
                r = add_object(c, NULL, &TAKE(j->uplink)->object);
        if (r >= 0)
                r = add_prefixes(c, j);
        if (r >= 0)
                r = spend_token(c, token);
        if (r >= 0)
                r = change_enrolment(c, j->token_id, j->identity_hex, j->idem, j->node_id);
        return r;
}
