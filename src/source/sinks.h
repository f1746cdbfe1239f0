/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sink needs of the intake: its own record in intake.db, and the rows of a source by their
 * place.
 *
 * A place is the number of a row among all that the source ever accepted, from 0. It does not
 * change when rows move from the database to segments, nor when old ones are removed, so a range of
 * places is the same rows at any time.
 */
#ifndef TM_SOURCE_SINKS_H
#define TM_SOURCE_SINKS_H

#include "base/ctx.h"
#include "base/json.h"
#include "store/home.h"
#include "table/table.h"

/* ---- Records ---- */

typedef struct tm_sink_row {
    int64_t id;
    char name[129];
    json_t *spec;    /* what was declared */
    json_t *state;   /* how far it is; JSON null: nothing was done yet */
    json_t *plan;    /* the batch that was begun; JSON null: none */
    json_t *error;   /* why it waits or stands still; JSON null: nothing is wrong */
    char status[16]; /* "ready", "retrying" or "stopped" */
    int64_t created_us, tried_us, done_us; /* 0: never */
    int64_t next_us;                       /* when it is due; 0: only when it is asked for */
    uint32_t n_failures;                   /* since it last went well */
    uint64_t n_rows, n_batches;            /* written */
} tm_sink_row;
void tm__sink_row_done(tm_sink_row *row);

/* intake.db for sinks. Owner thread. */
typedef struct tm_sink_store tm_sink_store;
/** With `create`, intake.db is made when it is not there; else TM_E_NOT_FOUND. */
TM_NODISCARD tm_status tm__sink_store_open(const tm_home *home, bool create, tm_sink_store **out,
                                           tm_err *err);
void tm__sink_store_close(tm_sink_store *store);
/** Add a sink with row->name, spec and next_us; TM_E_CONFLICT when the name is taken. */
TM_NODISCARD tm_status tm__sink_store_add(tm_sink_store *store, const tm_sink_row *row,
                                          tm_err *err);
/** TM_E_NOT_FOUND with the nearest name. */
TM_NODISCARD tm_status tm__sink_store_find(tm_sink_store *store, const char *name, tm_sink_row *out,
                                           tm_err *err);
/** Names in order: an array of texts. */
TM_NODISCARD tm_status tm__sink_store_names(tm_sink_store *store, json_t **out, tm_err *err);
/** Write all but id, name, spec and created_us, in one durable commit. */
TM_NODISCARD tm_status tm__sink_store_save(tm_sink_store *store, const tm_sink_row *row,
                                           tm_err *err);
/** Declare anew: spec and next_us of a row. */
TM_NODISCARD tm_status tm__sink_store_declare(tm_sink_store *store, const tm_sink_row *row,
                                              tm_err *err);
TM_NODISCARD tm_status tm__sink_store_remove(tm_sink_store *store, const char *name, tm_err *err);

/* ---- Rows of a source by their place ---- */

typedef struct tm_source_rows tm_source_rows;
/** TM_E_NOT_FOUND when there is no such source. */
TM_NODISCARD tm_status tm__source_rows_open(const tm_home *home, const char *source,
                                            tm_source_rows **out, tm_err *err);
void tm__source_rows_close(tm_source_rows *rows);
typedef struct tm_source_extent {
    uint64_t first, end; /* places of the rows that are there now */
    int64_t created_us;  /* when the source was made: another one of its name has other rows */
    json_t *keys;        /* names of its key columns; owned by the reader */
} tm_source_extent;
TM_NODISCARD tm_status tm__source_rows_extent(tm_source_rows *rows, tm_source_extent *out,
                                              tm_err *err);
/** The rows at places first .. first + n - 1, which must be there: TM_E_NOT_FOUND names the first
 * one that is not any more. Segments are kept from one call to the next. */
TM_NODISCARD tm_status tm__source_rows_read(tm_ctx *ctx, tm_source_rows *rows, uint64_t first,
                                            uint64_t n, tm_table **out, tm_err *err);

#endif
