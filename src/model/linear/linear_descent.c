/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Minimum of the objective of linear_solve.c by coordinate descent (Friedman, Hastie, Tibshirani
 * 2010, doi:10.18637/jss.v033.i01): an outer step replaces the loss of one output by its quadratic
 * at the margins (weights h, residuals r), and sweeps over slots lower that one slot at a time:
 *
 *     theta_j <- S(g_j + a_j theta_j, lasso) / (a_j + ridge),   a_j = sum h x_j^2, g_j = sum r x_j
 *
 * after which r -= h x_j times the change. Slots of a category share no row, so one pass over its
 * codes serves them all.
 *
 * With an l1 part most slots stay 0. A working set holds those that are not, and those whose
 * gradient passes the lasso: the conditions of Karush, Kuhn and Tucker, held against all slots once
 * an outer step, by the pass that other solver uses too (and by as many threads). A slot that left
 * is taken up when they name it again.
 *
 * Invariants.
 * 1. Every outer step lowers the objective or is halved until it does, so theta is the best so far.
 * 2. Sweeps run on the caller's thread in the order of slots.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "model/linear/linear_priv.h"

enum { SWEEPS_MAX = 100, HALVINGS = 12, HALVINGS_FINE = 2 };
/* A row that is surely known still has so much curvature. */
static const double CURVATURE_MIN = 1e-3;
/* No row has more, whatever the margins: with it every step goes down (Boehning 1992,
 * doi:10.1007/BF00048682). */
static const double CURVATURE_MAX = 0.25;
/* Sweeps end when the quadratic falls by less than this share of tol. */
static const double SWEEP_SHARE = 0.1;

struct tm_descent {
    const tm_design *design;
    tm_loss *loss;
    size_t n, n_slots;
    double ridge, lasso;
    double *block;        /* all vectors of parameters */
    double *theta;        /* of the caller */
    double *next;         /* [n] */
    double *gradient;     /* [n] of the smooth part without ridge */
    double *squares;      /* [n_slots + 1] a_j of the output */
    double *delta, *sums; /* [levels of a category at the most] */
    double *margins;      /* [n_outputs x n_rows] */
    double *h, *r;        /* [n_rows] */
    bool *is_in;          /* [n_slots] working set of the output */
    bool is_bound;        /* quadratics overshot: those of CURVATURE_MAX take their place */
};

static uint64_t levels_max(const tm_linear_code *code) {
    uint64_t most = 1;
    for (uint32_t j = 0; j < code->n_cols; j++) {
        const uint64_t n = code->cols[j].is_categorical ? (uint64_t)code->cols[j].n_levels + 1 : 1;
        most = n > most ? n : most;
    }
    return most;
}

tm_descent *tm__descent_create(const tm_ctx *ctx, const tm_design *design) {
    tm_descent *self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    const tm_linear_code *code = design->code;
    const uint64_t n_levels = levels_max(code);
    self->design = design;
    self->n = tm__design_params(design);
    self->n_slots = (size_t)code->n_dense + code->n_active;
    self->loss = tm__loss_create(ctx, design);
    self->block = tm__mem_alloc(2 * self->n + self->n_slots + 1 + 2 * n_levels, sizeof(double));
    self->margins = tm__mem_alloc((size_t)design->n_rows * design->n_outputs, sizeof(double));
    self->h = tm__mem_alloc(design->n_rows, sizeof(double));
    self->r = tm__mem_alloc(design->n_rows, sizeof(double));
    self->is_in = tm__mem_alloc(self->n_slots, sizeof(bool));
    if (self->loss == NULL || self->block == NULL || self->margins == NULL || self->h == NULL ||
        self->r == NULL || self->is_in == NULL) {
        tm__descent_free(self);
        return NULL;
    }
    self->next = self->block;
    self->gradient = self->next + self->n;
    self->squares = self->gradient + self->n;
    self->delta = self->squares + self->n_slots + 1;
    self->sums = self->delta + n_levels;
    return self;
}

void tm__descent_free(tm_descent *self) {
    if (self != NULL) {
        tm__loss_free(self->loss);
        tm__mem_free(self->block);
        tm__mem_free(self->margins);
        tm__mem_free(self->h);
        tm__mem_free(self->r);
        tm__mem_free(self->is_in);
        tm__mem_free(self);
    }
}

