/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/membership.h"

#include "base/fileio.h"
#include "base/strutil.h"
#include "json/json.h"

#define MEMBERSHIP_FILE "membership.json"
#define MEMBERSHIP_BYTES_MAX (256 * 1024)

typedef struct Record {
        const char *controller_id, *key_document, *node_id, *name, *network, *address4, *address6;
        Digest root_keys;
        char **urls, **pins;
        bool hub, pending, revoked;
        uint64_t epoch;
} Record;

static const JsonField record_fields[] = {
        { "controller_id", JSON_FIELD_STRING, offsetof(Record, controller_id), JSON_REQUIRED },
        { "root_keys", JSON_FIELD_B64URL_32, offsetof(Record, root_keys), JSON_REQUIRED },
        { "ca_pins", JSON_FIELD_STRV, offsetof(Record, pins), JSON_REQUIRED },
        { "urls", JSON_FIELD_STRV, offsetof(Record, urls), JSON_REQUIRED },
        { "key_document", JSON_FIELD_STRING, offsetof(Record, key_document), JSON_REQUIRED },
        { "controller_epoch", JSON_FIELD_U64, offsetof(Record, epoch), JSON_REQUIRED },
        { "node_id", JSON_FIELD_STRING, offsetof(Record, node_id), JSON_REQUIRED },
        { "name", JSON_FIELD_STRING, offsetof(Record, name), JSON_REQUIRED },
        { "network", JSON_FIELD_STRING, offsetof(Record, network), JSON_REQUIRED },
        { "hub", JSON_FIELD_BOOL, offsetof(Record, hub), JSON_REQUIRED },
        { "pending", JSON_FIELD_BOOL, offsetof(Record, pending), JSON_REQUIRED },
        { "revoked", JSON_FIELD_BOOL, offsetof(Record, revoked), JSON_REQUIRED },
        { "address4", JSON_FIELD_STRING, offsetof(Record, address4), JSON_NULLABLE },
        { "address6", JSON_FIELD_STRING, offsetof(Record, address6), JSON_NULLABLE },
};

Membership *membership_free(Membership *m) {
        if (!m)
                return NULL;
        strv_free(m->urls);
        free(m->key_document);
        keydoc_done(&m->keys);
        free(m->node_id);
        free(m->name);
        free(m->network);
        return mfree(m);
}

static KeyDocTrust membership_trust(const Membership *m) {
        return (KeyDocTrust) {
                .controller_id = m->controller_id,
                .root_keys = m->root_keys,
                .ca_pins = m->ca_pins,
                .n_ca_pins = m->n_ca_pins,
                .min_serial = m->keys.serial,
        };
}

int membership_set_key_document(Membership *m, const char *json, size_t len, const char **ret_reason) {
        KeyDocTrust trust = membership_trust(m);
        char *copy;
        KeyDoc k;
        int r;

        r = keydoc_verify(json, len, &trust, &k, ret_reason);
        if (r < 0)
                return r;
        copy = strndup(json, len);
        if (!copy) {
                keydoc_done(&k);
                return -ENOMEM;
        }
        free(m->key_document);
        m->key_document = copy;
        keydoc_done(&m->keys);
        m->keys = k;
        return 0;
}

static int from_record(const Record *record, Membership *m) {
        const char *reason;

        if (strlen(record->controller_id) != CONTROLLER_ID_SIZE - 1 ||
            strv_length(record->pins) > TOKEN_PINS_MAX || strv_length(record->urls) == 0 ||
            strv_length(record->urls) > TOKEN_URLS_MAX)
                return -EBADMSG;
        memcpy(m->controller_id, record->controller_id, CONTROLLER_ID_SIZE);
        m->root_keys = record->root_keys;
        STRV_FOREACH (s, record->pins)
                if (b64url_decode_exact(*s, m->ca_pins[m->n_ca_pins++].bytes, DIGEST_SIZE) < 0)
                        return -EBADMSG;
        if ((record->address4 && address_parse(record->address4, &m->address4) < 0) ||
            (record->address6 && address_parse(record->address6, &m->address6) < 0))
                return -EBADMSG;
        m->hub = record->hub;
        m->pending = record->pending;
        m->revoked = record->revoked;
        m->controller_epoch = record->epoch;
        m->node_id = strdup(record->node_id);
        m->name = strdup(record->name);
        m->network = strdup(record->network);
        if (!m->node_id || !m->name || !m->network || strv_copy(record->urls, &m->urls) < 0)
                return -ENOMEM;
        return membership_set_key_document(m, record->key_document, strlen(record->key_document), &reason) <
                                               0
                               ? -EBADMSG
                               : 0;
}

