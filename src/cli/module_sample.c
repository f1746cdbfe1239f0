/* SPDX-License-Identifier: Apache-2.0 */
/* Made rows for the checks of a learner. */
#include <math.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cli/module_check.h"

#define LEVELS 5u /* of a category: 3 seen, one for others, one for missing */
#define ODD_ROWS 40u

static const tm_feature features[TM_SAMPLE_COLS] = {
    {.name = "number", .weight_hint = 1},
    {.name = "gaps", .has_missing = true, .weight_hint = 1},
    {.name = "far", .weight_hint = 1},
    {.name = "empty", .has_missing = true, .weight_hint = 1},
    {.name = "group", .is_categorical = true, .n_levels = LEVELS, .weight_hint = 1},
    {.name = "kind", .is_categorical = true, .n_levels = LEVELS, .weight_hint = 1},
};

static double uniform(uint64_t row, uint64_t stream) {
    return (double)(tm__rng_at(stream + 1, row) >> 11) * 0x1p-53;
}

static double cell(uint32_t col, uint64_t row) {
    const double u = uniform(row, col);
    switch (col) {
    case 0:
        return u * 10 - 5;
    case 1:
        return row % 7 == 0 ? tm__nan() : u;
    case 2:
        return 1e12 + u;
    case 3:
        return tm__nan();
    default:
        return row % 50 == 49 ? LEVELS - 1 : floor(u * 3);
    }
}

/* What training never has: each column's odd values in turn. */
static double odd_cell(uint32_t col, uint64_t row) {
    static const double values[] = {1e300, -1e300, 5e-324, -0.0, 1e12, 0x1p53, 1.7e308, -1.7e308};
    if (row == 0 || (row + col) % 5 == 0) {
        return features[col].is_categorical ? LEVELS - 1 : tm__nan();
    }
    return features[col].is_categorical ? (double)((row + col) % LEVELS)
                                        : values[(row * 3 + col) % 8];
}

static double target(uint32_t task, uint64_t row) {
    const double sum = cell(0, row) + (cell(4, row) == 1 ? 2 : 0);
    return task == 0 ? sum > 0 : task == 1 ? (sum > 2) + (sum > -2) : sum * 3;
}

static bool make_view(tm_view *view, uint64_t n_rows, uint64_t from,
                      double (*value)(uint32_t col, uint64_t row)) {
    double **cols = tm__mem_zalloc(TM_SAMPLE_COLS, sizeof(*cols));
    *view = (tm_view){n_rows, TM_SAMPLE_COLS, (const double *const *)cols, features, NULL};
    for (uint32_t c = 0; cols != NULL && c < TM_SAMPLE_COLS; c++) {
        cols[c] = tm__mem_alloc(n_rows, sizeof(double));
        for (uint64_t i = 0; cols[c] != NULL && i < n_rows; i++) {
            cols[c][i] = value(c, from + i);
        }
        if (cols[c] == NULL) {
            return false;
        }
    }
    return cols != NULL;
}

static void free_view(tm_view *view) {
    for (uint32_t c = 0; view->cols != NULL && c < view->n_cols; c++) {
        tm__mem_free((void *)(uintptr_t)view->cols[c]);
    }
    tm__mem_free((void *)(uintptr_t)view->cols);
}

static double *make_targets(uint32_t task, uint64_t n_rows, uint64_t from) {
    double *y = tm__mem_alloc(n_rows, sizeof(*y));
    for (uint64_t i = 0; y != NULL && i < n_rows; i++) {
        y[i] = target(task, from + i);
    }
    return y;
}

tm_module_sample_rows *tm__module_sample_create(uint64_t n_rows) {
    tm_module_sample_rows *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    const uint64_t n_valid = n_rows / 4 + 1;
    bool ok = make_view(&self->x, n_rows, 0, cell) &&
              make_view(&self->valid, n_valid, n_rows, cell) &&
              make_view(&self->odd, ODD_ROWS, 0, odd_cell);
    for (uint32_t t = 0; t < 3; t++) {
        self->y[t] = make_targets(t, n_rows, 0);
        self->y_valid[t] = make_targets(t, n_valid, n_rows);
        ok = ok && self->y[t] != NULL && self->y_valid[t] != NULL;
    }
    self->weights = tm__mem_alloc(n_rows, sizeof(double));
    for (uint64_t i = 0; self->weights != NULL && i < n_rows; i++) {
        self->weights[i] = i % 5 == 0 ? 0 : 1 + uniform(i, 9);
    }
    if (!ok || self->weights == NULL) {
        tm__module_sample_free(self);
        return NULL;
    }
    return self;
}

void tm__module_sample_free(tm_module_sample_rows *self) {
    if (self != NULL) {
        free_view(&self->x);
        free_view(&self->valid);
        free_view(&self->odd);
        for (uint32_t t = 0; t < 3; t++) {
            tm__mem_free(self->y[t]);
            tm__mem_free(self->y_valid[t]);
        }
        tm__mem_free(self->weights);
        tm__mem_free(self);
    }
}
