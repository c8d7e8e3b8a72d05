/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/hub-names.h"

#include <netdb.h>

#include "agentd/reconcile.h"
#include "base/fileio.h"
#include "base/log.h"
#include "base/strutil.h"
#include "service/event-timer.h"
#include "service/worker.h"
#include "json/json.h"

#define ENDPOINTS_FILE "endpoints.json"
#define ENDPOINTS_BYTES_MAX (64 * 1024)
#define NAMES_MAX 256
#define AGAIN_USEC (300 * USEC_PER_SEC)
#define AGAIN_FAILED_USEC (30 * USEC_PER_SEC)

struct HubNames {
        Manager *manager;
        Worker *worker;
        sd_event_source *timer;
        char **asked; /* names that were asked for since the timer last ran */
        bool failed;  /* one has no address at all */
        bool changed;
};

typedef struct Query {
        HubNames *hub_names;
        char *name;
        Address address;
} Query;

HubNames *hub_names_free(HubNames *r) {
        if (!r)
                return NULL;
        sd_event_source_disable_unref(r->timer);
        (void) worker_abandon(r->worker); /* a name server that is silent must not hold up the loop */
        strv_free(r->asked);
        return mfree(r);
}

static void query_free(void *userdata) {
        Query *q = userdata;

        free(q->name);
        free(q);
}

/* On the thread. IPv4 first: WireGuard endpoints of both families are rare, and a site without IPv6 is not.
 */
static int query_run(void *userdata) {
        struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG }, *list = NULL;
        Query *q = userdata;
        Endpoint e;
        int r = -ENXIO;

        if (getaddrinfo(q->name, NULL, &hints, &list) != 0)
                return -ENXIO;
        for (struct addrinfo *i = list; i; i = i->ai_next) {
                if (endpoint_from_sockaddr(i->ai_addr, i->ai_addrlen, &e) < 0 ||
                    (r >= 0 && e.address.family != AF_INET))
                        continue;
                q->address = e.address;
                r = 0;
                if (e.address.family == AF_INET)
                        break;
        }
        freeaddrinfo(list);
        return r;
}

static void add_name(const char *name, const Address *address, void *userdata) {
        char text[ADDRESS_STRING_MAX];
        json_object *o = userdata;

        if (address && json_add_string(o, name, address_format(address, text)) < 0)
                log_debug("Out of memory while keeping the address of %s.", name);
}

static void save(Manager *m) {
        _cleanup_free_ char *path = str_printf("%s/" ENDPOINTS_FILE, m->directory), *text = NULL;
        _cleanup_json_ json_object *o = json_object_new_object();
        size_t len = 0;
        int r;

        if (!path || !o)
                return;
        desired_foreach_name(m->desired, add_name, o);
        text = json_format(o, &len);
        r = text ? file_write_atomic(path, text, len, 0600) : -ENOMEM;
        if (r < 0)
                (void) log_warning_errno(r, "Failed to keep the addresses of hubs, ignoring: %m");
}

static void query_done(int result, void *userdata) {
        Query *q = userdata;
        HubNames *r = q->hub_names;
        Manager *m = r->manager;

        if (result < 0) {
                log_debug("No address for %s.", q->name);
                r->failed = true;
        } else if (m->desired && desired_set_address(m->desired, q->name, &q->address) > 0) {
                r->changed = true;
                save(m);
                reconcile_schedule(m);
        }
        query_free(q);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        HubNames *r = userdata;

        strv_free(r->asked);
        r->asked = NULL;
        r->failed = false;
        if (r->manager->desired)
                hub_names_update(r->manager);
        return 0;
}

static int hub_names_new(Manager *m, HubNames **ret) {
        _cleanup_(hub_names_freep) HubNames *r = new(HubNames);
        int k;

        if (!r)
                return -ENOMEM;
        r->manager = m;
        k = worker_new(m->event, "resolve", NAMES_MAX, &r->worker);
        if (k < 0)
                return k;
        k = event_timer_new(m->event, USEC_PER_SEC, on_timer, r, &r->timer);
        if (k < 0)
                return k;
        *ret = TAKE(r);
        return 0;
}

static void visit(const char *name, const Address *address, void *userdata) {
        Manager *m = userdata;
        WorkerJob job = { .run = query_run, .done = query_done, .drop = query_free };
        Query *q;

        if (!m->hub_names && hub_names_new(m, &m->hub_names) < 0)
                return;
        if (!address)
                m->hub_names->failed = true;
        if (strv_contains(m->hub_names->asked, name) || strv_append(&m->hub_names->asked, name) < 0)
                return;
        q = new(Query);
        if (!q)
                return;
        q->hub_names = m->hub_names;
        q->name = strdup(name);
        job.userdata = q;
        if (!q->name || worker_submit(m->hub_names->worker, &job) < 0)
                query_free(q);
}

void hub_names_update(Manager *m) {
        desired_foreach_name(m->desired, visit, m);
        if (!m->hub_names)
                return;
        if (strv_length(m->hub_names->asked) == 0) {
                (void) sd_event_source_set_enabled(m->hub_names->timer, SD_EVENT_OFF);
                return;
        }
        event_timer_arm(m->hub_names->timer, m->hub_names->failed ? AGAIN_FAILED_USEC : AGAIN_USEC);
}

void hub_names_load(Manager *m) {
        _cleanup_free_ char *path = str_printf("%s/" ENDPOINTS_FILE, m->directory);
        _cleanup_free_ uint8_t *text = NULL;
        _cleanup_json_ json_object *o = NULL;
        size_t len = 0;

        if (!path || file_read(path, ENDPOINTS_BYTES_MAX, &text, &len) < 0 ||
            json_parse((char *) text, len, 0, NULL, &o) < 0 || json_object_get_type(o) != json_type_object)
                return;
        json_object_object_foreach(o, name, value) {
                Address a;

                if (json_object_get_type(value) == json_type_string &&
                    address_parse(json_object_get_string(value), &a) >= 0)
                        (void) !desired_set_address(m->desired, name, &a);
        }
}

int hub_names_erase(const char *directory) {
        _cleanup_free_ char *path = str_printf("%s/" ENDPOINTS_FILE, directory);

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
