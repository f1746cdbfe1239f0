/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers that belong to levels: means of the target and counts.
 *
 * A mean is drawn to the mean of all rows as if PRIOR_ROWS more rows had that: (sum + PRIOR_ROWS *
 * all) / (n + PRIOR_ROWS). For a fitted row sum, n and all are those of the other folds, or those
 * of the rows before it in an order at random (ordered target statistics: Prokhorenkova et al.
 * 2018, arXiv:1706.09516, sec. 3.2). The order is by a hash of the row's number. A level table is
 * the work of one thread, which adds in the order of the rows: any number of threads gives the same
 * bits.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "feature/feature_priv.h"

#define PRIOR_ROWS 10.0
#define FOLD_CHUNK UINT64_C(65536)
#define ORDER_BUCKET_ROWS 8u

static const char *const means_names[] = {
    [TM_MEANS_HELD_OUT] = "held-out", [TM_MEANS_ORDERED] = "ordered"};

const char *tm__level_means_text(tm_level_means means) {
    return means_names[means];
}

bool tm__level_means_from_text(const char *text, tm_level_means *out) {
    for (int i = 0; i <= TM_MEANS_ORDERED; i++) {
        if (strcmp(text, means_names[i]) == 0) {
            *out = (tm_level_means)i;
            return true;
        }
    }
    return false;
}

typedef struct fold_job {
    tm_fit *fit;
    uint64_t key;
} fold_job;

static void fold_chunk(void *arg, uint64_t item, uint32_t worker) {
    (void)worker;
    fold_job *job = arg;
    const tm_fit *fit = job->fit;
    const uint64_t end =
        (item + 1) * FOLD_CHUNK < fit->n_rows ? (item + 1) * FOLD_CHUNK : fit->n_rows;
    for (uint64_t i = item * FOLD_CHUNK; i < end; i++) {
        fit->folds[i] = (uint8_t)(tm__rng_at(job->key, fit->rows[i]) % TM_FOLDS);
    }
}

tm_status tm__fit_folds(tm_fit *fit, tm_err *err) {
    if (fit->folds != NULL) {
        return TM_OK;
    }
    fit->folds = tm__mem_alloc(fit->n_rows, 1);
    if (fit->folds == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for folds");
    }
    fold_job job = {.fit = fit, .key = tm__rng_split(fit->options->seed, "feature folds", 0).key};
    tm__pool_run(fit->ctx == NULL ? NULL : fit->ctx->pool,
                 (fit->n_rows + FOLD_CHUNK - 1) / FOLD_CHUNK, fold_chunk, &job);
    return TM_OK;
}

static uint64_t hash_of(const tm_fit *fit, uint64_t key, uint32_t position) {
    return tm__rng_at(key, fit->rows[position]);
}

/* Ties keep the order that they have. */
static void bucket_sort(const tm_fit *fit, uint64_t key, uint32_t *order, uint64_t n) {
    for (uint64_t i = 1; i < n; i++) {
        const uint32_t moved = order[i];
        const uint64_t hash = hash_of(fit, key, moved);
        uint64_t to = i;
        for (; to > 0 && hash_of(fit, key, order[to - 1]) > hash; to--) {
            order[to] = order[to - 1];
        }
        order[to] = moved;
    }
}

/* Rows by a hash: into buckets of a few by its upper bits, which are then sorted. */
static tm_status fit_order(tm_fit *fit, tm_err *err) {
    const uint64_t key = tm__rng_split(fit->options->seed, "feature order", 0).key;
    uint32_t bits = 1;
    while (fit->n_rows >> bits > ORDER_BUCKET_ROWS) {
        bits++;
    }
    const size_t n_buckets = (size_t)1 << bits;
    uint64_t *begins = tm__mem_zalloc(n_buckets + 1, sizeof(uint64_t));
    fit->order = tm__mem_alloc(fit->n_rows, sizeof(uint32_t));
    if (begins == NULL || fit->order == NULL) {
        tm__mem_free(begins);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for target means");
    }
    for (uint64_t i = 0; i < fit->n_rows; i++) {
        begins[hash_of(fit, key, (uint32_t)i) >> (64 - bits)]++;
    }
    for (size_t b = 1; b <= n_buckets; b++) {
        begins[b] += begins[b - 1];
    }
    for (uint64_t i = fit->n_rows; i-- > 0;) { /* ends become begins, and rows stay in order */
        fit->order[--begins[hash_of(fit, key, (uint32_t)i) >> (64 - bits)]] = (uint32_t)i;
    }
    for (size_t b = 0; b < n_buckets; b++) {
        bucket_sort(fit, key, fit->order + begins[b], begins[b + 1] - begins[b]);
    }
    tm__mem_free(begins);
    return TM_OK;
}

typedef struct level_job {
    tm_fit *fit;
    uint32_t *tables; /* those with LEVEL steps */
    uint32_t **maps;  /* level of each code */
    tm_status *statuses;
} level_job;

static uint32_t level_of(const tm_levels *table, const uint32_t *map, uint32_t code) {
    return code == TM_CODE_MISSING ? table->n + 1 : map[code];
}

