/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fitted model: what can be done with one, and its bytes.
 *
 *     magic version task n_outputs n_cols n_rounds (u32), work_used (u64), gains [n_cols] (f64),
 *     then the forest
 *
 * Version 2 has the objective (u32) after n_rounds. It is written only for an objective that is not
 * the task's own, so that other models keep their bytes and earlier releases read them.
 */
#include "model/gbdt/gbdt.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "model/gbdt/gbdt_plan.h"
#include "model/gbdt/gbdt_priv.h"

#define MAGIC UINT32_C(0x42474D54) /* "TMGB" */
#define VERSION 1u
#define VERSION_OBJECTIVE 2u

static const tm_param_def definitions[] = {
#define TM_GBDT_PARAM(id, name, kind, otherwise, min, max, doc)                                    \
    {name, kind, otherwise, min, max, doc, NULL},
#define TM_GBDT_CHOICE(id, name, choices, doc) {name, TM_PARAM_CHOICE, 0, 0, 0, doc, choices},
#include "model/gbdt/gbdt_params.def"
#undef TM_GBDT_CHOICE
#undef TM_GBDT_PARAM
    {.name = NULL}};

_Static_assert(TM_GBDT_PARAMS <= TM_MAX_PARAMS, "parameters have a place each");

tm_loss_spec tm__gbdt_loss_spec(tm_task task, uint32_t n_outputs, const tm_params *params) {
    const double *values = params->values;
    return (tm_loss_spec){.task = task,
                          .objective = (tm_objective)values[TM_GBDT_OBJECTIVE],
                          .n_outputs = n_outputs,
                          .quantile = values[TM_GBDT_QUANTILE],
                          .huber_delta = values[TM_GBDT_HUBER],
                          .tweedie_power = values[TM_GBDT_TWEEDIE],
                          .rank_depth = (uint32_t)values[TM_GBDT_RANK_DEPTH]};
}

static tm_status gbdt_check_targets(const tm_params *params, tm_task task, const double *y,
                                    uint64_t n_rows, tm_err *err) {
    tm_objective objective = (tm_objective)params->values[TM_GBDT_OBJECTIVE];
    TM_TRY(tm__objective_resolve(task, &objective, err));
    return tm__objective_check(objective, y, n_rows, err);
}

tm_gbdt *tm__gbdt_create(tm_task task, tm_objective objective, uint32_t n_outputs,
                         uint32_t n_cols) {
    tm_gbdt *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->base =
        (tm_model){.ops = &tm__gbdt_ops, .task = task, .n_outputs = n_outputs, .n_cols = n_cols};
    self->base.is_log = tm__objective_is_log(objective);
    self->objective = objective;
    self->gains = tm__mem_zalloc(n_cols, sizeof(double));
    if (self->gains == NULL || tm__forest_init(&self->forest, n_outputs, n_cols, NULL) != TM_OK) {
        tm__gbdt_free(&self->base);
        return NULL;
    }
    return self;
}

void tm__gbdt_free(tm_model *model) {
    if (model != NULL) {
        tm_gbdt *self = (tm_gbdt *)model;
        tm__forest_done(&self->forest);
        tm__mem_free(self->gains);
        tm__mem_free(self);
    }
}

static tm_status gbdt_predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                              tm_err *err) {
    return tm__forest_predict(ctx, &((const tm_gbdt *)model)->forest, x, out, err);
}

static void gbdt_predict_row(const tm_model *model, const tm_view *row, double *out) {
    tm__forest_predict_row(&((const tm_gbdt *)model)->forest, row->cols, 0, out);
}

static tm_status gbdt_explain(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    return tm__forest_explain(&((const tm_gbdt *)model)->forest, row->cols, out, err);
}

static void gbdt_importance(const tm_model *model, double *out) {
    tm__forest_importance(((const tm_gbdt *)model)->gains, model->n_cols, out);
}

static void gbdt_splits(const tm_model *model, double *sums) {
    tm__forest_add_splits(&((const tm_gbdt *)model)->forest, sums);
}

static json_t *gbdt_describe(const tm_model *model) {
    const tm_gbdt *self = (const tm_gbdt *)model;
    return tm__forest_describe(&self->forest, json_pack("{s:s,s:I}", "objective",
                                                        tm__objective_text(self->objective),
                                                        "n_rounds", (json_int_t)model->n_rounds));
}

static bool is_own_objective(tm_task task, tm_objective objective) {
    tm_objective own = TM_OBJECTIVE_AUTO;
    return tm__objective_resolve(task, &own, NULL) == TM_OK && own == objective;
}

static tm_status gbdt_save(const tm_model *model, tm_buf *out, tm_err *err) {
    const tm_gbdt *self = (const tm_gbdt *)model;
    const bool is_own = is_own_objective(model->task, self->objective);
    tm__buf_u32(out, MAGIC);
    tm__buf_u32(out, is_own ? VERSION : VERSION_OBJECTIVE);
    tm__buf_u32(out, (uint32_t)model->task);
    tm__buf_u32(out, model->n_outputs);
    tm__buf_u32(out, model->n_cols);
    tm__buf_u32(out, model->n_rounds);
    if (!is_own) {
        tm__buf_u32(out, (uint32_t)self->objective);
    }
    tm__buf_u64(out, model->work_used);
    tm__buf_f64s(out, self->gains, model->n_cols);
    return tm__forest_save(&self->forest, out, err);
}

