/* SPDX-License-Identifier: Apache-2.0 */
/* Fits that are broken off, cut, starved of memory, and files that are damaged. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/conform_priv.h"

enum {
    ROWS = 120,
    BUDGETS = 6,
    FIRST_ALLOCATIONS = 60, /* each of them fails once, then ever fewer */
    QUICK_ALLOCATIONS = 20,
    DAMAGES = 4000,
    QUICK_DAMAGES = 600
};

/* ---- cancelled ---- */

typedef struct canceller {
    _Atomic bool flag;
    uint64_t left; /* calls until it is set */
} canceller;

static void cancel_later(void *arg, const char *stage, uint64_t done, uint64_t total,
                         const char *note) {
    canceller *self = arg;
    (void)stage;
    (void)done;
    (void)total;
    (void)note;
    if (self->left > 0 && --self->left == 0) {
        atomic_store(&self->flag, true);
    }
}

/* Cancel at the n-th report of progress; *out_done: the fit came to its end before. */
static bool cancel_at(tm_conform *c, const tm_fit_input *in, uint64_t n, bool *out_done) {
    canceller self = {.left = n};
    tm_err err = {0};
    tm_model *model = NULL;
    atomic_store(&self.flag, n == 0);
    tm_ctx ctx = {.cancel = &self.flag, .progress = cancel_later, .progress_arg = &self};
    const tm_status st = tm__model_fit(&ctx, c->ops, in, &c->params, &model, &err);
    const bool was_set = atomic_load(&self.flag);
    tm__model_free(model);
    *out_done = st == TM_OK && !was_set;
    if (st == TM_OK) {
        return true; /* the last report, or a learner without long loops */
    }
    return (st == TM_E_CANCELLED && was_set) ||
           tm__conform_broken(c, "cancelled at report %llu it fails with: %s",
                              (unsigned long long)n, err.message);
}

bool tm__conform_cancelled(tm_conform *c) {
    tm_conform_rows rows;
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, ROWS, 1), is_done = false;
    const tm_fit_input in = tm__conform_input(&rows);
    for (uint64_t n = 0; ok && !is_done; n += n / 16 + 1) {
        ok = cancel_at(c, &in, n, &is_done);
    }
    tm__conform_rows_done(&rows);
    return ok;
}

/* ---- budgets ---- */

/* Bytes of a fit with so much work; false when broken. */
static bool fit_within(tm_conform *c, const tm_fit_input *in, tm_budget budget, tm_buf *out) {
    tm_ctx ctx = {.budget = &budget};
    tm_model *model = tm__conform_fit(c, &ctx, in);
    const bool ok = model != NULL && tm__conform_save(c, model, out);
    tm__model_free(model);
    return ok;
}

bool tm__conform_budget(tm_conform *c) {
    tm_conform_rows rows;
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, ROWS, 1);
    const tm_fit_input in = tm__conform_input(&rows);
    tm_budget whole = {0};
    tm_ctx ctx = {.budget = &whole};
    tm_model *model = ok ? tm__conform_fit(c, &ctx, &in) : NULL;
    ok = ok && model != NULL;
    if (ok && whole.work_used == 0) {
        ok = tm__conform_broken(c, "a fit reports no work");
    }
    tm__model_free(model);
    for (uint32_t i = 0; ok && i < BUDGETS; i++) {
        const uint64_t limit = whole.work_used * i / (BUDGETS - 1);
        const tm_budget budget = {.work_limit = limit > 0 ? limit : 1};
        tm_buf first = {0}, second = {0};
        ok = fit_within(c, &in, budget, &first) && fit_within(c, &in, budget, &second);
        if (ok && (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)) {
            ok = tm__conform_broken(c, "a budget of %llu gives other bytes the second time",
                                    (unsigned long long)budget.work_limit);
        }
        tm__buf_done(&first);
        tm__buf_done(&second);
    }
    tm_buf late = {0};
    ok = ok && fit_within(c, &in, (tm_budget){.deadline_ns = 1}, &late);
    tm__buf_done(&late);
    tm__conform_rows_done(&rows);
    return ok;
}

/* ---- memory ---- */