/* ---- margins ---- */

static void margins_fill(tm_descent *self, const double *theta) {
    const tm_design *design = self->design;
    const tm_linear_code *code = design->code;
    const uint32_t k = design->n_outputs;
    const uint64_t n = design->n_rows;
    for (uint32_t o = 0; o < k; o++) {
        double *z = self->margins + o * n;
        for (uint64_t i = 0; i < n; i++) {
            z[i] = theta[self->n_slots * k + o];
        }
        for (uint32_t j = 0; j < code->n_cols; j++) {
            const double *at = theta + (size_t)code->cols[j].slot * k + o;
            for (uint64_t i = 0; i < n && design->codes[j] != NULL; i++) {
                z[i] += at[(size_t)design->codes[j][i] * k];
            }
            for (uint64_t i = 0; i < n && design->numbers[j] != NULL; i++) {
                z[i] += at[0] * (double)design->numbers[j][i];
            }
            for (uint64_t i = 0; i < n && design->missing[j] != NULL; i++) {
                z[i] += design->missing[j][i] != 0 ? at[k] : 0;
            }
        }
        for (uint32_t t = 0; t < code->n_active; t++) {
            const double by = theta[((size_t)code->n_dense + t) * k + o];
            for (uint64_t e = design->term_starts[t]; by != 0 && e < design->term_starts[t + 1];
                 e++) {
                z[design->term_rows[e]] += by * (double)design->term_values[e];
            }
        }
    }
}

/* Weights and residuals of an output's quadratic. */
static void quadratic_fill(tm_descent *self, uint32_t o) {
    const tm_design *design = self->design;
    const uint32_t k = design->n_outputs;
    const uint64_t n = design->n_rows;
    const double *z = self->margins + o * n;
    for (uint64_t i = 0; i < n; i++) {
        const double w = design->w[i];
        double p, y;
        if (design->task == TM_TASK_BINARY) {
            p = tm__sigmoid(z[i]);
            y = design->y[i];
        } else if (design->task == TM_TASK_MULTICLASS) {
            double top = self->margins[i], sum = 0;
            for (uint32_t c = 1; c < k; c++) {
                top = fmax(top, self->margins[c * n + i]);
            }
            for (uint32_t c = 0; c < k; c++) {
                sum += tm__exp(self->margins[c * n + i] - top);
            }
            p = tm__exp(z[i] - top) / sum;
            y = design->y[i] == o;
        } else {
            self->h[i] = w;
            self->r[i] = w * (design->y[i] - z[i]);
            continue;
        }
        self->h[i] = w * (self->is_bound ? CURVATURE_MAX : fmax(p * (1 - p), CURVATURE_MIN));
        self->r[i] = w * (y - p);
    }
}

/* ---- slots ---- */

static void squares_fill(tm_descent *self) {
    const tm_design *design = self->design;
    const tm_linear_code *code = design->code;
    const uint64_t n = design->n_rows;
    memset(self->squares, 0, (self->n_slots + 1) * sizeof(double));
    for (uint32_t j = 0; j < code->n_cols; j++) {
        double *at = self->squares + code->cols[j].slot;
        for (uint64_t i = 0; i < n && design->codes[j] != NULL; i++) {
            at[design->codes[j][i]] += self->h[i];
        }
        for (uint64_t i = 0; i < n && design->numbers[j] != NULL; i++) {
            const double x = (double)design->numbers[j][i];
            at[0] += self->h[i] * (x * x);
        }
        for (uint64_t i = 0; i < n && design->missing[j] != NULL; i++) {
            at[1] += design->missing[j][i] != 0 ? self->h[i] : 0;
        }
    }
    for (uint32_t t = 0; t < code->n_active; t++) {
        for (uint64_t e = design->term_starts[t]; e < design->term_starts[t + 1]; e++) {
            const double x = (double)design->term_values[e];
            self->squares[code->n_dense + t] += self->h[design->term_rows[e]] * (x * x);
        }
    }
    for (uint64_t i = 0; i < n; i++) {
        self->squares[self->n_slots] += self->h[i];
    }
}

