/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training of models that answer together by shares that are given.
 *
 *   rows by age ─┬─ older, a gap, the newest fifth ──> each part on its run of the older ──>
 * answers │                                     for the newest: threshold, calibration └─ all ──>
 * each part on its run ──> the model
 *
 * Features are those of all rows of a fold, and a part learns from a run of them, so that one
 * program makes them for all parts. A run whose rows have one class teaches nothing: its part is
 * left out, and the others answer for it.
 */
#include "train/train_mixture.h"

#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/blend/blend.h"
#include "train/train_search_priv.h"

#define VALID_ROWS_MIN 200u /* to hold out, as far as a fifth of the rows reaches; */
#define VALID_PARTS 5u      /* no more than that */
#define VALID_LEAST 20u     /* of fewer, nothing is held out */
#define RUN_ROWS_MIN 20u    /* of a run; fewer teach nothing */

/* ---- what is recorded ---- */

static json_t *params_json(const tm_mixture_part *part) {
    json_t *const json = json_object();
    for (const char *const *p = part->params; p != NULL && *p != NULL; p += 2) {
        json_object_set_new(json, p[0], json_string(p[1]));
    }
    return json;
}

static void set_count(json_t *json, const char *name, uint64_t n) {
    if (n > 0) {
        json_object_set_new(json, name, json_integer((json_int_t)n));
    }
}

json_t *tm__mixture_json(const tm_mixture_part *parts, uint32_t n, uint64_t ahead) {
    json_t *const list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_t *const entry =
            json_pack("{s:s, s:o}", "learner", parts[i].learner, "params", params_json(&parts[i]));
        set_count(entry, "rows", parts[i].rows);
        set_count(entry, "passed", parts[i].passed);
        set_count(entry, "half_life", parts[i].half_life);
        json_object_set_new(entry, "share", tm__json_number(parts[i].share));
        json_array_append_new(list, entry);
    }
    return json_pack("{s:o, s:I}", "parts", list, "ahead", (json_int_t)ahead);
}

/* ---- parts ---- */

/* Beside the candidate of the same number. */
typedef struct run_of {
    uint64_t rows, passed, half_life;
    double share;
} run_of;

static tm_status no_mixture(tm_err *err) {
    return TM_FAIL(err, TM_E_DATA, "the record names no models that answer together");
}

static bool read_count(const json_t *entry, const char *name, uint64_t *out) {
    const int64_t n = tm__json_i64(entry, name, 0);
    *out = (uint64_t)n;
    return n >= 0 && n <= (int64_t)TM_MAX_ROWS;
}

static tm_status read_run(const json_t *entry, run_of *out, tm_err *err) {
    out->share = tm__json_f64(entry, "share", 0.0);
    return read_count(entry, "rows", &out->rows) && read_count(entry, "passed", &out->passed) &&
                   read_count(entry, "half_life", &out->half_life) && out->share > 0.0 &&
                   out->share <= 1.0
               ? TM_OK
               : no_mixture(err);
}

static tm_status read_candidate(const json_t *entry, tm_candidate *out, tm_err *err) {
    const char *name = NULL;
    json_t *value = NULL;
    out->ops = tm__model_find(tm__json_text(entry, "learner", ""));
    if (out->ops == NULL) {
        return no_mixture(err);
    }
    tm__params_init(out->ops, &out->params);
    json_object_foreach(json_object_get(entry, "params"), name, value) {
        const char *const text = json_string_value(value);
        TM_TRY(text == NULL ? no_mixture(err)
                            : tm__params_set(out->ops, &out->params, name, text, err));
    }
    return TM_OK;
}

static tm_status read_parts(tm_search *search, run_of *out, tm_err *err) {
    const json_t *const parts = json_object_get(search->options->mixture, "parts");
    const size_t n = json_array_size(parts);
    if (n == 0 || n > TM_MIXTURE_MAX) {
        return no_mixture(err);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *const entry = json_array_get(parts, i);
        TM_TRY(read_run(entry, &out[i], err));
        search->candidates[i] = (tm_candidate){.score = tm__nan()};
        TM_TRY(read_candidate(entry, &search->candidates[i], err));
    }
    search->n_candidates = (uint32_t)n;
    return TM_OK;
}

tm_status tm__mixture_check(const tm_train_options *options, tm_task task, tm_err *err) {
    if (task == TM_TASK_RANKING || options->group != NULL || options->init_score != NULL ||
        tm__train_has_rules(options)) {
        const tm_status st = TM_FAIL(err, TM_E_UNSUPPORTED,
                                     "models of several windows keep no rules, and rank nothing");
        tm_err_hint(err, "A recipe with --monotone, --interact, --init-score or a group is learned "
                         "anew by itself.");
        return st;
    }
    return TM_OK;
}

