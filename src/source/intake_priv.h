/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the intake share:
 *
 *     intake_schema.c  columns of a source, and how rows that do not fit change them
 *     intake_push.c    a body to encoded rows, their keys, and rows for the quarantine
 *     intake_rows.c    a table that goes in whole, and its keys
 *     intake_cell.c    texts that only files have
 *     intake_batch.c   encoded rows, to and from bytes
 *     intake_db.c      intake.db: one function a statement or a transaction
 *     intake_shared.c  the same tables in PostgreSQL, for several homes
 *     intake_writer.c  how rows go into one source: keys, columns, one transaction
 *     intake.c         pushes, group commit, the writer's thread
 *     intake_pull.c    blocks of a feed, each in a transaction with where to go on
 *     intake_files.c   files of segments and keys: named, copied, collected
 *     intake_table.c   rows read back, segments
 *     intake_source.c  sources added, removed, listed
 *     intake_retain.c  what a source may hold, and for how long
 *     intake_quarantine.c  bad rows: kept as far as there is room, counted, listed, written
 *     intake_declare.c what a source is declared to be, and how it differs
 *     intake_privacy.c policies of its columns, for those that learn from it
 */
#ifndef TM_SOURCE_INTAKE_PRIV_H
#define TM_SOURCE_INTAKE_PRIV_H

#include "base/buf.h"
#include "source/change.h"
#include "source/feed.h"
#include "source/intake.h"
#include "source/key_set.h"
#include "store/bucket.h"
#include "store/db.h"
#include "table/privacy.h"
#include "table/schema.h"

/* ---- Columns ---- */

/* What was declared of a column; all zero: nothing. */
typedef struct tm_declared_rule {
    bool has_type;    /* it was declared: a value never widens it, unless a policy says so */
    bool is_required; /* a row without a value goes to quarantine */
    char role[16];    /* empty, or one of tm__column_roles */
    char policy[TM_PRIVACY_TEXT]; /* what becomes of its values, in words; empty: nothing */
    tm_privacy privacy;           /* the same */
} tm_declared_rule;

/* Columns of a source at one moment; immutable but for the count of references. */
typedef struct tm_intake_columns {
    _Atomic uint32_t refs;
    uint32_t version; /* grows with each change; 0: no row has come yet */
    tm_schema schema; /* type NONE: only missing values so far */
    uint32_t *slots;  /* [n_slots] names: a column, or UINT32_MAX */
    uint32_t n_slots;
    uint32_t n_keys;
    uint32_t *keys;          /* [n_keys] columns */
    tm_declared_rule *rules; /* [n columns]; NULL: none is declared */
    json_t *changes;         /* of this version: [{"kind", "column", "from", "to", "evidence"}] */
    tm_watch *watch;         /* what is done about changes; NULL: every one is taken */
    uint32_t n_private;      /* columns of which something else is kept than what came */
    tm_hash privacy_key;     /* of their pseudonyms, once has_privacy_key */
    bool has_privacy_key;
} tm_intake_columns;

/** Columns from names and types; the keys are among them, else added without a type. changes is
 * taken; NULL: none. */
TM_NODISCARD tm_status tm__intake_columns_create(const tm_schema *schema, const char *const *keys,
                                                 uint32_t n_keys, tm_intake_columns **out,
                                                 tm_err *err);
tm_intake_columns *tm__intake_columns_ref(tm_intake_columns *columns);
void tm__intake_columns_unref(tm_intake_columns *columns);
uint32_t tm__intake_columns_find(const tm_intake_columns *columns,
                                 tm_str name); /* UINT32_MAX: none */
/** What is declared of a column; never NULL. */
const tm_declared_rule *tm__intake_columns_rule(const tm_intake_columns *columns, uint32_t col);
typedef struct tm_columns_declared {
    const json_t *columns; /* {name: {"type", "required", "role"}} */
    bool has_rows;         /* types must stay readable */
    bool may_be_wider;     /* a policy widens declared types too */
} tm_columns_declared;
/** Bring columns to a declaration (NULL: nothing): types are set, where rows that are there allow
 * it, and rules follow. TM_E_CONFLICT names a type that cannot be changed. *out is the same
 * columns, referenced, when nothing changes. */
TM_NODISCARD tm_status tm__intake_columns_declare(tm_intake_columns *columns,
                                                  const tm_columns_declared *declared,
                                                  tm_intake_columns **out, tm_err *err);
