/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <inttypes.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "schema/field.h"

size_t field_n_items(const Field *f, const Object *o) {
        const void *p = field_pointer(o, f);

        if (f->type == FIELD_STRV)
                return strv_length(*(char **const *) p);
        if (f->type == FIELD_PREFIX_LIST)
                return ((const PrefixList *) p)->n;
        return field_is_absent(f, o) ? 0 : 1;
}

static int append_b64(Buffer *b, const PublicKey *key) {
        char text[B64_SIZE(KEY_SIZE)];

        b64_encode(key->bytes, KEY_SIZE, text);
        return buffer_append_str(b, text);
}

static int append_hex(Buffer *b, const Digest *digest) {
        char text[2 * DIGEST_SIZE + 1];

        hex_encode(digest->bytes, DIGEST_SIZE, text);
        return buffer_append_str(b, text);
}

static int append_enum(Buffer *b, const Field *f, int v) {
        for (int i = 0; f->values[i]; i++)
                if (i == v)
                        return buffer_append_str(b, f->values[i]);
        return -EINVAL; /* nothing that was read from outside */
}

int field_item_to_text(const Field *f, const Object *o, size_t i, Buffer *b) {
        const void *p = field_pointer(o, f);
        char address[ADDRESS_STRING_MAX], prefix[PREFIX_STRING_MAX], time[TIME_STRING_MAX];

        switch (f->type) {
        case FIELD_STRING:
        case FIELD_REF:
                return buffer_append_str(b, strempty(*(char *const *) p));
        case FIELD_U64:
                return buffer_appendf(b, "%" PRIu64, *(const uint64_t *) p);
        case FIELD_BOOL:
                return buffer_append_str(b, *(const bool *) p ? "true" : "false");
        case FIELD_ENUM:
                return append_enum(b, f, *(const int *) p);
        case FIELD_TIME:
                return buffer_append_str(b, time_format(*(const uint64_t *) p, time));
        case FIELD_ADDRESS:
                return buffer_append_str(b, address_format(p, address));
        case FIELD_PREFIX:
                return buffer_append_str(b, prefix_format(p, prefix));
        case FIELD_PREFIX_LIST:
                return buffer_append_str(b, prefix_format(&((const PrefixList *) p)->items[i], prefix));
        case FIELD_STRV:
                return buffer_append_str(b, (*(char **const *) p)[i]);
        case FIELD_KEY:
                return append_b64(b, p);
        case FIELD_DIGEST:
                return append_hex(b, p);
        }
        return -EINVAL;
}

int field_to_text(const Field *f, const Object *o, char **ret) {
        _cleanup_buffer_ Buffer b = { 0 };
        int r;

        r = buffer_reserve(&b, 1);
        for (size_t i = 0; i < field_n_items(f, o) && r >= 0; i++) {
                if (i > 0)
                        r = buffer_append_str(&b, ",");
                if (r >= 0)
                        r = field_item_to_text(f, o, i, &b);
        }
        if (r < 0)
                return r;
        *ret = (char *) b.data;
        b = (Buffer) { 0 };
        return 0;
}

/* In a list a comma would make two items of one as soon as it is written as text. */
static int check_string(const Field *f, const char *s, FieldError *ret_error) {
        size_t len = strlen(s), min = MAX(f->min, 1U), max = field_max_bytes(f);

        if (len < min || len > max)
                return field_error(ret_error, f->name, "must have %zu to %zu bytes", min, max);
        if (!utf8_is_valid(s, len) || !str_is_printable(s))
                return field_error(ret_error, f->name, "must not contain control characters");
        if (f->type == FIELD_STRV && strchr(s, ','))
                return field_error(ret_error, f->name, "must not contain a comma");
        return 0;
}

static int set_string(const Field *f, char **p, const char *text, FieldError *ret_error) {
        char *copy;
        int r;

        r = check_string(f, text, ret_error);
        if (r < 0)
                return r;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*p);
        *p = copy;
        return 0;
}

