/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/authz.h"

/* The API's one dispatcher, for HTTPS and D-Bus (DESIGN.md 4.3). */

typedef struct ApiRequest {
        const Actor *actor;
        const char *method;
        const char *path;         /* percent-encoded, checked */
        const char *query;        /* without '?'; "" */
        const char *content_type; /* NULL: not given, which is fine without a body and over D-Bus */
        bool content_type_required;
        const char *if_match; /* NULL: none */
        const char *body;     /* NUL behind it */
        size_t body_len;
} ApiRequest;

#define API_HEADERS_MAX 8

typedef struct ApiResponse {
        unsigned status;
        const char *content_type;
        HttpHeader headers[API_HEADERS_MAX];
        size_t n_headers;
        const char *body; /* with a NUL behind it */
        size_t body_len;
} ApiResponse;

/* Called exactly once, within api_dispatch() or later; the response lives as long as the call. */
typedef void (*ApiDone)(const ApiResponse *response, void *userdata);

/* The request is not looked at any more when this returns. */
void api_dispatch(Manager *m, const ApiRequest *request, ApiDone done, void *userdata);

/* What a method needs, before anybody is asked for it: D-Bus asks polkit by it. */
Action api_action(const char *method, const char *path);

/* application/problem+json; code, field and detail may be NULL. */
void api_problem(ApiDone done, void *userdata, unsigned status, const char *code, const char *field,
                 const char *detail);
