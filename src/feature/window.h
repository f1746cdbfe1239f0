/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features as they were known at a moment: as-of joins and aggregates over windows of the events of
 * an entity. An event became known at a moment; a query asks for an entity at a moment and sees
 *
 *     moment - width_us  <=  known  <  moment
 *
 * and of those the last n_last, when the window says so. An event known at the very moment is not
 * seen: which of the two came first is not known, and a leak is worse than a value that is late.
 * Of events known at the same time the one that was given later is the later one.
 *
 * Values. A missing value takes part in nothing, and so does one that is not finite: LAST is the
 * last value there is. -0 is 0. Results are doubles; missing is NaN. Counts and sums over an empty
 * window are 0, everything else is missing; all is missing where the query has no entity or no
 * moment. Events without entity or moment count for nobody.
 *
 * Sums are integers, so that neither order nor cut can be seen in them: tm__windows_apply() over a
 * table, tm__windows_apply_ref() and tm_window_state event by event give the same bits, for any
 * number of threads. What that costs in precision stands at tm_window_input.
 *
 * Not for: what is known only at departure of something that departs later; the caller states when
 * a row became known (its time plus a delay, or a column of its own).
 */
#ifndef TM_FEATURE_WINDOW_H
#define TM_FEATURE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "table/table.h"
#include "tidemill/err.h"

typedef enum tm_window_fn {                      /* numbers are stored in files: never reuse one */
                            TM_WINDOW_COUNT = 1, /* values of the column, or events */
                            TM_WINDOW_SUM = 2,   /* BOOL INT FLOAT, as MEAN, STD and TREND   */
                            TM_WINDOW_MEAN = 3,
                            TM_WINDOW_STD = 4, /* with n - 1; missing for fewer than two values */
                            TM_WINDOW_TREND =
                                5, /* slope a day of the least squares line over known    */
                            TM_WINDOW_MIN =
                                6, /* any type but TEXT, as MAX; times in microseconds    */
                            TM_WINDOW_MAX = 7,
                            TM_WINDOW_LAST = 8, /* a TEXT gives its code */
                            TM_WINDOW_LAG = 9,  /* the value `lag` values before the last  */
                            TM_WINDOW_DISTINCT =
                                10, /* different values; the window must be bounded       */
                            TM_WINDOW_AGE =
                                11, /* seconds since the last value or event became known  */
                            TM_WINDOW_RATE = 12, /* values or events a day of width_us */
                            TM_WINDOW_SHARE =
                                13 /* of the values that equal `level`; any type but FLOAT */
} tm_window_fn;

#define TM_WINDOW_EVENTS UINT32_MAX /* no column: the events themselves (COUNT AGE RATE) */
#define TM_WINDOW_LAG_MAX 1000u     /* a state keeps so many values of a column */
#define TM_WINDOW_LAST_MAX 100000u  /* and so many events */
#define TM_WINDOW_FEATURES_MAX 4096u

typedef struct tm_window_feature {
    tm_window_fn fn;
    uint32_t column;  /* of the plan's, or TM_WINDOW_EVENTS */
    int64_t width_us; /* 0: however long ago. A time to live is the width of LAST */
    uint32_t n_last;  /* 0: all */
    uint32_t lag;     /* LAG: 1 .. TM_WINDOW_LAG_MAX */
    int64_t level;    /* SHARE: 0 or 1, a number, a code */
} tm_window_feature;

/*
 * A column of the events. exponent: all values that were fitted on are below 2^exponent in
 * magnitude (tm__window_fit() sets it; part of what was fitted, never changed afterwards).
 *   SUM, MEAN    of INT and BOOL exact below 2^62; of FLOAT each value is rounded to a multiple of
 *                2^(exponent - 54): an error of at most 2^-55 of the largest value each, none for
 *                the large half of them. Values beyond 256 times the bound count as that.
 *   STD, TREND   values are rounded to multiples of 2^(exponent - 28) (of INT: not below 1), and
 *                beyond 8 times the bound count as that.
 *   TREND        known is cut to microseconds, or coarser where the width has over 2^32 of them;
 *                without a width to seconds between the years 1834 and 2106.
 */
typedef struct tm_window_input {
    tm_type type;
    int32_t exponent; /* -900 .. 1024; FLOAT and INT */
} tm_window_input;

