/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters by name, and the calls that check their arguments once before a learner sees them.
 *
 * Invariants.
 * 1. Past tm__model_fit's checks a learner may index by class and divide by the sum of weights.
 * 2. A failed call leaves its outputs as they were: a learner's model is handed out only when its
 *    shape is that of the input.
 */
#include "model/model.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "model/checkpoint.h"

/* What a model of logs answers stays a finite number over 0. */
#define EXP_MAX 700.0
/* Its square is the greatest score. */
#define SQUARE_MAX 1e150

/* ---- parameters ---- */

static uint32_t count_params(const tm_model_ops *ops) {
    uint32_t n = 0;
    while (ops->params != NULL && ops->params[n].name != NULL) {
        n++;
    }
    TM_ASSERT(n <= TM_MAX_PARAMS);
    return n;
}

static uint32_t find_param(const tm_model_ops *ops, const char *name) {
    const uint32_t n = count_params(ops);
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(ops->params[i].name, name) == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

void tm__params_init(const tm_model_ops *ops, tm_params *out) {
    const uint32_t n = count_params(ops);
    memset(out, 0, sizeof(*out));
    for (uint32_t i = 0; i < n; i++) {
        out->values[i] = ops->params[i].otherwise;
    }
}

static tm_status fail_unknown(const tm_model_ops *ops, const char *name, tm_err *err) {
    const char *names[TM_MAX_PARAMS] = {0};
    const uint32_t n = count_params(ops);
    for (uint32_t i = 0; i < n; i++) {
        names[i] = ops->params[i].name;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%s' has no parameter '%s'", ops->name, name);
    const char *near = tm__str_nearest(tm__str(name), names, n);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s.%s'?", ops->name, near);
    } else if (n > 0) {
        tm_err_hint(err, "Run 'tidemill help params' for the parameters of each learner.");
    }
    return st;
}

/* Name `index` of a choice; empty when there are fewer. */
static tm_str choice_name(const tm_param_def *def, uint32_t index) {
    tm_str rest = tm__str(def->choices), name = tm__str_cut(&rest, '|');
    while (index > 0 && name.len > 0) {
        name = tm__str_cut(&rest, '|');
        index--;
    }
    return name;
}

static uint32_t count_choices(const tm_param_def *def) {
    uint32_t n = 0;
    while (choice_name(def, n).len > 0) {
        n++;
    }
    return n;
}

static tm_status set_choice(const tm_model_ops *ops, const tm_param_def *def, tm_str text,
                            double *out, tm_err *err) {
    for (uint32_t i = 0; i < count_choices(def); i++) {
        if (tm__str_eq(text, choice_name(def, i))) {
            *out = i;
            return TM_OK;
        }
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "parameter '%s.%s' cannot be '%.*s'", ops->name,
                                 def->name, text.len < 40 ? (int)text.len : 40, text.ptr);
    tm_err_hint(err, "It is one of %s.", def->choices);
    return st;
}

static tm_status check_value(const tm_model_ops *ops, const tm_param_def *def, double value,
                             tm_err *err) {
    if (def->kind == TM_PARAM_CHOICE) {
        TM_ASSERT(value >= 0 && value < count_choices(def) && floor(value) == value);
        return TM_OK;
    }
    const bool is_whole = def->kind != TM_PARAM_INT || floor(value) == value;
    /* The negation also refuses NaN. */
    if (is_whole && value >= def->min && value <= def->max) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "parameter '%s.%s' is out of range: %.17g",
                                 ops->name, def->name, value);
    tm_err_hint(err, "Give %s from %.10g to %.10g; the default is %.10g.",
                def->kind == TM_PARAM_INT ? "an integer" : "a number", def->min, def->max,
                def->otherwise);
    return st;
}

tm_status tm__params_set(const tm_model_ops *ops, tm_params *params, const char *name,
                         const char *text, tm_err *err) {
    const uint32_t at = find_param(ops, name);
    double value = 0.0;
    if (at == UINT32_MAX) {
        return fail_unknown(ops, name, err);
    }
    if (ops->params[at].kind == TM_PARAM_CHOICE) {
        TM_TRY(set_choice(ops, &ops->params[at], tm__str(text), &value, err));
        params->values[at] = value;
        return TM_OK;
    }
    if (!tm__str_to_f64(tm__str(text), &value)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "parameter '%s.%s' is not a number: '%.40s'",
                                     ops->name, name, text);
        tm_err_hint(err, "Write it as %s.%s=%.10g.", ops->name, name, ops->params[at].otherwise);
        return st;
    }
    TM_TRY(check_value(ops, &ops->params[at], value, err));
    params->values[at] = value;
    return TM_OK;
}

