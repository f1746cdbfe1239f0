/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line of JSON for each request: who asked what, how it ended, how long it took. Never a value
 * of a row, a key or a query. Workers collect lines and hand them over once a turn; a thread of its
 * own writes them, so that a slow disk holds up nobody: what it cannot keep up with is dropped, and
 * a line says how many.
 */
#ifndef TM_SERVE_ACCESS_LOG_H
#define TM_SERVE_ACCESS_LOG_H

#include "base/buf.h"
#include "serve/serve_priv.h"

typedef struct tm_access_log tm_access_log;

/** Append to a file, made when missing. */
TM_NODISCARD tm_status tm__access_log_open(const char *path, const tm_log *log, tm_access_log **out,
                                           tm_err *err);
/** Add the line of an exchange that is answered. Owner thread of lines. */
typedef struct tm_access_entry {
    const char *peer;
    size_t out_bytes;
    uint64_t now_ns;
    int64_t now_us;
} tm_access_entry;
void tm__access_log_write(const tm_exchange *x, const tm_access_entry *entry, tm_buf *lines);
/** Take what lines holds and empty it. Any thread; waits for no disk. */
void tm__access_log_give(tm_access_log *self, tm_buf *lines);
/** Open the file anew before the next line (it was moved away). Any thread. */
void tm__access_log_reopen(tm_access_log *self);
/** Writes what waits. NULL is a no-op. */
void tm__access_log_close(tm_access_log *self);

#endif
