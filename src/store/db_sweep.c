/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   writer:  commit, commit, ... n_pages ──> asked                    done ──> copies the rest,
 * idle thread:                                        copies nearly all ──┘
 *
 * The log starts anew only when all of it is in the file, and that the thread never reaches while
 * the writer goes on; so the writer copies what came meanwhile, which is little, and its next
 * commit begins at the log's start.
 */
#include "store/db_sweep.h"

#include "base/mem.h"
#include "base/pool.h"

#define AHEAD_MAX 8u

typedef enum sweep_state {
    SWEEP_IDLE,
    SWEEP_ASKED,
    SWEEP_DONE,
    SWEEP_FAILED /* what is not in the file stays in the log, which is durable too */
} sweep_state;

struct tm_db_sweep {
    tm_db *writer, *own;
    uint32_t n_pages;
    tm_thread *thread;
    tm_mutex *mutex; /* over what follows */
    tm_cond *changed;
    sweep_state state;
    bool must_stop;
};

/* Another try may go well. */
static bool can_go_on(tm_status st) {
    return st == TM_OK || st == TM_E_CONFLICT || st == TM_E_UNAVAILABLE || st == TM_E_NOMEM;
}

static void sweep_main(void *arg) {
    tm_db_sweep *s = arg;
    tm__mutex_lock(s->mutex);
    while (!s->must_stop) {
        if (s->state != SWEEP_ASKED) {
            tm__cond_wait(s->changed, s->mutex, UINT32_MAX);
            continue;
        }
        tm__mutex_unlock(s->mutex);
        const tm_status st = tm__db_checkpoint(s->own, NULL);
        tm__mutex_lock(s->mutex);
        s->state = can_go_on(st) ? SWEEP_DONE : SWEEP_FAILED;
        tm__cond_signal_all(s->changed);
    }
    tm__mutex_unlock(s->mutex);
}

/* In the writer's thread, after a commit. */
static void log_grew(void *arg, uint32_t n_pages) {
    tm_db_sweep *s = arg;
    tm__mutex_lock(s->mutex);
    if (s->state == SWEEP_IDLE && n_pages >= s->n_pages) {
        s->state = SWEEP_ASKED;
        tm__cond_signal_all(s->changed);
    }
    while (s->state == SWEEP_ASKED && n_pages / AHEAD_MAX >= s->n_pages) {
        tm__cond_wait(s->changed, s->mutex, UINT32_MAX);
    }
    const bool is_done = s->state == SWEEP_DONE;
    tm__mutex_unlock(s->mutex);
    if (!is_done) {
        return;
    }
    const bool goes_on = can_go_on(tm__db_checkpoint(s->writer, NULL));
    tm__mutex_lock(s->mutex);
    s->state = goes_on ? SWEEP_IDLE : SWEEP_FAILED;
    tm__mutex_unlock(s->mutex);
}

tm_status tm__db_sweep_start(const tm_db_sweep_spec *spec, tm_db_sweep **out, tm_err *err) {
    tm_db_sweep *s = tm__mem_zalloc(1, sizeof(*s));
    if (s == NULL) {
        tm__db_close(spec->own);
        return TM_FAIL(err, TM_E_UNAVAILABLE, "no memory for a thread");
    }
    s->writer = spec->writer;
    s->own = spec->own;
    s->n_pages = spec->n_pages;
    s->mutex = tm__mutex_create();
    s->changed = tm__cond_create();
    if (s->mutex != NULL && s->changed != NULL) {
        s->thread = tm__thread_create(sweep_main, s, "log-sweep");
    }
    if (s->thread == NULL) {
        tm__db_sweep_stop(s);
        return TM_FAIL(err, TM_E_UNAVAILABLE, "no memory or no room for a thread");
    }
    tm__db_on_log(s->writer, log_grew, s);
    *out = s;
    return TM_OK;
}

void tm__db_sweep_stop(tm_db_sweep *sweep) {
    if (sweep == NULL) {
        return;
    }
    if (sweep->thread != NULL) {
        tm__db_on_log(sweep->writer, NULL, NULL);
        tm__mutex_lock(sweep->mutex);
        sweep->must_stop = true;
        tm__cond_signal_all(sweep->changed);
        tm__mutex_unlock(sweep->mutex);
        tm__thread_join(sweep->thread);
    }
    tm__db_close(sweep->own);
    tm__cond_free(sweep->changed);
    tm__mutex_free(sweep->mutex);
    tm__mem_free(sweep);
}
