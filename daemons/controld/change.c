/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/array.h"
#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "controld/agents.h"
#include "controld/change-internal.h"
#include "controld/manager-bus.h"

struct ChangeQueue {
        Manager *manager;
        sd_event_source *defer; /* on while something waits and nothing is under way */
        Change *first, *last;
        size_t n;
        bool busy;
};

static Change *change_free(Change *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < c->n_swaps; i++)
                (void) object_free(c->swaps[i].after);
        free(c->swaps);
        for (size_t i = 0; i < c->n_items; i++)
                free(c->items[i].data);
        free(c->items);
        strv_free(c->tombstones);
        for (size_t i = 0; i < c->n_enrolments; i++) {
                free(c->enrolments[i].token_id);
                free(c->enrolments[i].identity_hex);
                free(c->enrolments[i].idem);
                free(c->enrolments[i].node_id);
        }
        free(c->enrolments);
        free(c->actor);
        return mfree(c);
}
DEFINE_CLEANUP(Change *, change_free);

FieldError *change_error(Change *c) {
        return &c->error;
}

static bool same(const Object *a, const Object *b) {
        for (size_t i = 0; i < a->kind->n_fields; i++)
                if (!field_equal(&a->kind->fields[i], a, b))
                        return false;
        return true;
}

int change_add(Change *c, const Object *before, Object *after) {
        _cleanup_(object_freep) Object *owned = after;
        int r;

        assert(c && (before || after));

        if (before && after && same(before, after))
                return 0;
        r = model_check_with(c->manager->model, c->swaps, c->n_swaps, before, after, &c->error);
        if (r < 0)
                return r;
        r = array_reserve(&c->swaps, &c->swaps_allocated, c->n_swaps + 1, sizeof(*c->swaps), 8);
        if (r < 0)
                return r;
        if (owned)
                owned->revision = c->revision;
        c->swaps[c->n_swaps++] = (ModelSwap) { .before = before, .after = TAKE(owned) };
        return 0;
}

int change_tombstone(Change *c, const char *key) {
        return strv_append(&c->tombstones, key);
}