/* The new value of a slot less the old one, by its gradient; *io_fall: what the quadratic gains. */
static double slot_step(const tm_descent *self, size_t slot, double g, double old,
                        double *io_fall) {
    const bool is_free = slot == self->n_slots;
    const double ridge = is_free ? 0 : self->ridge, lasso = is_free ? 0 : self->lasso;
    const double a = self->squares[slot], at = g + a * old;
    const double shrunk = fabs(at) > lasso ? at - copysign(lasso, at) : 0;
    const double step = a + ridge > 0 ? shrunk / (a + ridge) - old : 0;
    *io_fall = fmax(*io_fall, (a + ridge) * step * step);
    return step;
}

static void number_update(tm_descent *self, const float *x, size_t slot, double *theta,
                          double *io_fall) {
    const uint64_t n = self->design->n_rows;
    double g = 0;
    for (uint64_t i = 0; i < n; i++) {
        g += self->r[i] * (double)x[i];
    }
    const double step = slot_step(self, slot, g, *theta, io_fall);
    *theta += step;
    for (uint64_t i = 0; i < n && step != 0; i++) {
        self->r[i] -= self->h[i] * ((double)x[i] * step);
    }
}

static void missing_update(tm_descent *self, const uint8_t *x, size_t slot, double *theta,
                           double *io_fall) {
    const uint64_t n = self->design->n_rows;
    double g = 0;
    for (uint64_t i = 0; i < n; i++) {
        g += x[i] != 0 ? self->r[i] : 0;
    }
    const double step = slot_step(self, slot, g, *theta, io_fall);
    *theta += step;
    for (uint64_t i = 0; i < n && step != 0; i++) {
        self->r[i] -= x[i] != 0 ? self->h[i] * step : 0;
    }
}

/* All levels at once: no row has two. */
static void levels_update(tm_descent *self, const uint32_t *codes, const tm_linear_col *col,
                          uint32_t o, double *io_fall) {
    const uint64_t n = self->design->n_rows;
    const uint32_t k = self->design->n_outputs, n_levels = col->n_levels + 1;
    bool any = false;
    memset(self->sums, 0, n_levels * sizeof(double));
    for (uint64_t i = 0; i < n; i++) {
        self->sums[codes[i]] += self->r[i];
    }
    for (uint32_t c = 0; c < n_levels; c++) {
        double *theta = self->theta + ((size_t)col->slot + c) * k + o;
        self->delta[c] = 0;
        if (self->is_in[col->slot + c]) {
            self->delta[c] = slot_step(self, col->slot + c, self->sums[c], *theta, io_fall);
            *theta += self->delta[c];
            any = any || self->delta[c] != 0;
        }
    }
    for (uint64_t i = 0; i < n && any; i++) {
        self->r[i] -= self->h[i] * self->delta[codes[i]];
    }
}

static void term_update(tm_descent *self, uint32_t t, double *theta, double *io_fall) {
    const tm_design *d = self->design;
    double g = 0;
    for (uint64_t e = d->term_starts[t]; e < d->term_starts[t + 1]; e++) {
        g += self->r[d->term_rows[e]] * (double)d->term_values[e];
    }
    const double step = slot_step(self, d->code->n_dense + (size_t)t, g, *theta, io_fall);
    *theta += step;
    for (uint64_t e = d->term_starts[t]; step != 0 && e < d->term_starts[t + 1]; e++) {
        self->r[d->term_rows[e]] -= self->h[d->term_rows[e]] * ((double)d->term_values[e] * step);
    }
}

static void intercept_update(tm_descent *self, uint32_t o, double *io_fall) {
    const uint64_t n = self->design->n_rows;
    double *theta = self->theta + self->n_slots * self->design->n_outputs + o, g = 0;
    for (uint64_t i = 0; i < n; i++) {
        g += self->r[i];
    }
    const double step = slot_step(self, self->n_slots, g, *theta, io_fall);
    *theta += step;
    for (uint64_t i = 0; i < n && step != 0; i++) {
        self->r[i] -= self->h[i] * step;
    }
}

