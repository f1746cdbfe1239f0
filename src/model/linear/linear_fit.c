/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitting: rows and strength of the penalty.
 *
 * Strength matters more than anything else, and its best value spans six decades. It is searched on
 * a path of 13 values from strong to weak, each started at the minimum of the one before and
 * solved loosely, and ended once two in a row were hardly better on rows held out. These are the
 * validation rows, or when there are none parts of the training rows in turn. Then all training
 * rows are fitted at the best strength, started where the search was.
 *
 * Over ranks each looks at a part of the rows in every pass of the solver; descent by coordinates
 * (for an l1 part) is done by every rank.
 *
 * Invariants.
 * 1. Rows, parts and path are functions of the input and the seed alone.
 * 2. Whatever the budget, there is an answer: the best so far.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/linear/linear_priv.h"

#define N_PATH 13u
#define N_PARTS 5u            /* of which are tried: */
#define ALL_PARTS_ROWS 2000u  /* all up to so many rows, */
#define TWO_PARTS_ROWS 20000u /* two up to so many, else one */
#define SEARCH_TOL 1e-4       /* finer minima do not change which strength is best */
#define GAIN_MIN 1e-3         /* share of the loss that counts as better */
#define SEARCH_ROWS_MIN 20u
#define STRENGTH_OTHERWISE 0.1 /* for fewer rows than that, or when the budget ended the search */
#define PATIENCE 2u

static const double path[N_PATH] = {1.0,      0.3162, 0.1,      0.03162, 0.01,     0.003162, 0.001,
                                    3.162e-4, 1e-4,   3.162e-5, 1e-5,    3.162e-6, 1e-6};

/* One fit from start to end. */
typedef struct fit_state {
    tm_ctx *ctx;
    const tm_fit_input *in;
    const double *params;
    uint32_t *rows;
    uint64_t n_rows;
    double y_mean, y_sd;
    tm_linear_code code;
    tm_design design; /* of all rows */
    double *theta;
    double strength;
    uint64_t work;
} fit_state;

uint32_t *tm__linear_rows(uint64_t n, uint64_t n_max, uint64_t seed, uint64_t *out_n) {
    const uint64_t n_kept = n < n_max ? n : n_max;
    const tm_rng rng = tm__rng_split(seed, "linear.rows", 0);
    uint32_t *rows = tm__mem_alloc(n_kept, sizeof(*rows));
    for (uint64_t i = 0; rows != NULL && i < n_kept; i++) {
        /* One row at random out of each stretch, so that no period of the data is caught. */
        const uint64_t stretch = n / n_kept;
        rows[i] = (uint32_t)(i * n / n_kept + tm__rng_at(rng.key, i) % stretch);
    }
    *out_n = n_kept;
    return rows;
}

void tm__linear_target(const tm_fit_input *in, const uint32_t *rows, uint64_t n_rows,
                       double *out_mean, double *out_sd) {
    double weight = 0.0, sum = 0.0, square = 0.0;
    *out_mean = 0.0;
    *out_sd = 1.0;
    if (in->task == TM_TASK_BINARY || in->task == TM_TASK_MULTICLASS) {
        return;
    }
    for (uint64_t i = 0; i < n_rows; i++) {
        const double w = in->weights == NULL ? 1.0 : in->weights[rows[i]];
        weight += w;
        sum += w * in->y[rows[i]];
    }
    const double mean = weight > 0.0 ? sum / weight : 0.0;
    for (uint64_t i = 0; i < n_rows; i++) {
        const double off = in->y[rows[i]] - mean;
        square += (in->weights == NULL ? 1.0 : in->weights[rows[i]]) * (off * off);
    }
    const double sd = weight > 0.0 ? sqrt(square / weight) : 0.0;
    *out_mean = mean;
    *out_sd = sd > 0.0 && isfinite(sd) ? sd : 1.0;
}

