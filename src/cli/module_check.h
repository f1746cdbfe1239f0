/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `module check`: a module in a child with limits, check by check. The child writes a line when it
 * begins a check and one when it ends it, so that a crash and a hang have a name.
 */
#ifndef TM_CLI_MODULE_CHECK_H
#define TM_CLI_MODULE_CHECK_H

#include "base/fs.h"
#include "base/user_module.h"
#include "feature/feature.h"
#include "table/task.h"

#define TM_MODULE_CHILD "module-check-child" /* PROGRAM it FILE REPORT [NAME=VALUE...] */

/* What a check is asked with. */
typedef struct tm_module_try {
    const tm_user_module *module;
    struct tm_module_sample_rows *rows; /* of learners */
    struct tm_pool *pool;
    const char *const *options; /* [n_options] NAME=VALUE, of the source */
    uint32_t n_options;
} tm_module_try;

/* A check: TM_OK, TM_E_UNSUPPORTED (it does not apply; the message says why) or what is wrong. */
typedef struct tm_module_trial {
    const char *name;   /* "learner: a row alone has the bits of the row in a batch" */
    const char *advice; /* what to do when it fails */
    tm_status (*run)(const tm_module_try *with, tm_err *err);
} tm_module_trial;

/** Checks of each kind of part; they end with name NULL. */
const tm_module_trial *tm__module_learner_trials(void);
const tm_module_trial *tm__module_transform_trials(void);
const tm_module_trial *tm__module_source_trials(void);

/* Made rows for learners: numbers, one with gaps, one far from 0, one without values, two
 * categories; easy targets of each task. */
#define TM_SAMPLE_COLS 6u
typedef struct tm_module_sample_rows {
    tm_view x;                 /* all */
    tm_view valid;             /* other rows */
    tm_view odd;               /* rows that training never has: all missing, huge, tiny, unknown */
    double *y[3], *y_valid[3]; /* of binary, multiclass (3 classes), regression */
    double *weights;
} tm_module_sample_rows;
/** NULL when out of memory. */
tm_module_sample_rows *tm__module_sample_create(uint64_t n_rows);
void tm__module_sample_free(tm_module_sample_rows *self);

/** The child; its exit code. argv: FILE, REPORT, options, NULL. */
int tm__module_child(const char *const *argv);

#endif