/** {"columns": [{"name", "type", "declared", "required", "role"}]}; new reference. */
json_t *tm__intake_columns_to_json(const tm_intake_columns *columns);
TM_NODISCARD tm_status tm__intake_columns_from_json(const json_t *json, const char *const *keys,
                                                    uint32_t n_keys, tm_intake_columns **out,
                                                    tm_err *err);

/* What was seen of one name in a push. */
typedef struct tm_evidence {
    char *name;
    uint32_t col; /* UINT32_MAX: the columns lack it */
    uint64_t n_missing, n_bools, n_ints, n_floats, n_texts, n_times;
    uint32_t kinds;   /* of texts and times: what a CSV cell can be */
    tm_type declared; /* by a table that has types; else NONE */
} tm_evidence;
void tm__evidence_add(tm_evidence *evidence, const tm_cell *cell);
/**
 * Columns that fit what was seen: new names get a column, columns without a type one, integers and
 * dates are widened. is_text: the values were texts (CSV), so a text that looks like a number is
 * one. *out is the same columns, referenced, when nothing changes.
 */
TM_NODISCARD tm_status tm__intake_columns_fit(tm_intake_columns *columns,
                                              const tm_evidence *evidence, uint32_t n_evidence,
                                              bool is_text, tm_intake_columns **out, tm_err *err);

/* ---- Cells ---- */

/** A date in the order of its column ('d': day first, 'm': month first), or a number of its style
 * (tm__csv_is_style()); another text stays. */
void tm__cell_read_order(char order, tm_cell *cell);
/** A date as 2001-2-3, which is not ISO; another text stays. */
void tm__cell_read_loose_date(tm_cell *cell);
/** True for a time, or its text, that a column of days would cut. */
bool tm__cell_has_hour(const tm_cell *cell);
/** The words inf and infinity as numbers; false for what is none. */
bool tm__cell_read_infinity(tm_cell *cell);

/* ---- Encoded rows ---- */

#define TM_BATCH_HEAD 16u
/** At most so many bytes for a row of cells. */
size_t tm__batch_row_size(const tm_cell *cells, uint32_t n_cells);
/** Write a row, returns what follows it. */
uint8_t *tm__batch_row_put(uint8_t *to, const tm_cell *cells, uint32_t n_cells);
/** Put the head in the first TM_BATCH_HEAD bytes of a buffer with rows behind them. */
void tm__batch_seal(tm_buf *batch, uint32_t n_rows);
/** Append the rows of a batch to a table that has the columns' types; TM_E_INTEGRITY when it is
 * damaged. */
TM_NODISCARD tm_status tm__batch_read(tm_str batch, const tm_intake_columns *columns,
                                      tm_table_builder *builder, uint64_t *out_n, tm_err *err);
/* Rows of a batch that is not sealed yet, one after the other. */
typedef struct tm_batch_walk {
    tm_reader in;
    const tm_buf *batch;
    tm_cell *cells; /* [n_cols] */
    uint32_t n_cols;
    uint64_t n_rows, n_left;
} tm_batch_walk;
void tm__batch_walk_rewind(void *arg);
/** Cells of the next row, whose texts stay in the batch; NULL at the end. arg is a tm_batch_walk.
 */
const tm_cell *tm__batch_walk_next(void *arg);
/** Type of a column in a table: NONE is text. */
tm_type tm__column_type(const tm_intake_columns *columns, uint32_t col);

/* ---- Pushes ---- */

typedef enum tm_row_reason { /* why a row is in quarantine; names are stored */
                             TM_ROW_MALFORMED,
                             TM_ROW_WRONG_TYPE,
                             TM_ROW_NULL_KEY,
                             TM_ROW_NULL_VALUE,
                             TM_ROW_TOO_LARGE,
                             TM_ROW_LATE,
                             TM_ROW_CHANGE, /* plus a tm_change_kind */
                             TM_ROW_REASONS = TM_ROW_CHANGE + TM_FINDING_KINDS
} tm_row_reason;
extern const char *const tm__row_reason_names[TM_ROW_REASONS];

typedef struct tm_bad_row {
    uint64_t row; /* of the push, from 1; of a file, its line */
    tm_row_reason reason;
    char column[65];   /* cut; empty: the whole row */
    char detail[160];  /* names no value */
    size_t start, len; /* of bad_bytes */
} tm_bad_row;

