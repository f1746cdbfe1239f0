/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that the home keeps: rows that were pushed, or read once from files or a query.
 *
 *   push ──> accepted rows in intake.db, durable ──> segments/<source>/<hash>.parquet
 *                       └──────────── both are the source's rows, each once ────────┘
 *
 * A row is accepted, a duplicate by its key, or quarantined with its bytes and the reason; whoever
 * was told so will find it so after any crash. One process at a time takes pushes (intake.lock);
 * any may add sources, read rows and make segments beside it.
 */
#ifndef TM_SOURCE_INTAKE_H
#define TM_SOURCE_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "store/bad_values.h"
#include "store/home.h"
#include "table/table.h"

/* ---- Taking pushes ---- */

typedef struct tm_intake tm_intake;
/** Nothing is opened before the first push; NULL when out of memory. */
tm_intake *tm__intake_create(const tm_home *home);
const tm_home *tm__intake_home(const tm_intake *intake);
/** Whether a push to a source would be taken now. */
TM_NODISCARD tm_status tm__intake_ready(tm_intake *intake, const char *name, tm_err *err);
/** Whether the last TM_E_UNAVAILABLE was because another process takes pushes. */
bool tm__intake_is_elsewhere(const tm_intake *intake);
/** Write what waits, then end the writer; false when there was no memory to keep what the sources'
 * rows usually are, by which changes are found. Nothing may be pushed any more. */
bool tm__intake_end(tm_intake *intake);
/** The same, and free it. NULL is a no-op. */
void tm__intake_close(tm_intake *intake);

typedef enum tm_push_form {
    TM_PUSH_JSON,  /* an array of objects, or {"rows": [...]} */
    TM_PUSH_LINES, /* an object a line */
    TM_PUSH_CSV,   /* a line of names, then a row a line */
    TM_PUSH_TABLE  /* rows that have types already */
} tm_push_form;

typedef struct tm_push_result {
    tm_status status; /* TM_OK: all below is durable */
    tm_err err;
    uint64_t accepted, duplicates, quarantined;
    uint64_t dropped; /* bad rows that quarantine has no room for */
    bool is_repeat;   /* the answer that the same idempotency key was given before */
} tm_push_result;

/* How the CSV of a file is written. What a field cannot be ends with its line: that line is bad,
 * and those behind it are read. */
typedef struct tm_push_csv {
    char delimiter, quote; /* quote 0: none */
    bool skips_blanks;     /* before a field */
    bool skips_first;      /* the first record is one of names */
    uint32_t n_names;
    const char *const *names; /* [n_names] columns, in the order of the fields */
    const char *orders; /* [n_names] of dates that are not ISO: 'd' day first, 'm' month first; else
                           the style of numbers (csv_priv.h). NULL: there are none */
} tm_push_csv;

typedef struct tm_push {
    const char *source;
    tm_push_form form;
    char *data; /* [len] and a NUL; only read */
    size_t len;
    const tm_table *table;    /* TABLE: in place of data, which may be what it was read from */
    const tm_bad_values *bad; /* of the table: their rows go to quarantine. NULL: none */
    const uint32_t *numbers;  /* [n rows] of the table's rows behind first_row; NULL: 0, 1, ... */
    const char *cursor;   /* column of the table that tells the place of a bad row too, or NULL */
    uint64_t first_row;   /* rows of its origin before it: bad rows are counted on from there */
    uint64_t first_line;  /* LINES and CSV: of the origin; then bad rows are told by their lines */
    bool from_zero;       /* the first line is 0 for people: first_line is one more */
    const uint64_t *late; /* [n_late] lines that go to quarantine, as people count them; rising */
    uint32_t n_late;
    const char *late_column; /* with the times that say so */
    const tm_push_csv *csv;  /* CSV: how it is written; NULL: a line of names, commas and quotes */
    tm_str
        key; /* Idempotency-Key; ptr NULL: none. The same one with other bytes is TM_E_CONFLICT */
    bool is_single;      /* a row that was in a batch before: nothing is asked of it as a batch */
    uint64_t n_rows_max; /* TM_E_LIMIT past it; 0: TM_MAX_REQUEST_ROWS */
    /* Called once, on the writer's thread, when the push is durable or failed. */
    void (*done)(void *arg, const tm_push_result *result);
    void *arg;
} tm_push;
/**
 * Read the rows of a push and hand them to the writer. Any thread. TM_OK: done() is or will be
 * called. TM_E_NOT_FOUND for no such source, TM_E_CONFLICT for one that takes no pushes, TM_E_DATA
 * for a body whose rows cannot be told apart (nothing of it is kept), TM_E_UNAVAILABLE when too
 * much waits.
 */
