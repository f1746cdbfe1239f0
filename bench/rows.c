/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a bundle in process, from cells to the score: microseconds for one row, thousands of rows
 * a second for batches of 1000. bench/rows.py makes the bundles and says what is to be reached;
 * alone, with a .tmb file, this times any model whose inputs are numbers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/bundle.h"

enum { ROWS = 20000, BATCH = 1000, RUNS = 9 };

static double normal(uint64_t key, uint64_t at) {
    const double u = ((double)(tm__rng_at(key, 2 * at) >> 11) + 0.5) * 0x1p-53;
    const double v = ((double)(tm__rng_at(key, 2 * at + 1) >> 11) + 0.5) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, const char *unit, double *values) {
    qsort(values, RUNS, sizeof(double), compare);
    printf("%-36s %-8s %10.3f  [%.3f - %.3f]\n", name, unit, values[RUNS / 2], values[0],
           values[RUNS - 1]);
}

/* Every row has cells of its own, as a caller would have them from a request. */
static void time_rows(const tm_bundle *bundle, tm_bundle_scratch *scratch, const tm_cell *cells,
                      double *out) {
    const uint32_t n_cols = tm__bundle_schema(bundle)->n_cols;
    double us[RUNS];
    const uint64_t n_allocated = tm__mem_calls();
    for (int run = 0; run < RUNS; run++) {
        const uint64_t start_ns = tm__mono_ns();
        for (uint32_t row = 0; row < ROWS; row++) {
            tm__bundle_predict_row(bundle, scratch, cells + (size_t)row * n_cols, out);
        }
        us[run] = (double)(tm__mono_ns() - start_ns) * 1e-3 / ROWS;
    }
    report("one row", "us", us);
    printf("%-36s %-8s %10llu\n", "allocations of all rows", "",
           (unsigned long long)(tm__mem_calls() - n_allocated));
}

static void time_batches(const tm_bundle *bundle, tm_table *table, double *out) {
    double krows[RUNS];
    tm_ctx ctx = {0};
    for (int run = 0; run < RUNS; run++) {
        const uint64_t start_ns = tm__mono_ns();
        for (uint32_t i = 0; i < ROWS / BATCH; i++) {
            if (tm__bundle_predict(&ctx, bundle, table, NULL, 0, out, NULL) != TM_OK) {
                exit(1);
            }
        }
        krows[run] = ROWS * 1e6 / (double)(tm__mono_ns() - start_ns);
    }
    report("batches of 1000 rows, 1 thread", "krows/s", krows);
}

static tm_table *make_table(const tm_schema *schema, const tm_cell *cells) {
    tm_table *table = NULL;
    tm_table_builder *builder = tm__builder_create();
    bool ok = builder != NULL;
    for (uint32_t c = 0; ok && c < schema->n_cols; c++) {
        ok = tm__builder_add_column(builder, schema->cols[c].name, schema->cols[c].type, NULL) ==
             TM_OK;
    }
    for (uint32_t row = 0; ok && row < BATCH; row++) {
        ok = tm__builder_add_row(builder, cells + (size_t)row * schema->n_cols, NULL) == TM_OK;
    }
    if (!ok || tm__builder_finish(builder, &table, NULL) != TM_OK) {
        exit(1);
    }
    return table;
}

int main(int argc, char **argv) {
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    if (argc != 2) {
        printf("# rows: give a .tmb file; rows.py makes two\n");
        return 0;
    }
    if (tm__bundle_open(argv[1], &bundle, &err) != TM_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    const tm_schema *schema = tm__bundle_schema(bundle);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    tm_cell *cells = tm__mem_zalloc((size_t)ROWS * schema->n_cols, sizeof(*cells));
    double *out = tm__mem_alloc((size_t)BATCH * tm__bundle_outputs(bundle), sizeof(double));
    if (scratch == NULL || cells == NULL || out == NULL) {
        return 1;
    }
    for (uint64_t i = 0; i < (uint64_t)ROWS * schema->n_cols; i++) {
        const tm_type type = schema->cols[i % schema->n_cols].type;
        if (type != TM_TYPE_FLOAT && type != TM_TYPE_INT) {
            fprintf(stderr, "an input is no number\n");
            return 1;
        }
        const double value = normal(7, i);
        cells[i] = (tm_cell){.type = type, .i64 = (int64_t)(10 * value), .f64 = value};
    }
    tm_table *table = make_table(schema, cells);
    time_rows(bundle, scratch, cells, out);
    time_batches(bundle, table, out);
    tm__table_unref(table);
    tm__mem_free(cells);
    tm__mem_free(out);
    tm__bundle_scratch_free(scratch);
    tm__bundle_unref(bundle);
    return 0;
}
