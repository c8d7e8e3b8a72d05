/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/reconcile.h"

#include <stdio.h>

#include "agentd/drift.h"
#include "agentd/hub-names.h"
#include "agentd/messages.h"
#include "agentd/tunnels.h"
#include "base/log.h"
#include "base/strutil.h"
#include "service/event-timer.h"

#define RETRY_BASE_USEC USEC_PER_SEC
#define RETRY_CAP_USEC (60 * USEC_PER_SEC)
#define WAIT_USEC USEC_PER_SEC

struct Reconcile {
        Manager *manager;
        sd_event_source *run_source;
        sd_event_source *retry_timer;
        Backoff retry;
        bool waiting, failed;
        bool waiting_logged;
};

/* What a run came to. */
typedef struct Outcome {
        size_t done, failed, waiting, blocked;
        bool removed_links;
        char reason[ERROR_TEXT_MAX];
} Outcome;

Reconcile *reconcile_free(Reconcile *r) {
        if (!r)
                return NULL;
        sd_event_source_disable_unref(r->run_source);
        sd_event_source_disable_unref(r->retry_timer);
        return mfree(r);
}

static int on_run(sd_event_source *source, void *userdata) {
        Reconcile *r = userdata;

        (void) reconcile_run(r->manager);
        return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        Reconcile *r = userdata;

        (void) reconcile_run(r->manager);
        return 0;
}

int reconcile_new(Manager *m, Reconcile **ret) {
        _cleanup_(reconcile_freep) Reconcile *r = new(Reconcile);
        int k;

        if (!r)
                return -ENOMEM;
        *r = (Reconcile) { .manager = m,
                          .retry = { .base_usec = RETRY_BASE_USEC, .cap_usec = RETRY_CAP_USEC } };
        k = sd_event_add_defer(m->event, &r->run_source, on_run, r);
        if (k < 0)
                return k;
        /* Lines that arrived together are applied together. */
        k = sd_event_source_set_priority(r->run_source, SD_EVENT_PRIORITY_IDLE);
        if (k < 0)
                return k;
        k = sd_event_source_set_enabled(r->run_source, SD_EVENT_OFF);
        if (k < 0)
                return k;
        k = event_timer_new(m->event, 100 * USEC_PER_MSEC, on_retry, r, &r->retry_timer);
        if (k < 0)
                return k;
        *ret = TAKE(r);
        return 0;
}

bool reconcile_is_waiting(const Manager *m) {
        return m->reconcile && m->reconcile->waiting && !m->reconcile->failed;
}

void reconcile_schedule(Manager *m) {
        (void) sd_event_source_set_enabled(m->reconcile->run_source, SD_EVENT_ONESHOT);
}

static void step_failed(Outcome *o, const PlanStep *s, int error) {
        _cleanup_buffer_ Buffer b = { 0 };
        char *end;

        o->failed++;
        if (o->reason[0] != '\0')
                return;
        if (plan_step_format(s, &b) < 0)
                return;
        end = strchr((char *) b.data, '\n');
        if (end)
                *end = '\0';
        (void) snprintf(o->reason, sizeof(o->reason), "%.180s: %s", (char *) b.data,
                        error == -EEXIST && s->type == STEP_LINK_CREATE
                                        ? "an interface of this name exists and is not ours"
                                        : strerror(-error));
}

static void run_step(Manager *m, const PlanStep *s, Outcome *o) {
        int r;

        if (!plan_step_ready(m->plan, s)) {
                o->blocked++;
                return;
        }
        if (s->type >= STEP_ROUTE_REMOVE)
                drift_expect_removal(m->drift, s->type);
        r = kernel_apply(m->kernel, s, m->identity ? m->identity->wg_key : NULL);
        if (r == -EAGAIN && s->type == STEP_LINK_CREATE) {
                o->waiting++;
                return;
        }
        if (r >= 0)
                r = plan_step_done(m->plan, s);
        if (r < 0) {
                step_failed(o, s, r);
                return;
        }
        if (s->type != STEP_SYSCTL_SET) /* most are as they should be, and asked for after every dump */
                o->done++;
        if (s->type == STEP_LINK_REMOVE || s->type == STEP_ADDRESS_REMOVE)
                o->removed_links = true;
}

