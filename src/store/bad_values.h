/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a block of rows that have no place in its columns: a text that is not UTF-8, a number
 * that no double holds. In the columns they are missing; here is what they were, so that whoever
 * takes the rows can put those aside and nothing is lost. Rows rise. Zeroed is empty.
 */
#ifndef TM_STORE_BAD_VALUES_H
#define TM_STORE_BAD_VALUES_H

#include "base/buf.h"
#include "tidemill/err.h"

typedef enum tm_bad_kind {
    TM_BAD_ENCODING, /* bytes that are no text */
    TM_BAD_NUMBER,   /* no double holds it */
    TM_BAD_WHOLE,    /* nor do 64 bits */
    TM_BAD_TIME,     /* a day that there is not, or one too far away */
    TM_BAD_LONG,     /* longer than can be taken */
    TM_BAD_KINDS
} tm_bad_kind;

typedef struct tm_bad_value {
    uint32_t row; /* of the block */
    uint32_t col; /* of its table */
    tm_bad_kind kind;
    tm_str value; /* what came, as text; in bytes */
} tm_bad_value;

typedef struct tm_bad_item {
    uint32_t row, col, kind, len;
    size_t start;
} tm_bad_item;

typedef struct tm_bad_values {
    tm_bad_item *items; /* [n] */
    uint32_t n, capacity;
    tm_buf bytes;
} tm_bad_values;

/** A value, of which at most a text's maximum is kept; false when out of memory. */
bool tm__bad_values_add(tm_bad_values *bad, const tm_bad_value *value);
/** After additions out of order. */
void tm__bad_values_sort(tm_bad_values *bad);
/** Number of the first value of a row or of one behind it; bad may be NULL. */
uint32_t tm__bad_values_find(const tm_bad_values *bad, uint64_t row);
/** A value by its number; it points into bad. */
tm_bad_value tm__bad_values_get(const tm_bad_values *bad, uint32_t i);
/** Add to `to` the values of chosen rows, which are its rows 0, 1, ...; they rise. */
bool tm__bad_values_take_rows(const tm_bad_values *bad, const uint32_t *rows, uint64_t n_rows,
                              tm_bad_values *to);
/** A day since 1970-01-01, or a time of it, as ISO 8601 writes it however far away it is. */
bool tm__far_day_text(int64_t day, tm_buf *out);
bool tm__far_time_text(int64_t day, int64_t us_of_day, tm_buf *out);
/** What is wrong with a value of a kind, for people. */
const char *tm__bad_kind_text(tm_bad_kind kind);
void tm__bad_values_reset(tm_bad_values *bad);
void tm__bad_values_done(tm_bad_values *bad);

#endif
