/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boosting lowers: the objectives, the tasks they are for, and the targets they can take.
 */
#ifndef TM_MODEL_GBDT_OBJECTIVE_H
#define TM_MODEL_GBDT_OBJECTIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "table/task.h"
#include "tidemill/err.h"

/* In the order of the parameter's names; numbers are stored in files: never reuse one. */
typedef enum tm_objective {
    TM_OBJECTIVE_AUTO = 0, /* by the task; never in a fitted model */
    TM_OBJECTIVE_SQUARED = 1,
    TM_OBJECTIVE_ABSOLUTE = 2,
    TM_OBJECTIVE_HUBER = 3,
    TM_OBJECTIVE_QUANTILE = 4,
    TM_OBJECTIVE_POISSON = 5,
    TM_OBJECTIVE_GAMMA = 6,
    TM_OBJECTIVE_TWEEDIE = 7,
    TM_OBJECTIVE_LOGISTIC = 8,
    TM_OBJECTIVE_SOFTMAX = 9,
    TM_OBJECTIVE_LAMBDARANK = 10,
    TM_OBJECTIVE_END = 11
} tm_objective;

#define TM_OBJECTIVE_NAMES                                                                         \
    "auto|squared|absolute|huber|quantile|poisson|gamma|tweedie|logistic|softmax|lambdarank"

/* An objective with its parameters. */
typedef struct tm_loss_spec {
    tm_task task;
    tm_objective objective; /* AUTO: by the task */
    uint32_t n_outputs;
    double quantile;      /* QUANTILE: share of targets below the answer */
    double huber_delta;   /* HUBER: from where on errors count linearly, in units of the target */
    double tweedie_power; /* TWEEDIE: variance is the mean to this power */
    uint32_t rank_depth;  /* LAMBDARANK: one row of a pair is among so many first */
    const uint32_t
        *query; /* LAMBDARANK: [n_rows] number of each row's query; equal ones adjacent */
} tm_loss_spec;

/** "squared". */
const char *tm__objective_text(tm_objective which);
/** AUTO becomes the task's; TM_E_USAGE for one that is not for the task. */
TM_NODISCARD tm_status tm__objective_resolve(tm_task task, tm_objective *io, tm_err *err);
/** Scores are logs of the answer. */
bool tm__objective_is_log(tm_objective objective);
/** Leaf values are fitted to the residuals of their rows, not by a step of Newton. */
bool tm__objective_renews(tm_objective objective);
/** Variance of a log objective is the mean to this power; 0 for others. */
double tm__objective_power(const tm_loss_spec *spec);
/** A leaf's step, not past the best constant of a log objective: log(up / down) of the sums g and h
 * of its rows. power: of the variance, over 0. */
double tm__step_within_log(double step, double power, double g, double h);
/** Targets that the objective can take; NaN is passed over. TM_E_INVALID names the row. */
TM_NODISCARD tm_status tm__objective_check(tm_objective objective, const double *y, uint64_t n_rows,
                                           tm_err *err);

#endif
