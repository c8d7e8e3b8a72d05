/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "agentd/manager.h"
#include "httpc/httpc.h"

#define REQUEST_HEADERS_MAX 6

/* The headers of a signed request; the fields point into the struct. */
typedef struct RequestHeaders {
        RequestSignatureHeaders signature;
        HttpHeaderField fields[REQUEST_HEADERS_MAX];
        size_t n;
} RequestHeaders;

int request_headers(Manager *m, const char *method, const char *path, const char *query, const void *body,
                    size_t body_len, RequestHeaders *ret) _nodiscard_;
