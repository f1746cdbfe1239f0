/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What counting a row costs beside answering it: monitor_cells BUNDLE [ROWS]. Rows are drawn from
 * the reference of the bundle; each is answered, written as the log keeps it, and counted, the
 * three timed apart. Median of nine rounds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/bundle.h"
#include "monitor/monitor.h"
#include "monitor/sketch_cells.h"

enum { ROUNDS = 9, KINDS = 3 };

/* A value somewhere in the column's cells. */
static tm_cell draw(tm_rng *rng, const tm_ref_column *c, tm_type type) {
    tm_cell cell = {.type = type};
    if (type == TM_TYPE_TEXT) {
        const char *const text =
            c->n_levels == 0 ? "some text" : c->levels[tm__rng_below(rng, c->n_levels)].text;
        cell.text = tm__str(text);
    } else if (c->n_edges > 1) {
        const double part = tm__rng_f64(rng);
        const double *const edge = c->edges + tm__rng_below(rng, c->n_edges - 1);
        cell.f64 = edge[0] + part * (edge[1] - edge[0]);
        cell.i64 = (int64_t)cell.f64;
    }
    return cell;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void say(const char *name, double *ns, double whole) {
    qsort(ns, ROUNDS, sizeof(*ns), compare);
    printf("%-40s %-6s %9.1f  [%.1f - %.1f]  %5.1f %% of answering and logging\n", name, "ns",
           ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1], 100 * ns[ROUNDS / 2] / whole);
}

int main(int argc, char **argv) {
    const uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000;
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    if (argc < 2 || tm__bundle_open(argv[1], &bundle, &err) != TM_OK ||
        tm__bundle_reference(bundle) == NULL) {
        fprintf(stderr, "usage: monitor_cells BUNDLE [ROWS]: %s\n", err.message);
        return 2;
    }
    const tm_reference *const reference = tm__bundle_reference(bundle);
    const tm_schema *const schema = tm__bundle_schema(bundle);
    tm_cell *const rows = tm__mem_zalloc(n * schema->n_cols, sizeof(*rows));
    tm_rng rng = tm__rng_split(1, "monitor_cells", 0);
    for (uint64_t i = 0; i < n * schema->n_cols; i++) {
        const uint32_t col = (uint32_t)(i % schema->n_cols);
        rows[i] = draw(&rng, &reference->columns[col], schema->cols[col].type);
    }
    tm_cells_plan *const plan = tm__cells_plan_create(reference);
    tm_cells *const cells = tm__cells_create(plan);
    tm_bundle_scratch *const scratch = tm__bundle_scratch_create(bundle);
    const uint32_t n_outputs = tm__bundle_outputs(bundle);
    double *const outputs = tm__mem_zalloc(n_outputs, sizeof(double));
    double ns[KINDS][ROUNDS];
    tm_buf log;
    tm__buf_init(&log, (size_t)1 << 30);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t kind = 0; kind < KINDS; kind++) {
            tm__buf_reset(&log);
            const uint64_t start = tm__mono_ns();
            for (uint64_t i = 0; i < n; i++) {
                const tm_cell *const row = rows + i * schema->n_cols;
                const tm_answer answer = {.id = "01J0Z3K4M5N6P7Q8R9S0T1V2W3",
                                          .event_us = TM_INT_MISSING,
                                          .cells = row,
                                          .outputs = outputs,
                                          .n_cells = schema->n_cols,
                                          .n_outputs = n_outputs};
                if (kind == 0) {
                    tm__bundle_predict_row(bundle, scratch, row, outputs);
                } else if (kind == 1) {
                    (void)tm__answer_append(&answer, &log);
                } else {
                    tm__cells_add(cells, row, outputs, n_outputs);
                }
            }
            ns[kind][round] = (double)(tm__mono_ns() - start) / (double)n;
        }
    }
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        qsort(ns[kind], ROUNDS, sizeof(double), compare);
    }
    const double whole = ns[0][ROUNDS / 2] + ns[1][ROUNDS / 2];
    printf("%u columns, %s\n", schema->n_cols, tm__bundle_model(bundle)->ops->name);
    say("a row answered", ns[0], whole);
    say("  written for the log", ns[1], whole);
    say("  counted", ns[2], whole);
    return 0;
}
