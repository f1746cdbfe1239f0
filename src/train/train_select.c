/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Which inputs a search goes without, decided on one fold of at most ROWS_MAX training rows
 * and never on test rows:
 *
 *   repeats   an input whose features have the bits of another's
 *   clusters  numbers that are all but a line of another one
 *   no worth  an input that held-out rows do not miss when its values are dealt out anew (Breiman
 *             2001), and whose share of the gain is no more than it gets from a shuffled target
 *             (Altmann et al. 2010, doi:10.1093/bioinformatics/btq134)
 *
 * The last two are suspects, not proof: small boosting and the linear learner are fitted without
 * them, and when either scores worse on the held-out rows they stay. Nothing here says which column
 * is important; that is for the report of the final model.
 *
 * All of it costs at most a twentieth of the budget. When the clock cuts a fit short, nothing is
 * left out.
 */
#include "train/train_select.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"
#include "train/train_alike.h"

enum {
    ROWS_MAX = 10000,
    ROWS_LEAST = 2000, /* fewer held-out rows do not know what they miss */
    INPUTS_LEAST = 3,
    REPEATS = 3,
    CLOCK_INPUTS = 64, /* that are measured between two looks at the clock */
    NULLS = 2,
    TREES = 60,
    FITS = 10 /* of boosting, or as much as one, at the most */
};
#define BUDGET_SHARE 0.05
#define CHANCE 2.0             /* standard deviations */
#define BUDGET_LEAST_MS 10000u /* less time is better spent on the search */

typedef struct input_worth {
    bool is_candidate; /* may be left out at all */
    uint32_t twin;     /* input that it repeats or follows; UINT32_MAX: none */
    bool is_repeat;
    double loses, spread;
    double chance; /* what is no loss yet */
    double share, null_share;
    bool is_out;
} input_worth;

typedef struct select_job {
    tm_ctx *ctx;
    tm_search *search;
    tm_fold fold;
    tm_view x, x_valid;
    uint32_t n_inputs;
    tm_input_features index;
    input_worth *inputs; /* [n_inputs] */
    double *y;           /* [n] targets of a fit */
    double *pred;        /* [n_valid x outputs] */
    double *moved;       /* [features of an input x n_valid] */
    double *shares;      /* [x.n_cols + 1] */
    const double **cols; /* [2 x x.n_cols] of training and validation rows */
    tm_feature *features;
    uint32_t *order; /* [n_valid], also of n */
} select_job;

/* ---- fits ---- */

/* Columns of the inputs that are in; returns how many. */
static uint32_t view_of(const select_job *job, const tm_view *from, const double **cols,
                        tm_view *out) {
    uint32_t n = 0;
    for (uint32_t f = 0; f < from->n_cols; f++) {
        if (!job->inputs[from->features[f].input].is_out) {
            cols[n] = from->cols[f];
            job->features[n++] = from->features[f];
        }
    }
    *out = *from;
    out->n_cols = n;
    out->cols = cols;
    out->features = job->features;
    return n;
}

static void params_of(const tm_model_ops *ops, tm_params *out) {
    static const struct {
        const char *name;
        double value;
    } own[] = {{"n_trees", TREES},
               {"max_leaves", 15},
               {"early_stopping", 0},
               {"l2", 1},
               {"strength", 1e-4}};
    tm__params_init(ops, out);
    for (uint32_t i = 0; ops->params[i].name != NULL; i++) {
        for (uint32_t k = 0; k < sizeof(own) / sizeof(own[0]); k++) {
            if (strcmp(ops->params[i].name, own[k].name) == 0) {
                out->values[i] = own[k].value;
            }
        }
    }
}

static tm_status fit(const select_job *job, const tm_model_ops *ops, const tm_view *x,
                     tm_model **out, tm_err *err) {
    const tm_train_data *data = job->search->data;
    const tm_fit_input in = {.task = data->task,
                             .n_classes = data->n_classes,
                             .x = x,
                             .y = job->y,
                             .weights = job->fold.weights,
                             .queries = job->fold.queries,
                             .seed = job->search->options->seed};
    tm_params params;
    params_of(ops, &params);
    return tm__model_fit(job->ctx, ops, &in, &params, out, err);
}

