/* SPDX-License-Identifier: Apache-2.0 */
/* A small table to learn from: x, noise, city, at (hourly), amount, label. */
#ifndef TM_SUPPORT_TRAIN_CASE_H
#define TM_SUPPORT_TRAIN_CASE_H

#include "table/table.h"

typedef struct train_case {
    const char *target_text[2]; /* texts of the two classes; NULL: 0 and 1 as integers */
    uint64_t missing_every;     /* the target of every n-th row is missing; 0: of none */
    bool is_shuffled;           /* rows are not in order of `at` */
} train_case;

/** Rows whose label follows x and city; the same for the same arguments. Aborts the test on
 * failure. */
tm_table *train_case_table(const train_case *options, uint64_t n_rows);

#endif
