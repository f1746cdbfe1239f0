/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   cells ──> events: "in one of the cells up to j" (ordered), "in cell j"
 *   event ──> the shares that are no shift, [low, high], of the reference
 *         ──> bets: six of them, each on odds that are so many times larger or smaller
 *   bet   ──> log of the likelihood ratio since it began; begun anew below the share of a block
 *
 * A bet on odds t times those of share b gains t^k / (1 - b + t b)^n with k of n rows in the event.
 * Its mean is at most 1 when the share is at most b and t > 1, or at least b and t < 1. With rows
 * in clumps of c it is the c-th root of that which is: so the log counts for 1 / c when it speaks
 * for a shift, and in full when it speaks against one, which no c can make less than it was worth.
 *
 * c is the mean over events of (a - b)^2 / (p (1 - p) (1 / n_a + 1 / n_b)), with a and b the shares
 * of two neighbouring blocks and p that of both; its mean is 1 for rows drawn one by one. The last
 * twenty blocks count most.
 */
#include "monitor/shift.h"

#include "base/fmath.h"
#include "base/mem.h"

#define N_BETS 6u
#define Z_BLOCK 2.0   /* standard errors of a block's share */
#define Z_ALL 3.0     /* and of all rows' */
#define TOLERANCE 0.1 /* log odds: a tenth more or less is no shift */
#define LOG_MAX 700.0
#define FIRST_ROWS 3.0  /* of the first block count so many times the root of its rows */
#define CLUMP_KEPT 0.95 /* weight of what was known of clumps, from block to block */

static const double bet_log_odds[N_BETS] = {0.25, 0.75, 2.0, -0.25, -0.75, -2.0};

typedef struct bet {
    double log_odds, cost; /* log of the mean gain of a row */
    double gain;           /* log, since it began */
    uint64_t n_rows, n_in; /* since then */
    int64_t since_us;
} bet;

typedef struct event {
    uint32_t cell;
    bool is_sum;          /* and the cells before */
    uint64_t n_in_before; /* of the block before */
    double was;
    bet bets[N_BETS];
} event;

struct tm_shift {
    uint32_t n_cells, n_ordered, n_events;
    uint64_t n_before;            /* rows of the block before; 0: none came yet */
    double clump_sum, clump_size; /* weighted; their quotient is the clump */
    event *events;                /* [n_events] */
};

/* ---- What is no shift ---- */

static double logit(double p) {
    return tm__log(p / (1 - p));
}

/* A bound of a share by Wilson's interval (1927): below for z < 0. */
static double wilson(double k, double n, double z) {
    const double z2 = z * z;
    const double middle = k + z2 / 2;
    const double spread = tm__sqrt(k * (n - k) / n + z2 / 4);
    const double bound = (middle + z * spread) / (n + z2);
    return bound < 1e-12 ? 1e-12 : bound > 1 - 1e-12 ? 1 - 1e-12 : bound;
}

static uint64_t rows_in(const uint64_t *counts, uint32_t from, uint32_t end) {
    uint64_t n = 0;
    for (uint32_t i = from; i < end; i++) {
        n += counts[i];
    }
    return n;
}

static uint64_t rows_of(const event *e, const uint64_t *counts) {
    return rows_in(counts, e->is_sum ? 0 : e->cell, e->cell + 1);
}

/* The least (sign -1) or largest share that is no shift. */
static double bound_of(const event *e, const tm_shift_spec *spec, double sign) {
    double all_in = 0, all = 0, bound = sign > 0 ? 0 : 1;
    for (uint32_t b = 0; b < spec->n_blocks; b++) {
        const uint64_t *const counts = spec->counts + (size_t)b * spec->n_cells;
        const double n = (double)rows_in(counts, 0, spec->n_cells);
        const double k = (double)rows_of(e, counts);
        all_in += k;
        all += n;
        /* A block of few rows says little of where the share was, not that it was anywhere. */
        if (spec->n_blocks > 1 && n >= 100) {
            const double at = wilson(k, n, sign * Z_BLOCK);
            bound = sign * at > sign * bound ? at : bound;
        }
    }
    const double at = wilson(all_in, all, sign * Z_ALL);
    bound = sign * at > sign * bound ? at : bound;
    return tm__sigmoid(logit(bound) + sign * TOLERANCE);
}

