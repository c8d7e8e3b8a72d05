/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SPDX-FileCopyrightText: The sdwan authors */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "service/worker.h"

typedef struct Item Item;
struct Item {
        WorkerJob job;
        int result;
        Item *next;
};

typedef struct Queue {
        Item *first, *last;
} Queue;

struct Worker {
        size_t max_jobs;
        size_t pending; /* submitted and not yet handed back; only the loop's thread touches it */
        int event_fd;
        sd_event_source *source;
        pthread_t thread;
        bool started;

        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t wake;
        Queue waiting, finished;
        bool stop, abandoned;
};

static void queue_push(Queue *q, Item *item) {
        item->next = NULL;
        if (q->last)
                q->last->next = item;
        else
                q->first = item;
        q->last = item;
}

static Item *queue_pop(Queue *q) {
        Item *item = q->first;

        if (!item)
                return NULL;
        q->first = item->next;
        if (!q->first)
                q->last = NULL;
        return item;
}

static void worker_lock(Worker *w) {
        int r = pthread_mutex_lock(&w->lock);
        assert(r == 0);
        (void) r;
}

static void worker_unlock(Worker *w) {
        int r = pthread_mutex_unlock(&w->lock);
        assert(r == 0);
        (void) r;
}

static void queue_drop(Queue *q) {
        for (;;) {
                _cleanup_free_ Item *item = queue_pop(q);

                if (!item)
                        return;
                if (item->job.drop)
                        item->job.drop(item->job.userdata);
        }
}

static Worker *worker_destroy(Worker *w) {
        queue_drop(&w->finished);
        (void) pthread_cond_destroy(&w->wake);
        (void) pthread_mutex_destroy(&w->lock);
        return mfree(w);
}

static void *worker_main(void *userdata) {
        static const uint64_t one = 1;
        Worker *w = userdata;
        bool abandoned;

        worker_lock(w);
        for (;;) {
                Item *item = queue_pop(&w->waiting);

                if (!item) {
                        if (w->stop)
                                break;
                        (void) pthread_cond_wait(&w->wake, &w->lock);
                        continue;
                }
                worker_unlock(w);
                item->result = item->job.run(item->job.userdata);
                worker_lock(w);
                queue_push(&w->finished, item);
                if (w->abandoned)
                        break;
                /* The counter cannot overflow: it is read to 0 long before 2^64 jobs. */
                ssize_t n = write(w->event_fd, &one, sizeof(one));
                (void) n;
        }
        abandoned = w->abandoned;
        worker_unlock(w);
        if (abandoned) /* nobody else knows of it any more */
                (void) worker_destroy(w);
        return NULL;
}

static int on_finished(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Worker *w = userdata;
        uint64_t count;
        Queue finished;

        if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
                return -errno;

        worker_lock(w);
        finished = w->finished;
        w->finished = (Queue) { 0 };
        worker_unlock(w);

        for (;;) {
                _cleanup_free_ Item *item = queue_pop(&finished);

                if (!item)
                        return 0;
                w->pending--;
                if (item->job.done)
                        item->job.done(item->result, item->job.userdata);
                else if (item->job.drop)
                        item->job.drop(item->job.userdata);
        }
}

static int worker_start(Worker *w, const char *name) {
        sigset_t all, old;
        int r;

        /* Signals belong to the loop: none may be delivered on this thread. */
        (void) sigfillset(&all);
        r = pthread_sigmask(SIG_SETMASK, &all, &old);
        if (r != 0)
                return -r;
        r = pthread_create(&w->thread, NULL, worker_main, w);
        (void) pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r != 0)
                return -r;
        w->started = true;

        char short_name[16] = "";
        (void) strncpy(short_name, name, sizeof(short_name) - 1);
        (void) pthread_setname_np(w->thread, short_name);
        return 0;
}

int worker_new(sd_event *event, const char *name, size_t max_jobs, Worker **ret) {
        _cleanup_(worker_freep) Worker *w = NULL;
        int r;

        assert(event && name && max_jobs > 0 && ret);

        w = new(Worker);
        if (!w)
                return -ENOMEM;
        w->event_fd = -EBADF;
        w->max_jobs = max_jobs;
        (void) pthread_mutex_init(&w->lock,
                                  NULL); /* with default attributes these two cannot fail on Linux */
        (void) pthread_cond_init(&w->wake, NULL);

        w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->event_fd < 0)
                return -errno;
        r = sd_event_add_io(event, &w->source, w->event_fd, EPOLLIN, on_finished, w);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(w->source, name);
        r = worker_start(w, name);
        if (r < 0)
                return r;
        *ret = TAKE(w);
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        if (w->started) {
                worker_lock(w);
                w->stop = true;
                worker_unlock(w);
                (void) pthread_cond_signal(&w->wake);
                (void) pthread_join(w->thread, NULL);
        }
        sd_event_source_disable_unref(w->source);
        closep(&w->event_fd);
        return worker_destroy(w);
}

Worker *worker_abandon(Worker *w) {
        Queue waiting, finished;

        if (!w || !w->started)
                return worker_free(w);
        sd_event_source_disable_unref(w->source);
        (void) pthread_detach(w->thread);
        worker_lock(w);
        waiting = w->waiting;
        finished = w->finished;
        w->waiting = w->finished = (Queue) { 0 };
        closep(&w->event_fd);
        w->stop = w->abandoned = true;
        (void) pthread_cond_signal(&w->wake);
        worker_unlock(w); /* from here on it is the thread's */
        queue_drop(&waiting);
        queue_drop(&finished);
        return NULL;
}

int worker_submit(Worker *w, const WorkerJob *job) {
        Item *item;

        assert(w && job && job->run);

        if (w->pending >= w->max_jobs)
                return -EBUSY;
        item = new(Item);
        if (!item)
                return -ENOMEM;
        item->job = *job;
        w->pending++;

        worker_lock(w);
        queue_push(&w->waiting, item);
        worker_unlock(w);
        (void) pthread_cond_signal(&w->wake);
        return 0;
}

size_t worker_pending(const Worker *w) {
        return w ? w->pending : 0;
}
