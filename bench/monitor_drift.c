/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Alarms of a whole model: monitor_drift [MONTHS [COLUMNS [KINDS]]], 10,000 months, 20 columns and
 * all without. With KINDS: the first so many kinds of quiet months alone.
 *
 * A model of normal columns in ten bins, each half as important as the one before, whose reference
 * is ten blocks of 1,000 rows, drawn anew each time; a month is 720 windows of 50 rows. The budget
 * is one false alarm a month over all that is watched of a model, of which columns have their part,
 * shared by importance, and alarms go on being counted after the first. Quiet months are also of
 * columns that all say the same, and of rows in clumps that are alike (of a customer, say), of
 * which the reference, whose rows were shuffled, shows nothing. Then months in which the most
 * important column moves after a quiet week: in how many it was told within 1,000 rows, and after
 * how many.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "monitor/drift.h"
#include "normal_column.h"

enum { WINDOWS = 720, ROWS = 50, FIRST = 10 };

/* How rows come. */
typedef struct coming {
    const char *name;
    uint32_t clump; /* rows that are alike, one after the other */
    bool is_joint;  /* all columns have the same bin */
} coming;
static const coming one_by_one = {"columns of their own", 1, false};
static const coming kinds[] = {{"columns of their own", 1, false},
                               {"columns that say the same", 1, true},
                               {"rows in clumps of ten", 10, false},
                               {"rows in clumps of ten, columns that say the same", 10, true},
                               {"windows of one value each", ROWS, true}};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

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
            draw_rows(rng, REFERENCE_ROWS, up_to, c->counts + b * c->n_cells + 1);
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

/* The first bin is the cell behind that of values below the least. */
static void draw_window(model *m, tm_rng *rng, const coming *how, const uint64_t first[BINS]) {
    uint64_t up_to[BINS];
    chances(0, up_to);
    for (uint32_t row = 0; row < ROWS; row += how->clump) {
        const uint32_t joint = draw_bin(rng, first);
        for (uint32_t i = 0; i < m->reference->n_columns; i++) {
            const uint32_t bin = how->is_joint || i == 0 ? joint : draw_bin(rng, up_to);
            m->counts.counts[m->plan->first[i] + 1 + bin] += how->clump;
        }
    }
}

static void window(model *m, tm_rng *rng, uint32_t number, const coming *how,
                   const uint64_t first[BINS]) {
    tm__counts_reset(&m->counts);
    draw_window(m, rng, how, first);
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

static void quiet(const coming *how, uint32_t n_months, uint32_t n_columns) {
    uint64_t up_to[BINS];
    uint64_t n_alarms = 0, n_first = 0;
    chances(0, up_to);
    for (uint32_t month = 0; month < n_months; month++) {
        model m = {0};
        tm_rng rng = tm__rng_split(1, how->name, month);
        make(&m, &rng, n_columns);
        for (uint32_t i = 0; i < WINDOWS; i++) {
            n_first += i == FIRST ? alarms(&m) : 0;
            window(&m, &rng, i, how, up_to);
        }
        n_alarms += alarms(&m);
        end(&m);
    }
    printf("%-56s %-8s %12u\n", how->name, "months", n_months);
    printf("%-56s %-8s %12llu\n", "  alarms in them, where the budget is one a month", "",
           (unsigned long long)n_alarms);
    printf("%-56s %-8s %12llu\n", "  of them in the first ten windows", "",
           (unsigned long long)n_first);
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
        window(&m, &rng, i, &one_by_one, before);
    }
    const uint32_t n_before = tm__drift_column(m.drift, 0)->n_alarms;
    for (uint32_t i = 0; i < ROWS_MAX / ROWS && n_rows == UINT32_MAX; i++) {
        window(&m, &rng, WEEK + i, &one_by_one, after);
        if (tm__drift_column(m.drift, 0)->n_alarms > n_before) {
            n_rows = (i + 1) * ROWS;
        }
    }
    end(&m);
    return n_rows;
}

static void moved(double by, uint32_t n_columns) {
    uint32_t rows[RUNS];
    for (uint32_t i = 0; i < RUNS; i++) {
        rows[i] = run_moved(i, by, n_columns);
    }
    print_told(by, rows);
}

int main(int argc, char **argv) {
    const uint32_t n_months = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 10000;
    const uint32_t n_columns = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 20;
    const size_t n_kinds = argc > 3 ? strtoul(argv[3], NULL, 10) : N_KINDS;
    static const double moves[] = {0.25, 0.5, 1};
    if (n_months < 1 || n_columns < 1 || n_columns > 40 || n_kinds > N_KINDS) {
        fprintf(stderr, "usage: monitor_drift [MONTHS [COLUMNS up to 40 [KINDS up to 5]]]\n");
        return 2;
    }
    for (size_t i = 0; n_kinds == N_KINDS && i < sizeof(moves) / sizeof(moves[0]); i++) {
        moved(moves[i], n_columns);
    }
    for (size_t i = 0; i < n_kinds; i++) {
        quiet(&kinds[i], n_months, n_columns);
    }
    return 0;
}
