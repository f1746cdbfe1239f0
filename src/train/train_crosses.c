/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that a search makes of others because they pay: keys of several categories and the hour
 * or day of a time (origin/destination/hour), of which the program knows how often they come and
 * what the target was; ratios and differences of numbers.
 *
 *   sample of the rows ──> fit and validation rows
 *   a small boosting without ──> loss of each validation row, columns that matter
 *   the same with all keys ──> those that it used most, each on its own: is the loss lower by more
 *                              than chance, and by enough? the best first, then what adds to it
 *   the same with ratios and differences
 *
 * What does not pay is not made, and a little does not: boosting that runs on finds small gains
 * itself. Keys of many levels need many rows to be seen. Only work of a fixed
 * size is done, by rows alone and no clock, so a run can be repeated.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "feature/feature_expr.h"
#include "train/train_priv.h"

#define ROWS_MAX 300000u
#define ROWS_MIN 5000u /* below, chance decides */
#define VALID_MIN 500u
#define CELLS_MAX UINT64_C(6000000) /* rows times columns */
#define BUDGET_MIN_MS 40000u
#define CLASSES_MAX 5u /* each is a tree a round */
#define WORK_MIN UINT64_C(2000000000)
#define CATEGORIES_MAX 3u
#define NUMBERS_MAX 5u
#define TRIES_MAX 32u
#define KEPT_MAX 3u
#define ERRORS_NEEDED 3.0  /* standard errors of the mean gain of a row */
#define SHARE_NEEDED 0.004 /* of the loss */

static const char *const trial_params[][2] = {
    {"n_trees", "60"}, {"learning_rate", "0.2"}, {"max_leaves", "31"}, {"early_stopping", "0"}};

typedef struct crosses {
    tm_ctx *ctx;
    const tm_search *search;
    tm_train_data data; /* of the run, but for the expressions */
    const tm_model_ops *ops;
    tm_params params;
    tm_fold_rows rows;
    const char **exprs; /* [n_exprs] those of the run, then those that were kept, then tried */
    uint32_t n_exprs;
    double *loss, *best; /* [n_valid] of the try, and of the best so far */
    char *tries[TRIES_MAX];
    double gains[TRIES_MAX]; /* share of the loss; 0: does not pay */
    uint32_t n_tries;
    char *kept[2 * KEPT_MAX]; /* of tries */
    double kept_gains[2 * KEPT_MAX];
    uint32_t n_kept;
    /* Names of inputs that matter most. */
    const char *categories[CATEGORIES_MAX], *numbers[NUMBERS_MAX], *time;
    uint32_t n_categories, n_numbers, n_times;
    bool has_hours;
} crosses;

/* ---- One try ---- */

static double loss_of(const crosses *c, const double *pred, double y) {
    const double floor_of = 1e-15;
    if (c->data.task == TM_TASK_REGRESSION) {
        return (pred[0] - y) * (pred[0] - y);
    }
    const double p =
        c->data.task == TM_TASK_BINARY ? (y == 1 ? pred[0] : 1 - pred[0]) : pred[(uint32_t)y];
    return -tm__log(p > floor_of ? p : floor_of);
}

static tm_status predict(const crosses *c, const tm_fold *fold, const tm_model *model,
                         tm_err *err) {
    const uint32_t k = tm__train_outputs(&c->data);
    double *pred = tm__mem_alloc(fold->n_valid * k, sizeof(double));
    if (pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to try columns");
    }
    const tm_view x = tm__fold_view(fold, fold->x_valid);
    const tm_status st = tm__model_predict(c->ctx, model, &x, pred, err);
    if (st == TM_OK) {
        tm__model_link(tm__model_link_of(model), k, fold->n_valid, pred);
        for (uint64_t i = 0; i < fold->n_valid; i++) {
            c->loss[i] = loss_of(c, pred + i * k, fold->y_valid[i]);
        }
    }
    tm__mem_free(pred);
    return st;
}

