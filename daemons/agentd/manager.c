/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include "agentd/manager.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agentd/drift.h"
#include "agentd/hub-names.h"
#include "agentd/join.h"
#include "agentd/messages.h"
#include "agentd/reconcile.h"
#include "agentd/sync.h"
#include "agentd/tunnels.h"
#include "base/log.h"
#include "base/strutil.h"
#include "service/event-timer.h"
#include "service/program.h"

#define DIRECTORY_DEFAULT "/var/lib/sdwan/agent"
#define UNDONE_USEC (300 * USEC_PER_SEC)
#define SETTLE_USEC (2 * USEC_PER_SEC)
#define TIMER_ACCURACY_USEC (100 * USEC_PER_MSEC)

const char *agent_state_to_string(AgentState s) {
        static const char *const names[] = {
                [AGENT_UNENROLLED] = "unenrolled", [AGENT_JOINING] = "joining", [AGENT_PENDING] = "pending",
                [AGENT_CONNECTING] = "connecting", [AGENT_IN_SYNC] = "in-sync", [AGENT_FAILED] = "failed",
                [AGENT_REVOKED] = "revoked",
        };

        return names[s];
}

AgentState manager_state(const Manager *m) {
        if (!m->membership)
                return m->join ? AGENT_JOINING : AGENT_UNENROLLED;
        if (m->membership->revoked)
                return AGENT_REVOKED;
        if (m->membership->pending)
                return AGENT_PENDING;
        if (m->error[0] != '\0' || m->refused[0] != '\0')
                return AGENT_FAILED;
        return m->connected ? AGENT_IN_SYNC : AGENT_CONNECTING;
}

static void stop_member(Manager *m) {
        m->sync = sync_free(m->sync);
        m->hub_names = hub_names_free(m->hub_names);
        m->desired = desired_free(m->desired);
        m->state = state_free(m->state);
        m->connected = false;
}

Manager *manager_free(Manager *m) {
        if (!m)
                return NULL;
        m->join = join_free(m->join);
        stop_member(m);
        m->tunnels = tunnels_free(m->tunnels);
        m->kernel = kernel_free(m->kernel); /* before those that it would call */
        m->drift = drift_free(m->drift);
        m->reconcile = reconcile_free(m->reconcile);
        (void) plan_free(m->plan);
        (void) membership_free(m->membership);
        (void) identity_free(m->identity);
        (void) polkit_registry_free(m->polkit);
        sd_event_source_disable_unref(m->confirm_timer);
        sd_event_source_disable_unref(m->settle_timer);
        free(m->directory);
        return mfree(m);
}

/* ---- what is wanted ---- */

static int take_batch(Manager *m, const Batch *b, char item[static ITEM_ID_MAX], const char **reason) {
        Batch copy = *b;

        copy.snapshot = b->snapshot || b->from == 0;
        return desired_apply(m->desired, &copy, item, reason);
}

static int on_stored_batch(const Batch *b, void *userdata) {
        char item[ITEM_ID_MAX];
        const char *reason;
        Manager *m = userdata;
        int r = take_batch(m, b, item, &reason);

        if (r < 0)
                log_warning("Item %s of the stored state of %s is no longer understood: %s.", item, b->topic,
                            reason);
        return MIN(r, 0);
}

/* Whether everything that belongs to the node's role is known; a topic that was never heard of may simply be
 * empty, but the node and its hubs never are. */
static bool is_complete(const Manager *m) {
        for (int i = 0; i < STATE_CLASSES; i++)
                if (m->state->topics[i].damaged)
                        return false;
        return desired_self(m->desired) && desired_network(m->desired);
}

static int load_state(Manager *m) {
        int r;

        m->desired = desired_free(m->desired);
        r = desired_new(m->membership->node_id, m->membership->network, &m->identity->wg_public, m->plan,
                        &m->desired);
        if (r < 0)
                return r;
        hub_names_load(m);
        r = state_load(m->state, on_stored_batch, m);
        if (r < 0)
                return r;
        m->settled = is_complete(m);
        return 0;
}

