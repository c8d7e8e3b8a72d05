/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "httpc/connection.h"
#include "httpc/httpc.h"
#include "httpc/response.h"

/* One request and what has come of its answer; pure but for the callbacks. */
struct HttpCall {
        HttpClient *client;
        HttpCall *next;
        Buffer request; /* wiped */
        size_t sent;
        bool stream, safe, retried;

        ResponseParser parser;
        Buffer body; /* of a stream: the line that is being read */
        size_t max_body_bytes, max_line_bytes;
        uint64_t silence_usec;
        uint64_t deadline_usec;
        const char *error_reason; /* why on_body stopped */

        void (*on_line)(const char *line, size_t len, void *userdata);
        void (*done)(const HttpResponse *response, void *userdata);
        void *userdata;
};

int call_new(HttpCall **ret) _nodiscard_;
HttpCall *call_free(HttpCall *call);
DEFINE_CLEANUP(HttpCall *, call_free);

/* Forgets what came of the answer, so that the request can be sent again. */
void call_rewind(HttpCall *call);

/* 1: the answer is complete. 0: more is needed. Negative errno with *ret_reason; -ECANCELED: a callback has
 * cancelled the call or freed the client. */
int call_feed(HttpCall *call, const uint8_t *data, size_t len, const char **ret_reason) _nodiscard_;