/* The deciding score on the held-out rows, more is better. */
static tm_status score(const select_job *job, const tm_model *model, const tm_view *x, double *out,
                       tm_err *err) {
    const tm_train_data *data = job->search->data;
    TM_TRY(tm__model_predict(job->ctx, model, x, job->pred, err));
    tm__model_link(tm__model_link_of(model), model->n_outputs, x->n_rows, job->pred);
    const tm_score_input in = {.task = data->task,
                               .n_classes = data->n_classes,
                               .n_rows = x->n_rows,
                               .y = job->fold.y_valid,
                               .pred = job->pred,
                               .weights = job->fold.weights_valid,
                               .groups = job->fold.queries_valid,
                               .threshold = 0.5};
    double value = 0;
    TM_TRY(tm__metric_score(job->search->metric, &in, &value, err));
    *out = tm__metric_gain(job->search->metric, value, 0);
    return TM_OK;
}

/* Fit and score with the inputs that are in. */
static tm_status try_inputs(const select_job *job, const tm_model_ops *ops, double *out,
                            tm_err *err) {
    tm_view x, valid;
    tm_model *model = NULL;
    memcpy(job->y, job->fold.y, job->fold.n * sizeof(double));
    (void)view_of(job, &job->x, job->cols, &x);
    (void)view_of(job, &job->x_valid, job->cols + job->x.n_cols, &valid);
    TM_TRY(fit(job, ops, &x, &model, err));
    const tm_status st = score(job, model, &valid, out, err);
    tm__model_free(model);
    return st;
}

/* ---- what is alike ---- */

static tm_status find_twins(select_job *job, tm_err *err) {
    tm_alike *alike = tm__mem_alloc((size_t)job->n_inputs + 1, sizeof(*alike));
    uint8_t *is_candidate = tm__mem_alloc((size_t)job->n_inputs + 1, 1);
    tm_status st = alike == NULL || is_candidate == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to select columns")
                       : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < job->n_inputs; i++) {
        is_candidate[i] = job->inputs[i].is_candidate;
    }
    if (st == TM_OK) {
        st = tm__train_alike(&job->x, &job->index, is_candidate, alike, err);
    }
    for (uint32_t i = 0; st == TM_OK && i < job->n_inputs; i++) {
        job->inputs[i].twin = alike[i].twin;
        job->inputs[i].is_repeat = alike[i].is_repeat;
    }
    tm__mem_free(alike);
    tm__mem_free(is_candidate);
    return st;
}

/* ---- what tells nothing ---- */

static void order_deal(select_job *job, const char *stage, uint64_t index, uint64_t n) {
    tm_rng rng = tm__rng_split(job->search->options->seed, stage, index);
    for (uint64_t i = 0; i < n; i++) { /* inside-out Fisher-Yates */
        const uint64_t j = tm__rng_below(&rng, i + 1);
        job->order[i] = job->order[j];
        job->order[j] = (uint32_t)i;
    }
}

/* What the score loses when an input's values are dealt out anew; job->cols are those of the rows,
 * and are so again afterwards. */
static tm_status input_permute(select_job *job, const tm_model *model, uint32_t input, double whole,
                               tm_err *err) {
    const uint64_t n = job->x_valid.n_rows;
    double sum = 0, squares = 0;
    for (uint32_t r = 0; r < REPEATS; r++) {
        tm_view x = job->x_valid;
        double after = 0;
        const uint32_t first = job->index.starts[input];
        order_deal(job, "select.permute", (uint64_t)input * REPEATS + r, n);
        for (uint32_t k = first; k < job->index.starts[input + 1]; k++) {
            const uint32_t f = job->index.list[k];
            double *moved = job->moved + (k - first) * n;
            for (uint64_t i = 0; i < n; i++) {
                moved[i] = x.cols[f][job->order[i]];
            }
            job->cols[f] = moved;
        }
        x.cols = job->cols;
        const tm_status st = score(job, model, &x, &after, err);
        for (uint32_t k = first; k < job->index.starts[input + 1]; k++) {
            job->cols[job->index.list[k]] = job->x_valid.cols[job->index.list[k]];
        }
        TM_TRY(st);
        sum += whole - after;
        squares += (whole - after) * (whole - after);
    }
    input_worth *own = &job->inputs[input];
    own->loses = sum / REPEATS;
    own->spread = tm__sqrt(fmax(squares / REPEATS - own->loses * own->loses, 0));
    return TM_OK;
}

