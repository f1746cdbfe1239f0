/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a column in the order of (entity, known), without those that are missing. */
#include "base/mem.h"
#include "feature/window_priv.h"

typedef struct gather {
    const tm_window_pass *pass;
    const tm_column *column;
    tm_window_values *v;
    uint64_t *n_before; /* [chunks + 1] values in the chunks before */
} gather;

static uint64_t chunk_end(const gather *g, uint64_t number) {
    const uint64_t end = (number + 1) * TM_WINDOW_CHUNK;
    return end < g->pass->n_items ? end : g->pass->n_items;
}

/* Every cell to its event's place, and how many there are. */
static void read_chunk(void *arg, uint64_t number, uint32_t worker) {
    const gather *g = arg;
    uint64_t n = 0;
    (void)worker;
    for (uint64_t i = number * TM_WINDOW_CHUNK; i < chunk_end(g, number); i++) {
        const uint64_t cell = tm__window_cell(g->column, g->pass->items[i].row);
        g->v->cells[i] = cell;
        n += !tm__window_is_null(g->column->type, cell);
    }
    g->n_before[number + 1] = n;
}

static void rank_chunk(void *arg, uint64_t number, uint32_t worker) {
    const gather *g = arg;
    uint64_t n = g->n_before[number];
    (void)worker;
    for (uint64_t i = number * TM_WINDOW_CHUNK; i < chunk_end(g, number); i++) {
        g->v->ranks[i] = (uint32_t)n;
        if (!tm__window_is_null(g->column->type, g->v->cells[i])) {
            g->v->positions[n++] = (uint32_t)i;
        }
    }
}

static bool leave_out(gather *g, uint64_t n_chunks) {
    tm_window_values *const v = g->v;
    const uint64_t n_items = g->pass->n_items;
    v->ranks = tm__mem_alloc(n_items + 1, sizeof(uint32_t));
    v->positions = tm__mem_alloc(v->n, sizeof(uint32_t));
    if (v->ranks == NULL || v->positions == NULL) {
        return false;
    }
    tm__pool_run(g->pass->ctx->pool, n_chunks, rank_chunk, g);
    v->ranks[n_items] = (uint32_t)v->n;
    for (uint64_t i = 0; i < v->n; i++) { /* never to the right of where it was */
        v->cells[i] = v->cells[v->positions[i]];
    }
    return true;
}

bool tm__window_values_init(tm_window_values *out, tm_window_pass *pass, uint32_t column) {
    *out = (tm_window_values){.n = pass->n_items};
    if (column == TM_WINDOW_EVENTS) {
        return true;
    }
    const uint64_t n_chunks = (pass->n_items + TM_WINDOW_CHUNK - 1) / TM_WINDOW_CHUNK;
    gather g = {.pass = pass, .column = &pass->events->cols[column], .v = out};
    g.n_before = tm__mem_zalloc(n_chunks + 1, sizeof(uint64_t));
    out->cells = tm__mem_alloc(pass->n_items, sizeof(uint64_t));
    bool ok = g.n_before != NULL && out->cells != NULL;
    if (ok) {
        tm__pool_run(pass->ctx->pool, n_chunks, read_chunk, &g);
        for (uint64_t c = 0; c < n_chunks; c++) {
            g.n_before[c + 1] += g.n_before[c];
        }
        out->n = g.n_before[n_chunks];
        ok = out->n == pass->n_items || leave_out(&g, n_chunks);
    }
    tm__mem_free(g.n_before);
    if (!ok) {
        tm__window_values_done(out);
    }
    return ok;
}

void tm__window_values_done(tm_window_values *v) {
    tm__mem_free(v->cells);
    tm__mem_free(v->ranks);
    tm__mem_free(v->positions);
    *v = (tm_window_values){0};
}
