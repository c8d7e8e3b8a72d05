/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/addr.h"
#include "httpc/httpc.h"

/* "https://host[:port]" taken apart. */
typedef struct HttpTarget {
        char *host;      /* name or numeric address, without brackets */
        Address address; /* family 0: host is a name */
        uint16_t port;
        char *authority; /* for the Host field */
} HttpTarget;

void http_target_done(HttpTarget *t);
/* -EINVAL: not of this form. */
int http_target_parse(const char *url, HttpTarget *ret) _nodiscard_;

/* The request as it goes out. -EINVAL: method, target or a field is not what may stand there. */
int http_request_format(const HttpTarget *t, const char *method, const char *target,
                        const HttpHeaderField *headers, size_t n_headers, const void *body, size_t body_len,
                        Buffer *ret) _nodiscard_;