static int start_member(Manager *m) {
        int r;

        r = state_new(m->directory, m->identity, &m->membership->keys, &m->state);
        if (r < 0)
                return r;
        r = load_state(m);
        if (r < 0)
                return log_error_errno(r, "Failed to load the stored state: %m");
        if (m->membership->revoked) {
                m->hub_names = hub_names_free(m->hub_names);
                m->desired = desired_free(m->desired);
        }
        r = reconcile_resync(m);
        if (r < 0)
                return r;
        r = sync_new(m, &m->sync);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the connection to the controller: %m");
        sync_start(m->sync);
        (void) malloc_trim(0);
        return 0;
}

static void announce_membership(Manager *m) {
        static const char *const properties[] = {
                "NodeId",    "NodeName",      "NetworkId",   "Role",
                "Addresses", "ControllerUrl", "Fingerprint", "Topics",
        };

        for (size_t i = 0; i < ELEMENTSOF(properties); i++)
                manager_changed(m, properties[i]);
}

static void update_membership(Manager *m) {
        const ItemSelf *self = desired_self(m->desired);
        Membership *to = m->membership;
        char *name, *network;
        int r;

        if (!self || (streq(self->name, to->name) && streq(self->network, to->network) &&
                      to->hub == (self->role == ROLE_HUB) && address_equal(&self->address4, &to->address4) &&
                      address_equal(&self->address6, &to->address6)))
                return;
        name = strdup(self->name);
        network = strdup(self->network);
        if (!name || !network) {
                free(name);
                free(network);
                return;
        }
        free(to->name);
        free(to->network);
        to->name = name;
        to->network = network;
        to->hub = self->role == ROLE_HUB;
        to->address4 = self->address4;
        to->address6 = self->address6;
        r = membership_save(m->directory, to);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to keep what this node is called, ignoring: %m");
        announce_membership(m);
}

/* ---- batches ---- */

static int refuse(Manager *m, const Batch *b, const char *item, const char *reason) {
        _cleanup_free_ char *fields = NULL;

        (void) snprintf(m->refused, sizeof(m->refused), "revision %llu of %.60s refused: %.40s%s%.80s",
                        (unsigned long long) b->to, b->topic, item, item[0] != '\0' ? ": " : "", reason);
        fields = str_printf("MESSAGE_ID=" MESSAGE_AGENT_REFUSED "\nSDWAN_NODE=%s\nSDWAN_REVISION=%llu",
                            m->membership->node_id, (unsigned long long) b->to);
        (void) log_fields_errno(LOG_ERR, 0, fields, "Batch of the controller: %s.", m->refused);
        sync_report(m->sync);
        manager_changed(m, NULL);
        return 0;
}

static bool was_undone(const Manager *m, const Batch *b) {
        char owner[OBJECT_ID_MAX];
        TopicClass class;

        return topic_parse(b->topic, &class, owner) >= 0 && b->to <= m->undone[class].revision &&
               now_monotonic_usec() < m->undone[class].until_usec;
}

static int check_batch(Manager *m, const Batch *b, const char **reason) {
        int r;

        if (b->epoch < m->membership->controller_epoch) {
                *reason = "it is of an older epoch of the controller";
                return -ESTALE;
        }
        r = state_check(m->state, b);
        if (r == -ESTALE)
                *reason = "it is older than what is applied";
        if (r == 0 && was_undone(m, b)) {
                *reason = "it cut this node off from the controller";
                return -EPERM;
        }
        return r;
}

static void keep_batch(Manager *m, const Batch *b, const char *line, size_t len) {
        int r;

        r = state_append(m->state, b, line, len);
        if (r < 0)
                (void) log_warning_errno(r,
                                         "Failed to keep revision %llu of %s on disk (%m): going on from "
                                         "memory. After a restart "
                                         "the agent begins with an older state.",
                                         (unsigned long long) b->to, b->topic);
        if (b->epoch <= m->membership->controller_epoch)
                return;
        m->membership->controller_epoch = b->epoch;
        r = membership_save(m->directory, m->membership);
        if (r < 0)
                (void) log_warning_errno(r, "Failed to keep the controller's epoch, ignoring: %m");
}

