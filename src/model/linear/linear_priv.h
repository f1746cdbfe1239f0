/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of linear/.
 *
 *   linear_design.c   view -> design: rows chosen, columns scaled, levels and terms as slots
 *   linear_loss.c     design, theta -> loss and gradient
 *   linear_kernel.c   its innermost loops, as vectors
 *   linear_solve.c    the minimum of loss + penalty, all coefficients at a time
 *   linear_curve.c    few coefficients: their curvature together, for fewer steps
 *   linear_descent.c  the same minimum, one coefficient at a time
 *   linear_fit.c      strength of the penalty
 *   linear_pull.c     what holds coefficients at those of a model, by what it stands on
 *   linear_recode.c   model -> encoding and theta
 *   linear_update.c   a model and rows that it has not learned -> its weights moved
 *   linear_place.c    theta -> model
 *   linear.c          what a fitted model does
 *
 * theta is [n_params]: slot by slot n_outputs coefficients, then n_outputs intercepts. Slots: each
 * dense column's in order (see tm_linear_col), then one for each active term.
 */
#ifndef TM_MODEL_LINEAR_LINEAR_PRIV_H
#define TM_MODEL_LINEAR_LINEAR_PRIV_H

#include "model/linear/linear.h"

#define TM_LINEAR_TERMS_MAX (1u << 22)
#define TM_LINEAR_PARAMS_MAX (1u << 23) /* the solver keeps 18 vectors of them: about 1 GiB */

enum {
    TM_LINEAR_STRENGTH,
    TM_LINEAR_L1,
    TM_LINEAR_ITER,
    TM_LINEAR_TOL,
    TM_LINEAR_ROWS,
    TM_LINEAR_SOLVER
};

/* How a dense column becomes slots: a number is one slot, and one more when it has missing values;
 * a category has one for each level and a last one for a missing value. */
typedef struct tm_linear_col {
    bool is_categorical;
    bool has_missing; /* numbers: NaN among the training rows */
    uint32_t n_levels;
    uint32_t slot; /* first of its own */
    double lo, hi; /* values are cut to it: three times the span of the middle 98 % */
    double median; /* stands for a missing value */
    double mean, inv_sd;
} tm_linear_col;

/* The encoding, learned from training rows; designs of other rows follow it. */
typedef struct tm_linear_code {
    uint32_t n_cols;
    tm_linear_col *cols;
    uint32_t n_dense; /* slots of dense columns */
    uint32_t n_active;
    uint32_t n_terms_all;
    uint32_t *active;      /* [n_active] terms seen in training, rising */
    uint32_t *active_slot; /* [n_terms_all] place in active, or UINT32_MAX */
} tm_linear_code;

/* Rows made ready for the solver. */
typedef struct tm_design {
    tm_task task;
    uint32_t n_outputs;
    uint64_t n_rows;
    const tm_linear_code *code;
    float **numbers;   /* [n_cols] of [n_rows], NULL for categories */
    uint8_t **missing; /* [n_cols] of [n_rows], NULL without missing values */
    uint32_t **codes;  /* [n_cols] of [n_rows], NULL for numbers */
    double *y;         /* [n_rows] class or standardised value */
    double *w;         /* [n_rows], sums to 1 */
    uint64_t *starts;  /* CSR of active terms, NULL without terms */
    uint32_t *terms;
    float *values;
    uint64_t *term_starts; /* the same by term, for gradients */
    uint32_t *term_rows;
    float *term_values;
    uint64_t work; /* units of one pass */
} tm_design;

/* Rows of a fit input to use; y is shifted and scaled by these for regression. */
typedef struct tm_design_spec {
    const tm_fit_input *in;
    const tm_view *x;
    const double *y, *weights; /* y may be NULL where no loss is asked for */
    const uint32_t *rows;      /* [n_rows] */
    uint64_t n_rows;
    double y_mean, y_sd;
    bool with_gradient; /* false: for scoring only */
} tm_design_spec;

TM_NODISCARD tm_status tm__linear_code_fit(tm_ctx *ctx, const tm_design_spec *spec,
                                           tm_linear_code *out, tm_err *err);
