/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From which probability on a row of two classes is called positive: by a rule that a person gives,
 * on validation rows, and what calling so reaches.
 */
#ifndef TM_METRIC_THRESHOLD_H
#define TM_METRIC_THRESHOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "tidemill/err.h"

typedef enum tm_rule_kind {
    TM_RULE_F1,        /* the largest F1 */
    TM_RULE_COST,      /* the least cost of false calls and missed rows */
    TM_RULE_CAPACITY,  /* at most that share of the rows is called */
    TM_RULE_PRECISION, /* the most found, with at least that precision in nine of ten draws of the
                          called rows: the best of many cuts would flatter itself */
    TM_RULE_RECALL,    /* the best precision, with at least that share found */
    TM_RULE_VALUE      /* as given */
} tm_rule_kind;

typedef struct tm_threshold_rule {
    tm_rule_kind kind;
    double value;              /* CAPACITY, PRECISION, RECALL, VALUE: above 0 (VALUE: or 0) to 1 */
    double false_call, missed; /* COST: of one each, not below 0, not both 0 */
} tm_threshold_rule;
/** "f1", "cost:1:5" (a false call, a missed row), "capacity:0.05", "precision:0.9", "recall:0.8" or
 * a number from 0 to 1. NULL: f1. TM_E_USAGE. */
TM_NODISCARD tm_status tm__threshold_parse(const char *text, tm_threshold_rule *out, tm_err *err);

/* Rows with truths and probabilities. */
typedef struct tm_called_rows {
    uint64_t n;
    const double *y;       /* [n] 1: positive */
    const double *pred;    /* [n] */
    const double *weights; /* [n] or NULL */
} tm_called_rows;

typedef struct tm_threshold {
    double value;
    bool is_reached; /* what the rule asks for */
    bool is_by_cost; /* COST: false_call / (false_call + missed), which calibrated answers call for
                      */
} tm_threshold;
/**
 * The threshold of a rule. n may be 0 for VALUE, for F1, which then is one half, and for COST,
 * which then is the one of calibrated answers; so it is where no other costs surely less (1.64
 * standard errors, row by row) on the rows. Of equal ones the highest.
 *
 * Errors:  TM_E_USAGE (a rule that needs rows, without any), TM_E_NOMEM.  Cost: O(n log n).
 * Source:  Elkan 2001, The foundations of cost-sensitive learning, sec. 2.
 */
TM_NODISCARD tm_status tm__threshold_find(const tm_threshold_rule *rule, const tm_called_rows *rows,
                                          tm_threshold *out, tm_err *err);
/** Why it is this one, for a person. out [256]. */
void tm__threshold_reason(const tm_threshold_rule *rule, const tm_threshold *found, bool has_rows,
                          char *out);
/** What calling so reaches on rows: {"precision", "recall", "rate", "cost"? (a row, with COST)},
 * each {"value", "low", "high"}: 95 %, Wilson 1927 by the rows that the weights are worth, cost by
 * its standard error; a share of nothing is 0 to 1. New reference; NULL when out of memory. */
json_t *tm__threshold_reach(const tm_threshold_rule *rule, double value,
                            const tm_called_rows *rows);

#endif
