/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the monitor share: the log on disk, and the counters. */
#ifndef TM_MONITOR_MONITOR_PRIV_H
#define TM_MONITOR_MONITOR_PRIV_H

#include "base/fs.h"
#include "base/limits.h"
#include "base/pool.h"
#include "monitor/monitor.h"
#include "store/db.h"

#define TM_LABEL_RESULTS 6u
#define TM_MONITOR_GROUP 4096u /* answers that are written without waiting for more */

#define TM_ID_TEXT 26u
#define TM_RECORD_HEAD TM_ANSWER_BYTES_MIN

/* Counters of a model in the log. An answer that was taken is written, sampled out or dropped in
 * the end; the others say more of some of these. */
typedef enum tm_lane_count {
    TM_LANE_WRITTEN,
    TM_LANE_SAMPLED,
    TM_LANE_DROPPED,
    TM_LANE_BATCH,    /* of those written: by jobs beside the server */
    TM_LANE_REPLAYED, /* of those written: out of spill files */
    TM_LANE_KILLED,   /* of those dropped: in memory when a server was killed */
    TM_LANE_REMOVED,  /* of those written: no longer in the log */
    TM_LANE_COUNTS
} tm_lane_count;
typedef struct tm_lane_counts {
    uint64_t n[TM_LANE_COUNTS];
} tm_lane_counts;

/* What a model's answers go through on their way into the log, and what became of them. A monitor's
 * until it closes. At any time n_accepted = written - batch + sampled + dropped + queued + (spilled
 * - replayed). */
typedef struct tm_lane {
    struct tm_lane *next;
    char model[TM_MAX_NAME + 1];
    tm_log_terms terms;
    _Atomic bool is_sync;
    struct tm_lane_slot *slot; /* of accepted and spilled, which outlive a kill; NULL: no room */
    uint64_t n_accepted;       /* by servers, since the log began */
    uint64_t n_spilled;        /* of these: to files, since the log began */
    uint64_t spilled_bytes;    /* in files now */
    uint64_t n_queued;         /* in memory now */
    uint64_t n_sampled, n_dropped; /* since the log began */
    tm_lane_counts kept;           /* as the log has them */
} tm_lane;

struct tm_stream {
    tm_stream *next;
    char *route, *arm, *model, *columns; /* owned; columns is a JSON array of names */
    uint32_t version, n_columns;
    double share;     /* of its answers that are logged: each stands for 1 / share */
    tm_lane *lane;    /* NULL: of a job */
    tm_stream *twin;  /* the same with the share that its lane has now; NULL: not needed yet */
    uint32_t n_batch; /* of the writer: records of it in what is being written */
    int64_t row_id;   /* of the writer: in the table streams; 0 when it is not known to be there */
};

/** The stream like spec in a list, added when new; NULL when out of memory. */
tm_stream *tm__stream_find(tm_stream **streams, const tm_stream *spec);
/** Same of a spec; the list's. */
TM_NODISCARD tm_status tm__stream_of(tm_stream **streams, const tm_stream_spec *spec,
                                     tm_stream **out, tm_err *err);
void tm__streams_free(tm_stream *streams);

/* Queued answers: runs of records of one stream, each behind a head. */
typedef struct tm_run {
    tm_stream *stream;
    uint32_t n;
    uint32_t size; /* bytes that follow */
} tm_run;
typedef struct tm_queue {
    tm_buf runs;
    uint32_t n;      /* answers */
    size_t last_run; /* offset of the last head */
} tm_queue;

/* What a caller waits for: labels, or answers that are given only when they are durable. With
 * neither it waits for the answers queued before it. */
typedef struct tm_ticket {
    const tm_label *labels;
    uint64_t n;
    tm_label_result *results; /* [n], of the ticket; handed over when all went well */
    tm_run run;               /* of answers; n 0: none */
    const uint8_t *records;
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

    struct tm_spill *spill; /* has a lock of its own; NULL: this process only reads */
    uint64_t sample_key;

    tm_mutex *mutex; /* over all that follows */
    tm_cond *wake;   /* the writer has something to do */
    tm_cond *done;   /* a ticket is done */
    tm_thread *thread;
    tm_stream *streams;
    tm_lane *lanes;     /* the last one is of no model in particular */
    tm_shared counts;   /* slots of the lanes */
    tm_log_terms terms; /* of models that nothing is declared for */
    tm_queue queue;
    tm_queue batch;     /* of the writer: being written, or waiting for another try */
    bool must_look;     /* of the writer: the last try may have written some of the batch */
    uint32_t queue_max; /* answers in both */
    uint64_t n_spilled; /* in files now */
    uint64_t spill_ns;  /* of the writer: before then it reads no spill file again */
    uint64_t retain_ns; /* before then it looks for no record that is to go */
    tm_ticket *first_ticket, *last_ticket;
    bool must_stop;
    bool is_broken; /* a failure that another try cannot mend */
    uint64_t n_labels[TM_LABEL_RESULTS];
};

