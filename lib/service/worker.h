/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#pragma once

#include <systemd/sd-event.h>

#include "base/macro.h"

/* One thread beside the event loop for what must block (the store, password hashing, name resolution). Jobs
 * run in the order of submission; results come back on the loop through an eventfd. */

typedef struct Worker Worker;

int worker_new(sd_event *event, const char *name, size_t max_jobs, Worker **ret) _nodiscard_;
/* Runs what was submitted to its end, without calling done(); calls drop() of each instead. Not from within
 * done(). */
Worker *worker_free(Worker *w);
DEFINE_CLEANUP(Worker *, worker_free);
/* As worker_free(), but waits for nothing, for jobs that may take as long as somebody else likes: those that
 * wait are not run, and drop() of the one that runs is called on the worker's thread when it ends. */
Worker *worker_abandon(Worker *w);

typedef struct WorkerJob {
        int (*run)(void *userdata);               /* on the worker thread */
        void (*done)(int result, void *userdata); /* on the loop's thread; owns userdata */
        void (*drop)(void *userdata); /* instead of done() when the worker goes away; may be NULL */
        void *userdata;
} WorkerJob;

/* -EBUSY: max_jobs are waiting. The job is copied. */
int worker_submit(Worker *w, const WorkerJob *job) _nodiscard_;
size_t worker_pending(const Worker *w);