double tm__params_get(const tm_model_ops *ops, const tm_params *params, const char *name) {
    const uint32_t at = find_param(ops, name);
    TM_ASSERT(at != UINT32_MAX);
    return params->values[at];
}

json_t *tm__params_to_json(const tm_model_ops *ops, const tm_params *params) {
    const uint32_t n = count_params(ops);
    json_t *out = json_object();
    for (uint32_t i = 0; out != NULL && i < n; i++) {
        const tm_param_def *def = &ops->params[i];
        const double value = params->values[i];
        const tm_str name =
            def->kind == TM_PARAM_CHOICE ? choice_name(def, (uint32_t)value) : (tm_str){"", 0};
        json_t *json = def->kind == TM_PARAM_CHOICE ? json_stringn(name.ptr, name.len)
                       : def->kind == TM_PARAM_INT  ? json_integer((json_int_t)value)
                                                    : tm__json_number(value);
        if (json_object_set_new(out, def->name, json) != 0) {
            json_decref(out);
            out = NULL;
        }
    }
    return out;
}

/* ---- checked calls ---- */

static tm_status check_targets(const tm_fit_input *in, const double *y, uint64_t n_rows,
                               tm_err *err) {
    double top = 0.0; /* classes are below it; 0: not a classification */
    if (in->task == TM_TASK_BINARY) {
        top = 2.0;
    } else if (in->task == TM_TASK_MULTICLASS) {
        top = (double)in->n_classes;
    }
    for (uint64_t i = 0; i < n_rows; i++) {
        if (!isfinite(y[i])) {
            return TM_FAIL(err, TM_E_INVALID, "target of row %llu is not finite",
                           (unsigned long long)(i + 1));
        }
        if (top > 0.0 && !(y[i] >= 0.0 && y[i] < top && floor(y[i]) == y[i])) {
            return TM_FAIL(err, TM_E_INVALID, "target of row %llu is not a class",
                           (unsigned long long)(i + 1));
        }
    }
    return TM_OK;
}

static tm_status check_weights(const double *weights, uint64_t n_rows, tm_err *err) {
    double sum = 0.0;
    if (weights == NULL) {
        return TM_OK;
    }
    for (uint64_t i = 0; i < n_rows; i++) {
        if (!isfinite(weights[i]) || weights[i] < 0.0) {
            return TM_FAIL(err, TM_E_INVALID, "weight of row %llu is negative or not finite",
                           (unsigned long long)(i + 1));
        }
        sum += weights[i];
    }
    if (!(sum > 0.0 && isfinite(sum))) {
        return TM_FAIL(err, TM_E_INVALID, "weights have no finite sum above 0");
    }
    return TM_OK;
}

static tm_status check_queries(const uint32_t *queries, uint64_t n_rows, tm_err *err) {
    for (uint64_t i = 1; queries != NULL && i < n_rows; i++) {
        if (queries[i] < queries[i - 1]) {
            return TM_FAIL(err, TM_E_INVALID,
                           "the query of row %llu has a lower number than the last",
                           (unsigned long long)(i + 1));
        }
    }
    return TM_OK;
}

static uint32_t view_terms(const tm_view *x) {
    return x->sparse == NULL ? 0 : x->sparse->n_terms;
}

static tm_status check_rules(const tm_model_ops *ops, const tm_fit_input *in, tm_err *err) {
    if (!ops->keeps_rules) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "learner '%s' cannot keep rules of columns",
                       ops->name);
    }
    for (uint32_t c = 0; c < in->x->n_cols; c++) {
        if (in->rules[c].monotone == 0) {
            continue;
        }
        if (in->x->features[c].is_categorical) {
            return TM_FAIL(err, TM_E_INVALID, "column '%s' has categories, which have no order",
                           in->x->features[c].name);
        }
        if (in->task == TM_TASK_MULTICLASS) {
            return TM_FAIL(err, TM_E_UNSUPPORTED,
                           "answers for more than two classes cannot be monotone in a column");
        }
    }
    return TM_OK;
}

static tm_status check_base(const tm_model_ops *ops, const tm_fit_input *in, tm_err *err) {
    const tm_model *base = in->base;
    if (!(in->is_update ? ops->updates : ops->continues) || base->ops != ops) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "learner '%s' cannot %s a model of '%s'", ops->name,
                       in->is_update ? "update" : "go on from", base->ops->name);
    }
    if (base->task != in->task || base->n_cols != in->x->n_cols ||
        (in->task == TM_TASK_MULTICLASS && base->n_outputs != in->n_classes)) {
        return TM_FAIL(err, TM_E_INVALID, "the model to go on from has another task or shape");
    }
    return TM_OK;
}

