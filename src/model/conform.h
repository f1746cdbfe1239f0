/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every learner has to hold, whoever wrote it: the checks that learners of this library and of
 * modules pass unchanged. They fit, save, break off and repeat on small made-up rows of each task.
 *
 * Not for: quality. A learner that passes may still be a poor one.
 */
#ifndef TM_MODEL_CONFORM_H
#define TM_MODEL_CONFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

#define TM_CONFORM_MAX 32u

typedef enum tm_conform_verdict {
    TM_CONFORM_HOLDS,
    TM_CONFORM_BROKEN,
    TM_CONFORM_PASSED_OVER /* the learner does not claim it; message says what */
} tm_conform_verdict;

typedef struct tm_conform_result {
    const char *name; /* "the same bytes for any number of threads" */
    tm_conform_verdict verdict;
    char message[224]; /* task and what was found; empty when it holds */
} tm_conform_result;

typedef struct tm_conform_report {
    uint32_t n;
    uint32_t n_broken;
    tm_conform_result results[TM_CONFORM_MAX]; /* in the order of the checks */
} tm_conform_report;

typedef struct tm_conform_options {
    const tm_params *params; /* NULL: defaults */
    uint32_t tasks;          /* bits 1 << tm_task of those that it is made for; 0: all */
    bool is_constant;        /* it need not learn from columns */
    const char *only;        /* checks whose names hold it; NULL: all */
    bool is_quick;           /* fewer places to run out of memory and to be damaged at */
    /* Called after each check; may be NULL. */
    void (*on_result)(void *arg, const tm_conform_result *result);
    void *arg;
} tm_conform_options;

/**
 * Run all checks on a learner. A check that breaks does not end the others.
 *
 * Owns:    report holds no memory.
 * Cost:    some hundred fits on at most 600 rows: seconds.
 * Errors:  TM_E_NOMEM for the rows themselves. A learner that fails is in the report, not an error.
 * Threads: one caller; makes pools of its own. Allocations of the whole process are made to fail
 *          (tm__mem_fail_at), so nothing else may run in it.
 */
TM_NODISCARD tm_status tm__conform_run(const tm_model_ops *ops, const tm_conform_options *options,
                                       tm_conform_report *out, tm_err *err);

#endif
