/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <stdio.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"
#include "base/timeutil.h"
#include "fake-agent.h"
#include "json/json.h"

FakeAgent *fake_agent_free(FakeAgent *a) {
        if (!a)
                return NULL;
        free(a->path);
        free(a->url);
        free(a->ca_pem);
        free(a->controller_id);
        free(a->node_id);
        free(a->signing_key_id);
        (void) secret_free(a->identity);
        return mfree(a);
}

int fake_agent_save(const FakeAgent *a) {
        _cleanup_json_ json_object *o = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        size_t len;
        int r;

        r = json_add_string(o, "url", a->url);
        if (r >= 0)
                r = json_add_string(o, "ca_pem", a->ca_pem);
        if (r >= 0)
                r = json_add_string(o, "controller_id", a->controller_id);
        if (r >= 0)
                r = json_add_string(o, "node_id", a->node_id);
        if (r >= 0)
                r = json_add_b64url(o, "seed", secret_bytes(a->identity), KEY_SIZE);
        if (r >= 0)
                r = json_add_b64url(o, "signing_key", a->signing_key.bytes, KEY_SIZE);
        if (r >= 0)
                r = json_add_string(o, "signing_key_id", a->signing_key_id);
        if (r >= 0)
                r = json_add_u64(o, "epoch", a->epoch);
        if (r < 0)
                return r;
        text = json_format(o, &len);
        if (!text)
                return -ENOMEM;
        return file_write_atomic(a->path, text, len, 0600);
}

typedef struct RawState {
        const char *url, *ca_pem, *controller_id, *node_id, *signing_key_id;
        uint8_t seed[32], signing_key[32];
        uint64_t epoch;
} RawState;

static const JsonField state_fields[] = {
        { "url", JSON_FIELD_STRING, offsetof(RawState, url), JSON_REQUIRED },
        { "ca_pem", JSON_FIELD_STRING, offsetof(RawState, ca_pem), JSON_NULLABLE },
        { "controller_id", JSON_FIELD_STRING, offsetof(RawState, controller_id), JSON_REQUIRED },
        { "node_id", JSON_FIELD_STRING, offsetof(RawState, node_id), JSON_REQUIRED },
        { "seed", JSON_FIELD_B64URL_32, offsetof(RawState, seed), JSON_REQUIRED },
        { "signing_key", JSON_FIELD_B64URL_32, offsetof(RawState, signing_key), JSON_REQUIRED },
        { "signing_key_id", JSON_FIELD_STRING, offsetof(RawState, signing_key_id), JSON_REQUIRED },
        { "epoch", JSON_FIELD_U64, offsetof(RawState, epoch), JSON_REQUIRED },
};

static int from_raw(RawState *raw, FakeAgent *a) {
        a->url = strdup(raw->url);
        a->ca_pem = raw->ca_pem ? strdup(raw->ca_pem) : NULL;
        a->controller_id = strdup(raw->controller_id);
        a->node_id = strdup(raw->node_id);
        a->signing_key_id = strdup(raw->signing_key_id);
        if (!a->url || (raw->ca_pem && !a->ca_pem) || !a->controller_id || !a->node_id || !a->signing_key_id)
                return -ENOMEM;
        memcpy(a->signing_key.bytes, raw->signing_key, KEY_SIZE);
        a->epoch = raw->epoch + 1;
        return secret_new_take(raw->seed, &a->identity);
}

int fake_agent_load(const char *folder, unsigned n, FakeAgent **ret) {
        _cleanup_(fake_agent_freep) FakeAgent *a = new(FakeAgent);
        _cleanup_json_ json_object *o = NULL;
        _cleanup_free_ uint8_t *text = NULL;
        RawState raw = { 0 };
        size_t len;
        int r;

        if (!a)
                return -ENOMEM;
        a->path = str_printf("%s/%u", folder, n);
        if (!a->path)
                return -ENOMEM;
        r = file_read_secret(a->path, STATE_MAX, &text, &len);
        if (r >= 0)
                r = json_parse((const char *) text, len, 0, NULL, &o);
        if (r >= 0)
                r = json_dispatch(o, state_fields, ELEMENTSOF(state_fields), false, &raw, NULL);
        if (r >= 0)
                r = from_raw(&raw, a);
        if (r >= 0)
                r = fake_agent_save(a);
        if (r < 0)
                return log_error_errno(r, "Failed to read agent %u of %s: %m", n, folder);
        *ret = TAKE(a);
        return 0;
}

