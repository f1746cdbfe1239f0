/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a module's learner: what every learner of Tidemill keeps, asked of one that is not
 * ours. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/user_call.h"
#include "cli/module_check.h"
#include "model/module/module_learner.h"

#define N_TASKS 3u
#define CLASSES 3u
#define CUTS 400u     /* lengths at which bytes are cut, at the most */
#define CHANGES 2000u /* bytes that are changed, at the most */
#define NTH_MAX 2000u /* allocations that fail in turn */
#define LATE_NS UINT64_C(5000000000)

static const tm_task tasks[N_TASKS] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
static const uint32_t bits[N_TASKS] = {TM_MODULE_BINARY, TM_MODULE_MULTICLASS,
                                       TM_MODULE_REGRESSION};

static bool has_task(const tm_module_try *with, uint32_t t) {
    return (with->module->table->learner->tasks & bits[t]) != 0;
}

static uint32_t outputs(uint32_t t) {
    return tasks[t] == TM_TASK_MULTICLASS ? CLASSES : 1;
}

static tm_fit_input input(const tm_module_try *with, uint32_t t) {
    const tm_module_sample_rows *rows = with->rows;
    return (tm_fit_input){.task = tasks[t],
                          .n_classes = tasks[t] == TM_TASK_MULTICLASS ? CLASSES : 0,
                          .x = &rows->x,
                          .y = rows->y[t],
                          .weights = rows->weights,
                          .x_valid = &rows->valid,
                          .y_valid = rows->y_valid[t],
                          .seed = 1};
}

static tm_status fit(const tm_module_try *with, tm_ctx *ctx, const tm_fit_input *in, tm_model **out,
                     tm_err *err) {
    const tm_model_ops *ops = tm__module_learner(with->module);
    tm_params params;
    tm__params_init(ops, &params);
    return tm__model_fit(ctx, ops, in, &params, out, err);
}

static tm_status bad(uint32_t t, const char *what, tm_err *err) {
    return TM_FAIL(err, TM_E_REFUSED, "%s: %s", tm__task_text(tasks[t]), what);
}

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for the check");
}

/* Call fn for each task with a model of it. */
typedef tm_status (*model_fn)(const tm_module_try *with, uint32_t t, const tm_model *model,
                              tm_err *err);
static tm_status each_model(const tm_module_try *with, model_fn fn, tm_err *err) {
    for (uint32_t t = 0; t < N_TASKS; t++) {
        if (has_task(with, t)) {
            tm_ctx ctx = {.pool = with->pool};
            const tm_fit_input in = input(with, t);
            tm_model *model = NULL;
            TM_TRY(fit(with, &ctx, &in, &model, err));
            const tm_status st = fn(with, t, model, err);
            tm__model_free(model);
            TM_TRY(st);
        }
    }
    return TM_OK;
}

static double *predict(const tm_module_try *with, const tm_model *model, const tm_view *x,
                       tm_err *err) {
    tm_ctx ctx = {.pool = with->pool};
    double *out = tm__mem_alloc(x->n_rows * model->n_outputs, sizeof(*out));
    const tm_status st = out == NULL ? no_memory(err) : tm__model_predict(&ctx, model, x, out, err);
    if (st != TM_OK) {
        tm__mem_free(out);
        return NULL;
    }
    return out;
}

/* ---- answers ---- */

static tm_status learns_model(const tm_module_try *with, uint32_t t, const tm_model *model,
                              tm_err *err) {
    double *out = predict(with, model, &with->rows->x, err);
    (void)t;
    tm__mem_free(out);
    return out == NULL ? TM_E_REFUSED : TM_OK;
}

static tm_status learns(const tm_module_try *with, tm_err *err) {
    return each_model(with, learns_model, err);
}

