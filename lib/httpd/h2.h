/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <nghttp2/nghttp2.h>

#include "httpd/conn.h"

struct Http2Stream {
        TAILQ_ENTRY(Http2Stream) entry;
        HttpConn *conn;
        int32_t id;
        HttpRequest *request; /* until it is answered */
        HttpStream *stream;
        Buffer body; /* of the answer */
        size_t sent;
        uint64_t since;  /* when the present wait began; of a stream: when its queue was last empty, 0: it is
                          */
        unsigned refuse; /* with this status, once the headers are complete */
        bool receiving;  /* the client has more to send */
        bool continued;
};

/* A budget of frames that make work and carry nothing: it fills again with time. */
typedef struct H2Budget {
        unsigned left;
        uint64_t filled_at;
} H2Budget;

struct Http2 {
        nghttp2_session *session;
        TAILQ_HEAD(, Http2Stream) streams;
        size_t n_streams;
        H2Budget resets, control;
        bool in_headers;
        size_t header_bytes; /* raw, of the header block that is coming in */
        size_t body_bytes;   /* of all requests that are coming in */
        uint64_t header_since, idle_since, blocked_since;
        bool doomed; /* GOAWAY is on its way out, then the connection ends */
};
