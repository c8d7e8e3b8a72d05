/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <inttypes.h>

#include "base/strutil.h"
#include "overlay/items.h"

#define CONTROLLER_ID_DIGITS 32

void batch_done(Batch *b) {
        free(b->controller_id);
        free(b->topic);
        for (size_t i = 0; i < b->n_items; i++) {
                free(b->items[i].id);
                json_object_put(b->items[i].data);
        }
        free(b->items);
        *b = (Batch) { 0 };
}

bool item_id_is_valid(const char *id) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789/:._-";
        size_t len = strlen(id);

        return len > 0 && len < ITEM_ID_MAX && strspn(id, allowed) == len;
}

static bool controller_id_is_valid(const char *s) {
        return strlen(s) == CONTROLLER_ID_DIGITS && strspn(s, "0123456789abcdef") == CONTROLLER_ID_DIGITS;
}

static bool topic_is_valid(const char *s) {
        char owner[OBJECT_ID_MAX];
        TopicClass class;

        return topic_parse(s, &class, owner) >= 0;
}

/* ---- writing ---- */

static int append_item(Buffer *b, const char *separator, const char *id, uint64_t revision,
                       const char *data) {
        int r;

        r = buffer_appendf(b, "%s{\"id\":\"%s\",\"rev\":%" PRIu64 ",\"d\":", separator, id, revision);
        if (r >= 0)
                r = buffer_append_str(b, data ?: "null");
        if (r >= 0)
                r = buffer_append_str(b, "}");
        return r;
}

int batch_text_to_json(const Batch *head, const BatchText *items, size_t n_items, char **ret,
                       size_t *ret_len) {
        _cleanup_buffer_ Buffer b = { 0 };
        int r;

        if (!controller_id_is_valid(head->controller_id) || !topic_is_valid(head->topic))
                return -EINVAL;
        r = buffer_appendf(&b,
                           "{\"type\":\"batch\",\"controller_id\":\"%s\",\"epoch\":%" PRIu64
                           ",\"topic\":\"%s\",\"from\":%" PRIu64 ",\"to\":%" PRIu64
                           ",\"snapshot\":%s,\"items\":[",
                           head->controller_id, head->epoch, head->topic, head->from, head->to,
                           head->snapshot ? "true" : "false");
        for (size_t i = 0; r >= 0 && i < n_items; i++) {
                if (!item_id_is_valid(items[i].id))
                        return -EINVAL;
                r = append_item(&b, i > 0 ? "," : "", items[i].id, items[i].revision, items[i].data);
        }
        if (r >= 0)
                r = buffer_append_str(&b, "]}");
        if (r < 0)
                return r;
        *ret_len = b.len;
        *ret = (char *) TAKE(b.data);
        return 0;
}

static void texts_free(char **texts, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(texts[i]);
        free(texts);
}

int batch_to_json(const Batch *b, char **ret, size_t *ret_len) {
        _cleanup_free_ BatchText *items = new0(BatchText, b->n_items + 1);
        char **texts = new0(char *, b->n_items + 1);
        int r = items && texts ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < b->n_items; i++) {
                size_t len;

                items[i] = (BatchText) { .id = b->items[i].id, .revision = b->items[i].revision };
                if (!b->items[i].data)
                        continue;
                texts[i] = json_format(b->items[i].data, &len);
                if (!texts[i])
                        r = -ENOMEM;
                items[i].data = texts[i];
        }
        if (r >= 0)
                r = batch_text_to_json(b, items, b->n_items, ret, ret_len);
        if (texts)
                texts_free(texts, b->n_items);
        return r;
}

/* ---- reading ---- */

typedef struct RawBatch {
        const char *type, *controller_id, *topic;
        uint64_t epoch, from, to;
        bool snapshot;
        json_object *items;
} RawBatch;

static const JsonField batch_fields[] = {
        { "type", JSON_FIELD_STRING, offsetof(RawBatch, type), JSON_REQUIRED },
        { "controller_id", JSON_FIELD_STRING, offsetof(RawBatch, controller_id), JSON_REQUIRED },
        { "epoch", JSON_FIELD_U64, offsetof(RawBatch, epoch), JSON_REQUIRED },
        { "topic", JSON_FIELD_STRING, offsetof(RawBatch, topic), JSON_REQUIRED },
        { "from", JSON_FIELD_U64, offsetof(RawBatch, from), JSON_REQUIRED },
        { "to", JSON_FIELD_U64, offsetof(RawBatch, to), JSON_REQUIRED },
        { "snapshot", JSON_FIELD_BOOL, offsetof(RawBatch, snapshot), JSON_REQUIRED },
        { "items", JSON_FIELD_ARRAY, offsetof(RawBatch, items), JSON_REQUIRED },
};

