/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "httpd/h1.h"
#include "httpd/target.h"

static const H1Limits limits = {
        .max_target = 128, .max_header_bytes = 512, .max_headers = 8, .max_body = 256
};

typedef struct Outcome {
        unsigned status; /* 0: wants more */
        size_t requests;
        uint64_t digest; /* of everything that came out */
} Outcome;

static uint64_t mix(uint64_t digest, const void *data, size_t len) {
        for (size_t i = 0; i < len; i++)
                digest = (digest ^ ((const uint8_t *) data)[i]) * UINT64_C(0x100000001b3);
        return digest * 31 + len;
}

static void check_request(H1Parser *p, Outcome *o) {
        _cleanup_free_ char *value = NULL;
        const uint8_t *body;
        size_t len;

        body = h1_parser_body(p, &len);
        if (len > limits.max_body || body[len] != 0 || h1_parser_header_count(p, "host") != 1 ||
            h1_parser_path(p)[0] != '/' || strstr(h1_parser_path(p), "//"))
                abort();
        if (h1_parser_header(p, "content-length") && h1_parser_header(p, "transfer-encoding"))
                abort();
        if (http_query_value(h1_parser_query(p), "x", &value) == 0)
                o->digest = mix(o->digest, value, strlen(value));
        o->digest = mix(o->digest, h1_parser_method(p), strlen(h1_parser_method(p)));
        o->digest = mix(o->digest, h1_parser_path(p), strlen(h1_parser_path(p)));
        o->digest = mix(o->digest, h1_parser_query(p), strlen(h1_parser_query(p)));
        o->digest = mix(o->digest, body, len);
        o->requests++;
}

/* In pieces of at most step bytes. */
static Outcome run(const uint8_t *data, size_t size, size_t step) {
        Outcome o = { 0 };
        H1Parser *p;
        H1State state = H1_NEED_MORE;

        if (h1_parser_new(&limits, &p) < 0)
                return o;
        for (size_t i = 0; i < size && state != H1_ERROR; i += MIN(step, size - i)) {
                if (h1_parser_feed(p, data + i, MIN(step, size - i), &state) < 0)
                        abort();
                while (state == H1_COMPLETE) {
                        check_request(p, &o);
                        h1_parser_next(p);
                        if (h1_parser_feed(p, NULL, 0, &state) < 0)
                                abort();
                }
        }
        if (state == H1_ERROR)
                o.status = h1_parser_status(p);
        h1_parser_free(p);
        return o;
}

/* However the bytes are cut, the same must come out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        Outcome whole = run(data, size, size > 0 ? size : 1), one = run(data, size, 1),
                some = run(data, size, 7);

        if (whole.status != one.status || whole.requests != one.requests || whole.digest != one.digest ||
            whole.status != some.status || whole.requests != some.requests || whole.digest != some.digest)
                abort();
        return 0;
}
