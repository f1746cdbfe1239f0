/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows to look at a model with, and what its other files share. The rows are those of the test side
 * of training, made again from its snapshots and recipe, or any others that have the target.
 *
 * Weights are those of training's column, where the rows have it. Rows of one entity, or of one
 * query, stay together wherever chance is asked about.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "train/train_look_priv.h"

enum { LATENCY_ROWS = 2000, LATENCY_ROUNDS = 3 };

/* --- the rows --- */

static tm_status fill_weights(tm_look *look, tm_err *err) {
    const json_t *recipe = json_object_get(tm__bundle_info(look->bundle), "recipe");
    const char *name = tm__json_text(recipe, "weight", NULL);
    const uint32_t col = name != NULL ? tm__table_find(look->table, name) : UINT32_MAX;
    if (col == UINT32_MAX) {
        return TM_OK;
    }
    const tm_column *column = tm__table_column(look->table, col);
    look->weights = tm__mem_alloc(look->n, sizeof(double));
    if (look->weights == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the weights");
    }
    for (uint64_t i = 0; i < look->n; i++) {
        const uint32_t row = look->rows[i];
        const double value = column->codes == NULL ? tm__column_number(column, row) : tm__nan();
        if (!(value >= 0) || isinf(value)) {
            const tm_status st =
                TM_FAIL(err, TM_E_DATA, "the weight '%s' is not a number of at least 0", name);
            tm_err_at(err, NULL, (uint64_t)row + 1, col + 1);
            return st;
        }
        look->weights[i] = value;
    }
    return TM_OK;
}

typedef struct hashed_row {
    uint64_t hash;
    uint64_t at;
} hashed_row;