static tm_status check_scores(const double *scores, uint64_t n_rows, uint32_t n_outputs,
                              tm_err *err) {
    for (uint64_t i = 0; i < n_rows * n_outputs; i++) {
        if (!(fabs(scores[i]) <= TM_MODEL_SCORE_MAX)) {
            return TM_FAIL(err, TM_E_INVALID, "the initial score of row %llu is not finite",
                           (unsigned long long)(i / n_outputs + 1));
        }
    }
    return TM_OK;
}

static tm_status check_init_scores(const tm_model_ops *ops, const tm_fit_input *in, tm_err *err) {
    const uint32_t n_outputs = in->task == TM_TASK_MULTICLASS ? in->n_classes : 1;
    if (in->init_scores == NULL && in->init_scores_valid == NULL) {
        return TM_OK;
    }
    if (!ops->takes_scores) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "learner '%s' cannot start from scores", ops->name);
    }
    if (in->init_scores == NULL || (in->x_valid != NULL && in->init_scores_valid == NULL) ||
        in->base != NULL) {
        return TM_FAIL(
            err, TM_E_INVALID,
            "initial scores are for all rows, and not for those of a model to go on from");
    }
    TM_TRY(check_scores(in->init_scores, in->x->n_rows, n_outputs, err));
    return in->x_valid != NULL
               ? check_scores(in->init_scores_valid, in->x_valid->n_rows, n_outputs, err)
               : TM_OK;
}

static tm_status check_fit(const tm_model_ops *ops, const tm_fit_input *in, tm_err *err) {
    if (ops->abi != TM_MODEL_ABI) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "learner '%s' was written for interface %u, not %u",
                       ops->name, ops->abi, TM_MODEL_ABI);
    }
    if (in->task < TM_TASK_BINARY || in->task > TM_TASK_RANKING) {
        return TM_FAIL(err, TM_E_INVALID, "fitting needs a task");
    }
    if (in->task == TM_TASK_MULTICLASS && (in->n_classes < 2 || in->n_classes > TM_MAX_CLASSES)) {
        return TM_FAIL(err, TM_E_INVALID, "%u classes are not 2 to %u", in->n_classes,
                       TM_MAX_CLASSES);
    }
    if (in->x->n_rows == 0) {
        return TM_FAIL(err, TM_E_DATA, "no rows to learn from");
    }
    if (in->x->n_rows > TM_MAX_ROWS) {
        return TM_FAIL(err, TM_E_LIMIT, "%llu rows are more than %u",
                       (unsigned long long)in->x->n_rows, TM_MAX_ROWS);
    }
    if (in->rules != NULL) {
        TM_TRY(check_rules(ops, in, err));
    }
    if (in->base != NULL) {
        TM_TRY(check_base(ops, in, err));
    }
    TM_TRY(check_init_scores(ops, in, err));
    TM_TRY(check_targets(in, in->y, in->x->n_rows, err));
    TM_TRY(check_weights(in->weights, in->x->n_rows, err));
    TM_TRY(check_queries(in->queries, in->x->n_rows, err));
    if (in->x_valid == NULL) {
        return TM_OK;
    }
    if (in->x_valid->n_cols != in->x->n_cols || view_terms(in->x_valid) != view_terms(in->x)) {
        return TM_FAIL(err, TM_E_INVALID, "validation rows have other columns than training rows");
    }
    if (in->x_valid->n_rows == 0) {
        return TM_FAIL(err, TM_E_DATA, "no validation rows");
    }
    TM_TRY(check_targets(in, in->y_valid, in->x_valid->n_rows, err));
    TM_TRY(check_queries(in->queries_valid, in->x_valid->n_rows, err));
    return check_weights(in->weights_valid, in->x_valid->n_rows, err);
}

tm_status tm__model_fit(tm_ctx *ctx, const tm_model_ops *ops, const tm_fit_input *in,
                        const tm_params *params, tm_model **out, tm_err *err) {
    tm_model *model = NULL;
    const uint32_t n = count_params(ops);
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(check_value(ops, &ops->params[i], params->values[i], err));
    }
    TM_TRY(check_fit(ops, in, err));
    TM_TRY(ctx->checkpoint != NULL ? tm__checkpoint_fit(ctx, ops, in, params, &model, err)
                                   : ops->fit(ctx, in, params, &model, err));
    TM_ASSERT(model != NULL && model->ops == ops && model->task == in->task);
    TM_ASSERT(model->n_outputs == (in->task == TM_TASK_MULTICLASS ? in->n_classes : 1));
    TM_ASSERT(model->n_cols == in->x->n_cols && model->n_terms <= view_terms(in->x));
    *out = model;
    return TM_OK;
}

