/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How two columns of a table go together, from 0 (not at all) to 1: the rank correlation of
 * Spearman between numbers and times (signed), the correlation ratio of ranks between numbers and
 * categories, Cramer's V between categories; the latter two less what chance alone would give, so
 * that many levels do not look like much. Rows that lack one of both do not count.
 */
#ifndef TM_TABLE_ASSOCIATE_H
#define TM_TABLE_ASSOCIATE_H

#include "table/table.h"

typedef enum tm_measure {
    TM_MEASURE_NONE, /* too many levels, or nothing varies */
    TM_MEASURE_RANK,
    TM_MEASURE_RATIO,
    TM_MEASURE_CRAMER
} tm_measure;
/** "rank correlation", ... */
const char *tm__measure_text(tm_measure measure);

/* A column made ready to be compared. */
typedef struct tm_facet {
    const tm_column *column;
    uint64_t n_rows;
    bool is_ordered;   /* numbers, dates, times */
    double *ranks;     /* ordered: [n_rows] mean rank among ties, NaN: missing */
    uint32_t *levels;  /* categories: [n_rows], TM_CODE_MISSING: missing */
    uint32_t n_levels; /* 0: more than TM_FACET_LEVELS */
    uint64_t n_distinct;
} tm_facet;
#define TM_FACET_LEVELS 1000u
/** as_category: numbers are levels, too. False when out of memory. */
bool tm__facet_init(tm_facet *facet, const tm_table *table, uint32_t col, bool as_category);
void tm__facet_done(tm_facet *facet);

typedef struct tm_association {
    tm_measure measure;
    double value; /* NaN without a measure */
    uint64_t n;   /* rows that have both */
} tm_association;
/** False when out of memory. */
bool tm__associate(const tm_facet *a, const tm_facet *b, tm_association *out);

#endif