static tm_status is_row(const tm_model *model, uint32_t t, const tm_view *x, const double *all,
                        tm_err *err) {
    double one[CLASSES];
    const double *cols[TM_SAMPLE_COLS];
    for (uint64_t i = 0; i < x->n_rows; i++) {
        for (uint32_t c = 0; c < x->n_cols; c++) {
            cols[c] = x->cols[c] + i;
        }
        const tm_view row = {1, x->n_cols, cols, x->features, NULL};
        tm__model_predict_row(model, &row, one);
        if (memcmp(one, all + i * model->n_outputs, model->n_outputs * sizeof(double)) != 0) {
            return bad(t, "a row alone has other bits than in a batch", err);
        }
    }
    return TM_OK;
}

static tm_status rows_model(const tm_module_try *with, uint32_t t, const tm_model *model,
                            tm_err *err) {
    const tm_view *const views[] = {&with->rows->x, &with->rows->odd};
    tm_status st = TM_OK;
    for (uint32_t v = 0; st == TM_OK && v < 2; v++) {
        double *all = predict(with, model, views[v], err);
        st = all == NULL ? TM_E_REFUSED : is_row(model, t, views[v], all, err);
        tm__mem_free(all);
    }
    return st;
}

static tm_status rows_alone(const tm_module_try *with, tm_err *err) {
    return each_model(with, rows_model, err);
}

static tm_status odd_model(const tm_module_try *with, uint32_t t, const tm_model *model,
                           tm_err *err) {
    double *out = predict(with, model, &with->rows->odd, err);
    (void)t;
    tm__mem_free(out);
    return out == NULL ? TM_E_REFUSED : TM_OK;
}

static tm_status odd_values(const tm_module_try *with, tm_err *err) {
    return each_model(with, odd_model, err);
}

/* ---- bytes ---- */

static tm_status save(const tm_model *model, tm_buf *out, tm_err *err) {
    tm__buf_init(out, TM_MAX_BUNDLE_BYTES);
    return model->ops->save(model, out, err);
}

