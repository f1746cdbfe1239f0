/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms of columns that moved, and of columns that did not: monitor_shift [MONTHS [COLUMNS]],
 * 10,000 months and 20 columns without.
 *
 * A month is 720 blocks of 50 rows of normal columns in ten bins; a reference is ten blocks of
 * 1,000 rows, drawn anew each time. The budget is one false alarm a month over all columns. Quiet
 * months: how many alarms there were. Then months in which one of the columns moves by some of its
 * standard deviations after a quiet week: in how many the alarm came within 1,000 rows, and after
 * how many rows it came.
 */
#include <string.h>

#include "base/clock.h"
#include "monitor/shift.h"
#include "normal_column.h"

enum { BLOCKS = 720, ROWS = 50 };

static void draw(tm_rng *rng, uint32_t n, const uint64_t up_to[BINS], uint64_t counts[BINS]) {
    memset(counts, 0, BINS * sizeof(*counts));
    draw_rows(rng, n, up_to, counts);
}

static tm_shift *make(tm_rng *rng, const uint64_t up_to[BINS]) {
    uint64_t counts[REFERENCE_BLOCKS][BINS];
    tm_shift *shift = NULL;
    for (uint32_t b = 0; b < REFERENCE_BLOCKS; b++) {
        draw(rng, REFERENCE_ROWS, up_to, counts[b]);
    }
    const tm_shift_spec spec = {
        .n_cells = BINS, .n_ordered = BINS, .n_blocks = REFERENCE_BLOCKS, .counts = &counts[0][0]};
    if (tm__shift_create(&spec, &shift, NULL) != TM_OK) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    return shift;
}

/* The number of blocks until an alarm of a column of n_columns; 0: none. */
static uint32_t run(tm_shift *shift, tm_rng *rng, const uint64_t up_to[BINS], uint32_t n_blocks,
                    double n_columns) {
    uint64_t counts[BINS];
    for (uint32_t b = 1; b <= n_blocks; b++) {
        draw(rng, ROWS, up_to, counts);
        tm__shift_add(shift, counts, 1.0 / BLOCKS, b);
        if (tm__shift_look(shift).evidence >= n_columns) {
            return b;
        }
    }
    return 0;
}

static void quiet(uint32_t n_months, uint32_t n_columns) {
    uint64_t up_to[BINS];
    uint64_t n_alarms = 0;
    const uint64_t start_ns = tm__mono_ns();
    chances(0, up_to);
    for (uint64_t i = 0; i < (uint64_t)n_months * n_columns; i++) {
        tm_rng rng = tm__rng_split(1, "quiet", i);
        tm_shift *const shift = make(&rng, up_to);
        n_alarms += run(shift, &rng, up_to, BLOCKS, n_columns) != 0;
        tm__shift_free(shift);
    }
    const double s = (double)(tm__mono_ns() - start_ns) * 1e-9;
    printf("%-56s %-8s %12u\n", "quiet months", "", n_months);
    printf("%-56s %-8s %12llu\n", "alarms in them, where the budget is one a month", "",
           (unsigned long long)n_alarms);
    printf("%-56s %-8s %12.2f\n", "a block of a column, with drawing its rows", "us",
           s * 1e6 / ((double)n_months * n_columns * BLOCKS));
}

static void moved(double by, uint32_t n_columns) {
    uint64_t before[BINS], after[BINS];
    uint32_t rows[RUNS], n_wrong = 0;
    chances(0, before);
    chances(by, after);
    for (uint32_t i = 0; i < RUNS; i++) {
        tm_rng rng = tm__rng_split(2, "moved", i);
        tm_shift *const shift = make(&rng, before);
        n_wrong += run(shift, &rng, before, WEEK, n_columns) != 0;
        const uint32_t n = run(shift, &rng, after, ROWS_MAX / ROWS, n_columns);
        rows[i] = n == 0 ? UINT32_MAX : n * ROWS;
        tm__shift_free(shift);
    }
    print_told(by, rows);
    printf("%-56s %-8s %12u\n", "  alarms in the weeks before", "", n_wrong);
}

int main(int argc, char **argv) {
    const uint32_t n_months = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
    const uint32_t n_columns = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 20;
    if (n_months < 1 || n_columns < 1) {
        fprintf(stderr, "usage: monitor_shift [MONTHS [COLUMNS]]\n");
        return 2;
    }
    static const double moves[] = {0.1, 0.25, 0.5, 1};
    quiet(n_months, n_columns);
    for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        moved(moves[i], n_columns);
    }
    return 0;
}