/* One sweep over the working set of an output; what the largest step gained. */
static double sweep(tm_descent *self, uint32_t o) {
    const tm_design *design = self->design;
    const tm_linear_code *code = design->code;
    const uint32_t k = design->n_outputs;
    double fall = 0;
    intercept_update(self, o, &fall);
    for (uint32_t j = 0; j < code->n_cols; j++) {
        const tm_linear_col *col = &code->cols[j];
        double *theta = self->theta + (size_t)col->slot * k + o;
        if (col->is_categorical) {
            levels_update(self, design->codes[j], col, o, &fall);
            continue;
        }
        if (self->is_in[col->slot]) {
            number_update(self, design->numbers[j], col->slot, theta, &fall);
        }
        if (design->missing[j] != NULL && self->is_in[col->slot + 1]) {
            missing_update(self, design->missing[j], (size_t)col->slot + 1, theta + k, &fall);
        }
    }
    for (uint32_t t = 0; t < code->n_active; t++) {
        if (self->is_in[code->n_dense + t]) {
            term_update(self, t, self->theta + ((size_t)code->n_dense + t) * k + o, &fall);
        }
    }
    return fall;
}

/* ---- outer steps ---- */

static double evaluate(const tm_ctx *ctx, tm_descent *self, const double *theta, double *gradient) {
    double value = tm__loss_eval(ctx, self->loss, theta, gradient);
    const size_t n = self->n_slots * self->design->n_outputs;
    double squares = 0, sizes = 0;
    for (size_t i = 0; i < n; i++) {
        squares += theta[i] * theta[i];
        sizes += fabs(theta[i]);
    }
    return value + 0.5 * self->ridge * squares + self->lasso * sizes;
}

/* Returns how many slots are in. */
static size_t set_choose(tm_descent *self, uint32_t o) {
    const uint32_t k = self->design->n_outputs;
    size_t n = 0;
    for (size_t s = 0; s < self->n_slots; s++) {
        self->is_in[s] = self->lasso == 0 || self->theta[s * k + o] != 0 ||
                         fabs(self->gradient[s * k + o]) > self->lasso;
        n += self->is_in[s];
    }
    return n;
}

/* Lower each output's quadratic in turn; the margins follow. */
static void outputs_descend(tm_descent *self, double tol, double value, double *io_passes) {
    for (uint32_t o = 0; o < self->design->n_outputs; o++) {
        if (o > 0) {
            margins_fill(self, self->theta);
        }
        quadratic_fill(self, o);
        squares_fill(self);
        const double share = (double)(set_choose(self, o) + 1) / (double)(self->n_slots + 1);
        for (uint32_t s = 0; s < SWEEPS_MAX; s++) {
            *io_passes += share / self->design->n_outputs;
            if (sweep(self, o) <= SWEEP_SHARE * tol * fabs(value)) {
                break;
            }
        }
    }
}

tm_status tm__descent_run(tm_ctx *ctx, tm_descent *self, const tm_solve_options *options,
                          double *theta, uint32_t *out_iterations, uint64_t *io_work, tm_err *err) {
    uint32_t iteration = 0, n_flat = 0;
    bool is_spent = false;
    self->theta = theta;
    self->is_bound = false;
    self->ridge = options->strength * (1.0 - options->l1_ratio);
    self->lasso = options->strength * options->l1_ratio;
    double value = evaluate(ctx, self, theta, self->gradient);
    while (iteration < options->iter_max && n_flat < 2 && !is_spent) {
        double passes = 2;
        if (tm__ctx_cancelled(ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "fitting was cancelled");
        }
        const double before = value;
        memcpy(self->next, theta, self->n * sizeof(double)); /* to come back to */
        margins_fill(self, theta);
        outputs_descend(self, fmax(options->tol, 1e-12), value, &passes);
        uint32_t n_halved = 0;
        for (; n_halved <= HALVINGS; n_halved++) {
            value = evaluate(ctx, self, theta, self->gradient);
            passes += 1;
            if (value <= before) {
                break;
            }
            for (size_t p = 0; p < self->n; p++) {
                theta[p] = n_halved < HALVINGS ? 0.5 * (theta[p] + self->next[p]) : self->next[p];
            }
        }
        const bool was_bound = self->is_bound;
        self->is_bound = was_bound || n_halved > HALVINGS_FINE;
        if (!(value <= before)) { /* halved away: back at where it was */
            value = evaluate(ctx, self, theta, self->gradient);
        }
        iteration++;
        n_flat = before - value <= options->tol * fabs(value) && was_bound == self->is_bound
                     ? n_flat + 1
                     : 0;
        const uint64_t work = (uint64_t)(passes * (double)self->design->work);
        *io_work += work;
        is_spent = tm__ctx_spend(ctx, work);
    }
    *out_iterations = iteration;
    return TM_OK;
}