static bool is_same(const tm_buf *a, const tm_buf *b) {
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static tm_status fit_bytes(const tm_module_try *with, uint32_t t, struct tm_pool *pool, tm_buf *out,
                           tm_err *err) {
    tm_ctx ctx = {.pool = pool};
    const tm_fit_input in = input(with, t);
    tm_model *model = NULL;
    TM_TRY(fit(with, &ctx, &in, &model, err));
    const tm_status st = save(model, out, err);
    tm__model_free(model);
    return st;
}

static tm_status same_bytes(const tm_module_try *with, tm_err *err) {
    tm_status st = TM_OK;
    for (uint32_t t = 0; st == TM_OK && t < N_TASKS; t++) {
        tm_buf one = {0}, again = {0}, many = {0};
        if (!has_task(with, t)) {
            continue;
        }
        st = fit_bytes(with, t, NULL, &one, err);
        st = st == TM_OK ? fit_bytes(with, t, NULL, &again, err) : st;
        st = st == TM_OK ? fit_bytes(with, t, with->pool, &many, err) : st;
        if (st == TM_OK && !is_same(&one, &again)) {
            st = bad(t, "the same fit gave other bytes the second time", err);
        } else if (st == TM_OK && !is_same(&one, &many)) {
            st = bad(t, "one thread and several gave other bytes", err);
        }
        tm__buf_done(&one);
        tm__buf_done(&again);
        tm__buf_done(&many);
    }
    return st;
}

static tm_status compare_loaded(const tm_module_try *with, uint32_t t, const tm_model *model,
                                const tm_model *loaded, const tm_buf *bytes, tm_err *err) {
    tm_buf again = {0};
    double *a = predict(with, model, &with->rows->odd, err);
    double *b = a == NULL ? NULL : predict(with, loaded, &with->rows->odd, err);
    tm_status st = b == NULL ? TM_E_REFUSED : save(loaded, &again, err);
    if (st == TM_OK && !is_same(bytes, &again)) {
        st = bad(t, "a loaded model is saved as other bytes", err);
    }
    if (st == TM_OK &&
        memcmp(a, b, with->rows->odd.n_rows * model->n_outputs * sizeof(double)) != 0) {
        st = bad(t, "a loaded model gives other scores", err);
    }
    tm__buf_done(&again);
    tm__mem_free(a);
    tm__mem_free(b);
    return st;
}

static tm_status saved_model(const tm_module_try *with, uint32_t t, const tm_model *model,
                             tm_err *err) {
    tm_buf bytes = {0};
    tm_model *loaded = NULL;
    tm_status st = save(model, &bytes, err);
    st = st == TM_OK ? model->ops->load(bytes.data, bytes.len, &loaded, err) : st;
    st = st == TM_OK ? compare_loaded(with, t, model, loaded, &bytes, err) : st;
    tm__model_free(loaded);
    tm__buf_done(&bytes);
    return st;
}

static tm_status saved_alike(const tm_module_try *with, tm_err *err) {
    return each_model(with, saved_model, err);
}

/* The module's own bytes of a model. */
static tm_status own_bytes(const tm_module_try *with, const tm_model *model, tm_buf *out,
                           uint8_t **out_at, size_t *out_len, tm_err *err) {
    (void)with;
    TM_TRY(save(model, out, err));
    const size_t head = tm__module_learner_head(out->data, out->len);
    *out_at = out->data + head;
    *out_len = out->len - head;
    return TM_OK;
}

static int32_t load_own(const tm_module_try *with, uint32_t t, const void *data, size_t len,
                        void **out) {
    const tm_module_shape shape = {.size = sizeof(shape),
                                   .task = bits[t],
                                   .n_outputs = outputs(t),
                                   .n_cols = with->rows->x.n_cols};
    tm_user_call call;
    tm__user_call_init(&call, NULL, "load", NULL);
    return with->module->table->learner->load(&call.call, data, len, &shape, out);
}

static tm_status cut_model(const tm_module_try *with, uint32_t t, const tm_model *model,
                           tm_err *err) {
    tm_buf bytes = {0};
    uint8_t *at = NULL;
    size_t len = 0;
    tm_status st = own_bytes(with, model, &bytes, &at, &len, err);
    const size_t step = len / CUTS + 1;
    for (size_t n = 0; st == TM_OK && n < len; n += step) {
        /* A block of its own, so that a byte too far is a fault where a sanitizer looks. */
        uint8_t *part = tm__mem_alloc(n, 1);
        void *state = NULL;
        if (part == NULL) {
            st = no_memory(err);
            break;
        }
        memcpy(part, at, n);
        if (load_own(with, t, part, n, &state) == TM_MODULE_OK) {
            with->module->table->learner->free(tm__user_module_host(), state);
            st = bad(t, "load takes bytes that are cut short", err);
        }
        tm__mem_free(part);
    }
    tm__buf_done(&bytes);
    return st;
}

static tm_status cut_bytes(const tm_module_try *with, tm_err *err) {
    return each_model(with, cut_model, err);
}

/* Change a byte, load, and answer if that is taken: whatever it says, it must stand. */
static tm_status change_byte(const tm_module_try *with, uint32_t t, uint8_t *at, size_t len,
                             uint64_t number, double *out, tm_err *err) {
    const uint64_t random = tm__rng_at(7, number);
    const size_t place = (size_t)(tm__rng_at(8, number) % (number % 4 == 0 && len > 64 ? 64 : len));
    const tm_module_learner *learner = with->module->table->learner;
    const tm_module_rows rows = {with->rows->odd.n_rows, with->rows->odd.n_cols,
                                 with->rows->odd.cols};
    const uint8_t before = at[place];
    tm_status st = TM_OK;
    void *state = NULL;
    at[place] = (uint8_t)(number % 3 == 0 ? 0xff : number % 3 == 1 ? before ^ 1u : random);
    if (load_own(with, t, at, len, &state) == TM_MODULE_OK) {
        learner->predict(tm__user_module_host(), state, &rows, out);
        for (uint64_t i = 0; i < rows.n_rows * outputs(t); i++) {
            if (!(fabs(out[i]) <= TM_MODEL_SCORE_MAX)) {
                st = bad(t, "load takes changed bytes whose scores are no finite numbers", err);
                break;
            }
        }
        learner->free(tm__user_module_host(), state);
    }
    at[place] = before;
    return st;
}

static tm_status change_model(const tm_module_try *with, uint32_t t, const tm_model *model,
                              tm_err *err) {
    tm_buf bytes = {0};
    uint8_t *at = NULL;
    size_t len = 0;
    double *out = tm__mem_alloc(with->rows->odd.n_rows * outputs(t), sizeof(*out));
    tm_status st = out == NULL ? no_memory(err) : own_bytes(with, model, &bytes, &at, &len, err);
    for (uint64_t i = 0; st == TM_OK && len > 0 && i < CHANGES; i++) {
        st = change_byte(with, t, at, len, i, out, err);
    }
    tm__mem_free(out);
    tm__buf_done(&bytes);
    return st;
}

static tm_status changed_bytes(const tm_module_try *with, tm_err *err) {
    return each_model(with, change_model, err);
}

/* ---- fits that are not easy ---- */

/* Rows 0 .. n - 1 with one target for all. An error of the data is an answer too. */
static tm_status fit_few(const tm_module_try *with, uint32_t t, uint64_t n, bool is_constant,
                         tm_err *err) {
    tm_ctx ctx = {.pool = with->pool};
    tm_fit_input in = input(with, t);
    tm_view x = *in.x;
    double *y = tm__mem_zalloc(n, sizeof(*y));
    tm_model *model = NULL;
    tm_err cause = {0};
    tm_status st = TM_OK;
    if (y == NULL) {
        return no_memory(err);
    }
    x.n_rows = n;
    in.x = &x;
    in.weights = NULL;
    in.y = is_constant ? y : in.y;
    in.x_valid = NULL;
    const tm_status fitted = fit(with, &ctx, &in, &model, &cause);
    if (fitted == TM_OK) {
        double *out = predict(with, model, &with->rows->odd, err);
        st = out == NULL ? TM_E_REFUSED : TM_OK;
        tm__mem_free(out);
    } else if (fitted != TM_E_DATA) {
        st = bad(t, cause.message, err);
    }
    tm__model_free(model);
    tm__mem_free(y);
    return st;
}

static tm_status few_rows(const tm_module_try *with, tm_err *err) {
    for (uint32_t t = 0; t < N_TASKS; t++) {
        if (has_task(with, t)) {
            TM_TRY(fit_few(with, t, 1, true, err));
            TM_TRY(fit_few(with, t, 2, false, err));
            TM_TRY(fit_few(with, t, with->rows->x.n_rows, true, err));
        }
    }
    return TM_OK;
}

static tm_status fit_end(const tm_module_try *with, uint32_t t, uint32_t param, double value,
                         tm_err *err) {
    const tm_model_ops *ops = tm__module_learner(with->module);
    tm_budget budget = {.work_limit = UINT64_C(20000000)};
    tm_ctx ctx = {.pool = with->pool, .budget = &budget};
    const tm_fit_input in = input(with, t);
    tm_params params;
    tm_model *model = NULL;
    tm_err cause = {0};
    tm__params_init(ops, &params);
    params.values[param] = value;
    const tm_status st = tm__model_fit(&ctx, ops, &in, &params, &model, &cause);
    tm__model_free(model);
    if (st != TM_OK && st != TM_E_DATA && st != TM_E_INVALID) {
        return TM_FAIL(err, TM_E_REFUSED, "%s=%.10g: %.180s", ops->params[param].name, value,
                       cause.message);
    }
    return TM_OK;
}

static tm_status param_ends(const tm_module_try *with, tm_err *err) {
    const tm_model_ops *ops = tm__module_learner(with->module);
    if (ops->params[0].name == NULL) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "it has no parameters");
    }
    for (uint32_t t = 0; t < N_TASKS; t++) {
        for (uint32_t p = 0; has_task(with, t) && ops->params[p].name != NULL; p++) {
            TM_TRY(fit_end(with, t, p, ops->params[p].min, err));
            TM_TRY(fit_end(with, t, p, ops->params[p].max, err));
        }
    }
    return TM_OK;
}

