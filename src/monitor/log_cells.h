/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed cells of log.db: the answers. One owner thread; a server may run. */
#ifndef TM_MONITOR_LOG_CELLS_H
#define TM_MONITOR_LOG_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/home.h"

/** How many blocks of answers the key of an id did not seal; with is_renewing the first key of the
 * home seals them, some in a transaction. 0 without a log. */
TM_NODISCARD tm_status tm__log_cells_renew(const tm_home *home, const char *key, bool is_renewing,
                                           uint64_t *out_n, tm_err *err);

#endif