/* Rows of one push. */
typedef struct tm_rows {
    tm_intake_columns *columns; /* a reference */
    tm_buf batch;               /* TM_BATCH_HEAD bytes, then the good rows */
    uint64_t n_rows;            /* good ones */
    uint64_t capacity;
    uint32_t *ends;   /* [n_rows] in batch, when there are keys */
    tm_row_key *keys; /* [n_rows], when there are keys */
    uint64_t n_bad;
    tm_bad_row *bad; /* [n_bad] */
    tm_buf bad_bytes;
    tm_buf names;          /* of CSV: the line of names, when there are bad rows */
    tm_buf dialect;        /* of a file of CSV: JSON of how it is written, for the same rows */
    uint64_t n_coerced;    /* values that were fitted to their column's type */
    uint64_t n_incomplete; /* rows that lacked a column */
    tm_look *look;         /* NULL: none */
    bool is_refused;       /* all of it went to quarantine: no history */
    bool is_stopped;       /* nothing of it is taken, because of: */
    tm_finding stop;
} tm_rows;
/** Read a body against columns, and change them where its rows ask for it and may. */
TM_NODISCARD tm_status tm__rows_read(const tm_push *push, tm_intake_columns *columns, tm_rows *out,
                                     tm_err *err);
/** The CSV of a push with n_rows_min rows or more as a table that stands for it. *out stays as it
 * is when a row must be read by tm__rows_read(). */
TM_NODISCARD tm_status tm__text_table(tm_ctx *ctx, const tm_push *push,
                                      const tm_intake_columns *columns, uint64_t n_rows_min,
                                      tm_table **out, tm_err *err);
/** Rows of a push's table whose columns fit as they are: the batch is empty, the table stands for
 * it (and for the text of a push of CSV). *out_fits false: its rows must be read one by one, by
 * tm__rows_read(). */
TM_NODISCARD tm_status tm__rows_of_table(const tm_push *push, tm_intake_columns *columns,
                                         tm_rows *out, bool *out_fits, tm_err *err);
void tm__rows_done(tm_rows *rows);
/** Bytes that name the values of a row's key columns, one sequence for equal values whatever the
 * columns' types; false when one is missing. */
bool tm__row_key_bytes(const tm_cell *cells, const tm_intake_columns *columns, tm_buf *out);

/* ---- intake.db ---- */

typedef struct tm_source_row {
    int64_t id;
    char name[129];
    char feed[16]; /* "push", or what brings its rows */
    json_t *spec;  /* what was declared */
    json_t *state; /* where its feed goes on; JSON null: at the beginning */
    char status[16];
    json_t *error;                        /* of the last try; JSON null: none */
    int64_t tried_us, pulled_us, next_us; /* 0: never, not planned */
    uint32_t n_failures;                  /* one after the other */
    json_t *keys;
    int64_t created_us, last_us; /* last_us 0: no row yet */
    uint64_t n_accepted, n_duplicates, n_quarantined, n_coerced, n_incomplete;
    uint64_t quarantine_bytes, n_dropped; /* dropped: bad rows that found no room */
    uint64_t n_removed, removed_bytes;    /* by the retention */
    int64_t removed_us;                   /* the last time; 0: never */
} tm_source_row;
void tm__source_row_done(tm_source_row *row);

TM_NODISCARD tm_status tm__intake_db_open(const tm_home *home, bool can_write, tm_db **out,
                                          tm_err *err);
/** Same; TM_E_NOT_FOUND without the file. */
TM_NODISCARD tm_status tm__intake_db_open_there(const tm_home *home, bool can_write, tm_db **out,
                                                tm_err *err);
/** TM_E_NOT_FOUND with the nearest name. */
TM_NODISCARD tm_status tm__intake_db_source(tm_db *db, const char *name, tm_source_row *out,
                                            tm_err *err);
/** Count findings. */
TM_NODISCARD tm_status tm__intake_db_add_findings_locked(tm_db *db, int64_t source,
                                                         const tm_look *look, tm_err *err);
/** What is known of a source's rows, as tm__watch_save() gave it; JSON null: nothing. */
TM_NODISCARD tm_status tm__intake_db_history(tm_db *db, int64_t source, json_t **out, tm_err *err);
TM_NODISCARD tm_status tm__intake_db_set_history_locked(tm_db *db, int64_t source,
                                                        const json_t *history, tm_err *err);
/** Number of the newest columns of a source as it was made then; TM_E_NOT_FOUND when it is gone,
 * also when another one has its number now. */
