/* SPDX-License-Identifier: Apache-2.0 */
/* How far apart the answers of a duel's bundles lie: what a rollout of the candidate has to bear.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/sort.h"
#include "loop/loop_priv.h"
#include "metric/any_time.h"

static tm_status answer(tm_ctx *ctx, const tm_duel *duel, const tm_bundle *bundle, double **out,
                        tm_err *err) {
    tm_table *rows = NULL;
    const uint64_t n = tm__table_rows(duel->rows);
    double *const answers = tm__mem_alloc(n * tm__bundle_outputs(bundle), sizeof(double));
    tm_status st = answers == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a version's answers")
                                   : tm__loop_widen(ctx, duel, bundle, &rows, err);
    st = st == TM_OK ? tm__bundle_predict(ctx, bundle, rows, NULL, n, answers, err) : st;
    tm__table_unref(rows);
    if (st != TM_OK) {
        tm__mem_free(answers);
        return st;
    }
    *out = answers;
    return TM_OK;
}

/* One output of all rows, sorted, in the place of n values. */
static void sort_output(const double *answers, uint64_t n, uint32_t n_outputs, uint32_t output,
                        double *out) {
    for (uint64_t i = 0; i < n; i++) {
        out[i] = answers[i * n_outputs + output];
    }
    qsort(out, n, sizeof(*out), tm__compare_f64);
}

tm_status tm__loop_apart(tm_ctx *ctx, const tm_duel *duel, double *out, tm_err *err) {
    const uint32_t n_outputs = tm__bundle_outputs(duel->candidate);
    double *mine = NULL, *other = NULL, apart = 0, at = 0;
    *out = 0;
    if (duel->champion == NULL || duel->rows == NULL || tm__table_rows(duel->rows) == 0 ||
        tm__bundle_outputs(duel->champion) != n_outputs) {
        return TM_OK;
    }
    const uint64_t n = tm__table_rows(duel->rows);
    double *const sorted = tm__mem_alloc(2 * n, sizeof(*sorted));
    tm_status st = sorted == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for answers")
                                  : answer(ctx, duel, duel->candidate, &mine, err);
    st = st == TM_OK ? answer(ctx, duel, duel->champion, &other, err) : st;
    for (uint32_t k = 0; st == TM_OK && k < n_outputs; k++) {
        sort_output(mine, n, n_outputs, k, sorted);
        sort_output(other, n, n_outputs, k, sorted + n);
        apart = fmax(apart, tm__cdf_distance(sorted, n, sorted + n, n, &at));
    }
    tm__mem_free(mine);
    tm__mem_free(other);
    tm__mem_free(sorted);
    *out = apart;
    return st;
}
