/* SPDX-License-Identifier: Apache-2.0 */
/* Boosted trees: milliseconds a tree of 255 leaves on one thread and on all, and microseconds a
 * row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "model/model.h"

enum { ROWS = 200000, COLS = 28, TREES = 10, RUNS = 7 };

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, const char *unit, double *values) {
    qsort(values, RUNS, sizeof(double), compare);
    printf("%-24s %-8s %10.3f  [%.3f - %.3f]\n", name, unit, values[RUNS / 2], values[0],
           values[RUNS - 1]);
}

static tm_model *fit(tm_ctx *ctx, const tm_fit_input *in) {
    const tm_model_ops *ops = tm__model_find("gbdt");
    tm_params params;
    tm_model *model = NULL;
    tm_err err = {0};
    char trees[16];
    tm__params_init(ops, &params);
    snprintf(trees, sizeof(trees), "%d", TREES);
    if (tm__params_set(ops, &params, "n_trees", trees, &err) != TM_OK ||
        tm__params_set(ops, &params, "max_leaves", "255", &err) != TM_OK ||
        tm__model_fit(ctx, ops, in, &params, &model, &err) != TM_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return model;
}

static void time_fits(uint32_t n_threads, const char *name, const tm_fit_input *in) {
    tm_ctx ctx = {.pool = n_threads > 1 ? tm__pool_create(n_threads) : NULL};
    double ms[RUNS];
    for (int run = 0; run < RUNS; run++) {
        tm_model *model = fit(&ctx, in);
        ms[run] = model->seconds_fit * 1e3 / TREES;
        tm__model_free(model);
    }
    report(name, "ms/tree", ms);
    tm__pool_free(ctx.pool);
}

static void time_rows(const tm_fit_input *in) {
    tm_ctx ctx = {0};
    tm_model *model = fit(&ctx, in);
    double us[RUNS], out;
    for (int run = 0; run < RUNS; run++) {
        const uint64_t start_ns = tm__mono_ns();
        for (uint64_t row = 0; row < 10000; row++) {
            const double *cols[COLS];
            for (uint32_t c = 0; c < COLS; c++) {
                cols[c] = in->x->cols[c] + row;
            }
            const tm_view view = {
                .n_rows = 1, .n_cols = COLS, .cols = cols, .features = in->x->features};
            tm__model_predict_row(model, &view, &out);
        }
        us[run] = (double)(tm__mono_ns() - start_ns) * 1e-3 / 10000;
    }
    report("one row of 10 trees", "us", us);
    tm__model_free(model);
}

int main(void) {
    double *cells = tm__mem_alloc((size_t)ROWS * COLS, sizeof(double));
    double *y = tm__mem_alloc(ROWS, sizeof(double));
    static const double *cols[COLS];
    static tm_feature features[COLS];
    if (cells == NULL || y == NULL) {
        return 1;
    }
    for (uint64_t i = 0; i < (uint64_t)ROWS * COLS; i++) {
        cells[i] = (double)(tm__rng_at(1, i) >> 11) * 0x1p-51 - 2;
    }
    for (uint32_t c = 0; c < COLS; c++) {
        cols[c] = cells + (size_t)c * ROWS;
        features[c].name = "x";
    }
    for (uint32_t row = 0; row < ROWS; row++) {
        const double score = cols[0][row] * cols[1][row] + cols[2][row] - (cols[3][row] > 1);
        y[row] = (double)(tm__rng_at(2, row) >> 11) * 0x1p-53 < tm__sigmoid(score);
    }
    const tm_view view = {.n_rows = ROWS, .n_cols = COLS, .cols = cols, .features = features};
    const tm_fit_input in = {.task = TM_TASK_BINARY, .x = &view, .y = y, .seed = 1};
    time_fits(1, "200k x 28, one thread", &in);
    time_fits(tm__cpu_count(), "200k x 28, all threads", &in);
    time_rows(&in);
    tm__mem_free(cells);
    tm__mem_free(y);
    return 0;
}
