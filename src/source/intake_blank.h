/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a source keeps the values of single columns: "keep_s" of a column in its spec. Rows
 * stay, with nothing in that column. Quarantine keeps no row longer than the shortest of these and
 * the source's retention.
 */
#ifndef TM_SOURCE_INTAKE_BLANK_H
#define TM_SOURCE_INTAKE_BLANK_H

#include "base/ctx.h"
#include "base/json.h"
#include "store/home.h"

struct tm_db;
struct tm_source_row;

/** Check what a spec declares; keys: names that cannot be blanked. TM_E_USAGE. */
TM_NODISCARD tm_status tm__blank_check(const json_t *spec, const char *const *keys, uint32_t n_keys,
                                       tm_err *err);

typedef struct tm_blanked {
    uint64_t n_segments, n_rows; /* that lost values */
    uint64_t n_quarantined;      /* rows that left quarantine for their age */
    uint64_t n_held;             /* segments that wait for a sink */
    char held_by[129];           /* the sink; empty: none */
} tm_blanked;
/**
 * Blank what is older than is kept, a segment at a time: a segment is old when its newest row is.
 * The new file is durable before one transaction names it and notes how far the columns are; a call
 * that was stopped is gone on with by the next. The old file is collected an hour later, so who
 * reads it now reads on.
 *
 * Errors:  those of files and of intake.db; what was blanked stays so. Threads: one caller; uses
 *          ctx->pool. Cost: reads and writes each such segment once for each time that it gives.
 */
TM_NODISCARD tm_status tm__intake_blank(tm_ctx *ctx, const tm_home *home, const char *name,
                                        tm_blanked *out, tm_err *err);
/** Whether there is anything to blank or to drop from quarantine. */
TM_NODISCARD tm_status tm__intake_db_blank_due(struct tm_db *db, const struct tm_source_row *source,
                                               bool *out, tm_err *err);

#endif
