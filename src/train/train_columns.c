/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. What each input column is worth to a finished bundle, in three ways: how often trees
 * split by it and its share of their gain (both from training), and what the score of given rows
 * loses when the column's values are handed out to other rows at random (Breiman 2001,
 * doi:10.1023/A:1010933404324, for any model and metric: Fisher, Rudin, Dominici 2019,
 * arXiv:1801.01489).
 *
 * The features of the rows are made once. Each feature follows from one input column and its row
 * alone, so handing out a column's values is handing out its features' values, all by one
 * permutation. Text terms move with the input column that stands for them.
 *
 * Permutations follow from seed, column and repeat alone; losses are the same on any number of
 * threads. With more rows than ROWS_MAX a sample by seed stands for them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/train_priv.h"

enum { ROWS_MAX = 50000, REPEATS = 5 };

typedef struct worth {
    uint32_t input;
    double loses, spread;
    double share, splits;
} worth;

typedef struct columns_job {
    tm_ctx *ctx;
    const tm_bundle *bundle;
    const tm_metric_ops *metric;
    uint64_t seed;
    const tm_view *x;
    double *y; /* [n] */
    uint32_t *rows;
    uint32_t *queries; /* [n] of a ranking, else NULL */
    uint64_t n;
    double *pred;        /* [n x outputs] */
    double *moved;       /* [features of one input x n] */
    const double **cols; /* [x->n_cols] */
    uint32_t *order;     /* [n] permutation */
    uint64_t *starts;    /* [n + 1] terms that moved; NULL: no terms */
    uint32_t *terms;
    float *values;
    worth *worths; /* [inputs] */
} columns_job;

static tm_status score(const columns_job *job, const tm_view *x, double *out, tm_err *err) {
    TM_TRY(tm__model_predict(job->ctx, tm__bundle_model(job->bundle), x, job->pred, err));
    tm__bundle_link(job->bundle, job->n, job->pred);
    const tm_score_input in = {.task = tm__bundle_task(job->bundle),
                               .n_classes = tm__bundle_classes(job->bundle),
                               .n_rows = job->n,
                               .y = job->y,
                               .pred = job->pred,
                               .groups = job->queries,
                               .threshold = tm__bundle_threshold(job->bundle)};
    return tm__metric_score(job->metric, &in, out, err);
}

static void order_shuffle(columns_job *job, uint32_t input, uint32_t repeat) {
    tm_rng rng = tm__rng_split(job->seed, "train.columns", (uint64_t)input * REPEATS + repeat);
    for (uint64_t i = 0; i < job->n; i++) { /* inside-out Fisher-Yates */
        const uint64_t j = tm__rng_below(&rng, i + 1);
        job->order[i] = job->order[j];
        job->order[j] = (uint32_t)i;
    }
}

/* Rows of terms in the order of the permutation. */
static void terms_move(const columns_job *job, tm_sparse *out) {
    const tm_sparse *from = job->x->sparse;
    uint64_t at = 0;
    for (uint64_t i = 0; i < job->n; i++) {
        const uint64_t begin = from->starts[job->order[i]];
        const uint64_t n = from->starts[job->order[i] + (uint64_t)1] - begin;
        job->starts[i] = at;
        memcpy(job->terms + at, from->terms + begin, n * sizeof(uint32_t));
        memcpy(job->values + at, from->values + begin, n * sizeof(float));
        at += n;
    }
    job->starts[job->n] = at;
    *out = (tm_sparse){from->n_terms, job->starts, job->terms, job->values};
}

/* Score with the values of one input handed out anew. */
static tm_status score_without(columns_job *job, uint32_t input, uint32_t repeat, double *out,
                               tm_err *err) {
    const tm_program *program = tm__bundle_program(job->bundle);
    tm_view x = *job->x;
    tm_sparse sparse;
    uint64_t n_moved = 0;
    order_shuffle(job, input, repeat);
    for (uint32_t f = 0; f < x.n_cols; f++) {
        job->cols[f] = x.cols[f];
        if (tm__program_feature(program, f)->input == input) {
            double *moved = job->moved + n_moved++ * job->n;
            for (uint64_t i = 0; i < job->n; i++) {
                moved[i] = x.cols[f][job->order[i]];
            }
            job->cols[f] = moved;
        }
    }
    if (x.sparse != NULL && tm__program_term_input(program) == input) {
        terms_move(job, &sparse);
        x.sparse = &sparse;
    }
    x.cols = job->cols;
    return score(job, &x, out, err);
}

