/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimum of mean loss + strength * ((1 - l1_ratio) / 2 * |theta|^2 + l1_ratio * |theta|_1), and of
 * a pull towards other coefficients (linear_pull.c) where there is one, by L-BFGS with a diagonal
 * preconditioner, or one of all coefficients (linear_curve.c); with an l1 part by its orthant-wise
 * form (Andrew and Gao 2007, "Scalable training of L1-regularized log-linear models"): the gradient
 * becomes the subgradient nearest to 0, and a step may not leave the orthant in which it starts.
 * Intercepts are not penalised.
 *
 * Invariants.
 * 1. Every accepted step lowers the objective, so theta is always the best so far.
 * 2. Vector sums have 8 lanes in the source and run on the caller's thread.
 */
#include "model/linear/linear_priv.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define MEMORY 6u
#define LANES 8u
#define BACKTRACKS 40u
#define ARMIJO 1e-4

struct tm_solver {
    const tm_design *design;
    tm_loss *loss;
    size_t n, n_penalised; /* intercepts come last and have no penalty */
    double ridge, lasso;   /* of the run */
    double *block;         /* all vectors */
    double *curvature;     /* bounds on the Hessian's diagonal, without the penalty */
    double *theta;         /* of the caller */
    double *next, *gradient, *next_gradient, *descent; /* descent: minus the subgradient */
    double *direction;
    double *steps[MEMORY], *turns[MEMORY]; /* differences of theta and gradient */
    double inner[MEMORY];                  /* step . turn, > 0 */
    uint32_t n_kept, newest;
    tm_curve *curve;     /* NULL: the diagonal alone */
    bool is_curved;      /* of the run */
    const tm_pull *pull; /* NULL: none */
};

static double dot(const double *a, const double *b, size_t n) {
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (uint32_t l = 0; l < LANES; l++) {
            lanes[l] += a[i + l] * b[i + l];
        }
    }
    for (uint32_t l = 0; i < n; i++, l++) {
        lanes[l] += a[i] * b[i];
    }
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
           ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

tm_solver *tm__solver_create(const tm_ctx *ctx, const tm_design *design) {
    tm_solver *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->design = design;
    self->n = tm__design_params(design);
    self->n_penalised = self->n - design->n_outputs;
    self->loss = tm__loss_create(ctx, design);
    self->block = tm__mem_alloc(self->n, (6 + 2 * MEMORY) * sizeof(double));
    if (self->loss == NULL || self->block == NULL) {
        tm__solver_free(self);
        return NULL;
    }
    double *at = self->block;
    double **const vectors[] = {&self->curvature,     &self->next,    &self->gradient,
                                &self->next_gradient, &self->descent, &self->direction};
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++, at += self->n) {
        *vectors[i] = at;
    }
    for (uint32_t m = 0; m < MEMORY; m++, at += 2 * self->n) {
        self->steps[m] = at;
        self->turns[m] = at + self->n;
    }
    tm__loss_curvature(design, self->curvature);
    return self;
}

bool tm__solver_curve(tm_solver *solver) {
    if (tm__curve_can(solver->design)) {
        solver->curve = tm__curve_create(solver->design);
        return solver->curve != NULL;
    }
    return true;
}

bool tm__solver_pull(tm_solver *solver, const tm_pull *pull) {
    solver->pull = pull;
    return solver->curve == NULL || pull->curve == NULL || tm__curve_widen(solver->curve);
}

void tm__solver_free(tm_solver *solver) {
    if (solver != NULL) {
        tm__curve_free(solver->curve);
        tm__loss_free(solver->loss);
        tm__mem_free(solver->block);
        tm__mem_free(solver);
    }
}

