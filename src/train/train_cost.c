/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model costs where it answers, from its parameters and rounds alone.
 *
 * A clock would make the choice of a model depend on the machine and its load, so latency has a
 * model of its own: nodes that one row visits, at NODE_NS each. A tree of L leaves that is grown by
 * gain is deeper than a full one; 1 + 1.3 log2(L) is its mean depth on the tables measured
 * (docs/decisions/0042-cost-of-an-answer.md). NODE_NS is what a slow core takes while nodes lie in
 * its second-level cache; those that do not fit there are fetched, which takes FETCHED times as
 * long.
 */
#include "train/train_search_priv.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"

#define NODE_NS 1.0
#define LEVEL_NODE_NS 3.0     /* where some nodes ask for levels */
#define CACHE_BYTES 2097152.0 /* in the bundle; half of it in memory */
#define FETCHED 4.0
#define NETWORK_US 10.0 /* of 128 units */
#define NETWORK_BYTES 400e3
#define NODE_BYTES 16.0
#define LATENCY_US_DEFAULT 100.0
#define ROW_US 3.0 /* features of a row, sums of members */
#define TEXT_US                                                                                    \
    40.0 /* terms of a text: looked up in tables that take the trees' place in caches              \
          */
/* The rounds that early stopping kept were found with fewer rows: more rows carry somewhat more
 * rounds. */
#define ROUNDS_FACTOR 1.1

static tm_cost get_limit(const tm_train_options *options) {
    const double us =
        options->latency_us_max > 0 ? (double)options->latency_us_max : LATENCY_US_DEFAULT;
    return (tm_cost){
        .us = fmax(us - ROW_US, us / 2),
        .bytes = options->bundle_bytes_max > 0 ? 0.9 * (double)options->bundle_bytes_max : INFINITY,
    };
}

/* Time of a row when all that answers has so many bytes: a row visits nodes all over them. */
static double fetched_us(const tm_cost *cost) {
    const double outside = fmax(0.0, 1.0 - CACHE_BYTES / fmax(cost->bytes, 1.0));
    return cost->us * (1.0 + (FETCHED - 1.0) * outside);
}

bool tm__cost_fits(const tm_train_options *options, const tm_cost *cost) {
    const tm_cost limit = get_limit(options);
    return fetched_us(cost) <= limit.us && cost->bytes <= limit.bytes;
}

void tm__cost_add(tm_cost *sum, tm_cost one) {
    sum->us += one.us;
    sum->bytes += one.bytes;
}

tm_cost_shape tm__cost_shape(const tm_train_data *data) {
    tm_cost_shape shape = {.n_outputs = tm__train_outputs(data)};
    for (uint32_t i = 0; i < data->schema.n_cols; i++) {
        const tm_schema_column *const column = &data->schema.cols[i];
        shape.has_levels =
            shape.has_levels || (column->role == TM_ROLE_FEATURE && column->type == TM_TYPE_TEXT);
    }
    for (uint32_t i = 0; i < data->n_as; i++) {
        shape.has_levels = shape.has_levels || data->as[i].meaning == TM_MEANS_CATEGORY;
    }
    return shape;
}

tm_cost tm__cost_of(const tm_candidate *candidate, tm_cost_shape shape, double rounds) {
    const double units = tm__candidate_param(candidate, "hidden", 0) / 128.0;
    if (units > 0) { /* a network: products of its layers, whatever its epochs */
        return (tm_cost){.us = NETWORK_US * units * units, .bytes = NETWORK_BYTES * units * units};
    }
    const double leaves = tm__candidate_param(candidate, "max_leaves", 0);
    if (!(leaves > 1)) {
        return (tm_cost){0};
    }
    /* A forest has all classes in one tree. */
    const bool is_forest = strcmp(candidate->ops->name, "forest") == 0;
    const double n_trees = rounds * (is_forest ? 1 : shape.n_outputs);
    const double node_ns = shape.has_levels ? LEVEL_NODE_NS : NODE_NS;
    const double depth = 1.0 + 1.3 * tm__log(leaves) / tm__log(2.0);
    return (tm_cost){.us = n_trees * depth * node_ns * 1e-3,
                     .bytes = n_trees * (2.0 * leaves - 1.0) * NODE_BYTES};
}

tm_cost tm__cost_of_row(const tm_search *search) {
    return (tm_cost){.us = search->has_terms ? TEXT_US : 0.0};
}

tm_cost tm__cost_of_stack(uint32_t n_members, uint32_t n_outputs) {
    const double n = (double)n_outputs * n_members;
    return (tm_cost){.us = n * NODE_NS * 1e-3, .bytes = (n + n_outputs) * sizeof(double)};
}

double tm__cost_rounds(const tm_train_options *options, const tm_candidate *candidate,
                       tm_cost_shape shape) {
    const tm_cost limit = get_limit(options);
    const tm_cost one = tm__cost_of(candidate, shape, 1.0);
    if (!(one.us > 0) || tm__candidate_param(candidate, "hidden", 0) > 0) {
        return INFINITY;
    }
    /* fetched_us() of n rounds, solved for n: within the cache, and beyond it. */
    const double within = limit.us / one.us;
    const double beyond = (within + (FETCHED - 1.0) * CACHE_BYTES / one.bytes) / FETCHED;
    const double rounds = within * one.bytes <= CACHE_BYTES ? within : beyond;
    return fmax(1.0, floor(fmin(rounds, limit.bytes / one.bytes)));
}

double tm__cost_refit_rounds(const tm_candidate *candidate) {
    const double rounds = (double)candidate->n_rounds;
    if (!candidate->is_hurried) {
        return ceil(rounds * ROUNDS_FACTOR);
    }
    /* As many as the trials were allowed, at the most: the limit of what an answer costs. */
    const double most = fmax(tm__candidate_param(candidate, "n_trees", rounds), rounds);
    const double wanted = fmax(rounds * TM_ROUNDS_HURRIED, tm__steps_wanted(candidate));
    return fmin(ceil(wanted), most);
}