/* What one transaction changes in the counters. */
typedef struct tm_tally {
    uint64_t n_written;
    int64_t n_labels[TM_LABEL_RESULTS];
    int64_t stamp_us; /* of the labels that join in it: grows from one to the next */
    uint64_t n_labels_in_all[TM_LABEL_RESULTS]; /* as they stand at its end */
} tm_tally;

/** The writer thread's function; arg is the monitor. */
void tm__monitor_write_main(void *arg);

/* ---- Lanes: monitor_lane.c ---- */

/** The lane of a model, made when missing; without memory the one of no model in particular. */
tm_lane *tm__lane_of_locked(tm_monitor *monitor, const char *model);
/** Count answers that were taken, or went to a file: also where a kill leaves them. */
void tm__lane_accept_locked(tm_lane *lane, uint64_t n);
void tm__lane_spill_locked(tm_lane *lane, uint64_t n);
/** Make the first lane and, for the writer, map what outlives kills. */
TM_NODISCARD tm_status tm__lanes_open(tm_monitor *monitor, const tm_home *home, bool can_write,
                                      tm_err *err);
/** Once the log and the spill files are read: what a server that was killed had in memory counts as
 * dropped, in the log too. */
TM_NODISCARD tm_status tm__lanes_settle(tm_monitor *monitor, tm_err *err);
void tm__lanes_close(tm_monitor *monitor);
/** Take over what the log says of a model. */
void tm__lane_load_locked(tm_monitor *monitor, const char *model, const tm_lane_counts *counts);
/** Read the lanes of a log. */
TM_NODISCARD tm_status tm__lanes_read(tm_db *db,
                                      void (*fn)(void *arg, const char *model,
                                                 const tm_lane_counts *counts),
                                      void *arg, tm_err *err);
/** In a transaction: add to the counters of a model. */
TM_NODISCARD tm_status tm__lane_count_locked(tm_db *db, const char *model, const tm_lane_counts *by,
                                             tm_err *err);

/* What a transaction changes of a lane. */
typedef struct tm_lane_note {
    tm_lane *lane;
    tm_lane_counts by;     /* what it adds */
    tm_lane_counts in_all; /* as they stand at its end */
    uint64_t n_batch;      /* answers of the queue that it settles */
    uint64_t n_taken;      /* that were not queued and are accepted with it */
    uint64_t n_bytes;      /* out of spill files */
} tm_lane_note;
typedef struct tm_lane_notes {
    tm_lane_note *list; /* [n], owned */
    uint32_t n;
} tm_lane_notes;
/** A note for each lane with what is counted and not in the log yet. n 0: out of memory. */
tm_lane_notes tm__lane_notes_take_locked(tm_monitor *monitor);
/** The note of a stream's model; NULL: of a lane that came later. */
tm_lane_note *tm__lane_note_find(const tm_lane_notes *notes, const tm_lane *lane);
/** In a transaction: add what the notes say, and read what stands then. */
TM_NODISCARD tm_status tm__lane_notes_save_locked(tm_db *db, tm_lane_notes *notes, tm_err *err);
/** The transaction is durable. */
void tm__lane_notes_apply_locked(tm_monitor *monitor, const tm_lane_notes *notes);
void tm__lane_notes_done(tm_lane_notes *notes);
/** Take over what the log and, beside it, the server that writes it say: for who only reads. */
TM_NODISCARD tm_status tm__lanes_reload_locked(tm_monitor *monitor, tm_db *db, tm_err *err);

/** Run fn in a read transaction. Without a log yet there is nothing to read: fn is not called. */
TM_NODISCARD tm_status tm__log_read(tm_monitor *monitor,
                                    tm_status (*fn)(tm_db *db, void *arg, tm_err *err), void *arg,
                                    tm_err *err);