bool tm__conform_memory(tm_conform *c) {
    if (c->ops->needs == NULL) {
        return tm__conform_pass_over(c, "it does not say what it needs");
    }
    tm_conform_rows rows;
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, (uint64_t)20 * ROWS, 1);
    const tm_fit_input in = tm__conform_input(&rows);
    const uint64_t needs = c->ops->needs(&in, &c->params, 1), held = tm__mem_bytes();
    tm_ctx ctx = {.memory_limit = held + needs};
    tm__mem_bytes_reset();
    tm_model *model = ok ? tm__conform_fit(c, &ctx, &in) : NULL;
    const uint64_t peak = tm__mem_bytes_peak() - held;
    ok = ok && model != NULL;
    if (ok && peak > needs) {
        ok = tm__conform_broken(c, "%llu bytes were said and %llu were taken",
                                (unsigned long long)needs, (unsigned long long)peak);
    }
    tm__model_free(model);
    tm__conform_rows_done(&rows);
    return ok;
}

bool tm__conform_allocations(tm_conform *c) {
    tm_conform_rows rows;
    const uint64_t each = c->options->is_quick ? QUICK_ALLOCATIONS : FIRST_ALLOCATIONS;
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, ROWS, 1), is_done = !ok;
    const tm_fit_input in = tm__conform_input(&rows);
    for (uint64_t n = 1; ok && !is_done; n += n / each + 1) {
        const uint64_t alive = tm__mem_alive();
        tm_ctx ctx = {0};
        tm_model *model = NULL;
        tm_err err = {0};
        tm__mem_fail_at(n, false);
        const tm_status st = tm__model_fit(&ctx, c->ops, &in, &c->params, &model, &err);
        tm__mem_fail_at(0, false);
        tm__model_free(model);
        is_done = st == TM_OK;
        if (st != TM_OK && st != TM_E_NOMEM) {
            ok = tm__conform_broken(c, "without memory for allocation %llu it fails with: %s",
                                    (unsigned long long)n, err.message);
        } else if (tm__mem_alive() != alive) {
            ok = tm__conform_broken(c, "without memory for allocation %llu, blocks are left behind",
                                    (unsigned long long)n);
        }
    }
    tm__conform_rows_done(&rows);
    return ok;
}

/* ---- damage ---- */

/* Load damaged bytes, aligned as a file's are; what loads must answer with numbers. */
static bool load_damaged(tm_conform *c, const tm_conform_rows *rows, const uint8_t *bytes,
                         size_t len, const char *what, size_t at) {
    tm_model *model = NULL;
    tm_err err = {0};
    bool ok = true;
    const tm_status st = c->ops->load(bytes, len, &model, &err);
    if (st != TM_OK) {
        return ((st == TM_E_INTEGRITY || st == TM_E_UNSUPPORTED || st == TM_E_LIMIT) &&
                err.message[0] != '\0') ||
               tm__conform_broken(c, "%s at %zu it is refused with %d and '%s'", what, at, (int)st,
                                  err.message);
    }
    if (model->n_cols == TM_CONFORM_COLS && model->task == c->task && model->n_terms == 0) {
        double *raw = tm__conform_predict(c, model, &rows->view);
        ok = raw != NULL;
        for (uint64_t i = 0; ok && i < rows->view.n_rows * model->n_outputs; i++) {
            ok = fabs(raw[i]) <= TM_MODEL_SCORE_MAX ||
                 tm__conform_broken(c, "%s at %zu it loads and has no finite answer", what, at);
        }
        tm__mem_free(raw);
    }
    tm__model_free(model);
    return ok;
}

bool tm__conform_damage(tm_conform *c) {
    tm_conform_rows rows;
    tm_buf bytes = {0};
    tm_ctx ctx = {0};
    bool ok = tm__conform_rows_init(&rows, c->task, TM_CONFORM_SIGNAL, ROWS / 4, 1);
    const tm_fit_input in = tm__conform_input(&rows);
    tm_model *model = ok ? tm__conform_fit(c, &ctx, &in) : NULL;
    ok = ok && model != NULL && tm__conform_save(c, model, &bytes);
    tm__model_free(model);
    const size_t most = c->options->is_quick ? QUICK_DAMAGES : DAMAGES;
    const size_t step = bytes.len / most + 1;
    uint8_t *copy = ok ? tm__mem_alloc(bytes.len, 1) : NULL;
    ok = ok && (copy != NULL || tm__conform_broken(c, "no memory for a copy"));
    for (size_t at = 0; ok && at < bytes.len; at += step) {
        static const uint8_t flips[] = {0x01, 0x80, 0xFF};
        memcpy(copy, bytes.data, bytes.len);
        copy[at] ^= flips[at / step % 3];
        ok = load_damaged(c, &rows, copy, bytes.len, "with a byte changed", at) &&
             load_damaged(c, &rows, bytes.data, at, "cut off", at);
    }
    tm__mem_free(copy);
    tm__buf_done(&bytes);
    tm__conform_rows_done(&rows);
    return ok;
}