tm_status tm__mixture_candidates(tm_search *search, tm_err *err) {
    run_of runs[TM_MIXTURE_MAX];
    TM_TRY(tm__mixture_check(search->options, search->data->task, err));
    return read_parts(search, runs, err);
}

/* ---- a fit ---- */

/* A run of the rows of a fold, which are in order of age. */
typedef struct slice {
    tm_view view;
    tm_sparse sparse;
    const double **cols; /* owned */
    double *weights;     /* owned; NULL: none */
    uint64_t begin, n;
} slice;

static void slice_done(slice *s) {
    tm__mem_free(s->cols);
    tm__mem_free(s->weights);
}

/* The newest rows are the newest of the fold; a run that passes over some is where it is, n_later
 * rows lying behind those of the fold. */
static void place_slice(const run_of *run, uint64_t n, uint64_t n_later, slice *out) {
    const uint64_t n_all = run->passed > 0 ? n + n_later : n;
    uint64_t end = run->passed < n_all ? n_all - run->passed : 0;
    uint64_t begin = run->rows > 0 && run->rows < end ? end - run->rows : 0;
    end = end < n ? end : n;
    begin = begin < end ? begin : end;
    out->begin = begin;
    out->n = end - begin;
}

static tm_status weigh(const tm_fold *fold, const run_of *run, slice *s, tm_err *err) {
    if (fold->weights == NULL && run->half_life == 0) {
        return TM_OK;
    }
    s->weights = tm__mem_alloc(s->n, sizeof(double));
    if (s->weights == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the weights");
    }
    for (uint64_t i = 0; i < s->n; i++) {
        s->weights[i] = fold->weights != NULL ? fold->weights[s->begin + i] : 1.0;
        if (run->half_life > 0) {
            s->weights[i] *= tm__age_weight((double)(s->n - 1 - i), (double)run->half_life);
        }
    }
    return TM_OK;
}

static tm_status cut_slice(const tm_fold *fold, const run_of *run, slice *s, tm_err *err) {
    const tm_view whole = tm__fold_view(fold, fold->x);
    s->cols = tm__mem_alloc((size_t)whole.n_cols + 1, sizeof(*s->cols));
    if (s->cols == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a run of rows");
    }
    for (uint32_t c = 0; c < whole.n_cols; c++) {
        s->cols[c] = whole.cols[c] + s->begin;
    }
    s->view = whole;
    s->view.cols = s->cols;
    s->view.n_rows = s->n;
    if (whole.sparse != NULL) {
        s->sparse = *whole.sparse;
        s->sparse.starts += s->begin;
        s->view.sparse = &s->sparse;
    }
    return weigh(fold, run, s, err);
}

static bool teaches(const tm_train_data *data, const tm_fold *fold, const slice *s) {
    bool varies = data->task == TM_TASK_REGRESSION;
    for (uint64_t i = 1; !varies && i < s->n; i++) {
        varies = fold->y[s->begin + i] != fold->y[s->begin];
    }
    return varies && s->n >= RUN_ROWS_MIN;
}

/* Runs of the rows of a fold, behind which lie others. */
typedef struct fit_of {
    const tm_fold *fold;
    const run_of *runs; /* [n_candidates] */
    uint64_t n_later;
} fit_of;

/* *out stays NULL where the run teaches nothing. */
static tm_status fit_part(tm_ctx *ctx, const tm_search *search, const fit_of *of, uint32_t part,
                          tm_model **out, tm_err *err) {
    const tm_train_data *const data = search->data;
    const tm_candidate *const c = &search->candidates[part];
    const tm_fold *const fold = of->fold;
    slice s = {0};
    *out = NULL;
    place_slice(&of->runs[part], fold->n, of->n_later, &s);
    if (!teaches(data, fold, &s)) {
        return TM_OK;
    }
    tm_status st = cut_slice(fold, &of->runs[part], &s, err);
    const tm_fit_input in = {.task = data->task,
                             .n_classes = data->n_classes,
                             .x = &s.view,
                             .y = fold->y + s.begin,
                             .weights = s.weights,
                             .seed = search->options->seed};
    st = st == TM_OK ? tm__model_fit(ctx, c->ops, &in, &c->params, out, err) : st;
    slice_done(&s);
    return st;
}