typedef struct tm_window_plan {
    uint32_t n_cols;
    const tm_window_input *cols; /* [n_cols] */
    uint32_t n_features;
    const tm_window_feature *features; /* [n_features] */
    int64_t late_us; /* a state answers moments that lie so far before its newest event */
} tm_window_plan;

/* Events of one source; row by row as they were given. Borrowed. */
typedef struct tm_window_events {
    uint64_t n_rows;
    const uint32_t *entities; /* [n_rows] dense codes; TM_CODE_MISSING: none */
    const int64_t *known_us;  /* [n_rows] since 1970 UTC; TM_INT_MISSING: never */
    const tm_column *cols;    /* [n_cols of the plan], n_rows values each */
} tm_window_events;

/* Who is asked about, and as of when. Borrowed. */
typedef struct tm_window_queries {
    uint64_t n_rows;
    const uint32_t *entities;  /* [n_rows], codes of the same coding */
    const int64_t *moments_us; /* [n_rows] */
} tm_window_queries;

/** Bounds of a plan: TM_E_INVALID names the feature by its number from 1. */
TM_NODISCARD tm_status tm__window_check(const tm_window_plan *plan, tm_err *err);

/** The input that a column gives, with the exponent of its finite values. O(n_rows). */
tm_window_input tm__window_fit(const tm_column *column, uint64_t n_rows);

/** A value as 64 bits, as states keep it: an integer, the bits of a double (finite, no -0, or the
 * one NaN), a code. */
uint64_t tm__window_cell(const tm_column *column, uint64_t row);
uint64_t tm__window_cell_f64(double value);

/** How a name in files and declarations spells a function: "mean"; NULL and 0 when unknown. */
const char *tm__window_fn_text(tm_window_fn fn);
tm_window_fn tm__window_fn_from_text(const char *text);

/**
 * Known times of events: time plus delay. Missing stays missing; what leaves the range of int64
 * becomes missing too.
 *
 * time_us  [n_rows]; out_known_us [n_rows], may be time_us.
 */
void tm__window_known(const int64_t *time_us, uint64_t n_rows, int64_t delay_us,
                      int64_t *out_known_us);

/**
 * Code the keys of two tables alike: rows with equal keys get equal codes 0 .. *out_n - 1, in the
 * order of first appearance, a's rows before b's. A row with a missing part of its key gets
 * TM_CODE_MISSING. Key columns are compared by type and value: texts as bytes, numbers as stored.
 *
 * a, b        [n_cols] columns of a_rows and b_rows values; a[i] and b[i] have the same type.
 * out_a       [a_rows], out_b [b_rows].
 *
 * Cost:    O((a_rows + b_rows) * n_cols), 12 bytes a row and 24 a different key.
 * Errors:  TM_E_INVALID (types differ, no column), TM_E_LIMIT (over 2^32 - 2 keys), TM_E_NOMEM.
 * Threads: any.
 */
typedef struct tm_window_keys {
    uint32_t n_cols;
    const tm_column *a, *b;
    uint64_t a_rows, b_rows;
} tm_window_keys;
TM_NODISCARD tm_status tm__window_code(const tm_window_keys *keys, uint32_t *out_a, uint32_t *out_b,
                                       uint32_t *out_n, tm_err *err);

/**
 * All features of all queries.
 *
 * ctx           pool, cancel and memory_limit are used: with a limit, entities are taken in passes
 *               such that working memory stays below it. 0: one pass.
 * out           [n_features][queries->n_rows], in the order of the queries; written on failure too.
 *
 * Limits:  at most TM_MAX_ROWS events, and queries.
 * Cost:    sorting both sides by (entity, time): linear, and nothing when they are sorted already;
 *          then for each feature O(events + queries), for MIN and MAX O(log n) a query. Working
 *          memory is at most 37 bytes an event (72 with DISTINCT) and 32 a query.
 * Errors:  TM_E_INVALID (plan), TM_E_LIMIT (rows; or the events of one entity alone pass the
 *          memory limit), TM_E_NOMEM, TM_E_CANCELLED.
 * Threads: one caller; uses ctx->pool. Same bytes for any pool size and memory limit.
 */
TM_NODISCARD tm_status tm__windows_apply(const tm_ctx *ctx, const tm_window_plan *plan,
                                         const tm_window_events *events,
                                         const tm_window_queries *queries, double *const *out,
                                         tm_err *err);

/** Same as tm__windows_apply() by looking at every event for every query: what the fast ways are
 * tested against. O(events * queries * n_features). */
