/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdarg.h>
#include <stdio.h>

#include "base/array.h"
#include "controld/model-internal.h"

/* Every index is a sorted array of pointers: eight bytes for an entry, found in log n comparisons, and
 * walked in order. */

typedef struct NetworkState {
        char id[OBJECT_ID_MAX];
        uint64_t *bits; /* which indexes are given */
        size_t n_words;
        uint64_t highest; /* that was ever given while we ran: a number is not given again soon */
        uint64_t slots;   /* bit n - 1: hub slot n */
        uint64_t highest_slot;
} NetworkState;

struct Model {
        uint64_t revision;
        KindTable *tables;
        NetworkState *networks;
        size_t n_networks, networks_allocated;
        char **tombstones; /* sorted */
        size_t n_tombstones, tombstones_allocated;
};

static bool value_present(const Field *f, const void *v) {
        static const PublicKey no_key;

        switch (f->type) {
        case FIELD_STRING:
        case FIELD_REF:
                return *(char *const *) v != NULL && **(char *const *) v != 0;
        case FIELD_KEY:
                return memcmp(v, &no_key, sizeof(no_key)) != 0;
        case FIELD_PREFIX:
                return ((const Prefix *) v)->address.family != 0;
        case FIELD_ADDRESS:
                return ((const Address *) v)->family != 0;
        default:
                return true;
        }
}

/* The field says what a and b are. Inlined, gcc takes it to compare a caller's prefix as a key. */
__attribute__((noinline)) static int value_compare(const Field *f, const void *a, const void *b) {
        uint64_t x, y;

        switch (f->type) {
        case FIELD_STRING:
        case FIELD_REF:
                return strcmp(*(char *const *) a, *(char *const *) b);
        case FIELD_KEY:
        case FIELD_DIGEST:
                return memcmp(a, b, KEY_SIZE);
        case FIELD_PREFIX:
                return prefix_compare(a, b);
        case FIELD_ADDRESS:
                return address_compare(a, b);
        default:
                x = *(const uint64_t *) a;
                y = *(const uint64_t *) b;
                return x < y ? -1 : x > y;
        }
}

