/* SPDX-License-Identifier: Apache-2.0 */
/* What a fitted model answers. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "model/conform_priv.h"

enum { ROWS = 600, FEW_ROWS = 200, THREADS = 3 };

/* A fit on rows of a kind, and what it says of them. */
typedef struct fitted {
    tm_conform_rows rows;
    tm_model *model;
    double *raw; /* [n_rows x n_outputs] */
} fitted;

static bool fitted_init(tm_conform *c, tm_conform_kind kind, uint64_t n_rows, fitted *out) {
    tm_ctx ctx = {0};
    *out = (fitted){0};
    if (!tm__conform_rows_init(&out->rows, c->task, kind, n_rows, 1)) {
        return tm__conform_broken(c, "no memory for rows");
    }
    const tm_fit_input in = tm__conform_input(&out->rows);
    out->model = tm__conform_fit(c, &ctx, &in);
    out->raw = out->model != NULL ? tm__conform_predict(c, out->model, &out->rows.view) : NULL;
    return out->raw != NULL;
}

static void fitted_done(fitted *f) {
    tm__mem_free(f->raw);
    tm__model_free(f->model);
    tm__conform_rows_done(&f->rows);
}

static bool are_finite(tm_conform *c, const fitted *f) {
    for (uint64_t i = 0; i < f->rows.view.n_rows * f->model->n_outputs; i++) {
        if (!(fabs(f->raw[i]) <= TM_MODEL_SCORE_MAX)) {
            return tm__conform_broken(c, "the raw score of row %llu is not finite",
                                      (unsigned long long)(i / f->model->n_outputs + 1));
        }
    }
    return true;
}

bool tm__conform_parameters(tm_conform *c) {
    for (uint32_t i = 0; c->ops->params != NULL && c->ops->params[i].name != NULL; i++) {
        const tm_param_def *def = &c->ops->params[i];
        if (i >= TM_MAX_PARAMS) {
            return tm__conform_broken(c, "there are more than %u parameters", TM_MAX_PARAMS);
        }
        if (!(def->min <= def->otherwise && def->otherwise <= def->max) || def->doc == NULL ||
            def->doc[0] == '\0' || (def->kind == TM_PARAM_CHOICE) != (def->choices != NULL)) {
            return tm__conform_broken(c, "parameter '%s' has no default in its range, or no words",
                                      def->name);
        }
    }
    return true;
}

bool tm__conform_shape(tm_conform *c) {
    fitted f;
    bool ok = fitted_init(c, TM_CONFORM_SIGNAL, ROWS, &f);
    if (ok && (f.model->task != c->task || f.model->n_cols != TM_CONFORM_COLS ||
               f.model->n_outputs != (c->task == TM_TASK_MULTICLASS ? 3 : 1))) {
        ok = tm__conform_broken(c, "the model has another task or shape than its rows");
    }
    ok = ok && are_finite(c, &f);
    if (ok) {
        json_t *words = c->ops->describe(f.model);
        ok = json_is_object(words) || tm__conform_broken(c, "the model does not describe itself");
        json_decref(words);
    }
    fitted_done(&f);
    return ok;
}

bool tm__conform_learns(tm_conform *c) {
    fitted f;
    if (c->options->is_constant) {
        return tm__conform_pass_over(c, "its answer is one for all rows");
    }
    bool ok = fitted_init(c, TM_CONFORM_SIGNAL, ROWS, &f);
    tm_conform_rows fresh;
    ok = tm__conform_rows_init(&fresh, c->task, TM_CONFORM_SIGNAL, ROWS, 2) && ok;
    double *raw = ok ? tm__conform_predict(c, f.model, &fresh.view) : NULL;
    if (raw != NULL) {
        const double order = tm__conform_order(&fresh, raw, f.model->n_outputs);
        ok = order > 0.85 ||
             tm__conform_broken(c, "new rows are put in order with %.3f, chance is 0.5", order);
    }
    ok = ok && raw != NULL;
    tm__mem_free(raw);
    tm__conform_rows_done(&fresh);
    fitted_done(&f);
    return ok;
}

/* 600 rows: the order of a target at random is within 0.5 +- 0.03 in all but one of 10^4. */
bool tm__conform_chance(tm_conform *c) {
    fitted f;
    bool ok = fitted_init(c, TM_CONFORM_SHUFFLED, ROWS, &f);
    tm_conform_rows fresh;
    ok = tm__conform_rows_init(&fresh, c->task, TM_CONFORM_SHUFFLED, ROWS, 3) && ok;
    double *raw = ok ? tm__conform_predict(c, f.model, &fresh.view) : NULL;
    if (raw != NULL) {
        const double order = tm__conform_order(&fresh, raw, f.model->n_outputs);
        ok = fabs(order - 0.5) < 0.1 ||
             tm__conform_broken(c, "a target at random is put in order with %.3f", order);
    }
    ok = ok && raw != NULL;
    tm__mem_free(raw);
    tm__conform_rows_done(&fresh);
    fitted_done(&f);
    return ok;
}

