/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learning the calls of an expression. An argument is an expression of its own, the ops that leave
 * its value on the stack:
 *
 *   scale(log(a + mean_by(b, c)))    a  b c mean_by  +  log  scale
 *                                    '--argument of scale-'
 *
 * so it is made over the fitted rows as a column would be. Calls stand in the order in which they
 * need each other.
 */
#include <string.h>

#include "base/mem.h"
#include "feature/feature_expr_fn.h"
#include "feature/feature_fitted.h"
#include "feature/feature_priv.h"

/* Where the ops of the value begin that op `last` leaves. */
static uint32_t begin_of(const tm_expr *expr, uint32_t last) {
    uint32_t i = last, n_wanted = expr->ops[last].n_args;
    while (n_wanted > 0) {
        i--;
        n_wanted += expr->ops[i].n_args;
        n_wanted--;
    }
    return i;
}

/* The ops [begin, end) as a made column of their own; it borrows. */
static tm_made part_of(const tm_made *made, tm_expr_type type, uint32_t begin, uint32_t end) {
    tm_made part = *made;
    part.expr.type = type;
    part.expr.ops += begin;
    part.expr.n_ops = end - begin;
    return part;
}

/* Columns of the arguments of op `at`, from the last to the first. */
static tm_status make_args(const tm_fit *fit, const tm_made *made, uint32_t at, const char *args,
                           tm_feed *feeds, tm_err *err) {
    const tm_rows rows = {fit->rows, fit->n_rows, tm__table_rows(fit->table)};
    uint32_t end = at;
    for (uint32_t i = made->expr.ops[at].n_args; i-- > 0;) {
        const uint32_t begin = begin_of(&made->expr, end - 1);
        const tm_made part = part_of(made, tm__expr_type_of_letter(args[i]), begin, end);
        TM_TRY(tm__feed_make(fit->ctx, fit->program, &rows, &part, fit->feeds, &feeds[i], err));
        end = begin;
    }
    return TM_OK;
}

static tm_status fit_call(const tm_fit *fit, const tm_made *made, uint32_t at, tm_err *err) {
    tm_expr_fit *own = &made->expr.fits[made->expr.ops[at].item];
    const tm_fitted_fn *fn = tm__fitted_get(own->fn);
    tm_feed *feeds = tm__mem_zalloc(2, sizeof(tm_feed));
    tm_status st = feeds == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for an expression")
                                 : make_args(fit, made, at, fn->args, feeds, err);
    if (st == TM_OK) {
        const tm_fitted_rows in = {.columns = {feeds[0].column, feeds[1].column},
                                   .rows = fit->rows,
                                   .n_rows = fit->n_rows,
                                   .min_count = fit->min_count,
                                   .parameter = own->parameter};
        st = fn->fit(&in, own, err);
    }
    tm__feeds_close(feeds, 2);
    return st;
}

tm_status tm__calls_fit(tm_fit *fit, uint32_t m, tm_err *err) {
    const tm_made *made = &fit->program->made[m];
    for (uint32_t i = 0; i < made->expr.n_ops; i++) {
        if (made->expr.ops[i].kind == TM_EXPR_OP_FITTED) {
            TM_TRY(fit_call(fit, made, i, err));
        }
        if (tm__ctx_cancelled(fit->ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "cancelled");
        }
    }
    return TM_OK;
}
