/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is declared of a model's log: what becomes of an answer whose record cannot be written at
 * once, and how long records are kept.
 *
 *     policy   a record that has no room          after a kill
 *     drop     is dropped and counted             those in memory are counted as dropped
 *     spill    goes to a file, is written later   the same; files are read again
 *     sample   dropped; a share is kept at all    the same
 *     sync     the answer waits for the disk      none is missing
 */
#ifndef TM_MONITOR_LOG_TERMS_H
#define TM_MONITOR_LOG_TERMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"

typedef enum tm_log_policy {
    TM_LOG_DROP,
    TM_LOG_SPILL,
    TM_LOG_SAMPLE,
    TM_LOG_SYNC,
    TM_LOG_POLICIES
} tm_log_policy;
/** "drop", "spill", "sample", "sync". */
extern const char *const tm__log_policy_names[TM_LOG_POLICIES];

typedef struct tm_log_terms {
    tm_log_policy policy;
    double share;         /* of the answers that are kept, 0 to 1; SAMPLE, else 1 */
    uint32_t queue_max;   /* answers in memory; 0: as many as all models together */
    uint64_t spill_bytes; /* that may wait in files; 0: what the disk has, less its floor */
    int64_t keep_us;      /* records older than this go; 0: none do for their age */
    uint64_t keep_bytes;  /* records past so many bytes go, the oldest first; 0: none do */
} tm_log_terms;
/** Drop, and nothing declared. */
extern const tm_log_terms tm__log_terms_default;

/** "drop", "spill", "sync" or "sample:0.1", over what is there; false for anything else. */
bool tm__log_terms_parse(tm_str text, tm_log_terms *terms);
/** Members of a recipe's "log" ("policy", "share", "queue", "spill_bytes", "keep_us", "keep_bytes")
 * over what is there; NULL or an unknown policy leaves it as it is. */
void tm__log_terms_read(const json_t *log, tm_log_terms *terms);

#endif