TM_NODISCARD tm_status tm__windows_apply_ref(const tm_window_plan *plan,
                                             const tm_window_events *events,
                                             const tm_window_queries *queries, double *const *out,
                                             tm_err *err);

/**
 * As-of join: the row of the last event known before each query's moment.
 *
 * ttl_us    no longer ago than this; 0: however long.
 * events    cols is not looked at.
 * out_rows  [queries->n_rows]; UINT32_MAX: none.
 *
 * Same as tm__windows_apply() in limits, cost, errors and threads.
 */
TM_NODISCARD tm_status tm__window_join(const tm_ctx *ctx, const tm_window_events *events,
                                       const tm_window_queries *queries, int64_t ttl_us,
                                       uint32_t *out_rows, tm_err *err);

/*
 * What is kept of one entity, to answer the features of a plan event by event: the events that a
 * window may still see, and sums of those that only windows without a bound see. Events may come
 * in any order; a moment may be asked about when it is not before tm__window_state_floor(). What
 * it answers is what tm__windows_apply() gives for the events so far, bit for bit; of events known
 * at the same time, the one that was added later is the later one.
 *
 * It holds nothing of the plan's memory.
 */
typedef struct tm_window_state tm_window_state;

#define TM_WINDOW_STATE_BYTES (UINT32_C(64) << 20) /* of one entity; more is refused */

/** A state without events; NULL when out of memory. The plan passed tm__window_check(). */
tm_window_state *tm__window_state_create(const tm_window_plan *plan);

/** Forget all events; the memory is kept. */
void tm__window_state_reset(tm_window_state *state);

/**
 * Add an event.
 *
 * known_us   TM_INT_MISSING: nothing is added.
 * cells      [plan->n_cols], by tm__window_cell() or tm__window_cell_f64().
 * now_us     an event that is known only after it (in future, or by a wrong clock) counts as of
 *            then for the floor; INT64_MAX: events say what time it is.
 *
 * Cost:    O(1) for one that is not before the newest, else a search and a move of those behind.
 * Errors:  TM_E_LIMIT (over TM_WINDOW_STATE_BYTES), TM_E_NOMEM; the state is as before.
 * Threads: owner thread.
 */
TM_NODISCARD tm_status tm__window_state_add(tm_window_state *state, int64_t known_us,
                                            const uint64_t *cells, int64_t now_us, tm_err *err);

/**
 * All features at a moment.
 *
 * out  [plan->n_features].
 *
 * Cost:    O(events in the window) a feature.
 * Errors:  TM_E_INVALID (moment before the floor: what it would have seen is gone; out is
 *          untouched), TM_E_NOMEM (DISTINCT over many values).
 * Threads: any, as long as nobody adds.
 */
TM_NODISCARD tm_status tm__window_state_value(const tm_window_state *state, int64_t moment_us,
                                              double *out, tm_err *err);

/** The earliest moment that can be asked about: late_us before the newest event that had come;
 * INT64_MIN without events. */
int64_t tm__window_state_floor(const tm_window_state *state);
/** Known time of the newest event before a moment, of those that are kept one by one;
 * TM_INT_MISSING: none. */
int64_t tm__window_state_newest(const tm_window_state *state, int64_t moment_us);
uint64_t tm__window_state_events(const tm_window_state *state); /* kept one by one */

/** Append the state: little-endian, with the plan's fingerprint and a CRC32C. */
void tm__window_state_write(const tm_window_state *state, const tm_window_plan *plan, tm_buf *out);
/**
 * A state from the bytes that tm__window_state_write() appended, and no others. They are checked
 * and never trusted.
 *
 * data  [len]
 *
 * Owns:    on success the caller ends *out by tm__window_state_free(); keeps no pointer into data.
 * Errors:  TM_E_INTEGRITY (not what was written, or under another plan), TM_E_NOMEM.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__window_state_read(const tm_window_plan *plan, const uint8_t *data,
                                             size_t len, tm_window_state **out, tm_err *err);
/** Same into a state of the plan, whose events are forgotten: allocates when it has more of them
 * than the state ever had. After a failure it is without events. */
TM_NODISCARD tm_status tm__window_state_reload(tm_window_state *state, const tm_window_plan *plan,
                                               const uint8_t *data, size_t len, tm_err *err);
void tm__window_state_free(tm_window_state *state);
/** A number that plans with other columns, features or lateness do not share. */
uint64_t tm__window_plan_mark(const tm_window_plan *plan);

#endif
