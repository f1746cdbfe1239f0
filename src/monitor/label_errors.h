/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors of answers whose labels came, in the order in which the labels came, and whether their
 * mean has changed: since when, and by how much. Labels of a minute, and of as many as it takes to
 * have 32, are looked at together (adwin.h), and the looks share the model's budget of false alarms
 * by time; so a file of ten thousand labels a day is one look with the chance of a day.
 *
 * The error of classes is half the squared distance of the probabilities from what came true
 * (Brier's score; of a binary answer (p - y)^2), which needs no threshold; of numbers the absolute
 * error, where four times the test's RMSE and more count alike. Rankings have none: answers are
 * logged without their queries.
 *
 * Labels are taken as drawn one by one: where those that come together are alike (a day of one
 * shop), a change of who sends labels is a change of errors.
 */
#ifndef TM_MONITOR_LABEL_ERRORS_H
#define TM_MONITOR_LABEL_ERRORS_H

#include "monitor/adwin.h"
#include "monitor/monitor.h"

#define TM_ERRORS_LABELS_MAX ((uint64_t)1000000) /* that are read at once: the newest */
#define TM_ERRORS_CHANGES 16u

/* ---- Reading ---- */

typedef struct tm_label_error {
    int64_t joined_us;
    double error; /* 0 .. 1 */
} tm_label_error;
typedef struct tm_label_errors {
    tm_label_error *rows; /* [n], owned; by joined_us, then by answer */
    uint64_t n;
} tm_label_errors;
typedef struct tm_errors_ask {
    const char *model;
    uint32_t version;
    int64_t after_us; /* labels that joined later; INT64_MIN: all */
} tm_errors_ask;

/** What an error of 1 is: 1 of classes, of numbers in their unit; NaN: errors are not known. */
double tm__errors_scale(const tm_bundle *bundle);
/**
 * Errors of labels that joined; none (n 0) where the scale is not known. A label that is none of
 * the bundle's, or an answer with another number of outputs, is left out.
 *
 * Owns:    out->rows is the caller's (tm__mem_free).
 * Cost:    reads the answers of the labels; 16 bytes a label.
 * Errors:  TM_E_NOMEM, TM_E_INTEGRITY.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__errors_read(tm_monitor *monitor, const tm_bundle *bundle,
                                       const tm_errors_ask *ask, tm_label_errors *out, tm_err *err);

/* ---- Detecting ---- */

typedef struct tm_error_change {
    tm_adwin_cut cut; /* means of errors of 0 .. 1 */
    int64_t at_us;    /* end of the minute that told */
} tm_error_change;
/* Zeroed but for budget_us: has seen nothing. */
typedef struct tm_errors {
    int64_t budget_us; /* of the model; of it the errors have TM_BUDGET_ERRORS */
    tm_adwin adwin;
    bool has_minute, has_looked;
    int64_t minute_us, looked_us; /* begin of the minute at hand, and of the last looked at */
    uint64_t n_unlooked;          /* labels since then */
    int64_t until_us;             /* when the newest label joined */
    uint64_t n_changes;           /* since the beginning */
    tm_error_change changes[TM_ERRORS_CHANGES]; /* the newest, change k at k % TM_ERRORS_CHANGES */
} tm_errors;
/** Take a label that joined not before those taken. */
void tm__errors_add(tm_errors *self, const tm_label_error *row);
/** No label of the minute at hand comes any more: look at it. */
void tm__errors_end_minute(tm_errors *self);

/* ---- Telling ---- */

/** "brier" or "absolute". */
const char *tm__errors_name(const tm_bundle *bundle);
/**
 * {"error": "brier", "absolute" or null (it has none), "labels": looked at, "mean": now, "window":
 * labels that it is the mean of, "changes": [{"since", "told", "was", "is", "before", "labels",
 * "rose"}], the newest first}; of the newest TM_ERRORS_LABELS_MAX labels of the version.
 *
 * Owns: *out is a new reference.  Errors, Threads: those of tm__errors_read().
 */
TM_NODISCARD tm_status tm__errors_report(tm_monitor *monitor, const tm_bundle *bundle,
                                         const tm_errors_ask *ask, int64_t budget_us, json_t **out,
                                         tm_err *err);

#endif
