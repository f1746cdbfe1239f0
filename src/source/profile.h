/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in the columns of a table of any size: a sketch a column, equal rows, and a fair sample
 * of whole rows, in one pass over the source and in bounded memory. Profiles of parts merge.
 *
 * A column's type is a function of all its cells, which nobody knows before the end: a sketch holds
 * every reading of it, and the type is settled when one looks.
 */
#ifndef TM_SOURCE_PROFILE_H
#define TM_SOURCE_PROFILE_H

#include "base/json.h"
#include "source/source.h"
#include "store/home.h"
#include "table/sketch.h"

typedef struct tm_profile_sheet tm_profile_sheet;

tm_profile_sheet *tm__profile_create(void); /* NULL when out of memory */
/** Rows of a typed table. */
TM_NODISCARD tm_status tm__profile_add_table(tm_profile_sheet *sheet, const tm_table *table,
                                             tm_err *err);
/** All rows of `from` too, columns by name; rows lack what their profile lacks. */
TM_NODISCARD tm_status tm__profile_merge(tm_profile_sheet *sheet, const tm_profile_sheet *from,
                                         tm_err *err);
void tm__profile_free(tm_profile_sheet *sheet);

typedef struct tm_profile_options {
    const char *target;  /* equal rows are told apart by it; NULL: none */
    uint32_t n_rows_max; /* of the sample; 0: 20,000, less for many columns */
    uint64_t seed;       /* of the sample */
} tm_profile_options;
/**
 * One pass over a source, on all threads. *out_sample: fair rows of it in their order, with the
 * types of all rows; texts of more than 256 bytes are cut. TM_E_NOT_FOUND when there is no column
 * of the target's name. Same results for any number of threads.
 */
TM_NODISCARD tm_status tm__profile_read(tm_ctx *ctx, const tm_source_spec *spec,
                                        const tm_profile_options *options, tm_profile_sheet **out,
                                        tm_table **out_sample, tm_err *err);

/* Which rows of a source. Rows of a segment go together: it counts when any of them does. */
typedef struct tm_profile_window {
    int64_t since_us, until_us; /* when rows were accepted; until 0: now */
    uint32_t n_segments;        /* the last ones only; 0: all */
} tm_profile_window;
typedef struct tm_profile_span {
    uint64_t n_rows, n_segments, n_segments_all;
    int64_t first_us, last_us; /* when the rows that were taken were accepted; 0: none */
} tm_profile_span;
/**
 * Rows of a source that the home keeps: the merge of the profiles of its segments, which are made
 * when rows become one; of segments that came ready from files and of rows that are in none, what
 * is in them now. TM_E_NOT_FOUND, TM_E_DATA when no row is in the window.
 */
TM_NODISCARD tm_status tm__profile_source(tm_ctx *ctx, const tm_home *home, const char *name,
                                          const tm_profile_window *window, tm_profile_sheet **out,
                                          tm_profile_span *out_span, tm_err *err);
/** Append the profile of a segment's rows, made on all threads. */
TM_NODISCARD tm_status tm__profile_segment(tm_ctx *ctx, const tm_table *table, tm_buf *out,
                                           tm_err *err);

uint64_t tm__profile_rows(const tm_profile_sheet *sheet);
typedef struct tm_profile_words {
    bool shows_values; /* frequent values of columns that look like identifiers, too */
} tm_profile_words;
/**
 * {"rows", "repeated"?, "conflicting"?, "columns": [{"name", "type", "missing", "distinct",
 * "distinct_exact", "min", "max", "note", "identifier", "mean"?, "spread"?, "quantiles"?,
 * "histogram"?, "top"?, "top_short"?, "length"?, "patterns"?, "personal"?, "infinite"?}]}. New
 * reference; lost values are told by tm__json_check().
 */
json_t *tm__profile_to_json(const tm_profile_sheet *sheet, const tm_profile_words *words);

/** Append the sketches of columns (not equal rows): docs/formats/profile.md. */
void tm__profile_write(const tm_profile_sheet *sheet, tm_buf *out);
TM_NODISCARD tm_status tm__profile_read_bytes(const void *bytes, size_t len, tm_profile_sheet **out,
                                              tm_err *err);

#endif
