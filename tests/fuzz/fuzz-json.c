/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "json/json.h"

/* What json_parse() accepts, json_format() writes so that it is accepted again, and is the same. */
static void check(json_object *o, char *(*format)(json_object *o, size_t *ret_len)) {
        _cleanup_json_ json_object *again = NULL;
        _cleanup_free_ char *text = NULL, *text_again = NULL;
        size_t len = 0, len_again = 0;

        text = format(o, &len);
        if (!text || strlen(text) != len)
                abort();
        if (json_parse(text, len, 0, NULL, &again) < 0)
                abort();
        if (!json_object_equal(o, again))
                abort();
        text_again = format(again, &len_again);
        if (!text_again || len != len_again || memcmp(text, text_again, len) != 0)
                abort();
}

static char *format_pretty(json_object *o, size_t *ret_len) {
        char *text = json_format_pretty(o);

        *ret_len = text ? strlen(text) : 0;
        return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_json_ json_object *o = NULL;
        JsonError error = { 0 };
        int r;

        r = json_parse((const char *) data, size, 0, &error, &o);
        if (r < 0) {
                if (o || !error.reason || error.offset > size)
                        abort();
                /* The scanner is the stricter of the two: json-c must understand whatever it lets through.
                 */
                if (strcmp(error.reason, "not understood") == 0)
                        abort();
                return 0;
        }
        check(o, json_format);
        check(o, format_pretty);
        return 0;
}