/** Open the log for its writer (made when missing) or a reader. */
TM_NODISCARD tm_status tm__log_open(const char *path, bool can_write, tm_db **out, tm_err *err);
/** Counters as they stand in the log. */
TM_NODISCARD tm_status tm__log_counters_load(tm_db *db, tm_monitor *monitor, tm_err *err);

/* ---- Answers as bytes ---- */

typedef struct tm_record { /* views into its bytes */
    tm_str id;
    int64_t at_us, event_us;
    tm_str entity; /* ptr NULL: none */
    tm_str cells;
    const char *outputs; /* [n_outputs] doubles, not aligned */
    uint32_t n_outputs, latency_us;
} tm_record;
/** Bytes of the record that begins here. */
size_t tm__record_size(const uint8_t *record);
/** A hash of its id. */
uint64_t tm__record_hash(const uint8_t *record, uint64_t key);
/** Say when it was answered; returns its size. */
size_t tm__record_stamp(uint8_t *record, int64_t at_us, uint32_t latency_us);
/** Read one and step behind it; false when the bytes are damaged. */
bool tm__record_read(tm_str *rest, tm_record *out);
/** Its event time, or when it was given. */
int64_t tm__record_moment(const tm_record *record);
double tm__record_output(const tm_record *record, uint32_t index);
/** Its row; false when it has not n cells. Texts are views. */
bool tm__record_cells(const tm_record *record, tm_cell *out, uint32_t n);

/* ---- Blocks of answers ---- */

/* The block read last, so that its neighbours are read once. */
typedef struct tm_block {
    tm_db *db;
    int64_t first_seq; /* 0: none */
    int64_t n, stream;
    tm_buf bytes;
    tm_str rest; /* behind the record read last, whose number is seq */
    tm_record record;
    int64_t seq; /* 0: none */
} tm_block;
void tm__block_init(tm_block *block, tm_db *db);
void tm__block_done(tm_block *block);
/** The answer of a number, in block->record until the next call. TM_E_NOT_FOUND, TM_E_INTEGRITY. */
TM_NODISCARD tm_status tm__block_seek(tm_block *block, int64_t seq, tm_err *err);
/** The answer of an id: its number, or 0 when there is none. */
TM_NODISCARD tm_status tm__block_find(tm_block *block, tm_str id, int64_t *out_seq, tm_err *err);
/* Answers of a model about an entity, at a time or up to within_us before it. */
typedef struct tm_answer_key {
    const char *model;
    tm_str entity;
    int64_t event_us; /* TM_INT_MISSING: those without an event time */
    int64_t within_us;
} tm_answer_key;
/* What a key finds: the answer whose moment is the latest, of these the newest. */
typedef struct tm_found {
    int64_t seq;     /* 0: none */
    bool has_alikes; /* others have the same moment */
} tm_found;
TM_NODISCARD tm_status tm__block_find_key(tm_block *block, const tm_answer_key *key, tm_found *out,
                                          tm_err *err);
/** In a transaction: list an answer under its entity and moment; nothing for one without entity. */
TM_NODISCARD tm_status tm__block_add_moment_locked(tm_db *db, const char *model,
                                                   const tm_record *record, int64_t seq,
                                                   tm_err *err);

/* The columns of a stream, for reading rows. */
typedef struct tm_columns {
    struct tm_columns *next;
    int64_t stream;
    uint32_t n;
    json_t *list;       /* array of the names */
    json_t *places;     /* index by name */
    const char **names; /* [n], of the list */
    tm_cell *cells;     /* [n], room for a row */
} tm_columns;
/** Those of the block's stream, read when they are not in the list yet; the list's. */
TM_NODISCARD tm_status tm__columns_of(tm_block *block, tm_columns **list, const tm_columns **out,
                                      tm_err *err);
/** Place of a name, or UINT32_MAX. */
uint32_t tm__columns_find(const tm_columns *columns, const char *name);
void tm__columns_free(tm_columns *list);

/** In a transaction: the records of a stream in a batch, and the labels that wait for them. */
typedef struct tm_block_batch {
    tm_db *db;
    const tm_buf *runs;
    bool must_look; /* leave out what is there already */
    tm_tally *tally;
} tm_block_batch;
TM_NODISCARD tm_status tm__block_write_locked(const tm_block_batch *batch, tm_stream *stream,
                                              tm_err *err);
/** The number of the answer that is written next. */
TM_NODISCARD tm_status tm__log_end(tm_db *db, int64_t *out, tm_err *err);
/** In a transaction: a block of records of one stream under numbers that no block has. Labels that
 * wait are not looked for. */
