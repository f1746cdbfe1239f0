/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoding of a model stays (cuts, means, levels, terms), and its weights move:
 *
 *     mean loss of the rows given + strength / 2 * |theta|^2
 *         + counts * W0 / W * 1/2 (theta - theta0)' (H0 + strength) (theta - theta0)
 *
 * theta0 are the weights of the model, H0 the Hessian of its loss there, by the rows that it stands
 * on (linear_pull.c), W0 and W the weight of those rows and of the rows given. With counts = 1 and
 * squared errors that is the fit on all rows together; with 0 one on the rows given alone; the more
 * it counts, the nearer to the model. A world that moves wants less than 1: what is best is looked
 * for on the validation rows, and no more is forgotten than they surely ask for.
 *
 * Invariants.
 * 1. What a row adds by the model is what it adds by theta0 in this file's encoding: columns are
 *    only scaled anew (spread and median are of the rows before, as far as they are at hand).
 * 2. A level or term that no row has is where it was.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/mem.h"
#include "model/linear/linear_priv.h"

#define COUNTS_OTHERWISE 0.5 /* without validation rows, as in an update of trees */
#define SEARCH_TOL 1e-4
#define RUNS 20u         /* of validation rows */
#define SURE 2.0         /* standard errors by which forgetting must be better */
#define WEIGHT_MIN 1e-12 /* of a level that the model knows and no row has: it stays known */

static const double counts_tried[] = {1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0};
#define N_COUNTS (sizeof(counts_tried) / sizeof(counts_tried[0]))

typedef struct update {
    tm_ctx *ctx;
    const tm_fit_input *in;
    const double *params;
    const tm_linear *from;
    const tm_view *x_before;
    const double *w_before;
    uint32_t *rows, *rows_before;
    uint64_t n_rows;
    double y_mean, y_sd;
    tm_linear_code code;
    tm_design design, before;
    double share; /* W0 / W */
    tm_pull pull;
    tm_solver *solver;
    double *theta;
    double counts;
    uint64_t work;
} update;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for an update of a linear model");
}

static size_t n_slots(const update *u) {
    return (size_t)u->code.n_dense + u->code.n_active;
}

static tm_design_spec spec_of(const update *u, bool is_before) {
    return (tm_design_spec){.in = u->in,
                            .x = is_before ? u->x_before : u->in->x,
                            .y = is_before ? NULL : u->in->y,
                            .weights = is_before ? u->w_before : u->in->weights,
                            .rows = is_before ? u->rows_before : u->rows,
                            .n_rows = is_before ? u->x_before->n_rows : u->n_rows,
                            .y_mean = u->y_mean,
                            .y_sd = u->y_sd,
                            .with_gradient = !is_before};
}

/* ---- what the model stands on ---- */

/* Second derivative of each row's loss by its raw score, at the model: in place of that. */
static void second_derivatives(tm_task task, uint64_t n_rows, uint32_t k, double *io) {
    if (task != TM_TASK_BINARY && task != TM_TASK_MULTICLASS) {
        for (uint64_t i = 0; i < n_rows * k; i++) {
            io[i] = 1.0;
        }
        return;
    }
    tm__model_link(task == TM_TASK_BINARY ? TM_LINK_SIGMOID : TM_LINK_SOFTMAX, k, n_rows, io);
    for (uint64_t i = 0; i < n_rows * k; i++) {
        io[i] *= 1.0 - io[i];
    }
}

static tm_status init_pull(update *u, tm_err *err) {
    const uint64_t n = u->x_before->n_rows;
    const uint32_t k = u->from->base.n_outputs;
    double *const second = tm__mem_alloc(n * k, sizeof(double));
    tm_status st = second != NULL ? TM_OK : no_memory(err);
    st = st == TM_OK ? tm__model_predict(u->ctx, &u->from->base, u->x_before, second, err) : st;
    if (st == TM_OK) {
        second_derivatives(u->in->task, n, k, second);
        st = tm__pull_init(&u->before, second, &u->pull, err);
    }
    tm__mem_free(second);
    u->pull.ridge = u->from->strength;
    return st;
}

static double weight_of(const double *weights, uint64_t n_rows) {
    double sum = 0.0;
    for (uint64_t i = 0; weights != NULL && i < n_rows; i++) {
        sum += weights[i];
    }
    return weights != NULL ? sum : (double)n_rows;
}

