/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/rehearse.h"

#include "base/arena.h"
#include "base/mem.h"
#include "serve/decode.h"

#define ARENA_BYTES_MAX ((size_t)64 << 20)

typedef struct rehearsal {
    const tm_bundle *bundle;
    tm_plan *plan;
    tm_arena *arena;
    tm_bundle_scratch *scratch;
    tm_exchange x; /* takes the errors of rows */
} rehearsal;

static tm_status refused(const rehearsal *r, tm_err *err) {
    return TM_FAIL(err, TM_E_DATA, "a request could not bring a row of the training data: %.150s",
                   r->x.n_errors > 0 ? r->x.errors[0].detail : "it ends early");
}

static tm_status answer(rehearsal *r, const tm_rows_place *place, uint64_t n_rows, double *out,
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
    }
    return tm__decoder_next(decoder) || r->x.n_errors > 0 ? refused(r, err) : TM_OK;
}

tm_status tm__rehearse(const tm_bundle *bundle, tm_buf *rows, uint64_t n_rows, double *out,
                       tm_err *err) {
    rehearsal r = {.bundle = bundle};
    tm_scan_error wrong;
    const tm_rows_place place = {
        .kind = TM_ROWS_RECORDS, .path = "rows", .rows = (char *)rows->data};
    if (!tm__scan_check((const char *)rows->data, rows->len, &wrong)) {
        return TM_FAIL(err, TM_E_DATA, "rows that are no JSON");
    }
    tm_status st = tm__plan_create(bundle, NULL, &r.plan, err);
    r.arena = tm__arena_create(ARENA_BYTES_MAX);
    r.scratch = tm__bundle_scratch_create(bundle);
    if (st == TM_OK && (r.arena == NULL || r.scratch == NULL)) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to answer rows");
    }
    st = st == TM_OK ? answer(&r, &place, n_rows, out, err) : st;
    tm__bundle_scratch_free(r.scratch);
    tm__arena_free(r.arena);
    tm__plan_free(r.plan);
    tm__mem_free(r.x.errors);
    return st;
}
