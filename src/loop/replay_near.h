/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an arm has seen rows like those that come now: how far the newest rows lie from those
 * that it learned from. It needs no labels, so it is known before they say what a shift cost
 * ("covariate shift": Shimodaira (2000), doi:10.1016/S0378-3758(00)00115-4). Numbers only.
 */
#ifndef TM_LOOP_REPLAY_NEAR_H
#define TM_LOOP_REPLAY_NEAR_H

#include "loop/replay_priv.h"

#define TM_REPLAY_NEAR_COLS 64u /* columns that are looked at, the first ones */

typedef struct tm_replay_sums {
    double n, sum, squares;
} tm_replay_sums;

typedef struct tm_replay_near {
    uint32_t n;
    tm_replay_sums *cols[TM_REPLAY_NEAR_COLS]; /* each [blocks of rows + 1]: of all rows before */
} tm_replay_near;

/** *out is ended by tm__replay_near_done() in every case.
 * Errors: TM_E_NOMEM.  Cost: one look at every number; half a byte a row and column. */
TM_NODISCARD tm_status tm__replay_near_init(const tm_replay_stream *stream, tm_replay_near *out,
                                            tm_err *err);
void tm__replay_near_done(tm_replay_near *near);
/** By how many squared standard deviations of rows begin to end the mean of the newest rows before
 * `row` lies from theirs, in the column where that is most: 0 to 4. */
double tm__replay_near_far(const tm_replay_near *near, uint64_t begin, uint64_t end, uint64_t row);

#endif
