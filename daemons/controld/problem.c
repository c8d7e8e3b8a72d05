/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "controld/problem.h"
#include "httpd/httpd.h"

int problem_to_json(unsigned status, const char *code, const char *field, const char *detail,
                    json_object **ret) {
        const struct {
                const char *name, *value;
        } texts[] = { { "detail", detail }, { "code", code }, { "field", field } };
        _cleanup_json_ json_object *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "type", "about:blank");
        if (r >= 0)
                r = json_add_string(o, "title", http_status_title(status));
        if (r >= 0)
                r = json_add_u64(o, "status", status);
        for (size_t i = 0; i < ELEMENTSOF(texts) && r >= 0; i++)
                if (texts[i].value && *texts[i].value)
                        r = json_add_string(o, texts[i].name, texts[i].value);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}
