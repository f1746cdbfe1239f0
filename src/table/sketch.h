/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the values of one column are like, in bounded memory: counts, extremes, exact moments,
 * quantiles, distinct values, most frequent values, lengths and patterns of texts. Sketches of
 * parts of the rows merge into that of all, and are kept as bytes.
 *
 * Counts, extremes, moments and distinct values are a function of the rows alone, in any order and
 * any cut. Quantiles and frequent values depend on the cut within their stated errors, and are the
 * same bytes for the same cut. Nothing is random.
 *
 *   quantiles          rank error below 1 % of the rows; exact up to TM_SKETCH_EXACT values
 *   distinct           exact up to TM_SKETCH_DISTINCT values, then 1.6 % standard error
 *   frequent values    a count is short by at most n / (TM_SKETCH_TOP + 1), and says by how much
 *
 * A column whose type is not known yet is sketched as text and as numbers, dates and times beside
 * each other; who asks in the end names the type. Not thread-safe: one sketch a thread, then merge.
 * Source: docs/decisions/0022-sketches.md.
 */
#ifndef TM_TABLE_SKETCH_H
#define TM_TABLE_SKETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "table/personal.h"
#include "table/table.h"

#define TM_SKETCH_EXACT 511u     /* values whose quantiles are exact in every cut */
#define TM_SKETCH_DISTINCT 1024u /* distinct values counted exactly */
#define TM_SKETCH_TOP 128u       /* frequent values that are surely found */
#define TM_SKETCH_TEXT 64u       /* bytes kept of a frequent text */

typedef struct tm_sketch tm_sketch;

/* What a text looks like. */
typedef enum tm_sketch_pattern { /* numbers are stored in files */
                                 TM_PATTERN_NUMBER = 0,
                                 TM_PATTERN_DATE = 1,
                                 TM_PATTERN_BOOL = 2,
                                 TM_PATTERN_EMAIL = 3,
                                 TM_PATTERN_URL = 4,
                                 TM_PATTERN_CODE = 5, /* letters with digits, or hexadecimal */
                                 TM_PATTERN_WORD = 6, /* no blank in it */
                                 TM_PATTERN_WORDS = 7,
                                 TM_PATTERNS = 8
} tm_sketch_pattern;
/** "number", "date", ... */
const char *tm__sketch_pattern_text(tm_sketch_pattern pattern);

/* One value. */
typedef struct tm_sketch_cell {
    tm_str text;              /* as it stands in the source */
    uint64_t count;           /* how often it comes; 0: once */
    uint64_t hash;            /* tm__sketch_hash() of the text; 0: made when needed */
    uint32_t evidence;        /* bits of the caller, joined over all cells */
    bool is_mark;             /* missing unless the column is text */
    bool is_bool;             /* i64 is 0 or 1 */
    bool has_number, has_int; /* f64; and i64 is the same number, exact */
    bool has_time;            /* time_us */
    bool has_other_time;      /* other_us: the other reading of a national date */
    int64_t i64;
    double f64; /* infinities are counted apart */
    int64_t time_us, other_us;
} tm_sketch_cell;

/* --- make --- */

tm_sketch *tm__sketch_create(void); /* NULL when out of memory */
uint64_t tm__sketch_hash(tm_str text);
/** False when out of memory; the sketch is of no use then. */
bool tm__sketch_add(tm_sketch *sketch, const tm_sketch_cell *cell);
/** Rows without a value. */
void tm__sketch_add_missing(tm_sketch *sketch, uint64_t n_rows);
/** Rows of a typed column. */
bool tm__sketch_add_column(tm_sketch *sketch, const tm_column *column, uint64_t row,
                           uint64_t row_end);
/** All rows of `from` too; it is not changed. */
bool tm__sketch_merge(tm_sketch *sketch, const tm_sketch *from);
/** As fresh, with its memory kept. */
void tm__sketch_reset(tm_sketch *sketch);

/* --- look --- */

typedef struct tm_sketch_counts {
    uint64_t n_rows, n_missing; /* missing in every column */
    uint64_t n_marks;           /* and those missing unless the column is text */
    uint64_t n_numbers, n_ints, n_times, n_bools, n_trues, n_infinite_low, n_infinite_high;
    uint64_t patterns[TM_PATTERNS];   /* of all texts, marks among them */
    uint64_t personals[TM_PERSONALS]; /* texts that are or have such; 0 in profiles of version 1 */
    uint64_t chars_min, chars_max;    /* of the texts; 0 when there are none */
    double chars_mean;
    uint32_t evidence;
} tm_sketch_counts;
void tm__sketch_counts(const tm_sketch *sketch, tm_sketch_counts *out);

