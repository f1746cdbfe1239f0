/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gbdt/gbdt_objective.h"

#include <math.h>
#include <stddef.h>

#include "base/assert.h"
#include "base/fmath.h"

#define BINARY (1u << TM_TASK_BINARY)
#define MULTICLASS (1u << TM_TASK_MULTICLASS)
#define REGRESSION (1u << TM_TASK_REGRESSION)
#define RANKING (1u << TM_TASK_RANKING)

/* A relevance is a power of two in a gain: what ndcg takes. */
#define RELEVANCE_MAX 31.0
#define SQUARED_MAX 1e300

typedef struct objective {
    const char *name;
    uint32_t tasks; /* bit mask, 1 << tm_task */
    bool is_log, renews;
    double power;
    double min, max; /* of targets, inclusive */
    const char *wants;
} objective;

static const objective objectives[TM_OBJECTIVE_END] = {
    [TM_OBJECTIVE_AUTO] = {.name = "auto", .min = -SQUARED_MAX, .max = SQUARED_MAX},
    [TM_OBJECTIVE_SQUARED] = {.name = "squared",
                              .tasks = REGRESSION | RANKING,
                              .min = -SQUARED_MAX,
                              .max = SQUARED_MAX,
                              .wants = "small enough to be squared"},
    [TM_OBJECTIVE_ABSOLUTE] = {.name = "absolute",
                               .tasks = REGRESSION,
                               .renews = true,
                               .min = -SQUARED_MAX,
                               .max = SQUARED_MAX,
                               .wants = "from -1e300 to 1e300"},
    [TM_OBJECTIVE_HUBER] = {.name = "huber",
                            .tasks = REGRESSION,
                            .renews = true,
                            .min = -SQUARED_MAX,
                            .max = SQUARED_MAX,
                            .wants = "from -1e300 to 1e300"},
    [TM_OBJECTIVE_QUANTILE] = {.name = "quantile",
                               .tasks = REGRESSION,
                               .renews = true,
                               .min = -SQUARED_MAX,
                               .max = SQUARED_MAX,
                               .wants = "from -1e300 to 1e300"},
    /* Gradients are floats: targets keep a wide distance to their limits. */
    [TM_OBJECTIVE_POISSON] = {.name = "poisson",
                              .tasks = REGRESSION,
                              .is_log = true,
                              .power = 1,
                              .min = 0,
                              .max = 1e15,
                              .wants = "from 0 to 1e15"},
    [TM_OBJECTIVE_GAMMA] = {.name = "gamma",
                            .tasks = REGRESSION,
                            .is_log = true,
                            .power = 2,
                            .min = 1e-15,
                            .max = 1e15,
                            .wants = "over 0 (from 1e-15 to 1e15)"},
    [TM_OBJECTIVE_TWEEDIE] = {.name = "tweedie",
                              .tasks = REGRESSION,
                              .is_log = true,
                              .min = 0,
                              .max = 1e15,
                              .wants = "from 0 to 1e15"},
    [TM_OBJECTIVE_LOGISTIC] = {.name = "logistic", .tasks = BINARY, .min = 0, .max = 1},
    [TM_OBJECTIVE_SOFTMAX] = {.name = "softmax", .tasks = MULTICLASS, .min = 0, .max = 1e9},
    [TM_OBJECTIVE_LAMBDARANK] = {.name = "lambdarank",
                                 .tasks = RANKING,
                                 .min = 0,
                                 .max = RELEVANCE_MAX,
                                 .wants = "a relevance from 0 to 31"},
};

const char *tm__objective_text(tm_objective which) {
    return objectives[which].name;
}

tm_status tm__objective_resolve(tm_task task, tm_objective *io, tm_err *err) {
    if (*io == TM_OBJECTIVE_AUTO) {
        *io = task == TM_TASK_BINARY       ? TM_OBJECTIVE_LOGISTIC
              : task == TM_TASK_MULTICLASS ? TM_OBJECTIVE_SOFTMAX
              : task == TM_TASK_RANKING    ? TM_OBJECTIVE_LAMBDARANK
                                           : TM_OBJECTIVE_SQUARED;
    }
    TM_ASSERT(*io > TM_OBJECTIVE_AUTO && *io < TM_OBJECTIVE_END);
    if ((objectives[*io].tasks & (1u << task)) == 0) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "objective '%s' is not for a %s target",
                                     objectives[*io].name, tm__task_text(task));
        tm_err_hint(err, "Leave it out for the objective of the task, or say --task.");
        return st;
    }
    return TM_OK;
}

bool tm__objective_is_log(tm_objective which) {
    return objectives[which].is_log;
}

bool tm__objective_renews(tm_objective which) {
    return objectives[which].renews;
}

double tm__objective_power(const tm_loss_spec *spec) {
    return spec->objective == TM_OBJECTIVE_TWEEDIE ? spec->tweedie_power
                                                   : objectives[spec->objective].power;
}

tm_status tm__objective_check(tm_objective which, const double *y, uint64_t n_rows, tm_err *err) {
    const objective *o = &objectives[which];
    for (uint64_t row = 0; o->wants != NULL && row < n_rows; row++) {
        if (!(y[row] < o->min || y[row] > o->max)) {
            continue;
        }
        const tm_status st =
            TM_FAIL(err, TM_E_INVALID, "objective '%s': the target of row %llu is not %s", o->name,
                    (unsigned long long)(row + 1), o->wants);
        tm_err_at(err, NULL, row + 1, 0);
        return st;
    }
    return TM_OK;
}

/* A step of Newton up overshoots where the leaf's mean is many times the answer. Both sums follow
 * from gradient and hessian: g = down - up, h = (2 - p) down + (p - 1) up. */
double tm__step_within_log(double step, double power, double g, double h) {
    const double up = h - (2 - power) * g, down = h + (power - 1) * g;
    return step > 0 && up > down && down > 0 ? fmin(step, tm__log(up / down)) : step;
}
