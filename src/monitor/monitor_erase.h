/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of some subjects leave the log, with their labels and all that points to them; every
 * other answer keeps its number, its id and its label. What was counted of them stays: counters and
 * sketches hold no row.
 */
#ifndef TM_MONITOR_MONITOR_ERASE_H
#define TM_MONITOR_MONITOR_ERASE_H

#include "base/json.h"
#include "store/home.h"
#include "table/table.h"

typedef struct tm_log_erasure {
    const tm_dict *entities; /* labels that name one go too, also those that wait */
    const int64_t *numbers;  /* [n] of answers, ascending; those that are gone are passed over */
    size_t n;
} tm_log_erasure;
typedef struct tm_log_erased {
    uint64_t n_answers, n_labels;
} tm_log_erased;

/**
 * In one transaction; then free pages are overwritten and given back, and the write-ahead log is
 * emptied. A home without a log has nothing to erase. A server may go on writing meanwhile; what it
 * has in memory is not reached.
 *
 * Errors:  TM_E_INTEGRITY for a damaged block; TM_E_CONFLICT when another process holds the file
 * for long; those of files. Nothing is changed then, but free pages may stay. Threads: one caller.
 * Cost:    writes the blocks with such answers, then the whole file once.
 */
TM_NODISCARD tm_status tm__log_erase(const tm_home *home, const tm_log_erasure *erasure,
                                     tm_log_erased *out, tm_err *err);
/** Whether answers wait in spill files, which only a server reads. */
TM_NODISCARD tm_status tm__log_has_spilled(const tm_home *home, bool *out, tm_err *err);

#endif