static int compare_hashed(const void *a, const void *b) {
    const hashed_row *x = a, *y = b;
    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Numbers of the entities of rows, by their first rows' hashes. */
static tm_status number_entities(tm_look *look, uint32_t col, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(look->table);
    uint64_t *hashes = tm__mem_alloc(n_rows, sizeof(*hashes));
    hashed_row *sorted = tm__mem_alloc(look->n, sizeof(*sorted));
    look->units = tm__mem_alloc(look->n, sizeof(*look->units));
    const bool ok = hashes != NULL && sorted != NULL && look->units != NULL;
    if (ok) {
        tm__table_row_hashes(look->table, &col, 1, hashes);
        for (uint64_t i = 0; i < look->n; i++) {
            sorted[i] = (hashed_row){hashes[look->rows[i]], i};
        }
        qsort(sorted, look->n, sizeof(*sorted), compare_hashed);
        uint32_t unit = 0;
        for (uint64_t i = 0; i < look->n; i++) {
            unit += i > 0 && sorted[i].hash != sorted[i - 1].hash;
            look->units[sorted[i].at] = unit;
        }
        look->n_units = (uint64_t)unit + 1;
        look->unit = "entities";
    }
    tm__mem_free(hashes);
    tm__mem_free(sorted);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for the entities of rows");
}

static tm_status fill_units(tm_look *look, tm_err *err) {
    const char *name = tm__json_text(tm__bundle_info(look->bundle), "entity", NULL);
    const uint32_t col = name != NULL ? tm__table_find(look->table, name) : UINT32_MAX;
    look->unit = "rows";
    look->n_units = look->n;
    if (look->queries != NULL) {
        look->units = tm__mem_alloc(look->n, sizeof(*look->units));
        if (look->units == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the queries of rows");
        }
        memcpy(look->units, look->queries, look->n * sizeof(*look->units));
        look->n_units = (uint64_t)look->queries[look->n - 1] + 1;
        look->unit = "queries";
        return TM_OK;
    }
    return col == UINT32_MAX ? TM_OK : number_entities(look, col, err);
}

static tm_status fill_answers(tm_look *look, tm_err *err) {
    look->pred = tm__mem_alloc(look->n * look->n_outputs, sizeof(double));
    if (look->pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for %llu answers", (unsigned long long)look->n);
    }
    return tm__bundle_predict(look->ctx, look->bundle, look->table, look->rows, look->n, look->pred,
                              err);
}

static tm_status fill(tm_look *look, tm_err *err) {
    const char *metric = tm__json_text(tm__bundle_info(look->bundle), "metric", "");
    TM_TRY(tm__train_metric(metric[0] != '\0' ? metric : NULL, look->task, &look->metric, err));
    TM_TRY(tm__train_target(look->bundle, look->table, &look->y, &look->rows, &look->n, err));
    if (look->n == 0) {
        return TM_FAIL(err, TM_E_DATA, "no row has a target '%s'", tm__bundle_target(look->bundle));
    }
    TM_TRY(tm__queries_of_bundle(look->bundle, look->table, look->rows, look->y, look->n,
                                 &look->queries, err));
    TM_TRY(fill_weights(look, err));
    TM_TRY(fill_units(look, err));
    return fill_answers(look, err);
}

tm_status tm__look_init(tm_ctx *ctx, const tm_bundle *bundle, tm_table *table, uint64_t seed,
                        tm_look *out, tm_err *err) {
    tm_look look = {.ctx = ctx,
                    .bundle = bundle,
                    .table = tm__table_ref(table),
                    .task = tm__bundle_task(bundle),
                    .n_classes = tm__bundle_classes(bundle),
                    .n_outputs = tm__bundle_outputs(bundle),
                    .threshold = tm__bundle_threshold(bundle),
                    .seed = seed};
    const tm_status st = fill(&look, err);
    if (st != TM_OK) {
        tm__look_done(&look);
        return st;
    }
    *out = look;
    return TM_OK;
}

void tm__look_done(tm_look *look) {
    tm__table_unref(look->table);
    tm__mem_free(look->rows);
    tm__mem_free(look->y);
    tm__mem_free(look->pred);
    tm__mem_free(look->weights);
    tm__mem_free(look->queries);
    tm__mem_free(look->units);
    *look = (tm_look){0};
}

static tm_status split_again(tm_ctx *ctx, const json_t *info, const tm_train_options *options,
                             tm_train_windows *rows, tm_table **out, tm_err *err) {
    const int64_t n_then = tm__json_i64(json_object_get(info, "split"), "test_rows", -1);
    tm_train_data data;
    (void)ctx;
    TM_TRY(tm__train_data_init(&data, rows->table, rows->test, options, err));
    tm_status st = TM_OK;
    if (data.n_test == 0) {
        st = TM_FAIL(err, TM_E_DATA, "it was trained without test rows");
        tm_err_hint(err, "Give rows that have the target.");
    } else if ((int64_t)data.n_test != n_then) {
        st = TM_FAIL(err, TM_E_INTEGRITY,
                     "its rows split again give %llu test rows, its record says %lld",
                     (unsigned long long)data.n_test, (long long)n_then);
    } else {
        st = tm__table_take_rows(data.table, data.test, data.n_test, out, err);
    }
    tm__train_data_done(&data);
    return st;
}

tm_status tm__look_test_rows(tm_ctx *ctx, const json_t *info, tm_table *table, tm_table *test,
                             const tm_train_events *events, tm_table **out, tm_err *err) {
    tm_recipe recipe;
    tm_train_windows rows;
    TM_TRY(tm__recipe_init_repeat(&recipe, info, err));
    if (events != NULL) {
        tm__train_events_use(events, &recipe.options);
    }
    tm_status st = tm__train_windows_init(ctx, table, test, &recipe.options, &rows, err);
    if (st == TM_OK) {
        st = split_again(ctx, info, &recipe.options, &rows, out, err);
        tm__train_windows_done(&rows);
    }
    tm__recipe_done(&recipe);
    return st;
}

/* --- what is shared --- */

double tm__look_weight(const tm_look *look, uint64_t i) {
    return look->weights != NULL ? look->weights[i] : 1;
}

uint32_t tm__look_class(const tm_look *look, uint64_t i) {
    return tm__bundle_decide(look->bundle, look->pred + i * look->n_outputs);
}

double tm__look_truth(const tm_look *look, uint64_t i) {
    return look->task == TM_TASK_BINARY       ? look->y[i] == 1
           : look->task == TM_TASK_MULTICLASS ? look->y[i] == (double)tm__look_class(look, i)
                                              : look->y[i];
}

double tm__look_answer(const tm_look *look, uint64_t i) {
    return look->task == TM_TASK_MULTICLASS
               ? look->pred[i * look->n_outputs + tm__look_class(look, i)]
               : look->pred[i];
}

int tm__look_compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double tm__look_quantile(const double *sorted, uint64_t n, double share) {
    if (n == 0) {
        return tm__nan();
    }
    const double at = share * (double)(n - 1);
    const uint64_t below = (uint64_t)at;
    const uint64_t above = below + 1 < n ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

json_t *tm__look_interval(double value, double low, double high) {
    return !isfinite(value) ? json_null()
                            : json_pack("{s:o, s:o, s:o}", "value", tm__json_number(value), "low",
                                        tm__json_number(low), "high", tm__json_number(high));
}

double tm__look_tail(double z) {
    const double x = fabs(z) / 1.4142135623730951, t = 1 / (1 + 0.5 * x);
    static const double terms[] = {0.17087277,  -0.82215223, 1.48851587, -1.13520398, 0.27886807,
                                   -0.18628806, 0.09678418,  0.37409196, 1.00002368,  -1.26551223};
    double sum = 0;
    for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]); i++) {
        sum = sum * t + terms[i];
    }
    const double above = 0.5 * t * tm__exp(-x * x + sum);
    return z >= 0 ? above : 1 - above;
}

