/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>

#include "base/log.h"
#include "base/strutil.h"
#include "controld/agent-answer.h"
#include "controld/problem.h"

int refuse(Refusal *ret, unsigned status, const char *code, const char *field, const char *detail) {
        *ret = (Refusal) { .status = status, .code = code, .detail = detail };
        (void) snprintf(ret->field, sizeof(ret->field), "%s", strempty(field));
        return -EPERM;
}

int refuse_busy(Refusal *ret, unsigned status, unsigned retry_after_sec) {
        (void) refuse(ret, status, "busy", NULL, "Too many requests; try again later.");
        ret->retry_after_sec = retry_after_sec;
        return -EPERM;
}

static int refusal_to_json(const Refusal *refusal, json_object **ret) {
        _cleanup_json_ json_object *o = NULL;
        int r;

        r = problem_to_json(refusal->status, refusal->code, refusal->field, refusal->detail, &o);
        if (r >= 0 && refusal->min > 0)
                r = json_add_u64(o, "min", refusal->min);
        if (r >= 0 && refusal->epoch > 0)
                r = json_add_u64(o, "epoch", refusal->epoch);
        if (r < 0)
                return r;
        *ret = TAKE(o);
        return 0;
}

static void answer(HttpRequest *r, unsigned status, const char *type, unsigned retry_after_sec,
                   const void *body, size_t len) {
        HttpHeader headers[3] = { { "cache-control", "no-store" } };
        size_t n = 1;
        char seconds[16];
        int k;

        if (type)
                headers[n++] = (HttpHeader) { "content-type", type };
        if (retry_after_sec > 0) {
                (void) snprintf(seconds, sizeof(seconds), "%u", retry_after_sec);
                headers[n++] = (HttpHeader) { "retry-after", seconds };
        }
        k = http_request_respond(r, status, headers, n, body, len);
        if (k < 0)
                log_debug_errno(k, "Failed to answer an agent, ignoring: %m");
}

void answer_refusal(HttpRequest *r, const Refusal *refusal) {
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ char *text = NULL;
        size_t len = 0;

        if (refusal_to_json(refusal, &o) >= 0)
                text = json_format(o, &len);
        answer(r, text ? refusal->status : 503, text ? "application/problem+json" : NULL,
               refusal->retry_after_sec, text, len);
}

void answer_bytes(HttpRequest *r, unsigned status, const char *body, size_t len) {
        answer(r, status, "application/json", 0, body, len);
}

void answer_json(HttpRequest *r, unsigned status, json_object *o) {
        _cleanup_json_ json_object *owned = o;
        _cleanup_free_ char *text = NULL;
        size_t len = 0;

        if (owned)
                text = json_format(owned, &len);
        if (text)
                answer_bytes(r, status, text, len);
        else
                answer(r, 500, NULL, 0, NULL, 0);
}

void answer_empty(HttpRequest *r) {
        answer(r, 204, NULL, 0, NULL, 0);
}

int read_body_object(HttpRequest *r, json_object **ret, Refusal *ret_refusal) {
        _cleanup_json_ json_object *o = NULL;
        size_t len;
        const uint8_t *body = http_request_body(r, &len);
        JsonError error = { 0 };

        if (len > AGENT_BODY_MAX)
                return refuse(ret_refusal, 413, "invalid", NULL, "The body is larger than 64 KiB.");
        if (json_parse((const char *) body, len, 0, &error, &o) < 0 ||
            !json_object_is_type(o, json_type_object))
                return refuse(ret_refusal, 422, "invalid", NULL,
                              error.reason ?: "The body is not a JSON object.");
        *ret = TAKE(o);
        return 0;
}