double tm__fit_part(const tm_fit *fit, uint32_t class, double y) {
    const bool is_class =
        fit->options->task == TM_TASK_BINARY || fit->options->task == TM_TASK_MULTICLASS;
    return is_class ? (double)(y == (double)class) : y;
}

/* Sums of a statistic and counts of rows: [TM_FOLDS][n + 2]. */
typedef struct level_sums {
    double *sums, *counts;
    double all_sums[TM_FOLDS], all_counts[TM_FOLDS];
} level_sums;

static double drawn(double sum, double count, double all_sum, double all_count) {
    const double all = all_count > 0 ? all_sum / all_count : 0;
    return (sum + PRIOR_ROWS * all) / (count + PRIOR_ROWS);
}

/* Statistic of a level without one fold (TM_FOLDS: with all). Sums over folds, never differences:
 * then nothing of the fold left out is in the bits. */
static double level_mean(const level_sums *s, uint32_t n_levels, uint32_t level, uint32_t without) {
    double sum = 0, count = 0, all_sum = 0, all_count = 0;
    for (uint32_t f = 0; f < TM_FOLDS; f++) {
        if (f == without) {
            continue;
        }
        sum += s->sums[(size_t)f * n_levels + level];
        count += s->counts[(size_t)f * n_levels + level];
        all_sum += s->all_sums[f];
        all_count += s->all_counts[f];
    }
    return drawn(sum, count, all_sum, all_count);
}

/* Sums and counts of each level and fold, and those of all levels. */
static void level_add(const tm_fit *fit, uint32_t class, const uint32_t *map,
                      const tm_levels *table, level_sums *sums) {
    const uint32_t *codes = fit->columns[table->input]->codes;
    const uint32_t n = table->n + 2;
    for (uint64_t i = 0; i < fit->n_rows; i++) {
        const uint32_t fold = fit->folds[i];
        const size_t at = (size_t)fold * n + level_of(table, map, codes[fit->rows[i]]);
        const double part = tm__fit_part(fit, class, fit->y[fit->rows[i]]);
        sums->sums[at] += part;
        sums->counts[at] += 1;
        sums->all_sums[fold] += part;
        sums->all_counts[fold] += 1;
    }
}

static bool hold_folds(const tm_fit *fit, const uint32_t *map, const tm_levels *table,
                       const level_sums *sums, double *out) {
    const uint32_t *codes = fit->columns[table->input]->codes;
    const uint32_t n = table->n + 2;
    double *without = tm__mem_alloc((size_t)n * TM_FOLDS, sizeof(double));
    if (without == NULL) {
        return false;
    }
    for (uint32_t level = 0; level < n; level++) {
        for (uint32_t f = 0; f < TM_FOLDS; f++) {
            without[(size_t)f * n + level] = level_mean(sums, n, level, f);
        }
    }
    for (uint64_t i = 0; i < fit->n_rows; i++) {
        out[i] = without[(size_t)fit->folds[i] * n + level_of(table, map, codes[fit->rows[i]])];
    }
    tm__mem_free(without);
    return true;
}

/* The mean so far, then the row is added to it. All sums are those of the first fold. */
static void hold_order(const tm_fit *fit, uint32_t class, const uint32_t *map,
                       const tm_levels *table, level_sums *sums, double *out) {
    const uint32_t *codes = fit->columns[table->input]->codes;
    for (uint64_t at = 0; at < fit->n_rows; at++) {
        const uint32_t i = fit->order[at];
        const uint32_t level = level_of(table, map, codes[fit->rows[i]]);
        out[i] =
            drawn(sums->sums[level], sums->counts[level], sums->all_sums[0], sums->all_counts[0]);
        const double part = tm__fit_part(fit, class, fit->y[fit->rows[i]]);
        sums->sums[level] += part;
        sums->counts[level] += 1;
        sums->all_sums[0] += part;
        sums->all_counts[0] += 1;
    }
}

static bool fit_mean(tm_fit *fit, uint32_t s, const uint32_t *map, level_sums *sums) {
    tm_step *step = &fit->program->steps[s];
    const tm_levels *table = &fit->program->tables[step->from];
    const uint32_t n = table->n + 2;
    step->values = tm__mem_alloc(n, sizeof(double));
    fit->held[s] = tm__mem_alloc(fit->n_rows, sizeof(double));
    if (step->values == NULL || fit->held[s] == NULL) {
        return false;
    }
    memset(sums->sums, 0, (size_t)n * TM_FOLDS * sizeof(double));
    memset(sums->counts, 0, (size_t)n * TM_FOLDS * sizeof(double));
    memset(sums->all_sums, 0, sizeof(sums->all_sums));
    memset(sums->all_counts, 0, sizeof(sums->all_counts));
    if (fit->order != NULL) {
        hold_order(fit, step->item, map, table, sums, fit->held[s]);
    } else {
        level_add(fit, step->item, map, table, sums);
    }
    for (uint32_t level = 0; level < n; level++) {
        step->values[level] = level_mean(sums, n, level, TM_FOLDS);
    }
    return fit->order != NULL || hold_folds(fit, map, table, sums, fit->held[s]);
}

