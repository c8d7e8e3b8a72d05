/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/strutil.h"
#include "controld/agents.h"
#include "controld/change.h"
#include "controld/credentials.h"
#include "controld/manager-bus.h"
#include "controld/manager-http.h"
#include "controld/rate-limit.h"
#include "controld/settings.h"

#define BUS_NAME "org.sdwan.Control1"
#define DRAIN_USEC (2 * USEC_PER_SEC)
#define DAY_USEC (UINT64_C(86400) * USEC_PER_SEC)
#define WORKER_JOBS_MAX 4096

/* Wrong API tokens of one address: 20 at once, then 2 a second. */
#define FAILURES_PER_SECOND 2
#define FAILURES_BURST 20

static void on_drained(void *userdata) {
        Manager *m = userdata;

        (void) sd_event_exit(m->daemon.event, m->daemon.exit_status);
}

static void on_terminate(void *userdata) {
        Manager *m = userdata;

        m->terminating = true;
        if (!m->http || http_server_drain(m->http, DRAIN_USEC, on_drained, m) < 0)
                on_drained(m);
}

/* One controller on one state directory at a time. */
static int lock_state_directory(Manager *m, int *ret_exit) {
        const char *path = m->settings.state_directory;
        int r;

        *ret_exit = EXIT_STORE;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return log_error_errno(-errno, "Failed to make the state directory %s: %m", path);
        m->lock_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->lock_fd < 0)
                return log_error_errno(-errno, "Failed to open the state directory %s: %m", path);
        if (flock(m->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                r = -errno;
                if (r == -EWOULDBLOCK)
                        return log_error_errno(r, "Another controller uses %s. Stop it first.", path);
                return log_error_errno(r, "Failed to lock the state directory %s: %m", path);
        }
        return 0;
}

static int load_object(Object *o, void *userdata) {
        Manager *m = userdata;
        FieldError error = { 0 };
        int r;

        r = model_check(m->model, NULL, o, &error);
        if (r < 0) {
                (void) log_error_errno(r, "%s %s in the database contradicts the rest (%s: %s).",
                                       o->kind->name, o->id, error.field, error.detail);
                (void) object_free(o);
                return -EUCLEAN;
        }
        r = model_swap(m->model, NULL, o);
        if (r < 0)
                (void) object_free(o);
        return r;
}

static int load_tombstone(const char *key, void *userdata) {
        Manager *m = userdata;

        return model_add_tombstone(m->model, key);
}

static int load_item(const char *topic, const char *item, uint64_t revision, const char *data,
                     void *userdata) {
        Manager *m = userdata;

        return topics_load(m->topics, topic, item, revision, data);
}

static int load_model(Manager *m) {
        int r;

        r = model_new(&m->model);
        if (r >= 0)
                r = store_load_objects(m->store, load_object, m);
        if (r >= 0)
                r = store_load_tombstones(m->store, load_tombstone, m);
        if (r < 0)
                return r;
        model_set_revision(m->model, store_revision(m->store));
        return 0;
}

static int open_store(Manager *m, const char *path, int *ret_exit) {
        _cleanup_free_ char *message = NULL;
        StoreProblem problem;
        int r;

        *ret_exit = EXIT_FAILURE;
        r = worker_new(m->daemon.event, "store", WORKER_JOBS_MAX, &m->worker);
        if (r < 0)
                return log_error_errno(r, "Failed to start the store's thread: %m");
        *ret_exit = EXIT_STORE;
        r = store_open(path, kinds, n_kinds, m->worker, &problem, &message, &m->store);
        if (r < 0)
                return message ? log_error_errno(r, "%s", message)
                               : log_error_errno(r, "Failed to open the database %s: %m", path);
        r = load_model(m);
        if (r == -EUCLEAN)
                return log_error_errno(r,
                                       "The database %s is damaged: a row in it makes no sense. Put it "
                                       "aside and restore the newest backup; nothing was changed.",
                                       path);
        return r < 0 ? log_error_errno(r, "Failed to load the database %s: %m", path) : 0;
}

static int load_number(Store *s, const char *key, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = store_get_meta(s, key, &text);
        if (r == -ENOENT) {
                *ret = 1;
                return store_set_meta(s, key, "1");
        }
        return r < 0 ? r : parse_u64(text, INT64_MAX, ret);
}

/* A database and keys that do not belong together come from two backups: no node would accept what they say.
 */
static int check_controller_id(Manager *m) {
        _cleanup_free_ char *id = NULL;
        int r;

        r = store_get_meta(m->store, "controller_id", &id);
        if (r == -ENOENT)
                return store_set_meta(m->store, "controller_id", m->credentials.controller_id);
        if (r < 0 || streq(id, m->credentials.controller_id))
                return r;
        return log_error_errno(-EKEYREJECTED,
                               "The database is of controller %s, the keys are of controller %s. Restore "
                               "both from the same backup.",
                               id, m->credentials.controller_id);
}

