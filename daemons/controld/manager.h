/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include "controld/model.h"
#include "controld/topics.h"
#include "crypto/crypto.h"
#include "httpd/httpd.h"
#include "service/bus-polkit.h"
#include "service/daemon.h"
#include "service/worker.h"
#include "store/store.h"

/* The controller: owns everything. Files beside it: settings.c (configuration file), credentials.c (keys,
 * CA, leaf), change.c, api.c (dispatcher), api-kinds.c (resources), enrolment.c, agents.c (signed requests,
 * streams, reports), metrics.c, manager-bus.c. */

typedef struct ChangeQueue ChangeQueue;
typedef struct Agents Agents;

struct RateLimit;

typedef struct Settings {
        char **urls;            /* what goes into tokens; at least one */
        char **names;           /* of the certificate: hosts of the urls and more */
        char *state_directory;  /* /var/lib/sdwan/controller, or SDWAN_STATE_DIRECTORY */
        Address listen_address; /* family 0: all; these two only when no socket was passed */
        uint16_t port;
        uint64_t max_agents_per_ip; /* connections of one address: many sites may sit behind one NAT */
} Settings;

typedef struct Credentials {
        char controller_id[33]; /* 32 hexadecimal digits */
        Secret *root_key, *signing_key;
        PublicKey root_public, signing_public;
        char signing_key_id[16]; /* "ck-1" */
        char *ca_cert_pem, *ca_key_pem, *leaf_cert_pem, *leaf_key_pem;
        Digest ca_pin;
        uint64_t keys_serial, epoch;
        Secret *challenge_key; /* new at every start */
        char *keydoc;          /* the answer to M0 */
        size_t keydoc_len;
} Credentials;

typedef struct ManagerCounters {
        uint64_t changes, changes_failed;
        uint64_t api_requests, api_errors, api_unauthorized; /* errors: answers of 400 and more */
} ManagerCounters;

typedef struct Manager {
        const char *config_path; /* NULL: the default */
        Daemon daemon;
        Settings settings;
        Credentials credentials;
        Worker *worker;
        Store *store;
        Model *model;
        Topics *topics;
        ChangeQueue *changes;
        Agents *agents;
        HttpServer *http;
        PolkitRegistry *polkit;
        struct RateLimit *failures; /* wrong API tokens, by address */
        sd_event_source *daily;     /* looks whether the leaf has to be renewed */
        int listen_fd;              /* until the server has it */
        int lock_fd;                /* of the state directory: one controller at a time */
        bool ready, terminating;
        ManagerCounters counters;
} Manager;

/* Everything up to serving; the rest happens in the loop. Says what is wrong itself; *ret_exit: what main()
 * returns. */
int manager_start(Manager *m, int *ret_exit) _nodiscard_;
void manager_done(Manager *m);
