/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates of windows, given where they begin and end among the values.
 *
 * Sums: before every 16th value stands the sum of all values before it, modulo 2^128, so that a
 * window is a difference of two of those and at most 30 values beside them. That is 1 byte a value
 * and sum, where a sum before each value would be 16, and any window can be asked first: queries
 * are cut anywhere and one entity with all events is as parallel as many with few.
 *
 *     values   |................|................|................|.....
 *     before   0                1                2                3
 *     window            [---------------------------------)
 *                        7 values + before[3] - before[1] + 2 values
 *
 * MIN and MAX: the same with the extreme of each 16 values, of each 16 of those, and so on.
 */
#include "feature/window_priv.h"

#include <string.h>

#include "base/mem.h"

#define BLOCK 16u
#define DIRECT 32u /* a window of so few values is added up */
#define LEVELS 8u  /* 16^8 values */

typedef struct fold {
    const tm_window_pass *pass;
    const tm_window_values *v;
    const tm_window_step *step;
    double *out;
    tm_u128 *before;        /* [(n / BLOCK + 1) x n_sums] */
    double *levels[LEVELS]; /* [n / BLOCK^(i + 1)] extremes of whole blocks */
    double *level_room;
} fold;

static inline void add(const fold *f, uint64_t rank, tm_window_sums *sums) {
    const tm_window_item *const item = &f->pass->items[tm__window_position(f->v, rank)];
    tm__window_add(f->step, f->v->cells[rank], item->time, sums);
}

/* Sums of the blocks of a chunk of TM_WINDOW_CHUNK values, from 0; the chunk's own stands behind
 * them, where the next chunk's first will be. */
static void sum_chunk(void *arg, uint64_t number, uint32_t worker) {
    const fold *f = arg;
    const uint64_t n_blocks = f->v->n / BLOCK, n_sums = f->step->n_sums;
    const uint64_t first = number * (TM_WINDOW_CHUNK / BLOCK);
    uint64_t end = first + TM_WINDOW_CHUNK / BLOCK;
    tm_window_sums sums = {0};
    (void)worker;
    end = end < n_blocks ? end : n_blocks;
    for (uint64_t b = first; b < end; b++) {
        for (uint64_t i = b * BLOCK; i < (b + 1) * BLOCK; i++) {
            add(f, i, &sums);
        }
        memcpy(f->before + (b + 1) * n_sums, sums.sums, n_sums * sizeof(tm_u128));
    }
}

static bool make_sums(fold *f) {
    const uint64_t n_blocks = f->v->n / BLOCK, n_sums = f->step->n_sums;
    const uint64_t chunk = TM_WINDOW_CHUNK / BLOCK;
    f->before = tm__mem_alloc((n_blocks + 1) * n_sums, sizeof(tm_u128));
    if (f->before == NULL) {
        return false;
    }
    memset(f->before, 0, n_sums * sizeof(tm_u128));
    tm__pool_run(f->pass->ctx->pool, (n_blocks + chunk - 1) / chunk, sum_chunk, f);
    for (uint64_t b = chunk; b < n_blocks; b++) { /* blocks of later chunks start at 0 */
        const tm_u128 *const base = f->before + b / chunk * chunk * n_sums;
        for (uint64_t s = 0; s < n_sums; s++) {
            f->before[(b + 1) * n_sums + s] += base[s];
        }
    }
    return true;
}

static double lesser(const fold *f, double a, double b) {
    const bool is_less = f->step->feature.fn == TM_WINDOW_MIN ? b < a : b > a;
    return is_less ? b : a;
}

static double level_at(const fold *f, uint32_t level, uint64_t at) {
    return level == 0 ? tm__window_number(f->step->type, f->v->cells[at])
                      : f->levels[level - 1][at];
}

typedef struct level_work {
    fold *f;
    uint32_t level;
    uint64_t n;
} level_work;

static void level_chunk(void *arg, uint64_t number, uint32_t worker) {
    const level_work *w = arg;
    const uint64_t last = (number + 1) * (TM_WINDOW_CHUNK / BLOCK);
    (void)worker;
    for (uint64_t b = number * (TM_WINDOW_CHUNK / BLOCK); b < last && b < w->n; b++) {
        double extreme = level_at(w->f, w->level, b * BLOCK);
        for (uint64_t i = 1; i < BLOCK; i++) {
            extreme = lesser(w->f, extreme, level_at(w->f, w->level, b * BLOCK + i));
        }
        w->f->levels[w->level][b] = extreme;
    }
}

static bool make_levels(fold *f) {
    const uint64_t chunk = TM_WINDOW_CHUNK / BLOCK;
    uint64_t at = 0;
    f->level_room = tm__mem_alloc(f->v->n / (BLOCK - 1) + 1, sizeof(double));
    if (f->level_room == NULL) {
        return false;
    }
    level_work work = {.f = f, .n = f->v->n / BLOCK};
    for (; work.level < LEVELS && work.n > 0; work.level++) {
        f->levels[work.level] = f->level_room + at;
        at += work.n;
        tm__pool_run(f->pass->ctx->pool, (work.n + chunk - 1) / chunk, level_chunk, &work);
        work.n /= BLOCK;
    }
    return true;
}