static tm_status is_cancelled(const tm_module_try *with, tm_err *err) {
    for (uint32_t t = 0; t < N_TASKS; t++) {
        volatile _Atomic bool cancel = true;
        tm_ctx ctx = {.pool = with->pool, .cancel = &cancel};
        const tm_fit_input in = input(with, t);
        tm_model *model = NULL;
        if (!has_task(with, t)) {
            continue;
        }
        const uint64_t began = tm__mono_ns();
        const tm_status st = fit(with, &ctx, &in, &model, NULL);
        tm__model_free(model);
        if (st != TM_E_CANCELLED || tm__mono_ns() - began > LATE_NS) {
            return bad(t, "a fit that was cancelled went on to its end", err);
        }
    }
    return TM_OK;
}

static tm_status fail_nth(const tm_module_try *with, uint32_t t, uint64_t nth, bool *out_is_done,
                          tm_err *err) {
    tm_ctx ctx = {0};
    tm_fit_input in = input(with, t);
    tm_model *model = NULL;
    tm_buf bytes = {0};
    const uint64_t before = tm__mem_alive();
    tm__mem_fail_at(nth, false);
    tm_status st = fit(with, &ctx, &in, &model, NULL);
    st = st == TM_OK ? save(model, &bytes, NULL) : st;
    tm__mem_fail_at(0, false);
    tm__buf_done(&bytes);
    tm__model_free(model);
    if (st != TM_OK && st != TM_E_NOMEM) {
        return bad(t, "out of memory is told as another error", err);
    }
    if (tm__mem_alive() != before) {
        return bad(t, "a fit that ran out of memory left blocks behind", err);
    }
    *out_is_done = st == TM_OK;
    return TM_OK;
}