/* Losses of the validation rows with the expressions so far. The caller ends fold and model. */
static tm_status try_exprs(crosses *c, tm_fold *fold, tm_model **out, tm_err *err) {
    c->data.exprs = c->exprs;
    c->data.n_exprs = c->n_exprs;
    TM_TRY(tm__fold_init(c->ctx, fold, &c->data, &c->rows, c->search->options->seed, err));
    const tm_view x = tm__fold_view(fold, fold->x);
    const tm_fit_input in = {.task = c->data.task,
                             .n_classes = c->data.n_classes,
                             .x = &x,
                             .y = fold->y,
                             .weights = fold->weights,
                             .seed = c->search->options->seed};
    tm_status st = tm__model_fit(c->ctx, c->ops, &in, &c->params, out, err);
    st = st == TM_OK ? predict(c, fold, *out, err) : st;
    if (st != TM_OK) {
        tm__model_free(*out);
        *out = NULL;
        tm__fold_done(fold);
    }
    return st;
}

static tm_status try_once(crosses *c, tm_err *err) {
    tm_fold fold;
    tm_model *model = NULL;
    TM_TRY(try_exprs(c, &fold, &model, err));
    tm__model_free(model);
    tm__fold_done(&fold);
    return TM_OK;
}

/* Share of the loss that the last try takes away; 0 when it may be chance. */
static double gain_of(const crosses *c) {
    const uint64_t n = c->rows.n_valid;
    double sum = 0, squares = 0, all = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double gain = c->best[i] - c->loss[i];
        sum += gain;
        squares += gain * gain;
        all += c->best[i];
    }
    const double mean = sum / (double)n;
    const double error = tm__sqrt((squares / (double)n - mean * mean) / (double)n);
    const double share = all > 0 ? sum / all : 0;
    return mean > ERRORS_NEEDED * error && share > SHARE_NEEDED ? share : 0;
}

static void take_best(crosses *c) {
    double *const swap = c->best;
    c->best = c->loss;
    c->loss = swap;
}

/* ---- What is tried ---- */

