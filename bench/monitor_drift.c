/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms of a whole model: monitor_drift [MONTHS [COLUMNS]], 10,000 months and 20 columns without.
 *
 * A model of normal columns in ten bins, each half as important as the one before, whose reference
 * is ten blocks of 1,000 rows, drawn anew each time; a month is 720 windows of 50 rows. The budget
 * is one false alarm a month over all columns, shared by importance, and alarms go on being
 * counted after the first. Then months in which the most important column moves after a quiet week:
 * in how many it was told within 1,000 rows, and after how many rows.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "monitor/drift.h"

enum { BINS = 10, REFERENCE_BLOCKS = 10, REFERENCE_ROWS = 1000, WINDOWS = 720, ROWS = 50 };
enum { RUNS = 1000, WEEK = 168, ROWS_MAX = 36000 };

static const double edges[BINS - 1] = {-1.2816, -0.8416, -0.5244, -0.2533, 0,
                                       0.2533,  0.5244,  0.8416,  1.2816};

/* Chances of the bins up to each, of 2^32, for a column moved by so many deviations. */
static void chances(double by, uint64_t out[BINS]) {
    for (int i = 0; i < BINS - 1; i++) {
        out[i] = (uint64_t)(4294967296.0 * 0.5 * erfc(-(edges[i] - by) / sqrt(2)));
    }
    out[BINS - 1] = UINT64_C(1) << 32;
}

/* Into the bins behind the cell of values below the least. */
static void draw(tm_rng *rng, uint32_t n, const uint64_t up_to[BINS], uint64_t *counts) {
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t u = tm__rng_u64(rng) >> 32;
        uint32_t bin = 0;
        while (u >= up_to[bin]) {
            bin++;
        }
        counts[bin + 1]++;
    }
}

typedef struct model {
    tm_reference *reference;
    tm_cells_plan *plan;
    tm_drift *drift;
    tm_counts counts;
} model;

static void must(bool ok) {
    if (!ok) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
}

static void make(model *m, tm_rng *rng, uint32_t n_columns) {
    uint64_t up_to[BINS];
    chances(0, up_to);
    m->reference = tm__reference_create(n_columns);
    must(m->reference != NULL);
    for (uint32_t i = 0; i < n_columns; i++) {
        tm_ref_column *const c = &m->reference->columns[i];
        c->kind = TM_REF_NUMBERS;
        c->n_blocks = REFERENCE_BLOCKS;
        c->importance = ldexp(0.5, -(int)i);
        c->n_edges = BINS + 1;
        c->edges = tm__mem_zalloc(BINS + 1, sizeof(double));
        must(c->edges != NULL && tm__ref_column_settle(c));
        for (uint32_t b = 0; b < REFERENCE_BLOCKS; b++) {
            draw(rng, REFERENCE_ROWS, up_to, c->counts + b * c->n_cells);
        }
    }
    m->plan = tm__cells_plan_create(m->reference);
    must(m->plan != NULL && tm__counts_init(&m->counts, m->plan) &&
         tm__drift_create(m->plan, 0, &m->drift, NULL) == TM_OK);
}

static void end(model *m) {
    tm__drift_free(m->drift);
    tm__counts_done(&m->counts);
    tm__cells_plan_free(m->plan);
    tm__reference_free(m->reference);
}

static void window(model *m, tm_rng *rng, uint32_t number, const uint64_t first[BINS]) {
    uint64_t up_to[BINS];
    chances(0, up_to);
    tm__counts_reset(&m->counts);
    for (uint32_t i = 0; i < m->reference->n_columns; i++) {
        draw(rng, ROWS, i == 0 ? first : up_to, m->counts.counts + m->plan->first[i]);
    }
    m->counts.counts[TM_CELLS_ROWS] = ROWS;
    tm__drift_add(m->drift, &m->counts, number * INT64_C(3600000000), INT64_C(3600000000));
}

static uint32_t alarms(const model *m) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->reference->n_columns; i++) {
        n += tm__drift_column(m->drift, i)->n_alarms;
    }
    return n;
}

static void quiet(uint32_t n_months, uint32_t n_columns) {
    uint64_t up_to[BINS];
    uint64_t n_alarms = 0;
    chances(0, up_to);
    for (uint32_t month = 0; month < n_months; month++) {
        model m = {0};
        tm_rng rng = tm__rng_split(1, "quiet model", month);
        make(&m, &rng, n_columns);
        for (uint32_t i = 0; i < WINDOWS; i++) {
            window(&m, &rng, i, up_to);
        }
        n_alarms += alarms(&m);
        end(&m);
    }
    printf("%-56s %-8s %12u\n", "quiet months of a model", "", n_months);
    printf("%-56s %-8s %12llu\n", "alarms in them, where the budget is one a month", "",
           (unsigned long long)n_alarms);
}

static int compare(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Rows until the first column is told. */
static uint32_t run_moved(uint32_t run, double by, uint32_t n_columns) {
    uint64_t before[BINS], after[BINS];
    model m = {0};
    tm_rng rng = tm__rng_split(2, "moved model", run);
    uint32_t n_rows = UINT32_MAX;
    chances(0, before);
    chances(by, after);
    make(&m, &rng, n_columns);
    for (uint32_t i = 0; i < WEEK; i++) {
        window(&m, &rng, i, before);
    }
    const uint32_t n_before = tm__drift_column(m.drift, 0)->n_alarms;
    for (uint32_t i = 0; i < ROWS_MAX / ROWS && n_rows == UINT32_MAX; i++) {
        window(&m, &rng, WEEK + i, after);
        if (tm__drift_column(m.drift, 0)->n_alarms > n_before) {
            n_rows = (i + 1) * ROWS;
        }
    }
    end(&m);
    return n_rows;
}

static void moved(double by, uint32_t n_columns) {
    uint32_t rows[RUNS], n_soon = 0;
    char name[80];
    for (uint32_t i = 0; i < RUNS; i++) {
        rows[i] = run_moved(i, by, n_columns);
        n_soon += rows[i] <= 1000 ? 1 : 0;
    }
    qsort(rows, RUNS, sizeof(*rows), compare);
    (void)snprintf(name, sizeof(name), "moved by %.2f deviations: told within 1,000 rows", by);
    printf("%-56s %-8s %12.1f\n", name, "%", n_soon * 100.0 / RUNS);
    if (rows[RUNS - 1 - RUNS / 20] == UINT32_MAX) {
        printf("%-56s %-8s %12s\n", "  rows until then", "rows", "often over 36,000");
    } else {
        printf("%-56s %-8s %12u  [%u - %u of 90 %%]\n", "  rows until then, median", "rows",
               rows[RUNS / 2], rows[RUNS / 20], rows[RUNS - 1 - RUNS / 20]);
    }
}

int main(int argc, char **argv) {
    const uint32_t n_months = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
    const uint32_t n_columns = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 20;
    static const double moves[] = {0.25, 0.5, 1};
    if (n_months < 1 || n_columns < 1 || n_columns > 40) {
        fprintf(stderr, "usage: monitor_drift [MONTHS [COLUMNS up to 40]]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        moved(moves[i], n_columns);
    }
    quiet(n_months, n_columns);
    return 0;
}
