/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed cells of log.db: the answers, and the key that labels and answers are looked up by. One
 * owner thread; a server may run. */
#ifndef TM_MONITOR_LOG_CELLS_H
#define TM_MONITOR_LOG_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/home.h"

/** How many cells the key of an id did not seal; with is_renewing the first key of the home seals
 * them, some in a transaction, and pages that held them are overwritten, unless somebody else reads
 * or writes. 0 without a log. */
TM_NODISCARD tm_status tm__log_cells_renew(const tm_home *home, const char *key, bool is_renewing,
                                           uint64_t *out_n, tm_err *err);
/** Whether free pages may still hold what was sealed, hashed or erased since. */
TM_NODISCARD tm_status tm__log_cells_must_wipe(const tm_home *home, bool *out, tm_err *err);

/* Files of answers that wait to be written to the log. */
typedef struct tm_log_spills {
    uint64_t n_sealed, n_earlier, n_plain; /* by the key of an id, by another one, by none */
} tm_log_spills;
TM_NODISCARD tm_status tm__log_spills_count(const tm_home *home, const char *key,
                                            tm_log_spills *out, tm_err *err);

#endif