int membership_load(const char *directory, Membership **ret) {
        _cleanup_(membership_freep) Membership *m = new(Membership);
        _cleanup_free_ char *path = str_printf("%s/" MEMBERSHIP_FILE, directory);
        _cleanup_free_ uint8_t *text = NULL;
        _cleanup_json_ json_object *o = NULL;
        Record record = { 0 };
        size_t len = 0;
        int r;

        if (!m || !path)
                return -ENOMEM;
        r = file_read_secret(path, MEMBERSHIP_BYTES_MAX, &text, &len);
        if (r < 0)
                return r;
        if (json_parse((char *) text, len, 0, NULL, &o) < 0)
                return -EBADMSG;
        r = json_dispatch(o, record_fields, ELEMENTSOF(record_fields), true, &record, NULL);
        r = r < 0 ? -EBADMSG : from_record(&record, m);
        strv_free(record.urls);
        strv_free(record.pins);
        if (r < 0)
                return r;
        *ret = TAKE(m);
        return 0;
}

static int add_addresses(json_object *o, const Membership *m) {
        char text[ADDRESS_STRING_MAX];
        int r;

        r = json_add_string(o, "address4",
                            m->address4.family == 0 ? NULL : address_format(&m->address4, text));
        if (r < 0)
                return r;
        return json_add_string(o, "address6",
                               m->address6.family == 0 ? NULL : address_format(&m->address6, text));
}

static int to_json(const Membership *m, json_object *o) {
        _cleanup_(strv_freep) char **pins = NULL;
        int r;

        for (size_t i = 0; i < m->n_ca_pins; i++) {
                _cleanup_free_ char *text = NULL;

                r = b64url_encode(m->ca_pins[i].bytes, DIGEST_SIZE, &text);
                if (r >= 0)
                        r = strv_append(&pins, text);
                if (r < 0)
                        return r;
        }
        if (json_add_string(o, "controller_id", m->controller_id) < 0 ||
            json_add_b64url(o, "root_keys", m->root_keys.bytes, DIGEST_SIZE) < 0 ||
            json_add_strv(o, "ca_pins", pins) < 0 || json_add_strv(o, "urls", m->urls) < 0 ||
            json_add_string(o, "key_document", m->key_document) < 0 ||
            json_add_u64(o, "controller_epoch", m->controller_epoch) < 0 ||
            json_add_string(o, "node_id", m->node_id) < 0 || json_add_string(o, "name", m->name) < 0 ||
            json_add_string(o, "network", m->network) < 0 || json_add_bool(o, "hub", m->hub) < 0 ||
            json_add_bool(o, "pending", m->pending) < 0 || json_add_bool(o, "revoked", m->revoked) < 0)
                return -ENOMEM;
        return add_addresses(o, m);
}

int membership_save(const char *directory, const Membership *m) {
        _cleanup_free_ char *path = str_printf("%s/" MEMBERSHIP_FILE, directory), *text = NULL;
        _cleanup_json_ json_object *o = json_object_new_object();
        size_t len = 0;
        int r;

        if (!path || !o)
                return -ENOMEM;
        r = to_json(m, o);
        if (r < 0)
                return r;
        text = json_format(o, &len);
        if (!text)
                return -ENOMEM;
        return file_write_atomic(path, text, len, 0600);
}

int membership_erase(const char *directory) {
        _cleanup_free_ char *path = str_printf("%s/" MEMBERSHIP_FILE, directory);

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
