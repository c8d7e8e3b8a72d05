/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "wg/wg.h"

/* Messages of the generic netlink family "wireguard" (linux/wireguard.h), built and read without a socket.
 */

#define WG_GENL_MESSAGE_MAX 32768          /* of what we send; an attribute's length has 16 bits */
#define WG_GENL_MESSAGE_MIN 512            /* a peer with all its attributes and one allowed-ip fits */
#define WG_PEERS_MAX (1U << 20)            /* of a device; the kernel's own limit */
#define WG_DUMP_ALLOWED_IPS_MAX (1U << 20) /* of a peer in a dump: others may have set more than we do */

/* Where the next message of a change begins. { 0 } is its start. */
typedef struct WgGenlCursor {
        size_t peer;       /* the next one to be written */
        size_t allowed_ip; /* of that peer; > 0: its first part was in the message before */
        bool started;
} WgGenlCursor;

/* Writes the next message of the change d into buf, which is aligned to 4 and has size bytes
 * (WG_GENL_MESSAGE_MIN … WG_GENL_MESSAGE_MAX). 1: *ret_len bytes are to be sent; 0: all has been written.
 * The caller wipes buf. d has passed wg_device_check(). */
int wg_genl_build_set(const WgDevice *d, uint16_t family, uint32_t seq, void *buf, size_t size,
                      WgGenlCursor *cursor, size_t *ret_len) _nodiscard_;

/* The request for a dump of the device. *ret_len bytes; WG_GENL_MESSAGE_MIN is room enough. */
void wg_genl_build_get(const char *name, uint16_t family, uint32_t seq, void *buf, size_t *ret_len);

/* Adds what one message of a dump says (the bytes behind the generic netlink header) to d. Entries of one
 * key that follow each other are one peer. The private key is not kept. -EBADMSG: not of this form; -E2BIG:
 * past a limit; -ENOMEM. On failure d is still good for wg_device_done(). */
int wg_genl_parse(const void *attributes, size_t len, WgDevice *d) _nodiscard_;
