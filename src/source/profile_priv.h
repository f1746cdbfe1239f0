/* SPDX-License-Identifier: Apache-2.0 */
/* A profile from inside. Not for other folders. */
#ifndef TM_SOURCE_PROFILE_PRIV_H
#define TM_SOURCE_PROFILE_PRIV_H

#include "source/profile.h"

typedef struct tm_profile_column {
    char *name;
    tm_type type; /* of typed rows so far; NONE: only texts of files, whose kinds decide */
    tm_sketch *sketch;
} tm_profile_column;

struct tm_profile_sheet {
    uint64_t n_rows;
    uint32_t n_cols, capacity;
    tm_profile_column *cols;
    bool has_target;
    tm_sketch_rows *same;       /* of whole rows; NULL: not looked at */
    tm_sketch_rows *same_input; /* of rows without their target; NULL: there is none */
};

/** The column of a name, added with missing values for the rows so far when it is new. NULL when
 * out of memory. `at` is where it likely is. */
tm_profile_column *tm__sheet_column(tm_profile_sheet *sheet, const char *name, uint32_t at);
/** The type that all rows so far make it; *out_open when it would be a date, but nothing tells day
 * from month. */
tm_type tm__profile_type(const tm_profile_column *column, bool *out_open);
/** Whether national dates of the column have the month first. */
bool tm__profile_is_month_first(const tm_profile_column *column);
/** Forget rows, keep columns. */
void tm__profile_reset(tm_profile_sheet *sheet);

/* profile_sample.c: rows with the smallest numbers of a random stream. */
typedef struct tm_profile_sample tm_profile_sample;
tm_profile_sample *tm__profile_sample_create(uint32_t n_rows_max);
/** A row that may be in it: its priority, its place, and cells. False when out of memory. */
bool tm__profile_sample_add(tm_profile_sample *sample, uint64_t priority, uint64_t place,
                            const uint8_t *cells, size_t len);
/** Rows at or above it need not be offered. Any thread. */
uint64_t tm__profile_sample_limit(const tm_profile_sample *sample);
TM_NODISCARD tm_status tm__profile_sample_table(tm_profile_sample *sample,
                                                const tm_profile_sheet *sheet, tm_table **out,
                                                tm_err *err);
void tm__profile_sample_free(tm_profile_sample *sample);

#endif
