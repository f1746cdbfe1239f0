/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns in memory: typed, immutable once built, shared by reference.
 *
 * Invariants. Every column has n_rows values in the storage of its type:
 *   BOOL, INT, DATE, TIME   int64; missing = TM_INT_MISSING
 *                           (DATE and TIME: microseconds since 1970 UTC; DATE at midnight)
 *   FLOAT                   double; missing = the canonical NaN; infinities are kept
 *   TEXT                    uint32 code into the column's dictionary; missing = TM_CODE_MISSING
 * Dictionaries hold each text once, in order of first appearance. Column names are unique, valid
 * UTF-8.
 */
#ifndef TM_TABLE_TABLE_H
#define TM_TABLE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"
#include "tidemill/err.h"

typedef enum tm_type { /* numbers are stored in files: never reuse one */
                       TM_TYPE_NONE = 0,
                       TM_TYPE_BOOL = 1,
                       TM_TYPE_INT = 2,
                       TM_TYPE_FLOAT = 3,
                       TM_TYPE_TEXT = 4,
                       TM_TYPE_DATE = 5,
                       TM_TYPE_TIME = 6
} tm_type;

#define TM_INT_MISSING INT64_MIN
#define TM_CODE_MISSING UINT32_MAX

/** "bool", "int", "float", "text", "date", "time". */
const char *tm__type_text(tm_type type);
tm_type tm__type_from_text(const char *text); /* TM_TYPE_NONE when unknown */

typedef struct tm_dict tm_dict;
tm_dict *tm__dict_create(void);
/** Code of a text, added when new; TM_CODE_MISSING when out of memory. */
uint32_t tm__dict_add(tm_dict *dict, tm_str text);
#define TM_DICT_MANY 32u
/** Codes of at most TM_DICT_MANY texts, as one tm__dict_add() after the other gives them. */
void tm__dict_add_many(tm_dict *dict, const tm_str *texts, uint32_t n, uint32_t *codes);
/** Code of a text, or TM_CODE_MISSING. */
uint32_t tm__dict_find(const tm_dict *dict, tm_str text);
/** View of a code's text; lives as long as the dictionary. */
tm_str tm__dict_get(const tm_dict *dict, uint32_t code);
uint32_t tm__dict_count(const tm_dict *dict);
void tm__dict_free(tm_dict *dict);

typedef struct tm_column {
    const char *name;
    tm_type type;
    uint64_t n_missing;
    const int64_t *ints;   /* [n_rows] BOOL INT DATE TIME, else NULL */
    const double *floats;  /* [n_rows] FLOAT, else NULL              */
    const uint32_t *codes; /* [n_rows] TEXT, else NULL               */
    const tm_dict *dict;   /* TEXT, else NULL                        */
} tm_column;

typedef struct tm_table tm_table;

/* One value of any type; what a row is made of. */
typedef struct tm_cell {
    tm_type type; /* type of the value as given: TM_TYPE_NONE is missing */
    int64_t i64;  /* BOOL INT DATE TIME */
    double f64;   /* FLOAT */
    tm_str text;  /* TEXT, borrowed */
} tm_cell;

/** The value at p of checked JSON (base/json_scan) as a cell; returns what follows. *ok is false
 * for an array, an object and a number that is too large. */
char *tm__cell_read_json(char *p, tm_cell *out, bool *ok);

uint64_t tm__table_rows(const tm_table *table);
uint32_t tm__table_cols(const tm_table *table);
const tm_column *tm__table_column(const tm_table *table, uint32_t col);
/** Index of a column by name, or UINT32_MAX. */
uint32_t tm__table_find(const tm_table *table, const char *name);
/** Hint of an error that no column has the name: which is nearest, or where names are told. */
void tm__table_hint_column(const tm_table *table, const char *name, tm_err *err);
tm_cell tm__column_cell(const tm_column *column, uint64_t row);
bool tm__column_is_missing(const tm_column *column, uint64_t row);
/** Of a column that is no text; NaN is missing. */
double tm__column_number(const tm_column *column, uint64_t row);
/** A fresh table with the rows named, in that order (text columns share the dictionary). */
TM_NODISCARD tm_status tm__table_take_rows(tm_table *table, const uint32_t *rows, uint64_t n_rows,
                                           tm_table **out, tm_err *err);
/** A fresh table: rows of a, then rows of b; columns by name and type, those of a; b may lack none.
 * INT widens to FLOAT. */
