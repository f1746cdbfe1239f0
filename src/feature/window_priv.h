/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the windows share. */
#ifndef TM_FEATURE_WINDOW_PRIV_H
#define TM_FEATURE_WINDOW_PRIV_H

#include "base/fmath.h"
#include "base/pool.h"
#include "base/wide.h"
#include "feature/window.h"

#define TM_WINDOW_SUMS 4u

/* A feature ready to be computed. */
typedef struct tm_window_step {
    tm_window_feature feature;
    tm_type type;      /* of its column; NONE without */
    uint32_t n_sums;   /* of terms */
    double scale;      /* value to integer */
    double bound;      /* of the integers */
    double unit;       /* integer to value */
    int64_t time_unit; /* TREND: microseconds */
} tm_window_step;

/* What of a window's values is needed to know their aggregate. */
typedef struct tm_window_sums {
    uint64_t n;
    tm_u128 sums[TM_WINDOW_SUMS]; /* modulo 2^128 */
    double extreme;               /* MIN and MAX, when n > 0 */
} tm_window_sums;

static inline bool tm__window_is_null(tm_type type, uint64_t cell) {
    const uint64_t none = type == TM_TYPE_FLOAT  ? UINT64_C(0x7ff8000000000000)
                          : type == TM_TYPE_TEXT ? TM_CODE_MISSING
                                                 : UINT64_C(1) << 63;
    return cell == none;
}
static inline double tm__window_number(tm_type type, uint64_t cell) {
    return type == TM_TYPE_FLOAT ? tm__f64_from_bits(cell) : (double)(int64_t)cell;
}
tm_window_step tm__window_step(const tm_window_plan *plan, uint32_t feature);
/** True when a window has no bound, so that a state must keep what left its events. */
static inline bool tm__window_is_open(const tm_window_feature *f) {
    return f->width_us == 0 && f->n_last == 0;
}
/** time - span, where there is such a time; span >= 0. */
static inline int64_t tm__window_before(int64_t time, int64_t span) {
    return time < INT64_MIN + span ? INT64_MIN : time - span;
}
/** The earliest known time that a window sees; without a width every time. */
static inline int64_t tm__window_from(int64_t moment, int64_t width_us) {
    return width_us == 0 ? INT64_MIN : tm__window_before(moment, width_us);
}
/** Add a value that is not missing. */
void tm__window_add(const tm_window_step *step, uint64_t cell, int64_t known, tm_window_sums *sums);
/** The aggregate; not of LAST, LAG, AGE and DISTINCT, which are found and not summed. */
double tm__window_value(const tm_window_step *step, const tm_window_sums *sums);
/** Seconds from known to moment; known < moment. */
double tm__window_age(int64_t known, int64_t moment);

/* An event or a query while it is sorted. */
typedef struct tm_window_item {
    int64_t time;
    uint32_t entity;
    uint32_t row;
} tm_window_item;

/**
 * Sort by (entity, time), stable. items and room [n]; the result is in the one that is returned.
 * NULL when out of memory. Deterministic for any pool.
 */
tm_window_item *tm__window_sort(tm_pool *pool, tm_window_item *items, tm_window_item *room,
                                uint64_t n);

/* Entities of one pass: both sides sorted, and where each query's window lies among the events. */
typedef struct tm_window_pass {
    const tm_ctx *ctx;
    const tm_window_plan *plan; /* NULL: a join */
    const tm_window_events *events;
    double *const *out; /* [n_features][rows of queries] */
    tm_window_item *items, *asked;
    uint64_t n_items, n_asked;
    uint32_t *start; /* [n_asked] first event of the entity */
    uint32_t *begin; /* [n_asked] first event of the window */
    uint32_t *end;   /* [n_asked] behind the last */
} tm_window_pass;

#define TM_WINDOW_CHUNK (UINT64_C(1) << 15) /* queries or values of one item of work */

/** Set start and end of all queries. */
void tm__window_seek_end(tm_window_pass *pass);
/** Set begin, for windows of a width and a number of events. */
void tm__window_seek_begin(tm_window_pass *pass, const tm_window_feature *window);
/** All features of a pass into out. */
TM_NODISCARD tm_status tm__window_fold(tm_window_pass *pass, tm_err *err);

/* The values of a column that are not missing, in the order of the pass; without a column, the
 * events. Positions among events become positions among values by `ranks`. */
typedef struct tm_window_values {
    uint64_t n;
    uint64_t *cells;     /* [n]; NULL without a column */
    uint32_t *ranks;     /* [n_items + 1] values before an event; NULL: none is missing */
    uint32_t *positions; /* [n] of the event; NULL likewise */
} tm_window_values;
static inline uint64_t tm__window_rank(const tm_window_values *v, uint64_t position) {
    return v->ranks == NULL ? position : v->ranks[position];
}
/** Where a value stands among the events. */
static inline uint64_t tm__window_position(const tm_window_values *v, uint64_t rank) {
    return v->positions == NULL ? rank : v->positions[rank];
}
bool tm__window_values_init(tm_window_values *out, tm_window_pass *pass, uint32_t column);
void tm__window_values_done(tm_window_values *v);
/** DISTINCT of all queries into out [rows of queries]; begin is set. False when out of memory. */
bool tm__window_distinct(tm_window_pass *pass, const tm_window_values *v, double *out);

/* The last values that left the events, of a feature that finds one. */
typedef struct tm_window_past {
    int64_t time;
    uint64_t cell;
} tm_window_past;

/*
 * rows: events in the order of (known, arrival), each [1 + n_cols]: known and cells. Every event
 * that was folded into kept and past comes before the first of them.
 */
struct tm_window_state {
    uint32_t n_cols, n_features;
    uint64_t mark; /* of the plan */
    int64_t front; /* known of the newest event that had come; TM_INT_MISSING: no events */
    int64_t late_us;
    tm_window_step *steps; /* [n_features] */
    int64_t width;         /* of the widest window */
    uint64_t n_last;       /* of the longest by number */
    uint64_t *room;        /* [capacity x (1 + n_cols)] */
    uint64_t capacity, first, n;
    tm_window_sums *kept; /* [n_features]; n of finding ones: entries of past */
    tm_window_past *past; /* those of feature i at past_at[i], oldest first */
    uint32_t *past_at;    /* [n_features + 1] */
};

static inline uint64_t *tm__window_row(const tm_window_state *s, uint64_t i) {
    return s->room + (s->first + i) * (1 + (uint64_t)s->n_cols);
}
/** Features that find an event instead of summing: LAST, LAG, AGE. */
static inline bool tm__window_finds(const tm_window_feature *f) {
    return f->fn == TM_WINDOW_LAST || f->fn == TM_WINDOW_LAG || f->fn == TM_WINDOW_AGE;
}

#endif
