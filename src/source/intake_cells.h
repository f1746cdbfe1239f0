/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed cells of intake.db: rows in no segment yet, profiles, quarantine, and the keys that
 * pushes' and rows' keys are hashed with, which another key of the home makes another. One owner
 * thread; a server may run. */
#ifndef TM_SOURCE_INTAKE_CELLS_H
#define TM_SOURCE_INTAKE_CELLS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/home.h"

/** How many of them the key of an id did not seal; with is_renewing the first key of the home seals
 * them, some in a transaction. 0 without sources. */
TM_NODISCARD tm_status tm__intake_cells_renew(const tm_home *home, const char *key,
                                              bool is_renewing, uint64_t *out_n, tm_err *err);

#endif