TM_NODISCARD tm_status tm__intake_push(tm_intake *intake, const tm_push *push, tm_err *err);
/** Same, and wait for the result; done and arg are not used. */
TM_NODISCARD tm_status tm__intake_push_wait(tm_intake *intake, const tm_push *push,
                                            tm_push_result *out, tm_err *err);

/* ---- Sources ---- */

typedef struct tm_intake_add {
    const char *name;
    const char *feed;   /* "push", or a feed of source/feed.h */
    const json_t *spec; /* what the feed is told; NULL: nothing */
    const char *const *keys;
    uint32_t n_keys;
    tm_table *like; /* NULL, or a table with the columns to expect */
} tm_intake_add;
/** Add a source without rows. TM_E_CONFLICT when the name is taken. */
TM_NODISCARD tm_status tm__intake_add(const tm_home *home, const tm_intake_add *add, tm_err *err);
/** Remove a source with all of its rows; its files are collected later. No push may come any more.
 */
TM_NODISCARD tm_status tm__intake_remove(const tm_home *home, const char *name, tm_err *err);
/** Put members of an object in the place of those of the spec; those of "policy" one by one, JSON
 * null takes one away. A server sees it within a second. */
TM_NODISCARD tm_status tm__intake_set(const tm_home *home, const char *name, const json_t *members,
                                      tm_err *err);
/** Let nothing into a source until it is resumed: pushes are TM_E_UNAVAILABLE within a second, and
 * it is not read. What is being read now is read to its end. TM_E_CONFLICT when it is stopped. */
TM_NODISCARD tm_status tm__intake_pause(const tm_home *home, const char *name, tm_err *err);
/** Let a source go on that is stopped or paused; what stopped it is the new normal. TM_E_CONFLICT
 * when it is neither. */
TM_NODISCARD tm_status tm__intake_resume(const tm_home *home, const char *name, tm_err *err);
/** {"source", "kind", "status", "from", "spec", "key", "rows", "duplicates", "quarantined",
 * "pending", "segments", "lag_seconds", "last_row_at", "last_error", "pulled_at", "next_at",
 * "failures", "error", "columns", "changes", ...}. TM_E_NOT_FOUND. New reference. */
TM_NODISCARD tm_status tm__intake_show(const tm_home *home, const char *name, json_t **out,
                                       tm_err *err);
/** An array of the same without columns and changes, by name. */
TM_NODISCARD tm_status tm__intake_list(const tm_home *home, json_t **out, tm_err *err);

/* ---- Quarantine ---- */

#define TM_QUARANTINE_ROWS 100000                /* of a source, when nothing else is said */
#define TM_QUARANTINE_BYTES (INT64_C(256) << 20) /* of its rows; what comes beyond is dropped */

typedef struct tm_intake_choice { /* of rows in quarantine; zeroed: all */
    int64_t first, last;          /* numbers; last 0: no bound */
    const char *reason;           /* NULL: any */
} tm_intake_choice;
/** Rows in quarantine, oldest first, at most n_max: an array of {"number", "at", "origin", "row",
 * "column", "reason", "detail", "bytes"}. The bytes are what people entered: show them to who asks
 * for them. */
