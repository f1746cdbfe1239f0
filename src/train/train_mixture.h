/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several models that answer together, each learned from a run of the rows by age: the newest 700,
 * all, those from before a change. Who is in it, and with what share, is given; nothing is
 * searched.
 */
#ifndef TM_TRAIN_TRAIN_MIXTURE_H
#define TM_TRAIN_TRAIN_MIXTURE_H

#include <stdint.h>

#include "base/json.h"

#define TM_MIXTURE_MAX 16u

typedef struct tm_mixture_part {
    const char *learner;
    const char *const *params; /* "NAME", "VALUE", ..., NULL */
    uint64_t rows;             /* that it learns from; 0: all */
    uint64_t passed;           /* so many newest ones are passed over */
    uint64_t half_life;        /* rows by which a row counts half; 0: all count alike */
    double share;              /* of the answer, over 0 and at most 1 */
} tm_mixture_part;

/**
 * {"parts": [{"learner", "params": {NAME: VALUE}, "rows", "passed", "half_life", "share"}],
 * "ahead"}, as tm_train_options.mixture takes it and the record of a version keeps it; rows, passed
 * and half_life where they are not 0. ahead: rows between what is learned and what is answered, as
 * many of which are held out for a threshold. New reference; NULL when out of memory.
 */
json_t *tm__mixture_json(const tm_mixture_part *parts, uint32_t n, uint64_t ahead);

#endif