/* Shares of the gain of a fit, by input; the most of several calls. */
static void shares_take(select_job *job, const tm_model *model, bool is_null) {
    model->ops->importance(model, job->shares);
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        double sum = 0;
        for (uint32_t k = job->index.starts[i]; k < job->index.starts[i + 1]; k++) {
            sum += job->shares[job->index.list[k]];
        }
        double *out = is_null ? &job->inputs[i].null_share : &job->inputs[i].share;
        *out = fmax(*out, sum);
    }
}

static tm_status measure(select_job *job, const tm_model_ops *ops, double *out_whole, tm_err *err) {
    tm_model *model = NULL;
    memcpy(job->y, job->fold.y, job->fold.n * sizeof(double));
    TM_TRY(fit(job, ops, &job->x, &model, err));
    shares_take(job, model, false);
    tm_status st = score(job, model, &job->x_valid, out_whole, err);
    memcpy(job->cols, job->x_valid.cols, job->x.n_cols * sizeof(*job->cols));
    for (uint32_t i = 0; i < job->n_inputs && st == TM_OK && !job->ctx->budget->is_cut; i++) {
        if (job->inputs[i].is_candidate) {
            st = input_permute(job, model, i, *out_whole, err);
        }
        if (i % CLOCK_INPUTS == CLOCK_INPUTS - 1) {
            (void)tm__ctx_spend(job->ctx, 0);
        }
    }
    tm__model_free(model);
    for (uint32_t k = 0; k < NULLS && st == TM_OK; k++) {
        model = NULL;
        order_deal(job, "select.null", k, job->fold.n);
        for (uint64_t i = 0; i < job->fold.n; i++) {
            job->y[i] = job->fold.y[job->order[i]];
        }
        st = fit(job, ops, &job->x, &model, err);
        if (st == TM_OK) {
            shares_take(job, model, true);
        }
        tm__model_free(model);
    }
    return st;
}

static bool tells_nothing(const input_worth *own) {
    return own->is_candidate && own->loses <= own->chance && own->share <= own->null_share;
}

/* What a column that tells nothing is missed by chance: as far above nothing as others are below
 * it. To leave out only those that chance put below would keep the lucky ones, of which a search
 * on the same rows then thinks too well. */
static void measure_chance(select_job *job) {
    double squares = 0, n = 0;
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        const input_worth *own = &job->inputs[i];
        if (own->is_candidate && own->loses < 0 && own->share <= own->null_share) {
            squares += own->loses * own->loses;
            n++;
        }
    }
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        job->inputs[i].chance = n > 0 ? CHANCE * tm__sqrt(squares / n) : 0;
    }
}

/* ---- the decision ---- */

/* Inputs that tell nothing and are less missed than this one. */
static uint32_t silent_before(const select_job *job, uint32_t input) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        const double a = job->inputs[i].loses, b = job->inputs[input].loses;
        n += tells_nothing(&job->inputs[i]) && (a < b || (a == b && i < input));
    }
    return n;
}

/* Which suspects go: repeats always, and of those that tell nothing the given share that is missed
 * least. Returns how many inputs are out. */
static uint32_t put_out(select_job *job, bool with_clusters, double silent) {
    uint32_t n = 0, n_in = 0, n_silent = 0;
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        n_silent += tells_nothing(&job->inputs[i]);
    }
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        input_worth *own = &job->inputs[i];
        const bool has_twin = own->twin != UINT32_MAX && (own->is_repeat || with_clusters);
        const bool is_silent =
            silent > 0 && tells_nothing(own) && silent_before(job, i) < silent * (double)n_silent;
        own->is_out = has_twin || is_silent;
        n += own->is_out;
        n_in += !own->is_out && own->is_candidate;
    }
    return n_in > 0 ? n : 0; /* when all are silent nothing is gained by asking fewer of them */
}