unsigned fake_agent_next(const char *folder) {
        for (unsigned n = 0;; n++) {
                _cleanup_free_ char *path = str_printf("%s/%u", folder, n);
                struct stat st;

                if (!path || lstat(path, &st) < 0)
                        return n;
        }
}

/* ---- signed requests ---- */

int fake_request_sign(FakeAgent *a, FakeRequest *q, uint64_t epoch, uint64_t sequence) {
        RequestSignatureInput in = {
                .method = q->method,
                .path = q->path,
                .query = q->query,
                .body = q->body,
                .body_len = strlen(q->body),
                .controller_id = a->controller_id,
        };

        return request_sign(a->identity, a->node_id, 1, epoch > 0 ? epoch : a->epoch,
                            sequence > 0 ? sequence : ++a->sequence, now_realtime_usec() / USEC_PER_SEC, &in,
                            &q->headers);
}

static void add_header(HttpHeaderField *fields, size_t *n, const FakeRequest *q, const char *name,
                       const char *value) {
        if (streq_ptr(q->without, name))
                return;
        fields[(*n)++] = (HttpHeaderField) { name, value };
        if (streq_ptr(q->twice, name))
                fields[(*n)++] = (HttpHeaderField) { name, value };
}

static void read_refusal(const uint8_t *body, size_t len, char ret_code[static 64], uint64_t *ret_min) {
        _cleanup_json_ json_object *o = NULL;
        struct {
                const char *code;
                uint64_t min;
        } raw = { 0 };
        const JsonField fields[] = {
                { "code", JSON_FIELD_STRING, 0, 0 },
                { "min", JSON_FIELD_U64, sizeof(const char *), 0 },
        };

        ret_code[0] = '\0';
        *ret_min = 0;
        if (len == 0 || json_parse((const char *) body, len, 0, NULL, &o) < 0 ||
            json_dispatch(o, fields, ELEMENTSOF(fields), true, &raw, NULL) < 0)
                return;
        (void) snprintf(ret_code, 64, "%s", strempty(raw.code));
        *ret_min = raw.min;
}

int fake_request_send(const FakeAgent *a, const FakeRequest *q, unsigned *ret_status,
                      char ret_code[static 64], uint64_t *ret_min) {
        HttpClientConfig config = {
                .url = a->url,
                .trust = a->ca_pem ? HTTP_TRUST_CA : HTTP_TRUST_SYSTEM,
                .ca_pem = a->ca_pem,
        };
        _cleanup_free_ char *target = NULL, *reason = NULL;
        _cleanup_free_ uint8_t *body = NULL;
        HttpHeaderField headers[12];
        size_t n = 0, len = 0;
        int r;

        add_header(headers, &n, q, "Content-Digest", q->headers.content_digest);
        add_header(headers, &n, q, "Sdwan-Aud", q->headers.audience);
        add_header(headers, &n, q, "Sdwan-Seq", q->headers.sequence);
        add_header(headers, &n, q, "Signature-Input", q->headers.signature_input);
        add_header(headers, &n, q, "Signature", q->headers.signature);
        target = str_printf("%s%s%s", q->path, q->query[0] != '\0' ? "?" : "", q->query);
        if (!target)
                return -ENOMEM;
        r = http_call_sync(&config, q->method, target, headers, n, q->body, strlen(q->body), ret_status,
                           &body, &len, &reason);
        if (r < 0)
                return log_error_errno(r, "Failed to reach %s: %s", a->url, reason ?: "unknown reason");
        read_refusal(body, len, ret_code, ret_min);
        return 0;
}

int fake_report(FakeAgent *a, FakeRequest *ret) {
        *ret = (FakeRequest) {
                .method = "POST",
                .path = API "report",
                .body = "{\"applied\":{},\"state\":\"in-sync\",\"version\":\"fake\"}",
        };
        return 0;
}