/* Names and how the sources are written: "a/b" = concat("a", '/', "b"). */
static void put_name(tm_buf *out, const char *name) {
    for (const char *p = name; *p != '\0'; p++) {
        tm__buf_append(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
    }
}

/* Whether the name is a column's or a feature's, or none at all. */
static bool is_taken(const crosses *c, const char *words) {
    char *name = NULL;
    size_t at = 0;
    if (tm__expr_name(words, &name, &at, NULL) != TM_OK) {
        return true;
    }
    bool is_it = tm__schema_find(&c->data.schema, tm__str(name)) != UINT32_MAX;
    for (uint32_t i = 0; i < c->n_exprs && !is_it; i++) {
        char *other = NULL;
        is_it = tm__expr_name(c->exprs[i], &other, &at, NULL) == TM_OK && strcmp(name, other) == 0;
        tm__mem_free(other);
    }
    tm__mem_free(name);
    return is_it;
}

static tm_status add_try(crosses *c, tm_buf *words, tm_err *err) {
    char *const copy = tm__buf_byte(words, 0) ? tm__mem_strdup((const char *)words->data) : NULL;
    tm__buf_done(words);
    if (copy == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to try columns");
    }
    if (c->n_tries == TRIES_MAX || is_taken(c, copy)) {
        tm__mem_free(copy);
        return TM_OK;
    }
    c->tries[c->n_tries++] = copy;
    return TM_OK;
}

/* A key of at most two categories and a part of the time, or none. */
static tm_status add_key(crosses *c, const char *const *names, uint32_t n, const char *part,
                         tm_err *err) {
    tm_buf words;
    tm__buf_init(&words, 8192);
    tm__buf_byte(&words, '"');
    for (uint32_t i = 0; i < n; i++) {
        put_name(&words, names[i]);
        tm__buf_text(&words, i + 1 < n || part != NULL ? "/" : "");
    }
    tm__buf_printf(&words, "%s\" = concat(", part == NULL ? "" : part);
    for (uint32_t i = 0; i < n; i++) {
        tm__buf_text(&words, i > 0 ? ", '/', \"" : "\"");
        put_name(&words, names[i]);
        tm__buf_byte(&words, '"');
    }
    if (part != NULL) {
        tm__buf_printf(&words, ", '/', %s(\"", part);
        put_name(&words, c->time);
        tm__buf_text(&words, "\")");
    }
    tm__buf_byte(&words, ')');
    return add_try(c, &words, err);
}

static tm_status list_keys(crosses *c, tm_err *err) {
    for (uint32_t i = 0; i < c->n_categories; i++) {
        for (uint32_t j = i + 1; j < c->n_categories; j++) {
            const char *const both[] = {c->categories[i], c->categories[j]};
            if (c->has_hours) {
                TM_TRY(add_key(c, both, 2, "hour", err));
            }
            TM_TRY(add_key(c, both, 2, NULL, err));
        }
        if (c->has_hours) {
            TM_TRY(add_key(c, &c->categories[i], 1, "hour", err));
        }
        if (c->n_times > 0) {
            TM_TRY(add_key(c, &c->categories[i], 1, "day_of_week", err));
        }
    }
    return TM_OK;
}

static tm_status list_pairs(crosses *c, tm_err *err) {
    static const char signs[] = "/-";
    for (uint32_t i = 0; i < c->n_numbers; i++) {
        for (uint32_t j = i + 1; j < c->n_numbers; j++) {
            for (const char *sign = signs; *sign != '\0'; sign++) {
                tm_buf words;
                tm__buf_init(&words, 8192);
                tm__buf_byte(&words, '"');
                put_name(&words, c->numbers[i]);
                tm__buf_printf(&words, " %c ", *sign);
                put_name(&words, c->numbers[j]);
                tm__buf_text(&words, "\" = \"");
                put_name(&words, c->numbers[i]);
                tm__buf_printf(&words, "\" %c \"", *sign);
                put_name(&words, c->numbers[j]);
                tm__buf_byte(&words, '"');
                TM_TRY(add_try(c, &words, err));
            }
        }
    }
    return TM_OK;
}

/* ---- Choosing ---- */

static bool is_number(tm_type type) {
    return type == TM_TYPE_INT || type == TM_TYPE_FLOAT;
}

/* The inputs of a type that a model uses most, the most used first. */
static uint32_t rank_inputs(const tm_schema *schema, const double *shares,
                            bool (*is_of)(tm_type type), uint32_t *out, uint32_t n_max) {
    uint32_t n = 0;
    for (; n < n_max; n++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < schema->n_cols; i++) {
            bool is_taken = false;
            for (uint32_t k = 0; k < n; k++) {
                is_taken = is_taken || out[k] == i;
            }
            const bool is_role =
                schema->cols[i].role == TM_ROLE_FEATURE || schema->cols[i].role == TM_ROLE_TIME;
            if (!is_taken && is_role && is_of(schema->cols[i].type) && shares[i] > 0 &&
                (best == UINT32_MAX || shares[i] > shares[best])) {
                best = i;
            }
        }
        if (best == UINT32_MAX) {
            break;
        }
        out[n] = best;
    }
    return n;
}

static bool is_text(tm_type type) {
    return type == TM_TYPE_TEXT;
}

static bool is_time(tm_type type) {
    return type == TM_TYPE_DATE || type == TM_TYPE_TIME;
}

static bool is_category(const tm_program *program, uint32_t input) {
    bool is_it = false;
    for (uint32_t f = 0; f < tm__program_features(program); f++) {
        const tm_feature *feature = tm__program_feature(program, f);
        is_it = is_it || (feature->input == input && feature->is_categorical);
    }
    return is_it;
}

/* Names last as long as the schema of the data. */
static const char *name_of(const crosses *c, const tm_schema *inputs, uint32_t input) {
    const uint32_t col = tm__schema_find(&c->data.schema, tm__str(inputs->cols[input].name));
    return c->data.schema.cols[col].name;
}