/* Position of the first entry whose value (and, where id is given, id) is not lower. */
static size_t index_lower(const ModelIndex *index, const void *value, const char *id) {
        size_t low = 0, high = index->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const Object *o = index->items[middle];
                int c = index->field ? value_compare(index->field, field_pointer(o, index->field), value)
                                     : 0;

                if (c == 0 && id)
                        c = strcmp(o->id, id);
                if (c < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool index_at(const ModelIndex *index, size_t i, const void *value) {
        return i < index->n &&
               value_compare(index->field, field_pointer(index->items[i], index->field), value) == 0;
}

static bool index_takes(const ModelIndex *index, const Object *o) {
        return !index->field || value_present(index->field, field_pointer(o, index->field));
}

static void index_remove(ModelIndex *index, const Object *o) {
        size_t i;

        if (!index_takes(index, o))
                return;
        i = index_lower(index, index->field ? field_pointer(o, index->field) : NULL, o->id);
        if (i >= index->n || index->items[i] != o)
                return;
        memmove(index->items + i, index->items + i + 1, (index->n - i - 1) * sizeof(*index->items));
        index->n--;
}

/* Room was made before. */
static void index_insert(ModelIndex *index, const Object *o) {
        size_t i;

        if (!index_takes(index, o))
                return;
        i = index_lower(index, index->field ? field_pointer(o, index->field) : NULL, o->id);
        memmove(index->items + i + 1, index->items + i, (index->n - i) * sizeof(*index->items));
        index->items[i] = o;
        index->n++;
}

static bool field_is_indexed(const Field *f) {
        switch (f->type) {
        case FIELD_STRING:
                return (f->flags & FIELD_UNIQUE) || streq(f->name, "name");
        case FIELD_REF:
        case FIELD_KEY:
        case FIELD_PREFIX:
                return true;
        case FIELD_ADDRESS:
        case FIELD_DIGEST:
        case FIELD_U64:
                return (f->flags & FIELD_UNIQUE) != 0;
        default:
                return false;
        }
}

int model_new(Model **ret) {
        _cleanup_(model_freep) Model *m = NULL;

        m = new(Model);
        if (!m)
                return -ENOMEM;
        m->tables = new0(KindTable, n_kinds);
        if (!m->tables)
                return -ENOMEM;
        for (size_t i = 0; i < n_kinds; i++) {
                KindTable *t = &m->tables[i];

                t->kind = kinds[i];
                t->fields = new0(ModelIndex, kinds[i]->n_fields);
                if (!t->fields)
                        return -ENOMEM;
                for (size_t k = 0; k < kinds[i]->n_fields; k++)
                        if (field_is_indexed(&kinds[i]->fields[k]))
                                t->fields[t->n_fields++].field = &kinds[i]->fields[k];
        }
        *ret = TAKE(m);
        return 0;
}

Model *model_free(Model *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; m->tables && i < n_kinds; i++) {
                KindTable *t = &m->tables[i];

                for (size_t k = 0; k < t->by_id.n; k++)
                        (void) object_free((Object *) t->by_id.items[k]);
                free(t->by_id.items);
                for (size_t k = 0; k < t->n_fields; k++)
                        free(t->fields[k].items);
                free(t->fields);
        }
        free(m->tables);
        for (size_t i = 0; i < m->n_networks; i++)
                free(m->networks[i].bits);
        free(m->networks);
        for (size_t i = 0; i < m->n_tombstones; i++)
                free(m->tombstones[i]);
        free(m->tombstones);
        return mfree(m);
}

uint64_t model_revision(const Model *m) {
        return m->revision;
}

void model_set_revision(Model *m, uint64_t revision) {
        m->revision = revision;
}

const KindTable *model_table(const Model *m, const Kind *kind) {
        for (size_t i = 0; i < n_kinds; i++)
                if (m->tables[i].kind == kind)
                        return &m->tables[i];
        return NULL;
}

static const ModelIndex *field_index(const KindTable *t, const char *name) {
        for (size_t i = 0; i < t->n_fields; i++)
                if (streq(t->fields[i].field->name, name))
                        return &t->fields[i];
        return NULL;
}

const Object *model_get(const Model *m, const Kind *kind, const char *id) {
        const KindTable *t = model_table(m, kind);
        size_t i;

        if (!id)
                return NULL;
        i = index_lower(&t->by_id, NULL, id);
        return i < t->by_id.n && streq(t->by_id.items[i]->id, id) ? t->by_id.items[i] : NULL;
}

const Object *model_index_find(const Model *m, const ModelIndex *index, const void *value) {
        size_t i;

        if (!value_present(index->field, value))
                return NULL;
        i = index_lower(index, value, NULL);
        return index_at(index, i, value) ? index->items[i] : NULL;
}

static const Object *find_by_name(const KindTable *t, const char *name) {
        const ModelIndex *index = field_index(t, "name");
        size_t i;

        if (!index || *name == 0)
                return NULL;
        i = index_lower(index, &name, NULL);
        if (!index_at(index, i, &name) || index_at(index, i + 1, &name))
                return NULL;
        return index->items[i];
}

#define ID_ABBREVIATION_MIN 8

const Object *model_find(const Model *m, const Kind *kind, const char *id_or_name) {
        const KindTable *t = model_table(m, kind);
        size_t len = strlen(id_or_name), i;
        const Object *o;

        o = model_get(m, kind, id_or_name);
        if (!o)
                o = find_by_name(t, id_or_name);
        if (o || len < ID_ABBREVIATION_MIN)
                return o;
        i = index_lower(&t->by_id, NULL, id_or_name);
        if (i >= t->by_id.n || strncmp(t->by_id.items[i]->id, id_or_name, len) != 0)
                return NULL;
        if (i + 1 < t->by_id.n && strncmp(t->by_id.items[i + 1]->id, id_or_name, len) == 0)
                return NULL;
        return t->by_id.items[i];
}

size_t model_count(const Model *m, const Kind *kind) {
        return model_table(m, kind)->by_id.n;
}

const Object *model_next(const Model *m, const Kind *kind, const char *after) {
        const KindTable *t = model_table(m, kind);
        size_t i = 0;

        if (after) {
                i = index_lower(&t->by_id, NULL, after);
                if (i < t->by_id.n && streq(t->by_id.items[i]->id, after))
                        i++;
        }
        return i < t->by_id.n ? t->by_id.items[i] : NULL;
}

int model_field_referrers(const ModelIndex *index, const char *id,
                          int (*callback)(const Object *o, void *userdata), void *userdata) {
        int r;

        for (size_t i = index_lower(index, &id, NULL); index_at(index, i, &id); i++) {
                r = callback(index->items[i], userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

int model_referrers(const Model *m, const Kind *kind, const char *id,
                    int (*callback)(const Object *o, void *userdata), void *userdata) {
        const KindTable *t = model_table(m, kind);
        int r;

        for (size_t k = 0; k < t->n_fields; k++) {
                if (t->fields[k].field->type != FIELD_REF)
                        continue;
                r = model_field_referrers(&t->fields[k], id, callback, userdata);
                if (r != 0)
                        return r;
        }
        return 0;
}

static const Object *find_by_field(const Model *m, const Kind *kind, const char *field, const void *value) {
        const ModelIndex *index = field_index(model_table(m, kind), field);

        return index ? model_index_find(m, index, value) : NULL;
}

const Node *model_node_by_identity(const Model *m, const PublicKey *identity) {
        const Object *o = find_by_field(m, &kind_node, "identity", identity);

        return o ? node_of(o) : NULL;
}

const Node *model_node_by_wg_key(const Model *m, const PublicKey *wg_key) {
        const Object *o = find_by_field(m, &kind_node, "wg_key", wg_key);

        return o ? node_of(o) : NULL;
}

const User *model_user_by_token_id(const Model *m, const char *token_id) {
        /* Administrators are few, and their tokens' ids no secret. */
        for (const Object *o = model_next(m, &kind_user, NULL); o; o = model_next(m, &kind_user, o->id))
                if (streq_ptr(user_of(o)->token_id, token_id))
                        return user_of(o);
        return NULL;
}

static const Object *other_node(const ModelIndex *index, const Prefix *key, const char *but_node) {
        for (size_t i = index_lower(index, key, NULL); index_at(index, i, key); i++) {
                const SitePrefix *p = prefix_of(index->items[i]);

                if (!but_node || !streq_ptr(p->node, but_node))
                        return index->items[i];
        }
        return NULL;
}

static bool network_overlaps(const Network *n, const Prefix *p) {
        return (n->prefix4.address.family != 0 && prefix_overlaps(&n->prefix4, p)) ||
               (n->prefix6.address.family != 0 && prefix_overlaps(&n->prefix6, p));
}

const Object *model_overlapping_prefix(const Model *m, const Prefix *p, const char *but_node) {
        const ModelIndex *index = field_index(model_table(m, &kind_prefix), "prefix");
        const Object *o;

        for (o = model_next(m, &kind_network, NULL); o; o = model_next(m, &kind_network, o->id))
                if (network_overlaps(network_of(o), p))
                        return o;
        /* Those that contain it: one look-up for each length. */
        for (unsigned length = 0; length < p->length; length++) {
                Prefix outer = *p;

                outer.length = (uint8_t) length;
                prefix_mask(&outer);
                o = other_node(index, &outer, but_node);
                if (o)
                        return o;
        }
        /* Itself and those inside: they follow it in the order. */
        for (size_t i = index_lower(index, p, NULL); i < index->n; i++) {
                const SitePrefix *inner = prefix_of(index->items[i]);

                if (!prefix_contains(p, &inner->prefix))
                        break;
                if (!but_node || !streq_ptr(inner->node, but_node))
                        return index->items[i];
        }
        return NULL;
}

/* Numbers of nodes within a network. */

static NetworkState *network_state(const Model *m, const char *id) {
        for (size_t i = 0; i < m->n_networks; i++)
                if (streq(m->networks[i].id, id))
                        return &m->networks[i];
        return NULL;
}

static int network_state_make(Model *m, const char *id, NetworkState **ret) {
        NetworkState *s = network_state(m, id);
        int r;

        if (!s) {
                r = array_reserve(&m->networks, &m->networks_allocated, m->n_networks + 1,
                                  sizeof(NetworkState), 8);
                if (r < 0)
                        return r;
                s = &m->networks[m->n_networks++];
                *s = (NetworkState) { 0 };
                (void) snprintf(s->id, sizeof(s->id), "%s", id);
        }
        *ret = s;
        return 0;
}

static int network_state_reserve(NetworkState *s, uint64_t index) {
        size_t words = (size_t) (index / 64) + 1;
        uint64_t *bits;

        if (words <= s->n_words)
                return 0;
        bits = reallocarray(s->bits, words, sizeof(uint64_t));
        if (!bits)
                return -ENOMEM;
        memset(bits + s->n_words, 0, (words - s->n_words) * sizeof(uint64_t));
        s->bits = bits;
        s->n_words = words;
        return 0;
}

static bool index_is_given(const NetworkState *s, uint64_t index) {
        return s && index / 64 < s->n_words && (s->bits[index / 64] >> (index % 64) & 1) != 0;
}

static void network_state_set(Model *m, const Node *n, bool given) {
        NetworkState *s = n->network ? network_state(m, n->network) : NULL;

        if (!s)
                return;
        if (n->index / 64 < s->n_words) {
                uint64_t bit = UINT64_C(1) << (n->index % 64);

                s->bits[n->index / 64] =
                                given ? s->bits[n->index / 64] | bit : s->bits[n->index / 64] & ~bit;
                s->highest = MAX(s->highest, n->index);
        }
        if (n->hub_slot >= 1 && n->hub_slot <= HUB_SLOT_MAX) {
                uint64_t bit = UINT64_C(1) << (n->hub_slot - 1);

                s->slots = given ? s->slots | bit : s->slots & ~bit;
                s->highest_slot = MAX(s->highest_slot, n->hub_slot);
        }
}

/* The highest number whose address is in the range: not the last address of an IPv4 range, which is its
 * broadcast. */
static uint64_t range_limit(const Prefix *p) {
        unsigned bits;

        if (p->address.family == 0)
                return NODE_INDEX_MAX;
        bits = (unsigned) address_bits(&p->address) - p->length;
        if (bits >= 21)
                return NODE_INDEX_MAX;
        if (p->address.family == AF_INET)
                return bits < 2 ? 0 : (UINT64_C(1) << bits) - 2;
        return (UINT64_C(1) << bits) - 1;
}

uint64_t model_next_index(const Model *m, const Network *n) {
        const NetworkState *s = network_state(m, n->object.id);
        uint64_t limit = MIN(MIN(range_limit(&n->prefix4), range_limit(&n->prefix6)),
                             (uint64_t) NODE_INDEX_MAX);

        if (!s)
                return limit >= 1 ? 1 : 0;
        if (s->highest < limit)
                return s->highest + 1;
        for (uint64_t i = 1; i <= limit; i++) {
                if (i % 64 == 0 && i / 64 < s->n_words && s->bits[i / 64] == UINT64_MAX) {
                        i += 63;
                        continue;
                }
                if (!index_is_given(s, i))
                        return i;
        }
        return 0;
}

uint64_t model_next_hub_slot(const Model *m, const Network *n) {
        const NetworkState *s = network_state(m, n->object.id);

        if (!s)
                return 1;
        if (s->highest_slot < HUB_SLOT_MAX)
                return s->highest_slot + 1;
        for (uint64_t i = 1; i <= HUB_SLOT_MAX; i++)
                if ((s->slots >> (i - 1) & 1) == 0)
                        return i;
        return 0;
}

/* Tombstones */

static size_t tombstone_lower(const Model *m, const char *key) {
        size_t low = 0, high = m->n_tombstones;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(m->tombstones[middle], key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool model_is_tombstoned(const Model *m, const char *key) {
        size_t i = tombstone_lower(m, key);

        return i < m->n_tombstones && streq(m->tombstones[i], key);
}

int model_add_tombstone(Model *m, const char *key) {
        size_t i = tombstone_lower(m, key);
        char *copy;
        int r;

        if (i < m->n_tombstones && streq(m->tombstones[i], key))
                return 0;
        r = array_reserve(&m->tombstones, &m->tombstones_allocated, m->n_tombstones + 1, sizeof(char *), 8);
        if (r < 0)
                return r;
        copy = strdup(key);
        if (!copy)
                return -ENOMEM;
        memmove(m->tombstones + i + 1, m->tombstones + i, (m->n_tombstones - i) * sizeof(char *));
        m->tombstones[i] = copy;
        m->n_tombstones++;
        return 0;
}

int model_swap(Model *m, const Object *before, Object *after) {
        KindTable *t = (KindTable *) model_table(m, (after ? after : before)->kind);
        NetworkState *s = NULL;
        int r;

        if (after) {
                /* Everything that can fail first. */
                r = array_reserve(&t->by_id.items, &t->by_id.allocated, t->by_id.n + 1, sizeof(Object *),
                                  16);
                for (size_t i = 0; i < t->n_fields && r >= 0; i++)
                        r = array_reserve(&t->fields[i].items, &t->fields[i].allocated, t->fields[i].n + 1,
                                          sizeof(Object *), 16);
                if (r >= 0 && after->kind == &kind_node && node_of(after)->network) {
                        r = network_state_make(m, node_of(after)->network, &s);
                        if (r >= 0)
                                r = network_state_reserve(s, node_of(after)->index);
                }
                if (r < 0)
                        return r;
        }
        if (before) {
                index_remove(&t->by_id, before);
                for (size_t i = 0; i < t->n_fields; i++)
                        index_remove(&t->fields[i], before);
                if (before->kind == &kind_node)
                        network_state_set(m, node_of(before), false);
        }
        if (after) {
                index_insert(&t->by_id, after);
                for (size_t i = 0; i < t->n_fields; i++)
                        index_insert(&t->fields[i], after);
                if (after->kind == &kind_node)
                        network_state_set(m, node_of(after), true);
        }
        (void) object_free((Object *) before);
        return 0;
}