static void bet_reset(bet *b) {
    b->gain = -LOG_MAX;
    b->n_rows = b->n_in = 0;
    b->since_us = 0;
}

/* Bets go on; what they are held against is new. */
static void event_base(event *e, const tm_shift_spec *spec) {
    uint64_t all_in = 0, all = 0;
    for (uint32_t b = 0; b < spec->n_blocks; b++) {
        const uint64_t *const counts = spec->counts + (size_t)b * spec->n_cells;
        all_in += rows_of(e, counts);
        all += rows_in(counts, 0, spec->n_cells);
    }
    e->was = (double)all_in / (double)all;
    for (uint32_t i = 0; i < N_BETS; i++) {
        const double log_odds = bet_log_odds[i];
        const double bound = bound_of(e, spec, log_odds > 0 ? 1 : -1);
        e->bets[i].log_odds = log_odds;
        e->bets[i].cost = tm__log1p(bound * tm__expm1(log_odds));
    }
}

static tm_status check(const tm_shift_spec *spec, tm_err *err) {
    if (spec->n_cells < 2 || spec->n_cells > TM_SHIFT_CELLS_MAX ||
        spec->n_ordered > spec->n_cells || spec->n_blocks < 1) {
        return TM_FAIL(err, TM_E_INVALID, "a column of %u cells cannot be watched", spec->n_cells);
    }
    for (uint64_t i = 0; i < (uint64_t)spec->n_blocks * spec->n_cells; i++) {
        if (spec->counts[i] > 0) {
            return TM_OK;
        }
    }
    return TM_FAIL(err, TM_E_INVALID, "a reference has no rows");
}

tm_status tm__shift_create(const tm_shift_spec *spec, tm_shift **out, tm_err *err) {
    TM_TRY(check(spec, err));
    tm_shift *const shift = tm__mem_zalloc(1, sizeof(*shift));
    if (shift != NULL) {
        /* Sums up to each bin but the last one that all rows with a value are in. */
        shift->n_cells = spec->n_cells;
        shift->n_ordered = spec->n_ordered;
        shift->events = tm__mem_zalloc(spec->n_cells, sizeof(*shift->events));
    }
    if (shift == NULL || shift->events == NULL) {
        tm__shift_free(shift);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to watch a column");
    }
    for (uint32_t i = 0; i < spec->n_cells; i++) {
        event *const e = &shift->events[shift->n_events];
        *e = (event){.cell = i, .is_sum = i < spec->n_ordered};
        if (i + 1 < spec->n_ordered || i >= spec->n_ordered) {
            event_base(e, spec);
            shift->n_events++;
        }
    }
    tm__shift_reset(shift);
    *out = shift;
    return TM_OK;
}

tm_status tm__shift_rebase(tm_shift *shift, const tm_shift_spec *spec, tm_err *err) {
    TM_TRY(check(spec, err));
    if (spec->n_cells != shift->n_cells || spec->n_ordered != shift->n_ordered) {
        return TM_FAIL(err, TM_E_INVALID, "a reference of other cells");
    }
    for (uint32_t i = 0; i < shift->n_events; i++) {
        event_base(&shift->events[i], spec);
    }
    return TM_OK;
}

void tm__shift_free(tm_shift *shift) {
    if (shift != NULL) {
        tm__mem_free(shift->events);
        tm__mem_free(shift);
    }
}

void tm__shift_reset(tm_shift *shift) {
    for (uint32_t i = 0; i < shift->n_events; i++) {
        for (uint32_t k = 0; k < N_BETS; k++) {
            bet_reset(&shift->events[i].bets[k]);
        }
    }
}

/* ---- Blocks ---- */

/* start: log of what a bet begins with, its part of the budget of this block. */
static void bet_add(bet *b, uint64_t n, uint64_t n_in, double start, double clump, int64_t at_us) {
    if (b->gain < start) {
        b->gain = start;
        b->n_rows = b->n_in = 0;
        b->since_us = at_us;
    }
    const double gain = (double)n_in * b->log_odds - (double)n * b->cost;
    b->gain += gain > 0 ? gain / clump : gain;
    b->gain = b->gain > LOG_MAX ? LOG_MAX : b->gain;
    b->n_rows += n;
    b->n_in += n_in;
}

