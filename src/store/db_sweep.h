/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write-ahead log of a busy database, copied into its file beside its writer. SQLite would do
 * it within a commit: every few seconds one commit would take some tens of milliseconds more.
 */
#ifndef TM_STORE_DB_SWEEP_H
#define TM_STORE_DB_SWEEP_H

#include "store/db.h"

typedef struct tm_db_sweep tm_db_sweep;

typedef struct tm_db_sweep_spec {
    tm_db *writer;    /* whose commits fill the log; its owner thread commits and stops the sweep */
    tm_db *own;       /* another connection to the same file; taken, also after a failure */
    uint32_t n_pages; /* of the log before it is copied; a writer that is eight times ahead waits */
} tm_db_sweep_spec;

/** Take over from SQLite; end it with tm__db_sweep_stop() before the writer is closed.
 * TM_E_UNAVAILABLE: no memory or no room for a thread. */
TM_NODISCARD tm_status tm__db_sweep_start(const tm_db_sweep_spec *spec, tm_db_sweep **out,
                                          tm_err *err);
/** NULL is a no-op. Waits for a copy that runs. */
void tm__db_sweep_stop(tm_db_sweep *sweep);

#endif