static int take_verified(Manager *m, const Batch *b, const char *line, size_t len) {
        char item[ITEM_ID_MAX] = "";
        const char *reason = "";
        int r;

        r = check_batch(m, b, &reason);
        if (r == -EREMCHG)
                return -ECONNRESET; /* something was missed on the way */
        if (r == -EPERM)
                sync_reconnect_in(m->sync,
                                  UNDONE_USEC); /* perhaps it was not its fault: once more by then */
        if (r < 0)
                return refuse(m, b, "", reason);
        if (r > 0)
                return 0;
        r = take_batch(m, b, item, &reason);
        if (r == -EBADMSG)
                return refuse(m, b, item, reason);
        if (r != 0)
                return MIN(r, 0); /* not for us */
        m->refused[0] = '\0';
        keep_batch(m, b, line, len);
        if (b->snapshot || b->from == 0)
                m->settled = false; /* more of it may follow: nothing is taken away before */
        if (!m->settled)
                event_timer_arm(m->settle_timer, SETTLE_USEC);
        update_membership(m);
        m->apply_pending = true;
        reconcile_schedule(m);
        return 0;
}

int manager_take_line(Manager *m, const char *line, size_t len) {
        const char *reason = "";
        Batch b = { 0 };
        int r;

        if (!m->desired)
                return 0;
        r = state_verify_line(m->state, line, len, &b, &reason);
        if (r == -ENOKEY || r == -ENOMEM)
                return r;
        if (r < 0)
                return refuse(m, &(Batch) { .topic = (char *) "unknown" }, "", reason);
        r = take_verified(m, &b, line, len);
        batch_done(&b);
        return r;
}

void manager_settle(Manager *m) {
        (void) sd_event_source_set_enabled(m->settle_timer, SD_EVENT_OFF);
        if (m->settled || !m->desired || !desired_self(m->desired) || !desired_network(m->desired))
                return;
        m->settled = true;
        if (plan_dirty(m->plan) > 0)
                reconcile_schedule(m);
        (void) malloc_trim(0);
}

static int on_settle(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        if (m->connected)
                manager_settle(m);
        return 0;
}

/* ---- a change that cannot cut you off ---- */

void manager_applied(Manager *m) {
        m->apply_pending = false;
        m->generation++;
        if (m->sync && m->state && !reconcile_is_waiting(m))
                sync_report(m->sync);
        if (m->state && !state_is_confirmed(m->state) && m->settings.confirm_usec > 0 &&
            sd_event_source_get_enabled(m->confirm_timer, NULL) == 0)
                event_timer_arm(m->confirm_timer, m->settings.confirm_usec);
        manager_changed(m, "Topics");
}

void manager_reached(Manager *m, uint64_t generation) {
        if (m->apply_pending || generation != m->generation)
                return;
        (void) sd_event_source_set_enabled(m->confirm_timer, SD_EVENT_OFF);
        if (m->state && !state_is_confirmed(m->state))
                state_confirm(m->state);
}

static void remember_undone(Manager *m) {
        uint64_t until = now_monotonic_usec() + UNDONE_USEC;

        for (int i = 0; i < STATE_CLASSES; i++)
                if (m->state->topics[i].revision > m->state->topics[i].confirmed_revision)
                        m->undone[i] = (Undone) { m->state->topics[i].revision, until };
}

static int on_confirm(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        int r;

        if (!m->state || !m->desired || state_is_confirmed(m->state))
                return 0;
        (void) log_fields_errno(LOG_ERR, 0, "MESSAGE_ID=" MESSAGE_AGENT_UNDONE,
                                "The controller was not reached again after the last change: going back to "
                                "the state before.");
        remember_undone(m);
        r = state_undo(m->state);
        if (r >= 0)
                r = load_state(m);
        if (r < 0) {
                (void) log_error_errno(r, "Failed to go back to the state before: %m");
                return 0;
        }
        (void) snprintf(m->refused, sizeof(m->refused),
                        "the last change was undone: it cut this node off from the controller");
        (void) reconcile_run(m);
        sync_start(m->sync);
        return 0;
}

/* ---- what the controller makes of us ---- */

