/* SPDX-License-Identifier: Apache-2.0 */
/* A home that is put together in a temporary folder, for `backup` and `restore`: made beside where
 * the result goes, checked as a whole, then published by one rename or removed. */
#ifndef TM_CLI_STAGING_H
#define TM_CLI_STAGING_H

#include "base/ctx.h"
#include "base/json.h"
#include "store/home.h"

typedef struct tm_staging {
    char *path; /* owned; NULL when nothing is open */
    tm_home *home;
} tm_staging;

/** Make `beside`.tmp-<number>, a home without databases. */
TM_NODISCARD tm_status tm__staging_open(const char *beside, tm_staging *out, tm_err *err);
/** Name in the staged home in a fresh block; NULL when out of memory. */
char *tm__staging_join(const tm_staging *staging, const char *name);
/**
 * Check the databases: pages, formats and the chain of the history. *out_facts gets
 * {"models","versions","history_records","answers","labels","formats":{"meta.db","log.db",
 * "watch.db"}}, the last two when they are there, with "sources" and "source_rows" when there is
 * an intake.db, and *out_files what the versions refer to. New references.
 */
TM_NODISCARD tm_status tm__staging_check(const tm_staging *staging, json_t **out_facts,
                                         json_t **out_files, tm_err *err);
/** "2 models, 1 version, 50 answers, 20 labels" of facts; out is returned. */
const char *tm__staging_facts_text(const json_t *facts, char *out, size_t size);
/** Sync the folders and rename the home to path. */
TM_NODISCARD tm_status tm__staging_publish(tm_staging *staging, const char *path, tm_err *err);
/** Remove what was not published. No-op on a zeroed struct. */
void tm__staging_close(tm_staging *staging);

#endif
