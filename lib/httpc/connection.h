/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "httpc/request.h"

/* One TLS connection over a non-blocking socket, without loop and timers: the caller polls for what
 * connection_events() says and calls again. */

typedef struct Connection Connection;

#define CONNECTION_REASON_MAX 256

typedef struct ConnectionConfig {
        const HttpTarget *target; /* outlives the connection */
        HttpTrust trust;
        const char *ca_pem;
        bool stream; /* notice a dead peer although we send nothing */
} ConnectionConfig;

/* Starts to connect. The result is for connection_handshake() to say. */
int connection_new(const ConnectionConfig *config, const Endpoint *to, Connection **ret) _nodiscard_;
Connection *connection_free(Connection *c);
DEFINE_CLEANUP(Connection *, connection_free);

int connection_fd(const Connection *c);
uint32_t connection_events(const Connection *c);

/* TCP and TLS. 1: done. 0: call again. Negative errno with reason, -EKEYREJECTED: not who it should be. */
int connection_handshake(Connection *c, char reason[static CONNECTION_REASON_MAX]) _nodiscard_;

/* Sends from the front of the buffer and moves *offset. 1: all is sent. 0: call again. */
int connection_write(Connection *c, const Buffer *b, size_t *offset,
                     char reason[static CONNECTION_REASON_MAX]) _nodiscard_;

/* -EAGAIN: nothing now. -ECONNRESET: the peer closed. */
ssize_t connection_read(Connection *c, void *ret, size_t size,
                        char reason[static CONNECTION_REASON_MAX]) _nodiscard_;
/* Decrypted bytes that no poll will announce. */
bool connection_has_pending(const Connection *c);