static void put_back(select_job *job) {
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        job->inputs[i].is_out = false;
    }
}

/* Whether what is in scores no worse than all: by each learner that takes part. */
static tm_status holds(const select_job *job, const double *whole, bool *out, tm_err *err) {
    static const char *const learners[] = {"gbdt", "linear"};
    *out = true;
    for (uint32_t i = 0; i < 2 && *out; i++) {
        double without = 0;
        if (!isnan(whole[i])) {
            TM_TRY(try_inputs(job, tm__model_find(learners[i]), &without, err));
            *out = without >= whole[i];
        }
    }
    return TM_OK;
}

/* Score of the linear learner with all columns, where the search would try it; else NaN. */
static tm_status score_linear(select_job *job, double *out, tm_err *err) {
    bool is_there = false;
    for (uint32_t c = 0; c < job->search->n_candidates; c++) {
        is_there = is_there || strcmp(job->search->candidates[c].ops->name, "linear") == 0;
    }
    *out = tm__nan();
    put_back(job);
    return is_there ? try_inputs(job, tm__model_find("linear"), out, err) : TM_OK;
}

static tm_status decide(select_job *job, tm_selection *out, tm_err *err) {
    static const struct {
        bool clusters;
        double silent;
    } tries[] = {{true, 1}, {true, 0.5}, {false, 0.5}, {true, 0}};
    double whole[2] = {0, tm__nan()};
    bool is_kept = false;
    uint32_t n_before = UINT32_MAX;
    TM_TRY(find_twins(job, err));
    TM_TRY(measure(job, tm__model_find("gbdt"), &whole[0], err));
    measure_chance(job);
    const uint32_t n_repeats = put_out(job, false, 0);
    for (uint32_t k = 0; k < sizeof(tries) / sizeof(tries[0]) && !is_kept; k++) {
        const uint32_t n = put_out(job, tries[k].clusters, tries[k].silent);
        if (n <= n_repeats || n == n_before) {
            continue; /* nothing more than repeats, or what has failed already */
        }
        if (n_before == UINT32_MAX) {
            TM_TRY(score_linear(job, &whole[1], err));
            (void)put_out(job, tries[k].clusters, tries[k].silent);
        }
        n_before = n;
        TM_TRY(holds(job, whole, &is_kept, err));
    }
    out->was_worse = !is_kept && n_before != UINT32_MAX;
    if (!is_kept && put_out(job, false, 0) == 0) {
        put_back(job);
    }
    return TM_OK;
}

/* ---- the record ---- */

static const char *name_of(const select_job *job, uint32_t input) {
    return tm__program_schema(job->fold.program)->cols[input].name;
}

static tm_status leave_out(select_job *job, tm_selection *out, tm_err *err) {
    tm_train_data *data = job->search->data;
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        const input_worth *own = &job->inputs[i];
        char why[TM_MAX_NAME + 96];
        const uint32_t col =
            own->is_out ? tm__table_find(data->table, name_of(job, i)) : UINT32_MAX;
        if (col == UINT32_MAX || tm__train_is_read(data, col)) {
            continue;
        }
        if (own->twin != UINT32_MAX) {
            (void)snprintf(why, sizeof(why),
                           own->is_repeat ? "repeats column '%s'" : "says what column '%s' says",
                           name_of(job, own->twin));
        } else {
            (void)snprintf(why, sizeof(why),
                           "held-out rows do not miss it, and a shuffled target uses it as much");
        }
        tm__mem_free(data->schema.cols[col].reason);
        data->schema.cols[col].role = TM_ROLE_DROPPED;
        data->schema.cols[col].reason = tm__mem_strdup(why);
        if (data->schema.cols[col].reason == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the reasons of a selection");
        }
        json_array_append_new(out->dropped,
                              json_pack("{s:s, s:s, s:o, s:o, s:o}", "column", name_of(job, i),
                                        "reason", why, "loses", tm__json_number(own->loses),
                                        "share", tm__json_number(own->share), "null_share",
                                        tm__json_number(own->null_share)));
    }
    return TM_OK;
}

