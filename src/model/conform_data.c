/* SPDX-License-Identifier: Apache-2.0 */
/* The rows that learners are checked on. */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/conform_priv.h"

enum { LEVELS = 5, QUERY_ROWS = 10 };

static double uniform(uint64_t seed, uint64_t stream, uint64_t row) {
    const tm_rng rng = tm__rng_split(seed, "conform", stream);
    return (double)(tm__rng_at(rng.key, row) >> 11) * 0x1p-53;
}

static double cell_of(tm_conform_kind kind, uint64_t seed, uint32_t col, uint64_t row) {
    const double u = uniform(seed, col, row);
    if (kind == TM_CONFORM_GAPS) {
        return tm__nan();
    }
    if (col == 2) {
        return floor(u * LEVELS);
    }
    if (kind == TM_CONFORM_INFINITE && row % 7 == col) {
        return row % 2 == 0 ? (double)INFINITY : -(double)INFINITY;
    }
    if (col == 1 && uniform(seed, 100, row) < 0.2) {
        return tm__nan();
    }
    return col == 4 ? floor(u * 4) : u * 4 - 2;
}

/* What columns say of a row, and noise. */
static double signal(const tm_conform_rows *rows, uint64_t seed, uint64_t row) {
    const uint64_t n = rows->view.n_rows;
    const double x = rows->cells[row], z = rows->cells[n + row], level = rows->cells[2 * n + row];
    double sum = isfinite(x) ? 2 * x : 0;
    sum += isfinite(z) ? 0.5 * z : 0;
    sum += level >= 3 ? 1 : 0;
    return sum + uniform(seed, 101, row) - 0.5;
}

static double target_of(const tm_conform_rows *rows, double s) {
    switch (rows->task) {
    case TM_TASK_BINARY:
        return s > 0;
    case TM_TASK_MULTICLASS:
        return s > 1 ? 0 : s > -1 ? 1 : 2;
    case TM_TASK_RANKING:
        return fmin(fmax(floor(s + 2), 0), 4);
    default:
        return s * 10 + 100;
    }
}

static void targets_fill(tm_conform_rows *rows, tm_conform_kind kind, uint64_t seed) {
    const uint64_t n = rows->view.n_rows;
    for (uint64_t row = 0; row < n; row++) {
        const double constant = rows->task == TM_TASK_REGRESSION ? 42 : 1;
        rows->y[row] =
            kind == TM_CONFORM_CONSTANT ? constant : target_of(rows, signal(rows, seed, row));
        rows->weights[row] = 1;
        rows->queries[row] = (uint32_t)(row / QUERY_ROWS);
    }
    for (uint64_t row = n; row-- > 1 && kind == TM_CONFORM_SHUFFLED;) {
        const uint64_t other = (uint64_t)(uniform(seed, 102, row) * (double)(row + 1));
        const double y = rows->y[row];
        rows->y[row] = rows->y[other];
        rows->y[other] = y;
    }
}

bool tm__conform_rows_init(tm_conform_rows *rows, tm_task task, tm_conform_kind kind,
                           uint64_t n_rows, uint64_t seed) {
    static const char *const names[TM_CONFORM_COLS] = {"decides", "gaps", "kind", "noise", "few"};
    memset(rows, 0, sizeof(*rows));
    rows->task = task;
    rows->n_classes = task == TM_TASK_MULTICLASS ? 3 : task == TM_TASK_BINARY ? 2 : 0;
    rows->cells = tm__mem_alloc(TM_CONFORM_COLS * n_rows, sizeof(double));
    rows->y = tm__mem_alloc(n_rows, sizeof(double));
    rows->weights = tm__mem_alloc(n_rows, sizeof(double));
    rows->queries = tm__mem_alloc(n_rows, sizeof(uint32_t));
    if (rows->cells == NULL || rows->y == NULL || rows->weights == NULL || rows->queries == NULL) {
        return false;
    }
    for (uint32_t c = 0; c < TM_CONFORM_COLS; c++) {
        rows->features[c] = (tm_feature){.name = names[c],
                                         .input = c,
                                         .is_categorical = c == 2,
                                         .n_levels = c == 2 ? LEVELS + 2 : 0,
                                         .has_missing = c == 1 || kind == TM_CONFORM_GAPS};
        rows->cols[c] = rows->cells + c * n_rows;
        for (uint64_t row = 0; row < n_rows; row++) {
            rows->cells[c * n_rows + row] = cell_of(kind, seed, c, row);
        }
    }
    rows->view = (tm_view){.n_rows = n_rows,
                           .n_cols = TM_CONFORM_COLS,
                           .cols = rows->cols,
                           .features = rows->features};
    targets_fill(rows, kind, seed);
    return true;
}

void tm__conform_rows_done(tm_conform_rows *rows) {
    tm__mem_free(rows->cells);
    tm__mem_free(rows->y);
    tm__mem_free(rows->weights);
    tm__mem_free(rows->queries);
    memset(rows, 0, sizeof(*rows));
}

tm_fit_input tm__conform_input(const tm_conform_rows *rows) {
    return (tm_fit_input){.task = rows->task,
                          .n_classes = rows->n_classes,
                          .x = &rows->view,
                          .y = rows->y,
                          .queries = rows->task == TM_TASK_RANKING ? rows->queries : NULL,
                          .seed = 7};
}

tm_view tm__conform_row(const tm_view *x, uint64_t row, const double *cols[TM_CONFORM_COLS]) {
    tm_view one = *x;
    for (uint32_t c = 0; c < x->n_cols; c++) {
        cols[c] = x->cols[c] + row;
    }
    one.n_rows = 1;
    one.cols = cols;
    return one;
}

double tm__conform_order(const tm_conform_rows *rows, const double *raw, uint32_t n_outputs) {
    const uint64_t n = rows->view.n_rows;
    double n_pairs = 0, n_alike = 0;
    for (uint64_t a = 0; a < n; a++) {
        for (uint64_t b = a + 1; b < n; b++) {
            const bool is_class = rows->task == TM_TASK_MULTICLASS;
            const double y =
                is_class ? (rows->y[a] == 0) - (rows->y[b] == 0) : rows->y[a] - rows->y[b];
            /* Odds of class 0 against the last: its score alone is up to a constant of the row. */
            const double x = raw[a * n_outputs] - raw[b * n_outputs] -
                             (is_class ? raw[a * n_outputs + 2] - raw[b * n_outputs + 2] : 0);
            if (y != 0) {
                n_pairs++;
                n_alike += x == 0 ? 0.5 : (x > 0) == (y > 0);
            }
        }
    }
    return n_pairs > 0 ? n_alike / n_pairs : 0.5;
}
