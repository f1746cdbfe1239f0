/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has the mean of a stream changed? ADWIN keeps a window that grows while the mean stays and drops
 * its older part when two parts of it differ by more than chance at delta allows: Bifet and
 * Gavalda, "Learning from time-changing data with adaptive windowing" (2007), ADWIN2,
 * doi:10.1137/1.9781611972771.42. The window is kept as buckets of 1, 2, 4, ... values, at most six
 * of each (five and the next one that makes them merge), so memory is O(log of its length).
 *
 * As published each look has the same chance of a false alarm, so a stream that is looked at for
 * long enough has one: tm__adwin_add(), for whoever wants what other programs have. Under a budget
 * each look has a chance of its own, which the caller takes from the budget's time, and the cuts of
 * a look share it: tm__adwin_push(), tm__adwin_look().
 */
#ifndef TM_MONITOR_ADWIN_H
#define TM_MONITOR_ADWIN_H

#include <stdbool.h>
#include <stdint.h>

#define TM_ADWIN_ROWS 48u   /* sizes of buckets: windows of up to 2^48 values */
#define TM_ADWIN_BUCKETS 6u /* of a size */

typedef struct tm_adwin_bucket {
    double sum, spread; /* spread: sum of squared distances to the bucket's mean */
    int64_t at_us;      /* of its first value */
} tm_adwin_bucket;

/* Where the window was cut: the mean before and behind. */
typedef struct tm_adwin_cut {
    double was, is;
    uint64_t n_was, n_is;
    int64_t since_us; /* of the first value behind */
} tm_adwin_cut;

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
/** Add a value that came then, and do not look. */
void tm__adwin_push(tm_adwin *self, double value, int64_t at_us);
/**
 * Look once: true when the mean has changed, and then the older part is dropped and *out says where
 * the change shows most.
 *
 * chance  that a look at values drawn one by one from one distribution finds a change, over 0; over
 *         all looks it adds up to the number of false alarms.
 *
 * Cost: O(log of the window).  Threads: owner thread.
 */
bool tm__adwin_look(tm_adwin *self, double chance, tm_adwin_cut *out);
/** Of the window; NaN when it is empty. */
double tm__adwin_mean(const tm_adwin *self);

#endif