static void note_inputs(crosses *c, const tm_program *program, const double *shares) {
    const tm_schema *inputs = tm__program_schema(program);
    uint32_t found[NUMBERS_MAX];
    uint32_t n = rank_inputs(inputs, shares, is_text, found, CATEGORIES_MAX);
    for (uint32_t i = 0; i < n; i++) {
        if (is_category(program, found[i])) {
            c->categories[c->n_categories++] = name_of(c, inputs, found[i]);
        }
    }
    n = rank_inputs(inputs, shares, is_number, found, NUMBERS_MAX);
    for (; c->n_numbers < n; c->n_numbers++) {
        c->numbers[c->n_numbers] = name_of(c, inputs, found[c->n_numbers]);
    }
    c->n_times = rank_inputs(inputs, shares, is_time, found, 1);
    if (c->n_times > 0) {
        c->time = name_of(c, inputs, found[0]);
        c->has_hours = inputs->cols[found[0]].type == TM_TYPE_TIME;
    }
}

/* The fit without anything made: its losses, and what matters in it. */
static tm_status try_plain(crosses *c, tm_err *err) {
    tm_fold fold;
    tm_model *model = NULL;
    TM_TRY(try_exprs(c, &fold, &model, err));
    double *shares = tm__mem_zalloc(tm__program_inputs(fold.program), sizeof(double));
    tm_status st = TM_OK;
    if (shares != NULL && tm__train_shares(fold.program, model, shares)) {
        note_inputs(c, fold.program, shares);
    } else {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to try columns");
    }
    take_best(c);
    tm__mem_free(shares);
    tm__model_free(model);
    tm__fold_done(&fold);
    return st;
}

static tm_status try_words(crosses *c, char *words, double *out_gain, tm_err *err) {
    c->exprs[c->n_exprs++] = words;
    const tm_status st = try_once(c, err);
    c->n_exprs--;
    *out_gain = st == TM_OK ? gain_of(c) : 0;
    return st;
}

static void keep(crosses *c, uint32_t i, double gain) {
    c->exprs[c->n_exprs++] = c->tries[i];
    c->kept[c->n_kept] = c->tries[i];
    c->kept_gains[c->n_kept++] = gain;
    c->gains[i] = 0;
}

/* Each alone; then the best, and what adds to it, by what each was worth alone. */
static tm_status choose(crosses *c, tm_err *err) {
    const uint32_t n_before = c->n_kept;
    for (uint32_t i = 0; i < c->n_tries; i++) {
        tm__ctx_progress(c->ctx, "crosses", i, c->n_tries, NULL);
        TM_TRY(try_words(c, c->tries[i], &c->gains[i], err));
    }
    while (c->n_kept < n_before + KEPT_MAX) {
        uint32_t best = 0;
        double gain = 0;
        for (uint32_t i = 1; i < c->n_tries; i++) {
            best = c->gains[i] > c->gains[best] ? i : best;
        }
        if (c->n_tries == 0 || c->gains[best] == 0) {
            break;
        }
        TM_TRY(try_words(c, c->tries[best], &gain, err));
        if (gain > 0) {
            take_best(c);
            keep(c, best, gain);
        } else {
            c->gains[best] = 0;
        }
    }
    return TM_OK;
}

/* Whether a feature comes from a try: `"a/b" = ...` gives a/b, a/b.mean. */
static bool is_from(const char *feature, const char *words) {
    size_t at = 0, w = 1; /* behind the quotation mark */
    for (; words[w] != '"' || words[w + 1] == '"'; at++, w += words[w] == '"' ? 2 : 1) {
        if (feature[at] != words[w]) {
            return false;
        }
    }
    return feature[at] == '\0' || feature[at] == '.';
}

