/* SPDX-License-Identifier: Apache-2.0 */
/* What a home holds of rows and can make or fetch again: online features, objects of buckets, the
 * state of trainings that were stopped. It goes whole, since packed bytes do not show whose they
 * are and free pages keep what they held; and rows that sinks have spooled. Any thread. */
#ifndef TM_LOOP_SUBJECT_DERIVED_H
#define TM_LOOP_SUBJECT_DERIVED_H

#include "store/home.h"

/** Whether an entry of a home is such a folder. */
bool tm__subject_is_derived(const char *entry);
/** Whether a file, named below the home, holds rows that a sink has spooled. */
bool tm__subject_is_spool(const char *name);
/** Remove all of it but online features (subject_beside.h). Errors of files. */
TM_NODISCARD tm_status tm__subject_remove_derived(const tm_home *home, tm_err *err);

#endif
