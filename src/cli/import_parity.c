/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import_parity.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

#define SLICE 65536u

typedef struct comparison {
    tm_ctx *ctx;
    const tm_bundle *bundle;
    const tm_table *rows, *expected;
    bool is_raw;
    uint32_t n_outputs;
    uint32_t cols[TM_MAX_CLASSES]; /* [n_outputs] columns of expected */
    double *got, *want;            /* [SLICE x n_outputs] */
    uint32_t *slice;               /* [SLICE] */
    tm_parity *out;
} comparison;

static uint32_t find_class(const comparison *c, const char *prefix, uint32_t k) {
    char name[TM_MAX_COLUMN_NAME + 16];
    (void)snprintf(name, sizeof(name), "%s%s", prefix, tm__bundle_class(c->bundle, k));
    return tm__table_find(c->expected, name);
}

/* Columns by name, else by place when there are as many as answers. */
static tm_status find_columns(comparison *c, tm_err *err) {
    const uint32_t n_cols = tm__table_cols(c->expected), k = c->n_outputs;
    const tm_task task = tm__bundle_task(c->bundle);
    if (k > 1) {
        bool by_name = true;
        for (uint32_t i = 0; i < k; i++) {
            uint32_t col = find_class(c, "probability_", i);
            col = col != UINT32_MAX ? col : find_class(c, "", i);
            by_name = by_name && col != UINT32_MAX;
            c->cols[i] = by_name ? col : 0;
        }
        if (by_name) {
            return TM_OK;
        }
        for (uint32_t i = 0; i < k; i++) {
            c->cols[i] = i;
        }
        if (n_cols == k) {
            return TM_OK;
        }
    } else {
        const char *name = task == TM_TASK_BINARY && !c->is_raw ? "probability" : "prediction";
        c->cols[0] = tm__table_find(c->expected, name);
        if (c->cols[0] != UINT32_MAX) {
            return TM_OK;
        }
        /* Two columns of two classes: the positive one is last. */
        c->cols[0] = n_cols - 1;
        if (n_cols == 1 || (n_cols == 2 && task == TM_TASK_BINARY && !c->is_raw)) {
            return TM_OK;
        }
    }
    const tm_status st = TM_FAIL(
        err, TM_E_DATA, "the %u columns of the expected answers do not say which is which", n_cols);
    tm_err_hint(err, k > 1 ? "Give one column for each class, in the order of the classes."
                           : "Give one column: probability, or prediction.");
    return st;
}

static tm_status want_fill(const comparison *c, uint64_t row, uint32_t n, tm_err *err) {
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < c->n_outputs; k++) {
            const tm_cell cell =
                tm__column_cell(tm__table_column(c->expected, c->cols[k]), row + i);
            double *want = &c->want[(size_t)i * c->n_outputs + k];
            *want = cell.type == TM_TYPE_FLOAT ? cell.f64 : (double)cell.i64;
            const bool is_number =
                cell.type == TM_TYPE_FLOAT || cell.type == TM_TYPE_INT || cell.type == TM_TYPE_BOOL;
            if (!is_number || !isfinite(*want)) {
                const tm_status st =
                    TM_FAIL(err, TM_E_DATA, "an expected answer is missing or not a number");
                tm_err_at(err, NULL, row + i + 1, c->cols[k] + 1);
                return st;
            }
        }
    }
    return TM_OK;
}

/* Answers as they are served, or the raw scores before them. */
static tm_status got_fill(const comparison *c, uint64_t row, uint32_t n, tm_err *err) {
    for (uint32_t i = 0; i < n; i++) {
        c->slice[i] = (uint32_t)(row + i);
    }
    if (!c->is_raw) {
        return tm__bundle_predict(c->ctx, c->bundle, c->rows, c->slice, n, c->got, err);
    }
    tm_matrix *matrix = NULL;
    TM_TRY(tm__program_apply(c->ctx, tm__bundle_program(c->bundle), c->rows, c->slice, n, &matrix,
                             err));
    const tm_status st = tm__model_predict(c->ctx, tm__bundle_model(c->bundle),
                                           tm__matrix_view(matrix), c->got, err);
    tm__matrix_free(matrix);
    return st;
}

static void compare(const comparison *c, uint64_t row, uint32_t n) {
    const uint32_t k = c->n_outputs;
    const bool has_classes = tm__bundle_classes(c->bundle) > 0;
    for (size_t i = 0; i < (size_t)n * k; i++) {
        const double by = fabs(c->got[i] - c->want[i]) / fmax(1, fabs(c->want[i]));
        if (by > c->out->largest || c->out->largest_row == 0) {
            c->out->largest = by;
            c->out->largest_row = row + i / k + 1;
        }
    }
    if (!has_classes) {
        return;
    }
    if (c->is_raw) {
        const tm_link link = tm__model_link_of(tm__bundle_model(c->bundle));
        tm__model_link(link, k, n, c->got);
        tm__model_link(link, k, n, c->want);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (tm__bundle_decide(c->bundle, c->got + (size_t)i * k) !=
            tm__bundle_decide(c->bundle, c->want + (size_t)i * k)) {
            c->out->flipped_row = c->out->n_flipped == 0 ? row + i + 1 : c->out->flipped_row;
            c->out->n_flipped++;
        }
    }
}

tm_status tm__parity_check(tm_ctx *ctx, const tm_bundle *bundle, const tm_table *rows,
                           const tm_table *expected, bool is_raw, tm_parity *out, tm_err *err) {
    tm_parity parity = {.n_rows = tm__table_rows(rows)};
    comparison c = {.ctx = ctx,
                    .bundle = bundle,
                    .rows = rows,
                    .expected = expected,
                    .is_raw = is_raw,
                    .n_outputs = tm__bundle_outputs(bundle),
                    .out = &parity};
    if (tm__table_rows(expected) != parity.n_rows || parity.n_rows == 0) {
        return TM_FAIL(err, TM_E_DATA, "there are %llu rows and %llu expected answers",
                       (unsigned long long)parity.n_rows,
                       (unsigned long long)tm__table_rows(expected));
    }
    TM_TRY(find_columns(&c, err));
    c.got = tm__mem_alloc((size_t)SLICE * c.n_outputs, sizeof(double));
    c.want = tm__mem_alloc((size_t)SLICE * c.n_outputs, sizeof(double));
    c.slice = tm__mem_alloc(SLICE, sizeof(uint32_t));
    tm_status st = TM_OK;
    if (c.got == NULL || c.want == NULL || c.slice == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory to compare answers");
    }
    for (uint64_t row = 0; st == TM_OK && row < parity.n_rows; row += SLICE) {
        const uint32_t n = parity.n_rows - row < SLICE ? (uint32_t)(parity.n_rows - row) : SLICE;
        st = got_fill(&c, row, n, err);
        if (st == TM_OK) {
            st = want_fill(&c, row, n, err);
        }
        if (st == TM_OK) {
            compare(&c, row, n);
        }
    }
    tm__mem_free(c.got);
    tm__mem_free(c.want);
    tm__mem_free(c.slice);
    if (st == TM_OK) {
        *out = parity;
    }
    return st;
}