/* The most used tries come first, and the others go. */
static void sort_tries(crosses *c, double *worth) {
    for (uint32_t place = 0; place < KEPT_MAX && place < c->n_tries; place++) {
        uint32_t best = place;
        for (uint32_t i = place + 1; i < c->n_tries; i++) {
            best = worth[i] > worth[best] ? i : best;
        }
        char *const words = c->tries[best];
        c->tries[best] = c->tries[place];
        c->tries[place] = words;
        worth[best] = worth[place];
    }
    for (uint32_t i = KEPT_MAX; i < c->n_tries; i++) {
        tm__mem_free(c->tries[i]);
    }
    c->n_tries = c->n_tries < KEPT_MAX ? c->n_tries : KEPT_MAX;
}

/* Of many, those that a fit with all of them uses most. */
static tm_status thin_tries(crosses *c, tm_err *err) {
    tm_fold fold;
    tm_model *model = NULL;
    const uint32_t n_before = c->n_exprs;
    if (c->n_tries <= KEPT_MAX) {
        return TM_OK;
    }
    for (uint32_t i = 0; i < c->n_tries; i++) {
        c->exprs[c->n_exprs++] = c->tries[i];
    }
    tm__ctx_progress(c->ctx, "crosses", 0, 0, NULL);
    const tm_status st = try_exprs(c, &fold, &model, err);
    c->n_exprs = n_before;
    TM_TRY(st);
    const uint32_t n = tm__program_features(fold.program);
    double *shares = tm__mem_zalloc((size_t)n + 1, sizeof(double));
    double worth[TRIES_MAX] = {0};
    if (shares != NULL && model->ops->importance != NULL) {
        model->ops->importance(model, shares);
        for (uint32_t f = 0; f < n; f++) {
            for (uint32_t i = 0; i < c->n_tries; i++) {
                const bool is_it = is_from(tm__program_feature(fold.program, f)->name, c->tries[i]);
                worth[i] += is_it ? shares[f] : 0;
            }
        }
        sort_tries(c, worth);
    }
    tm__model_free(model);
    tm__fold_done(&fold);
    const bool ok = shares != NULL;
    tm__mem_free(shares);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to try columns");
}

static void forget_tries(crosses *c) {
    for (uint32_t i = 0; i < c->n_tries; i++) {
        bool is_kept = false;
        for (uint32_t k = 0; k < c->n_kept; k++) {
            is_kept = is_kept || c->kept[k] == c->tries[i];
        }
        if (!is_kept) {
            tm__mem_free(c->tries[i]);
        }
        c->tries[i] = NULL;
        c->gains[i] = 0;
    }
    c->n_tries = 0;
}

/* ---- The whole ---- */

static const tm_model_ops *boosting_of(const tm_search *search) {
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        if (strcmp(search->candidates[i].ops->name, "gbdt") == 0) {
            return search->candidates[i].ops;
        }
    }
    return NULL;
}

static bool is_wanted(const tm_ctx *ctx, const tm_search *search) {
    const tm_train_options *o = search->options;
    const tm_train_data *data = search->data;
    return !o->has_no_crosses && o->base == NULL && !o->is_trial && !tm__train_has_rules(o) &&
           data->score == UINT32_MAX && data->task != TM_TASK_RANKING &&
           data->n_train >= ROWS_MIN && data->n_classes <= CLASSES_MAX && ctx->memory_limit == 0 &&
           (o->budget_ms == 0 || o->budget_ms >= BUDGET_MIN_MS) &&
           (o->work == 0 || o->work >= WORK_MIN) && boosting_of(search) != NULL;
}