TM_NODISCARD tm_status tm__intake_db_version(tm_db *db, int64_t source, int64_t created_us,
                                             uint32_t *out, tm_err *err);
/** Newest columns of a source. */
/** Columns as they were at a time; INT64_MAX: now. */
TM_NODISCARD tm_status tm__intake_db_columns_at(tm_db *db, const tm_source_row *source,
                                                int64_t until_us, tm_intake_columns **out,
                                                tm_err *err);
TM_NODISCARD tm_status tm__intake_db_columns(tm_db *db, const tm_source_row *source,
                                             tm_intake_columns **out, tm_err *err);
/** All that follows: in a transaction. */
TM_NODISCARD tm_status tm__intake_db_add_source_locked(tm_db *db, const tm_intake_add *add,
                                                       int64_t *out_id, tm_err *err);
TM_NODISCARD tm_status tm__intake_db_add_columns_locked(tm_db *db, int64_t source,
                                                        const tm_intake_columns *columns,
                                                        tm_err *err);
TM_NODISCARD tm_status tm__intake_db_add_batch_locked(tm_db *db, int64_t source, uint64_t n_rows,
                                                      tm_str batch, tm_err *err);
/* Keys of rows, hashed by the first n_hashed keys of the database. */
typedef struct tm_keys_put {
    const tm_row_key *keys; /* [n] */
    uint64_t n;
    uint32_t n_hashed;
} tm_keys_put;
/** Those of the batch that was added last. */
TM_NODISCARD tm_status tm__intake_db_add_keys_locked(tm_db *db, int64_t source,
                                                     const tm_keys_put *put, tm_err *err);
/** Put bad rows into quarantine, as far as it has room, and count them: *out_dropped had none. */
TM_NODISCARD tm_status tm__intake_db_add_bad_locked(tm_db *db, int64_t source, const char *origin,
                                                    const tm_rows *rows, uint64_t *out_dropped,
                                                    tm_err *err);
/* When rows of a segment were accepted, in their order. */
typedef struct tm_segment_part {
    int64_t at_us;
    uint64_t n_rows;
} tm_segment_part;
typedef struct tm_segment {
    tm_hash hash;
    uint64_t n_rows, n_bytes;
    const tm_segment_part *parts; /* [n_parts]; NULL: all now */
    uint32_t n_parts;
    tm_str profile; /* what is in its columns; empty: not known */
} tm_segment;
TM_NODISCARD tm_status tm__intake_db_add_segment_locked(tm_db *db, int64_t source,
                                                        const tm_segment *segment, tm_err *err);
/** Add to the counters of a source. */
TM_NODISCARD tm_status tm__intake_db_count_locked(tm_db *db, int64_t source,
                                                  const tm_source_row *by, tm_err *err);
/** The answer that an idempotency key was given; *out_found false: none. TM_E_CONFLICT when it came
 * with other bytes. */
TM_NODISCARD tm_status tm__intake_db_find_push(tm_db *db, int64_t source, tm_str key,
                                               const tm_hash *body, tm_push_result *out,
                                               bool *out_found, tm_err *err);
TM_NODISCARD tm_status tm__intake_db_add_push_locked(tm_db *db, int64_t source, tm_str key,
                                                     const tm_hash *body,
                                                     const tm_push_result *result, tm_err *err);
/** Forget answers older than a time. */
TM_NODISCARD tm_status tm__intake_db_drop_pushes_locked(tm_db *db, int64_t before_us, tm_err *err);
/* A run, and what it stands in the place of. */
typedef struct tm_run_put {
    tm_key_run_info info;
    const tm_key_merge *merged; /* runs; NULL: keys of batches */
    int64_t last_key;           /* of batches: up to this number */
    uint32_t n_hashed;          /* as in tm_keys_put */
} tm_run_put;
TM_NODISCARD tm_status tm__intake_db_add_run_locked(tm_db *db, int64_t source,
                                                    const tm_run_put *put, tm_err *err);
/** Fill a set with what the file says, as tm__intake_keys_renew() left it. */
TM_NODISCARD tm_status tm__intake_db_load_keys(tm_db *db, int64_t source, const char *dir,
                                               tm_key_set *set, tm_err *err);

/** Put the state behind a block in place of the one before it; TM_E_CONFLICT when another pull was
 * there first. */
TM_NODISCARD tm_status tm__intake_db_set_state_locked(tm_db *db, int64_t source,
                                                      const json_t *before, const json_t *after,
                                                      tm_err *err);

