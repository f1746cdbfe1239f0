/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of sinks share:
 *
 *     loop_sink.c           what a sink is: check, add, list, show
 *     loop_sink_run.c       one run: plan, read, write, log, done
 *     loop_sink_source.c    rows of a source of the home, by their place
 *     loop_sink_query.c     rows of a query to PostgreSQL, by their key
 *     loop_sink_spool.c     rows of a query that has been planned, in a file
 *     loop_sink_answers.c   scores, the rows to write, the answers to log
 *     loop_sink_files.c     CSV and Parquet files
 *     loop_sink_table.c     a table of PostgreSQL
 *     loop_sink_schedule.c  the daemon's part
 */
#ifndef TM_LOOP_LOOP_SINK_PRIV_H
#define TM_LOOP_LOOP_SINK_PRIV_H

#include "base/fs.h"
#include "base/proc.h"
#include "loop/loop_priv.h"
#include "loop/sink.h"
#include "source/sinks.h"
#include "train/train.h"

#define TM_SINK_BATCH_ROWS 100000u
#define TM_SINK_BATCH_ROWS_MAX 1000000u
#define TM_SINK_BATCH_ID 160u

/* A batch, as its plan says and as it was read and scored. */
typedef struct tm_sink_batch {
    char id[TM_SINK_BATCH_ID];
    uint64_t id_hash;       /* prediction ids are made of it, the time and the row */
    uint64_t first, n_rows; /* of the input */
    int64_t at_us;          /* when it was planned: scored_at */
    char model[TM_MAX_NAME + 1];
    uint32_t version;
    tm_bundle *bundle;      /* a reference of its own: the next batch may have another one */
    tm_table *rows;         /* as they were read */
    tm_table *history;      /* events that features over windows are computed from; may be NULL */
    bool has_rows;          /* the history has the rows, too */
    tm_train_events others; /* events of other sources */
    tm_table *fitted;       /* as the model reads them */
    double *outputs;        /* [n_rows x outputs] */
    tm_table *result;       /* what is written */
} tm_sink_batch;
void tm__sink_batch_done(tm_sink_batch *batch);

/* One run of a sink. */
typedef struct tm_sink_run {
    const tm_home *home;
    tm_ctx *ctx;
    tm_sink_store *store;
    tm_sink_row row;
    json_t *ahead;           /* row.state as it will be when the batch in work is done */
    const char *const *keys; /* [n_keys] of the sink, else of its source */
    uint32_t n_keys;
    uint64_t batch_rows;
} tm_sink_run;

/* Where rows come from. A plan is the same rows whenever it is read. */
typedef struct tm_sink_input {
    /* Say in the plan, which has its number, which rows come next behind run->ahead, at most
     * batch_rows; *out_has false: none. Whatever the rows need to come again is durable. */
    tm_status (*plan)(void *self, json_t *plan, bool *out_has, tm_err *err);
    tm_status (*read)(void *self, const json_t *plan, tm_table **out, tm_err *err);
    /* The batch of the plan is done: note in the state how far the input is. */
    tm_status (*done)(void *self, const json_t *plan, json_t *state, tm_err *err);
    /* Nothing is left: note it. */
    tm_status (*finish)(void *self, json_t *state, tm_err *err);
    /* That is committed: remove what batches needed to come again. */
    tm_status (*clean)(void *self, tm_err *err);
    void (*close)(void *self); /* NULL is a no-op */
    void *self;
} tm_sink_input;
TM_NODISCARD tm_status tm__sink_source_open(tm_sink_run *run, tm_sink_input *out, tm_err *err);
TM_NODISCARD tm_status tm__sink_query_open(tm_sink_run *run, tm_sink_input *out, tm_err *err);

/** Where the rows of a batch wait until it is done, while those of the next are put elsewhere; the
 * caller frees. NULL when out of memory. */
char *tm__sink_spool_path(const tm_sink_run *run, int64_t number);
TM_NODISCARD tm_status tm__sink_spool_write(const char *path, const tm_table *table,
                                            tm_hash *out_hash, tm_err *err);
/** TM_E_INTEGRITY when it is not what was written. */
TM_NODISCARD tm_status tm__sink_spool_read(const char *path, const tm_hash *hash, tm_table **out,
                                           tm_err *err);

/* Where results go. */
typedef struct tm_sink_target {
    /* Durable on return, and the same when the batch is there already. */
    tm_status (*write)(void *self, const tm_sink_batch *batch, tm_err *err);
    void (*close)(void *self); /* NULL is a no-op */
    void *self;
} tm_sink_target;
TM_NODISCARD tm_status tm__sink_files_open(tm_sink_run *run, tm_sink_target *out, tm_err *err);
TM_NODISCARD tm_status tm__sink_table_open(tm_sink_run *run, tm_sink_target *out, tm_err *err);

/* ---- Answers ---- */

/** Names of the columns of the input that are written: the keys, else those that the model does not
 * read but for its target. New reference. */
json_t *tm__sink_passed(const tm_sink_run *run, const tm_bundle *bundle, const tm_table *rows);
/** Score batch->rows and make fitted, outputs and result. */
TM_NODISCARD tm_status tm__sink_score(tm_ctx *ctx, tm_sink_batch *batch, const json_t *passed,
                                      tm_err *err);
/** The id of an answer. */
void tm__sink_answer_id(const tm_sink_batch *batch, uint64_t row, char out[27]);
/** Log the answers of a batch that are not in the log yet. */
TM_NODISCARD tm_status tm__sink_log(const tm_sink_batch *batch, tm_job_log *log, tm_err *err);

/* ---- Records ---- */

/** Note that a try ended: how, and when the next one is. */
TM_NODISCARD tm_status tm__sink_record(tm_sink_store *store, tm_sink_row *row,
                                       const tm_err *failure, tm_err *err);
/** The lock of a sink that runs; TM_E_CONFLICT when another process has it. */
TM_NODISCARD tm_status tm__sink_lock(const tm_home *home, const char *name, tm_file **out,
                                     tm_err *err);

/* ---- The daemon ---- */

typedef struct tm_sinking {
    const struct tm_log *log; /* may be NULL */
    tm_children children;
} tm_sinking;
/** One look: reaps children, starts those of sinks that are due. Milliseconds until the next look.
 */
uint32_t tm__sinking_step(tm_sinking *sinking);

#endif
