/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a source keeps its rows, and how much it may hold: "retention_s" and "max_bytes" of its
 * spec; without them for ever, and as much as there is. Removed rows keep their keys.
 */
#ifndef TM_SOURCE_INTAKE_RETAIN_H
#define TM_SOURCE_INTAKE_RETAIN_H

#include "base/str.h"
#include "store/home.h"

struct tm_db;
struct tm_source_row;

typedef struct tm_removable {
    int64_t last; /* seq of the last segment of them */
    uint64_t n_segments, n_rows, n_bytes;
    uint64_t n_held;   /* segments that are as old, and kept for a sink that has not read them */
    char held_by[129]; /* the sink; empty: none */
} tm_removable;

/** Remove segments that are older than the source's retention, in one transaction; *out is what
 * was removed, all zero when it was nothing. */
TM_NODISCARD tm_status tm__intake_expire(const tm_home *home, const char *name, tm_removable *out,
                                         tm_err *err);
/** Name of a source of which there is something to remove. Empty when there is none. */
TM_NODISCARD tm_status tm__intake_expire_due(const tm_home *home, char out[129], tm_err *err);

/** When the newest row of a segment was accepted, by its parts; created_us: of one without. */
int64_t tm__segment_newest_us(tm_str parts, int64_t created_us);
/** Place behind which sinks have not read, and whose it is; UINT64_MAX: nobody's. */
TM_NODISCARD tm_status tm__intake_db_hold(struct tm_db *db, const char *source, uint64_t *out,
                                          char name[129], tm_err *err);
/** What may be removed now. */
TM_NODISCARD tm_status tm__intake_db_removable(struct tm_db *db, const struct tm_source_row *source,
                                               tm_removable *out, tm_err *err);
/** Bytes of a source on disk: segments, batches, keys, quarantine. */
TM_NODISCARD tm_status tm__intake_db_bytes(struct tm_db *db, int64_t source, uint64_t *out,
                                           tm_err *err);
/** TM_E_UNAVAILABLE, with what to do, when the source holds what it may or the disk has less free
 * than its floor. */
TM_NODISCARD tm_status tm__intake_has_room(const tm_home *home, struct tm_db *db,
                                           const struct tm_source_row *source, tm_err *err);
/** What must stay free of a disk: 1 GiB, of a small one a twentieth; TIDEMILL_DISK_FLOOR says
 * otherwise. */
TM_NODISCARD tm_status tm__intake_disk_floor(uint64_t total_bytes, uint64_t *out, tm_err *err);

#endif
