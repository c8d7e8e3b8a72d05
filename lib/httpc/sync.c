/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "httpc/httpc.h"

typedef struct SyncResult {
        sd_event *event;
        int error;
        char *reason;
        unsigned status;
        Buffer body;
} SyncResult;

static void sync_result_done(SyncResult *s) {
        sd_event_unref(s->event);
        free(s->reason);
        buffer_wipe(&s->body);
}

static void on_done(const HttpResponse *response, void *userdata) {
        SyncResult *s = userdata;

        s->error = response->error;
        s->status = response->status;
        if (response->error < 0)
                s->reason = strdup(response->reason);
        else {
                int r = buffer_reserve(&s->body, response->body_len + 1);

                if (r >= 0)
                        r = buffer_append(&s->body, response->body, response->body_len);
                if (r < 0)
                        s->error = r;
                else
                        s->body.data[s->body.len] = '\0';
        }
        (void) sd_event_exit(s->event, 0);
}

int http_call_sync(const HttpClientConfig *config, const char *method, const char *target,
                   const HttpHeaderField *headers, size_t n_headers, const void *body, size_t body_len,
                   unsigned *ret_status, uint8_t **ret_body, size_t *ret_body_len, char **ret_reason) {
        _cleanup_(sync_result_done) SyncResult s = { .error = -EIO };
        _cleanup_(http_client_freep) HttpClient *c = NULL;
        int r;

        assert(config && method && target && ret_status && ret_body && ret_body_len && ret_reason);

        *ret_reason = NULL;
        r = sd_event_new(&s.event);
        if (r < 0)
                return r;
        r = http_client_new(s.event, config, &c);
        if (r < 0)
                return r;
        r = http_client_call(c, method, target, headers, n_headers, body, body_len, on_done, &s, NULL);
        if (r < 0)
                return r;
        r = sd_event_loop(s.event);
        if (r < 0)
                return r;
        if (s.error < 0) {
                *ret_reason = TAKE(s.reason);
                return s.error;
        }
        *ret_status = s.status;
        *ret_body = TAKE(s.body.data);
        *ret_body_len = s.body.len;
        s.body = (Buffer) { 0 };
        return 0;
}
