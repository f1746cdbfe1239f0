/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/publish_parity.h"

#include <math.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "cli/put_rows.h"
#include "model/bundle_windows.h"
#include "serve/rehearse.h"

#define BODY_BYTES_MAX ((size_t)64 << 20)

typedef struct proving {
    tm_ctx *ctx;
    const tm_bundle *bundle;
    tm_table *rows; /* few of the table, with all inputs */
    uint64_t n;
    double *batch, *served; /* [n x outputs] */
} proving;

static bool same(double a, double b) {
    return tm__f64_bits(a) == tm__f64_bits(b);
}

/* Whether a request can hold the row: JSON has no infinite numbers, and a score to add to must be
 * there. */
static bool can_be_asked(const tm_bundle *bundle, const tm_table *table, uint64_t row) {
    const tm_schema *const schema = tm__bundle_schema(bundle);
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const uint32_t at = tm__table_find(table, schema->cols[c].name);
        const tm_column *const column = at == UINT32_MAX ? NULL : tm__table_column(table, at);
        const bool is_score = schema->cols[c].role == TM_ROLE_SCORE;
        if (column != NULL && column->type == TM_TYPE_FLOAT &&
            (isinf(column->floats[row]) || (is_score && isnan(column->floats[row])))) {
            return false;
        }
        if (column != NULL && is_score && column->ints != NULL &&
            column->ints[row] == TM_INT_MISSING) {
            return false;
        }
    }
    return true;
}

/* Few rows, spread evenly, of those that can be asked. Features over windows are computed among
 * them: both paths get the same.
 */
static tm_status take_rows(proving *p, tm_table *table, const tm_window_tables *others,
                           tm_err *err) {
    const uint64_t n = tm__table_rows(table);
    tm_table *few = NULL;
    const uint64_t n_most = n < TM_PROOF_ROWS ? n : TM_PROOF_ROWS;
    uint32_t *const chosen = tm__mem_alloc(n_most + 1, sizeof(*chosen));
    if (chosen == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for rows of a proof");
    }
    for (uint64_t i = 0; i < n_most; i++) {
        const uint64_t row = i * (n / n_most);
        if (can_be_asked(p->bundle, table, row)) {
            chosen[p->n++] = (uint32_t)row;
        }
    }
    tm_status st = tm__table_take_rows(table, chosen, p->n, &few, err);
    tm__mem_free(chosen);
    TM_TRY(st);
    tm_bundle_history history = {.tables = *others, .has_rows = true};
    history.tables.events = few;
    st = tm__bundle_widen(p->ctx, p->bundle, few,
                          tm__bundle_has_windows(p->bundle) ? &history : NULL, &p->rows, err);
    tm__table_unref(few);
    return st;
}

/* The inputs of the model alone, as a client would send them. */
static tm_status write_rows(const proving *p, tm_buf *out, tm_err *err) {
    const tm_schema *const schema = tm__bundle_schema(p->bundle);
    (void)tm__buf_byte(out, '[');
    for (uint64_t row = 0; row < p->n; row++) {
        (void)tm__buf_text(out, row > 0 ? ",{" : "{");
        for (uint32_t c = 0; c < schema->n_cols; c++) {
            const uint32_t at = tm__table_find(p->rows, schema->cols[c].name);
            if (at == UINT32_MAX) {
                return TM_FAIL(err, TM_E_INTEGRITY, "the training rows lack the input '%s'",
                               schema->cols[c].name);
            }
            (void)tm__buf_text(out, c > 0 ? "," : "");
            (void)tm__json_write_text(out, tm__str(schema->cols[c].name));
            (void)tm__buf_byte(out, ':');
            tm__cli_put_value(out, tm__table_column(p->rows, at), row);
        }
        (void)tm__buf_byte(out, '}');
    }
    (void)tm__buf_byte(out, ']');
    return out->failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for rows of a proof") : TM_OK;
}

static tm_status compare(const proving *p, tm_err *err) {
    const uint32_t k = tm__bundle_outputs(p->bundle);
    for (uint64_t i = 0; i < p->n * k; i++) {
        if (!same(p->batch[i], p->served[i])) {
            const tm_status st = TM_FAIL(err, TM_E_INTEGRITY,
                                         "a training row is answered otherwise by a server: "
                                         "output %u is %.17g, not %.17g",
                                         (unsigned)(i % k), p->served[i], p->batch[i]);
            tm_err_hint(err, "The version is not published. This program or this machine computes "
                             "wrongly: run 'tidemill doctor'.");
            return st;
        }
    }
    return TM_OK;
}

static tm_status prove(proving *p, tm_buf *body, tm_err *err) {
    const size_t n_answers = (size_t)p->n * tm__bundle_outputs(p->bundle);
    p->batch = tm__mem_alloc(n_answers + 1, sizeof(double));
    p->served = tm__mem_alloc(n_answers + 1, sizeof(double));
    if (p->batch == NULL || p->served == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for answers of a proof");
    }
    TM_TRY(write_rows(p, body, err));
    TM_TRY(tm__bundle_predict(p->ctx, p->bundle, p->rows, NULL, p->n, p->batch, err));
    const tm_status st = tm__rehearse(p->bundle, body, p->n, p->served, err);
    if (st == TM_E_DATA && err != NULL) {
        err->status = TM_E_INTEGRITY;
    }
    TM_TRY(st == TM_E_DATA ? TM_E_INTEGRITY : st);
    return compare(p, err);
}

tm_status tm__publish_prove(tm_ctx *ctx, const tm_bundle *bundle, tm_table *table,
                            const tm_window_tables *others, json_t **out, tm_err *err) {
    proving p = {.ctx = ctx, .bundle = bundle};
    tm_buf body;
    tm__buf_init(&body, BODY_BYTES_MAX);
    tm_status st = take_rows(&p, table, others, err);
    st = st == TM_OK ? prove(&p, &body, err) : st;
    tm__buf_done(&body);
    tm__mem_free(p.batch);
    tm__mem_free(p.served);
    tm__table_unref(p.rows);
    if (st == TM_OK) {
        *out = json_pack("{s:{s:I, s:b}}", "parity", "rows", (json_int_t)p.n, "golden", 0);
        st = tm__json_check(err);
    }
    return st;
}