static tm_status input_measure(columns_job *job, uint32_t input, double whole, tm_err *err) {
    double losses[REPEATS], mean = 0, squares = 0;
    for (uint32_t r = 0; r < REPEATS; r++) {
        double shuffled = 0;
        TM_TRY(score_without(job, input, r, &shuffled, err));
        losses[r] = tm__metric_gain(job->metric, whole, shuffled);
        mean += losses[r] / REPEATS;
    }
    for (uint32_t r = 0; r < REPEATS; r++) {
        squares += (losses[r] - mean) * (losses[r] - mean);
    }
    job->worths[input].loses = mean;
    job->worths[input].spread = sqrt(squares / (REPEATS - 1));
    return TM_OK;
}

/* About ROWS_MAX rows of whole queries, in their order. */
static void queries_sample(columns_job *job) {
    const uint64_t key = tm__rng_split(job->seed, "train.columns.rows", 0).key;
    const double share = (double)ROWS_MAX / (double)job->n;
    uint64_t kept = 0;
    for (uint64_t i = 0; i < job->n; i++) {
        if ((double)(tm__rng_at(key, job->queries[i]) >> 11) * 0x1p-53 < share) {
            job->rows[kept] = job->rows[i];
            job->queries[kept] = job->queries[i];
            job->y[kept++] = job->y[i];
        }
    }
    job->n = kept > 0 ? kept : job->n;
}

/* At most ROWS_MAX of the rows, in their order. */
static void rows_sample(columns_job *job) {
    if (job->n <= ROWS_MAX) {
        return;
    }
    if (job->queries != NULL) {
        queries_sample(job);
        return;
    }
    tm_rng rng = tm__rng_split(job->seed, "train.columns.rows", 0);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < job->n && kept < ROWS_MAX; i++) {
        if (tm__rng_below(&rng, job->n - i) < ROWS_MAX - kept) {
            job->rows[kept] = job->rows[i];
            job->y[kept++] = job->y[i];
        }
    }
    job->n = kept;
}

/* Shares and splits of the model, from features to inputs. */
static bool worths_fill(columns_job *job) {
    const tm_program *program = tm__bundle_program(job->bundle);
    const tm_model *model = tm__bundle_model(job->bundle);
    const uint32_t n_inputs = tm__program_inputs(program);
    const uint32_t n_features = tm__program_features(program);
    double *shares = tm__mem_zalloc(n_inputs, sizeof(double));
    double *splits = tm__mem_zalloc(n_features, sizeof(double));
    const bool ok = shares != NULL && splits != NULL && tm__train_shares(program, model, shares);
    if (ok && model->ops->splits != NULL) {
        model->ops->splits(model, splits);
    }
    for (uint32_t i = 0; ok && i < n_inputs; i++) {
        job->worths[i].input = i;
        job->worths[i].share = shares[i];
    }
    for (uint32_t f = 0; ok && f < n_features; f++) {
        job->worths[tm__program_feature(program, f)->input].splits += splits[f];
    }
    tm__mem_free(shares);
    tm__mem_free(splits);
    return ok;
}

static tm_status job_init(columns_job *job, const tm_matrix *matrix, tm_err *err) {
    const tm_program *program = tm__bundle_program(job->bundle);
    const uint32_t n_inputs = tm__program_inputs(program);
    uint32_t n_moved_max = 0;
    job->x = tm__matrix_view(matrix);
    for (uint32_t i = 0; i < n_inputs; i++) {
        uint32_t n_moved = 0;
        for (uint32_t f = 0; f < job->x->n_cols; f++) {
            n_moved += tm__program_feature(program, f)->input == i;
        }
        n_moved_max = n_moved > n_moved_max ? n_moved : n_moved_max;
    }
    job->pred = tm__mem_alloc(job->n * tm__bundle_outputs(job->bundle), sizeof(double));
    job->moved = tm__mem_alloc(job->n * n_moved_max, sizeof(double));
    job->cols = tm__mem_alloc(job->x->n_cols, sizeof(double *));
    job->order = tm__mem_alloc(job->n, sizeof(uint32_t));
    job->worths = tm__mem_zalloc(n_inputs, sizeof(worth));
    bool ok = job->pred != NULL && job->moved != NULL && job->cols != NULL && job->order != NULL &&
              job->worths != NULL;
    if (job->x->sparse != NULL) {
        const uint64_t n_terms = job->x->sparse->starts[job->n];
        job->starts = tm__mem_alloc(job->n + 1, sizeof(uint64_t));
        job->terms = tm__mem_alloc(n_terms, sizeof(uint32_t));
        job->values = tm__mem_alloc(n_terms, sizeof(float));
        ok = ok && job->starts != NULL && job->terms != NULL && job->values != NULL;
    }
    if (!ok || !worths_fill(job)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to shuffle columns of %llu rows",
                       (unsigned long long)job->n);
    }
    return TM_OK;
}

