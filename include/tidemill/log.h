/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log what a program answers by itself, as a server logs its own answers: into the home, so that
 * labels may join, and monitoring, `data export` and retraining see them. Beside a server that runs
 * or not.
 */
#ifndef TM_TIDEMILL_LOG_H
#define TM_TIDEMILL_LOG_H

#include "tidemill/bundle.h"

typedef struct tm_answer_log tm_answer_log;

/**
 * Open the log of a home for the answers of one version of a model.
 *
 * home     folder, such as ".tidemill".
 * name     "churn" (its champion), "churn@3" or "churn@challenger".
 * bundle   of that version: the one that answers.
 * out_log  on success a log that the caller ends with tm_answer_log_close().
 *
 * Owns:    keeps the bundle, which must live longer; copies the rest.
 * Errors:  TM_E_NOT_FOUND (no such home or version), TM_E_CONFLICT (the bundle is that of another
 * version), TM_E_NOMEM, those of a file.
 * Threads: any; a log is of one thread, and a program may open several.
 */
TM_API TM_NODISCARD tm_status tm_answer_log_open(const char *home, const char *name,
                                                 const tm_bundle *bundle, tm_answer_log **out_log,
                                                 tm_err *err);

/* An answer. Zeroed members beside the first two say nothing. */
typedef struct tm_given_answer {
    const tm_row *row;  /* as it was scored */
    const double *out;  /* [tm_bundle_outputs()] of tm_bundle_predict_row() */
    const char *entity; /* what it is about, where the model's entity is none of its columns */
    int64_t time_us;    /* the row's time, where that is none of its columns; 0: none */
} tm_given_answer;

/**
 * Give an answer an id and add it. It is on disk after the next flush, which comes by itself with
 * every megabyte of answers.
 *
 * out_id  at least 27 bytes: the id, by which a label joins.
 *
 * Owns:    copies all of it.
 * Cost:    some microseconds; of a flush a commit.
 * Errors:  TM_E_NOMEM; of a flush TM_E_CONFLICT (the log stays busy) and those of a file: the
 * answers that were not written are kept, and this one is not added.
 * Threads: owner thread.
 */
TM_API TM_NODISCARD tm_status tm_answer_log_add(tm_answer_log *log, const tm_given_answer *answer,
                                                char *out_id, tm_err *err);

/**
 * Put all that was added on disk.
 *
 * Owns:    nothing.
 * Errors:  TM_E_CONFLICT (the log stays busy), TM_E_UNAVAILABLE (the disk is full), those of a
 * file; what was not written is kept, and flushed the next time. Threads: owner thread.
 */
TM_API TM_NODISCARD tm_status tm_answer_log_flush(tm_answer_log *log, tm_err *err);

/**
 * End a log; NULL is a no-op. What was added since the last flush is lost: flush before.
 *
 * Owns:    ends what tm_answer_log_open() gave.
 * Errors:  none.
 * Threads: owner thread.
 */
TM_API void tm_answer_log_close(tm_answer_log *log);

#endif
