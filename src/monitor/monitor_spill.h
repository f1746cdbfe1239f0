/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files in which records wait that found no room in memory: spill/<number>.tms of a home, each
 * filled by one process, read by the writer of the log, then removed.
 *
 * 1. How far they are read is a number in the log, changed in the transaction that writes what was
 *    read: each record is written once.
 * 2. A file that a process left is never written to again; its end may be torn by a kill, and what
 *    was whole before is read.
 */
#ifndef TM_MONITOR_MONITOR_SPILL_H
#define TM_MONITOR_MONITOR_SPILL_H

#include "monitor/monitor_priv.h"

typedef struct tm_spill tm_spill;

/* How far the files are read. */
typedef struct tm_spill_place {
    uint64_t file, at;
} tm_spill_place;
/** In a transaction or none. */
TM_NODISCARD tm_status tm__spill_place_read(tm_db *db, tm_spill_place *out, tm_err *err);
TM_NODISCARD tm_status tm__spill_place_save_locked(tm_db *db, const tm_spill_place *place,
                                                   tm_err *err);

/** What waits in files, told for each run of records. */
typedef void (*tm_spill_count_fn)(void *arg, const char *model, uint64_t n, uint64_t bytes);
/** Open the folder of a home, which is made when first needed; files that are read are removed. */
TM_NODISCARD tm_status tm__spill_open(const tm_home *home, const tm_spill_place *place,
                                      tm_spill_count_fn fn, void *arg, tm_spill **out, tm_err *err);
void tm__spill_close(tm_spill *spill);

/** Add records of a stream. After a failure none of them is there. Not synced. Any thread.
 * TM_E_UNAVAILABLE when the disk has less free than its floor. */
TM_NODISCARD tm_status tm__spill_put(tm_spill *spill, const tm_run *run, const uint8_t *records,
                                     tm_err *err);

/** The next records, up to some bytes, as runs; runs.len 0: there are none. The streams are found
 * by a call. Called again before tm__spill_done() it gives the same. The writer's thread. */
typedef struct tm_spill_piece {
    tm_buf runs;
    tm_spill_place place; /* behind them */
    bool is_end;          /* of what its file had then */
} tm_spill_piece;
typedef tm_stream *(*tm_spill_find_fn)(void *arg, const tm_stream *like);
TM_NODISCARD tm_status tm__spill_take(tm_spill *spill, tm_spill_find_fn find, void *arg,
                                      tm_spill_piece *piece, tm_err *err);
/** What was taken is in the log; a file of which all is, is removed. */
void tm__spill_done(tm_spill *spill, const tm_spill_piece *piece);

#endif