json_t *tm__selection_to_json(const tm_selection *selection) {
    return json_pack("{s:s, s:s, s:I, s:I, s:O}", "mode", selection->is_off ? "off" : "auto",
                     "outcome", selection->outcome, "rows", (json_int_t)selection->n_rows,
                     "validation_rows", (json_int_t)selection->n_valid, "dropped",
                     selection->dropped);
}

void tm__selection_done(tm_selection *selection) {
    json_decref(selection->dropped);
    *selection = (tm_selection){0};
}

/* ---- a run ---- */

/* Inputs that may be left out: features that no person spoke of. */
static void inputs_fill(select_job *job) {
    const tm_schema *schema = tm__program_schema(job->fold.program);
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        input_worth *own = &job->inputs[i];
        *own = (input_worth){.twin = UINT32_MAX};
        own->is_candidate = schema->cols[i].role == TM_ROLE_FEATURE &&
                            tm__program_term_input(job->fold.program) != i;
        own->is_candidate = own->is_candidate && job->index.starts[i + 1] > job->index.starts[i];
    }
}

static tm_status job_alloc(select_job *job, tm_err *err) {
    const uint64_t n = job->fold.n, n_valid = job->fold.n_valid;
    const size_t n_cols = job->x.n_cols;
    uint32_t n_most = 1; /* features of one input */
    job->n_inputs = tm__program_inputs(job->fold.program);
    TM_TRY(tm__input_features_init(&job->x, job->n_inputs, &job->index, err));
    for (uint32_t i = 0; i < job->n_inputs; i++) {
        const uint32_t n_own = job->index.starts[i + 1] - job->index.starts[i];
        n_most = n_own > n_most ? n_own : n_most;
    }
    job->inputs = tm__mem_zalloc(job->n_inputs, sizeof(*job->inputs));
    job->y = tm__mem_alloc(n, sizeof(double));
    job->pred = tm__mem_alloc(n_valid * tm__train_outputs(job->search->data), sizeof(double));
    job->moved = tm__mem_alloc(n_most * n_valid, sizeof(double));
    job->shares = tm__mem_alloc(n_cols + 1, sizeof(double));
    job->cols = tm__mem_alloc(2 * n_cols, sizeof(*job->cols));
    job->features = tm__mem_alloc(n_cols, sizeof(*job->features));
    job->order = tm__mem_alloc(n > n_valid ? n : n_valid, sizeof(uint32_t));
    const bool ok = job->inputs != NULL && job->y != NULL && job->pred != NULL &&
                    job->moved != NULL && job->shares != NULL && job->cols != NULL &&
                    job->features != NULL && job->order != NULL;
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to select columns");
}

static void job_done(select_job *job) {
    tm__input_features_done(&job->index);
    tm__mem_free(job->inputs);
    tm__mem_free(job->y);
    tm__mem_free(job->pred);
    tm__mem_free(job->moved);
    tm__mem_free(job->shares);
    tm__mem_free((void *)job->cols);
    tm__mem_free(job->features);
    tm__mem_free(job->order);
    tm__fold_done(&job->fold);
}

/* Rows that the budget has room for; 0: too few. */
static uint64_t rows_for(const tm_search *search, const tm_budget *budget) {
    const uint64_t n_cols = search->data->schema.n_cols;
    const uint64_t a_row = n_cols * TREES * FITS * tm__train_outputs(search->data);
    uint64_t n = ROWS_MAX;
    if (budget->work_limit > 0) {
        const uint64_t left =
            budget->work_limit > budget->work_used ? budget->work_limit - budget->work_used : 0;
        const uint64_t room = (uint64_t)((double)left * BUDGET_SHARE) / a_row;
        n = room < n ? room : n;
    }
    return n >= ROWS_LEAST ? n : 0;
}

