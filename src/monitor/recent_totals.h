/* SPDX-License-Identifier: Apache-2.0 */
/* How many answers each stream of the log has, and when they were given; each look reads the news.
 */
#ifndef TM_MONITOR_RECENT_TOTALS_H
#define TM_MONITOR_RECENT_TOTALS_H

#include "store/db.h"

/* Of one stream. */
typedef struct tm_recent_total {
    int64_t stream;
    uint64_t n;
    int64_t first_us, last_us;
} tm_recent_total;

typedef struct tm_recent_totals {
    tm_recent_total *list; /* [n] */
    uint32_t n, n_room;
    int64_t next_seq; /* blocks up to here are in; 0: nothing was read yet */
} tm_recent_totals;
void tm__recent_totals_done(tm_recent_totals *totals);
/** Take what came. After a failure all is read anew. TM_E_NOMEM, those of a file. */
TM_NODISCARD tm_status tm__recent_totals_read(tm_recent_totals *totals, tm_db *db, tm_err *err);
/** NULL: the stream has no answer. */
const tm_recent_total *tm__recent_totals_find(const tm_recent_totals *totals, int64_t stream);

#endif
