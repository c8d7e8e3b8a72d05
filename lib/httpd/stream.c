/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "httpd/conn.h"

int http_blob_new(const void *data, size_t len, HttpBlob **ret) {
        HttpBlob *b;

        if (len > SIZE_MAX - sizeof(HttpBlob))
                return -ENOMEM;
        b = malloc(sizeof(HttpBlob) + len);
        if (!b)
                return -ENOMEM;
        b->n_ref = 1;
        b->len = len;
        if (len > 0)
                memcpy(b->data, data, len);
        *ret = b;
        return 0;
}

HttpBlob *http_blob_unref(HttpBlob *b) {
        if (b && --b->n_ref == 0)
                free(b);
        return NULL;
}

int http_stream_new(HttpConn *c, Http2Stream *h2, void (*on_close)(void *), void *userdata,
                    HttpStream **ret) {
        HttpStream *st;

        st = new(HttpStream);
        if (!st)
                return -ENOMEM;
        st->conn = c;
        st->h2 = h2;
        st->on_close = on_close;
        st->userdata = userdata;
        c->server->counters.streams++;
        *ret = st;
        return 0;
}

HttpStream *http_stream_free(HttpStream *st) {
        if (!st)
                return NULL;
        st->conn->server->counters.streams--;
        if (st->on_close && !st->ended)
                st->on_close(st->userdata);
        while (st->n_queue > 0)
                http_blob_unref(st->queue[st->queue_first + --st->n_queue]);
        free(st->queue);
        return mfree(st);
}

/* The queue is an array with a gap at its front, which is given back when it is empty: most streams are,
 * mostly. */
static int queue_add(HttpStream *st, HttpBlob *b) {
        if (st->queue_first + st->n_queue == st->queue_allocated) {
                if (st->queue_first > st->n_queue) {
                        memmove(st->queue, st->queue + st->queue_first, st->n_queue * sizeof(HttpBlob *));
                        st->queue_first = 0;
                } else {
                        size_t n = MAX(st->queue_allocated * 2, (size_t) 4);
                        HttpBlob **queue = reallocarray(st->queue, n, sizeof(HttpBlob *));

                        if (!queue)
                                return -ENOMEM;
                        st->queue = queue;
                        st->queue_allocated = n;
                }
        }
        st->queue[st->queue_first + st->n_queue++] = b;
        st->queued += b->len;
        b->n_ref++;
        return 0;
}

static void wake(HttpStream *st) {
        if (st->h2)
                h2_stream_wake(st);
        http_conn_ready(st->conn);
}

int http_stream_write_blob(HttpStream *st, HttpBlob *b) {
        int r;

        assert(st && b);
        if (st->overflow)
                return -ENOBUFS;
        if (b->len == 0)
                return 0;
        if (b->len > st->conn->server->limits.max_stream_queue_bytes - st->queued) {
                st->overflow = true;
                wake(st);
                return -ENOBUFS;
        }
        r = queue_add(st, b);
        if (r < 0)
                return r;
        wake(st);
        return 0;
}

int http_stream_write(HttpStream *st, const void *data, size_t len) {
        _cleanup_(http_blob_unrefp) HttpBlob *b = NULL;
        int r;

        if (st->overflow)
                return -ENOBUFS;
        if (len > st->conn->server->limits.max_stream_queue_bytes) {
                st->overflow = true;
                wake(st);
                return -ENOBUFS;
        }
        r = http_blob_new(data, len, &b);
        if (r < 0)
                return r;
        return http_stream_write_blob(st, b);
}

void http_stream_end(HttpStream *st) {
        if (!st)
                return;
        st->ended = true;
        wake(st);
}

size_t http_stream_take(HttpStream *st, void *data, size_t len) {
        size_t done = 0;

        while (done < len && st->n_queue > 0) {
                HttpBlob *b = st->queue[st->queue_first];
                size_t n = MIN(len - done, b->len - st->offset);

                memcpy((uint8_t *) data + done, b->data + st->offset, n);
                done += n;
                st->offset += n;
                if (st->offset < b->len)
                        break;
                st->offset = 0;
                st->queue_first++;
                st->n_queue--;
                http_blob_unref(b);
        }
        st->queued -= done;
        if (st->n_queue == 0) {
                st->queue = mfree(st->queue);
                st->queue_first = st->queue_allocated = 0;
        }
        return done;
}
