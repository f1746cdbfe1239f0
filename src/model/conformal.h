/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far answers were off on rows that no model learned from, so that an answer can say within
 * what the truth lies at any level: an interval of a number, a set of classes.
 *
 *   NUMBER   residuals, or their sizes, divided by a spread that follows the answer
 *   CLASSES  1 less the probability of the class that came
 *
 * With n rows to measure on, level L takes the ceil((n + 1) L)-th smallest; so, when new rows are
 * drawn like those, at least L of them lie within on average (Vovk et al. 2005; Lei et al. 2018,
 * doi:10.1080/01621459.2017.1307116). Of many rows only some ranks are kept, and the next larger
 * one is taken: intervals get a little wider, never narrower.
 *
 * Immutable once made; read from any thread. Fitting: train/train_conformal.c.
 */
#ifndef TM_MODEL_CONFORMAL_H
#define TM_MODEL_CONFORMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tidemill/err.h"

#define TM_CONFORMAL_KNOTS 64u
#define TM_CONFORMAL_RANKS 1024u

typedef enum tm_conformal_kind { /* numbers are stored in files */
                                 TM_CONFORMAL_NONE = 0,
                                 TM_CONFORMAL_NUMBER = 1,
                                 TM_CONFORMAL_CLASSES = 2
} tm_conformal_kind;

/* Some of n sorted scores: the last of them always. */
typedef struct tm_conformal_scores {
    uint32_t n;
    uint64_t *ranks; /* [n] from 1, rising strictly; owned */
    double *scores;  /* [n] finite, never falling; owned */
} tm_conformal_scores;

/* Zeroed: none. */
typedef struct tm_conformal {
    tm_conformal_kind kind;
    uint64_t n_rows;           /* that were measured */
    bool is_positive;          /* NUMBER: no answer is below 0 */
    uint32_t n_knots;          /* NUMBER: of the spread, from 1; straight between, level outside */
    double *at;                /* [n_knots] answers, rising strictly; owned */
    double *spread;            /* [n_knots] over 0; owned */
    tm_conformal_scores above; /* how far truths lie above, or (below.n == 0) either way */
    tm_conformal_scores below; /* NUMBER, when sides are apart */
} tm_conformal;

/* One level, looked up. */
typedef struct tm_conformal_at {
    double level;
    double above, below; /* scores */
} tm_conformal_at;

typedef struct tm_conformal_range {
    double low, high;
} tm_conformal_range;

void tm__conformal_done(tm_conformal *self);
/** Whether its numbers are what the structs say. Pure. */
bool tm__conformal_is_sound(const tm_conformal *self);
/** Keep ranks of n scores, which are sorted in place. Errors: TM_E_NOMEM; *out untouched. */
TM_NODISCARD tm_status tm__conformal_keep(double *scores, uint64_t n, tm_conformal_scores *out,
                                          tm_err *err);
/** The highest level that so many rows allow. */
double tm__conformal_level_max(const tm_conformal *self);
/** Errors: TM_E_UNSUPPORTED (kind none), TM_E_USAGE (not between 0 and 1, or more than the rows
 * allow: says how many it needs). */
TM_NODISCARD tm_status tm__conformal_find(const tm_conformal *self, double level,
                                          tm_conformal_at *out, tm_err *err);
/** The spread at an answer. */
double tm__conformal_spread(const tm_conformal *self, double answer);
/** NUMBER: both ends are finite; NaN of NaN. */
tm_conformal_range tm__conformal_range(const tm_conformal *self, const tm_conformal_at *at,
                                       double answer);
/** CLASSES: which classes the truth is one of; the likeliest always is there. answers [n_outputs],
 * 1: of two classes the second one's probability. out [max(2, n_outputs)]. Returns how many. */
uint32_t tm__conformal_set(const tm_conformal_at *at, const double *answers, uint32_t n_outputs,
                           bool *out);

/** Bytes of one that is not none. */
void tm__conformal_save(const tm_conformal *self, tm_buf *out);
/** Every byte is checked. Errors: TM_E_INTEGRITY, TM_E_UNSUPPORTED (a later version), TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__conformal_load(const void *data, size_t len, tm_conformal *out,
                                          tm_err *err);

#endif