/* Which reading of the values: numbers, times, the other reading of national dates, texts. */
typedef enum tm_sketch_reading {
    TM_READ_NUMBERS,
    TM_READ_TIMES,
    TM_READ_OTHER_TIMES,
    TM_READ_TEXTS
} tm_sketch_reading;

typedef struct tm_sketch_range {
    uint64_t n;               /* finite values; all below is NaN or 0 without any */
    bool is_int;              /* every value is one: int_min and int_max are exact */
    int64_t int_min, int_max; /* times: microseconds */
    double min, max, mean;
    double spread; /* standard deviation; NaN below 2 values or beyond 1e140 */
} tm_sketch_range;
void tm__sketch_range(const tm_sketch *sketch, tm_sketch_reading reading, tm_sketch_range *out);
/** Values at shares [n_shares] of the rows, rising; out [n_shares]. NaN without values. False when
 * out of memory. */
bool tm__sketch_quantiles(const tm_sketch *sketch, tm_sketch_reading reading, const double *shares,
                          uint32_t n_shares, double *out);
/** Rows with a value at or below each bound [n_bounds], rising: differences are the bars of a
 * plot. */
bool tm__sketch_ranks(const tm_sketch *sketch, tm_sketch_reading reading, const double *bounds,
                      uint32_t n_bounds, uint64_t *out);
/** Distinct values; *out_exact when they were all counted. */
uint64_t tm__sketch_distinct(const tm_sketch *sketch, tm_sketch_reading reading, bool *out_exact);

typedef struct tm_sketch_item {
    tm_str text;    /* borrowed from the sketch until it changes; at most TM_SKETCH_TEXT bytes */
    uint64_t count; /* at least; at most tm__sketch_top_short() more */
    uint64_t hash;
    bool is_cut; /* the text goes on */
} tm_sketch_item;
/** Frequent texts, most first, equal counts by text; returns how many. */
uint32_t tm__sketch_top(const tm_sketch *sketch, tm_sketch_item *out, uint32_t n_max);
/** By how much a count may be short, and what an item that is not in the list has at most. */
uint64_t tm__sketch_top_short(const tm_sketch *sketch);

/* --- keep --- */

/** Append; the same sketch gives the same bytes. Magic, version, length and CRC stand around. */
void tm__sketch_write(const tm_sketch *sketch, tm_buf *out);
/** TM_E_INTEGRITY for bytes that are damaged, TM_E_UNSUPPORTED for those of a later release. */
TM_NODISCARD tm_status tm__sketch_read(tm_reader *in, tm_sketch **out, tm_err *err);

void tm__sketch_free(tm_sketch *sketch);

/* --- rows --- */

/*
 * Which rows are the same: the TM_ROWS_KEPT rows with the smallest hashes, each with how often it
 * came and whether its targets differ. A function of the rows alone. Exact up to TM_ROWS_KEPT
 * distinct rows, else a fair sample of them: a share has a standard error below 0.3 %.
 */
#define TM_ROWS_KEPT 32768u
typedef struct tm_sketch_rows tm_sketch_rows;
tm_sketch_rows *tm__sketch_rows_create(void);
/** hash: of the values but the target's; target: hash of the target, or 0 without one. */
bool tm__sketch_rows_add(tm_sketch_rows *rows, uint64_t hash, uint64_t target);
bool tm__sketch_rows_merge(tm_sketch_rows *rows, const tm_sketch_rows *from);
void tm__sketch_rows_reset(tm_sketch_rows *rows);
typedef struct tm_sketch_same {
    bool is_exact;
    uint64_t n_kept;          /* distinct rows that the shares are from */
    double share_repeated;    /* rows that another one before them equals */
    double share_conflicting; /* rows with an equal one whose target differs */
    double distinct;
} tm_sketch_same;
/** False when out of memory. */
bool tm__sketch_rows_same(const tm_sketch_rows *rows, tm_sketch_same *out);
void tm__sketch_rows_free(tm_sketch_rows *rows);

#endif
