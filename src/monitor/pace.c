/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/pace.h"

#include "base/fmath.h"

#define TOLERANCE 1.25
#define Z_BLOCK 3.0
#define FIRST_COUNT 3.0 /* of the first window counts so many times its root */
#define CLUMP_KEPT 0.95
#define LOG_MAX 700.0

/* Logs of the ratios: half as many again, three times, ten times as many; and as few. */
static const double ratios[TM_PACE_BETS] = {0.405, 1.099, 2.303, -0.405, -1.099, -2.303};

tm_pace_usual tm__pace_usual(const uint64_t *counts, const double *minutes, uint32_t n) {
    tm_pace_usual out = {.low = 0, .high = 0};
    for (uint32_t i = 0; i < n; i++) {
        const double k = (double)counts[i];
        /* Of a count of Poisson's, about: the root of it has the same error everywhere. */
        const double root = tm__sqrt(k + 0.375);
        const double least = root > Z_BLOCK / 2 ? root - Z_BLOCK / 2 : 0;
        const double most = root + Z_BLOCK / 2;
        const double low = least * least / minutes[i], high = most * most / minutes[i];
        out.low = i == 0 || low < out.low ? low : out.low;
        out.high = high > out.high ? high : out.high;
    }
    out.low /= TOLERANCE;
    out.high *= TOLERANCE;
    return out;
}

static double clump_of(const tm_pace *self) {
    const double clump = self->clump_size > 0 ? self->clump_sum / self->clump_size : 1;
    return clump > 1 ? clump : 1;
}

/* (a - b)^2 over what Poisson's law has it be, for windows that last differently long. */
static void learn_clump(tm_pace *self, double n, double minutes) {
    const double both = n + self->before, time = minutes + self->before_minutes;
    if (self->before_minutes > 0 && both > 0) {
        const double gap = n - both * minutes / time;
        const double chance = both * (minutes / time) * (self->before_minutes / time);
        self->clump_sum = CLUMP_KEPT * self->clump_sum + gap * gap / chance;
        self->clump_size = CLUMP_KEPT * self->clump_size + 1;
    }
    self->before = n;
    self->before_minutes = minutes;
}

static void bet_reset(tm_pace_bet *bet) {
    *bet = (tm_pace_bet){.gain = -LOG_MAX};
}

void tm__pace_reset(tm_pace *self) {
    for (uint32_t i = 0; i < TM_PACE_BETS; i++) {
        bet_reset(&self->bets[i]);
    }
}

void tm__pace_add(tm_pace *self, const tm_pace_usual *usual, const tm_pace_window *window) {
    const double n = (double)window->n, start = tm__log(window->share / TM_PACE_BETS);
    if (!self->is_begun) {
        self->is_begun = true;
        self->clump_sum = tm__sqrt(n) / FIRST_COUNT;
        self->clump_size = 1;
        tm__pace_reset(self);
    }
    const double clump = clump_of(self);
    for (uint32_t i = 0; i < TM_PACE_BETS; i++) {
        tm_pace_bet *const bet = &self->bets[i];
        const double pace = ratios[i] > 0 ? usual->high : usual->low;
        const double gain = n * ratios[i] - window->minutes * pace * tm__expm1(ratios[i]);
        if (bet->gain < start) {
            *bet = (tm_pace_bet){.gain = start, .since_us = window->at_us};
        }
        bet->gain += gain > 0 ? gain / clump : gain;
        bet->gain = bet->gain > LOG_MAX ? LOG_MAX : bet->gain;
        bet->n += n;
        bet->minutes += window->minutes;
    }
    learn_clump(self, n, window->minutes);
}

tm_pace_look tm__pace_look(const tm_pace *self) {
    tm_pace_look look = {0};
    double best = -LOG_MAX;
    for (uint32_t i = 0; self->is_begun && i < TM_PACE_BETS; i++) {
        const tm_pace_bet *const bet = &self->bets[i];
        look.evidence += tm__exp(bet->gain);
        if (bet->gain > best) {
            best = bet->gain;
            look.is_rise = ratios[i] > 0;
            look.since_us = bet->since_us;
            look.is = bet->minutes > 0 ? bet->n / bet->minutes : 0;
        }
    }
    return look;
}