TM_NODISCARD tm_status tm__intake_quarantine(const tm_home *home, const char *name,
                                             const tm_intake_choice *choice, uint32_t n_max,
                                             json_t **out, tm_err *err);
/** Counts by reason, origin and column: {"source", "quarantined", "bytes", "dropped", "rows_max",
 * "bytes_max", "chosen", "groups": [{"reason", "origin", "column", "count", "first_at", "last_at",
 * "examples": [{"number", "row"}]}], "groups_left_off"}. No value of a row is in it. */
TM_NODISCARD tm_status tm__intake_quarantine_groups(const tm_home *home, const char *name,
                                                    const tm_intake_choice *choice, json_t **out,
                                                    tm_err *err);
/**
 * Write rows in quarantine to a file of mode 0600, a line of JSON each: "source", "number",
 * "reason", "detail", "column", "origin", "row", and the row itself: "value" (a JSON object as it
 * came), or "text" (the bytes) with "names" (the line of names) for CSV; bytes that are not UTF-8
 * are "base64".
 */
TM_NODISCARD tm_status tm__intake_quarantine_write(const tm_home *home, const char *name,
                                                   const tm_intake_choice *choice, const char *path,
                                                   uint64_t *out_n, tm_err *err);

typedef struct tm_intake_replay {
    tm_intake_choice choice;
    bool drop;        /* instead: forget them */
    const char *file; /* NULL, or lines as tm__intake_quarantine_write() makes them, mended */
} tm_intake_replay;
typedef struct tm_intake_replayed {
    uint64_t accepted, duplicates, bad, dropped;
    uint64_t gone; /* lines of the file whose row is not in quarantine (any more) */
    json_t *left;  /* with a file: the first 100 rows that are still bad, {"line", "number",
                      "column", "reason", "detail"}; the caller's. NULL without a file */
} tm_intake_replayed;
/**
 * Read rows in quarantine again, each by itself, by the columns and policies of now. One that is
 * good, or a duplicate, leaves quarantine in the transaction that takes it; another one stays with
 * its new reason. With a file its rows take the place of those with their numbers; one that is
 * still bad leaves the row in quarantine as it was. A line that is none is TM_E_DATA with its place
 * before anything is done. TM_E_CONFLICT while a server takes pushes, or another process reads the
 * source.
 */
TM_NODISCARD tm_status tm__intake_replay(const tm_home *home, const char *name,
                                         const tm_intake_replay *what, tm_intake_replayed *out,
                                         tm_err *err);

/**
 * Policies of columns of which something else is kept than what came (table/privacy.h):
 * {"columns": {COLUMN: POLICY}, "key"}, as a recipe has it; *out NULL when there are none.
 *
 * Errors: TM_E_NOT_FOUND, and those of tm__privacy_key_read() when a policy makes pseudonyms.
 */
TM_NODISCARD tm_status tm__intake_privacy(const tm_home *home, const char *name, json_t **out,
                                          tm_err *err);
/** Whether a source of the home keeps a column by pseudonyms; a home without sources has none. */
TM_NODISCARD tm_status tm__intake_has_pseudonyms(const tm_home *home, bool *out, tm_err *err);
/** Apply policies of a recipe ("privacy"; NULL: none) to a table that the caller owns, in its
 * place; a NULL table stays so. Errors: those of tm__privacy_table() and tm__privacy_key_read(). */
TM_NODISCARD tm_status tm__intake_privacy_apply(const tm_home *home, const json_t *privacy,
                                                tm_table **table, tm_err *err);

/* ---- Rows ---- */

/** All rows of a source in the order they were accepted, as of one moment. TM_E_DATA when there are
 * none. */
TM_NODISCARD tm_status tm__intake_table(tm_ctx *ctx, const tm_home *home, const char *name,
                                        tm_table **out, tm_err *err);
