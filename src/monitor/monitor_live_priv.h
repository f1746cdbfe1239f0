/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of live scores: rows by window, and scores of some of them. */
#ifndef TM_MONITOR_MONITOR_LIVE_PRIV_H
#define TM_MONITOR_MONITOR_LIVE_PRIV_H

#include "metric/metric_sure.h"
#include "monitor/monitor_live.h"

/* Answers, those of a window beside one another. */
typedef struct tm_live_rows {
    const tm_bundle *bundle;
    uint64_t n, n_max;
    uint32_t n_outputs;
    int64_t *times;  /* [n], owned: what windows go by */
    double *y;       /* [n], owned: NaN without a label */
    double *weights; /* [n], owned: for how many answers each stands */
    double *pred;    /* [n x n_outputs], owned */
    uint64_t n_left_out;
} tm_live_rows;
void tm__live_rows_init(tm_live_rows *rows, const tm_bundle *bundle);
void tm__live_rows_done(tm_live_rows *rows);

/* What is known of an answer. */
typedef struct tm_live_row {
    int64_t time_us;
    double y, weight;
    const double *outputs; /* [n_outputs] */
} tm_live_row;
/** Add an answer. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__live_rows_add(tm_live_rows *rows, const tm_live_row *row, tm_err *err);

/* Windows of equal width; rows of window i are starts[i] up to starts[i + 1]. */
typedef struct tm_windows {
    int64_t first_us, width_us;
    uint32_t n;
    uint64_t *starts; /* [n + 1], owned; NULL: no rows */
} tm_windows;
/** Put rows into windows, and in that order. options->window_us 0: a usual width. */
TM_NODISCARD tm_status tm__windows_init(tm_live_rows *rows, const tm_live_options *options,
                                        tm_windows *out, tm_err *err);
void tm__windows_done(tm_windows *windows);
/** Set "from" and "until" of a window. */
void tm__window_to_json(const tm_windows *windows, uint32_t i, json_t *out);

/* Some rows: from, up to. */
typedef struct tm_live_part {
    const tm_live_rows *rows;
    uint64_t from, end;
} tm_live_part;
uint64_t tm__live_labelled(const tm_live_part *part);
/* For how many answers those of a part stand. */
typedef struct tm_live_weight {
    double all, labelled;
} tm_live_weight;
tm_live_weight tm__live_weight(const tm_live_part *part);
/** Input of metric/ over a part, truths of which may be NaN; without copies. Without weights where
 * all rows stand for as many: a share that is the same for all changes no score. */
tm_score_input tm__live_input(const tm_live_part *part);
/** Same of the rows with a label alone, copied: *out_room [n x (2 + n_outputs)] is the caller's.
 * n_rows 0: there is none. */
TM_NODISCARD tm_status tm__live_known(const tm_live_part *part, tm_score_input *out,
                                      double **out_room, tm_err *err);

/** [S] of tm__monitor_live_report(); bounds are left out (null) of an arrival. New reference. */
TM_NODISCARD tm_status tm__live_scores(const tm_live_part *part, bool has_bounds, json_t **out,
                                       tm_err *err);
/** [E] of it; empty when nothing can be expected. New reference. */
TM_NODISCARD tm_status tm__live_estimates(const tm_live_part *part, json_t **out, tm_err *err);
/** What an error of numbers is expected to be; untouched for a score or a bundle that has none. */
void tm__live_expect_errors(const tm_metric_ops *metric, const tm_conformal *model,
                            const tm_score_input *in, tm_score_range *out);
/** What "estimated" says of how it is made. New reference. */
json_t *tm__live_estimate_about(const tm_bundle *bundle);

#endif