static tm_status init(crosses *c, tm_err *err) {
    const tm_train_data *data = c->search->data;
    uint64_t n = data->n_train < ROWS_MAX ? data->n_train : ROWS_MAX;
    const uint64_t most = CELLS_MAX / data->schema.n_cols;
    n = n < most ? n : most;
    uint32_t *rows = tm__mem_alloc(n + 1, sizeof(uint32_t));
    c->exprs = tm__mem_alloc((size_t)data->n_exprs + 2 * KEPT_MAX + TRIES_MAX, sizeof(*c->exprs));
    if (rows == NULL || c->exprs == NULL) {
        tm__mem_free(rows);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to try columns");
    }
    for (uint64_t i = 0; i < n; i++) {
        rows[i] = data->train[i * data->n_train / n];
    }
    const tm_fold_cut cut = {.n_folds = 1, .seed = c->search->options->seed};
    const tm_status st = tm__fold_rows_init(&c->rows, data, rows, n, &cut, err);
    tm__mem_free(rows);
    TM_TRY(st);
    c->loss = tm__mem_alloc(c->rows.n_valid + 1, sizeof(double));
    c->best = tm__mem_alloc(c->rows.n_valid + 1, sizeof(double));
    if (c->loss == NULL || c->best == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to try columns");
    }
    for (uint32_t i = 0; i < data->n_exprs; i++) {
        c->exprs[c->n_exprs++] = data->exprs[i];
    }
    tm__params_init(c->ops, &c->params);
    for (size_t i = 0; i < sizeof(trial_params) / sizeof(trial_params[0]); i++) {
        TM_TRY(tm__params_set(c->ops, &c->params, trial_params[i][0], trial_params[i][1], err));
    }
    return TM_OK;
}

static tm_status run(crosses *c, tm_err *err) {
    if (c->rows.n_valid < VALID_MIN || c->rows.n_fit < ROWS_MIN - ROWS_MIN / 4) {
        return TM_OK;
    }
    TM_TRY(try_plain(c, err));
    TM_TRY(list_keys(c, err));
    TM_TRY(thin_tries(c, err));
    TM_TRY(choose(c, err));
    forget_tries(c);
    TM_TRY(list_pairs(c, err));
    TM_TRY(thin_tries(c, err));
    TM_TRY(choose(c, err));
    forget_tries(c);
    return TM_OK;
}

static json_t *record_of(const crosses *c) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < c->n_kept; i++) {
        json_array_append_new(list, json_pack("{s:s, s:o}", "feature", c->kept[i], "gain",
                                              tm__json_number(c->kept_gains[i])));
    }
    return list;
}

/* What was kept goes to the run. */
static tm_status give(crosses *c, tm_train_data *data, tm_err *err) {
    const uint32_t n = data->n_exprs;
    const char **exprs = tm__mem_alloc((size_t)n + c->n_kept + 1, sizeof(*exprs));
    char **made = tm__mem_alloc((size_t)c->n_kept + 1, sizeof(*made));
    if (exprs == NULL || made == NULL) {
        tm__mem_free((void *)exprs);
        tm__mem_free(made);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for features");
    }
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = data->exprs[i];
    }
    for (uint32_t i = 0; i < c->n_kept; i++) {
        exprs[n + i] = made[i] = c->kept[i];
    }
    tm__mem_free((void *)data->exprs);
    data->exprs = exprs;
    data->n_exprs = n + c->n_kept;
    data->crosses = made;
    data->n_crosses = c->n_kept;
    c->n_kept = 0;
    return TM_OK;
}

tm_status tm__train_crosses(tm_ctx *ctx, tm_search *search, json_t **out, tm_err *err) {
    if (!is_wanted(ctx, search)) {
        return TM_OK;
    }
    crosses c = {.ctx = ctx, .search = search, .data = *search->data};
    tm_budget *const budget = ctx->budget;
    struct tm_checkpoint *const checkpoint = ctx->checkpoint;
    c.ops = boosting_of(search);
    ctx->budget = NULL;
    ctx->checkpoint = NULL;
    tm_status st = init(&c, err);
    st = st == TM_OK ? run(&c, err) : st;
    json_t *record = st == TM_OK ? record_of(&c) : NULL;
    st = st == TM_OK ? give(&c, search->data, err) : st;
    ctx->budget = budget;
    ctx->checkpoint = checkpoint;
    forget_tries(&c);
    for (uint32_t i = 0; i < c.n_kept; i++) {
        tm__mem_free(c.kept[i]);
    }
    tm__fold_rows_done(&c.rows);
    tm__mem_free((void *)c.exprs);
    tm__mem_free(c.loss);
    tm__mem_free(c.best);
    return tm__json_give(st, record, out, err);
}