static int compare_worths(const void *a, const void *b) {
    const worth *x = a, *y = b;
    if (x->loses != y->loses) {
        return x->loses > y->loses ? -1 : 1;
    }
    return x->input < y->input ? -1 : x->input > y->input;
}

static json_t *worths_to_json(const columns_job *job, double whole) {
    const tm_schema *schema = tm__bundle_schema(job->bundle);
    const bool has_splits = tm__bundle_model(job->bundle)->ops->splits != NULL;
    json_t *list = json_array();
    qsort(job->worths, schema->n_cols, sizeof(worth), compare_worths);
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        const worth *w = &job->worths[i];
        json_t *entry = json_pack("{s:s, s:o, s:o, s:o}", "column", schema->cols[w->input].name,
                                  "loses", tm__json_number(w->loses), "spread",
                                  tm__json_number(w->spread), "share", tm__json_number(w->share));
        if (has_splits) {
            json_object_set_new(entry, "splits", json_integer((json_int_t)w->splits));
        }
        json_array_append_new(list, entry);
    }
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:o}", "metric", job->metric->name, "score",
                     tm__json_number(whole), "rows", (json_int_t)job->n, "repeats",
                     (json_int_t)REPEATS, "seed", (json_int_t)job->seed, "columns", list);
}

static tm_status measure(columns_job *job, json_t **out, tm_err *err) {
    const uint32_t n_inputs = tm__program_inputs(tm__bundle_program(job->bundle));
    double whole = 0;
    TM_TRY(score(job, job->x, &whole, err));
    for (uint32_t i = 0; i < n_inputs; i++) {
        TM_TRY(input_measure(job, i, whole, err));
        tm__ctx_progress(job->ctx, "shuffle", i + 1, n_inputs, "columns");
    }
    json_t *result = worths_to_json(job, whole);
    return tm__json_give(TM_OK, result, out, err);
}

tm_status tm__train_columns(tm_ctx *ctx, const tm_bundle *bundle, const tm_table *table,
                            const tm_columns_options *options, json_t **out, tm_err *err) {
    columns_job job = {.ctx = ctx, .bundle = bundle, .seed = options->seed};
    tm_matrix *matrix = NULL;
    const char *metric = options->metric != NULL
                             ? options->metric
                             : tm__json_text(tm__bundle_info(bundle), "metric", "");
    job.metric = tm__metric_find(metric);
    if (job.metric == NULL || (job.metric->tasks >> tm__bundle_task(bundle) & 1) == 0) {
        return TM_FAIL(err, TM_E_USAGE, "there is no score '%s' for %s", metric,
                       tm__task_text(tm__bundle_task(bundle)));
    }
    TM_TRY(tm__train_target(bundle, table, &job.y, &job.rows, &job.n, err));
    tm_status st = TM_OK;
    if (job.n > 0) {
        st = tm__queries_of_bundle(bundle, table, job.rows, job.y, job.n, &job.queries, err);
    }
    if (st == TM_OK) {
        rows_sample(&job);
    }
    if (st == TM_OK && job.n == 0) {
        st = TM_FAIL(err, TM_E_DATA, "no row has a target '%s'", tm__bundle_target(bundle));
    }
    if (st == TM_OK) {
        st = tm__program_apply(ctx, tm__bundle_program(bundle), table, job.rows, job.n, &matrix,
                               err);
    }
    if (st == TM_OK) {
        st = job_init(&job, matrix, err);
    }
    if (st == TM_OK) {
        st = measure(&job, out, err);
    }
    tm__matrix_free(matrix);
    tm__mem_free(job.y);
    tm__mem_free(job.rows);
    tm__mem_free(job.queries);
    tm__mem_free(job.pred);
    tm__mem_free(job.moved);
    tm__mem_free(job.cols);
    tm__mem_free(job.order);
    tm__mem_free(job.starts);
    tm__mem_free(job.terms);
    tm__mem_free(job.values);
    tm__mem_free(job.worths);
    return st;
}
