/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a child of the schedule prints: two files of the home's jobs while it runs. When it has
 * ended, its result goes to its row in meta.db and the files go. Not for children with a name
 * (loop_children.c), whose files are written over.
 */
#ifndef TM_LOOP_LOOP_JOB_H
#define TM_LOOP_LOOP_JOB_H

#include "base/json.h"
#include "store/home.h"

#define TM_JOB_TEXT 27u              /* of a job's id */
#define TM_JOB_WORDS_BYTES_MAX 2000u /* of what a child said that printed no result */

/** Path of a job's file, "out" or "err"; NULL when out of memory. The caller frees it. */
char *tm__job_path(const tm_home *home, const char *job, const char *suffix);
/** What the child printed, as JSON; else {"stderr": the end of what it said}; else null. New
 * reference. */
json_t *tm__job_result(const tm_home *home, const char *job);
/** Why a job came to nothing, by its result: its error's message, else the end of what it said; ""
 * when neither is there. Valid as long as the result. */
const char *tm__job_why(const json_t *result);
/** What cannot be removed now is removed by tm__job_files_reset(). */
void tm__job_files_remove(const tm_home *home, const char *job);
/** Remove the files of all jobs: none runs. */
TM_NODISCARD tm_status tm__job_files_reset(const tm_home *home, tm_err *err);

#endif