static bool are_same(const tm_buf *a, const tm_buf *b) {
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

bool tm__conform_saved(tm_conform *c) {
    fitted f;
    tm_buf first = {0}, second = {0};
    tm_model *loaded = NULL;
    tm_err err = {0};
    bool ok =
        fitted_init(c, TM_CONFORM_SIGNAL, FEW_ROWS, &f) && tm__conform_save(c, f.model, &first);
    if (ok && c->ops->load(first.data, first.len, &loaded, &err) != TM_OK) {
        ok = tm__conform_broken(c, "what was saved does not load: %s", err.message);
    }
    ok = ok && tm__conform_save(c, loaded, &second) &&
         (are_same(&first, &second) || tm__conform_broken(c, "saved again it has other bytes"));
    double *raw = ok ? tm__conform_predict(c, loaded, &f.rows.view) : NULL;
    if (raw != NULL && memcmp(raw, f.raw, FEW_ROWS * f.model->n_outputs * sizeof(double)) != 0) {
        ok = tm__conform_broken(c, "the loaded model answers otherwise");
    }
    ok = ok && raw != NULL;
    tm__mem_free(raw);
    tm__model_free(loaded);
    tm__buf_done(&first);
    tm__buf_done(&second);
    fitted_done(&f);
    return ok;
}

bool tm__conform_threads(tm_conform *c) {
    tm_conform_rows rows;
    tm_buf first = {0};
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, ROWS, 1);
    const tm_fit_input in = tm__conform_input(&rows);
    for (uint32_t n = 1; ok && n <= THREADS; n++) {
        tm_buf bytes = {0};
        tm_ctx ctx = {.pool = tm__pool_create(n)};
        tm_model *model = tm__conform_fit(c, &ctx, &in);
        ok = model != NULL && tm__conform_save(c, model, &bytes);
        if (ok && n > 1 && !are_same(&first, &bytes)) {
            ok = tm__conform_broken(c, "%u threads make other bytes than one", n);
        }
        tm__model_free(model);
        tm__pool_free(ctx.pool);
        if (n == 1) {
            first = bytes;
        } else {
            tm__buf_done(&bytes);
        }
    }
    tm__buf_done(&first);
    tm__conform_rows_done(&rows);
    return ok;
}

bool tm__conform_alone(tm_conform *c) {
    fitted f;
    bool ok = fitted_init(c, TM_CONFORM_SIGNAL, ROWS, &f);
    const uint32_t k = ok ? f.model->n_outputs : 0;
    for (uint64_t row = 0; ok && row < ROWS; row++) {
        const double *cols[TM_CONFORM_COLS];
        const tm_view one = tm__conform_row(&f.rows.view, row, cols);
        double raw[3] = {0};
        tm__model_predict_row(f.model, &one, raw);
        if (memcmp(raw, f.raw + row * k, k * sizeof(double)) != 0) {
            ok = tm__conform_broken(c, "row %llu has other bits alone than in a batch",
                                    (unsigned long long)(row + 1));
        }
    }
    fitted_done(&f);
    return ok;
}

bool tm__conform_explained(tm_conform *c) {
    fitted f;
    bool ok = fitted_init(c, TM_CONFORM_SIGNAL, FEW_ROWS, &f);
    if (ok && !tm__model_can_explain(f.model)) {
        fitted_done(&f);
        return tm__conform_pass_over(c, "it does not explain its answers");
    }
    const uint32_t k = ok ? f.model->n_outputs : 0;
    for (uint64_t row = 0; ok && row < FEW_ROWS; row += 7) {
        const double *cols[TM_CONFORM_COLS];
        const tm_view one = tm__conform_row(&f.rows.view, row, cols);
        double out[3 * (TM_CONFORM_COLS + 2)];
        tm_err err = {0};
        if (tm__model_explain(f.model, &one, out, &err) != TM_OK) {
            ok = tm__conform_broken(c, "explaining fails: %s", err.message);
        }
        for (uint32_t o = 0; ok && o < k; o++) {
            const double raw = f.raw[row * k + o];
            double sum = 0, size = 1;
            for (uint32_t i = 0; i < TM_CONFORM_COLS + 2; i++) {
                sum += out[o * (TM_CONFORM_COLS + 2) + i];
                size += fabs(out[o * (TM_CONFORM_COLS + 2) + i]);
            }
            if (!(fabs(sum - raw) <= 1e-9 * size)) {
                ok = tm__conform_broken(c, "row %llu is explained as %g and answered as %g",
                                        (unsigned long long)(row + 1), sum, raw);
            }
        }
    }
    fitted_done(&f);
    return ok;
}

bool tm__conform_shares(tm_conform *c) {
    fitted f;
    bool ok = fitted_init(c, TM_CONFORM_SIGNAL, FEW_ROWS, &f);
    double out[TM_CONFORM_COLS + 1] = {0}, sum = 0;
    if (ok) {
        c->ops->importance(f.model, out);
    }
    for (uint32_t i = 0; ok && i <= TM_CONFORM_COLS; i++) {
        sum += out[i];
        ok = (out[i] >= 0 && out[i] <= 1 + 1e-9) ||
             tm__conform_broken(c, "the importance of column %u is %g", i, out[i]);
    }
    if (ok && !(sum <= 1 + 1e-6)) {
        ok = tm__conform_broken(c, "importances sum to %g", sum);
    }
    fitted_done(&f);
    return ok;
}
