/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges wait in one list in the order they came; its threads take them, and help with work that
 * one of them shares when no exchange waits. An exchange that its handler parked is not given back
 * here: whoever it waits for does so.
 */
#include "serve/jobs.h"
#include "serve/unpack.h"

#include "base/clock.h"
#include "base/mem.h"
#include "serve/worker.h"

#define LEARN_RATE 0.125 /* of what a byte of a request costs */

typedef struct job_thread {
    tm_jobs *jobs;
    tm_desk *desk;
    tm_thread *thread;
} job_thread;

/* Work that its owner shares; lives on the owner's stack. */
typedef struct offer {
    const tm_shared_work *work;
    struct offer *next;
    uint32_t n_helpers; /* at it now */
    bool is_done;       /* no part is left */
} offer;

struct tm_jobs {
    tm_mutex *lock; /* around what follows; never held over work */
    tm_cond *cond;
    tm_conn *first, **end;
    uint32_t n_waiting, n_running;
    offer *offers;
    uint64_t waiting_bytes; /* of bodies */
    double ns_per_byte;     /* measured, so it knows of other load too */
    bool is_ending;
    uint32_t n_threads;
    job_thread *threads; /* [n_threads] */
};

static uint64_t size_of(const tm_conn *conn) {
    return conn->http.body.len + 1;
}

/* The work that has fewest helpers. */
static offer *find_offer(const tm_jobs *jobs) {
    offer *best = NULL;
    for (offer *o = jobs->offers; o != NULL; o = o->next) {
        best = !o->is_done && (best == NULL || o->n_helpers < best->n_helpers) ? o : best;
    }
    return best;
}

static void help_locked(tm_jobs *jobs, offer *o, tm_desk *desk) {
    o->n_helpers++;
    tm__mutex_unlock(jobs->lock);
    const bool more = o->work->step(o->work->arg, desk);
    tm__mutex_lock(jobs->lock);
    o->is_done = o->is_done || !more;
    o->n_helpers--;
    if (o->n_helpers == 0) {
        tm__cond_signal_all(jobs->cond);
    }
}

static tm_conn *wait_for_job(tm_jobs *jobs, tm_desk *desk) {
    tm__mutex_lock(jobs->lock);
    while (jobs->first == NULL) {
        offer *const o = find_offer(jobs);
        if (o != NULL) {
            help_locked(jobs, o, desk);
        } else if (jobs->is_ending) {
            break;
        } else {
            tm__cond_wait(jobs->cond, jobs->lock, UINT32_MAX);
        }
    }
    tm_conn *conn = jobs->first;
    if (conn != NULL) {
        jobs->first = conn->next_job;
        jobs->end = jobs->first == NULL ? &jobs->first : jobs->end;
        jobs->n_waiting--;
        jobs->n_running++;
        jobs->waiting_bytes -= size_of(conn);
    }
    tm__mutex_unlock(jobs->lock);
    return conn;
}

static void learn(tm_jobs *jobs, uint64_t bytes, uint64_t ns) {
    const double cost = (double)ns / (double)bytes;
    tm__mutex_lock(jobs->lock);
    jobs->n_running--;
    jobs->ns_per_byte += (cost - jobs->ns_per_byte) * (jobs->ns_per_byte > 0 ? LEARN_RATE : 1);
    tm__mutex_unlock(jobs->lock);
}

static void job_main(void *arg) {
    const job_thread *self = arg;
    for (tm_conn *conn; (conn = wait_for_job(self->jobs, self->desk)) != NULL;) {
        tm_exchange *x = &conn->x;
        const uint64_t start_ns = tm__mono_ns();
        const uint64_t bytes = size_of(conn);
        tm__json_reset();
        x->desk = self->desk;
        self->desk->is_parked = false;
        if (start_ns > x->deadline_ns) {
            x->retry_after_s = 1;
            tm__problem_reply(x, 503, "deadline", "the time that the request gave was over", NULL);
        } else if (tm__unpack_body(x)) {
            x->match.endpoint->handle(x);
        }
        /* A parked exchange may be answered, and gone, already. */
        const bool is_parked = self->desk->is_parked;
        const uint64_t helped_ns = is_parked ? 0 : x->helped_ns;
        learn(self->jobs, bytes, tm__mono_ns() - start_ns + helped_ns);
        if (!is_parked) {
            tm__worker_answered(conn);
        }
    }
}