static double clump_of(const tm_shift *shift) {
    const double clump = shift->clump_size > 0 ? shift->clump_sum / shift->clump_size : 1;
    return clump > 1 ? clump : 1;
}

/* By how many times more the shares of two blocks differ than by chance; < 0: it has no say. */
static double spread_of(uint64_t n_a, uint64_t in_a, uint64_t n_b, uint64_t in_b) {
    const double p = (double)(in_a + in_b) / (double)(n_a + n_b);
    const double gap = (double)in_a / (double)n_a - (double)in_b / (double)n_b;
    const double chance = p * (1 - p) * (1 / (double)n_a + 1 / (double)n_b);
    return chance > 0 ? gap * gap / chance : -1;
}

static uint64_t event_rows(const event *e, const uint64_t *counts, uint64_t n_up_to) {
    return e->is_sum ? n_up_to : counts[e->cell];
}

/* What this block says of clumps, for those that follow. */
static void learn_clump(tm_shift *shift, const uint64_t *counts, uint64_t n) {
    double sum = 0;
    uint64_t n_up_to = 0;
    uint32_t n_known = 0;
    for (uint32_t i = 0; i < shift->n_events; i++) {
        event *const e = &shift->events[i];
        n_up_to += counts[e->cell];
        const uint64_t n_in = event_rows(e, counts, n_up_to);
        const double spread =
            shift->n_before > 0 ? spread_of(n, n_in, shift->n_before, e->n_in_before) : -1;
        sum += spread >= 0 ? spread : 0;
        n_known += spread >= 0 ? 1 : 0;
        e->n_in_before = n_in;
    }
    if (n_known > 0) {
        shift->clump_sum = CLUMP_KEPT * shift->clump_sum + sum / n_known;
        shift->clump_size = CLUMP_KEPT * shift->clump_size + 1;
    }
    shift->n_before = n;
}

void tm__shift_add(tm_shift *shift, const uint64_t *counts, double share, int64_t at_us) {
    const uint64_t n = rows_in(counts, 0, shift->n_cells);
    const double start = tm__log(share / ((double)shift->n_events * N_BETS));
    uint64_t n_up_to = 0;
    if (n == 0) {
        return;
    }
    if (shift->n_before == 0) {
        shift->clump_sum = tm__sqrt((double)n) / FIRST_ROWS;
        shift->clump_size = 1;
    }
    const double clump = clump_of(shift);
    for (uint32_t i = 0; i < shift->n_events; i++) {
        event *const e = &shift->events[i];
        n_up_to += counts[e->cell];
        const uint64_t n_in = event_rows(e, counts, n_up_to);
        for (uint32_t k = 0; k < N_BETS; k++) {
            bet_add(&e->bets[k], n, n_in, start, clump, at_us);
        }
    }
    learn_clump(shift, counts, n);
}

/* Where a value is missing it is in no bin, so all sums fall with that: the cell itself is named
 * when it says nearly as much. */
#define CELL_FAVOUR 1.25

tm_shift_look tm__shift_look(const tm_shift *shift) {
    tm_shift_look look = {.clump = clump_of(shift)};
    double best = -LOG_MAX;
    for (uint32_t i = 0; i < shift->n_events; i++) {
        const event *const e = &shift->events[i];
        for (uint32_t k = 0; k < N_BETS; k++) {
            const bet *const b = &e->bets[k];
            look.evidence += tm__exp(b->gain);
            const double favour = !e->is_sum && b->gain > 0 ? CELL_FAVOUR : 1;
            if (favour * b->gain > best) {
                best = favour * b->gain;
                look.cell = e->cell;
                look.is_rise = b->log_odds > 0;
                look.since_us = b->since_us;
                look.was = e->was;
                look.is = b->n_rows > 0 ? (double)b->n_in / (double)b->n_rows : e->was;
                look.n_rows = b->n_rows;
            }
        }
    }
    return look;
}
