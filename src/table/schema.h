/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a table's columns: type, role, whether missing values were seen, the range or
 * the number of levels. A bundle carries the schema of its input columns, and requests are checked
 * against it.
 */
#ifndef TM_TABLE_SCHEMA_H
#define TM_TABLE_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "table/table.h"

typedef enum tm_role { /* numbers are stored in files */
                       TM_ROLE_FEATURE = 0,
                       TM_ROLE_TARGET = 1,
                       TM_ROLE_TIME = 2,   /* orders the rows; its parts may be features too */
                       TM_ROLE_ENTITY = 3, /* rows of one entity stay on one side of a split */
                       TM_ROLE_WEIGHT = 4,
                       TM_ROLE_GROUP = 5,
                       TM_ROLE_DROPPED = 6, /* not used: reason says why */
                       TM_ROLE_SCORE = 7,   /* a raw score that the model's is added to */
                       TM_ROLE_READ = 8     /* no feature itself: expressions read it */
} tm_role;

typedef struct tm_schema_column {
    char *name;
    tm_type type;
    tm_role role;
    bool is_nullable; /* missing values were seen in training */
    double min, max;  /* over finite values of training rows; NaN when there are none or for text */
    uint32_t n_levels; /* distinct values of text and bool; 0: not counted */
    char *reason;      /* why a column has its role, for people; may be NULL */
} tm_schema_column;

typedef struct tm_schema {
    uint32_t n_cols;
    tm_schema_column *cols; /* owned */
} tm_schema;

/** "feature", "target", ...; false when a text names no role, *out untouched. */
const char *tm__role_text(tm_role role);

/** Schema of a table: types, nullability, ranges; every role is TM_ROLE_FEATURE. */
TM_NODISCARD tm_status tm__schema_from_table(const tm_table *table, tm_schema *out, tm_err *err);
TM_NODISCARD tm_status tm__schema_copy(const tm_schema *schema, tm_schema *out, tm_err *err);
uint32_t tm__schema_find(const tm_schema *schema, tm_str name); /* UINT32_MAX when absent */
void tm__schema_done(tm_schema *schema);

/**
 * Fit a value to the type of its column as a request may give it: text that holds a number becomes
 * the number, 2.0 becomes 2, 0/1/true/"yes" become bool, ISO text becomes a date or time, a number
 * becomes the text of a coded category. *coerced is set when a change was needed. text_buf holds 32
 * bytes for a number made text; the cell may point into it. TM_E_DATA "column 'x' wants an int, got
 * a text" otherwise; the value itself is never repeated.
 */
TM_NODISCARD tm_status tm__cell_fit(const tm_schema_column *column, tm_cell *cell, char *text_buf,
                                    bool *coerced, tm_err *err);

/** Append one cell as a JSON value; a date or time by its text, what is not finite as null. */
bool tm__cell_write_json(const tm_cell *cell, tm_buf *out);
/** Append a text as a field of CSV, in quotes where it needs them. */
bool tm__text_write_csv(tm_str text, tm_buf *out);
/** Append one cell as a field of CSV; what is missing or not finite is nothing. */
bool tm__cell_write_csv(const tm_cell *cell, tm_buf *out);
/** Append n cells as an object. */
bool tm__row_write_json(const char *const *names, const tm_cell *cells, uint32_t n, tm_buf *out);

/** Words that stand for a missing value in files and requests, white space around them ignored:
 * nothing, NA, N/A, #N/A, null, NaN, none, nil, ?, -, --, a dot; in any case of letters. */
bool tm__text_is_missing(tm_str text);
/** One at sign with something before it, and behind it something with a dot; no blank. */
bool tm__text_is_email(tm_str text);
/** true, t, yes, y, 1 and their opposites in any case of letters. */
bool tm__text_to_bool(tm_str text, bool *out);

#endif