static int set_ref(const Field *f, char **p, const char *text, FieldError *ret_error) {
        size_t len = strlen(text);
        char *copy;

        if ((len != 16 && len != OBJECT_ID_MAX - 1) || strspn(text, "0123456789abcdef") != len)
                return field_error(ret_error, f->name, "must be the id of a %s", f->ref);
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*p);
        *p = copy;
        return 0;
}

static int set_enum(const Field *f, int *p, const char *text, FieldError *ret_error) {
        _cleanup_buffer_ Buffer b = { 0 };

        for (int i = 0; f->values[i]; i++) {
                if (streq(f->values[i], text)) {
                        *p = i;
                        return 0;
                }
                if (buffer_appendf(&b, "%s%s", i > 0 ? ", " : "", f->values[i]) < 0)
                        return -ENOMEM;
        }
        return field_error(ret_error, f->name, "must be one of: %s", (char *) b.data);
}

static int set_time(const Field *f, uint64_t *p, const char *text, FieldError *ret_error) {
        uint64_t v;

        if (time_parse(text, &v) < 0 || v == 0)
                return field_error(ret_error, f->name, "must be a time in UTC like 2026-11-22T07:42:37Z");
        *p = v;
        return 0;
}

static int set_address(const Field *f, Address *p, const char *text, FieldError *ret_error) {
        if (address_parse(text, p) < 0)
                return field_error(ret_error, f->name, "must be an IPv4 or IPv6 address");
        return 0;
}

static int set_prefix(const Field *f, Prefix *p, const char *text, FieldError *ret_error) {
        int r = prefix_parse(text, p);

        if (r == -EADDRNOTAVAIL)
                return field_error(ret_error, f->name, "has bits set behind its length");
        if (r < 0)
                return field_error(ret_error, f->name,
                                   "must be an address range like 10.1.0.0/16 or fd00:1::/48");
        return 0;
}

static int add_prefix(const Field *f, PrefixList *l, const char *text, FieldError *ret_error) {
        Prefix p, *items;
        int r;

        if (l->n >= field_max_items(f))
                return field_error(ret_error, f->name, "must have at most %zu items", field_max_items(f));
        r = set_prefix(f, &p, text, ret_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < l->n; i++)
                if (prefix_equal(&l->items[i], &p))
                        return field_error(ret_error, f->name, "names the same range twice");
        items = reallocarray(l->items, l->n + 1, sizeof(Prefix));
        if (!items)
                return -ENOMEM;
        items[l->n++] = p;
        l->items = items;
        return 0;
}

static int add_string(const Field *f, char ***l, const char *text, FieldError *ret_error) {
        int r;

        if (strv_length(*l) >= field_max_items(f))
                return field_error(ret_error, f->name, "must have at most %zu items", field_max_items(f));
        r = check_string(f, text, ret_error);
        if (r < 0)
                return r;
        if (strv_contains(*l, text))
                return field_error(ret_error, f->name, "names the same item twice");
        return strv_append(l, text);
}

static int set_key(const Field *f, PublicKey *p, const char *text, FieldError *ret_error) {
        PublicKey key, none = { 0 };

        if (b64_decode_exact(text, key.bytes, KEY_SIZE) < 0 || memcmp(&key, &none, sizeof(key)) == 0)
                return field_error(ret_error, f->name, "must be a public key: 44 characters of base64");
        *p = key;
        return 0;
}

static int set_digest(const Field *f, Digest *p, const char *text, FieldError *ret_error) {
        Digest digest;

        if (hex_decode(text, digest.bytes, DIGEST_SIZE) < 0)
                return field_error(ret_error, f->name, "must be 64 hexadecimal digits");
        *p = digest;
        return 0;
}

