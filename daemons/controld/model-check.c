/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdarg.h>
#include <stdio.h>

#include "controld/model-internal.h"

/* One look at the model as it will be: the swaps of the change come before what is in the model. */
typedef struct View {
        const Model *model;
        const ModelSwap *pending;
        size_t n_pending;
        const Object *before, *after; /* under check */
        FieldError *error;
} View;

static int refuse(const View *v, int error, const char *field, const char *format, ...) _printf_(4, 5);

static int refuse(const View *v, int error, const char *field, const char *format, ...) {
        va_list ap;

        (void) snprintf(v->error->field, sizeof(v->error->field), "%s", field);
        va_start(ap, format);
        (void) vsnprintf(v->error->detail, sizeof(v->error->detail), format, ap);
        va_end(ap);
        return error;
}

/* An object of the model that this change replaces or deletes does not count any more. */
static bool superseded(const View *v, const Object *o) {
        if (o == v->before)
                return true;
        for (size_t i = 0; i < v->n_pending; i++)
                if (v->pending[i].before == o)
                        return true;
        return false;
}

static bool exists(const View *v, const Kind *kind, const char *id) {
        const Object *o;

        for (size_t i = v->n_pending; i > 0; i--) {
                const ModelSwap *s = &v->pending[i - 1];

                if (s->after && s->after->kind == kind && streq(s->after->id, id))
                        return true;
        }
        o = model_get(v->model, kind, id);
        return o && !superseded(v, o);
}

/* A token only tells how a node came in: it may go, and the node stays. */
static bool holds_back(const Field *f) {
        return kind_find(f->ref) != &kind_token;
}

static int check_references(const View *v) {
        for (size_t i = 0; i < v->after->kind->n_fields; i++) {
                const Field *f = &v->after->kind->fields[i];
                const char *id;

                if (f->type != FIELD_REF || !holds_back(f))
                        continue;
                id = *(char *const *) field_pointer(v->after, f);
                if (!id || *id == 0)
                        continue;
                if (v->before && field_equal(f, v->before, v->after))
                        continue;
                if (!exists(v, kind_find(f->ref), id))
                        return refuse(v, -EINVAL, f->name, "There is no %s of this id.", f->ref);
        }
        return 0;
}

static int refuse_duplicate(const View *v, const Field *f, const Object *other) {
        return refuse(v, -EEXIST, f->name, "Another %s has it already: %s.", other->kind->name,
                      object_name(other));
}

static int check_unique(const View *v) {
        const KindTable *t = model_table(v->model, v->after->kind);

        for (size_t i = 0; i < t->n_fields; i++) {
                const Field *f = t->fields[i].field;
                const Object *o;

                if (!(f->flags & FIELD_UNIQUE))
                        continue;
                o = model_index_find(v->model, &t->fields[i], field_pointer(v->after, f));
                if (o && !superseded(v, o))
                        return refuse_duplicate(v, f, o);
                if (!o && !v->n_pending)
                        continue;
                for (size_t k = 0; k < v->n_pending; k++) {
                        const Object *p = v->pending[k].after;
                        _cleanup_free_ char *text = NULL;

                        if (!p || p->kind != v->after->kind || !field_equal(f, p, v->after))
                                continue;
                        if (field_to_text(f, p, &text) < 0)
                                return -ENOMEM;
                        if (*text != 0) /* two that are absent are not equal */
                                return refuse_duplicate(v, f, p);
                }
        }
        return 0;
}

static int check_prefix(const View *v) {
        const SitePrefix *p = prefix_of(v->after);
        char buf[PREFIX_STRING_MAX];
        const Object *o;

        o = model_overlapping_prefix(v->model, &p->prefix, p->node);
        if (o && o->kind == &kind_network)
                return refuse(v, -EEXIST, "prefix", "It overlaps the range of network %s.", object_name(o));
        if (o && !superseded(v, o)) {
                const Object *owner = model_get(v->model, &kind_node, prefix_of(o)->node);

                return refuse(v, -EEXIST, "prefix", "It overlaps %s of node %s.",
                              prefix_format(&prefix_of(o)->prefix, buf), owner ? object_name(owner) : "?");
        }
        for (size_t i = 0; i < v->n_pending; i++) {
                const Object *other = v->pending[i].after;

                if (other && other->kind == &kind_prefix && !streq_ptr(prefix_of(other)->node, p->node) &&
                    prefix_overlaps(&prefix_of(other)->prefix, &p->prefix))
                        return refuse(v, -EEXIST, "prefix", "It overlaps another prefix of this change.");
        }
        return 0;
}

typedef struct SameNode {
        const View *view;
        const Object *found;
} SameNode;

static int same_uplink_name(const Object *o, void *userdata) {
        SameNode *s = userdata;

        if (superseded(s->view, o) || !streq_ptr(uplink_of(o)->name, uplink_of(s->view->after)->name))
                return 0;
        s->found = o;
        return 1;
}

static int same_prefix(const Object *o, void *userdata) {
        SameNode *s = userdata;

        if (superseded(s->view, o) ||
            !prefix_equal(&prefix_of(o)->prefix, &prefix_of(s->view->after)->prefix))
                return 0;
        s->found = o;
        return 1;
}