void manager_set_connected(Manager *m, bool connected) {
        if (m->connected == connected)
                return;
        m->connected = connected;
        if (connected && !m->settled)
                event_timer_arm(m->settle_timer, SETTLE_USEC);
        manager_changed(m, NULL);
}

static void save_membership(Manager *m) {
        int r = membership_save(m->directory, m->membership);

        if (r < 0)
                (void) log_warning_errno(r, "Failed to keep the state of the membership, ignoring: %m");
}

void manager_set_pending(Manager *m, bool pending) {
        bool was_revoked = m->membership->revoked && !pending;

        if (m->membership->pending == pending && !was_revoked)
                return;
        m->membership->pending = pending;
        if (was_revoked) {
                m->membership->revoked = false;
                if (load_state(m) < 0)
                        log_warning("Failed to load the stored state, waiting for the controller's.");
                reconcile_schedule(m);
        }
        save_membership(m);
        manager_changed(m, NULL);
}

void manager_set_revoked(Manager *m) {
        _cleanup_free_ char *fields = NULL;

        if (m->membership->revoked)
                return;
        fields = str_printf("MESSAGE_ID=" MESSAGE_AGENT_REVOKED "\nSDWAN_NODE=%s", m->membership->node_id);
        (void) log_fields_errno(LOG_WARNING, 0, fields,
                                "The controller has revoked this node: taking its tunnels down. An "
                                "administrator can tell why; "
                                "\"sdwanctl leave\" forgets the keys.");
        m->membership->revoked = true;
        m->membership->pending = false;
        save_membership(m);
        m->hub_names = hub_names_free(m->hub_names);
        m->desired = desired_free(m->desired);
        (void) reconcile_run(m);
        manager_changed(m, NULL);
}

void manager_leave(Manager *m) {
        int r;

        (void) sd_event_source_set_enabled(m->confirm_timer, SD_EVENT_OFF);
        (void) sd_event_source_set_enabled(m->settle_timer, SD_EVENT_OFF);
        m->sync = sync_free(m->sync);
        m->hub_names = hub_names_free(m->hub_names);
        m->desired = desired_free(m->desired);
        r = kernel_dump(m->kernel, m->plan);
        if (r < 0)
                log_warning("Taking down what is known to be there.");
        (void) reconcile_run(m);
        r = m->state ? state_erase(m->state) : 0;
        m->state = state_free(m->state);
        m->connected = false;
        memset(m->undone, 0, sizeof(m->undone));
        m->refused[0] = '\0';
        if (hub_names_erase(m->directory) < 0 || membership_erase(m->directory) < 0 ||
            join_erase(m->directory) < 0 || identity_erase(m->directory) < 0 || r < 0)
                log_error("Failed to remove all files in %s: remove them by hand.", m->directory);
        m->membership = membership_free(m->membership);
        m->identity = identity_free(m->identity);
        (void) log_fields_errno(LOG_NOTICE, 0, "MESSAGE_ID=" MESSAGE_AGENT_LEFT,
                                "Left the network; the keys are gone.");
        announce_membership(m);
}

int manager_joined(Manager *m, Identity *identity, Membership *membership) {
        _cleanup_free_ char *fields = NULL;
        int r;

        (void) identity_free(m->identity);
        m->identity = identity;
        (void) membership_free(m->membership);
        m->membership = membership;
        fields = str_printf("MESSAGE_ID=" MESSAGE_AGENT_JOINED "\nSDWAN_NODE=%s", membership->node_id);
        (void) log_fields_errno(LOG_NOTICE, 0, fields, "Joined the network as %s (%s), fingerprint %s%s.",
                                membership->name, membership->hub ? "hub" : "spoke", identity->fingerprint,
                                membership->pending ? "; waiting for an administrator's approval" : "");
        r = identity_next_epoch(identity);
        if (r < 0)
                return log_error_errno(r, "Failed to count this start: %m");
        r = start_member(m);
        announce_membership(m);
        return r;
}

/* ---- start ---- */

