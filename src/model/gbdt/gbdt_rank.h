/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gradients of ranking: pairs of rows of a query, weighed by what swapping them does to ndcg.
 *
 * A pair counts when its relevances differ and one of both is among the first `depth` rows by the
 * scores so far. Weights are divided by the distance of the pair's scores, and the gradients of a
 * query by the growth of their sum, so that a query of many pairs does not drown the others.
 * Queries without two different relevances have no gradient.
 *
 * Source: Burges 2010, "From RankNet to LambdaRank to LambdaMART", MSR-TR-2010-82.
 */
#ifndef TM_MODEL_GBDT_RANK_H
#define TM_MODEL_GBDT_RANK_H

#include <stdint.h>

#include "tidemill/err.h"

struct tm_pool;

typedef struct tm_rank tm_rank;

/**
 * query    [n_rows] number of each row's query; equal ones adjacent.
 * y        [n_rows] relevances from 0 to 31; a row's gain is 2^y - 1.
 * depth    over 0.
 *
 * Owns:    keeps no pointer into its arguments.
 * Errors:  TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__rank_create(const uint32_t *query, const double *y, uint64_t n_rows,
                                       uint32_t depth, tm_rank **out, tm_err *err);
/** First and second derivatives by the scores [n_rows], without weights of rows: *out_g and *out_h
 * [n_rows] are the rank's own until its next call. Any pool gives the same bits. */
void tm__rank_fit(struct tm_pool *pool, tm_rank *rank, const double *scores, const double **out_g,
                  const double **out_h);
void tm__rank_free(tm_rank *rank);

#endif
