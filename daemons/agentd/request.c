/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/request.h"

int request_headers(Manager *m, const char *method, const char *path, const char *query, const void *body,
                    size_t body_len, RequestHeaders *ret) {
        RequestSignatureInput in = {
                .method = method,
                .path = path,
                .query = query,
                .body = body ?: "",
                .body_len = body_len,
                .controller_id = m->membership->controller_id,
        };
        int r;

        r = identity_sign(m->identity, &in, &ret->signature);
        if (r < 0)
                return r;
        ret->n = 0;
        ret->fields[ret->n++] = (HttpHeaderField) { "Content-Digest", ret->signature.content_digest };
        ret->fields[ret->n++] = (HttpHeaderField) { "Sdwan-Aud", ret->signature.audience };
        ret->fields[ret->n++] = (HttpHeaderField) { "Sdwan-Seq", ret->signature.sequence };
        ret->fields[ret->n++] = (HttpHeaderField) { "Signature-Input", ret->signature.signature_input };
        ret->fields[ret->n++] = (HttpHeaderField) { "Signature", ret->signature.signature };
        if (body_len > 0)
                ret->fields[ret->n++] = (HttpHeaderField) { "Content-Type", "application/json" };
        return 0;
}