static int find_directory(Manager *m) {
        struct stat st;
        int r;

        r = program_state_directory(DIRECTORY_DEFAULT, &m->directory);
        if (r < 0)
                return log_error_errno(r, "Failed to find the state directory: %m");
        if (mkdir(m->directory, 0700) < 0 && errno != EEXIST)
                return log_error_errno(errno, "Failed to make %s: %m", m->directory);
        if (stat(m->directory, &st) < 0)
                return log_error_errno(errno, "Failed to look at %s: %m", m->directory);
        if (!S_ISDIR(st.st_mode) || (st.st_mode & 0022) != 0 || (st.st_uid != geteuid() && st.st_uid != 0)) {
                log_error("%s holds keys and must be a folder that only this user can write to: chmod 0700, "
                          "and chown to the "
                          "user that the agent runs as.",
                          m->directory);
                return -EPERM;
        }
        return 0;
}

int manager_new(Daemon *d, const char *config_path, Manager **ret, int *ret_status) {
        _cleanup_(manager_freep) Manager *m = new(Manager);
        int r;

        *ret_status = EXIT_FAILURE;
        if (!m)
                return log_oom();
        m->daemon = d;
        m->event = d->event;
        r = settings_load(config_path, &m->settings);
        if (r < 0) {
                *ret_status = EXIT_CONFIG;
                return r;
        }
        r = find_directory(m);
        if (r < 0) {
                *ret_status = EXIT_CREDENTIAL;
                return r;
        }
        r = plan_new(&m->plan);
        if (r >= 0)
                r = event_timer_new(m->event, TIMER_ACCURACY_USEC, on_confirm, m, &m->confirm_timer);
        if (r >= 0)
                r = event_timer_new(m->event, TIMER_ACCURACY_USEC, on_settle, m, &m->settle_timer);
        if (r >= 0)
                r = reconcile_new(m, &m->reconcile);
        if (r >= 0)
                r = tunnels_new(m, &m->tunnels);
        if (r < 0)
                return log_error_errno(r, "Failed to start: %m");
        *ret = TAKE(m);
        return 0;
}

static int load_identity(Manager *m, int *ret_status) {
        int r;

        r = identity_load(m->directory, &m->identity);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                *ret_status = EXIT_CREDENTIAL;
                return log_error_errno(r,
                                       "The keys in %s cannot be used (%s). They must be whole, of mode "
                                       "0600 and of this user; "
                                       "what the kernel has stays as it is.",
                                       m->directory,
                                       r == -EPERM ? "open to others, or not ours" : strerror(-r));
        }
        r = membership_load(m->directory, &m->membership);
        if (r == -ENOENT)
                return 0;
        if (r < 0) {
                *ret_status = EXIT_CREDENTIAL;
                return log_error_errno(r,
                                       "%s/membership.json cannot be used (%s). Put it back from a backup, "
                                       "or remove it and join "
                                       "again; what the kernel has stays as it is.",
                                       m->directory, r == -EBADMSG ? "it is damaged" : strerror(-r));
        }
        return 1;
}

int manager_start(Manager *m, int *ret_status) {
        int r;

        *ret_status = EXIT_FAILURE;
        r = load_identity(m, ret_status);
        if (r < 0)
                return r;
        if (r > 0 && !streq(m->membership->node_id, m->identity->node_id)) {
                *ret_status = EXIT_CREDENTIAL;
                log_error("The keys in %s are not those that the node has joined with.", m->directory);
                return -EKEYREJECTED;
        }
        r = kernel_open((WgBackendType) m->settings.wireguard, &m->kernel);
        if (r < 0)
                return r;
        r = drift_new(m, &m->drift);
        if (r < 0)
                return log_error_errno(r, "Failed to listen to the kernel: %m");
        if (!m->membership)
                return 0;
        r = identity_next_epoch(m->identity);
        if (r < 0) {
                /* On a full disk the network is still to come up; the controller tells from where it counts.
                 */
                (void) log_warning_errno(r, "Failed to count this start in %s (%m), counting in memory.",
                                         m->directory);
                m->identity->epoch++;
        }
        return start_member(m);
}

void manager_set_error(Manager *m, const char *format, ...) {
        va_list ap;

        m->error[0] = '\0';
        if (format) {
                va_start(ap, format);
                (void) vsnprintf(m->error, sizeof(m->error), format, ap);
                va_end(ap);
        }
        manager_changed(m, NULL);
}