/** What a feed wrote down about an item that it took, as a file; *out is JSON null when there is
 * nothing. New reference. */
TM_NODISCARD tm_status tm__intake_db_mark(tm_db *db, int64_t source, const char *item, json_t **out,
                                          tm_err *err);
TM_NODISCARD tm_status tm__intake_db_set_mark_locked(tm_db *db, int64_t source, const char *item,
                                                     const json_t *mark, tm_err *err);

/** TM_E_USAGE for what is no name for a source. */
TM_NODISCARD tm_status tm__intake_check_name(const tm_intake_add *add, tm_err *err);
/** Same as tm__source_check() but for what its feed wants. */
TM_NODISCARD tm_status tm__intake_check_add(const tm_intake_add *add, tm_err *err);
TM_NODISCARD tm_status tm__intake_set_spec_locked(tm_db *db, int64_t id, const json_t *spec,
                                                  tm_err *err);

/** The newest row in quarantine without its bytes; JSON null when there is none. */
TM_NODISCARD tm_status tm__intake_db_last_bad(tm_db *db, int64_t source, json_t **out, tm_err *err);

/* What became of a try to read a source. */
typedef struct tm_intake_outcome {
    const char *status;
    const json_t *error;
    int64_t tried_us, pulled_us, next_us;
    uint32_t n_failures;
} tm_intake_outcome;
TM_NODISCARD tm_status tm__intake_db_set_outcome_locked(tm_db *db, int64_t source,
                                                        const tm_intake_outcome *outcome,
                                                        tm_err *err);

/* ---- How rows go into one source ---- */

typedef struct tm_source_writer tm_source_writer;
TM_NODISCARD tm_status tm__source_writer_create(const tm_home *home, const tm_source_row *source,
                                                const tm_intake_columns *columns,
                                                tm_source_writer **out, tm_err *err);
int64_t tm__source_writer_id(const tm_source_writer *writer);
/** Make the columns' watch, from what is declared and stored, and have the key of pseudonyms at
 * hand when a column needs it. */
TM_NODISCARD tm_status tm__source_writer_watch(const tm_home *home, tm_db *db,
                                               const tm_source_row *source,
                                               tm_intake_columns *columns, tm_err *err);
/** Have the keys at hand, also those that other homes added; needed before the next call. */
TM_NODISCARD tm_status tm__source_writer_load(tm_source_writer *writer, tm_db *db, tm_err *err);
/** Keep the rows whose keys are new. kept NULL: in the batch too; else [n_rows], numbers of those
 * that stay, for rows that are a table. */
TM_NODISCARD tm_status tm__source_writer_unique(tm_source_writer *writer, tm_rows *rows,
                                                uint32_t *kept, uint64_t *out_duplicates,
                                                tm_err *err);
/** Save the history, in a transaction of its own; what fails is lost, which does no harm. */
TM_NODISCARD tm_status tm__source_writer_save(tm_source_writer *writer, tm_db *db);
/** TM_E_UNAVAILABLE when another process changed the columns since this one has them,
 * TM_E_NOT_FOUND when it removed the source: what was read for them must be read again. */
TM_NODISCARD tm_status tm__source_writer_check_locked(const tm_source_writer *writer, tm_db *db,
                                                      tm_err *err);
/** TM_E_UNAVAILABLE when another home added rows since the keys were loaded. */
TM_NODISCARD tm_status tm__source_writer_fresh_locked(const tm_source_writer *writer, tm_db *db,
                                                      tm_err *err);
/** Let go of the keys: nothing goes into the source through this writer any more. */
void tm__source_writer_retire(tm_source_writer *writer);
/** Put down that a source stops, with rows->stop as the reason. */
TM_NODISCARD tm_status tm__source_writer_stop_locked(tm_source_writer *writer, tm_db *db,
                                                     const tm_rows *rows, tm_err *err);
