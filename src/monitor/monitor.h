/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was answered, what came true, and how good the answers are: log.db. Predictions are appended
 * by one writer thread in group commits; labels join by prediction id, or by entity and time. Live
 * scores are monitor_recent.h's (now) and monitor_live.h's (of any time).
 */
#ifndef TM_MONITOR_MONITOR_H
#define TM_MONITOR_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "model/bundle.h"
#include "monitor/log_terms.h"
#include "store/home.h"

typedef struct tm_monitor tm_monitor;

#define TM_MONITOR_BYTES ((size_t)64 << 20)

typedef struct tm_monitor_options {
    bool can_write;     /* start the writer thread; one process at a time */
    uint32_t queue_max; /* answers waiting to be written (default 65,536); of what comes past it, or
                           past TM_MONITOR_BYTES of them, a model's policy decides */
    const tm_log_terms *terms; /* of models that nothing is declared for; NULL: the default */
} tm_monitor_options;
TM_NODISCARD tm_status tm__monitor_open(const tm_home *home, const tm_monitor_options *options,
                                        tm_monitor **out, tm_err *err);
/** Writes what waits in memory, then closes; what waits in spill files is read by the next one. */
void tm__monitor_close(tm_monitor *monitor);
/** Say how a model's answers are logged from now on; NULL: as models that nothing is declared for.
 * Any thread. */
void tm__monitor_declare(tm_monitor *monitor, const char *model, const tm_log_terms *terms);

/* What answers share that one version gave on one route: who answered, and the columns of the rows.
 * The monitor's, until it closes. */
typedef struct tm_stream tm_stream;
typedef struct tm_stream_spec {
    const char *route, *model;
    const char *arm; /* why this version answered: "champion", "named", "batch"; NULL: not known */
    uint32_t version;
    const char *const *columns; /* [n_columns] names, in the order of an answer's cells */
    uint32_t n_columns;
} tm_stream_spec;
/** The stream of a spec; equal specs give the same one. Any thread. */
TM_NODISCARD tm_status tm__monitor_stream(tm_monitor *monitor, const tm_stream_spec *spec,
                                          tm_stream **out, tm_err *err);
/** True when tm__monitor_answers() of this stream waits for the disk. Any thread. */
bool tm__stream_is_sync(const tm_stream *stream);

typedef struct tm_answer {
    char id[27];
    int64_t event_us;      /* value of the time column; TM_INT_MISSING when there is none */
    tm_str entity;         /* value of the entity column as text; ptr NULL when there is none */
    const tm_cell *cells;  /* [n_cells], of the stream's columns: the row as it was scored */
    const double *outputs; /* [n_outputs] */
    uint32_t n_cells, n_outputs;
} tm_answer;
#define TM_SHADOW_ARM                                                                              \
    "shadow" /* of answers that nobody was given; their ids are twins of those                     \
              */
/** Append an answer as the log keeps it. False when out of memory (out->failed). Any thread. */
bool tm__answer_append(const tm_answer *answer, tm_buf *out);
/** Bytes of an appended answer, of which TM_ANSWER_BYTES_MIN are there. */
#define TM_ANSWER_BYTES_MIN 60u
size_t tm__answer_size(const uint8_t *answer);
/** Id and outputs of an appended answer; returns its bytes. outputs has room for them. */
size_t tm__answer_outputs(const uint8_t *answer, char out_id[27], double *outputs);
typedef struct tm_answers {
    tm_buf *bytes; /* appended answers; they are stamped in place */
    int64_t at_us; /* when they were answered */
    uint32_t latency_us;
} tm_answers;
/**
 * Log answers of one stream by the policy of its model; each is counted once, whatever becomes of
 * it. *out_dropped (may be NULL): how many found no room.
 *
 * Cost:   a copy of the bytes; of SPILL when there is no room a write to a file; of SYNC a commit.
 *         Answers that SAMPLE leaves out are taken out of the buffer.
 * Errors: of SYNC, where none of them is logged then: TM_E_UNAVAILABLE and those of a write.
 * Any thread.
 */
TM_NODISCARD tm_status tm__monitor_answers(tm_monitor *monitor, tm_stream *stream,
                                           const tm_answers *answers, uint32_t *out_dropped,
                                           tm_err *err);

/* ---- Answers of a batch job, logged by a process beside the server ---- */

typedef struct tm_job_log tm_job_log;
/** Open log.db (made when missing) for a job's answers. One process at a time for a job, which the
 * caller sees to; the server, and other jobs, write beside it. job NULL: one of no name, of which
 * there may be many, and whose batches are never gone on with. Owner thread. */