void tm__look_text(char *out, size_t size, tm_str text) {
    if (text.len >= size) { /* not within a character */
        text.len = size - 1;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xC0) == 0x80) {
            text.len--;
        }
    }
    (void)tm__str_copy(out, size, text);
}

/* --- how fast --- */

static void fill_cells(const tm_look *look, uint64_t i, tm_cell *cells) {
    const tm_schema *schema = tm__bundle_schema(look->bundle);
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const uint32_t col = tm__table_find(look->table, schema->cols[c].name);
        cells[c] = col == UINT32_MAX
                       ? (tm_cell){0}
                       : tm__column_cell(tm__table_column(look->table, col), look->rows[i]);
    }
}

tm_status tm__look_latency(const tm_look *look, json_t **out, tm_err *err) {
    const uint64_t n = look->n < LATENCY_ROWS ? look->n : LATENCY_ROWS;
    const tm_schema *schema = tm__bundle_schema(look->bundle);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(look->bundle);
    tm_cell *cells = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*cells));
    double *answer = tm__mem_alloc(look->n_outputs, sizeof(double));
    double *micros = tm__mem_alloc(n, sizeof(double));
    const bool ok = scratch != NULL && cells != NULL && answer != NULL && micros != NULL;
    for (uint64_t i = 0; ok && i < n; i++) {
        fill_cells(look, i * (look->n / n), cells);
        micros[i] = INFINITY;
        /* The best of a few: what else runs on the machine is not the model's. */
        for (int round = 0; round < LATENCY_ROUNDS; round++) {
            const uint64_t from = tm__mono_ns();
            tm__bundle_predict_row(look->bundle, scratch, cells, answer);
            micros[i] = fmin(micros[i], (double)(tm__mono_ns() - from) * 1e-3);
        }
    }
    if (ok) {
        qsort(micros, n, sizeof(double), tm__look_compare);
        *out = json_pack("{s:I, s:o, s:o}", "rows", (json_int_t)n, "p50_us",
                         tm__json_number(tm__look_quantile(micros, n, 0.5)), "p99_us",
                         tm__json_number(tm__look_quantile(micros, n, 0.99)));
    }
    tm__bundle_scratch_free(scratch);
    tm__mem_free(cells);
    tm__mem_free(answer);
    tm__mem_free(micros);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to time a row");
}
