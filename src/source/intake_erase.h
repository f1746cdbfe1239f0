/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of some subjects leave a source: segments that had them are written anew without them, rows
 * in quarantine that hold an id are dropped. Keys of rows stay, as 16 bytes of a hash, so that the
 * same row is a duplicate when it is sent or read again.
 */
#ifndef TM_SOURCE_INTAKE_ERASE_H
#define TM_SOURCE_INTAKE_ERASE_H

#include "base/ctx.h"
#include "base/json.h"
#include "store/home.h"
#include "table/table.h"

typedef struct tm_intake_erased {
    uint64_t n_rows, n_segments, n_quarantined;
} tm_intake_erased;
/**
 * columns: names of those that hold ids; ids: of whom. Called again after a crash it goes on: a
 * segment is changed in one transaction, and its old file goes with the next call at the latest.
 *
 * A server may take pushes and make segments meanwhile; a row that comes behind the look stays.
 * Errors:  TM_E_CONFLICT when a sink has a batch that is not done, or another process reads it;
 *          TM_E_NOT_FOUND; those of files. What was changed before stays changed.
 * Threads: one caller; uses ctx->pool.
 * Cost:    reads each segment once, writes those with such rows.
 */
TM_NODISCARD tm_status tm__intake_erase(tm_ctx *ctx, const tm_home *home, const char *name,
                                        const json_t *columns, const tm_dict *ids,
                                        tm_intake_erased *out, tm_err *err);
/** Whether that could begin; changes nothing. TM_E_CONFLICT names a sink with a batch that was
 * begun and is not done. */
TM_NODISCARD tm_status tm__intake_can_erase(const tm_home *home, tm_err *err);
/** Overwrite and give back the pages that nothing uses, and empty the write-ahead log. */
TM_NODISCARD tm_status tm__intake_vacuum(const tm_home *home, tm_err *err);

#endif
