/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the labels of a model that come as rows of a source are in the log. The labels of some
 * rows and the place behind them are one transaction, so after a kill each row is there once.
 */
#ifndef TM_MONITOR_LABEL_FOLLOW_H
#define TM_MONITOR_LABEL_FOLLOW_H

#include "base/limits.h"
#include "monitor/monitor.h"

/* What became of rows since the place was first kept. */
typedef enum tm_followed_count {
    TM_FOLLOWED_JOINED,
    TM_FOLLOWED_WAITING, /* that matched no answer when they were read; they wait for one */
    TM_FOLLOWED_DUPLICATE,
    TM_FOLLOWED_CONFLICT,
    TM_FOLLOWED_AMBIGUOUS,
    TM_FOLLOWED_EMPTY,  /* without a label yet */
    TM_FOLLOWED_BAD,    /* that name no answer, or whose label is no number where one is due */
    TM_FOLLOWED_MISSED, /* that were removed from the source before they were read */
    TM_FOLLOWED_COUNTS
} tm_followed_count;

#define TM_FOLLOWED_PROBLEM 200u
typedef struct tm_followed {
    char model[TM_MAX_NAME + 1];
    char source[TM_MAX_NAME + 1]; /* empty: nothing is known of this model */
    int64_t spec;                 /* of what was declared */
    int64_t source_us;            /* when the source was made */
    uint64_t next;                /* place of the row that is read next */
    uint64_t n[TM_FOLLOWED_COUNTS];
    int64_t at_us;                     /* of the last change */
    char problem[TM_FOLLOWED_PROBLEM]; /* why it stands still; empty: it does not */
} tm_followed;

/* The log, for whoever follows. Owner thread. */
typedef struct tm_label_follow tm_label_follow;
/** log.db is made when missing; the server and others write beside it. */
TM_NODISCARD tm_status tm__label_follow_open(const tm_home *home, tm_label_follow **out,
                                             tm_err *err);
void tm__label_follow_close(tm_label_follow *follow); /* NULL is a no-op */
/** What is kept of a model; with an empty source when nothing is. */
TM_NODISCARD tm_status tm__label_follow_read(tm_label_follow *follow, const char *model,
                                             tm_followed *out, tm_err *err);
/**
 * Store labels and what is kept behind them, in one durable commit.
 *
 * io_after  its counts of labels are added to; joined and the like begin as those of `before`.
 * before    what was read, and must be there still.
 * labels    [n], n at most TM_LABEL_FOLLOW_PIECE.
 *
 * Errors:   TM_E_CONFLICT (another process went on, or the file stays busy), those of a file;
 *           nothing is changed then.
 */
#define TM_LABEL_FOLLOW_PIECE 2000u
TM_NODISCARD tm_status tm__label_follow_put(tm_label_follow *follow, const tm_followed *before,
                                            const tm_label *labels, uint64_t n,
                                            tm_followed *io_after, tm_err *err);

/** {"source", "next", "joined", "unknown", "duplicates", "conflicts", "ambiguous", "without_label",
 * "bad", "missed", "at", "problem"} of a model, or null. New reference. */
TM_NODISCARD tm_status tm__monitor_followed(tm_monitor *monitor, const char *model, json_t **out,
                                            tm_err *err);

#endif