/** Same, but rows and columns as they were at a time: batches that were accepted later are not in
 * it, nor are rows that a retention removed since. TM_E_DATA when a segment of an earlier release
 * does not say when its rows came. */
TM_NODISCARD tm_status tm__intake_table_at(tm_ctx *ctx, const tm_home *home, const char *name,
                                           int64_t until_us, tm_table **out, tm_err *err);
/** Move accepted rows to segments until fewer than n_rows_min are left (1: all); *out_rows counts
 * them. */
TM_NODISCARD tm_status tm__intake_compact(tm_ctx *ctx, const tm_home *home, const char *name,
                                          uint64_t n_rows_min, uint64_t *out_rows, tm_err *err);

/** Name of a source whose rows should become a segment: 100,000 of them, 32 MiB, or an hour old; or
 * one with segments that its retention removes. Empty when there is none. */
TM_NODISCARD tm_status tm__intake_due(const tm_home *home, char out[129], tm_err *err);

/* ---- The database and its files ---- */

typedef enum tm_intake_file_kind { TM_INTAKE_SEGMENT, TM_INTAKE_KEYS } tm_intake_file_kind;
typedef struct tm_intake_file {
    tm_intake_file_kind kind;
    int64_t source_id;
    const char *source; /* name */
    tm_hash hash;
    uint64_t n;     /* rows or keys in it */
    uint32_t level; /* of keys */
} tm_intake_file;
const char *tm__intake_file_folder(tm_intake_file_kind kind); /* of the home */
const char *tm__intake_file_suffix(tm_intake_file_kind kind); /* behind the hash */
/** The caller frees it; NULL when out of memory. */
char *tm__intake_file_path(const tm_home *home, const tm_intake_file *file);

/** Read all of a file of keys: TM_E_INTEGRITY when it is not what its head says. */
TM_NODISCARD tm_status tm__intake_keys_check(const tm_home *home, const tm_intake_file *file,
                                             tm_err *err);

typedef struct tm_intake_files {
    tm_status (*fn)(void *arg, const tm_intake_file *file, tm_err *err);
    void *arg;
} tm_intake_files;
/** Files that intake.db names, one call each, to the first failure. TM_E_NOT_FOUND without one. */
TM_NODISCARD tm_status tm__intake_files(const tm_home *home, const tm_intake_files *files,
                                        tm_err *err);

/** Until the lock is closed, what a copy of intake.db that is made meanwhile names stays where it
 * is. TM_E_CONFLICT when another backup has it for long. */
TM_NODISCARD tm_status tm__intake_hold(const tm_home *home, const tm_ctx *ctx, tm_file **out_lock,
                                       tm_err *err);
/** Copy intake.db as it stands into a new file; see tm__db_copy(). TM_E_NOT_FOUND without one. */
TM_NODISCARD tm_status tm__intake_copy(const tm_home *home, const tm_ctx *ctx, const char *to,
                                       tm_err *err);
/** Check every page of a file that nobody else has open. */
TM_NODISCARD tm_status tm__intake_check_pages(const tm_home *home, uint32_t *out_format,
                                              tm_err *err);
/** Check every page of intake.db, and that each file that it names is there. */
TM_NODISCARD tm_status tm__intake_check(const tm_home *home, bool read_only, uint32_t *out_format,
                                        tm_err *err);

#define TM_INTAKE_COLLECT_US (INT64_C(3600) * 1000000) /* nobody's for so long: a crash left it */
typedef struct tm_intake_collect {
    int64_t age_us; /* only files that were not changed for so long */
    bool removes;   /* else they are only counted */
} tm_intake_collect;
typedef struct tm_intake_rest {
    uint64_t n, bytes;
} tm_intake_rest;
/** Files of segments and keys that intake.db does not name, and what killed readings left. While a
 * backup runs none is removed. */
TM_NODISCARD tm_status tm__intake_collect(const tm_home *home, const tm_intake_collect *options,
                                          tm_intake_rest *out, tm_err *err);

#endif
