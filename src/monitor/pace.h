/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do things come more or less often than they did? Counts of windows come one after the other; the
 * evidence is that of shift.h with Poisson's law in place of a share: for each of some ratios the
 * likelihood ratio against the nearest pace that is usual, begun anew below what a window is worth
 * of the budget, and counted for less where neighbouring windows differ by more than Poisson's law
 * has it (requests in bursts).
 */
#ifndef TM_MONITOR_PACE_H
#define TM_MONITOR_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define TM_PACE_BETS 6u

/* What is usual: from, up to, a minute. */
typedef struct tm_pace_usual {
    double low, high;
} tm_pace_usual;

typedef struct tm_pace_bet {
    double gain; /* log, since it began */
    double n, minutes;
    int64_t since_us;
} tm_pace_bet;
/* Plain data; zeroed: has seen nothing. */
typedef struct tm_pace {
    bool is_begun;
    double before, before_minutes; /* the window before */
    double clump_sum, clump_size;
    tm_pace_bet bets[TM_PACE_BETS];
} tm_pace;

typedef struct tm_pace_window {
    uint64_t n;
    double minutes; /* that it lasted, over 0 */
    double share;   /* of the budget's time, over 0 */
    int64_t at_us;  /* when it began */
} tm_pace_window;

typedef struct tm_pace_look {
    double evidence; /* an alarm of a share w of the budget is at 1 / w */
    bool is_rise;
    int64_t since_us;
    double is; /* a minute, since then */
} tm_pace_look;

/** A pace of blocks of counts [n] and minutes [n]: the least and the largest, with room for the
 * chance of each and for a quarter more or less, which is no change. n is over 0. */
tm_pace_usual tm__pace_usual(const uint64_t *counts, const double *minutes, uint32_t n);
/** Add a window. Owner thread. */
void tm__pace_add(tm_pace *self, const tm_pace_usual *usual, const tm_pace_window *window);
tm_pace_look tm__pace_look(const tm_pace *self);
/** After an alarm that was told: what is known of bursts stays. */
void tm__pace_reset(tm_pace *self);

#endif
