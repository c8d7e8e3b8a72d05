/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/drift.h"

#include "agentd/messages.h"
#include "agentd/reconcile.h"
#include "base/log.h"
#include "base/strutil.h"
#include "service/event-timer.h"

#define DEBOUNCE_USEC (200 * USEC_PER_MSEC)
#define SUSPICION_USEC (10 * USEC_PER_SEC) /* for what need not be about us */
#define OWN_ECHO_USEC USEC_PER_SEC
#define FIGHT_WINDOW_USEC (60 * USEC_PER_SEC)
#define FIGHTS_MAX 3

struct Drift {
        Manager *manager;
        sd_event_source *timer;
        bool armed;
        uint64_t due_usec;
        uint64_t own_usec; /* when we last changed something */
        unsigned expected_removals;
        uint64_t repairs[FIGHTS_MAX]; /* when, the oldest is overwritten */
        size_t next_repair;
        bool fought;
};

Drift *drift_free(Drift *d) {
        if (!d)
                return NULL;
        sd_event_source_disable_unref(d->timer);
        return mfree(d);
}

static void check_in(Drift *d, uint64_t usec) {
        uint64_t due = now_monotonic_usec() + usec;

        if (d->armed && d->due_usec <= due)
                return;
        if (sd_event_source_set_time(d->timer, due) < 0 ||
            sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT) < 0)
                return;
        d->armed = true;
        d->due_usec = due;
}

void drift_check_soon(Drift *d) {
        if (d)
                check_in(d, DEBOUNCE_USEC);
}

void drift_expect_removal(Drift *d, PlanStepType step) {
        if (d && step != STEP_LINK_REMOVE)
                d->expected_removals++;
}

void drift_own_changes(Drift *d, size_t n_steps) {
        if (d && n_steps > 0)
                d->own_usec = now_monotonic_usec();
}

/* Three repairs within a minute: somebody else wants it otherwise. */
static bool is_fought(Drift *d, uint64_t now) {
        uint64_t oldest = d->repairs[d->next_repair];

        return oldest != 0 && now < oldest + FIGHT_WINDOW_USEC;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Drift *d = userdata;
        Manager *m = d->manager;
        uint64_t now = now_monotonic_usec();
        size_t dirty = plan_dirty(m->plan);
        int r;

        d->armed = false;
        if (!m->desired)
                return 0; /* nothing is known that it could be compared with */
        if (is_fought(d, now)) {
                if (!d->fought)
                        (void) log_fields_errno(LOG_WARNING, 0, "MESSAGE_ID=" MESSAGE_AGENT_FOUGHT,
                                                "Somebody keeps changing interfaces or routes that are "
                                                "ours: waiting a minute before "
                                                "the next repair. Is networkd or NetworkManager set to "
                                                "leave sdw* alone?");
                d->fought = true;
                check_in(d, FIGHT_WINDOW_USEC);
                return 0;
        }
        d->fought = false;
        r = kernel_dump(m->kernel, m->plan);
        if (r < 0) {
                check_in(d, SUSPICION_USEC);
                return 0;
        }
        /* Settings are forgotten by a dump, so they always count; what else differs is drift. */
        if (plan_dirty(m->plan) > dirty + plan_objects(m->plan, PLAN_SYSCTL)) {
                d->repairs[d->next_repair] = now;
                d->next_repair = (d->next_repair + 1) % FIGHTS_MAX;
                log_notice("What the kernel has is not what we set, repairing.");
        }
        (void) reconcile_run(m);
        return 0;
}

static void on_event(RtnlEvent event, bool deleted, const char *link, void *userdata) {
        Drift *d = userdata;
        bool echo = now_monotonic_usec() < d->own_usec + OWN_ECHO_USEC;
        bool ours = strncmp(link, RTNL_LINK_PREFIX, strlen(RTNL_LINK_PREFIX)) == 0;

        if (!echo)
                d->expected_removals = 0;
        switch (event) {
        case RTNL_EVENT_OVERRUN:
                check_in(d, DEBOUNCE_USEC);
                return;
        case RTNL_EVENT_LINK:
                /* Our own end in a check as well: that is how what was applied is verified. */
                if (ours)
                        check_in(d, DEBOUNCE_USEC);
                return;
        case RTNL_EVENT_ADDRESS:
                if (!ours && !(deleted && link[0] == '\0'))
                        return;
                break;
        default:
                break;
        }
        if (!deleted) {
                if (!echo)
                        check_in(d, SUSPICION_USEC);
                return;
        }
        if (d->expected_removals > 0) {
                d->expected_removals--;
                return;
        }
        check_in(d, DEBOUNCE_USEC);
}

int drift_new(Manager *m, Drift **ret) {
        _cleanup_(drift_freep) Drift *d = new(Drift);
        int r;

        if (!d)
                return -ENOMEM;
        d->manager = m;
        r = event_timer_new(m->event, 50 * USEC_PER_MSEC, on_timer, d, &d->timer);
        if (r < 0)
                return r;
        r = rtnl_monitor(m->kernel->rtnl, m->event, on_event, d);
        if (r < 0)
                return r;
        *ret = TAKE(d);
        return 0;
}