TM_NODISCARD tm_status tm__table_concat(const tm_table *a, const tm_table *b, tm_table **out,
                                        tm_err *err);
/** Same of the columns named [n], which a must have (TM_E_DATA); what b lacks is missing in its
 * rows. */
TM_NODISCARD tm_status tm__table_append(const tm_table *a, const tm_table *b,
                                        const char *const *names, uint32_t n, tm_table **out,
                                        tm_err *err);
/** A fresh table of n_cols columns: the next one of b where is_of_b[i], else the next of a, which
 * may have more. Both have the same rows and one owner, and are taken in every case. TM_E_DATA when
 * two columns have one name. */
TM_NODISCARD tm_status tm__table_zip(tm_table *a, tm_table *b, const bool *is_of_b, uint32_t n_cols,
                                     tm_table **out, tm_err *err);
/** A fresh table: the columns of a table, then n columns of FLOAT with values[i] [n_rows], which
 * are copied. TM_E_DATA for a name that is there. */
TM_NODISCARD tm_status tm__table_widen(const tm_table *table, const char *const *names,
                                       double *const *values, uint32_t n, tm_table **out,
                                       tm_err *err);
/** Hash of names, types and all values in row order: the name of a snapshot. Does not depend on
 * dictionaries' codes or on how rows came. */
void tm__table_hash(const tm_table *table, tm_hash *out);
/** Hash of each row over the columns named: for finding duplicates. out [n_rows]. */
void tm__table_row_hashes(const tm_table *table, const uint32_t *cols, uint32_t n_cols,
                          uint64_t *out);
/* Rows of a table that follow each other. */
typedef struct tm_row_span {
    uint64_t begin, end;
} tm_row_span;
/** Same of some rows: the others of out [n_rows] are not touched. */
void tm__table_row_hashes_of(const tm_table *table, const uint32_t *cols, uint32_t n_cols,
                             tm_row_span rows, uint64_t *out);
tm_table *tm__table_ref(tm_table *table);
void tm__table_unref(tm_table *table);

/* Building: columns first, then cells row by row or column by column, then finish. Owner thread. */
typedef struct tm_table_builder tm_table_builder;
tm_table_builder *tm__builder_create(void);
/** TM_E_DATA for a duplicate name, TM_E_LIMIT past TM_MAX_COLS. */
TM_NODISCARD tm_status tm__builder_add_column(tm_table_builder *builder, const char *name,
                                              tm_type type, tm_err *err);
/** Room for at least n_rows rows in all, to write columns directly. */
TM_NODISCARD tm_status tm__builder_reserve(tm_table_builder *builder, uint64_t n_rows, tm_err *err);
/** Direct access: storage of a column (capacity >= reserved), the dictionary of a text column. */
int64_t *tm__builder_ints(tm_table_builder *builder, uint32_t col);
double *tm__builder_floats(tm_table_builder *builder, uint32_t col);
uint32_t *tm__builder_codes(tm_table_builder *builder, uint32_t col);
tm_dict *tm__builder_dict(tm_table_builder *builder, uint32_t col);
/** Values of a column of the same storage into rows 0 .. n_rows - 1, which are reserved; codes are
 * those of the dictionary that both share. */
void tm__builder_copy_column(tm_table_builder *builder, uint32_t col, const tm_column *from,
                             uint64_t n_rows);
/** Move a whole column in: values [n_rows] of tm__mem_alloc() in the storage of its type, and the
 * dictionary of a text column. On success the builder owns both. All columns of a table come this
 * way then, each with the same n_rows, which is stated once more by tm__builder_set_rows(). */
TM_NODISCARD tm_status tm__builder_give_column(tm_table_builder *builder, const char *name,
                                               tm_type type, void *values, tm_dict *dict,
                                               uint64_t n_rows, tm_err *err);
/** State how many rows are filled after direct access. */
void tm__builder_set_rows(tm_table_builder *builder, uint64_t n_rows);
/** Append one row of cells [n_cols]; a cell's type must fit its column (INT fits FLOAT). */
TM_NODISCARD tm_status tm__builder_add_row(tm_table_builder *builder, const tm_cell *cells,
                                           tm_err *err);
/** Ends the builder in every case; counts missing values. */
TM_NODISCARD tm_status tm__builder_finish(tm_table_builder *builder, tm_table **out, tm_err *err);
void tm__builder_free(tm_table_builder *builder);

#endif