/* Shares of those that learned. TM_E_DATA when none did. */
static tm_status settle_shares(tm_search *search, const run_of *runs, tm_model *const *models,
                               tm_err *err) {
    double sum = 0.0;
    search->n_blend = 0;
    search->best = 0;
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        sum += models[i] != NULL ? runs[i].share : 0.0;
    }
    if (!(sum > 0.0)) {
        return TM_FAIL(err, TM_E_DATA, "no window of rows has two classes to learn from");
    }
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        tm_candidate *const c = &search->candidates[i];
        c->share = models[i] != NULL ? runs[i].share / sum : 0.0;
        search->n_blend += c->share > 0.0;
        search->best = c->share > search->candidates[search->best].share ? i : search->best;
    }
    return TM_OK;
}

static void free_models(tm_model **models, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        tm__model_free(models[i]);
        models[i] = NULL;
    }
}

/* Models of a fold [n_candidates], and their shares. Where rows are held out, who could not answer
 * them has no part in the end: their answers say where the threshold lies. */
static tm_status fit_parts(tm_ctx *ctx, tm_search *search, const fit_of *of, tm_model **models,
                           tm_err *err) {
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < search->n_candidates; i++) {
        tm__ctx_progress(ctx, "fit", i, search->n_candidates, NULL);
        if (search->n_valid == 0 || search->candidates[i].raw != NULL) {
            st = fit_part(ctx, search, of, i, &models[i], err);
        }
    }
    st = st == TM_OK ? settle_shares(search, of->runs, models, err) : st;
    if (st != TM_OK) {
        free_models(models, search->n_candidates);
    }
    return st;
}

/* ---- rows held out ---- */

/* What a part answers to the rows held out, and its score on them. */
static tm_status answer_held(tm_ctx *ctx, tm_search *search, const tm_rung *rung, uint32_t part,
                             const tm_model *model, tm_err *err) {
    const tm_fold *const fold = &rung->folds[0];
    tm_candidate *const c = &search->candidates[part];
    const tm_view x = tm__fold_view(fold, fold->x_valid);
    tm_trial_run trial = {.candidate = part, .n_folds = 1, .n_valid = fold->n_valid};
    trial.raw = tm__mem_alloc(fold->n_valid * tm__train_outputs(search->data), sizeof(double));
    if (trial.raw == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for validation answers");
    }
    c->link = tm__model_link_of(model);
    c->n_rounds = model->n_rounds;
    c->work = model->work_used;
    c->n_rows = rung->n_rows;
    c->n_folds = 1;
    tm_status st = tm__model_predict(ctx, model, &x, trial.raw, err);
    st = st == TM_OK ? tm__trial_score(search, rung, &trial, c->link, &c->score, err) : st;
    c->seconds = model->seconds_fit;
    c->raw = trial.raw;
    return st;
}

static tm_status answer_all(tm_ctx *ctx, tm_search *search, const tm_fold *fold,
                            tm_model *const *models, tm_err *err) {
    tm_rung rung = {.n_folds = 1, .folds[0] = *fold, .n_rows = fold->n + fold->n_valid};
    tm_status st = tm__rung_pool(&rung, err);
    for (uint32_t i = 0; st == TM_OK && i < search->n_candidates; i++) {
        st = models[i] != NULL ? answer_held(ctx, search, &rung, i, models[i], err) : TM_OK;
    }
    if (st == TM_OK) {
        search->rung_rows = rung.n_rows;
        search->has_best = true;
        tm__rung_take_truth(&rung, search);
        st = tm__blend_settle(search, err);
    }
    tm__mem_free(rung.y);
    tm__mem_free(rung.weights);
    tm__mem_free(rung.queries);
    return st;
}

/* Of one class in all windows, nothing is held out. */
static tm_status validate_on(tm_ctx *ctx, tm_search *search, const fit_of *of, tm_err *err) {
    tm_model *models[TM_MIXTURE_MAX] = {NULL};
    tm_err own = {0};
    tm_status st = fit_parts(ctx, search, of, models, &own);
    if (st == TM_OK) {
        st = answer_all(ctx, search, of->fold, models, err);
    } else if (st == TM_E_DATA) {
        st = TM_OK;
    } else if (err != NULL) {
        *err = own;
    }
    free_models(models, search->n_candidates);
    return st;
}

/* As many rows are held out as lie between what is learned and what is answered, behind a gap of
 * half as many, so that they lie as far from what is learned as those to come: a threshold of long
 * ago is of another world, and right behind what was learned all is easy. */
