/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "base/array.h"
#include "httpd/conn.h"

static void heap_put(HttpServer *s, size_t i, HttpConn *c) {
        s->heap[i] = c;
        c->heap_index = i;
}

static void heap_up(HttpServer *s, size_t i) {
        HttpConn *c = s->heap[i];

        while (i > 0 && s->heap[(i - 1) / 2]->deadline > c->deadline) {
                heap_put(s, i, s->heap[(i - 1) / 2]);
                i = (i - 1) / 2;
        }
        heap_put(s, i, c);
}

static void heap_down(HttpServer *s, size_t i) {
        HttpConn *c = s->heap[i];

        for (;;) {
                size_t child = 2 * i + 1;

                if (child + 1 < s->n_heap && s->heap[child + 1]->deadline < s->heap[child]->deadline)
                        child++;
                if (child >= s->n_heap || s->heap[child]->deadline >= c->deadline)
                        break;
                heap_put(s, i, s->heap[child]);
                i = child;
        }
        heap_put(s, i, c);
}

static void heap_remove(HttpServer *s, HttpConn *c) {
        size_t i = c->heap_index;
        HttpConn *last = s->heap[--s->n_heap];

        c->heap_index = SIZE_MAX;
        if (last == c)
                return;
        heap_put(s, i, last);
        heap_up(s, i);
        heap_down(s, last->heap_index);
}

static int heap_add(HttpServer *s, HttpConn *c) {
        int r;

        r = array_reserve(&s->heap, &s->heap_allocated, s->n_heap + 1, sizeof(HttpConn *), 64);
        if (r < 0)
                return r;
        heap_put(s, s->n_heap++, c);
        heap_up(s, c->heap_index);
        return 0;
}

/* The timer is only ever set to an earlier time here; when it is due too early, its handler sets it anew. */
void http_server_arm(HttpServer *s, uint64_t usec) {
        if (usec >= s->armed)
                return;
        s->armed = usec;
        (void) sd_event_source_set_time(s->timer, usec);
        (void) sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

void http_conn_set_deadline(HttpConn *c, uint64_t usec) {
        HttpServer *s = c->server;

        c->deadline = usec;
        if (usec == USEC_INFINITY) {
                if (c->heap_index != SIZE_MAX)
                        heap_remove(s, c);
                return;
        }
        if (c->heap_index == SIZE_MAX) {
                if (heap_add(s, c) < 0) {
                        /* A connection without a deadline could stay for ever. */
                        c->broken = true;
                        http_conn_ready(c);
                        return;
                }
        } else {
                heap_up(s, c->heap_index);
                heap_down(s, c->heap_index);
        }
        http_server_arm(s, s->heap[0]->deadline);
}
