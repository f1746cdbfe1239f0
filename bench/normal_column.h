/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of normal columns, counted into ten bins of equal rows, for benchmarks of what watches them;
 * and how soon runs were told. */
#ifndef TM_BENCH_NORMAL_COLUMN_H
#define TM_BENCH_NORMAL_COLUMN_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"

enum { BINS = 10, REFERENCE_BLOCKS = 10, REFERENCE_ROWS = 1000 };
enum { RUNS = 1000, WEEK = 168, ROWS_MAX = 36000 };

static const double bin_edges[BINS - 1] = {-1.2816, -0.8416, -0.5244, -0.2533, 0,
                                           0.2533,  0.5244,  0.8416,  1.2816};

/* Chances of the bins up to each, of 2^32, for a column moved by so many deviations. */
static void chances(double by, uint64_t out[BINS]) {
    for (int i = 0; i < BINS - 1; i++) {
        out[i] = (uint64_t)(4294967296.0 * 0.5 * erfc(-(bin_edges[i] - by) / sqrt(2)));
    }
    out[BINS - 1] = UINT64_C(1) << 32;
}

static uint32_t draw_bin(tm_rng *rng, const uint64_t up_to[BINS]) {
    const uint64_t u = tm__rng_u64(rng) >> 32;
    uint32_t bin = 0;
    while (u >= up_to[bin]) {
        bin++;
    }
    return bin;
}

/* Add n rows to the counts of the bins. */
static void draw_rows(tm_rng *rng, uint32_t n, const uint64_t up_to[BINS], uint64_t *counts) {
    for (uint32_t i = 0; i < n; i++) {
        counts[draw_bin(rng, up_to)]++;
    }
}

static int compare_rows(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Of [RUNS] rows until a run was told, UINT32_MAX: it was not. */
static void print_told(double by, uint32_t *rows) {
    char name[80];
    uint32_t n_soon = 0;
    for (uint32_t i = 0; i < RUNS; i++) {
        n_soon += rows[i] <= 1000 ? 1 : 0;
    }
    qsort(rows, RUNS, sizeof(*rows), compare_rows);
    (void)snprintf(name, sizeof(name), "moved by %.2f deviations: told within 1,000 rows", by);
    printf("%-56s %-8s %12.1f\n", name, "%", n_soon * 100.0 / RUNS);
    if (rows[RUNS - 1 - RUNS / 20] == UINT32_MAX) {
        printf("%-56s %-8s %12s\n", "  rows until then", "rows", "often over 36,000");
    } else {
        printf("%-56s %-8s %12u  [%u - %u of 90 %%]\n", "  rows until then, median", "rows",
               rows[RUNS / 2], rows[RUNS / 20], rows[RUNS - 1 - RUNS / 20]);
    }
}

#endif
