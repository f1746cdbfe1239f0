/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The windows of two tables: events and queries are sorted by (entity, time) and walked side by
 * side. With a limit of memory, codes of entities are cut into ranges, each of which is a pass of
 * its own over both tables; what a pass gives does not depend on the others.
 */
#include "base/mem.h"
#include "feature/window_priv.h"

#define BINS_MAX (UINT32_C(1) << 20)
#define ITEM_BYTES sizeof(tm_window_item)
/* Beside items: cells 8, ranks 4, positions 4, and 1 to 4 for sums and extremes; DISTINCT has two
 * places of 4 and a sort of its own. */
#define FOLD_BYTES 21u
#define DISTINCT_BYTES 56u
#define QUERY_BYTES 12u /* start, begin, end */

typedef struct job {
    const tm_ctx *ctx;
    const tm_window_plan *plan; /* NULL: a join */
    const tm_window_events *events;
    const tm_window_queries *queries;
    double *const *out;
    uint32_t *out_rows;
    int64_t ttl_us;
    uint64_t event_bytes, query_bytes; /* at most, while one pass runs */
} job;

static uint64_t greatest(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Rows of a table whose entity is in first .. last and whose time is known. */
static tm_status pick(const uint32_t *entities, const int64_t *times, uint64_t n_rows,
                      const uint32_t *first_last, tm_window_item **out, uint64_t *out_n) {
    const uint32_t first = first_last[0], last = first_last[1];
    uint64_t n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        n += entities[row] >= first && entities[row] <= last && times[row] != TM_INT_MISSING;
    }
    tm_window_item *const items = tm__mem_alloc(n, ITEM_BYTES);
    if (items == NULL) {
        return TM_E_NOMEM;
    }
    *out_n = n;
    *out = items;
    n = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        if (entities[row] >= first && entities[row] <= last && times[row] != TM_INT_MISSING) {
            items[n++] = (tm_window_item){times[row], entities[row], (uint32_t)row};
        }
    }
    return TM_OK;
}

static tm_status sort_items(tm_pool *pool, tm_window_item **items, uint64_t n) {
    tm_window_item *room = tm__mem_alloc(n, ITEM_BYTES);
    tm_window_item *const done = room == NULL ? NULL : tm__window_sort(pool, *items, room, n);
    if (done != NULL && done != *items) {
        room = *items;
        *items = done;
    }
    tm__mem_free(room);
    return done != NULL ? TM_OK : TM_E_NOMEM;
}

typedef struct join_work {
    const tm_window_pass *pass;
    uint32_t *out_rows;
} join_work;

static void join_chunk(void *arg, uint64_t number, uint32_t worker) {
    const join_work *w = arg;
    const tm_window_pass *const pass = w->pass;
    const uint64_t last = (number + 1) * TM_WINDOW_CHUNK;
    (void)worker;
    for (uint64_t q = number * TM_WINDOW_CHUNK; q < last && q < pass->n_asked; q++) {
        const bool is_found = pass->end[q] > pass->begin[q];
        w->out_rows[pass->asked[q].row] = is_found ? pass->items[pass->end[q] - 1].row : UINT32_MAX;
    }
}

static void join_rows(const job *j, tm_window_pass *pass) {
    const tm_window_feature window = {.width_us = j->ttl_us};
    const uint64_t n_chunks = (pass->n_asked + TM_WINDOW_CHUNK - 1) / TM_WINDOW_CHUNK;
    join_work work = {pass, j->out_rows};
    tm__window_seek_begin(pass, &window);
    tm__pool_run(j->ctx->pool, n_chunks, join_chunk, &work);
}

/* Entities first_last[0] .. first_last[1]. */
static tm_status run_pass(const job *j, const uint32_t *first_last, tm_err *err) {
    const tm_window_events *const ev = j->events;
    const tm_window_queries *const qu = j->queries;
    tm_pool *const pool = j->ctx->pool;
    tm_window_pass pass = {.ctx = j->ctx, .plan = j->plan, .events = ev, .out = j->out};
    tm_status st =
        pick(ev->entities, ev->known_us, ev->n_rows, first_last, &pass.items, &pass.n_items);
    if (st == TM_OK) {
        st = sort_items(pool, &pass.items, pass.n_items);
    }
    if (st == TM_OK) {
        st = pick(qu->entities, qu->moments_us, qu->n_rows, first_last, &pass.asked, &pass.n_asked);
    }
    if (st == TM_OK) {
        st = sort_items(pool, &pass.asked, pass.n_asked);
    }
    pass.start = tm__mem_alloc(pass.n_asked, sizeof(uint32_t));
    pass.begin = tm__mem_alloc(pass.n_asked, sizeof(uint32_t));
    pass.end = tm__mem_alloc(pass.n_asked, sizeof(uint32_t));
    if (st != TM_OK || pass.start == NULL || pass.begin == NULL || pass.end == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    } else if (tm__ctx_cancelled(j->ctx)) {
        st = TM_FAIL(err, TM_E_CANCELLED, "cancelled");
    } else {
        tm__window_seek_end(&pass);
        if (j->plan == NULL) {
            join_rows(j, &pass);
        } else {
            st = tm__window_fold(&pass, err);
        }
    }
    tm__mem_free(pass.items);
    tm__mem_free(pass.asked);
    tm__mem_free(pass.start);
    tm__mem_free(pass.begin);
    tm__mem_free(pass.end);
    return st;
}

