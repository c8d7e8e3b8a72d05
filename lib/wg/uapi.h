/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "wg/wg.h"

/* WireGuard's cross-platform configuration protocol (wireguard.com/xplatform), built and read without a
 * socket. */

#define WG_UAPI_GET "get=1\n\n"
#define WG_UAPI_LINE_MAX 256

/* Appends "set=1 …". The caller calls buffer_wipe(): it may hold keys. d has passed wg_device_check().
 * -ENOMEM. */
int wg_uapi_build_set(const WgDevice *d, Buffer *ret) _nodiscard_;

/* Reads an answer as it comes in, of "get=1" (device given) or of "set=1" (device NULL: only errno is
 * allowed). */
typedef struct WgUapiParser {
        WgDevice *device;
        char line[WG_UAPI_LINE_MAX];
        size_t line_len;
        uint64_t handshake_sec, handshake_nsec; /* of the last peer */
        unsigned seen;
        int error; /* errno of the answer, positive */
        bool has_error;
        bool done;
} WgUapiParser;

/* 1: the answer is complete (data behind its end: -EBADMSG); 0: more has to come. -EBADMSG: not of this
 * form; -E2BIG: past a limit; -ENOMEM. */
int wg_uapi_parse(WgUapiParser *p, const void *data, size_t len) _nodiscard_;

/* Wipes what it holds of the last line. */
void wg_uapi_parser_done(WgUapiParser *p);