static int load_state(Manager *m, int *ret_exit) {
        _cleanup_free_ char *path = str_printf("%s/controller.db", m->settings.state_directory);
        bool have_database;
        int r;

        if (!path)
                return log_oom();
        have_database = access(path, F_OK) >= 0;
        r = credentials_load(&m->credentials, &m->settings, have_database);
        if (r < 0) {
                *ret_exit = r == -ENOSPC ? EXIT_STORE : EXIT_CREDENTIAL;
                return r;
        }
        if (!have_database && credentials_have_database(&m->settings)) {
                *ret_exit = EXIT_STORE;
                return log_error_errno(
                                -ENOENT,
                                "The database %s is missing, but the keys of its controller are there. "
                                "Restore it from the backup. To begin anew and let every node join "
                                "again, move %s/credentials away too.",
                                path, m->settings.state_directory);
        }
        r = open_store(m, path, ret_exit);
        if (r < 0)
                return r;
        r = check_controller_id(m);
        if (r >= 0)
                r = credentials_note_database(&m->settings);
        if (r == -EKEYREJECTED) {
                *ret_exit = EXIT_CREDENTIAL;
                return r;
        }
        if (r >= 0)
                r = load_number(m->store, "epoch", &m->credentials.epoch);
        if (r >= 0)
                r = load_number(m->store, "keys_serial", &m->credentials.keys_serial);
        if (r < 0)
                return log_error_errno(r, "Failed to read the settings in the database: %m");
        *ret_exit = EXIT_FAILURE;
        r = credentials_make_keydoc(&m->credentials);
        return r < 0 ? log_error_errno(r, "Failed to sign the key document: %m") : 0;
}

static int make_parts(Manager *m) {
        const Credentials *c = &m->credentials;
        int r;

        r = topics_new(c->controller_id, c->epoch, c->signing_key, c->signing_key_id, &m->topics);
        if (r >= 0)
                r = store_load_topic_items(m->store, load_item, m);
        if (r >= 0)
                r = change_queue_new(m, &m->changes);
        if (r >= 0)
                r = agents_new(m, &m->agents);
        if (r >= 0)
                r = rate_limit_new(FAILURES_PER_SECOND, FAILURES_BURST, crypto_random_u64(), &m->failures);
        if (r < 0)
                return log_error_errno(r, "Failed to set up the controller: %m");
        return manager_http_new(m);
}

static int on_daily(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        int r;

        if (credentials_renew_leaf(&m->credentials, &m->settings) > 0) {
                r = http_server_set_certificate(m->http, m->credentials.leaf_cert_pem,
                                                m->credentials.leaf_key_pem);
                if (r < 0)
                        (void) log_warning_errno(r, "Failed to use the new certificate, ignoring: %m");
        }
        r = sd_event_source_set_time_relative(source, DAY_USEC);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* What loading and compiling took goes back to the system once all of it is freed. */
static int on_settled(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) malloc_trim(0);
        return 0;
}

/* Everything is as it should be: only now anybody may come. */
static void on_recompiled(Manager *m, int result, void *userdata) {
        int r = result;

        if (r < 0)
                (void) log_error_errno(r, "Failed to bring the topics up to date: %m");
        else
                r = manager_http_listen(m);
        if (r >= 0)
                r = daemon_request_name(&m->daemon, BUS_NAME);
        if (r < 0) {
                m->daemon.exit_status = result < 0 ? EXIT_STORE : EXIT_FAILURE;
                (void) sd_event_exit(m->daemon.event, m->daemon.exit_status);
                return;
        }
        m->ready = true;
        (void) sd_event_add_time_relative(m->daemon.event, NULL, CLOCK_MONOTONIC, USEC_PER_SEC, 0,
                                          on_settled, m);
        daemon_status("Revision %llu, %zu nodes", (unsigned long long) model_revision(m->model),
                      model_count(m->model, &kind_node));
}

int manager_start(Manager *m, int *ret_exit) {
        int r;

        *ret_exit = EXIT_FAILURE;
        m->listen_fd = m->lock_fd = -EBADF;
        r = daemon_setup(&m->daemon, "sdwan-controld");
        if (r < 0)
                return r;
        m->daemon.on_terminate = on_terminate;
        m->daemon.userdata = m;
        r = crypto_setup();
        if (r < 0)
                return log_error_errno(r,
                                       "Failed to set up cryptography (is LimitMEMLOCK= too low, or does a "
                                       "container filter mlock()?): %m");
        r = settings_load(m->config_path, &m->settings);
        if (r < 0) {
                *ret_exit = EXIT_CONFIG;
                return r;
        }
        r = manager_http_bind(m, ret_exit);
        if (r >= 0)
                r = lock_state_directory(m, ret_exit);
        if (r >= 0)
                r = load_state(m, ret_exit);
        if (r >= 0)
                r = make_parts(m);
        if (r < 0)
                return r;
        r = daemon_connect_bus(&m->daemon);
        if (r < 0)
                return r;
        r = manager_bus_register(m);
        if (r >= 0)
                r = sd_event_add_time_relative(m->daemon.event, &m->daily, CLOCK_BOOTTIME, DAY_USEC,
                                               60 * USEC_PER_SEC, on_daily, m);
        if (r >= 0)
                r = change_recompile(m, on_recompiled, NULL);
        return r < 0 ? log_error_errno(r, "Failed to start: %m") : 0;
}

void manager_done(Manager *m) {
        sd_event_source_disable_unref(m->daily);
        /* Whoever waits is answered while there is still a server to answer through. */
        m->agents = agents_free(m->agents);
        (void) change_queue_free(m->changes);
        m->worker = worker_free(m->worker);
        m->http = http_server_free(m->http);
        m->polkit = polkit_registry_free(m->polkit);
        daemon_done(&m->daemon);
        m->topics = topics_free(m->topics);
        m->store = store_free(m->store);
        m->model = model_free(m->model);
        m->failures = rate_limit_free(m->failures);
        credentials_done(&m->credentials);
        settings_done(&m->settings);
        closep(&m->listen_fd);
        closep(&m->lock_fd);
}
