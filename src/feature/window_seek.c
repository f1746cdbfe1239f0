/* SPDX-License-Identifier: Apache-2.0 */
/* Where windows begin and end. Both rise with the queries, so each search starts where the one
 * before ended and doubles its steps: dense queries cost a step, sparse ones a logarithm. */
#include "feature/window_priv.h"

static inline bool is_before(const tm_window_item *item, uint32_t entity, int64_t time) {
    return item->entity < entity || (item->entity == entity && item->time < time);
}

/* The first item of [at, end) that is not before (entity, time). */
static uint64_t seek(const tm_window_item *items, uint64_t at, uint64_t end, uint32_t entity,
                     int64_t time) {
    uint64_t step = 1, probe = at;
    while (probe < end && is_before(&items[probe], entity, time)) {
        at = probe + 1;
        probe += step;
        step *= 2;
    }
    uint64_t high = probe < end ? probe : end;
    while (at < high) {
        const uint64_t middle = at + (high - at) / 2;
        const bool before = is_before(&items[middle], entity, time);
        at = before ? middle + 1 : at;
        high = before ? high : middle;
    }
    return at;
}

static uint64_t chunk_end(const tm_window_pass *pass, uint64_t number) {
    const uint64_t end = (number + 1) * TM_WINDOW_CHUNK;
    return end < pass->n_asked ? end : pass->n_asked;
}

static void end_chunk(void *arg, uint64_t number, uint32_t worker) {
    const tm_window_pass *pass = arg;
    const uint64_t first = number * TM_WINDOW_CHUNK;
    uint64_t start = 0, at = 0;
    (void)worker;
    for (uint64_t q = first; q < chunk_end(pass, number); q++) {
        const tm_window_item *const asked = &pass->asked[q];
        if (q == first || asked->entity != asked[-1].entity) {
            start = seek(pass->items, at, pass->n_items, asked->entity, INT64_MIN);
            at = start;
        }
        at = seek(pass->items, at, pass->n_items, asked->entity, asked->time);
        pass->start[q] = (uint32_t)start;
        pass->end[q] = (uint32_t)at;
    }
}

void tm__window_seek_end(tm_window_pass *pass) {
    const uint64_t n_chunks = (pass->n_asked + TM_WINDOW_CHUNK - 1) / TM_WINDOW_CHUNK;
    tm__pool_run(pass->ctx->pool, n_chunks, end_chunk, pass);
}

typedef struct begin_work {
    const tm_window_pass *pass;
    const tm_window_feature *window;
} begin_work;

static void begin_chunk(void *arg, uint64_t number, uint32_t worker) {
    const begin_work *w = arg;
    const tm_window_pass *const pass = w->pass;
    const uint64_t first = number * TM_WINDOW_CHUNK;
    const uint64_t n_last = w->window->n_last > 0 ? w->window->n_last : UINT64_MAX;
    uint64_t at = 0;
    (void)worker;
    for (uint64_t q = first; q < chunk_end(pass, number); q++) {
        const tm_window_item *const asked = &pass->asked[q];
        const uint64_t end = pass->end[q];
        if (q == first || asked->entity != asked[-1].entity) {
            at = pass->start[q];
        }
        if (w->window->width_us > 0) {
            const int64_t from = tm__window_from(asked->time, w->window->width_us);
            at = seek(pass->items, at, end, asked->entity, from);
        }
        at = end - at > n_last ? end - n_last : at;
        pass->begin[q] = (uint32_t)at;
    }
}

void tm__window_seek_begin(tm_window_pass *pass, const tm_window_feature *window) {
    const uint64_t n_chunks = (pass->n_asked + TM_WINDOW_CHUNK - 1) / TM_WINDOW_CHUNK;
    begin_work work = {pass, window};
    tm__pool_run(pass->ctx->pool, n_chunks, begin_chunk, &work);
}
