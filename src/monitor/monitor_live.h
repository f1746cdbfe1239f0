/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How good the answers of a time were, window by window: by when they were given (or by the times
 * of their rows), and by when their labels came; what is still open while labels are missing; and
 * what the answers themselves let expect.
 */
#ifndef TM_MONITOR_MONITOR_LIVE_H
#define TM_MONITOR_MONITOR_LIVE_H

#include "monitor/monitor.h"

#define TM_LIVE_ROWS_MAX ((uint64_t)20000000)
#define TM_LIVE_WINDOWS_MAX 1000u

typedef struct tm_live_options {
    const char *model;
    uint32_t version;          /* 0: all */
    int64_t from_us, until_us; /* from, up to; INT64_MIN and INT64_MAX: all */
    int64_t window_us;         /* width of a window; 0: the least usual one that makes at most 48 */
    bool is_by_row;            /* windows by the rows' own times, where they have one */
} tm_live_options;

/**
 * {"clock": "answered" or "row", "from", "until", "window_seconds",
 *  "live": {"scores": [S], "windows": [{"from", "until", "answers", "labelled", "coverage",
 *           "scores": [S]}], "arrivals": [{"from", "until", "labels", "scores": [S]}]},
 *  "estimated": {"method": "cbpe", "residuals" or null, "calibrated": true, false or null,
 *                "assumes": [TEXT], "scores": [E], "windows": [{"from", "until", "answers",
 * "scores": [E]}]}, "coverage": {"answers", "labelled", "other_class": labels of a class that
 * training never saw, "stand_for": given ones for which those logged stand, "share", "left_out":
 * answers that do not fit the bundle, "dropped": of the model since the log began}}
 *
 * S: {"score", "smaller_is_better", "value": of the rows with a label, "low", "high": its 95 %
 * interval, "worst", "best": what it can become when the other labels come}. E: {"score",
 * "smaller_is_better", "value": of all rows, "low", "high": where 95 % of realised scores would
 * lie, "of_labelled": of the rows with a label alone, "realised": their score}. Null: not known.
 * Windows follow one another; those without answers have none. A window begins at a multiple of its
 * width since 1970. Arrivals are windows by when labels joined, of answers of any time. Rankings
 * have no scores: answers are logged without their queries. Where answers stand for different
 * numbers of given ones, scores, shares and coverage weight them, and low, high, worst, best and
 * what is expected are null.
 *
 * Errors:  TM_E_USAGE (more windows than TM_LIVE_WINDOWS_MAX), TM_E_LIMIT (more answers than
 *          TM_LIVE_ROWS_MAX), TM_E_NOMEM, TM_E_INTEGRITY.
 * Threads: any.
 * Cost:    reads the answers of the time once; 8 (3 + outputs) bytes for each.
 */
TM_NODISCARD tm_status tm__monitor_live_report(tm_monitor *monitor, const tm_bundle *bundle,
                                               const tm_live_options *options, json_t **out,
                                               tm_err *err);

/** The labelled answers of the time as rows, as tm__monitor_labelled() has them; the width of
 * windows is not read. n = 0 rows gives a NULL table. */
TM_NODISCARD tm_status tm__monitor_labelled_of(tm_monitor *monitor, const tm_bundle *bundle,
                                               const tm_live_options *options, tm_table **out,
                                               tm_err *err);

#endif
