/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "httpc/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Outcome {
        int r;
        size_t used, body_len;
        unsigned status;
        uint64_t sum;
} Outcome;

static int on_body(const uint8_t *data, size_t len, void *userdata) {
        Outcome *o = userdata;

        for (size_t i = 0; i < len; i++)
                o->sum = o->sum * 31 + data[i];
        o->body_len += len;
        return 0;
}

static Outcome feed(const uint8_t *data, size_t size, size_t slice) {
        Outcome o = { 0 };
        ResponseParser p = { .on_body = on_body, .userdata = &o };
        const char *reason = NULL;

        while (o.r == 0 && o.used < size) {
                size_t used = 0;

                o.r = response_parser_feed(&p, data + o.used, MIN(slice, size - o.used), &used, &reason);
                if (o.r == 0 && used != MIN(slice, size - o.used))
                        abort();
                o.used += used;
        }
        if (o.r < 0 && !reason)
                abort();
        o.status = o.r == 1 ? p.status : 0;
        response_parser_done(&p);
        return o;
}

/* However the network cuts it, the answer is the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Outcome whole, bytes;

        if (size < 1)
                return 0;
        whole = feed(data + 1, size - 1, SIZE_MAX);
        bytes = feed(data + 1, size - 1, (size_t) data[0] % 16 + 1);
        if (whole.r != bytes.r)
                abort();
        if (whole.r >= 0 && (whole.used != bytes.used || whole.body_len != bytes.body_len ||
                             whole.sum != bytes.sum || whole.status != bytes.status))
                abort();
        return 0;
}
