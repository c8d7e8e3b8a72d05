/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "base/buffer.h"

/* HTTP/1.1 messages (RFC 9112), pure: bytes in, requests out. It accepts only what the RFC calls unambiguous
 * and refuses the rest: bare LF or CR, obs-fold, space before the colon, NUL and other control bytes, two
 * Host, two or mistyped Content-Length, Content-Length beside Transfer-Encoding, any transfer coding but
 * "chunked", chunk extensions, trailers, absolute-form and asterisk-form targets, HTTP/0.9, 1.0 and 2.0 in
 * the request line. */

typedef struct H1Limits {
        size_t max_target, max_header_bytes, max_headers, max_body;
} H1Limits;

typedef struct H1Header {
        uint32_t name, name_len, value,
                        value_len; /* offsets into the parser's buffer; names are lower case */
} H1Header;

typedef struct H1Parser H1Parser;

typedef enum H1State {
        H1_NEED_MORE, /* headers incomplete */
        H1_NEED_BODY, /* headers complete, body not */
        H1_COMPLETE,  /* one request is there; h1_parser_next() goes on to the one behind it */
        H1_ERROR,     /* answer with h1_parser_status() and close */
} H1State;

int h1_parser_new(const H1Limits *limits, H1Parser **ret) _nodiscard_;
H1Parser *h1_parser_free(H1Parser *p);
DEFINE_CLEANUP(H1Parser *, h1_parser_free);

/* Feeds bytes; may be called with len 0 after h1_parser_next(). -ENOMEM only. */
int h1_parser_feed(H1Parser *p, const void *data, size_t len, H1State *ret) _nodiscard_;
unsigned h1_parser_status(const H1Parser *p); /* 400, 413, 414, 431, 501, 505 */
bool h1_parser_keep_alive(const H1Parser *p);
bool h1_parser_expects_continue(const H1Parser *p);
const char *h1_parser_method(const H1Parser *p);
const char *h1_parser_path(const H1Parser *p);
const char *h1_parser_query(const H1Parser *p);
const char *h1_parser_header(const H1Parser *p, const char *name);
size_t h1_parser_header_count(const H1Parser *p, const char *name);
const uint8_t *h1_parser_body(const H1Parser *p, size_t *ret_len);
/* Drops the request; keeps what was read beyond it. With nothing beyond it, all memory but the object is
 * given back, so that an idle connection costs little. */
void h1_parser_next(H1Parser *p);
bool h1_parser_idle(const H1Parser *p); /* no byte of a next request has come */

bool h1_parser_in_body(const H1Parser *p);    /* the headers are complete, the body is not */
size_t h1_parser_buffered(const H1Parser *p); /* bytes held, headers included */

/* Checks of a request target that HTTP/2 shares. 0, or the status to answer with. */
unsigned http_target_check(const char *target, size_t len);
