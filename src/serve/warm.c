/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/warm.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "monitor/monitor_newest.h"
#include "serve/rehearse.h"

#define TEXT_BYTES_MAX ((size_t)8 << 20)

uint32_t tm__warm_rows(const json_t *recipe) {
    const int64_t n = tm__json_i64(recipe, "warm_up", TM_WARM_ROWS);
    return n < 0 ? 0 : n > (int64_t)TM_WARM_ROWS_MAX ? TM_WARM_ROWS_MAX : (uint32_t)n;
}

static tm_status refuse(uint32_t row, uint32_t n_rows, const char *why, tm_err *err) {
    (void)TM_FAIL(err, TM_E_REFUSED,
                  "it cannot answer one of the %u newest requests of its route (the %u.): %.160s",
                  n_rows, row + 1, why);
    tm_err_hint(err, "Once clients send what it reads, promote it again; 'warm_up: 0' in "
                     "tidemill.yaml asks nothing.");
    return TM_E_REFUSED;
}

typedef struct asking {
    tm_rehearsal *rehearsal;
    uint32_t n_outputs, n_rows;
    double *outputs; /* [n_outputs] */
    tm_buf request;
} asking;

static tm_status ask_row(asking *a, uint32_t row, tm_str text, tm_err *err) {
    tm_err own = {0};
    tm__buf_reset(&a->request);
    (void)tm__buf_byte(&a->request, '[');
    (void)tm__buf_append(&a->request, text.ptr, text.len);
    if (!tm__buf_byte(&a->request, ']')) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a request");
    }
    const tm_status st = tm__rehearsal_ask(a->rehearsal, (char *)a->request.data, a->request.len, 1,
                                           a->outputs, &own);
    if (st == TM_E_DATA) {
        return refuse(row, a->n_rows, own.message, err);
    }
    if (st != TM_OK) {
        return TM_FAIL(err, st, "%s", own.message);
    }
    for (uint32_t k = 0; k < a->n_outputs; k++) {
        if (!isfinite(a->outputs[k])) {
            return refuse(row, a->n_rows, "its answer is no finite number", err);
        }
    }
    return TM_OK;
}

static tm_status ask_rows(asking *a, tm_str lines, uint32_t *out_n, tm_err *err) {
    const uint64_t end_ns = tm__mono_ns() + TM_WARM_NS;
    for (*out_n = 0; lines.len > 0 && tm__mono_ns() < end_ns; ++*out_n) {
        TM_TRY(ask_row(a, *out_n, tm__str_cut(&lines, '\n'), err));
    }
    return TM_OK;
}

/* The rows; none when the log cannot be read. */
static tm_status read_rows(const tm_warm_terms *terms, tm_buf *out, uint32_t *out_n, tm_err *err) {
    const tm_newest_options options = {.model = terms->model,
                                       .route = terms->route,
                                       .n_max = terms->n_rows,
                                       .bytes_max = TEXT_BYTES_MAX};
    tm_err own = {0};
    const tm_status st = tm__monitor_newest(terms->source.monitor, &options, out, out_n, &own);
    if (st == TM_E_NOMEM) {
        return TM_FAIL(err, st, "no memory for requests to warm up with");
    }
    if (st != TM_OK) {
        *out_n = 0;
        if (terms->source.log != NULL) {
            tm_log_event(terms->source.log, TM_WARN, "model.not_warmed",
                         TM_FT("model", terms->model), TM_FI("version", terms->version),
                         TM_FT("error", own.message));
        }
    }
    return TM_OK;
}

tm_status tm__warm_up(const tm_bundle *bundle, const tm_warm_terms *terms, uint32_t *out_n,
                      tm_err *err) {
    asking a = {.n_outputs = tm__bundle_outputs(bundle)};
    tm_buf rows;
    *out_n = 0;
    if (terms->source.monitor == NULL || terms->n_rows == 0) {
        return TM_OK;
    }
    tm__buf_init(&rows, TEXT_BYTES_MAX * 2);
    tm__buf_init(&a.request, TEXT_BYTES_MAX * 2);
    tm_status st = read_rows(terms, &rows, &a.n_rows, err);
    if (st == TM_OK && a.n_rows > 0) {
        st = tm__rehearsal_create(bundle, &a.rehearsal, err);
        a.outputs = tm__mem_alloc(a.n_outputs, sizeof(double));
        if (st == TM_OK && a.outputs == NULL) {
            st = TM_FAIL(err, TM_E_NOMEM, "no memory for answers");
        }
        const tm_str lines = {(const char *)rows.data, rows.len};
        st = st == TM_OK ? ask_rows(&a, lines, out_n, err) : st;
    }
    tm__rehearsal_free(a.rehearsal);
    tm__mem_free(a.outputs);
    tm__buf_done(&a.request);
    tm__buf_done(&rows);
    return st;
}