static void share_rows(update *u) {
    const tm_fit_before *const before = &u->in->before;
    const double n = (double)u->x_before->n_rows;
    const double w = weight_of(u->in->weights, u->in->x->n_rows);
    const double w_before =
        weight_of(u->w_before, u->x_before->n_rows) * (before->n_rows > 0 ? before->n_rows / n : 1);
    u->share = w > 0.0 ? w_before / w : 1.0;
}

/* ---- set up ---- */

static tm_status init_rows(update *u, tm_err *err) {
    const tm_fit_input *const in = u->in;
    const tm_fit_before *const before = &in->before;
    u->x_before = before->x != NULL ? before->x : in->x;
    u->w_before = before->x != NULL ? before->weights : in->weights;
    u->rows =
        tm__linear_rows(in->x->n_rows, (uint64_t)u->params[TM_LINEAR_ROWS], in->seed, &u->n_rows);
    u->rows_before = tm__mem_alloc(u->x_before->n_rows, sizeof(uint32_t));
    if (u->rows == NULL || u->rows_before == NULL) {
        return no_memory(err);
    }
    for (uint64_t i = 0; i < u->x_before->n_rows; i++) {
        u->rows_before[i] = (uint32_t)i;
    }
    tm__linear_target(in, u->rows, u->n_rows, &u->y_mean, &u->y_sd);
    share_rows(u);
    return TM_OK;
}

static tm_status init_solver(update *u, tm_err *err) {
    u->solver = tm__solver_create(u->ctx, &u->design);
    if (u->solver == NULL || (u->pull.curve != NULL && !tm__solver_curve(u->solver)) ||
        !tm__solver_pull(u->solver, &u->pull)) {
        return no_memory(err);
    }
    return TM_OK;
}

static tm_status init(update *u, tm_err *err) {
    TM_TRY(init_rows(u, err));
    const tm_design_spec given = spec_of(u, false), before = spec_of(u, true);
    TM_TRY(tm__linear_recode(u->ctx, u->from, &before, u->in->x, &u->code, err));
    TM_TRY(tm__design_create(u->ctx, &given, &u->code, &u->design, err));
    TM_TRY(tm__design_create(u->ctx, &before, &u->code, &u->before, err));
    TM_TRY(init_pull(u, err));
    u->theta = tm__mem_alloc(u->pull.n, sizeof(double));
    if (u->theta == NULL) {
        return no_memory(err);
    }
    const tm_linear_scale scale = {
        .from = u->from, .code = &u->code, .y_mean = u->y_mean, .y_sd = u->y_sd};
    tm__linear_read(&scale, u->pull.center);
    memcpy(u->theta, u->pull.center, u->pull.n * sizeof(double));
    return init_solver(u, err);
}

static void done(update *u) {
    tm__solver_free(u->solver);
    tm__pull_done(&u->pull);
    tm__design_done(&u->design);
    tm__design_done(&u->before);
    tm__linear_code_done(&u->code);
    tm__mem_free(u->rows);
    tm__mem_free(u->rows_before);
    tm__mem_free(u->theta);
}

/* ---- fits ---- */

static tm_status solve(update *u, double counts, double tol, tm_err *err) {
    const tm_solve_options options = {
        .strength = u->from->strength, .tol = tol, .iter_max = (uint32_t)u->params[TM_LINEAR_ITER]};
    uint32_t n_iterations = 0;
    u->pull.scale = counts * u->share;
    TM_TRY(tm__solver_run(u->ctx, u->solver, &options, u->theta, &n_iterations, &u->work, err));
    return tm__comm_status(u->ctx->comm, err);
}

/* Validation rows in runs, one after the other: errors come in runs, so a standard error of runs
 * does not flatter. */
typedef struct trial {
    uint32_t n_runs;
    tm_design designs[RUNS];
    tm_loss *losses[RUNS];
    uint32_t n_tried;
    double values[N_COUNTS][RUNS]; /* mean losses of the runs, by what rows before count */
} trial;

static void trial_done(trial *t) {
    for (uint32_t i = 0; i < t->n_runs; i++) {
        tm__loss_free(t->losses[i]);
        tm__design_done(&t->designs[i]);
    }
}