/** Slots of the columns, one behind the other; more than TM_LINEAR_PARAMS_MAX are not counted. */
uint64_t tm__linear_code_slots(tm_linear_code *code);
void tm__linear_code_done(tm_linear_code *code);
TM_NODISCARD tm_status tm__design_create(tm_ctx *ctx, const tm_design_spec *spec,
                                         const tm_linear_code *code, tm_design *out, tm_err *err);
void tm__design_done(tm_design *design);
uint64_t tm__design_params(const tm_design *design);
/** Sum of w * x^2 of each slot (x is 1 for indicators): out [n_slots], cleared first. */
void tm__design_squares(const tm_design *design, double *out);

/* Room for the passes over one design. */
typedef struct tm_loss tm_loss;
tm_loss *tm__loss_create(const tm_ctx *ctx, const tm_design *design);
/** Mean loss at theta; its gradient too unless out_gradient is NULL. Neither has the penalty. */
double tm__loss_eval(const tm_ctx *ctx, tm_loss *loss, const double *theta, double *out_gradient);
/** Upper bounds on the diagonal of the Hessian, all above 0: out [n_params]. */
void tm__loss_curvature(const tm_design *design, double *out);
void tm__loss_free(tm_loss *loss);

/* Curvature of all coefficients of an output together. */
typedef struct tm_curve tm_curve;
/** Few coefficients (127 an output) and no terms. */
bool tm__curve_can(const tm_design *design);
tm_curve *tm__curve_create(const tm_design *design);
/** That, and as many cells as all outputs have. */
bool tm__curve_can_each(const tm_design *design);
/** Of all rows of the design, by second [n_rows x n_outputs]: second derivatives of their losses.
 */
tm_curve *tm__curve_create_each(const tm_design *design, const double *second);
/** Room to factor one for each output; false when out of memory. */
bool tm__curve_widen(tm_curve *curve);
/** With a ridge on all but the intercepts, and `share` times another curvature (NULL: none); false
 * when columns follow from others. */
bool tm__curve_factor(tm_curve *curve, double ridge, const tm_curve *other, double share);
/** v [n_params] divided by the factored curvature, in place. */
void tm__curve_solve(tm_curve *curve, double *v);
/** v [n_params] times the curvature, before it is factored: out [n_params]. */
void tm__curve_times(const tm_curve *curve, const double *v, double *out);
/** Its diagonal: out [n_params]. */
void tm__curve_diagonal(const tm_curve *curve, double *out);
void tm__curve_free(tm_curve *curve);

/* scale / 2 * (theta - center)' (curvature + ridge) (theta - center), the ridge not on intercepts:
 * what a loss that was at its minimum at `center` had to say beyond its rows. */
typedef struct tm_pull {
    size_t n, n_penalised;
    double *center;   /* [n] */
    double *diagonal; /* [n] of the curvature */
    tm_curve *curve;  /* NULL: the diagonal alone */
    double ridge, scale;
    double *off, *turned; /* [n] room of an evaluation */
} tm_pull;
/** By the rows of a design and second [n_rows x n_outputs]; center is zeroed. Free by
 * tm__pull_done(), of a failure too. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__pull_init(const tm_design *design, const double *second, tm_pull *out,
                                     tm_err *err);
/** Its value; its gradient is added to io_gradient. */
double tm__pull_eval(const tm_pull *pull, const double *theta, double *io_gradient);
/** The diagonal at coefficient i, scale and ridge included. */
double tm__pull_diagonal(const tm_pull *pull, size_t i);
void tm__pull_done(tm_pull *pull);

typedef struct tm_solver tm_solver;
typedef struct tm_solve_options {
    double strength, l1_ratio, tol;
    uint32_t iter_max;
} tm_solve_options;
tm_solver *tm__solver_create(const tm_ctx *ctx, const tm_design *design);
/** Go by the curvature of all coefficients together from now on, where tm__curve_can(); false when
 * out of memory. */
bool tm__solver_curve(tm_solver *solver);
/** Hold theta from now on, by a pull that outlives the solver; false when out of memory. */
bool tm__solver_pull(tm_solver *solver, const tm_pull *pull);
/** Move theta to the minimum; *io_work counts units. Ends early, with the best theta so far, when
 * ctx's budget is spent. TM_E_CANCELLED. */
