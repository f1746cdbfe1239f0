/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the monitor share: the log on disk, and the counters. */
#ifndef TM_MONITOR_MONITOR_PRIV_H
#define TM_MONITOR_MONITOR_PRIV_H

#include "base/fs.h"
#include "base/pool.h"
#include "monitor/monitor.h"
#include "store/db.h"

#define TM_LABEL_RESULTS 4u

/* A queued answer: one block that holds its texts and outputs too. */
typedef struct tm_entry {
    tm_answer answer;
} tm_entry;

/* Answers of a model that did not fit in the queue. */
typedef struct tm_drops {
    char model[129];
    uint64_t n;       /* since the log began        */
    uint64_t n_saved; /* of these, counted in the log */
} tm_drops;

/* Labels that a caller waits for; without labels it waits for the answers queued before it. */
typedef struct tm_ticket {
    const tm_label *labels;
    uint64_t n;
    tm_label_result *results; /* [n], of the ticket; handed over when all went well */
    tm_status status;
    tm_err err;
    bool is_done;
    struct tm_ticket *next;
} tm_ticket;

struct tm_monitor {
    char *path;
    tm_file *lock; /* NULL: this process only reads */
    tm_db *writer; /* of the writer thread once it runs */

    tm_mutex *read_mutex; /* over reader */
    tm_db *reader;        /* NULL: there is no log yet */

    tm_mutex *mutex; /* over all that follows */
    tm_cond *wake;   /* the writer has something to do */
    tm_cond *done;   /* a ticket is done */
    tm_thread *thread;
    tm_entry **queue; /* [queue_max], n_queued in use */
    tm_entry **batch; /* [queue_max], n_batch in use: being written, or waiting for another try */
    uint32_t queue_max, n_queued, n_batch;
    tm_ticket *first_ticket, *last_ticket;
    bool must_stop;
    bool is_broken; /* a failure that another try cannot mend */
    tm_drops *drops;
    uint32_t n_drops;
    uint64_t n_written;
    uint64_t n_labels[TM_LABEL_RESULTS];
};

/* What one transaction changes in the counters. */
typedef struct tm_tally {
    uint64_t n_written;
    int64_t n_labels[TM_LABEL_RESULTS];
    int64_t stamp_us; /* of the labels that join in it: grows from one to the next */
} tm_tally;

/** Open the log for its writer (made when missing) or a reader. */
TM_NODISCARD tm_status tm__log_open(const char *path, bool can_write, tm_db **out, tm_err *err);
/** Counters as they stand in the log. */
TM_NODISCARD tm_status tm__log_counters_load(tm_db *db, tm_monitor *monitor, tm_err *err);
/** In a transaction: an answer and the label that waits for it. */
TM_NODISCARD tm_status tm__log_answer_locked(tm_db *db, const tm_answer *answer, tm_tally *tally,
                                             tm_err *err);
/** In a transaction: a label. */
TM_NODISCARD tm_status tm__log_label_locked(tm_db *db, const tm_label *label, tm_tally *tally,
                                            tm_label_result *out, tm_err *err);
/** In a transaction: the stamp for its labels, above all before it. */
TM_NODISCARD tm_status tm__log_stamp_locked(tm_db *db, int64_t *out_us, tm_err *err);
/** In a transaction: add to a counter. */
TM_NODISCARD tm_status tm__log_count_locked(tm_db *db, const char *model, const char *name,
                                            int64_t by, tm_err *err);
/** Drop counter of a model, made when missing; the first one when memory ran out. */
tm_drops *tm__monitor_drops_locked(tm_monitor *monitor, const char *model);

extern const char *const tm__label_result_names[TM_LABEL_RESULTS];

#endif
