/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "service/bus-polkit.h"
#include "base/timeutil.h"

#define POLKIT_QUERIES_MAX 256                   /* parked calls of one daemon */
#define POLKIT_TIMEOUT_USEC (120 * USEC_PER_SEC) /* somebody may be typing a password */
#define POLKIT_STALE_USEC (60 * USEC_PER_SEC)

typedef enum Verdict {
        VERDICT_PENDING,
        VERDICT_ALLOWED,
        VERDICT_CHALLENGE, /* would be allowed after a password, and asking was not allowed */
        VERDICT_DENIED,
} Verdict;

/* One parked call. It holds a reference on the message, so that no other message can have its address. */
typedef struct Query Query;
struct Query {
        PolkitRegistry *registry;
        Query *next;
        sd_bus_message *call;
        sd_bus_slot *slot;
        char *action;
        Verdict verdict;
        uint64_t answered_usec;
};

struct PolkitRegistry {
        Query *queries;
        size_t n_queries;
};

static Query *query_free(Query *q) {
        if (!q)
                return NULL;
        if (q->registry) {
                for (Query **p = &q->registry->queries; *p; p = &(*p)->next)
                        if (*p == q) {
                                *p = q->next;
                                q->registry->n_queries--;
                                break;
                        }
        }
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->call);
        free(q->action);
        return mfree(q);
}
DEFINE_CLEANUP(Query *, query_free);

PolkitRegistry *polkit_registry_free(PolkitRegistry *p) {
        if (!p)
                return NULL;
        while (p->queries)
                (void) query_free(p->queries);
        return mfree(p);
}

static Query *registry_find(PolkitRegistry *p, const sd_bus_message *call) {
        for (Query *q = p->queries; q; q = q->next)
                if (q->call == call)
                        return q;
        return NULL;
}

/* A handler may return before it asks for its verdict again, when its object has gone meanwhile. */
static void registry_drop_stale(PolkitRegistry *p) {
        uint64_t now = now_monotonic_usec();

        for (Query *q = p->queries, *next; q; q = next) {
                next = q->next;
                if (q->verdict != VERDICT_PENDING && now - q->answered_usec > POLKIT_STALE_USEC)
                        (void) query_free(q);
        }
}

static Verdict read_verdict(sd_bus_message *reply) {
        int authorized, challenge;

        /* polkit missing, masked, timed out, caller gone: all of it is a refusal. */
        if (sd_bus_message_is_method_error(reply, NULL))
                return VERDICT_DENIED;
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(reply, "bb", &authorized, &challenge) < 0)
                return VERDICT_DENIED;
        if (authorized)
                return VERDICT_ALLOWED;
        return challenge ? VERDICT_CHALLENGE : VERDICT_DENIED;
}

static int on_checked(sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        Query *q = userdata;
        int r;

        q->slot = sd_bus_slot_unref(q->slot);
        q->verdict = read_verdict(reply);
        q->answered_usec = now_monotonic_usec();

        r = sd_bus_message_rewind(q->call, true);
        if (r >= 0)
                r = sd_bus_enqueue_for_read(sd_bus_message_get_bus(q->call), q->call);
        if (r < 0) {
                (void) sd_bus_reply_method_errno(q->call, r, NULL);
                (void) query_free(q);
        }
        return 1;
}

static int query_ask(Query *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        sd_bus *bus = sd_bus_message_get_bus(q->call);
        int interactive, r;

        interactive = sd_bus_message_get_allow_interactive_authorization(q->call);
        if (interactive < 0)
                return interactive;
        r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.PolicyKit1",
                                           "/org/freedesktop/PolicyKit1/Authority",
                                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(q->call), q->action, 0,
                                  (uint32_t) (interactive > 0), "");
        if (r < 0)
                return r;
        return sd_bus_call_async(bus, &q->slot, m, on_checked, q, POLKIT_TIMEOUT_USEC);
}

static int registry_ask(PolkitRegistry *p, sd_bus_message *call, const char *action) {
        _cleanup_(query_freep) Query *q = NULL;
        int r;

        q = new(Query);
        if (!q)
                return -ENOMEM;
        q->call = sd_bus_message_ref(call);
        q->action = strdup(action);
        if (!q->action)
                return -ENOMEM;
        r = query_ask(q);
        if (r < 0)
                return r;
        q->registry = p;
        q->next = p->queries;
        p->queries = TAKE(q);
        p->n_queries++;
        return 0;
}

static int query_result(const Query *q, const char *action, sd_bus_error *reterr) {
        if (!streq(q->action, action))
                return sd_bus_error_set(reterr, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
        switch (q->verdict) {
        case VERDICT_PENDING:
                return 0;
        case VERDICT_ALLOWED:
                return 1;
        case VERDICT_CHALLENGE:
                return sd_bus_error_set(reterr, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                        "Interactive authentication required");
        case VERDICT_DENIED:
                break;
        }
        return sd_bus_error_setf(reterr, SD_BUS_ERROR_ACCESS_DENIED, "Not authorised for %s", action);
}

int bus_verify_polkit_async(sd_bus_message *call, const char *action, PolkitRegistry **registry,
                            sd_bus_error *reterr) {
        Query *q;
        int r;

        assert(call && action && registry);

        /* On a bus daemon this is: the sender's uid is 0, or ours. */
        r = sd_bus_query_sender_privilege(call, -1);
        if (r > 0) {
                if (*registry)
                        (void) query_free(registry_find(*registry, call));
                return 1;
        }
        if (!*registry) {
                *registry = new(PolkitRegistry);
                if (!*registry)
                        return -ENOMEM;
        }
        q = registry_find(*registry, call);
        if (q) {
                r = query_result(q, action, reterr);
                if (r != 0)
                        (void) query_free(q);
                return r;
        }
        if (!sd_bus_message_get_sender(call))
                return sd_bus_error_set(reterr, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
        registry_drop_stale(*registry);
        if ((*registry)->n_queries >= POLKIT_QUERIES_MAX)
                return sd_bus_error_set(reterr, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "Too many calls wait for authorisation");
        r = registry_ask(*registry, call, action);
        if (r < 0)
                return sd_bus_error_set(reterr, SD_BUS_ERROR_ACCESS_DENIED, "Access denied");
        return 0;
}