static tm_status no_memory_fit(const tm_module_try *with, tm_err *err) {
    for (uint32_t t = 0; t < N_TASKS; t++) {
        bool is_done = !has_task(with, t);
        for (uint64_t nth = 1; !is_done && nth <= NTH_MAX; nth++) {
            TM_TRY(fail_nth(with, t, nth, &is_done, err));
        }
    }
    return TM_OK;
}

const tm_module_trial *tm__module_learner_trials(void) {
    static const tm_module_trial trials[] = {
        {"learner: learns each of its tasks, and its scores are finite",
         "Look at fit and predict: NaN, infinities, divisions by 0, scores over 1e300.", learns},
        {"learner: a row alone has the bits of the row in a batch",
         "predict must treat each row by itself, with sums in one order.", rows_alone},
        {"learner: missing, huge and unknown values have finite scores",
         "predict gets NaN, values up to 1.7e308 and categories that training had not.",
         odd_values},
        {"learner: the same fit has the same bytes, with one thread and with several",
         "No clock, no address, no uninitialised padding; cut work by data, not by n_threads.",
         same_bytes},
        {"learner: a model that is saved and loaded is the same",
         "save must write all that predict reads, and load must give it back.", saved_alike},
        {"learner: bytes that are cut short are refused",
         "load must hold each length against len before it reads, and return "
         "TM_MODULE_E_DAMAGED.",
         cut_bytes},
        {"learner: changed bytes are refused or answer with finite scores",
         "load must check every number that predict relies on.", changed_bytes},
        {"learner: one row, one class and a constant target are no trouble",
         "fit must give a model that answers, or TM_MODULE_E_DATA.", few_rows},
        {"learner: parameters work at both ends of their ranges",
         "Narrow the range in the table, or make fit take it; spend() tells when to end.",
         param_ends},
        {"learner: stops when it is told to", "Ask is_cancelled in each long loop of fit.",
         is_cancelled},
        {"learner: a lack of memory is an error and leaves nothing behind",
         "Return TM_MODULE_E_NOMEM when alloc gives NULL, and free what there is.", no_memory_fit},
        {NULL, NULL, NULL},
    };
    return trials;
}
