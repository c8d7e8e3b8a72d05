/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <netdb.h>
#include <sys/socket.h>

#include "httpc/resolver.h"
#include "service/worker.h"

#define LOOKUPS_MAX 4

typedef struct Lookup {
        Resolver *resolver; /* NULL: nobody waits any more; only the loop's thread looks at it */
        char *host;
        uint16_t port;
        int gai_error;
        Endpoint endpoints[RESOLVE_ADDRESSES_MAX];
        size_t n_endpoints;
} Lookup;

struct Resolver {
        sd_event *event;
        ResolveDone done;
        void *userdata;
        Worker *worker;
        Lookup *current;
};

static Lookup *lookup_free(Lookup *l) {
        if (!l)
                return NULL;
        if (l->resolver && l->resolver->current == l)
                l->resolver->current = NULL;
        free(l->host);
        return mfree(l);
}
DEFINE_CLEANUP(Lookup *, lookup_free);

static int lookup_run(void *userdata) {
        static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct addrinfo *list = NULL;
        Lookup *l = userdata;

        l->gai_error = getaddrinfo(l->host, NULL, &hints, &list);
        if (l->gai_error != 0)
                return l->gai_error == EAI_MEMORY ? -ENOMEM : -ENXIO;
        for (struct addrinfo *a = list; a && l->n_endpoints < RESOLVE_ADDRESSES_MAX; a = a->ai_next) {
                Endpoint *e = l->endpoints + l->n_endpoints;

                if (endpoint_from_sockaddr(a->ai_addr, a->ai_addrlen, e) < 0)
                        continue;
                e->port = l->port;
                l->n_endpoints++;
        }
        freeaddrinfo(list);
        return l->n_endpoints > 0 ? 0 : -ENXIO;
}

static void lookup_done(int result, void *userdata) {
        _cleanup_(lookup_freep) Lookup *l = userdata;
        Resolver *r = l->resolver;
        const char *reason;

        if (!r)
                return;
        l->resolver = NULL;
        r->current = NULL;
        reason = result >= 0 ? NULL : l->gai_error != 0 ? gai_strerror(l->gai_error) : "it has no address";
        r->done(result, reason, l->endpoints, l->n_endpoints, r->userdata);
}

static void lookup_drop(void *userdata) {
        (void) lookup_free(userdata);
}

int resolver_new(sd_event *event, ResolveDone done, void *userdata, Resolver **ret) {
        Resolver *r;

        assert(event && done && ret);

        r = new(Resolver);
        if (!r)
                return -ENOMEM;
        *r = (Resolver) { .event = sd_event_ref(event), .done = done, .userdata = userdata };
        *ret = r;
        return 0;
}

Resolver *resolver_free(Resolver *r) {
        if (!r)
                return NULL;
        resolver_cancel(r);
        (void) worker_abandon(r->worker); /* a name server that is silent must not hold up the loop */
        sd_event_unref(r->event);
        return mfree(r);
}

int resolver_start(Resolver *r, const char *host, uint16_t port) {
        _cleanup_(lookup_freep) Lookup *l = NULL;
        WorkerJob job;
        int k;

        assert(r && host);

        resolver_cancel(r);
        if (!r->worker) {
                k = worker_new(r->event, "sdwan-resolve", LOOKUPS_MAX, &r->worker);
                if (k < 0)
                        return k;
        }
        l = new(Lookup);
        if (!l)
                return -ENOMEM;
        *l = (Lookup) { .host = strdup(host), .port = port };
        if (!l->host)
                return -ENOMEM;
        job = (WorkerJob) { .run = lookup_run, .done = lookup_done, .drop = lookup_drop, .userdata = l };
        k = worker_submit(r->worker, &job);
        if (k < 0)
                return k;
        l->resolver = r;
        r->current = TAKE(l);
        return 0;
}

void resolver_cancel(Resolver *r) {
        if (!r->current)
                return;
        r->current->resolver = NULL;
        r->current = NULL;
}

void resolver_rest(Resolver *r) {
        if (r->worker && worker_pending(r->worker) == 0)
                r->worker = worker_free(r->worker);
}