static uint32_t last_entity(const job *j) {
    uint32_t last = 0;
    for (uint64_t row = 0; row < j->events->n_rows; row++) {
        const uint32_t entity = j->events->entities[row];
        last = entity != TM_CODE_MISSING && entity > last ? entity : last;
    }
    for (uint64_t row = 0; row < j->queries->n_rows; row++) {
        const uint32_t entity = j->queries->entities[row];
        last = entity != TM_CODE_MISSING && entity > last ? entity : last;
    }
    return last;
}

static tm_status over_limit(uint64_t bytes, uint64_t room, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_LIMIT, "events of one entity need %llu MiB, and %llu MiB are left",
                (unsigned long long)(bytes >> 20), (unsigned long long)(room >> 20));
    tm_err_hint(err, "Raise the memory limit, or leave the entity out.");
    return st;
}

/* Passes over ranges of codes, each as wide as the room lets it be. */
static tm_status run_within(const job *j, uint32_t last, uint64_t room, tm_err *err) {
    const uint64_t width = ((uint64_t)last + BINS_MAX) / BINS_MAX;
    const uint64_t n_bins = last / width + 1, bin_bytes = n_bins * sizeof(uint64_t);
    uint64_t *const bins = tm__mem_zalloc(n_bins, sizeof(uint64_t)); /* bytes */
    tm_status st = bins == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    for (uint64_t row = 0; bins != NULL && row < j->events->n_rows; row++) {
        const uint32_t entity = j->events->entities[row];
        if (entity != TM_CODE_MISSING) {
            bins[entity / width] += j->event_bytes;
        }
    }
    for (uint64_t row = 0; bins != NULL && row < j->queries->n_rows; row++) {
        const uint32_t entity = j->queries->entities[row];
        if (entity != TM_CODE_MISSING) {
            bins[entity / width] += j->query_bytes;
        }
    }
    room -= bin_bytes < room ? bin_bytes : room;
    for (uint64_t bin = 0; st == TM_OK && bin < n_bins;) {
        uint64_t end = bin, bytes = 0;
        while (end < n_bins && (end == bin || bytes + bins[end] <= room)) {
            bytes += bins[end++];
        }
        const uint64_t behind = end * width - 1;
        const uint32_t range[2] = {(uint32_t)(bin * width),
                                   (uint32_t)(behind < last ? behind : last)};
        st = bytes > room ? over_limit(bytes, room, err) : run_pass(j, range, err);
        bin = end;
    }
    tm__mem_free(bins);
    return st;
}

static tm_status run(job *j, tm_err *err) {
    if (j->events->n_rows > TM_MAX_ROWS || j->queries->n_rows > TM_MAX_ROWS) {
        return TM_FAIL(err, TM_E_LIMIT, "over %u rows", TM_MAX_ROWS);
    }
    uint64_t fold_bytes = 0;
    for (uint32_t i = 0; j->plan != NULL && i < j->plan->n_features; i++) {
        const bool is_distinct = j->plan->features[i].fn == TM_WINDOW_DISTINCT;
        fold_bytes = greatest(fold_bytes, is_distinct ? DISTINCT_BYTES : FOLD_BYTES);
    }
    j->event_bytes = ITEM_BYTES + greatest(ITEM_BYTES, fold_bytes);
    j->query_bytes = ITEM_BYTES + greatest(ITEM_BYTES, QUERY_BYTES);
    const uint64_t need = j->event_bytes * j->events->n_rows + j->query_bytes * j->queries->n_rows;
    const uint64_t limit = j->ctx->memory_limit, used = tm__mem_bytes();
    const uint64_t room = limit == 0 ? UINT64_MAX : limit > used ? limit - used : 0;
    const uint32_t last = last_entity(j);
    const uint32_t all[2] = {0, last};
    return need <= room ? run_pass(j, all, err) : run_within(j, last, room, err);
}

tm_status tm__windows_apply(const tm_ctx *ctx, const tm_window_plan *plan,
                            const tm_window_events *events, const tm_window_queries *queries,
                            double *const *out, tm_err *err) {
    TM_TRY(tm__window_check(plan, err));
    for (uint32_t i = 0; i < plan->n_features; i++) {
        for (uint64_t row = 0; row < queries->n_rows; row++) {
            out[i][row] = tm__nan();
        }
    }
    job j = {.ctx = ctx, .plan = plan, .events = events, .queries = queries, .out = out};
    return run(&j, err);
}

tm_status tm__window_join(const tm_ctx *ctx, const tm_window_events *events,
                          const tm_window_queries *queries, int64_t ttl_us, uint32_t *out_rows,
                          tm_err *err) {
    if (ttl_us < 0) {
        return TM_FAIL(err, TM_E_INVALID, "a time to live is below 0");
    }
    for (uint64_t row = 0; row < queries->n_rows; row++) {
        out_rows[row] = UINT32_MAX;
    }
    job j = {
        .ctx = ctx, .events = events, .queries = queries, .out_rows = out_rows, .ttl_us = ttl_us};
    return run(&j, err);
}