/* Objective at theta; gradient of its smooth part. */
static double evaluate(const tm_ctx *ctx, tm_solver *self, const double *theta, double *gradient) {
    const size_t n = self->n_penalised;
    double value = tm__loss_eval(ctx, self->loss, theta, gradient), absolute = 0.0;
    value += 0.5 * self->ridge * dot(theta, theta, n);
    for (size_t i = 0; i < n; i++) {
        gradient[i] += self->ridge * theta[i];
    }
    value += self->pull != NULL ? tm__pull_eval(self->pull, theta, gradient) : 0.0;
    for (size_t i = 0; self->lasso > 0.0 && i < n; i++) {
        absolute += fabs(theta[i]);
    }
    return value + self->lasso * absolute;
}

/* A bound on the Hessian's diagonal at coefficient i, penalty and pull included. */
static double diagonal_of(const tm_solver *self, size_t i) {
    const double ridge = i < self->n_penalised ? self->ridge : 0.0;
    return self->curvature[i] + ridge + (self->pull != NULL ? tm__pull_diagonal(self->pull, i) : 0);
}

/* Minus the subgradient nearest to 0. */
static void find_descent(tm_solver *self) {
    const double *g = self->gradient, lasso = self->lasso;
    for (size_t i = 0; i < self->n; i++) {
        if (lasso == 0.0 || i >= self->n_penalised) {
            self->descent[i] = -g[i];
        } else if (self->theta[i] != 0.0) {
            self->descent[i] = -(g[i] + (self->theta[i] > 0.0 ? lasso : -lasso));
        } else if (g[i] < -lasso) {
            self->descent[i] = -g[i] - lasso;
        } else {
            self->descent[i] = g[i] > lasso ? -g[i] + lasso : 0.0;
        }
    }
}

static void precondition(const tm_solver *self, double scale, double *v) {
    if (self->is_curved) {
        tm__curve_solve(self->curve, v);
        for (size_t i = 0; i < self->n; i++) {
            v[i] *= scale;
        }
        return;
    }
    for (size_t i = 0; i < self->n; i++) {
        v[i] *= scale / diagonal_of(self, i);
    }
}

/* y . y / curvature: how the newest turn looks to the preconditioner. `next` is free. */
static double turn_norm(const tm_solver *self, const double *turn) {
    double sum = 0.0;
    if (self->is_curved) {
        memcpy(self->next, turn, self->n * sizeof(double));
        tm__curve_solve(self->curve, self->next);
        return dot(turn, self->next, self->n);
    }
    for (size_t i = 0; i < self->n; i++) {
        sum += turn[i] * turn[i] / diagonal_of(self, i);
    }
    return sum;
}

/* Two loops over the kept pairs (Nocedal and Wright 2006, algorithm 7.4). */
static void find_direction(tm_solver *self) {
    double alpha[MEMORY], *d = self->direction;
    const size_t n = self->n;
    double scale = 1.0;
    memcpy(d, self->descent, n * sizeof(double));
    for (uint32_t i = 0; i < self->n_kept; i++) {
        const uint32_t m = (self->newest + MEMORY - i) % MEMORY;
        alpha[m] = dot(self->steps[m], d, n) / self->inner[m];
        for (size_t p = 0; p < n; p++) {
            d[p] -= alpha[m] * self->turns[m][p];
        }
    }
    if (self->n_kept > 0) {
        scale = self->inner[self->newest] / turn_norm(self, self->turns[self->newest]);
    }
    precondition(self, scale, d);
    for (uint32_t i = self->n_kept; i-- > 0;) {
        const uint32_t m = (self->newest + MEMORY - i) % MEMORY;
        const double beta = alpha[m] - dot(self->turns[m], d, n) / self->inner[m];
        for (size_t p = 0; p < n; p++) {
            d[p] += beta * self->steps[m][p];
        }
    }
    for (size_t p = 0; self->lasso > 0.0 && p < self->n_penalised; p++) {
        d[p] = d[p] * self->descent[p] > 0.0 ? d[p] : 0.0;
    }
}