/* The objective of a file: that of the task, or another one that it names. */
static bool read_objective(tm_reader *reader, uint32_t version, tm_task task, tm_objective *out) {
    tm_objective objective = TM_OBJECTIVE_AUTO;
    if (version == VERSION) {
        return tm__objective_resolve(task, out, NULL) == TM_OK;
    }
    const uint32_t stored = tm__reader_u32(reader);
    if (stored == TM_OBJECTIVE_AUTO || stored >= TM_OBJECTIVE_END) {
        return false;
    }
    objective = (tm_objective)stored;
    *out = objective;
    return tm__objective_resolve(task, &objective, NULL) == TM_OK &&
           !is_own_objective(task, objective);
}

static tm_status gbdt_load(const void *data, size_t len, tm_model **out_model, tm_err *err) {
    tm_reader reader;
    tm_gbdt *self = NULL;
    tm__reader_init(&reader, data, len);
    const uint32_t magic = tm__reader_u32(&reader), version = tm__reader_u32(&reader);
    if (reader.failed || magic != MAGIC) {
        return TM_FAIL(err, TM_E_INTEGRITY, "not boosted trees");
    }
    if (version != VERSION && version != VERSION_OBJECTIVE) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "boosted trees have version %u, not %u or %u",
                       version, VERSION, VERSION_OBJECTIVE);
    }
    tm_objective objective = TM_OBJECTIVE_AUTO;
    const uint32_t task = tm__reader_u32(&reader);
    const uint32_t n_outputs = tm__reader_u32(&reader);
    const uint32_t n_cols = tm__reader_u32(&reader);
    const uint32_t n_rounds = tm__reader_u32(&reader);
    const bool is_known = !reader.failed && tm__model_outputs_fit(task, n_outputs) &&
                          read_objective(&reader, version, (tm_task)task, &objective);
    const uint64_t work_used = tm__reader_u64(&reader);
    if (reader.failed || !is_known || n_cols > TM_MAX_COLS) {
        return TM_FAIL(err, TM_E_INTEGRITY, "boosted trees have a bad head");
    }
    self = tm__gbdt_create((tm_task)task, objective, n_outputs, n_cols);
    if (self == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for boosted trees");
    }
    self->base.n_rounds = n_rounds;
    self->base.work_used = work_used;
    bool ok = true;
    for (uint32_t c = 0; c < n_cols; c++) {
        self->gains[c] = tm__reader_f64(&reader);
        ok = ok && self->gains[c] >= 0 && isfinite(self->gains[c]);
    }
    tm_forest forest = {0};
    tm_status st = tm__forest_load(&reader, n_outputs, n_cols, &forest, err);
    if (st == TM_OK) {
        tm__forest_done(&self->forest);
        self->forest = forest;
        if (!ok || !tm__reader_is_done(&reader) ||
            (uint64_t)n_rounds * n_outputs != forest.n_trees) {
            st = TM_FAIL(err, TM_E_INTEGRITY, "boosted trees have bad gains or a bad end");
        }
    }
    if (st == TM_OK) {
        st = tm__forest_settle(&self->forest, err);
    }
    if (st != TM_OK) {
        tm__gbdt_free(&self->base);
        return st;
    }
    *out_model = &self->base;
    return TM_OK;
}

static tm_status gbdt_first_rounds(const tm_model *model, uint32_t n_rounds, tm_model **out,
                                   tm_err *err) {
    const tm_gbdt *self = (const tm_gbdt *)model;
    tm_gbdt *first = tm__gbdt_create(model->task, self->objective, model->n_outputs, model->n_cols);
    tm_forest forest = {0};
    if (first == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for boosted trees");
    }
    tm_status st = tm__forest_copy(&self->forest, &forest, err);
    if (st == TM_OK) {
        tm__forest_done(&first->forest);
        first->forest = forest;
        tm__forest_truncate(&first->forest, n_rounds * model->n_outputs);
        first->base.n_rounds = n_rounds;
        st = tm__forest_settle(&first->forest, err);
    }
    if (st != TM_OK) {
        tm__gbdt_free(&first->base);
        return st;
    }
    *out = &first->base;
    return TM_OK;
}

const tm_model_ops tm__gbdt_ops = {
    .name = "gbdt",
    .abi = TM_MODEL_ABI,
    .params = definitions,
    .keeps_rules = true,
    .takes_scores = true,
    .continues = true,
    .updates = true,
    .fit = tm__gbdt_fit,
    .predict = gbdt_predict,
    .save = gbdt_save,
    .load = gbdt_load,
    .free = tm__gbdt_free,
    .predict_row = gbdt_predict_row,
    .explain = gbdt_explain,
    .importance = gbdt_importance,
    .splits = gbdt_splits,
    .describe = gbdt_describe,
    .check_targets = gbdt_check_targets,
    .needs = tm__gbdt_plan_least,
    .first_rounds = gbdt_first_rounds,
};