static uint64_t count_held(const tm_search *search, uint64_t n) {
    const int64_t ahead = tm__json_i64(search->options->mixture, "ahead", 0);
    const uint64_t most = n / VALID_PARTS;
    const uint64_t wanted = ahead > (int64_t)VALID_ROWS_MIN ? (uint64_t)ahead : VALID_ROWS_MIN;
    return wanted < most ? wanted : most;
}

static tm_status validate(tm_ctx *ctx, tm_search *search, const tm_fold_rows *all,
                          const run_of *runs, tm_err *err) {
    const uint64_t n_valid = count_held(search, all->n_fit),
                   n_fit = all->n_fit - n_valid - n_valid / 2;
    const tm_fold_rows rows = {.fit = all->fit,
                               .n_fit = n_fit,
                               .valid = all->fit + (all->n_fit - n_valid),
                               .n_valid = n_valid};
    tm_fold fold = {0};
    const fit_of of = {.fold = &fold, .runs = runs, .n_later = all->n_fit - n_fit};
    if (n_valid < VALID_LEAST) {
        return TM_OK;
    }
    TM_TRY(tm__fold_init(ctx, &fold, search->data, &rows, search->options->seed, err));
    const tm_status st = validate_on(ctx, search, &of, err);
    tm__fold_done(&fold);
    return st;
}

/* ---- the whole ---- */

static json_t *members_json(const tm_search *search, tm_model *const *models) {
    json_t *const list = json_array();
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        const tm_candidate *const c = &search->candidates[i];
        if (models[i] != NULL) {
            json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "learner", c->ops->name,
                                                  "share", tm__json_number(c->share), "params",
                                                  tm__params_to_json(c->ops, &c->params)));
        }
    }
    return json_pack("{s:o}", "members", list);
}

static tm_status join(const tm_search *search, tm_model **models, tm_final *out, tm_err *err) {
    tm_model *members[TM_MIXTURE_MAX];
    double shares[TM_MIXTURE_MAX];
    uint32_t n = 0;
    out->params = members_json(search, models);
    for (uint32_t i = 0; i < search->n_candidates; i++) {
        if (models[i] != NULL) {
            shares[n] = search->candidates[i].share;
            members[n++] = models[i];
            models[i] = NULL;
        }
    }
    const tm_status st = tm__blend_create(members, shares, n, &out->model, err);
    if (st != TM_OK) {
        free_models(members, n);
    }
    return st;
}

static tm_status fit_all(tm_ctx *ctx, tm_search *search, const tm_fold_rows *rows,
                         const run_of *runs, tm_final *out, tm_err *err) {
    tm_model *models[TM_MIXTURE_MAX] = {NULL};
    tm_fold fold = {0};
    const fit_of of = {.fold = &fold, .runs = runs};
    const uint64_t started = tm__mono_ns();
    TM_TRY(tm__final_fold(ctx, search, rows, &fold, err));
    out->seconds_features = (double)(tm__mono_ns() - started) * 1e-9;
    tm_status st = fit_parts(ctx, search, &of, models, err);
    st = st == TM_OK && search->n_valid > 0 ? tm__blend_settle(search, err) : st;
    st = st == TM_OK ? join(search, models, out, err) : st;
    if (st == TM_OK) {
        out->program = fold.program;
        fold.program = NULL;
    }
    free_models(models, search->n_candidates);
    tm__fold_done(&fold);
    return st;
}

/* Rows are in order of age, whether or not a column tells their time: neighbours are alike, and who
 * asks how sure a map of probabilities is has to know. */
tm_status tm__mixture_fit(tm_ctx *ctx, tm_search *search, tm_final *out, tm_err *err) {
    tm_train_data *const data = search->data;
    const char *const time = data->time != UINT32_MAX ? data->schema.cols[data->time].name : NULL;
    run_of runs[TM_MIXTURE_MAX];
    tm_fold_rows rows = {.fit = tm__mem_alloc(data->n_train, sizeof(uint32_t)),
                         .n_fit = data->n_train};
    memset(out, 0, sizeof(*out));
    data->is_time_ordered = true;
    if (rows.fit == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for rows in order");
    }
    memcpy(rows.fit, data->train, data->n_train * sizeof(uint32_t));
    tm_status st = tm__rows_by_age(data->table, time, rows.fit, rows.n_fit, err);
    st = st == TM_OK ? read_parts(search, runs, err) : st;
    st = st == TM_OK ? validate(ctx, search, &rows, runs, err) : st;
    st = st == TM_OK ? fit_all(ctx, search, &rows, runs, out, err) : st;
    tm__fold_rows_done(&rows);
    return st;
}
