/* SPDX-License-Identifier: Apache-2.0 */
/* What sinks wrote of subjects outside of the home, where no erasure reaches. Any thread. */
#ifndef TM_LOOP_SUBJECT_SINKS_H
#define TM_LOOP_SUBJECT_SINKS_H

#include "base/json.h"
#include "store/home.h"
#include "table/table.h"

typedef struct tm_subject_rows {
    const char *source;
    const tm_table *table; /* all rows of the source in their order */
    const json_t *columns; /* that may hold ids */
    const tm_dict *ids;
} tm_subject_rows;
/** Append {"sink", "source", "to": where it writes, "n": rows of the subjects that are behind it}
 * for each sink that reads the source and has written any of them. */
TM_NODISCARD tm_status tm__subject_delivered(const tm_home *home, const tm_subject_rows *theirs,
                                             json_t *out, tm_err *err);
/** Append {"what", "why"} for each sink that has written rows and is not among
 * found's "delivered": whose rows they were cannot be told any more. Nothing when nobody was found.
 */
TM_NODISCARD tm_status tm__subject_say_sinks(const tm_home *home, const json_t *found, json_t *out,
                                             tm_err *err);

#endif
