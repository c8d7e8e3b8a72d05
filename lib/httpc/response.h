/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/buffer.h"

/* Incremental reader of one HTTP/1.1 response, pure: bytes in, body out. It takes what RFC 9112 calls
 * unambiguous and refuses the rest: bare LF, folded lines, space before the colon, both or several lengths,
 * a body that ends where the connection ends, chunk extensions, transfer or content codings other than
 * chunked. */

#define RESPONSE_HEAD_MAX_BYTES 16384
#define RESPONSE_FIELDS_MAX 64
#define RESPONSE_INTERIM_MAX 8 /* 1xx answers before the real one */
#define RESPONSE_RETRY_AFTER_MAX_SEC 86400

typedef enum ResponseState {
        RESPONSE_STATUS_LINE,
        RESPONSE_FIELDS,
        RESPONSE_BODY,
        RESPONSE_CHUNK_SIZE,
        RESPONSE_CHUNK_DATA,
        RESPONSE_CHUNK_END,
        RESPONSE_TRAILER,
        RESPONSE_COMPLETE,
} ResponseState;

typedef struct ResponseParser {
        ResponseState state;
        Buffer line;       /* what is there of the line that is being read */
        size_t head_bytes; /* of this head or trailer so far */
        unsigned fields, interim;
        unsigned status;
        bool has_length, chunked, close;
        uint64_t length;    /* as declared, when has_length */
        uint64_t remaining; /* of the body or chunk */
        char *content_type;
        bool has_retry_after;
        uint64_t retry_after_sec;

        /* A slice of the body. What it returns when negative ends the reading. */
        int (*on_body)(const uint8_t *data, size_t len, void *userdata);
        void *userdata;
} ResponseParser;

void response_parser_done(ResponseParser *p);

/* 1: the response is complete after *ret_used bytes. 0: all was taken, more is needed. -EBADMSG with
 * *ret_reason (static English); -ENOMEM; what on_body returned. */
int response_parser_feed(ResponseParser *p, const uint8_t *data, size_t len, size_t *ret_used,
                         const char **ret_reason) _nodiscard_;

/* The head has been read: status and fields are known. */
static inline bool response_parser_has_head(const ResponseParser *p) {
        return p->state > RESPONSE_FIELDS;
}

/* Not one byte has come yet. */
static inline bool response_parser_is_fresh(const ResponseParser *p) {
        return p->state == RESPONSE_STATUS_LINE && p->head_bytes == 0 && p->interim == 0;
}
