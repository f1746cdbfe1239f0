/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle whose reference has numbers, levels and answers, and rows to be counted against it. */
#ifndef TM_SUPPORT_DRIFT_CASE_H
#define TM_SUPPORT_DRIFT_CASE_H

#include "base/rng.h"
#include "bundle_data.h"
#include "monitor/sketch_cells.h"

typedef struct drift_case {
    bundle_data *data;
    tm_bundle *bundle;
    tm_cells_plan *plan;
    tm_cells *cells;
    tm_counts counts; /* of the rows since the last drift_case_rows() */
    tm_rng rng;
} drift_case;

/** age: numbers, most important; city: levels. */
void drift_case_open(drift_case *c, uint64_t seed);
void drift_case_close(drift_case *c);
/** Count n rows drawn like those of the table; age is moved by so much. */
void drift_case_rows(drift_case *c, uint32_t n, double moved);
/** The place of a column. */
uint32_t drift_case_column(const drift_case *c, const char *name);

#endif