bool tm__jobs_can_take(tm_jobs *jobs, uint32_t n_max, uint64_t wait_ns_max) {
    tm__mutex_lock(jobs->lock);
    const double wait_ns =
        (double)jobs->waiting_bytes * jobs->ns_per_byte / (double)jobs->n_threads;
    const bool is_free = jobs->n_waiting == 0 && jobs->n_running < jobs->n_threads;
    const bool can = is_free || (jobs->n_waiting < n_max && wait_ns <= (double)wait_ns_max);
    tm__mutex_unlock(jobs->lock);
    return can;
}

tm_jobs *tm__jobs_create(const char *name, tm_desk *desks, uint32_t n_desks) {
    tm_jobs *jobs = tm__mem_zalloc(1, sizeof *jobs);
    if (jobs == NULL) {
        return NULL;
    }
    jobs->lock = tm__mutex_create();
    jobs->cond = tm__cond_create();
    jobs->end = &jobs->first;
    jobs->threads = tm__mem_zalloc(n_desks, sizeof *jobs->threads);
    bool ok = jobs->lock != NULL && jobs->cond != NULL && jobs->threads != NULL;
    for (uint32_t i = 0; ok && i < n_desks; i++) {
        jobs->threads[i] = (job_thread){.jobs = jobs, .desk = &desks[i]};
        desks[i].crew = jobs;
        jobs->threads[i].thread = tm__thread_create(job_main, &jobs->threads[i], name);
        ok = jobs->threads[i].thread != NULL;
        jobs->n_threads += ok ? 1 : 0;
    }
    if (!ok) {
        tm__jobs_free(jobs);
        return NULL;
    }
    return jobs;
}

void tm__jobs_share(tm_jobs *jobs, const tm_shared_work *work, tm_desk *desk) {
    offer o = {.work = work};
    tm__mutex_lock(jobs->lock);
    o.next = jobs->offers;
    jobs->offers = &o;
    tm__cond_signal_all(jobs->cond);
    tm__mutex_unlock(jobs->lock);
    while (work->step(work->arg, desk)) {
    }
    tm__mutex_lock(jobs->lock);
    o.is_done = true;
    while (o.n_helpers > 0) {
        tm__cond_wait(jobs->cond, jobs->lock, UINT32_MAX);
    }
    offer **at = &jobs->offers;
    while (*at != &o) {
        at = &(*at)->next;
    }
    *at = o.next;
    tm__mutex_unlock(jobs->lock);
}

void tm__jobs_post(tm_jobs *jobs, tm_conn *conn) {
    conn->next_job = NULL;
    tm__mutex_lock(jobs->lock);
    *jobs->end = conn;
    jobs->end = &conn->next_job;
    jobs->n_waiting++;
    jobs->waiting_bytes += size_of(conn);
    tm__cond_signal_all(jobs->cond);
    tm__mutex_unlock(jobs->lock);
}

void tm__jobs_free(tm_jobs *jobs) {
    if (jobs == NULL) {
        return;
    }
    if (jobs->n_threads > 0) {
        tm__mutex_lock(jobs->lock);
        jobs->is_ending = true;
        tm__mutex_unlock(jobs->lock);
        tm__cond_signal_all(jobs->cond);
    }
    for (uint32_t i = 0; i < jobs->n_threads; i++) {
        tm__thread_join(jobs->threads[i].thread);
    }
    tm__cond_free(jobs->cond);
    tm__mutex_free(jobs->lock);
    tm__mem_free(jobs->threads);
    tm__mem_free(jobs);
}