TM_NODISCARD tm_status tm__solver_run(tm_ctx *ctx, tm_solver *solver,
                                      const tm_solve_options *options, double *theta,
                                      uint32_t *out_iterations, uint64_t *io_work, tm_err *err);
void tm__solver_free(tm_solver *solver);

/* Coordinate descent: the same minimum, by sweeps over slots. */
typedef struct tm_descent tm_descent;
tm_descent *tm__descent_create(const tm_ctx *ctx, const tm_design *design);
/** As tm__solver_run(). */
TM_NODISCARD tm_status tm__descent_run(tm_ctx *ctx, tm_descent *descent,
                                       const tm_solve_options *options, double *theta,
                                       uint32_t *out_iterations, uint64_t *io_work, tm_err *err);
void tm__descent_free(tm_descent *self);

/* ---- the fitted model ---- */

/* Rows of the coefficient table: a number has three (slope, shift, answer when missing), a category
 * n_levels + 1. */
typedef struct tm_linear_part {
    bool is_categorical;
    uint32_t n_levels;
    uint32_t row; /* first of its own */
    double lo, hi, mean;
} tm_linear_part;

typedef struct tm_linear {
    tm_model base;
    uint32_t n_coef_rows;
    uint32_t n_active;
    double strength;       /* that was used */
    bool is_moved;         /* by an update: base.before_counts is what rows before counted */
    tm_linear_part *parts; /* [n_cols] */
    double *coefs;         /* [n_coef_rows x n_outputs] */
    double *bias;          /* [n_outputs] */
    double *term_mean;     /* [n_outputs] mean of what terms add in training */
    double *shares;        /* [n_cols + 1] importance */
    uint32_t *active;      /* [n_active] rising */
    uint32_t *term_slot;   /* [n_terms] or UINT32_MAX; made from active */
    double *term_coefs;    /* [n_active x n_outputs] */
} tm_linear;

tm_linear *tm__linear_create(const tm_model *shape, uint32_t n_coef_rows, uint32_t n_active);

/* What a fit found, to become a model. */
typedef struct tm_linear_found {
    tm_task task;
    uint32_t n_outputs;
    const tm_linear_code *code;
    const double *theta;
    const double *squares; /* [n_slots] mean square of each slot over the rows, by weight */
    const double *means;   /* [n_active] mean value of each term */
    double y_mean, y_sd, strength;
    uint64_t work;
} tm_linear_found;
TM_NODISCARD tm_status tm__linear_place(const tm_linear_found *found, tm_model **out_model,
                                        tm_err *err);
/** Mean of each active term over the rows of a design, by weight: out [n_active], added to. */
void tm__linear_term_means(const tm_design *design, double *out);

/** The encoding of a model, scaled by the rows before; `given` says besides where gaps are. Free by
 * tm__linear_code_done(). TM_E_INVALID for rows of other columns, TM_E_LIMIT, TM_E_NOMEM. */
TM_NODISCARD tm_status tm__linear_recode(tm_ctx *ctx, const tm_linear *from,
                                         const tm_design_spec *before, const tm_view *given,
                                         tm_linear_code *out, tm_err *err);
typedef struct tm_linear_scale {
    const tm_linear *from;
    const tm_linear_code *code; /* of tm__linear_recode() */
    double y_mean, y_sd;
} tm_linear_scale;
/** The weights of a model: theta [n_params of a design by the code]. */
void tm__linear_read(const tm_linear_scale *in, double *theta);

/** At most n_max of n rows, one at random out of each stretch; NULL when out of memory. */
uint32_t *tm__linear_rows(uint64_t n, uint64_t n_max, uint64_t seed, uint64_t *out_n);
/** Mean and spread that targets of some rows are scaled by; 0 and 1 of classes. */
void tm__linear_target(const tm_fit_input *in, const uint32_t *rows, uint64_t n_rows,
                       double *out_mean, double *out_sd);
/** Move the weights of in->base with the rows given. */
TM_NODISCARD tm_status tm__linear_update(tm_ctx *ctx, const tm_fit_input *in,
                                         const tm_params *params, tm_model **out_model,
                                         tm_err *err);
TM_NODISCARD tm_status tm__linear_fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                                      tm_model **out_model, tm_err *err);

#endif