TM_NODISCARD tm_status tm__block_put_locked(tm_db *db, tm_stream *stream, int64_t first_seq,
                                            uint32_t n, tm_str records, tm_err *err);
/** In a transaction: remove a block with the ids and moments of its answers; labels stay. */
TM_NODISCARD tm_status tm__block_take_out_locked(tm_block *block, const char *model,
                                                 int64_t first_seq, tm_err *err);
/** In a transaction: remove a block, and what points to its answers. */
TM_NODISCARD tm_status tm__block_remove_locked(tm_block *block, const char *model,
                                               int64_t first_seq, tm_err *err);
#define TM_LABEL_INDICES                                                                           \
    "CREATE UNIQUE INDEX labels_id ON labels(prediction_id) WHERE prediction_id IS NOT NULL;"      \
    "CREATE UNIQUE INDEX labels_key ON labels(model, entity, event_us)"                            \
    " WHERE prediction_id IS NULL;"                                                                \
    "CREATE UNIQUE INDEX labels_answer ON labels(answer_seq) WHERE answer_seq IS NOT NULL;"        \
    "CREATE INDEX labels_waiting ON labels(prediction_id, model) WHERE state = 0;"                 \
    "CREATE INDEX labels_live ON labels(stream, at_us) WHERE state = 1;"                           \
    "CREATE INDEX labels_joined ON labels(stream, joined_us) WHERE state = 1;"
/* What a label says, in a SELECT of its row. */
#define TM_LABEL_VALUE "CAST(unseal('labels.value', seq, value) AS TEXT)"
/** Make blocks of the answers of format 1; see tm_migration. */
TM_NODISCARD tm_status tm__log_upgrade_locked(tm_db *db, tm_err *err);
/** List the answers of format 2 by entity and moment. */
TM_NODISCARD tm_status tm__log_moments_locked(tm_db *db, tm_err *err);
/** Write the log anew when what was erased or sealed may stand in free pages of it. TM_E_CONFLICT
 * while somebody else reads or writes; the next call does it then. */
TM_NODISCARD tm_status tm__log_vacuum(tm_db *db, tm_err *err);
/** Leave a keyed hash of what labels and answers of format 5 are found by. */
TM_NODISCARD tm_status tm__log_lookup_locked(tm_db *db, tm_err *err);
/** A new key for what rows are found by, in a transaction: what is there is hashed once more. Cost:
 * that of writing it anew. */
TM_NODISCARD tm_status tm__log_lookup_more_locked(tm_db *db, tm_err *err);

/** In a transaction: give a fresh answer the label that waits for it. */
typedef struct tm_fresh {
    const tm_record *record;
    const tm_stream *stream;
    int64_t seq;
} tm_fresh;
TM_NODISCARD tm_status tm__log_take_waiting_locked(tm_db *db, const tm_fresh *fresh,
                                                   tm_tally *tally, tm_err *err);
/** In a transaction: a label. */
TM_NODISCARD tm_status tm__log_label_locked(tm_block *block, const tm_label *label, tm_tally *tally,
                                            tm_label_result *out, tm_err *err);
/** In a transaction: the stamp for its labels, above all before it. */
TM_NODISCARD tm_status tm__log_stamp_locked(tm_db *db, int64_t *out_us, tm_err *err);
/** In a transaction: add to a counter. */
TM_NODISCARD tm_status tm__log_count_locked(tm_db *db, const char *model, const char *name,
                                            int64_t by, tm_err *err);
/** In a transaction: add what it wrote and joined. */
TM_NODISCARD tm_status tm__log_count_tally_locked(tm_db *db, const tm_tally *tally, tm_err *err);
/** TM_E_DATA for a label without a value or an answer, with its place. */
TM_NODISCARD tm_status tm__label_check(const tm_label *label, uint64_t index, tm_err *err);
/** In a transaction: read the counters of labels into tally->n_labels_in_all. */
TM_NODISCARD tm_status tm__log_totals_locked(tm_db *db, tm_tally *tally, tm_err *err);
/** In a transaction: a number of the log's own, such as where a spill file is read from; 0 when it
 * was never set. */
TM_NODISCARD tm_status tm__log_number(tm_db *db, const char *name, int64_t *out, tm_err *err);
TM_NODISCARD tm_status tm__log_set_number_locked(tm_db *db, const char *name, int64_t value,
                                                 tm_err *err);

extern const char *const tm__label_result_names[TM_LABEL_RESULTS];

#endif