static tm_design_spec spec_of(const fit_state *fit, const uint32_t *rows, uint64_t n_rows) {
    return (tm_design_spec){.in = fit->in,
                            .x = fit->in->x,
                            .y = fit->in->y,
                            .weights = fit->in->weights,
                            .rows = rows,
                            .n_rows = n_rows,
                            .y_mean = fit->y_mean,
                            .y_sd = fit->y_sd,
                            .with_gradient = true};
}

/* The solver of a fit, one or the other. */
typedef struct any_solver {
    tm_solver *all;
    tm_descent *each;
} any_solver;

static tm_status solver_init(const fit_state *fit, const tm_design *design, any_solver *out,
                             tm_err *err) {
    const double choice = fit->params[TM_LINEAR_SOLVER];
    *out = (any_solver){0};
    if (choice == 2 || (choice == 0 && fit->params[TM_LINEAR_L1] > 0)) {
        out->each = tm__descent_create(fit->ctx, design);
    } else {
        out->all = tm__solver_create(fit->ctx, design);
    }
    if ((out->each == NULL && out->all == NULL) || (choice == 3 && !tm__solver_curve(out->all))) {
        tm__solver_free(out->all);
        *out = (any_solver){0};
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the solver");
    }
    return TM_OK;
}

static void solver_done(any_solver *solver) {
    tm__solver_free(solver->all);
    tm__descent_free(solver->each);
}

static tm_status solve(fit_state *fit, const any_solver *solver, double strength, double tol,
                       double *theta, tm_err *err) {
    const tm_solve_options options = {.strength = strength,
                                      .l1_ratio = fit->params[TM_LINEAR_L1],
                                      .tol = tol,
                                      .iter_max = (uint32_t)fit->params[TM_LINEAR_ITER]};
    uint32_t n_iterations = 0;
    TM_TRY(solver->each != NULL ? tm__descent_run(fit->ctx, solver->each, &options, theta,
                                                  &n_iterations, &fit->work, err)
                                : tm__solver_run(fit->ctx, solver->all, &options, theta,
                                                 &n_iterations, &fit->work, err));
    return tm__comm_status(fit->ctx->comm, err);
}

/* Walk the path on one design, scoring on another: losses [N_PATH] (infinite where the walk did not
 * get), best_theta (may be NULL) that of the least loss. */
static tm_status walk_path(fit_state *fit, const tm_design *train, const tm_design *held,
                           double *losses, double *best_theta, tm_err *err) {
    const size_t n = tm__design_params(train);
    any_solver solver = {0};
    tm_loss *loss = tm__loss_create(fit->ctx, held);
    double *theta = tm__mem_zalloc(n, sizeof(double)), best = INFINITY;
    uint32_t n_worse = 0;
    tm_status st = TM_OK;
    for (uint32_t i = 0; i < N_PATH; i++) {
        losses[i] = INFINITY;
    }
    if (loss == NULL || theta == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for %zu coefficients", n);
        goto out;
    }
    st = solver_init(fit, train, &solver, err);
    if (st != TM_OK) {
        goto out;
    }
    for (uint32_t i = 0; i < N_PATH && n_worse < PATIENCE; i++) {
        st = solve(fit, &solver, path[i], fmax(SEARCH_TOL, fit->params[TM_LINEAR_TOL]), theta, err);
        if (st != TM_OK) {
            goto out;
        }
        losses[i] = tm__loss_eval(fit->ctx, loss, theta, NULL);
        fit->work += held->work;
        const bool is_spent = tm__ctx_spend(fit->ctx, held->work);
        n_worse = losses[i] < best - GAIN_MIN * fabs(best) || i == 0 ? 0 : n_worse + 1;
        if (losses[i] < best || i == 0) {
            best = losses[i];
            if (best_theta != NULL) {
                memcpy(best_theta, theta, n * sizeof(double));
            }
        }
        if (is_spent) {
            break;
        }
    }
out:
    solver_done(&solver);
    tm__loss_free(loss);
    tm__mem_free(theta);
    return st;
}

