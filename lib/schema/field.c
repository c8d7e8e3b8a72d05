/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdarg.h>
#include <stdio.h>

#include "base/strutil.h"
#include "base/timeutil.h"
#include "schema/field.h"

int field_error(FieldError *ret, const char *field, const char *format, ...) {
        size_t len = strlen(field);
        va_list ap;

        if (!ret)
                return -EINVAL;
        if (len >= sizeof(ret->field)) {
                len = sizeof(ret->field) - 1;
                while (len > 0 && ((uint8_t) field[len] & 0xC0) == 0x80) /* not through a character */
                        len--;
        }
        memcpy(ret->field, field, len);
        ret->field[len] = 0;
        va_start(ap, format);
        (void) vsnprintf(ret->detail, sizeof(ret->detail), format, ap);
        va_end(ap);
        return -EINVAL;
}

size_t field_max_items(const Field *f) {
        return f->max_items > 0 ? f->max_items : FIELD_ITEMS_MAX;
}

size_t field_max_bytes(const Field *f) {
        return f->max > 0 ? f->max : FIELD_STRING_MAX;
}

/* SQLite's integers have a sign. */
uint64_t field_max_value(const Field *f) {
        return f->max > 0 ? MIN(f->max, (uint64_t) INT64_MAX) : INT64_MAX;
}

static bool all_zero(const void *data, size_t len) {
        const uint8_t *p = data;
        uint8_t any = 0;

        for (size_t i = 0; i < len; i++)
                any |= p[i];
        return any == 0;
}

bool field_is_absent(const Field *f, const Object *o) {
        const void *p = field_pointer(o, f);

        switch (f->type) {
        case FIELD_STRING:
        case FIELD_REF:
                return !*(char *const *) p;
        case FIELD_TIME:
                return *(const uint64_t *) p == 0;
        case FIELD_ADDRESS:
                return ((const Address *) p)->family == 0;
        case FIELD_PREFIX:
                return ((const Prefix *) p)->address.family == 0;
        case FIELD_STRV:
        case FIELD_PREFIX_LIST:
                return field_n_items(f, o) == 0;
        case FIELD_KEY:
                return all_zero(p, sizeof(PublicKey));
        case FIELD_DIGEST:
                return all_zero(p, sizeof(Digest));
        case FIELD_U64:
        case FIELD_BOOL:
        case FIELD_ENUM:
                break;
        }
        return false;
}

void field_clear(const Field *f, Object *o) {
        void *p = field_pointer(o, f);

        switch (f->type) {
        case FIELD_STRING:
        case FIELD_REF:
                *(char **) p = mfree(*(char **) p);
                break;
        case FIELD_U64:
        case FIELD_TIME:
                *(uint64_t *) p = 0;
                break;
        case FIELD_BOOL:
                *(bool *) p = false;
                break;
        case FIELD_ENUM:
                *(int *) p = 0;
                break;
        case FIELD_ADDRESS:
                *(Address *) p = (Address) { 0 };
                break;
        case FIELD_PREFIX:
                *(Prefix *) p = (Prefix) { 0 };
                break;
        case FIELD_PREFIX_LIST:
                free(((PrefixList *) p)->items);
                *(PrefixList *) p = (PrefixList) { 0 };
                break;
        case FIELD_STRV:
                strv_free(*(char ***) p);
                *(char ***) p = NULL;
                break;
        case FIELD_KEY:
                *(PublicKey *) p = (PublicKey) { 0 };
                break;
        case FIELD_DIGEST:
                *(Digest *) p = (Digest) { 0 };
                break;
        }
}

static int copy_string(char *const *from, char **to) {
        *to = *from ? strdup(*from) : NULL;
        return *from && !*to ? -ENOMEM : 0;
}

static int copy_prefix_list(const PrefixList *from, PrefixList *to) {
        *to = (PrefixList) { 0 };
        if (from->n == 0)
                return 0;
        to->items = new0(Prefix, from->n);
        if (!to->items)
                return -ENOMEM;
        memcpy(to->items, from->items, from->n * sizeof(Prefix));
        to->n = from->n;
        return 0;
}

/* to holds nothing that would have to be freed. */
int field_copy(const Field *f, const Object *from, Object *to) {
        const void *p = field_pointer(from, f);
        void *q = field_pointer(to, f);

        switch (f->type) {
        case FIELD_STRING:
        case FIELD_REF:
                return copy_string(p, q);
        case FIELD_PREFIX_LIST:
                return copy_prefix_list(p, q);
        case FIELD_STRV:
                return strv_copy(*(char **const *) p, q);
        case FIELD_U64:
        case FIELD_TIME:
                *(uint64_t *) q = *(const uint64_t *) p;
                return 0;
        case FIELD_BOOL:
                *(bool *) q = *(const bool *) p;
                return 0;
        case FIELD_ENUM:
                *(int *) q = *(const int *) p;
                return 0;
        case FIELD_ADDRESS:
                *(Address *) q = *(const Address *) p;
                return 0;
        case FIELD_PREFIX:
                *(Prefix *) q = *(const Prefix *) p;
                return 0;
        case FIELD_KEY:
                *(PublicKey *) q = *(const PublicKey *) p;
                return 0;
        case FIELD_DIGEST:
                *(Digest *) q = *(const Digest *) p;
                return 0;
        }
        return -EINVAL;
}

int field_set_default(const Field *f, Object *o) {
        field_clear(f, o);
        return f->default_text ? field_set_text(f, o, f->default_text, NULL) : 0;
}

static bool prefix_list_equal(const PrefixList *a, const PrefixList *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (!prefix_equal(&a->items[i], &b->items[i]))
                        return false;
        return true;
}

static bool strv_equal(char *const *a, char *const *b) {
        size_t n = strv_length(a);

        if (n != strv_length(b))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

bool field_equal(const Field *f, const Object *a, const Object *b) {
        const void *p = field_pointer(a, f), *q = field_pointer(b, f);

        switch (f->type) {
        case FIELD_STRING:
        case FIELD_REF:
                return streq_ptr(*(char *const *) p, *(char *const *) q);
        case FIELD_U64:
        case FIELD_TIME:
                return *(const uint64_t *) p == *(const uint64_t *) q;
        case FIELD_BOOL:
                return *(const bool *) p == *(const bool *) q;
        case FIELD_ENUM:
                return *(const int *) p == *(const int *) q;
        case FIELD_ADDRESS:
                return address_equal(p, q);
        case FIELD_PREFIX:
                return prefix_equal(p, q);
        case FIELD_PREFIX_LIST:
                return prefix_list_equal(p, q);
        case FIELD_STRV:
                return strv_equal(*(char **const *) p, *(char **const *) q);
        case FIELD_KEY:
                return memcmp(p, q, sizeof(PublicKey)) == 0;
        case FIELD_DIGEST:
                return crypto_equal(p, q, sizeof(Digest));
        }
        return false;
}