static int check_within_node(const View *v) {
        SameNode s = { .view = v };

        if (v->after->kind == &kind_uplink) {
                (void) model_referrers(v->model, &kind_uplink, uplink_of(v->after)->node, same_uplink_name,
                                       &s);
                if (s.found)
                        return refuse(v, -EEXIST, "name", "The node has an uplink of this name already.");
        } else {
                (void) model_referrers(v->model, &kind_prefix, prefix_of(v->after)->node, same_prefix, &s);
                if (s.found)
                        return refuse(v, -EEXIST, "prefix", "The node has this prefix already.");
        }
        return 0;
}

static int same_place(const Object *o, void *userdata) {
        SameNode *s = userdata;
        const Node *a = node_of(o), *b = node_of(s->view->after);

        if (superseded(s->view, o))
                return 0;
        if (a->index != b->index && (b->hub_slot == 0 || a->hub_slot != b->hub_slot))
                return 0;
        s->found = o;
        return 1;
}

/* Only where the place changes: it looks at all nodes of the network. A node that joins got its place from
 * the model. */
static int check_node(const View *v) {
        const Node *n = node_of(v->after);
        SameNode s = { .view = v };

        if (!v->before ||
            (node_of(v->before)->index == n->index && node_of(v->before)->hub_slot == n->hub_slot))
                return 0;
        (void) model_referrers(v->model, &kind_node, n->network, same_place, &s);
        return s.found ? refuse(v, -EEXIST, "index", "Node %s has this place in the network.",
                                object_name(s.found))
                       : 0;
}

static int check_network(const View *v) {
        const Network *n = network_of(v->after);
        const Object *o;

        for (o = model_next(v->model, &kind_network, NULL); o;
             o = model_next(v->model, &kind_network, o->id)) {
                const Network *other = network_of(o);

                if (superseded(v, o))
                        continue;
                if (n->prefix4.address.family != 0 && other->prefix4.address.family != 0 &&
                    prefix_overlaps(&n->prefix4, &other->prefix4))
                        return refuse(v, -EEXIST, "prefix4", "It overlaps the range of network %s.",
                                      object_name(o));
                if (n->prefix6.address.family != 0 && other->prefix6.address.family != 0 &&
                    prefix_overlaps(&n->prefix6, &other->prefix6))
                        return refuse(v, -EEXIST, "prefix6", "It overlaps the range of network %s.",
                                      object_name(o));
        }
        for (o = model_next(v->model, &kind_prefix, NULL); o;
             o = model_next(v->model, &kind_prefix, o->id)) {
                const Prefix *p = &prefix_of(o)->prefix;

                if (n->prefix4.address.family != 0 && prefix_overlaps(&n->prefix4, p))
                        return refuse(v, -EEXIST, "prefix4", "It overlaps a prefix behind a node.");
                if (n->prefix6.address.family != 0 && prefix_overlaps(&n->prefix6, p))
                        return refuse(v, -EEXIST, "prefix6", "It overlaps a prefix behind a node.");
        }
        return 0;
}

static int still_there(const Object *o, void *userdata) {
        SameNode *s = userdata;

        if (superseded(s->view, o))
                return 0;
        s->found = o;
        return 1;
}

static int check_deletion(const View *v) {
        for (size_t i = 0; i < n_kinds; i++) {
                const KindTable *t = model_table(v->model, kinds[i]);

                for (size_t k = 0; k < t->n_fields; k++) {
                        const Field *f = t->fields[k].field;
                        SameNode s = { .view = v };

                        if (f->type != FIELD_REF || !streq(f->ref, v->before->kind->name) || !holds_back(f))
                                continue;
                        (void) model_field_referrers(&t->fields[k], v->before->id, still_there, &s);
                        if (s.found)
                                return refuse(v, -EBUSY, "id", "In use by %s %s.", s.found->kind->name,
                                              object_name(s.found));
                }
        }
        return 0;
}

int model_check_with(const Model *m, const ModelSwap *pending, size_t n_pending, const Object *before,
                     const Object *after, FieldError *ret_error) {
        View v = {
                .model = m, .pending = pending, .n_pending = n_pending, .before = before, .after = after,
                .error = ret_error,
        };
        int r;

        assert(m && (before || after) && ret_error);

        if (!after)
                return check_deletion(&v);
        if (!before && exists(&v, after->kind, after->id))
                return refuse(&v, -EEXIST, "id", "There is a %s of this id already.", after->kind->name);
        r = check_references(&v);
        if (r >= 0)
                r = check_unique(&v);
        if (r < 0)
                return r;
        if (after->kind == &kind_uplink || after->kind == &kind_prefix) {
                r = check_within_node(&v);
                if (r < 0)
                        return r;
        }
        if (after->kind == &kind_prefix)
                return check_prefix(&v);
        if (after->kind == &kind_node)
                return check_node(&v);
        if (after->kind == &kind_network)
                return check_network(&v);
        return 0;
}

int model_check(const Model *m, const Object *before, const Object *after, FieldError *ret_error) {
        return model_check_with(m, NULL, 0, before, after, ret_error);
}
