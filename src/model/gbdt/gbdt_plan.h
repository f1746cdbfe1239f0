/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory a fit takes at the most, known from the shape of its input before anything is
 * allocated; and how it is made to fit a limit without a change of the model.
 */
#ifndef TM_MODEL_GBDT_PLAN_H
#define TM_MODEL_GBDT_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

typedef struct tm_gbdt_plan {
    uint64_t row_bytes;   /* bins, gradients, scores and indices of rows */
    uint64_t hist_bytes;  /* histograms */
    uint64_t tree_bytes;  /* the forest when it has all its trees */
    uint64_t total_bytes; /* of these; the input is not in it */
    uint64_t slots_bytes; /* histograms of leaves of one lane: tm_grow_options.hist_bytes_max */
    uint32_t n_lanes;     /* trees that grow at the same time */
    bool has_roots;       /* the first histograms of a round's trees are made together */
} tm_gbdt_plan;

/**
 * allowed: bytes that total_bytes may reach; 0: any. Fewer lanes and histograms, which are then
 * built again or one by one, change the time and not the trees.
 *
 * Errors:  TM_E_LIMIT when the least is more than allowed; the hint says what takes most.
 */
TM_NODISCARD tm_status tm__gbdt_plan(const tm_fit_input *in, const tm_params *params,
                                     uint32_t n_threads, uint64_t allowed, tm_gbdt_plan *out,
                                     tm_err *err);

/** total_bytes of the least plan: what no limit can be below. */
uint64_t tm__gbdt_plan_least(const tm_fit_input *in, const tm_params *params, uint32_t n_threads);

#endif