TM_NODISCARD tm_status tm__job_log_open(const tm_home *home, const char *job, tm_job_log **out,
                                        tm_err *err);
void tm__job_log_close(tm_job_log *log);
/** Begin, or go on with, a batch: *out_logged of its answers are in the log already, the first
 * ones. A job begins a batch when the one before is done. */
TM_NODISCARD tm_status tm__job_log_begin(tm_job_log *log, const char *batch,
                                         const tm_stream_spec *spec, uint64_t *out_logged,
                                         tm_err *err);
/** Add the batch's next answers, which are stamped in place; durable in pieces, so that after a
 * failure tm__job_log_begin() says where to go on. */
TM_NODISCARD tm_status tm__job_log_add(tm_job_log *log, const tm_answers *answers, tm_err *err);

typedef struct tm_label {
    const char *prediction_id; /* or NULL: by entity and time */
    const char *model;         /* needed with entity; else may be NULL */
    const char *entity;
    int64_t event_us;  /* TM_INT_MISSING: of an answer without a time */
    int64_t within_us; /* by entity: the newest answer up to this long before event_us; 0: at it */
    const char *value; /* text of the true class or number */
    int64_t observed_us; /* when it became known; TM_INT_MISSING: now */
    const char *origin;  /* who sent it: "key:1A2B3C4D"; NULL: not known */
} tm_label;
typedef enum tm_label_result {
    TM_LABEL_JOINED,
    TM_LABEL_WAITING,
    TM_LABEL_DUPLICATE,
    TM_LABEL_CONFLICT,
    TM_LABEL_AMBIGUOUS, /* joined the newest of several answers that it could mean */
    TM_LABEL_EXPIRED    /* of those that waited: removed; no call gives it */
} tm_label_result;
/**
 * Store labels durably in one commit before it returns; each joins once (a second equal one is a
 * duplicate, a different one a conflict that is kept out). By entity, the moment of an answer is
 * its event time or, when it has none and within_us is over 0, when it was given. Any thread.
 */
TM_NODISCARD tm_status tm__monitor_labels(tm_monitor *monitor, const tm_label *labels, uint64_t n,
                                          tm_label_result *out_results, tm_err *err);

/**
 * Same by a process beside the server, which may run or not: in commits of at most some thousand
 * labels, *out_done of them when one fails (NULL: not asked). All of them again are duplicates as
 * far as they were stored, so whoever was stopped starts again. Makes log.db when it is missing.
 * Labels of answers that a server gave just before are found, too, though they are in its queue:
 * for these it waits a quarter of a second at the most.
 *
 * Errors: TM_E_CONFLICT (the file stays busy), TM_E_CANCELLED by ctx, those of a file.
 */
TM_NODISCARD tm_status tm__monitor_labels_beside(const tm_home *home, const tm_ctx *ctx,
                                                 const tm_label *labels, uint64_t n,
                                                 tm_label_result *out_results, uint64_t *out_done,
                                                 tm_err *err);

#define TM_LABEL_WAIT_US (90 * INT64_C(86400000000)) /* that a label waits for its answer */
/**
 * Remove labels that were received before a moment and still wait for their answer; they are
 * counted as expired. Sent again they are new. In commits of some thousand, *out_n in all.
 *
 * Errors: TM_E_CONFLICT (the file stays busy), those of a file.  Threads: any.
 */
TM_NODISCARD tm_status tm__monitor_labels_expire(const tm_home *home, int64_t before_us,
                                                 uint64_t *out_n, tm_err *err);

/** Wait until everything queued so far is on disk. */
TM_NODISCARD tm_status tm__monitor_sync(tm_monitor *monitor, tm_err *err);

/** A label as a number: the class's place in the bundle (the number of classes for one that
 * training never saw) or the value; false when a regression's label is no number. */
bool tm__label_number(const tm_bundle *bundle, tm_str label, double *out);