/* Why there is no selection; NULL: nothing speaks against it. */
static const char *why_not(const tm_search *search, uint64_t n_rows) {
    const tm_train_options *options = search->options;
    uint32_t n_inputs = 0;
    for (uint32_t c = 0; c < search->data->schema.n_cols; c++) {
        n_inputs += search->data->schema.cols[c].role == TM_ROLE_FEATURE;
    }
    return !options->selects                    ? "not asked for"
           : n_inputs < INPUTS_LEAST            ? "there are too few columns"
           : options->base != NULL              ? "the model to go on from has its columns"
           : tm__train_has_rules(options)       ? "there are rules of columns"
           : options->init_score != NULL        ? "training starts from scores"
           : search->data->n_exprs > 0          ? "expressions read the columns"
           : search->data->n_train < ROWS_LEAST ? "there are too few rows"
           : options->budget_ms > 0 && options->budget_ms < BUDGET_LEAST_MS
               ? "the time is better spent on the search"
           : n_rows == 0 ? "the work is better spent on the search"
                         : NULL;
}

static tm_status fold_make(select_job *job, uint64_t n_max, tm_err *err) {
    const tm_train_data *data = job->search->data;
    const uint64_t seed = job->search->options->seed;
    const tm_fold_cut cut = {.n_folds = 1, .seed = seed};
    tm_fold_rows part = {0};
    uint32_t *rows = tm__mem_alloc(data->n_train, sizeof(uint32_t));
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to select columns");
    }
    const uint64_t n = tm__rung_sample(data, seed, n_max, rows);
    tm_status st = tm__fold_rows_init(&part, data, rows, n, &cut, err);
    if (st == TM_OK) {
        st = tm__fold_check(data, &part, err);
    }
    if (st == TM_OK) {
        st = tm__fold_init(job->ctx, &job->fold, data, &part, seed, err);
    }
    tm__fold_rows_done(&part);
    tm__mem_free(rows);
    return st;
}

static tm_status select_run(select_job *job, uint64_t n_max, tm_selection *out, tm_err *err) {
    TM_TRY(fold_make(job, n_max, err));
    job->x = tm__fold_view(&job->fold, job->fold.x);
    job->x_valid = tm__fold_view(&job->fold, job->fold.x_valid);
    out->n_rows = job->fold.n;
    out->n_valid = job->fold.n_valid;
    TM_TRY(job_alloc(job, err));
    inputs_fill(job);
    TM_TRY(decide(job, out, err));
    if (job->ctx->budget->is_cut) {
        out->outcome = "the budget ended before it was done: all columns stay";
        return TM_OK;
    }
    TM_TRY(leave_out(job, out, err));
    out->outcome = json_array_size(out->dropped) > 0 && !out->was_worse
                       ? "without these columns held-out rows score no worse"
                   : json_array_size(out->dropped) > 0
                       ? "repeats are left out; without more held-out rows score worse"
                   : out->was_worse ? "without the suspects held-out rows score worse: they stay"
                                    : "every column tells something";
    return TM_OK;
}

tm_status tm__train_select(tm_ctx *ctx, tm_search *search, tm_selection *out, tm_err *err) {
    tm_budget *const whole = ctx->budget;
    const uint64_t n_max = rows_for(search, whole);
    tm_selection selection = {.is_off = !search->options->selects, .dropped = json_array()};
    if (selection.dropped == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to select columns");
    }
    selection.outcome = why_not(search, n_max);
    if (selection.outcome != NULL) {
        *out = selection;
        return TM_OK;
    }
    tm_budget part = tm__budget_part(whole, BUDGET_SHARE);
    struct tm_checkpoint *const checkpoint = ctx->checkpoint;
    select_job job = {.ctx = ctx, .search = search};
    tm__ctx_progress(ctx, "select", 0, 1, NULL);
    ctx->checkpoint = NULL; /* seconds: done again after a kill */
    ctx->budget = &part;
    const tm_status st = select_run(&job, n_max, &selection, err);
    ctx->budget = whole;
    ctx->checkpoint = checkpoint;
    whole->work_used += part.work_used;
    job_done(&job);
    if (st != TM_OK) {
        tm__selection_done(&selection);
        return st;
    }
    *out = selection;
    return TM_OK;
}