/* A level seen less than min_count times counts as never seen, as it does in a new row. */
static double count_value(const tm_fit *fit, uint32_t count) {
    return count >= fit->min_count ? tm__log1p((double)count) : 0;
}

static bool fit_count(tm_fit *fit, uint32_t s, const uint32_t *map) {
    tm_step *step = &fit->program->steps[s];
    const tm_levels *table = &fit->program->tables[step->from];
    const uint32_t *codes = fit->columns[table->input]->codes;
    const uint32_t n = table->n + 2;
    uint32_t *counts = tm__mem_zalloc(n, sizeof(uint32_t));
    double *less = tm__mem_alloc(n, sizeof(double));
    step->values = tm__mem_alloc(n, sizeof(double));
    fit->held[s] = tm__mem_alloc(fit->n_rows, sizeof(double));
    const bool ok = counts != NULL && less != NULL && step->values != NULL && fit->held[s] != NULL;
    for (uint64_t i = 0; ok && i < fit->n_rows; i++) {
        counts[level_of(table, map, codes[fit->rows[i]])]++;
    }
    for (uint32_t level = 0; ok && level < table->n; level++) {
        step->values[level] = count_value(fit, counts[level]);
        less[level] = count_value(fit, counts[level] - 1);
    }
    if (ok) {
        step->values[n - 2] = less[n - 2] = 0;
        step->values[n - 1] = less[n - 1] = tm__nan();
    }
    for (uint64_t i = 0; ok && i < fit->n_rows; i++) {
        fit->held[s][i] = less[level_of(table, map, codes[fit->rows[i]])];
    }
    tm__mem_free(counts);
    tm__mem_free(less);
    return ok;
}

static void fit_table(void *arg, uint64_t item, uint32_t worker) {
    (void)worker;
    level_job *job = arg;
    tm_fit *fit = job->fit;
    const uint32_t t = job->tables[item];
    const size_t n = ((size_t)fit->program->tables[t].n + 2) * TM_FOLDS;
    level_sums sums = {.sums = tm__mem_alloc(n, sizeof(double)),
                       .counts = tm__mem_alloc(n, sizeof(double))};
    bool ok = sums.sums != NULL && sums.counts != NULL;
    for (uint32_t s = 0; ok && s < fit->program->n_steps; s++) {
        const tm_step *step = &fit->program->steps[s];
        if (step->kind != TM_STEP_LEVEL || step->from != t || tm__ctx_cancelled(fit->ctx)) {
            continue;
        }
        ok = step->part == TM_LEVEL_MEAN ? fit_mean(fit, s, job->maps[item], &sums)
                                         : fit_count(fit, s, job->maps[item]);
    }
    tm__mem_free(sums.sums);
    tm__mem_free(sums.counts);
    job->statuses[item] = ok ? TM_OK : TM_E_NOMEM;
}

tm_status tm__fit_levels(tm_fit *fit, tm_err *err) {
    const tm_program *program = fit->program;
    level_job job = {.fit = fit};
    tm_status status = TM_OK;
    uint32_t n = 0;
    job.tables = tm__mem_alloc(program->n_tables, sizeof(uint32_t));
    job.maps = tm__mem_zalloc(program->n_tables, sizeof(uint32_t *));
    job.statuses = tm__mem_zalloc(program->n_tables, sizeof(tm_status));
    bool ok = job.tables != NULL && job.maps != NULL && job.statuses != NULL;
    for (uint32_t s = 0; ok && s < program->n_steps; s++) {
        const uint32_t t = program->steps[s].from;
        if (program->steps[s].kind != TM_STEP_LEVEL || (n > 0 && job.tables[n - 1] == t)) {
            continue;
        }
        const tm_dict *dict = fit->columns[program->tables[t].input]->dict;
        job.maps[n] = tm__mem_alloc(tm__dict_count(dict), sizeof(uint32_t));
        ok = job.maps[n] != NULL;
        if (ok) {
            tm__levels_map(fit->ctx, &program->tables[t], dict, job.maps[n]);
        }
        job.tables[n++] = t;
    }
    if (!ok) {
        status = TM_FAIL(err, TM_E_NOMEM, "out of memory for target means");
    }
    if (status == TM_OK && n > 0) {
        status = fit->options->level_means == TM_MEANS_ORDERED ? fit_order(fit, err)
                                                               : tm__fit_folds(fit, err);
    }
    if (status == TM_OK) {
        tm__pool_run(fit->ctx == NULL ? NULL : fit->ctx->pool, n, fit_table, &job);
    }
    for (uint32_t i = 0; job.maps != NULL && i < n; i++) {
        tm__mem_free(job.maps[i]);
    }
    for (uint32_t i = 0; status == TM_OK && i < n; i++) {
        if (job.statuses[i] != TM_OK) {
            status = TM_FAIL(err, TM_E_NOMEM, "out of memory for target means");
        }
    }
    tm__mem_free(job.tables);
    tm__mem_free((void *)job.maps);
    tm__mem_free(job.statuses);
    return status;
}
