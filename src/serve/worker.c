/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      acceptor --give()--> inbox --wake--> loop: conns
 *      desk, batch --answered()--> done --wake--> loop: the reply leaves
 *
 * Invariants:
 *   1. `lock` is held for a few pointers only.
 *   2. The worker is a reader of what is published from the end of one wait to the start of the
 *      next, so what it views stays for the turn.
 *   3. An event of a turn is handled before connections can end for another reason (news, sweeps):
 *      events name connections by their address.
 */
#include "serve/worker.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/mem.h"

#define TURN_MS 50
#define EVENTS_MAX 1024u
#define LINES_BYTES_MAX ((size_t)1 << 20)
#define SLEPT_NS UINT64_C(2000000) /* a wait that took longer was one for events */

enum { TAG_WAKE = 1 }; /* no connection lies at this address */

struct tm_worker {
    tm_worker_shared *shared;
    tm_conns conns;
    int wake_fd;
    tm_poll_event *events; /* [EVENTS_MAX] */
    tm_thread *thread;
    _Atomic uint32_t n_open;
    tm_mutex *lock; /* around inbox and done */
    tm_conn *inbox, *done;
    uint64_t swept_ns;
};

static void post(void *arg, tm_conn *conn, tm_queue queue) {
    tm_worker *worker = arg;
    worker->shared->post(worker->shared->post_arg, conn, queue);
}

static bool can_take(void *arg, tm_queue queue, uint64_t wait_ns_max) {
    tm_worker *worker = arg;
    return worker->shared->can_take(worker->shared->post_arg, queue, wait_ns_max);
}

tm_worker *tm__worker_create(tm_worker_shared *shared, tm_desk *desk) {
    tm_worker *worker = tm__mem_zalloc(1, sizeof *worker);
    if (worker == NULL) {
        return NULL;
    }
    tm_conns *conns = &worker->conns;
    worker->shared = shared;
    worker->wake_fd = tm__wake_open();
    worker->lock = tm__mutex_create();
    worker->events = tm__mem_alloc(EVENTS_MAX, sizeof *worker->events);
    conns->poller = tm__poller_create();
    conns->scratch = tm__mem_alloc(1, TM_CONN_READ_BYTES);
    conns->limits = *shared->limits;
    conns->log = shared->log;
    conns->place = shared->place;
    conns->published = shared->published;
    conns->desk = desk;
    conns->post = post;
    conns->can_take = can_take;
    conns->has_access_log = shared->access_log != NULL;
    tm__buf_init(&conns->lines, LINES_BYTES_MAX);
    conns->post_arg = worker;
    conns->n_open = &worker->n_open;
    conns->body_bytes = &shared->body_bytes;
    conns->now_ns = tm__mono_ns();
    if (worker->wake_fd < 0 || worker->lock == NULL || worker->events == NULL ||
        conns->poller == NULL || conns->scratch == NULL ||
        !tm__poller_set(conns->poller, worker->wake_fd, TAG_WAKE, true, false)) {
        tm__worker_free(worker);
        return NULL;
    }
    return worker;
}

/* What other threads left here. */
static void take_news(tm_worker *worker) {
    tm__wake_reset(worker->wake_fd);
    tm__mutex_lock(worker->lock);
    tm_conn *done = worker->done;
    tm_conn *inbox = worker->inbox;
    worker->done = NULL;
    worker->inbox = NULL;
    tm__mutex_unlock(worker->lock);
    for (tm_conn *next = NULL; done != NULL; done = next) {
        next = done->next_job;
        tm__conn_answered(done);
    }
    for (tm_conn *next = NULL; inbox != NULL; inbox = next) {
        next = inbox->next_job;
        tm__conn_begin(inbox);
    }
}

static void turn(tm_worker *worker, uint32_t n_events, uint64_t waited_from_ns) {
    tm_conns *conns = &worker->conns;
    bool has_news = false;
    /* When the wait was one, what is here came at its end; else since the turn before began. */
    const uint64_t before_ns = conns->now_ns;
    conns->now_ns = tm__mono_ns();
    conns->ready_ns = conns->now_ns - waited_from_ns > SLEPT_NS ? conns->now_ns : before_ns;
    for (uint32_t i = 0; i < n_events; i++) {
        const tm_poll_event *event = &worker->events[i];
        if (event->tag == TAG_WAKE) {
            has_news = true;
        } else {
            tm__conn_event((tm_conn *)(uintptr_t)event->tag, event);
        }
    }
    if (has_news) {
        take_news(worker);
    }
    if (conns->now_ns - worker->swept_ns > TURN_MS * UINT64_C(1000000)) {
        worker->swept_ns = conns->now_ns;
        tm__conns_sweep(conns);
    }
    const int stage = atomic_load(&worker->shared->stage);
    conns->is_stopping = stage >= TM_STAGE_STOPPING;
    if (stage >= TM_STAGE_DRAINING) {
        tm__conns_close_idle(conns);
    }
    tm__prom_connections(conns->desk->prom, conns->n);
    if (conns->lines.len > 0) {
        tm__access_log_give(worker->shared->access_log, &conns->lines);
    }
}

static void worker_main(void *arg) {
    tm_worker *worker = arg;
    tm_conns *conns = &worker->conns;
    while (atomic_load(&worker->shared->stage) < TM_STAGE_ENDING) {
        const uint64_t waited_from_ns = tm__mono_ns();
        const uint32_t n =
            tm__poller_wait(conns->poller, worker->events, EVENTS_MAX, conns->n > 0 ? TURN_MS : -1);
        tm__published_enter(conns->published, conns->desk->index);
        turn(worker, n, waited_from_ns);
        tm__published_leave(conns->published, conns->desk->index);
    }
}

bool tm__worker_start(tm_worker *worker) {
    worker->thread = tm__thread_create(worker_main, worker, "tm-worker");
    return worker->thread != NULL;
}

uint32_t tm__worker_load(tm_worker *worker) {
    return atomic_load(&worker->n_open);
}

static void push(tm_worker *worker, tm_conn **list, tm_conn *conn) {
    tm__mutex_lock(worker->lock);
    conn->next_job = *list;
    *list = conn;
    tm__mutex_unlock(worker->lock);
    tm__wake_signal(worker->wake_fd);
}

void tm__worker_give(tm_worker *worker, const tm_accepted *accepted) {
    tm_conn *conn = tm__conn_create(&worker->conns, accepted);
    if (conn != NULL) {
        atomic_fetch_add(&worker->n_open, 1);
        push(worker, &worker->inbox, conn);
    }
}

void tm__worker_answered(tm_conn *conn) {
    tm_worker *worker = conn->conns->post_arg;
    push(worker, &worker->done, conn);
}

void tm__worker_wake(tm_worker *worker) {
    tm__wake_signal(worker->wake_fd);
}

void tm__worker_join(tm_worker *worker) {
    tm__thread_join(worker->thread);
    worker->thread = NULL;
}

void tm__worker_free(tm_worker *worker) {
    if (worker == NULL) {
        return;
    }
    for (tm_conn *conn = worker->inbox, *next = NULL; conn != NULL; conn = next) {
        next = conn->next_job;
        tm__conn_begin(conn); /* so that it is closed as the others are */
    }
    tm__conns_close_all(&worker->conns);
    if (worker->wake_fd >= 0) {
        tm__net_close(worker->wake_fd);
    }
    tm__poller_free(worker->conns.poller);
    tm__mem_free(worker->conns.scratch);
    tm__buf_done(&worker->conns.lines);
    tm__mem_free(worker->events);
    tm__mutex_free(worker->lock);
    tm__mem_free(worker);
}