static tm_status trial_init(update *u, const uint32_t *rows, uint64_t n_rows, trial *out,
                            tm_err *err) {
    const tm_fit_input *const in = u->in;
    const uint32_t n_runs = n_rows < RUNS ? (uint32_t)n_rows : RUNS;
    *out = (trial){.n_runs = 0};
    while (out->n_runs < n_runs) {
        const uint32_t i = out->n_runs;
        const uint64_t begin = i * n_rows / n_runs, end = (i + 1) * n_rows / n_runs;
        const tm_design_spec spec = {.in = in,
                                     .x = in->x_valid,
                                     .y = in->y_valid,
                                     .weights = in->weights_valid,
                                     .rows = rows + begin,
                                     .n_rows = end - begin,
                                     .y_mean = u->y_mean,
                                     .y_sd = u->y_sd};
        TM_TRY(tm__design_create(u->ctx, &spec, &u->code, &out->designs[i], err));
        out->n_runs++;
        out->losses[i] = tm__loss_create(u->ctx, &out->designs[i]);
        if (out->losses[i] == NULL) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

static void trial_run(update *u, trial *t) {
    for (uint32_t i = 0; i < t->n_runs; i++) {
        t->values[t->n_tried][i] = tm__loss_eval(u->ctx, t->losses[i], u->theta, NULL);
        u->work += t->designs[i].work;
        (void)tm__ctx_spend(u->ctx, t->designs[i].work);
    }
    t->n_tried++;
}

/* Better than b by more than chance would have it. */
static bool is_surely_better(const trial *t, const double *a, const double *b) {
    const double n = t->n_runs;
    double sum = 0.0, squares = 0.0;
    for (uint32_t i = 0; i < t->n_runs; i++) {
        const double off = b[i] - a[i];
        sum += off;
        squares += off * off;
    }
    const double mean = sum / n;
    const double error = n > 1 ? sqrt(fmax(squares / n - mean * mean, 0.0) / (n - 1)) : 0.0;
    return mean > SURE * error;
}

static double mean_of(const trial *t, const double *values) {
    double sum = 0.0;
    for (uint32_t i = 0; i < t->n_runs; i++) {
        sum += values[i];
    }
    return sum / t->n_runs;
}

/* The most that is not surely worse than the best. */
static double choose_of(const trial *t) {
    uint32_t best = 0, most = 0;
    for (uint32_t i = 1; i < t->n_tried; i++) {
        best = mean_of(t, t->values[i]) < mean_of(t, t->values[best]) ? i : best;
    }
    while (most < best && is_surely_better(t, t->values[best], t->values[most])) {
        most++;
    }
    return counts_tried[most];
}

/* From what keeps the most to what keeps nothing, each from where the one before ended. */
static tm_status try_counts(update *u, trial *t, tm_err *err) {
    while (t->n_tried < N_COUNTS && (t->n_tried == 0 || !tm__ctx_is_spent(u->ctx))) {
        tm__ctx_progress(u->ctx, "fit", t->n_tried, N_COUNTS, "strength");
        TM_TRY(solve(u, counts_tried[t->n_tried], fmax(SEARCH_TOL, u->params[TM_LINEAR_TOL]), err));
        trial_run(u, t);
    }
    u->counts = choose_of(t);
    return TM_OK;
}

static tm_status choose_counts(update *u, tm_err *err) {
    const tm_fit_input *const in = u->in;
    uint64_t n_rows = 0;
    uint32_t *const rows = tm__linear_rows(in->x_valid->n_rows, (uint64_t)u->params[TM_LINEAR_ROWS],
                                           in->seed, &n_rows);
    trial *const t = tm__mem_zalloc(1, sizeof(*t));
    tm_status st = rows != NULL && t != NULL ? trial_init(u, rows, n_rows, t, err) : no_memory(err);
    st = st == TM_OK ? try_counts(u, t, err) : st;
    if (t != NULL) {
        trial_done(t);
    }
    tm__mem_free(t);
    tm__mem_free(rows);
    return st;
}

static tm_status move(update *u, tm_err *err) {
    u->counts = u->in->before.counts;
    if (isnan(u->counts)) {
        u->counts = COUNTS_OTHERWISE;
        if (u->in->x_valid != NULL && u->in->x_valid->n_rows > 0) {
            TM_TRY(choose_counts(u, err));
        }
        memcpy(u->theta, u->pull.center, u->pull.n * sizeof(double));
    }
    return solve(u, u->counts, u->params[TM_LINEAR_TOL], err);
}

/* ---- to a model ---- */

/* a of the rows given and b of those before, by how much each of them counts. */
static void pool(const update *u, const double *a, const double *b, size_t n, double *out) {
    const double before = u->counts * u->share;
    for (size_t i = 0; i < n; i++) {
        out[i] = (a[i] + before * b[i]) / (1.0 + before);
    }
}

static double mean_number(const tm_design *design, uint32_t j) {
    double sum = 0.0;
    for (uint64_t i = 0; i < design->n_rows; i++) {
        sum += design->w[i] * (double)design->numbers[j][i];
    }
    return sum;
}

/* What a number adds has mean 0 over all those rows. */
static void center_number(update *u, uint32_t j, double *squares) {
    tm_linear_col *const col = &u->code.cols[j];
    const size_t k = u->from->base.n_outputs;
    const double given = mean_number(&u->design, j), before = mean_number(&u->before, j);
    double mean = 0.0;
    pool(u, &given, &before, 1, &mean);
    if (col->inv_sd == 0.0) {
        return;
    }
    col->mean += mean / col->inv_sd;
    squares[col->slot] = fmax(squares[col->slot] - mean * mean, 0.0);
    for (size_t o = 0; o < k; o++) {
        u->theta[n_slots(u) * k + o] += u->theta[col->slot * k + o] * mean;
    }
}

/* Levels that neither have, and the model knows. */
static void keep_levels(const update *u, uint32_t j, double *squares) {
    const tm_linear_col *const col = &u->code.cols[j];
    const size_t k = u->from->base.n_outputs;
    const double *const rows = u->from->coefs + u->from->parts[j].row * k;
    for (size_t c = 0; c <= col->n_levels; c++) {
        for (size_t o = 0; o < k && squares[col->slot + c] == 0.0; o++) {
            squares[col->slot + c] = rows[c * k + o] != 0.0 ? WEIGHT_MIN : 0.0;
        }
    }
}

static tm_status place(update *u, double *sums, tm_model **out_model, tm_err *err) {
    const size_t n = n_slots(u), n_terms = u->code.n_active;
    double *const given = sums, *const before = sums + n, *const means = sums + 2 * n;
    tm__design_squares(&u->design, given);
    tm__design_squares(&u->before, before);
    pool(u, given, before, n, given);
    memset(means, 0, 2 * n_terms * sizeof(double));
    tm__linear_term_means(&u->design, means);
    tm__linear_term_means(&u->before, means + n_terms);
    pool(u, means, means + n_terms, n_terms, means);
    for (uint32_t j = 0; j < u->code.n_cols; j++) {
        if (u->code.cols[j].is_categorical) {
            keep_levels(u, j, given);
        } else {
            center_number(u, j, given);
        }
    }
    const tm_linear_found found = {.task = u->in->task,
                                   .n_outputs = u->from->base.n_outputs,
                                   .code = &u->code,
                                   .theta = u->theta,
                                   .squares = given,
                                   .means = means,
                                   .y_mean = u->y_mean,
                                   .y_sd = u->y_sd,
                                   .strength = u->from->strength,
                                   .work = u->from->base.work_used + u->work};
    return tm__linear_place(&found, out_model, err);
}

tm_status tm__linear_update(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                            tm_model **out_model, tm_err *err) {
    update u = {
        .ctx = ctx, .in = in, .params = params->values, .from = (const tm_linear *)in->base};
    const uint64_t started = tm__mono_ns();
    tm_status st = init(&u, err);
    st = st == TM_OK ? move(&u, err) : st;
    if (st == TM_OK) {
        double *const sums = tm__mem_alloc(2 * (n_slots(&u) + u.code.n_active), sizeof(double));
        st = sums != NULL ? place(&u, sums, out_model, err) : no_memory(err);
        tm__mem_free(sums);
    }
    if (st == TM_OK) {
        ((tm_linear *)*out_model)->is_moved = true;
        (*out_model)->before_counts = u.counts;
        (*out_model)->seconds_fit = (double)(tm__mono_ns() - started) * 1e-9;
    }
    done(&u);
    return st;
}