/* Of whose answers, and as of when. */
typedef struct tm_age_options {
    const char *model;
    int64_t delay_us; /* in which labels are declared to come; -1: nothing is */
    int64_t now_us;
    int64_t covered_from_us; /* "covered" is of answers given from then on */
} tm_age_options;
/**
 * Where a model's labels come from and how long they take: {"model", "answers", "labelled",
 * "share", "ambiguous", "unmatched": labels by entity that wait for an answer, "unmatched_ids":
 * those by id (of any model), "before_answer", "declared_delay_seconds", "due", "overdue",
 * "covered": {"answers", "labelled"} of those whose delay is over, "later_than_declared", "oldest",
 * "newest", "oldest_age_seconds", "newest_age_seconds", "first_answer", "last_answer", "delay":
 * {"p50_seconds", "p90_seconds", "p99_seconds", "most_seconds"} of labels, "arrival":
 * {"p50_seconds", ..., "curve": [{"seconds", "share"}]} of answers, "origins": [{"origin",
 * "labels", "share", "oldest", "newest", "delay"}]}. A delay is from the row's time, or from when
 * it was answered; within 1 %. Null: nothing is known.
 *
 * Errors: TM_E_NOMEM, TM_E_INTEGRITY.  Threads: any.  Cost: reads the model's answers once.
 */
TM_NODISCARD tm_status tm__monitor_ages(tm_monitor *monitor, const tm_age_options *options,
                                        json_t **out, tm_err *err);

/** When the last label of a model joined: an upper bound for tm__monitor_labelled_span(), and an
 * after_us for the next time. 0 when there are none. */
TM_NODISCARD tm_status tm__monitor_labelled_until(tm_monitor *monitor, const char *model,
                                                  int64_t *out_us, tm_err *err);
/** How many labels of a model joined later than that. Cost: a count in an index. */
TM_NODISCARD tm_status tm__monitor_labelled_after(tm_monitor *monitor, const char *model,
                                                  int64_t after_us, uint64_t *out_n, tm_err *err);
/**
 * Labelled answers as rows to learn from, oldest first: the columns of the schema (roles FEATURE,
 * TIME, ENTITY, ...) and the target as text/number column named `target`. n = 0 rows gives a NULL
 * table. after_us is when a label joined, so that a late label of an old answer is new. Rows that
 * do not fit the bundle's schema (logged by a version with another one) are left out, and of two
 * classes those whose label is neither. Labels have the words of the bundle's classes.
 */
TM_NODISCARD tm_status tm__monitor_labelled(tm_monitor *monitor, const tm_bundle *bundle,
                                            const char *model, int64_t after_us, tm_table **out,
                                            tm_err *err);
/* Labels that had matured at a moment: those that had joined by then, were known by then, and whose
 * answers' moments lie so far back that others of their time are known too. */
typedef struct tm_label_cut {
    int64_t joined_us, known_us;
    int64_t moment_us; /* the latest: the cut less the declared delay */
} tm_label_cut;
/* Those of a later cut that are not of an earlier one. */
typedef struct tm_span {
    tm_label_cut after, until;
    const tm_bundle *also;  /* columns that only this bundle reads are added; NULL: none */
    const json_t *left_out; /* names of origins whose labels take no part; NULL: none */
} tm_span;
extern const tm_label_cut tm__label_cut_none, tm__label_cut_all;
/** Same for a span. *out_unmatured (may be NULL): labels that joined, and are not of span.until. */
TM_NODISCARD tm_status tm__monitor_labelled_span(tm_monitor *monitor, const tm_bundle *bundle,
                                                 const char *model, tm_span span, tm_table **out,
                                                 uint64_t *out_unmatured, tm_err *err);
/** The logged answer of an id: {"id","at","model","version","route","row":{},"outputs":[],
 * "entity" when it has one}; TM_E_NOT_FOUND. */
TM_NODISCARD tm_status tm__monitor_find(tm_monitor *monitor, const char *id, json_t **out,
                                        tm_err *err);
/** Copy log.db as it stands at this moment into a new file; see tm__db_copy(). None is made when
 * there is no log, or it is just being made. */
TM_NODISCARD tm_status tm__monitor_copy(const tm_home *home, const tm_ctx *ctx, const char *to,
                                        tm_err *err);
/** Check every page, row and index of log.db; read_only leaves an older format and the write-ahead
 * log as they are. TM_E_NOT_FOUND when there is none. */
TM_NODISCARD tm_status tm__monitor_check(const tm_home *home, bool read_only, uint32_t *out_format,
                                         tm_err *err);
/**
 * Exact counters, of all models and under "models" of each: {"accepted", "written", "spilled": in
 * files now, "queued": in memory now, "sampled_out", "dropped"}; accepted is the sum of the others
 * at any time. "killed": of those dropped, in memory when a server was killed; "batch": of those
 * accepted, by jobs; "removed": of those written, no longer in the log. A process that only reads
 * cannot see the memory of the server: queued is what is in none of the others. Besides "broken",
 * "labels": {...} by result. A model's entry also has "model", "policy" and "share". New reference;
 * NULL when out of memory.
 */
json_t *tm__monitor_counters(tm_monitor *monitor);

#endif
