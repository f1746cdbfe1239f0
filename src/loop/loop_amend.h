/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What answers of values are off by of late, and by how much a next one is likely to be: a level
 * that moved, a scale that grew, what the same time of the last period was off by. A line in some
 * numbers that are known with the answer, by least squares over labels of which newer ones count
 * more (recursive least squares with forgetting: Ljung and Soderstrom, "Theory and practice of
 * recursive identification" (1983)), held to 0 by a ridge. Plain data; no clock, file or model.
 */
#ifndef TM_LOOP_LOOP_AMEND_H
#define TM_LOOP_LOOP_AMEND_H

#define TM_AMEND_TERMS 6u

typedef struct tm_amend {
    double memory; /* labels after which one counts 1/e */
    double n;      /* labels, older ones counting less */
    double sums[TM_AMEND_TERMS][TM_AMEND_TERMS], of_off[TM_AMEND_TERMS];
} tm_amend;

void tm__amend_init(tm_amend *self, double memory);
/** A label came: terms [TM_AMEND_TERMS] of its answer, finite, and label - answer. */
void tm__amend_update(tm_amend *self, const double *terms, double off);
/** What is to be added to an answer of these terms; 0 as long as little is known. */
double tm__amend_predict(const tm_amend *self, const double *terms);

#endif