static uint64_t revision_sum(const Manager *m) {
        uint64_t max = 0;

        for (int i = 0; m->state && i < STATE_CLASSES; i++)
                max = MAX(max, m->state->topics[i].revision);
        return max;
}

static void log_applied(Manager *m, const Outcome *o, const WgCounters *before, uint64_t rtnl_before) {
        const WgCounters *now = wg_counters(m->kernel->wg);
        _cleanup_free_ char *fields = NULL;
        uint64_t revision = revision_sum(m);

        fields = str_printf("MESSAGE_ID=" MESSAGE_AGENT_APPLIED "\nSDWAN_NODE=%s\nSDWAN_REVISION=%llu",
                            m->membership ? m->membership->node_id : "", (unsigned long long) revision);
        (void) log_fields_errno(LOG_INFO, 0, fields,
                                "applied revision %llu: wireguard messages=%llu peers=%llu rtnl "
                                "messages=%llu steps=%zu "
                                "failed=%zu waiting=%zu",
                                (unsigned long long) revision,
                                (unsigned long long) (now->messages_sent - before->messages_sent),
                                (unsigned long long) (now->peers_sent - before->peers_sent),
                                (unsigned long long) (rtnl_messages_sent(m->kernel->rtnl) - rtnl_before),
                                o->done, o->failed, o->waiting);
}

static void run_finished(Manager *m, const Outcome *o) {
        Reconcile *r = m->reconcile;

        r->waiting = o->waiting > 0;
        r->failed = o->failed > 0;
        if (!r->waiting)
                r->waiting_logged = false;
        if (o->failed > 0) {
                uint64_t wait = MAX(backoff_next(&r->retry, crypto_random_u64()), USEC_PER_SEC);

                log_warning("Failed to apply %zu of the wanted changes, trying again in %llu s: %s",
                            o->failed, (unsigned long long) (wait / USEC_PER_SEC), o->reason);
                manager_set_error(m, "%s", o->reason);
                event_timer_arm(r->retry_timer, wait);
                return;
        }
        backoff_reset(&r->retry);
        if (o->waiting > 0) {
                if (!r->waiting_logged)
                        log_notice("Waiting for %zu interfaces whose WireGuard implementation is not "
                                   "running yet "
                                   "(/run/wireguard/<interface>.sock).",
                                   o->waiting);
                r->waiting_logged = true;
                event_timer_arm(r->retry_timer, WAIT_USEC);
                manager_set_error(m, "%zu interfaces are not there yet", o->waiting);
                return;
        }
        (void) sd_event_source_set_enabled(r->retry_timer, SD_EVENT_OFF);
        manager_set_error(m, NULL);
}

/* Links, addresses and nexthops that are taken away can take routes with them that are still wanted. */
static void verify_later(Manager *m, const Outcome *o) {
        if (o->removed_links)
                drift_check_soon(m->drift);
}

int reconcile_run(Manager *m) {
        WgCounters before = *wg_counters(m->kernel->wg);
        uint64_t rtnl_before = rtnl_messages_sent(m->kernel->rtnl);
        PlanSteps steps = { 0 };
        Outcome o = { 0 };
        int r;

        if (m->desired) {
                r = desired_compile(m->desired);
                if (r < 0)
                        return log_error_errno(r, "Failed to compile what is wanted: %m");
                hub_names_update(m);
        }
        r = plan_make(m->plan, m->settled || !m->desired, &steps);
        if (r < 0)
                return log_error_errno(r, "Failed to plan: %m");
        for (size_t i = 0; i < steps.n; i++)
                run_step(m, &steps.steps[i], &o);
        plan_steps_done(&steps);
        drift_own_changes(m->drift, o.done);
        if (o.done > 0 || o.failed > 0)
                log_applied(m, &o, &before, rtnl_before);
        run_finished(m, &o);
        verify_later(m, &o);
        tunnels_changed(m); /* also of what was adopted, and of a peer with a new name */
        manager_applied(m);
        return 0;
}

int reconcile_resync(Manager *m) {
        int r;

        r = kernel_dump(m->kernel, m->plan);
        if (r < 0)
                return r;
        return reconcile_run(m);
}