/* next = theta + length * direction, kept in the orthant of theta (of descent where theta is 0). */
static void take_step(tm_solver *self, double length) {
    for (size_t i = 0; i < self->n; i++) {
        double value = self->theta[i] + length * self->direction[i];
        if (self->lasso > 0.0 && i < self->n_penalised) {
            const double side = self->theta[i] != 0.0 ? self->theta[i] : self->descent[i];
            value = value * side > 0.0 ? value : 0.0;
        }
        self->next[i] = value;
    }
}

/* A step that lowers the objective enough; false when there is none. */
static bool search_line(const tm_ctx *ctx, tm_solver *self, double *io_value, uint32_t *io_passes) {
    double length = 1.0;
    for (uint32_t i = 0; i < BACKTRACKS; i++, length *= 0.5) {
        double slope = 0.0;
        take_step(self, length);
        for (size_t p = 0; p < self->n; p++) {
            slope -= self->descent[p] * (self->next[p] - self->theta[p]);
        }
        const double value = evaluate(ctx, self, self->next, self->next_gradient);
        (*io_passes)++;
        if (slope < 0.0 && value <= *io_value + ARMIJO * slope) {
            *io_value = value;
            return true;
        }
    }
    return false;
}

/* Keep the pair of the step just taken, and move on. */
static void accept_step(tm_solver *self) {
    const uint32_t m = (self->newest + 1) % MEMORY;
    for (size_t i = 0; i < self->n; i++) {
        self->steps[m][i] = self->next[i] - self->theta[i];
        self->turns[m][i] = self->next_gradient[i] - self->gradient[i];
        self->theta[i] = self->next[i];
        self->gradient[i] = self->next_gradient[i];
    }
    const double inner = dot(self->steps[m], self->turns[m], self->n);
    if (inner > 1e-14 * dot(self->turns[m], self->turns[m], self->n)) {
        self->inner[m] = inner;
        self->newest = m;
        self->n_kept += self->n_kept < MEMORY ? 1 : 0;
    }
}

static bool factor(tm_solver *self) {
    const tm_pull *const pull = self->pull;
    const double ridge = self->ridge + (pull != NULL ? pull->scale * pull->ridge : 0.0);
    return tm__curve_factor(self->curve, ridge, pull != NULL ? pull->curve : NULL,
                            pull != NULL ? pull->scale : 0.0);
}

tm_status tm__solver_run(tm_ctx *ctx, tm_solver *solver, const tm_solve_options *options,
                         double *theta, uint32_t *out_iterations, uint64_t *io_work, tm_err *err) {
    uint32_t iteration = 0, n_flat = 0, passes = 1;
    bool is_spent = false;
    solver->theta = theta;
    solver->ridge = options->strength * (1.0 - options->l1_ratio);
    solver->lasso = options->strength * options->l1_ratio;
    solver->n_kept = solver->newest = 0;
    solver->is_curved = solver->curve != NULL && solver->lasso == 0.0 && factor(solver);
    double value = evaluate(ctx, solver, theta, solver->gradient);
    while (iteration < options->iter_max && n_flat < 2 && !is_spent) {
        if (tm__ctx_cancelled(ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "fitting was cancelled");
        }
        const double before = value;
        find_descent(solver);
        find_direction(solver);
        if (!search_line(ctx, solver, &value, &passes)) {
            /* The pairs may mislead; once, start again from the diagonal alone. */
            if (solver->n_kept == 0) {
                break;
            }
            solver->n_kept = 0;
            continue;
        }
        accept_step(solver);
        iteration++;
        n_flat = before - value <= options->tol * fabs(value) ? n_flat + 1 : 0;
        *io_work += passes * solver->design->work;
        is_spent = tm__ctx_spend(ctx, passes * solver->design->work);
        passes = 0;
    }
    *io_work += passes * solver->design->work;
    (void)tm__ctx_spend(ctx, passes * solver->design->work);
    *out_iterations = iteration;
    return TM_OK;
}