static double extreme_of(const fold *f, uint64_t begin, uint64_t end) {
    if (begin >= end) {
        return tm__nan();
    }
    double extreme = level_at(f, 0, begin);
    for (uint32_t level = 0; begin < end; level++) {
        for (; begin < end && begin % BLOCK != 0; begin++) {
            extreme = lesser(f, extreme, level_at(f, level, begin));
        }
        for (; begin < end && end % BLOCK != 0; end--) {
            extreme = lesser(f, extreme, level_at(f, level, end - 1));
        }
        begin /= BLOCK;
        end /= BLOCK;
    }
    return extreme;
}

static double sum_of(const fold *f, uint64_t begin, uint64_t end) {
    tm_window_sums sums = {0};
    const uint64_t first = (begin + BLOCK - 1) / BLOCK, last = end / BLOCK;
    const uint64_t n_sums = f->step->n_sums;
    uint64_t head_end = end, tail = end;
    if (end - begin > DIRECT) {
        head_end = first * BLOCK;
        tail = last * BLOCK;
        for (uint64_t s = 0; s < n_sums; s++) {
            sums.sums[s] = f->before[last * n_sums + s] - f->before[first * n_sums + s];
        }
    }
    for (uint64_t i = begin; i < head_end; i++) {
        add(f, i, &sums);
    }
    for (uint64_t i = tail; i < end; i++) {
        add(f, i, &sums);
    }
    sums.n = end - begin;
    return tm__window_value(f->step, &sums);
}

static double value_of(const fold *f, uint64_t begin, uint64_t end, int64_t moment) {
    const tm_window_step *const step = f->step;
    switch (step->feature.fn) {
    case TM_WINDOW_COUNT:
    case TM_WINDOW_RATE: {
        const tm_window_sums sums = {.n = end - begin};
        return tm__window_value(step, &sums);
    }
    case TM_WINDOW_MIN:
    case TM_WINDOW_MAX:
        return extreme_of(f, begin, end);
    case TM_WINDOW_AGE:
    case TM_WINDOW_LAST:
    case TM_WINDOW_LAG: {
        if (end - begin <= step->feature.lag) {
            return tm__nan();
        }
        const uint64_t rank = end - 1 - step->feature.lag;
        if (step->feature.fn == TM_WINDOW_AGE) {
            return tm__window_age(f->pass->items[tm__window_position(f->v, rank)].time, moment);
        }
        return tm__window_number(step->type, f->v->cells[rank]);
    }
    default:
        return sum_of(f, begin, end);
    }
}

static void ask_chunk(void *arg, uint64_t number, uint32_t worker) {
    const fold *f = arg;
    const tm_window_pass *const pass = f->pass;
    const uint32_t *const begins =
        tm__window_is_open(&f->step->feature) ? pass->start : pass->begin;
    const uint64_t last = (number + 1) * TM_WINDOW_CHUNK;
    (void)worker;
    for (uint64_t q = number * TM_WINDOW_CHUNK; q < last && q < pass->n_asked; q++) {
        const uint64_t begin = tm__window_rank(f->v, begins[q]);
        const uint64_t end = tm__window_rank(f->v, pass->end[q]);
        f->out[pass->asked[q].row] = value_of(f, begin, end, pass->asked[q].time);
    }
}

static bool fold_feature(tm_window_pass *pass, const tm_window_values *v, uint32_t feature) {
    const tm_window_step step = tm__window_step(pass->plan, feature);
    const tm_window_fn fn = step.feature.fn;
    fold f = {.pass = pass, .v = v, .step = &step, .out = pass->out[feature]};
    if (fn == TM_WINDOW_DISTINCT) {
        return tm__window_distinct(pass, v, f.out);
    }
    const bool is_extreme = fn == TM_WINDOW_MIN || fn == TM_WINDOW_MAX;
    const bool ok = (step.n_sums == 0 || make_sums(&f)) && (!is_extreme || make_levels(&f));
    if (ok) {
        const uint64_t n_chunks = (pass->n_asked + TM_WINDOW_CHUNK - 1) / TM_WINDOW_CHUNK;
        tm__pool_run(pass->ctx->pool, n_chunks, ask_chunk, &f);
    }
    tm__mem_free(f.before);
    tm__mem_free(f.level_room);
    return ok;
}

/* Features of one column; a window that the feature before had is not sought again. */
static tm_status fold_column(tm_window_pass *pass, uint32_t column, tm_window_feature *sought,
                             tm_err *err) {
    tm_window_values v;
    bool ok = tm__window_values_init(&v, pass, column);
    for (uint32_t i = 0; ok && i < pass->plan->n_features; i++) {
        const tm_window_feature *const f = &pass->plan->features[i];
        if (f->column != column) {
            continue;
        }
        if (tm__ctx_cancelled(pass->ctx)) {
            tm__window_values_done(&v);
            return TM_FAIL(err, TM_E_CANCELLED, "cancelled");
        }
        const bool is_sought = f->width_us == sought->width_us && f->n_last == sought->n_last;
        if (!tm__window_is_open(f) && !is_sought) {
            tm__window_seek_begin(pass, f);
            *sought = *f;
        }
        ok = fold_feature(pass, &v, i);
    }
    tm__window_values_done(&v);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__window_fold(tm_window_pass *pass, tm_err *err) {
    const tm_window_plan *const plan = pass->plan;
    tm_window_feature sought = {0};
    for (uint32_t i = 0; i < plan->n_features; i++) {
        bool is_done = false;
        for (uint32_t k = 0; k < i && !is_done; k++) {
            is_done = plan->features[k].column == plan->features[i].column;
        }
        if (!is_done) {
            TM_TRY(fold_column(pass, plan->features[i].column, &sought, err));
        }
    }
    return TM_OK;
}