int change_enrolment(Change *c, const char *token_id, const char *identity_hex, const char *idem,
                     const char *node_id) {
        ChangeEnrolment *e = reallocarray(c->enrolments, c->n_enrolments + 1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        c->enrolments = e;
        e += c->n_enrolments++;
        *e = (ChangeEnrolment) { strdup(token_id), strdup(identity_hex), strdup(idem), strdup(node_id) };
        return e->token_id && e->identity_hex && e->idem && e->node_id ? 0 : -ENOMEM;
}

static int remove_referrer(const Object *o, void *userdata) {
        return change_add(userdata, o, NULL);
}

int change_remove_node(Change *c, const Node *n) {
        const Model *m = c->manager->model;
        char key[2 * KEY_SIZE + 1];
        int r;

        r = model_referrers(m, &kind_uplink, n->object.id, remove_referrer, c);
        if (r >= 0)
                r = model_referrers(m, &kind_prefix, n->object.id, remove_referrer, c);
        if (r >= 0)
                r = change_add(c, &n->object, NULL);
        if (r >= 0)
                r = change_tombstone(c, n->object.id);
        if (r < 0)
                return r;
        hex_encode(n->identity.bytes, KEY_SIZE, key);
        r = change_tombstone(c, key);
        if (r < 0)
                return r;
        hex_encode(n->wg_key.bytes, KEY_SIZE, key);
        return change_tombstone(c, key);
}

int change_add_item(Change *c, const char *topic, const char *item, const char *data) {
        _cleanup_free_ char *copy = data ? strdup(data) : NULL;
        ChangeItem *i;
        int r;

        if (data && !copy)
                return -ENOMEM;
        r = array_reserve(&c->items, &c->items_allocated, c->n_items + 1, sizeof(*c->items), 8);
        if (r < 0)
                return r;
        i = &c->items[c->n_items++];
        *i = (ChangeItem) { .data = TAKE(copy) };
        (void) snprintf(i->topic, sizeof(i->topic), "%s", topic);
        (void) snprintf(i->item, sizeof(i->item), "%s", item);
        return 0;
}

static void queue_wake(ChangeQueue *q) {
        (void) sd_event_source_set_enabled(q->defer, q->first && !q->busy ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* What is written cannot be taken back, and what cannot be known must be read again: start anew from the
 * disk. */
static void give_up(Manager *m, int error, const char *what) {
        (void) log_error_errno(error, "%s, starting again from what is durable: %m", what);
        m->daemon.exit_status = EXIT_FAILURE;
        (void) sd_event_exit(m->daemon.event, EXIT_FAILURE);
}

static int apply(Change *c) {
        Manager *m = c->manager;
        int r;

        for (size_t i = 0; i < c->n_swaps; i++) {
                r = model_swap(m->model, c->swaps[i].before, c->swaps[i].after);
                if (r < 0)
                        return r;
        }
        STRV_FOREACH(key, c->tombstones) {
                r = model_add_tombstone(m->model, *key);
                if (r < 0)
                        return r;
        }
        model_set_revision(m->model, c->revision);
        for (size_t i = 0; i < c->n_items; i++) {
                r = topics_set(m->topics, c->items[i].topic, c->items[i].item, c->revision,
                               c->items[i].data);
                if (r < 0)
                        return r;
        }
        return 0;
}

typedef struct NodeNote {
        char id[OBJECT_ID_MAX];
        bool gone;
} NodeNote;

/* Before the swaps: afterwards the old objects are freed. */
static int collect_notes(const Change *c, NodeNote **ret, size_t *ret_n) {
        NodeNote *notes = new0(NodeNote, c->n_swaps + 1);
        size_t n = 0;

        if (!notes)
                return -ENOMEM;
        for (size_t i = 0; i < c->n_swaps; i++) {
                const ModelSwap *s = &c->swaps[i];

                if (!s->before || s->before->kind != &kind_node)
                        continue;
                memcpy(notes[n].id, s->before->id, sizeof(notes[n].id));
                notes[n++].gone = !s->after;
        }
        *ret = notes;
        *ret_n = n;
        return 0;
}

static void publish(Change *c, const NodeNote *notes, size_t n_notes) {
        Manager *m = c->manager;

        topics_publish(m->topics);
        for (size_t i = 0; m->agents && i < n_notes; i++) {
                if (notes[i].gone)
                        agents_node_gone(m, notes[i].id);
                else
                        agents_node_changed(m, notes[i].id);
        }
        manager_bus_revision_changed(m);
}

static void finish(Change *change, int result) {
        _cleanup_(change_freep) Change *c = change;
        Manager *m = c->manager;
        bool has_error = c->error.field[0] != 0 || c->error.detail[0] != 0;

        if (c->request.done)
                c->request.done(m, result, result < 0 && has_error ? &c->error : NULL,
                                model_revision(m->model), c->request.userdata);
        if (!m->changes)
                return;
        m->changes->busy = false;
        queue_wake(m->changes);
}

static void on_durable(int result, uint64_t revision, void *userdata) {
        Change *c = userdata;
        Manager *m = c->manager;
        _cleanup_free_ NodeNote *notes = NULL;
        size_t n_notes = 0;
        int r;

        if (result < 0) {
                m->counters.changes_failed++;
                if (result == -EIO || result == -ESTALE)
                        give_up(m, result, "The database failed");
                else
                        log_error_errno(result, "Failed to write a change to the database: %m");
                finish(c, result);
                return;
        }
        r = collect_notes(c, &notes, &n_notes);
        if (r >= 0) {
                r = apply(c);
                c->n_swaps = 0; /* the model's now */
        }
        if (r < 0) {
                give_up(m, r, "A change was written but not taken over");
                finish(c, r);
                return;
        }
        m->counters.changes++;
        publish(c, notes, n_notes);
        finish(c, 0);
}

static int write_change(Change *c) {
        _cleanup_(store_transaction_freep) StoreTransaction *t = NULL;
        Manager *m = c->manager;
        int r;

        r = store_transaction_new(m->store, c->revision - 1, now_realtime_usec(), c->actor, &t);
        for (size_t i = 0; i < c->n_swaps && r >= 0; i++)
                r = store_transaction_object(t, c->swaps[i].before, c->swaps[i].after);
        for (size_t i = 0; i < c->n_items && r >= 0; i++)
                r = store_transaction_topic_item(t, c->items[i].topic, c->items[i].item, c->revision,
                                                 c->items[i].data);
        if (r < 0)
                return r;
        STRV_FOREACH(key, c->tombstones) {
                r = store_transaction_tombstone(t, *key);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < c->n_enrolments && r >= 0; i++) {
                const ChangeEnrolment *e = &c->enrolments[i];

                r = store_transaction_enrolment(t, e->token_id, e->identity_hex, e->idem, e->node_id);
        }
        if (r < 0)
                return r;
        r = store_submit(m->store, TAKE(t), on_durable, c);
        return r == -EBUSY ? -EAGAIN : r; /* -EBUSY is "in use" to those who wait */
}

static void run(Change *c) {
        Manager *m = c->manager;
        int r;

        c->revision = model_revision(m->model) + 1;
        r = c->request.prepare(m, c, c->request.userdata);
        if (r >= 0)
                r = change_compile(c);
        if (r >= 0 && (c->n_swaps > 0 || c->n_items > 0 || c->tombstones || c->n_enrolments > 0)) {
                r = write_change(c);
                if (r >= 0)
                        return; /* on_durable() goes on */
        }
        finish(c, r < 0 ? r : 0);
}

static int on_defer(sd_event_source *source, void *userdata) {
        ChangeQueue *q = userdata;
        Change *c = q->first;

        if (q->busy || !c)
                return 0;
        q->first = c->next;
        if (!q->first)
                q->last = NULL;
        q->n--;
        q->busy = true;
        run(c);
        return 0;
}

int change_submit(Manager *m, const ChangeRequest *request) {
        _cleanup_(change_freep) Change *c = NULL;
        ChangeQueue *q = m->changes;

        assert(request && request->prepare);

        if (q->n >= CHANGE_QUEUE_MAX)
                return -EBUSY;
        c = new(Change);
        if (!c)
                return -ENOMEM;
        *c = (Change) { .manager = m, .request = *request, .actor = strdup(request->actor) };
        if (!c->actor)
                return -ENOMEM;
        if (q->last)
                q->last->next = c;
        else
                q->first = c;
        q->last = TAKE(c);
        q->n++;
        queue_wake(q);
        return 0;
}

int change_queue_new(Manager *m, ChangeQueue **ret) {
        ChangeQueue *q;
        int r;

        q = new(ChangeQueue);
        if (!q)
                return -ENOMEM;
        q->manager = m;
        r = sd_event_add_defer(m->daemon.event, &q->defer, on_defer, q);
        if (r < 0) {
                free(q);
                return r;
        }
        (void) sd_event_source_set_enabled(q->defer, SD_EVENT_OFF);
        *ret = q;
        return 0;
}

size_t change_queue_length(const ChangeQueue *q) {
        return q->n + (q->busy ? 1 : 0);
}

ChangeQueue *change_queue_free(ChangeQueue *q) {
        if (!q)
                return NULL;
        q->manager->changes = NULL;
        while (q->first) {
                Change *c = q->first;

                q->first = c->next;
                finish(c, -ESHUTDOWN);
        }
        sd_event_source_disable_unref(q->defer);
        return mfree(q);
}