static tm_status check_view(const tm_model *model, const tm_view *x, tm_err *err) {
    if (x->n_cols != model->n_cols || (model->n_terms > 0 && view_terms(x) != model->n_terms)) {
        return TM_FAIL(err, TM_E_INVALID,
                       "rows have %u columns and %u terms, the model was fitted on %u and %u",
                       x->n_cols, view_terms(x), model->n_cols, model->n_terms);
    }
    return TM_OK;
}

tm_status tm__model_predict(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                            tm_err *err) {
    TM_TRY(check_view(model, x, err));
    return model->ops->predict(ctx, model, x, out, err);
}

void tm__model_predict_row(const tm_model *model, const tm_view *row, double *out) {
    TM_ASSERT(row->n_rows == 1 && row->n_cols == model->n_cols);
    TM_ASSERT(model->n_terms == 0 || view_terms(row) == model->n_terms);
    model->ops->predict_row(model, row, out);
}

bool tm__model_can_explain(const tm_model *model) {
    return model->ops->explain != NULL;
}

tm_status tm__model_explain(const tm_model *model, const tm_view *row, double *out, tm_err *err) {
    if (model->ops->explain == NULL) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "learner '%s' cannot explain its answers",
                       model->ops->name);
    }
    if (row->n_rows != 1) {
        return TM_FAIL(err, TM_E_INVALID, "one row is explained at a time");
    }
    TM_TRY(check_view(model, row, err));
    return model->ops->explain(model, row, out, err);
}

static void softmax(uint32_t n, double *z) {
    double top = z[0], sum = 0.0;
    for (uint32_t k = 1; k < n; k++) {
        top = z[k] > top ? z[k] : top;
    }
    for (uint32_t k = 0; k < n; k++) {
        z[k] = tm__exp(z[k] - top);
        sum += z[k];
    }
    for (uint32_t k = 0; k < n; k++) {
        z[k] /= sum;
    }
}

/* Nothing at all is shared alike. */
static void shares(uint32_t n, double *z) {
    double sum = 0.0;
    for (uint32_t k = 0; k < n; k++) {
        sum += z[k];
    }
    for (uint32_t k = 0; k < n; k++) {
        z[k] = sum > 0.0 ? z[k] / sum : 1.0 / n;
    }
}

bool tm__model_outputs_fit(uint32_t task, uint32_t n_outputs) {
    if (task == TM_TASK_MULTICLASS) {
        return n_outputs >= 2 && n_outputs <= TM_MAX_CLASSES;
    }
    return task >= TM_TASK_BINARY && task <= TM_TASK_RANKING && n_outputs == 1;
}

tm_link tm__model_link_of(const tm_model *model) {
    return model->has_link                     ? model->link
           : model->task == TM_TASK_BINARY     ? TM_LINK_SIGMOID
           : model->task == TM_TASK_MULTICLASS ? TM_LINK_SOFTMAX
           : model->is_log                     ? TM_LINK_EXP
                                               : TM_LINK_NONE;
}

void tm__model_link(tm_link link, uint32_t n_outputs, uint64_t n_rows, double *raw) {
    if (link == TM_LINK_SIGMOID || link == TM_LINK_SHARES) {
        for (uint64_t i = 0; i < n_rows * n_outputs; i++) {
            raw[i] = tm__sigmoid(raw[i]);
        }
        for (uint64_t i = 0; link == TM_LINK_SHARES && i < n_rows; i++) {
            shares(n_outputs, raw + i * n_outputs);
        }
    } else if (link == TM_LINK_EXP) {
        for (uint64_t i = 0; i < n_rows; i++) {
            raw[i] = isnan(raw[i]) ? raw[i] : tm__exp(fmin(fmax(raw[i], -EXP_MAX), EXP_MAX));
        }
    } else if (link == TM_LINK_SOFTMAX) {
        for (uint64_t i = 0; i < n_rows; i++) {
            softmax(n_outputs, raw + i * n_outputs);
        }
    } else if (link == TM_LINK_SQUARE) {
        for (uint64_t i = 0; i < n_rows; i++) {
            const double x = fmin(fmax(raw[i], -SQUARE_MAX), SQUARE_MAX);
            raw[i] = copysign(x * x, x);
        }
    } else if (link == TM_LINK_SOFTPLUS) {
        for (uint64_t i = 0; i < n_rows; i++) {
            raw[i] = fmax(raw[i], 0) + tm__log1p(tm__exp(-fabs(raw[i])));
        }
    }
}

void tm__model_free(tm_model *model) {
    if (model != NULL) {
        model->ops->free(model);
    }
}