static double best_of(const double *losses) {
    uint32_t best = N_PATH;
    for (uint32_t i = 0; i < N_PATH; i++) {
        if (isfinite(losses[i]) && (best == N_PATH || losses[i] < losses[best])) {
            best = i;
        }
    }
    return best == N_PATH ? STRENGTH_OTHERWISE : path[best];
}

/* The caller's validation rows choose; theta is near its minimum then. */
static tm_status search_on_valid(fit_state *fit, tm_err *err) {
    const tm_fit_input *in = fit->in;
    double losses[N_PATH];
    tm_design held = {0};
    tm_design_spec spec = {.in = in,
                           .x = in->x_valid,
                           .y = in->y_valid,
                           .weights = in->weights_valid,
                           .y_mean = fit->y_mean,
                           .y_sd = fit->y_sd};
    uint32_t *rows = tm__linear_rows(in->x_valid->n_rows, (uint64_t)fit->params[TM_LINEAR_ROWS],
                                     in->seed, &spec.n_rows);
    spec.rows = rows;
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for validation rows");
    }
    tm_status st = tm__design_create(fit->ctx, &spec, &fit->code, &held, err);
    if (st == TM_OK) {
        st = walk_path(fit, &fit->design, &held, losses, fit->theta, err);
    }
    if (st == TM_OK) {
        fit->strength = best_of(losses);
    }
    tm__design_done(&held);
    tm__mem_free(rows);
    return st;
}

/* Losses of one part held out, added to sums. */
static tm_status search_part(fit_state *fit, uint32_t part, double *sums, tm_err *err) {
    const tm_rng rng = tm__rng_split(fit->in->seed, "linear.parts", 0);
    uint32_t *rows = tm__mem_alloc(fit->n_rows, sizeof(*rows));
    uint64_t n_train = 0, n_held = 0;
    double losses[N_PATH];
    tm_design train = {0}, held = {0};
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for parts of the rows");
    }
    /* Training rows fill from the front, held rows from the back. */
    for (uint64_t i = 0; i < fit->n_rows; i++) {
        if (tm__rng_at(rng.key, i) % N_PARTS == part) {
            rows[fit->n_rows - ++n_held] = fit->rows[i];
        } else {
            rows[n_train++] = fit->rows[i];
        }
    }
    tm_status st = TM_OK;
    if (n_held == 0 || n_train == 0) {
        goto out;
    }
    const tm_design_spec train_spec = spec_of(fit, rows, n_train);
    tm_design_spec held_spec = spec_of(fit, rows + n_train, n_held);
    held_spec.with_gradient = false;
    st = tm__design_create(fit->ctx, &train_spec, &fit->code, &train, err);
    if (st == TM_OK) {
        st = tm__design_create(fit->ctx, &held_spec, &fit->code, &held, err);
    }
    if (st == TM_OK) {
        st = walk_path(fit, &train, &held, losses, NULL, err);
    }
    for (uint32_t i = 0; st == TM_OK && i < N_PATH; i++) {
        sums[i] += losses[i];
    }
out:
    tm__design_done(&train);
    tm__design_done(&held);
    tm__mem_free(rows);
    return st;
}

static tm_status search_on_parts(fit_state *fit, tm_err *err) {
    const uint32_t few = fit->n_rows <= TWO_PARTS_ROWS ? 2 : 1;
    const uint32_t n_parts = fit->n_rows <= ALL_PARTS_ROWS ? N_PARTS : few;
    double sums[N_PATH] = {0};
    for (uint32_t part = 0; part < n_parts && !tm__ctx_is_spent(fit->ctx); part++) {
        tm__ctx_progress(fit->ctx, "fit", part, n_parts, "strength");
        TM_TRY(search_part(fit, part, sums, err));
    }
    fit->strength = best_of(sums);
    return TM_OK;
}

