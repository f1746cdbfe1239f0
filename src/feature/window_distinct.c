/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Different values of sliding windows. Each value knows the one before and the one behind it that
 * is the same of the same entity; found by the sort, on all threads, with (entity, value) for
 * (entity, time). One that enters a window is new when the one before lies outside, and one that
 * leaves takes its value with it when the one behind lies outside. No table of counts.
 */
#include <string.h>

#include "base/mem.h"
#include "feature/window_priv.h"

typedef struct sweep {
    const tm_window_pass *pass;
    const tm_window_values *v;
    uint32_t *before; /* [n] place of the same value before, plus 1; 0: none */
    uint32_t *behind; /* [n] UINT32_MAX: none */
    double *out;
} sweep;

static bool link_values(sweep *s) {
    const tm_window_values *const v = s->v;
    tm_window_item *const items = tm__mem_alloc(v->n, sizeof(*items));
    tm_window_item *const room = tm__mem_alloc(v->n, sizeof(*room));
    tm_window_item *done = NULL;
    if (items != NULL && room != NULL) {
        for (uint64_t i = 0; i < v->n; i++) {
            const uint32_t entity = s->pass->items[tm__window_position(v, i)].entity;
            items[i] = (tm_window_item){(int64_t)v->cells[i], entity, (uint32_t)i};
        }
        done = tm__window_sort(s->pass->ctx->pool, items, room, v->n);
    }
    for (uint64_t i = 0; done != NULL && i < v->n; i++) {
        const bool is_first =
            i == 0 || done[i].entity != done[i - 1].entity || done[i].time != done[i - 1].time;
        s->before[done[i].row] = is_first ? 0 : done[i - 1].row + 1;
        s->behind[done[i].row] = UINT32_MAX;
        if (!is_first) {
            s->behind[done[i - 1].row] = done[i].row;
        }
    }
    tm__mem_free(items);
    tm__mem_free(room);
    return done != NULL;
}

static void sweep_chunk(void *arg, uint64_t number, uint32_t worker) {
    const sweep *s = arg;
    const tm_window_pass *const pass = s->pass;
    const uint64_t last = (number + 1) * TM_WINDOW_CHUNK;
    uint64_t begin = 0, end = 0, n = 0;
    (void)worker;
    for (uint64_t q = number * TM_WINDOW_CHUNK; q < last && q < pass->n_asked; q++) {
        const uint64_t from = tm__window_rank(s->v, pass->begin[q]);
        const uint64_t to = tm__window_rank(s->v, pass->end[q]);
        if (from >= end) {
            begin = end = from;
            n = 0;
        }
        for (; end < to; end++) {
            n += s->before[end] <= begin;
        }
        for (; begin < from; begin++) {
            n -= s->behind[begin] >= end;
        }
        s->out[pass->asked[q].row] = (double)n;
    }
}

bool tm__window_distinct(tm_window_pass *pass, const tm_window_values *v, double *out) {
    sweep s = {.pass = pass, .v = v, .out = out};
    s.before = tm__mem_alloc(v->n, sizeof(uint32_t));
    s.behind = tm__mem_alloc(v->n, sizeof(uint32_t));
    const bool ok = s.before != NULL && s.behind != NULL && link_values(&s);
    if (ok) {
        const uint64_t n_chunks = (pass->n_asked + TM_WINDOW_CHUNK - 1) / TM_WINDOW_CHUNK;
        tm__pool_run(pass->ctx->pool, n_chunks, sweep_chunk, &s);
    }
    tm__mem_free(s.before);
    tm__mem_free(s.behind);
    return ok;
}
