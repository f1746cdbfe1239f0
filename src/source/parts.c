/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every thread does the same: take the next part, do all that has to be done with it, put the
 * result where it belongs.
 *
 *     take   one at a time, and a number that counts parts
 *     work   all at once
 *     put    into the slot of the number; who finds the next one ready writes it and those behind
 *
 *     slots  [ 7 | 4 | 5 | 6 ]    n_written = 4, n_taken = 7: 4 is written as soon as it is ready
 *
 * 1. Parts are written in the order in which they were taken. The first failure in this order ends
 *    the run, whatever threads found before.
 * 2. A part is taken only when its slot is free, so memory is bounded by the number of slots.
 */
#include "source/parts.h"

#include "base/mem.h"
#include "base/pool.h"

#define OUT_BYTES_MAX ((size_t)1 << 30) /* of one part */
#define SLOTS_PER_THREAD 2u

typedef struct slot {
    bool is_ready;
    tm_buf out;
    uint64_t n_rows, pos;
    tm_status status;
    tm_err err;
} slot;

typedef struct run {
    tm_ctx *ctx;
    const tm_parts *parts;
    slot *slots;
    uint32_t n_slots;
    tm_mutex *input; /* held while a part is taken */
    bool at_end;
    tm_mutex *order; /* guards what follows */
    tm_cond *moved;
    uint64_t n_taken, n_written;
    bool is_writing, is_over;
    tm_status status;
    tm_err err;
} run;

/* One writer at a time comes here, without the lock. */
static tm_status write_slot(run *r, slot *s, tm_err *err) {
    if (s->status != TM_OK) {
        *err = s->err;
        return s->status;
    }
    return r->parts->write(r->parts->arg, &s->out, s->n_rows, s->pos, err);
}

static void write_ready(run *r) {
    tm__mutex_lock(r->order);
    if (r->is_writing) {
        tm__mutex_unlock(r->order);
        return;
    }
    r->is_writing = true;
    for (slot *s = &r->slots[r->n_written % r->n_slots]; s->is_ready && !r->is_over;
         s = &r->slots[r->n_written % r->n_slots]) {
        tm_err err = {0};
        tm__mutex_unlock(r->order);
        const tm_status st = write_slot(r, s, &err);
        tm__mutex_lock(r->order);
        if (st != TM_OK) {
            r->status = st;
            r->err = err;
            r->is_over = true;
        }
        s->is_ready = false;
        r->n_written++;
        tm__cond_signal_all(r->moved);
    }
    r->is_writing = false;
    tm__mutex_unlock(r->order);
}

/* Wait for the slot of the next part; NULL when the run is over. */
static slot *take_slot(run *r) {
    slot *s = NULL;
    tm__mutex_lock(r->order);
    while (r->n_taken - r->n_written >= r->n_slots && !r->is_over) {
        tm__cond_wait(r->moved, r->order, UINT32_MAX);
    }
    if (!r->is_over) {
        s = &r->slots[r->n_taken++ % r->n_slots];
        tm__buf_reset(&s->out);
        s->n_rows = 0;
        s->status = TM_OK;
    }
    tm__mutex_unlock(r->order);
    return s;
}

static slot *take_part(run *r, uint32_t worker) {
    bool more = false;
    slot *s = NULL;
    tm__mutex_lock(r->input);
    if (!r->at_end) {
        s = take_slot(r);
    }
    if (s != NULL) {
        s->status = tm__ctx_cancelled(r->ctx)
                        ? TM_FAIL(&s->err, TM_E_CANCELLED, "reading was cancelled")
                        : r->parts->take(r->parts->arg, worker, &more, &s->pos, &s->err);
        r->at_end = s->status != TM_OK || !more;
    }
    tm__mutex_unlock(r->input);
    return s;
}

static void run_parts(void *arg, uint64_t item, uint32_t worker) {
    run *const r = arg;
    (void)item;
    for (slot *s = take_part(r, worker); s != NULL; s = take_part(r, worker)) {
        if (s->status == TM_OK) {
            s->status = r->parts->work(r->parts->arg, worker, &s->out, &s->n_rows, &s->err);
        }
        if (s->status == TM_OK && s->out.failed) {
            s->status = TM_FAIL(&s->err, TM_E_NOMEM, "no memory for what becomes of some rows");
        }
        tm__mutex_lock(r->order);
        s->is_ready = true;
        tm__mutex_unlock(r->order);
        write_ready(r);
    }
}

static bool init(run *r, uint32_t n_threads) {
    r->n_slots = n_threads * SLOTS_PER_THREAD;
    r->slots = tm__mem_zalloc(r->n_slots, sizeof(*r->slots));
    r->input = tm__mutex_create();
    r->order = tm__mutex_create();
    r->moved = tm__cond_create();
    for (uint32_t i = 0; r->slots != NULL && i < r->n_slots; i++) {
        tm__buf_init(&r->slots[i].out, OUT_BYTES_MAX);
    }
    return r->slots != NULL && r->input != NULL && r->order != NULL && r->moved != NULL;
}

tm_status tm__parts_run(tm_ctx *ctx, const tm_parts *parts, tm_err *err) {
    run r = {.ctx = ctx, .parts = parts};
    const uint32_t n_threads = tm__pool_threads(ctx->pool);
    if (init(&r, n_threads)) {
        tm__pool_run(ctx->pool, n_threads, run_parts, &r);
        if (r.status != TM_OK && err != NULL) {
            *err = r.err;
        }
    } else {
        r.status = TM_FAIL(err, TM_E_NOMEM, "no memory to read in parts");
    }
    for (uint32_t i = 0; r.slots != NULL && i < r.n_slots; i++) {
        tm__buf_done(&r.slots[i].out);
    }
    tm__mem_free(r.slots);
    tm__mutex_free(r.input);
    tm__mutex_free(r.order);
    tm__cond_free(r.moved);
    return r.status;
}
