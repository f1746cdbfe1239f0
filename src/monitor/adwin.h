/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the mean of a stream changed? ADWIN keeps a window that grows while the mean stays and drops
 * its older part when two parts of it differ by more than chance at delta allows: Bifet and
 * Gavalda, "Learning from time-changing data with adaptive windowing" (2007), ADWIN2,
 * doi:10.1137/1.9781611972771.42. The window is kept as buckets of 1, 2, 4, ... values, at most six
 * of each (five and the next one that makes them merge), so memory is O(log of its length).
 *
 * Not for alarms of columns, which have a budget (shift.h): delta bounds a false alarm at each
 * look.
 */
#ifndef TM_MONITOR_ADWIN_H
#define TM_MONITOR_ADWIN_H

#include <stdbool.h>
#include <stdint.h>

#define TM_ADWIN_ROWS 48u   /* sizes of buckets: windows of up to 2^48 values */
#define TM_ADWIN_BUCKETS 6u /* of a size */

typedef struct tm_adwin_bucket {
    double sum, spread; /* spread: sum of squared distances to the bucket's mean */
} tm_adwin_bucket;

/* Zeroed but for delta: has seen nothing. Plain data; copy and keep it at will. */
typedef struct tm_adwin {
    double delta;   /* 0 stands for 0.002 */
    uint32_t every; /* values between looks; 0 stands for 32, as MOA and River have it */
    uint32_t n_rows;
    uint32_t n_buckets[TM_ADWIN_ROWS];
    tm_adwin_bucket buckets[TM_ADWIN_ROWS][TM_ADWIN_BUCKETS]; /* of a size, oldest first */
    uint64_t n;                                               /* of the window */
    double sum, spread;
    uint64_t n_seen;  /* values since the beginning */
    uint64_t n_drops; /* times that a part was dropped */
} tm_adwin;

/**
 * Add a value of [0, 1], such as an error; a value outside counts as the nearer end, NaN not at
 * all. True when the window lost its older part at this value: the mean has changed.
 *
 * Cost: O(log of the window) every `every` values.  Threads: owner thread.
 */
bool tm__adwin_add(tm_adwin *self, double value);
/** Of the window; NaN when it is empty. */
double tm__adwin_mean(const tm_adwin *self);

#endif