typedef struct RawBatchItem {
        const char *id;
        uint64_t revision;
        json_object *data;
} RawBatchItem;

static const JsonField batch_item_fields[] = {
        { "id", JSON_FIELD_STRING, offsetof(RawBatchItem, id), JSON_REQUIRED },
        { "rev", JSON_FIELD_U64, offsetof(RawBatchItem, revision), JSON_REQUIRED },
        { "d", JSON_FIELD_ANY, offsetof(RawBatchItem, data), JSON_REQUIRED },
};

static int bad(const char *reason, const char **ret_reason) {
        if (ret_reason)
                *ret_reason = reason;
        return -EBADMSG;
}

static int read_item(json_object *o, const Batch *b, uint64_t previous, BatchItem *ret,
                     const char **ret_reason) {
        RawBatchItem raw = { 0 };
        int r;

        if (!o || !json_object_is_type(o, json_type_object))
                return bad("malformed item", ret_reason);
        r = json_dispatch(o, batch_item_fields, ELEMENTSOF(batch_item_fields), false, &raw, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return bad("malformed item", ret_reason);
        if (!item_id_is_valid(raw.id))
                return bad("item id", ret_reason);
        if (raw.data && !json_object_is_type(raw.data, json_type_object))
                return bad("item data", ret_reason);
        if (raw.revision < previous || raw.revision > b->to || (!b->snapshot && raw.revision <= b->from))
                return bad("item revision", ret_reason);
        ret->id = strdup(raw.id);
        if (!ret->id)
                return -ENOMEM;
        ret->revision = raw.revision;
        ret->data = json_object_get(raw.data);
        return 0;
}

static int compare_ids(const void *a, const void *b) {
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int check_unique(const Batch *b, const char **ret_reason) {
        _cleanup_free_ const char **ids = NULL;

        if (b->n_items < 2)
                return 0;
        ids = new0(const char *, b->n_items);
        if (!ids)
                return -ENOMEM;
        for (size_t i = 0; i < b->n_items; i++)
                ids[i] = b->items[i].id;
        qsort(ids, b->n_items, sizeof(*ids), compare_ids);
        for (size_t i = 1; i < b->n_items; i++)
                if (streq(ids[i - 1], ids[i]))
                        return bad("item named twice", ret_reason);
        return 0;
}

static int read_items(json_object *array, Batch *b, const char **ret_reason) {
        size_t n = json_object_array_length(array);
        uint64_t previous = 0;
        int r;

        if (n > BATCH_ITEMS_MAX)
                return bad("too many items", ret_reason);
        b->items = new0(BatchItem, n + 1);
        if (!b->items)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                r = read_item(json_object_array_get_idx(array, i), b, previous, &b->items[i], ret_reason);
                if (r < 0)
                        return r;
                b->n_items = i + 1;
                previous = b->items[i].revision;
        }
        return check_unique(b, ret_reason);
}

static int check_head(const RawBatch *raw, const char **ret_reason) {
        if (!streq(raw->type, "batch"))
                return bad("type", ret_reason);
        if (!controller_id_is_valid(raw->controller_id))
                return bad("controller_id", ret_reason);
        if (!topic_is_valid(raw->topic))
                return bad("topic", ret_reason);
        if (raw->snapshot ? raw->from != 0 : raw->from >= raw->to)
                return bad("from", ret_reason);
        return 0;
}

int batch_from_json(const char *s, size_t len, Batch *ret, const char **ret_reason) {
        _cleanup_json_ json_object *o = NULL;
        _cleanup_(batch_done) Batch b = { 0 };
        RawBatch raw = { 0 };
        JsonError error = { 0 };
        int r;

        r = json_parse(s, len, JSON_TRUSTED_SIZE, &error, &o);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !json_object_is_type(o, json_type_object))
                return bad(error.reason ?: "not an object", ret_reason);
        r = json_dispatch(o, batch_fields, ELEMENTSOF(batch_fields), false, &raw, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return bad("malformed batch", ret_reason);
        r = check_head(&raw, ret_reason);
        if (r < 0)
                return r;
        b.epoch = raw.epoch;
        b.from = raw.from;
        b.to = raw.to;
        b.snapshot = raw.snapshot;
        b.controller_id = strdup(raw.controller_id);
        b.topic = strdup(raw.topic);
        if (!b.controller_id || !b.topic)
                return -ENOMEM;
        r = read_items(raw.items, &b, ret_reason);
        if (r < 0)
                return r;
        *ret = b;
        b = (Batch) { 0 };
        return 0;
}
