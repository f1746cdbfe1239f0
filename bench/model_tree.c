/* SPDX-License-Identifier: Apache-2.0 */
/* Prediction of forests in the shape of boosting on physics data: 28 columns, 255 thresholds each,
 * trees grown leaf by leaf. Microseconds for one row, rows a second for batches, milliseconds to
 * make the codes, microseconds for the Shapley values of a row. "walk" is the walk over nodes,
 * which small forests keep. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "model/tree/tree.h"
#include "model/tree/tree_codes.h"

enum {
    ROWS = 100000,
    COLS = 28,
    BINS = 255,
    RUNS = 9,
    ROW_CALLS = 20000,
    EXPLAIN_CALLS = 20,
    LEAVES_MAX = 255
};

typedef struct shape {
    uint32_t n_trees;
    uint32_t n_leaves;
} shape;

static double random_at(uint64_t key, uint64_t at) {
    return (double)(tm__rng_at(key, at) >> 11) * 0x1p-53;
}

/* A tree whose leaf with the most rows among three drawn is split next, unevenly. */
static void tree_grow(tm_forest *forest, uint64_t key, uint32_t n_leaves) {
    static tm_tree_node nodes[2 * LEAVES_MAX], grown[2 * LEAVES_MAX];
    static double values[2 * LEAVES_MAX];
    static uint32_t covers[2 * LEAVES_MAX], grown_covers[2 * LEAVES_MAX], old_of[2 * LEAVES_MAX];
    uint64_t at = 0;
    uint32_t n = 1;
    grown[0] = (tm_tree_node){.meta = TM_NODE_LEAF};
    grown_covers[0] = 1000000;
    while (n < 2 * n_leaves - 1) {
        uint32_t best = UINT32_MAX;
        for (uint32_t tries = 0; tries < 3 || best == UINT32_MAX; tries++) {
            const uint32_t i = (uint32_t)(random_at(key, at++) * n);
            if ((grown[i].meta & TM_NODE_LEAF) != 0 && grown_covers[i] >= 40 &&
                (best == UINT32_MAX || grown_covers[i] > grown_covers[best])) {
                best = i;
            }
        }
        const double bin = (double)(uint32_t)(random_at(key, at++) * BINS);
        const double share = 0.1 + 0.8 * random_at(key, at++);
        grown[best] =
            (tm_tree_node){.threshold = (bin + 0.5) / BINS * 4 - 2,
                           .left = n,
                           .meta = (uint32_t)(random_at(key, at++) * COLS) | TM_NODE_MISSING_LEFT};
        grown_covers[n] = (uint32_t)(share * grown_covers[best]);
        grown_covers[n + 1] = grown_covers[best] - grown_covers[n];
        grown[n].meta = grown[n + 1].meta = TM_NODE_LEAF;
        n += 2;
    }
    uint32_t next = 1;
    old_of[0] = 0;
    for (uint32_t i = 0; i < n; i++) { /* breadth first */
        nodes[i] = grown[old_of[i]];
        covers[i] = grown_covers[old_of[i]];
        values[i] = 0;
        if ((nodes[i].meta & TM_NODE_LEAF) != 0) {
            nodes[i] = (tm_tree_node){.threshold = (double)INFINITY,
                                      .left = i,
                                      .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
            values[i] = random_at(key, at++) - 0.5;
        } else {
            old_of[next] = nodes[i].left;
            old_of[next + 1] = nodes[i].left + 1;
            nodes[i].left = next;
            next += 2;
        }
    }
    const tm_tree_draft draft = {n, 0, nodes, values, covers, NULL};
    if (tm__forest_add(forest, &draft, NULL) != TM_OK) {
        exit(1);
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(shape s, const char *name, const char *unit, double *values) {
    char title[64];
    qsort(values, RUNS, sizeof(double), compare);
    snprintf(title, sizeof(title), "%u x %u, %s", s.n_trees, s.n_leaves, name);
    printf("%-36s %-8s %10.3f  [%.3f - %.3f]\n", title, unit, values[RUNS / 2], values[0],
           values[RUNS - 1]);
}

/* Rows of an own array each: a caller has them in a scratch. */
static void time_row(shape s, const char *name, const tm_forest *forest, const double *rows) {
    double us[RUNS], out, sum = 0;
    for (int run = 0; run < RUNS; run++) {
        const uint64_t start_ns = tm__mono_ns();
        for (uint32_t row = 0; row < ROW_CALLS; row++) {
            const double *cols[COLS];
            for (uint32_t c = 0; c < COLS; c++) {
                cols[c] = rows + (size_t)row * COLS + c;
            }
            tm__forest_predict_row(forest, cols, 0, &out);
            sum += out;
        }
        us[run] = (double)(tm__mono_ns() - start_ns) * 1e-3 / ROW_CALLS;
    }
    if (!(sum > -1e300)) {
        exit(1);
    }
    report(s, name, "us", us);
}

static void time_batch(shape s, const char *name, const tm_forest *forest, const tm_view *x,
                       uint32_t n_threads) {
    tm_ctx ctx = {.pool = n_threads > 1 ? tm__pool_create(n_threads) : NULL};
    double rate[RUNS];
    double *out = tm__mem_alloc(x->n_rows, sizeof(double));
    for (int run = 0; run < RUNS; run++) {
        const uint64_t start_ns = tm__mono_ns();
        if (out == NULL || tm__forest_predict(&ctx, forest, x, out, NULL) != TM_OK) {
            exit(1);
        }
        rate[run] = (double)x->n_rows * 1e6 / (double)(tm__mono_ns() - start_ns);
    }
    report(s, name, "krows/s", rate);
    tm__mem_free(out);
    tm__pool_free(ctx.pool);
}

static void time_explain(shape s, const tm_forest *forest, const double *rows) {
    double us[RUNS], out[COLS + 2];
    for (int run = 0; run < RUNS; run++) {
        const uint64_t start_ns = tm__mono_ns();
        for (uint32_t row = 0; row < EXPLAIN_CALLS; row++) {
            const double *cols[COLS];
            for (uint32_t c = 0; c < COLS; c++) {
                cols[c] = rows + (size_t)row * COLS + c;
            }
            if (tm__forest_explain(forest, cols, out, NULL) != TM_OK) {
                exit(1);
            }
        }
        us[run] = (double)(tm__mono_ns() - start_ns) * 1e-3 / EXPLAIN_CALLS;
    }
    report(s, "explain one row", "us", us);
}

static void time_shape(shape s, const tm_view *x, const double *rows) {
    tm_forest forest;
    double ms[RUNS];
    if (tm__forest_init(&forest, 1, COLS, NULL) != TM_OK) {
        exit(1);
    }
    for (uint32_t t = 0; t < s.n_trees; t++) {
        tree_grow(&forest, t + 1, s.n_leaves);
    }
    time_row(s, "walk, one row", &forest, rows);
    time_batch(s, "walk, batch", &forest, x, 1);
    for (int run = 0; run < RUNS; run++) {
        const uint64_t start_ns = tm__mono_ns();
        if (tm__forest_codes_create(&forest, NULL) != TM_OK) {
            exit(1);
        }
        ms[run] = (double)(tm__mono_ns() - start_ns) * 1e-6;
    }
    report(s, "codes made", "ms", ms);
    time_row(s, "codes, one row", &forest, rows);
    time_batch(s, "codes, batch", &forest, x, 1);
    time_batch(s, "codes, batch on 2 threads", &forest, x, 2);
    time_explain(s, &forest, rows);
    tm__forest_done(&forest);
}

/* For a crossover: bench TREES LEAVES. */
int main(int argc, char **argv) {
    static const shape shapes[] = {{10, 31}, {100, 31}, {500, 255}};
    double *cells = tm__mem_alloc((size_t)ROWS * COLS, sizeof(double));
    double *rows = tm__mem_alloc((size_t)ROW_CALLS * COLS, sizeof(double));
    static const double *cols[COLS];
    if (cells == NULL || rows == NULL) {
        return 1;
    }
    for (uint32_t c = 0; c < COLS; c++) {
        cols[c] = cells + (size_t)c * ROWS;
        for (uint32_t row = 0; row < ROWS; row++) {
            cells[(size_t)c * ROWS + row] = random_at(7, (uint64_t)c * ROWS + row) * 4 - 2;
            if (row < ROW_CALLS) {
                rows[(size_t)row * COLS + c] = cells[(size_t)c * ROWS + row];
            }
        }
    }
    const tm_view view = {.n_rows = ROWS, .n_cols = COLS, .cols = cols};
    if (argc == 3) {
        time_shape((shape){(uint32_t)atoi(argv[1]), (uint32_t)atoi(argv[2])}, &view, rows);
        argc = 0;
    }
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]) && argc > 0; i++) {
        time_shape(shapes[i], &view, rows);
    }
    tm__mem_free(cells);
    tm__mem_free(rows);
    return 0;
}
