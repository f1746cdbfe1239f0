/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wall and monotonic time behind a seam, and civil dates (proleptic Gregorian, UTC).
 * Times are microseconds since 1970-01-01T00:00:00Z. Any thread.
 */
#ifndef TM_BASE_CLOCK_H
#define TM_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

int64_t tm__now_us(void);         /* wall clock                   */
uint64_t tm__mono_ns(void);       /* for durations and deadlines  */
uint64_t tm__cpu_ns(void);        /* processors' time of all threads of this process */
uint64_t tm__thread_cpu_ns(void); /* and of this thread alone */
void tm__sleep_ms(uint32_t ms);
void tm__sleep_us(uint32_t us);
/** Tests: a fixed wall clock (INT64_MIN: the real one again), also from TIDEMILL_NOW=ISO at start
 * of the program. */
void tm__clock_fix(int64_t now_us);
/** What was done more than so far ahead of the clock was done before the clock went back: it holds
 * nothing up. Less than that is another machine's clock. */
#define TM_CLOCK_AHEAD_US INT64_C(60000000)

typedef struct tm_civil {
    int64_t year;
    uint32_t month, day; /* 1-12, 1-31 */
    uint32_t hour, minute, second, us;
    uint32_t weekday; /* 0 = Monday */
    uint32_t yearday; /* 0-based    */
} tm_civil;

void tm__civil_from_us(int64_t us, tm_civil *out);
int64_t tm__us_from_civil(int64_t year, uint32_t month, uint32_t day); /* midnight */
/** ISO 8601: date, or date and time with 'T' or blank, fraction up to 6 digits, optional Z or
 * +hh:mm. */
bool tm__time_parse(tm_str text, int64_t *out_us);
/** As people say a moment: the same, a time of day that has come ("14:05"), or how long ago ("7d").
 */
bool tm__moment_parse(tm_str text, int64_t *out_us);
/** "2001-01-01T00:01:00Z", fraction only when there is one; out holds at least 40 bytes. */
size_t tm__time_to_text(int64_t us, char *out);
/** "2001-01-01" when us is a midnight of a date column. */
size_t tm__date_to_text(int64_t us, char *out);

#endif