/** Why a source that is stopped or paused takes nothing: TM_E_CONFLICT, TM_E_UNAVAILABLE. */
TM_NODISCARD tm_status tm__intake_stands_still(const tm_source_row *source, tm_err *err);
/** Say how a source that was stopped by this kind of finding goes on. */
void tm__stopped_hint(const char *name, const char *kind, tm_err *err);
/** The reason of a row in quarantine that a finding sends there. */
void tm__finding_reason(const tm_finding *finding, tm_bad_row *out);
/** TM_E_CONFLICT with the reason. */
TM_NODISCARD tm_status tm__stopped(const char *name, const tm_finding *stop, tm_err *err);
typedef struct tm_source_put {
    tm_rows *rows;
    const char *origin;        /* of bad rows */
    const tm_segment *segment; /* where the good rows are; NULL: they become a batch */
} tm_source_put;
/** result has the duplicates already. */
TM_NODISCARD tm_status tm__source_writer_put_locked(tm_source_writer *writer, tm_db *db,
                                                    const tm_source_put *put,
                                                    tm_push_result *result, tm_err *err);
/** After the end of each transaction with a put. */
void tm__source_writer_settle(tm_source_writer *writer, bool is_committed);
/** Between transactions: recent keys to a run, runs to larger ones, each by a thread beside the
 * writer. waits: until recent keys are a run; who ends soon would begin again and again. */
void tm__source_writer_tend(tm_source_writer *writer, tm_db *db, bool waits);
void tm__source_writer_free(tm_source_writer *writer);

/* A source in a connection of its own. */
typedef struct tm_intake_place {
    const tm_home *home;
    tm_db *db;
    tm_source_row source;
    tm_intake_columns *columns;
    char *segments_dir;
    tm_bucket bucket; /* of segments that are not here */
} tm_intake_place;
/** Opens a transaction that reads, which tm__intake_place_done() ends: all is of one moment. */
TM_NODISCARD tm_status tm__intake_place_open(const tm_home *home, const char *name,
                                             tm_intake_place *out, tm_err *err);
void tm__intake_place_done(tm_intake_place *place);

/** Rows that are in no segment yet; *out_rows of them. */
TM_NODISCARD tm_status tm__intake_batches_table(tm_intake_place *place, tm_table **out,
                                                uint64_t *out_rows, tm_err *err);
/** Set n_bytes from the segment's file. */
TM_NODISCARD tm_status tm__segment_size(const char *dir, tm_segment *segment, tm_err *err);
/** Rows as a table of their columns. */
TM_NODISCARD tm_status tm__rows_table(const tm_rows *rows, tm_table **out, tm_err *err);

/* ---- Blocks of a feed ---- */

/* A source that is read: one at a time. */
typedef struct tm_intake_pull tm_intake_pull;
TM_NODISCARD tm_status tm__intake_pull_open(tm_ctx *ctx, const tm_home *home, const char *name,
                                            tm_intake_pull **out, tm_err *err);
const tm_source_row *tm__intake_pull_source(const tm_intake_pull *pull); /* as it was opened */
/** Columns as they are now; those of the opening live as long as the pull. */
const tm_schema *tm__intake_pull_schema(const tm_intake_pull *pull);
/** find_mark() of a feed's input; arg is the pull. */
TM_NODISCARD tm_status tm__intake_pull_mark(void *arg, const char *item, json_t **out, tm_err *err);
/** Divide the source with other homes that read it, if it is one for that; follows: for good. */
TM_NODISCARD tm_status tm__intake_pull_divide(tm_intake_pull *pull, bool follows, tm_err *err);
struct tm_share *tm__intake_pull_share(const tm_intake_pull *pull); /* NULL: it is not divided */
/** Of a source that is divided and followed: what tm__intake_stands_still() says when somebody
 * stopped it. */
TM_NODISCARD tm_status tm__intake_pull_goes_on(tm_intake_pull *pull, tm_err *err);
/** Durable on return. */
TM_NODISCARD tm_status tm__intake_pull_take(tm_intake_pull *pull, const tm_feed_block *block,
                                            tm_push_result *out, tm_err *err);
void tm__intake_pull_close(tm_intake_pull *pull);

/** In a transaction that is about to name a file: TM_E_UNAVAILABLE when it is not there (any more).
 */
TM_NODISCARD tm_status tm__intake_file_check_locked(const char *dir, tm_intake_file_kind kind,
                                                    const tm_hash *hash, tm_err *err);
/** To be held while files are removed; NULL: leave them to the collection. */
tm_file *tm__intake_files_lock(const tm_home *home);
/** Folder of a source's segments or keys; the caller frees it. NULL when out of memory. */
char *tm__intake_dir(const tm_home *home, const char *what, const char *source);

/** Name the key in what a recipe says of policies. intake_privacy.c */
TM_NODISCARD tm_status tm__privacy_add_check(const tm_hash *key, json_t *privacy, tm_err *err);

#endif
