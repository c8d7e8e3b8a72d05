/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/strutil.h"
#include "controld/api-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is text, bounded, and has every name once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(api_query_done) ApiQuery q = { 0 };
        _cleanup_free_ char *text = strndup((const char *) data, size);

        if (!text)
                return 0;
        if (api_query_parse(text, &q) < 0)
                return q.n == 0 && !q.items ? 0 : (abort(), 0);
        if (q.n > API_PARAMETERS_MAX)
                abort();
        for (size_t i = 0; i < q.n; i++)
                if (!utf8_is_valid(q.items[i].name, strlen(q.items[i].name)) ||
                    !utf8_is_valid(q.items[i].value, strlen(q.items[i].value)) ||
                    api_query_get(&q, q.items[i].name) != q.items[i].value)
                        abort();
        return 0;
}
