/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of rows for tests of replay. */
#ifndef TM_REPLAY_CASE_H
#define TM_REPLAY_CASE_H

#include "loop/replay_priv.h"

#define REPLAY_ROWS 8000u
#define REPLAY_BLOCK 1000u

typedef struct replay_made {
    bool has_time, is_reversed, is_value;
    uint64_t n_rows;            /* 0: REPLAY_ROWS */
    uint64_t n_unlabelled_from; /* rows from here on have no label; 0: all have one */
    bool is_secret;             /* what the label means changes at random every REPLAY_BLOCK rows */
    bool is_walk;               /* of values: they go up and down by chance, and x says nothing */
} replay_made;

/** Columns t (seconds from 1970 on), x, and the target y, which x tells. The caller's. */
tm_table *replay_case_table(const replay_made *how);
/** Rows in order, labels `delay` rows later, the first fifth teaches. Ends with
 * tm__replay_stream_done(). */
void replay_case_stream(const replay_made *how, uint64_t delay, tm_replay_stream *out);

#endif