int field_add_text(const Field *f, Object *o, const char *text, FieldError *ret_error) {
        void *p = field_pointer(o, f);

        switch (f->type) {
        case FIELD_STRING:
                return set_string(f, p, text, ret_error);
        case FIELD_REF:
                return set_ref(f, p, text, ret_error);
        case FIELD_ENUM:
                return set_enum(f, p, text, ret_error);
        case FIELD_TIME:
                return set_time(f, p, text, ret_error);
        case FIELD_ADDRESS:
                return set_address(f, p, text, ret_error);
        case FIELD_PREFIX:
                return set_prefix(f, p, text, ret_error);
        case FIELD_PREFIX_LIST:
                return add_prefix(f, p, text, ret_error);
        case FIELD_STRV:
                return add_string(f, p, text, ret_error);
        case FIELD_KEY:
                return set_key(f, p, text, ret_error);
        case FIELD_DIGEST:
                return set_digest(f, p, text, ret_error);
        case FIELD_U64:
        case FIELD_BOOL:
                break;
        }
        return -EINVAL;
}

int field_set_u64(const Field *f, Object *o, uint64_t v, FieldError *ret_error) {
        if (v < f->min || v > field_max_value(f))
                return field_error(ret_error, f->name, "must be a whole number from %" PRIu64 " to %" PRIu64,
                                   f->min, field_max_value(f));
        *(uint64_t *) field_pointer(o, f) = v;
        return 0;
}

static int parse_bool(const char *text, bool *ret) {
        if (streq(text, "true") || streq(text, "yes")) {
                *ret = true;
                return 0;
        }
        if (streq(text, "false") || streq(text, "no")) {
                *ret = false;
                return 0;
        }
        return -EINVAL;
}

int field_set_text(const Field *f, Object *o, const char *text, FieldError *ret_error) {
        _cleanup_(strv_freep) char **items = NULL;
        uint64_t v;
        int r;

        field_clear(f, o);
        if (!*text)
                return 0;
        if (f->type == FIELD_U64) {
                if (parse_u64(text, UINT64_MAX, &v) < 0)
                        return field_error(ret_error, f->name, "must be a whole number");
                return field_set_u64(f, o, v, ret_error);
        }
        if (f->type == FIELD_BOOL) {
                if (parse_bool(text, field_pointer(o, f)) < 0)
                        return field_error(ret_error, f->name, "must be true or false");
                return 0;
        }
        if (!field_is_list(f))
                return field_add_text(f, o, text, ret_error);

        r = strv_split(text, ",", &items);
        STRV_FOREACH (s, items) {
                r = field_add_text(f, o, *s, ret_error);
                if (r < 0)
                        break;
        }
        return r;
}

static int text_to_array(const char *text, json_object **ret) {
        _cleanup_(strv_freep) char **items = NULL;
        _cleanup_json_ json_object *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        r = strv_split(text, ",", &items);
        if (r < 0)
                return r;
        STRV_FOREACH (s, items) {
                r = json_append(array, json_object_new_string(*s));
                if (r < 0)
                        return r;
        }
        *ret = TAKE(array);
        return 0;
}

int field_text_to_json(const Field *f, const char *text, json_object **ret, FieldError *ret_error) {
        json_object *o;
        uint64_t v;
        bool b;

        if (!*text) {
                *ret = NULL;
                return 0;
        }
        if (!utf8_is_valid(text, strlen(text)))
                return field_error(ret_error, f->name, "must be UTF-8");
        if (field_is_list(f))
                return text_to_array(text, ret);
        if (f->type == FIELD_U64) {
                if (parse_u64(text, UINT64_MAX, &v) < 0)
                        return field_error(ret_error, f->name, "must be a whole number");
                o = json_object_new_uint64(v);
        } else if (f->type == FIELD_BOOL) {
                if (parse_bool(text, &b) < 0)
                        return field_error(ret_error, f->name, "must be true or false");
                o = json_object_new_boolean(b);
        } else
                o = json_object_new_string(text);
        if (!o)
                return -ENOMEM;
        *ret = o;
        return 0;
}
