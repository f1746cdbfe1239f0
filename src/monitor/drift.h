/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Have the columns and the answers of a version moved away from its reference, since when, by how
 * much, and what does it cost? Columns share one budget of false alarms (shift.h): an alarm is told
 * when the evidence of a column is over 1 / its share. docs/monitoring.md says it to people,
 * docs/decisions/0064-drift.md why.
 */
#ifndef TM_MONITOR_DRIFT_H
#define TM_MONITOR_DRIFT_H

#include "base/json.h"
#include "model/bundle.h"
#include "monitor/shift.h"
#include "monitor/sketch_cells.h"
#include "store/home.h"

/* ---- The report ---- */

typedef struct tm_drift_ask {
    const char *model;
    uint32_t version;
    int64_t budget_us; /* 0: TM_BUDGET_US */
    int64_t within_us; /* how far back "now" reaches from the newest row; 0: a day */
} tm_drift_ask;
/**
 * What moved, that which costs most first: a list of {"column" (null: the answers), "kind",
 * "importance", "moved", "evidence", "evidence_needed", "rows", "what", "since", "was", "is",
 * "psi", "ks", "chi2": {"statistic", "df", "p"}, "missing": {"was", "is"}, "new": {"was", "is",
 * "distinct"}, "range": {"below", "above"}, "cost": {"loss", "was", "expected", "change"}, "next"}.
 * What is not known of a column is null. Empty: the bundle has no reference, or nothing was counted
 * since the home was made.
 *
 * Owns:    *out is a new reference.
 * Cost:    reads the version's windows of two months: some thousand, or as many as it has.
 * Errors:  TM_E_NOMEM, TM_E_INTEGRITY and those of the store.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__drift_report(const tm_home *home, const tm_bundle *bundle,
                                        const tm_drift_ask *ask, json_t **out, tm_err *err);

/* ---- Watching ---- */

typedef struct tm_drift tm_drift;
/** Detectors that have seen nothing. The plan must outlive them. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__drift_create(const tm_cells_plan *plan, int64_t budget_us,
                                        tm_drift **out, tm_err *err);
/** Same of one column alone (behind the inputs: the answers), with the share of the budget that it
 * has among all. */
TM_NODISCARD tm_status tm__drift_create_one(const tm_cells_plan *plan, int64_t budget_us,
                                            uint32_t column, tm_drift **out, tm_err *err);
void tm__drift_free(tm_drift *drift);
/** A window of rows, in order of time; a clock that jumps costs nothing but evidence. Owner thread.
 */
void tm__drift_add(tm_drift *self, const tm_counts *window, int64_t at_us, int64_t span_us);

/* How a column stands. */
typedef struct tm_drift_column {
    double weight;       /* its share of the budget */
    tm_shift_look look;  /* since the last alarm */
    tm_shift_look alarm; /* the last one; evidence 0: there was none */
    int64_t alarm_us;    /* begin of the window that brought it */
    uint32_t n_alarms;
    bool is_new_alarm; /* the last window brought one */
} tm_drift_column;
const tm_drift_column *tm__drift_column(const tm_drift *drift, uint32_t column);
uint64_t tm__drift_rows(const tm_drift *drift);

/* ---- Figures: drift_figures.c ---- */

/* Two sets of counts over the cells of a column. */
typedef struct tm_drift_figures {
    double psi;  /* population stability index, cells floored at half a row */
    double ks;   /* largest difference of the shares up to a bin; NaN without bins */
    double chi2; /* Pearson's statistic of the two rows of counts */
    uint32_t df; /* cells with rows, less one */
    double p;    /* of chi2, by Wilson and Hilferty's root (1931) */
} tm_drift_figures;
/** was and is [n_cells]; n_ordered of them are bins. Zeros (p 1) without rows on either side. */
void tm__drift_figures(const tm_ref_column *column, const uint64_t *was, const uint64_t *is,
                       tm_drift_figures *out);

/** Counts of the training rows [n_cells], blocks together. */
void tm__drift_was(const tm_ref_column *column, uint64_t *out);

typedef struct tm_drift_cost {
    double was, expected; /* mean loss: log loss, or the root of the squared one; NaN: not known */
} tm_drift_cost;
/** The loss when the rows of each cell lose what they lost on held-out rows, and cells come as
 * often as they do now. */
void tm__drift_cost(const tm_reference *reference, uint32_t column, const uint64_t *is,
                    tm_drift_cost *out);

/* ---- Words: drift_words.c ---- */

/** "missing values: 1 % -> 34 %". column: an input, or behind them the answers. */
void tm__drift_what(const tm_bundle *bundle, uint32_t column, const tm_shift_look *look,
                    tm_buf *out);
/** "numbers", "levels", "answers"; static text. */
const char *tm__drift_kind(const tm_ref_column *column, bool is_answers);
/** What to do next about what moved; static text. */
const char *tm__drift_next(const tm_ref_column *column, const tm_shift_look *look);

#endif
