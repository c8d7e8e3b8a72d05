/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "kinds/kinds.h"

const Kind *const kinds[] = {
        &kind_network, &kind_token, &kind_node, &kind_uplink, &kind_prefix, &kind_user,
};
const size_t n_kinds = ELEMENTSOF(kinds);

const Kind *kind_find(const char *name) {
        for (size_t i = 0; i < n_kinds; i++)
                if (streq(kinds[i]->name, name) || streq(kinds[i]->plural, name))
                        return kinds[i];
        return NULL;
}

const Network *network_of(const Object *o) {
        assert(o && o->kind == &kind_network);
        return (const Network *) o;
}

const Node *node_of(const Object *o) {
        assert(o && o->kind == &kind_node);
        return (const Node *) o;
}

const Uplink *uplink_of(const Object *o) {
        assert(o && o->kind == &kind_uplink);
        return (const Uplink *) o;
}

const SitePrefix *prefix_of(const Object *o) {
        assert(o && o->kind == &kind_prefix);
        return (const SitePrefix *) o;
}

const Token *token_of(const Object *o) {
        assert(o && o->kind == &kind_token);
        return (const Token *) o;
}

const User *user_of(const Object *o) {
        assert(o && o->kind == &kind_user);
        return (const User *) o;
}
