/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/rehearse.h"

#include "base/arena.h"
#include "base/mem.h"
#include "serve/decode.h"

#define ARENA_BYTES_MAX ((size_t)64 << 20)

struct tm_rehearsal {
    const tm_bundle *bundle;
    tm_plan *plan;
    tm_arena *arena; /* reset for each request */
    tm_bundle_scratch *scratch;
    tm_exchange x;           /* takes the errors of rows */
    tm_rehearsed *explained; /* the row is to be explained; NULL: answered alone */
};

void tm__rehearsal_free(tm_rehearsal *rehearsal) {
    if (rehearsal != NULL) {
        tm__bundle_scratch_free(rehearsal->scratch);
        tm__arena_free(rehearsal->arena);
        tm__plan_free(rehearsal->plan);
        tm__mem_free(rehearsal->x.errors);
        tm__mem_free(rehearsal);
    }
}

tm_status tm__rehearsal_create(const tm_bundle *bundle, tm_rehearsal **out, tm_err *err) {
    tm_rehearsal *const r = tm__mem_zalloc(1, sizeof(*r));
    if (r == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to answer rows");
    }
    r->bundle = bundle;
    r->arena = tm__arena_create(ARENA_BYTES_MAX);
    r->scratch = tm__bundle_scratch_create(bundle);
    tm_status st = tm__plan_create(bundle, NULL, &r->plan, err);
    if (st == TM_OK && (r->arena == NULL || r->scratch == NULL)) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to answer rows");
    }
    if (st != TM_OK) {
        tm__rehearsal_free(r);
        return st;
    }
    *out = r;
    return TM_OK;
}

static tm_status refused(const tm_rehearsal *r, tm_err *err) {
    const tm_row_error *const first = r->x.n_errors > 0 ? r->x.errors : NULL;
    if (first == NULL || first->column[0] == '\0') {
        return TM_FAIL(err, TM_E_DATA, "a request could not bring this row: %.150s",
                       first != NULL ? first->detail : "it ends early");
    }
    return TM_FAIL(err, TM_E_DATA, "a request could not bring this row: column '%.64s': %.150s",
                   first->column, first->detail);
}

static tm_status explain(const tm_rehearsal *r, const tm_cell *cells, const double *answer,
                         tm_err *err) {
    tm_rehearsed *const e = r->explained;
    const uint32_t output =
        tm__bundle_task(r->bundle) == TM_TASK_MULTICLASS ? tm__bundle_decide(r->bundle, answer) : 0;
    return tm__bundle_explain_row(r->bundle, r->scratch, cells, output, e->parts, &e->base, &e->raw,
                                  err);
}

static tm_status answer(tm_rehearsal *r, const tm_rows_place *place, uint64_t n_rows, double *out,
                        tm_err *err) {
    const uint32_t n_outputs = tm__bundle_outputs(r->bundle);
    tm_decoder *const decoder = tm__decoder_create(r->plan, place, &r->x, r->arena);
    if (decoder == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read rows");
    }
    for (uint64_t row = 0; row < n_rows; row++) {
        if (!tm__decoder_next(decoder) || r->x.n_errors > 0) {
            return refused(r, err);
        }
        tm__bundle_predict_row(r->bundle, r->scratch, tm__decoder_cells(decoder),
                               out + row * n_outputs);
        if (r->explained != NULL) {
            TM_TRY(explain(r, tm__decoder_cells(decoder), out + row * n_outputs, err));
        }
    }
    return tm__decoder_next(decoder) || r->x.n_errors > 0 ? refused(r, err) : TM_OK;
}

tm_status tm__rehearsal_ask(tm_rehearsal *r, char *rows, size_t len, uint64_t n_rows, double *out,
                            tm_err *err) {
    tm_scan_error wrong;
    const tm_rows_place place = {.kind = TM_ROWS_RECORDS, .path = "rows", .rows = rows};
    r->x.n_errors = 0;
    tm__arena_reset(r->arena);
    if (!tm__scan_check(rows, len, &wrong)) {
        return TM_FAIL(err, TM_E_DATA, "rows that are no JSON");
    }
    return answer(r, &place, n_rows, out, err);
}

tm_status tm__rehearsal_explain(tm_rehearsal *r, char *rows, size_t len, tm_rehearsed *out,
                                tm_err *err) {
    r->explained = out;
    const tm_status st = tm__rehearsal_ask(r, rows, len, 1, out->answer, err);
    r->explained = NULL;
    return st;
}

tm_status tm__rehearse(const tm_bundle *bundle, tm_buf *rows, uint64_t n_rows, double *out,
                       tm_err *err) {
    tm_rehearsal *r = NULL;
    TM_TRY(tm__rehearsal_create(bundle, &r, err));
    const tm_status st = tm__rehearsal_ask(r, (char *)rows->data, rows->len, n_rows, out, err);
    tm__rehearsal_free(r);
    return st;
}