static tm_status fit_theta(fit_state *fit, tm_err *err) {
    fit->strength = fit->params[TM_LINEAR_STRENGTH];
    if (fit->strength == 0.0 && fit->in->x_valid != NULL) {
        TM_TRY(search_on_valid(fit, err));
    } else if (fit->strength == 0.0) {
        fit->strength = STRENGTH_OTHERWISE;
        if (fit->n_rows >= SEARCH_ROWS_MIN) {
            TM_TRY(search_on_parts(fit, err));
        }
    }
    any_solver solver;
    TM_TRY(solver_init(fit, &fit->design, &solver, err));
    const double tol = fit->params[TM_LINEAR_TOL];
    const tm_status st = solve(fit, &solver, fit->strength, tol, fit->theta, err);
    solver_done(&solver);
    return st;
}

static tm_status make_model(const fit_state *fit, tm_model **out_model, tm_err *err) {
    const tm_linear_code *code = &fit->code;
    double *squares = tm__mem_alloc((size_t)code->n_dense + code->n_active, sizeof(double));
    double *means = tm__mem_zalloc(code->n_active, sizeof(double));
    const tm_linear_found found = {.task = fit->in->task,
                                   .n_outputs = fit->design.n_outputs,
                                   .code = code,
                                   .theta = fit->theta,
                                   .squares = squares,
                                   .means = means,
                                   .y_mean = fit->y_mean,
                                   .y_sd = fit->y_sd,
                                   .strength = fit->strength,
                                   .work = fit->work};
    tm_status st = TM_OK;
    if (squares == NULL || means == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a linear model");
    } else {
        tm__design_squares(&fit->design, squares);
        tm__linear_term_means(&fit->design, means);
        st = tm__linear_place(&found, out_model, err);
    }
    tm__mem_free(squares);
    tm__mem_free(means);
    return st;
}

tm_status tm__linear_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                         tm_model **out_model, tm_err *err) {
    fit_state fit = {.ctx = ctx, .in = in, .params = params->values};
    tm_model *model = NULL;
    const uint64_t started = tm__mono_ns();
    if (in->is_update) {
        return tm__linear_update(ctx, in, params, out_model, err);
    }
    fit.rows = tm__linear_rows(in->x->n_rows, (uint64_t)params->values[TM_LINEAR_ROWS], in->seed,
                               &fit.n_rows);
    if (fit.rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for %llu rows",
                       (unsigned long long)in->x->n_rows);
    }
    tm__linear_target(in, fit.rows, fit.n_rows, &fit.y_mean, &fit.y_sd);
    const tm_design_spec spec = spec_of(&fit, fit.rows, fit.n_rows);
    tm_status st = tm__linear_code_fit(ctx, &spec, &fit.code, err);
    if (st == TM_OK) {
        st = tm__design_create(ctx, &spec, &fit.code, &fit.design, err);
    }
    if (st != TM_OK) {
        goto out;
    }
    if (tm__design_params(&fit.design) > TM_LINEAR_PARAMS_MAX) {
        st = TM_FAIL(err, TM_E_LIMIT, "a linear model would have more than %u coefficients",
                     TM_LINEAR_PARAMS_MAX);
        goto out;
    }
    const uint64_t binned = tm__mono_ns();
    fit.theta = tm__mem_zalloc(tm__design_params(&fit.design), sizeof(double));
    if (fit.theta == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for coefficients");
        goto out;
    }
    st = fit_theta(&fit, err);
    if (st == TM_OK) {
        st = make_model(&fit, &model, err);
    }
    if (st == TM_OK) {
        model->seconds_bin = (double)(binned - started) * 1e-9;
        model->seconds_fit = (double)(tm__mono_ns() - binned) * 1e-9;
        *out_model = model;
    }
out:
    tm__design_done(&fit.design);
    tm__linear_code_done(&fit.code);
    tm__mem_free(fit.theta);
    tm__mem_free(fit.rows);
    return st;
}
