/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How versions fare now, for who looks again and again: counts of their answers and labels, and
 * scores of the newest labels. Each look reads what came since the one before, so it costs the news
 * and not the log.
 *
 * Not for windows, bounds and slices of any time: monitor_live.h reads the log for these.
 */
#ifndef TM_MONITOR_MONITOR_RECENT_H
#define TM_MONITOR_MONITOR_RECENT_H

#include "metric/metric_sure.h"
#include "monitor/monitor.h"

#define TM_RECENT_LABELS 10000u /* newest labels that scores are of */
#define TM_RECENT_ANSWERS 2000u /* newest answers that an estimate is of */

typedef struct tm_recent tm_recent;

/** What was read is kept here. NULL when out of memory. */
tm_recent *tm__recent_create(tm_monitor *monitor);
void tm__recent_free(tm_recent *recent);

/* A version, and what is asked of it. */
typedef struct tm_recent_of {
    const tm_bundle *bundle; /* of that version */
    const char *model;
    uint32_t version;
    bool estimates; /* what the newest answers let expect: at most every ten seconds anew */
} tm_recent_of;

typedef struct tm_recent_view {
    uint64_t n_answers, n_labelled; /* of the version, since the log began */
    uint64_t n_dropped;             /* of the model */
    double coverage;                /* labelled / answered */
    int64_t first_us, last_us;      /* when the first and the last answer were given; 0: none */
    int64_t label_us;               /* when the newest label joined; 0: none */
    uint64_t n_scored;              /* newest labels that the scores are of */
    json_t *scores;                 /* metric report of these; owned; NULL when there are none */
    const char *metric;             /* the model's own; the bundle's text */
    tm_score_range score;           /* of it, with its 95 % interval; NaN: not known */
    uint64_t n_estimated;           /* newest answers that the estimate is of; 0: none */
    tm_score_range estimate;        /* of the model's own score, without labels; NaN: not known */
} tm_recent_view;
/**
 * Look at a version: read what came since the last look, and tell.
 *
 * Owns:    *out is the caller's, who ends it with tm__recent_view_done().
 * Errors:  TM_E_NOMEM, TM_E_INTEGRITY; what was read before stays.
 * Threads: any, one after the other.
 * Cost:    O(new blocks + new labels), of the latter at most TM_RECENT_LABELS are read; when there
 *          are new ones O(n log n) for n = TM_RECENT_LABELS. The first look walks the list of
 *          blocks, not the blocks.
 */
TM_NODISCARD tm_status tm__recent_look(tm_recent *recent, const tm_recent_of *of,
                                       tm_recent_view *out, tm_err *err);
void tm__recent_view_done(tm_recent_view *view);

/* How far a log is: as long as both stand, nothing in it has changed. */
typedef struct tm_log_mark {
    int64_t next_seq, stamp_us;
} tm_log_mark;
/** Zeros without a log. */
TM_NODISCARD tm_status tm__log_mark(tm_monitor *monitor, tm_log_mark *out, tm_err *err);

/** {"version", "answers", "labelled", "coverage", "scored", "scores", "metric", "value", "low",
 * "high", "first_answer", "last_answer", "last_label", "estimate": {"value", "low", "high",
 * "answers"} or null}. New reference. */
json_t *tm__recent_to_json(const tm_recent_view *view, uint32_t version);

#endif
