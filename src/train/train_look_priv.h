/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that look at a model: groups of rows, intervals, tests. */
#ifndef TM_TRAIN_TRAIN_LOOK_PRIV_H
#define TM_TRAIN_TRAIN_LOOK_PRIV_H

#include "train/train_look.h"
#include "train/train_priv.h"

#define TM_GROUP_NAME 96u
#define TM_NO_GROUP UINT32_MAX

/* Rows of a look by a column. */
typedef struct tm_row_groups {
    uint32_t n;       /* 0: the column has no groups */
    uint32_t *of_row; /* [look->n], TM_NO_GROUP: in none */
    uint64_t *counts; /* [n] */
    char (*names)[TM_GROUP_NAME];
} tm_row_groups;
typedef struct tm_row_groups_options {
    uint32_t n_levels;  /* texts at most; the rest together are "(others)" */
    uint32_t n_bins;    /* of numbers and times with more values than n_levels */
    uint64_t rows_min;  /* levels of fewer rows are "(others)" */
    bool is_kept_alone; /* texts that the bundle does not keep are "(others)", too */
} tm_row_groups_options;
/** Levels of texts, truths, single whole numbers where they are few, else bins between quantiles;
 * rows without a value are a group. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__row_groups_init(const tm_look *look, uint32_t col,
                                           const tm_row_groups_options *options, tm_row_groups *out,
                                           tm_err *err);
void tm__row_groups_done(tm_row_groups *groups);
/** A text cut to whole characters, in out. */
void tm__look_text(char *out, size_t size, tm_str text);

double tm__look_weight(const tm_look *look, uint64_t i);
/** What a row is measured by where one number is wanted: BINARY the target and the probability of
 * class 1, MULTICLASS whether the class named is right and its probability, REGRESSION the value.
 */
double tm__look_truth(const tm_look *look, uint64_t i);
double tm__look_answer(const tm_look *look, uint64_t i);
/** MULTICLASS: the class that the answer names. */
uint32_t tm__look_class(const tm_look *look, uint64_t i);
/** Sorted values' quantile, by linear interpolation (type 7); NaN of none. */
double tm__look_quantile(const double *sorted, uint64_t n, double share);
int tm__look_compare(const void *a, const void *b); /* doubles, for qsort */
/** {"value", "low", "high"}; null when value is not finite. */
json_t *tm__look_interval(double value, double low, double high);
/** Chance that a standard normal number is above z. Within 1.2e-7 of the value (Numerical Recipes
 * in C, 2nd ed., sec. 6.2). */
double tm__look_tail(double z);
/** Reliability by ten parts of equal rows: [{"rows", "prediction", "share", "low", "high"}]. truth
 * 0 or 1, weights may be NULL. NULL when out of memory. */
json_t *tm__look_reliability(const double *pred, const double *truth, const double *weights,
                             uint64_t n);

#endif
