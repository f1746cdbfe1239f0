/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feature programs: fitted transforms as one straight list of steps that turns input columns into
 * numbers. The same step code runs on a column and on one row, so the bits are the same. Fitted on
 * training rows only.
 *
 * Output of a program: n_features dense columns of doubles (missing = NaN), each numeric or
 * categorical (codes 0 .. n_levels-1 as doubles; an unseen or missing category has the code the
 * step says), and n_terms sparse text columns (term frequencies weighted and normalised), which the
 * linear learner uses.
 */
#ifndef TM_FEATURE_FEATURE_H
#define TM_FEATURE_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "table/schema.h"
#include "table/table.h"
#include "table/task.h"

typedef struct tm_program tm_program;

typedef struct tm_feature {
    const char *name; /* "date.minute_of_day", "origin" */
    uint32_t input;   /* index of the schema column it comes from; of several: the first */
    bool is_categorical;
    uint32_t n_levels;  /* categorical: codes are below it: n_levels - 2 is a level that is rare or
                           was never seen, n_levels - 1 is missing */
    bool has_missing;   /* NaN may occur */
    double weight_hint; /* reserved for selection; 1 */
} tm_feature;

/* Sparse rows (CSR). */
typedef struct tm_sparse {
    uint32_t n_terms;
    const uint64_t *starts; /* [n_rows + 1] */
    const uint32_t *terms;  /* ascending in a row */
    const float *values;
} tm_sparse;

/* Numbers for learners: dense columns, and text terms when there are any. Borrowed by learners. */
typedef struct tm_view {
    uint64_t n_rows;
    uint32_t n_cols;
    const double *const *cols;  /* [n_cols][n_rows] */
    const tm_feature *features; /* [n_cols] */
    const tm_sparse *sparse;    /* NULL when there is no text */
} tm_view;

typedef struct tm_matrix tm_matrix; /* owns what a view borrows */
const tm_view *tm__matrix_view(const tm_matrix *matrix);
void tm__matrix_free(tm_matrix *matrix);

/* What a fitted row gets for the mean of the target of its level; new rows get the mean of all. */
typedef enum tm_level_means {
    TM_MEANS_HELD_OUT = 0, /* of the rows in the other folds */
    TM_MEANS_ORDERED = 1   /* of the rows before it in an order at random */
} tm_level_means;

/** "ordered"; numbers are not stored. */
const char *tm__level_means_text(tm_level_means means);
/** false for a text that names none. */
bool tm__level_means_from_text(const char *text, tm_level_means *out);

/* What a column means when a person says so. */
typedef enum tm_meaning {
    TM_MEANS_WHAT_IT_LOOKS_LIKE = 0,
    TM_MEANS_NUMBER,   /* a text is read as one */
    TM_MEANS_CATEGORY, /* a number is a code */
    TM_MEANS_TEXT,     /* words */
    TM_MEANS_TIME,     /* a text is read as one */
    TM_MEANS_KEEP,     /* also when it looks like an identifier */
    TM_MEANS_DROP      /* for those that make the schema: not for tm__program_fit() */
} tm_meaning;

typedef struct tm_as {
    const char *column;
    tm_meaning meaning;
    bool is_found; /* by its values: nobody asked */
} tm_as;

/** "category"; NULL for none. */
const char *tm__meaning_text(tm_meaning meaning);
/** false for a text that names none. */
bool tm__meaning_from_text(const char *text, tm_meaning *out);
/** Whether values of a type can mean it. */
bool tm__meaning_fits(tm_meaning meaning, tm_type type);

typedef struct tm_program_options {
    tm_task task;
    uint32_t n_classes;   /* BINARY 2, MULTICLASS k, else 0 */
    bool is_time_ordered; /* the split is by time: date parts that cannot repeat in the future are
                             left out */
    uint32_t max_levels;  /* a categorical feature has at most this many codes for levels and for
                             others (default 254), and one for missing: n_levels is at most one
                             more; columns with more levels get target statistics besides */
    uint32_t max_terms;   /* sparse text terms (default 1 << 18, hashed) */
    tm_level_means level_means;
    uint64_t seed;
    const char *const *exprs; /* [n_exprs] columns by expression: "ratio = debt / income", each of
                                 inputs and of those before it; see feature_expr.h */
    uint32_t n_exprs;
    const tm_as *as; /* [n_as] columns that are not what they look like; those that are no inputs
                        are passed over */
    uint32_t n_as;
} tm_program_options;

/** Compiles expressions over columns of a schema: those of roles that may be read, dropped ones
 * too. is_read [columns] is set to 1 where one reads the column. TM_E_USAGE with the place: see
 * tm__expr_parse(). */
TM_NODISCARD tm_status tm__exprs_check(const tm_schema *schema, const char *const *exprs,
                                       uint32_t n_exprs, uint8_t *is_read, tm_err *err);
/**
 * Fit on `rows` of a table whose columns are those of `schema` in order; only TM_ROLE_FEATURE and
 * TM_ROLE_TIME columns are inputs, those of TM_ROLE_READ for expressions alone, and one of
 * TM_ROLE_SCORE, a number: it is the last feature. y [n
 * table rows]: class index or value. out_matrix (optional): features of the fitted rows in the
 * order of `rows`, where every use of the target is out of fold, so that nothing of a row's own
 * target is in it.
 */
TM_NODISCARD tm_status tm__program_fit(tm_ctx *ctx, const tm_table *table, const tm_schema *schema,
                                       const double *y, const uint32_t *rows, uint64_t n_rows,
                                       const tm_program_options *options, tm_program **out,
                                       tm_matrix **out_matrix, tm_err *err);
/** Features of rows (NULL: all) of a table. Columns are found by name; a column that is missing is
 * TM_E_DATA unless nullable: then all missing. */
TM_NODISCARD tm_status tm__program_apply(tm_ctx *ctx, const tm_program *program,
                                         const tm_table *table, const uint32_t *rows,
                                         uint64_t n_rows, tm_matrix **out, tm_err *err);

/* One row: no allocation after scratch is made. */
typedef struct tm_row_scratch tm_row_scratch;
tm_row_scratch *tm__row_scratch_create(const tm_program *program);
/** cells [n inputs]: one for each schema column with role FEATURE or TIME, in schema order, already
 * fitted to its type. The view lives until the next call. */
const tm_view *tm__program_apply_row(const tm_program *program, tm_row_scratch *scratch,
                                     const tm_cell *cells);
void tm__row_scratch_free(tm_row_scratch *scratch);

uint32_t tm__program_inputs(const tm_program *program);
/** Schema of the inputs, in order; lives as long as the program. */
const tm_schema *tm__program_schema(const tm_program *program);
/** Whether rows may leave an input column out. Before others have the program. */
void tm__program_may_lack(tm_program *program, uint32_t input, bool may);
/** A text that the program tells from others in an input column: number `pick` of its levels,
 * counted around. ptr NULL: it keeps none. */
tm_str tm__program_level(const tm_program *program, uint32_t input, uint64_t pick);
/** Input column that the text terms come from (the first, if several); UINT32_MAX when there are
 * no terms. */
uint32_t tm__program_term_input(const tm_program *program);
/** Whether a feature, terms or an expression come from an input column. */
bool tm__program_reads(const tm_program *program, uint32_t input);
uint32_t tm__program_features(const tm_program *program);
const tm_feature *tm__program_feature(const tm_program *program, uint32_t feature);
/** What each step does and why, and what was left out and why:
 * [{"input","feature","step","reason"}]. New reference. */
json_t *tm__program_to_json(const tm_program *program);
TM_NODISCARD tm_status tm__program_save(const tm_program *program, tm_buf *out, tm_err *err);
/** Every byte is checked; the program borrows nothing of data. */
TM_NODISCARD tm_status tm__program_load(const void *data, size_t len, tm_program **out,
                                        tm_err *err);
void tm__program_free(tm_program *program);

struct tm_user_module;
/** Let expressions call the transform of a user's module, if it has one. TM_E_CONFLICT for a name
 * that is taken. One caller, before other threads start. */
TM_NODISCARD tm_status tm__program_add_module(const struct tm_user_module *module, tm_err *err);
/** Whether a program calls the transform of a module. */
bool tm__program_calls(const tm_program *program, const struct tm_user_module *module);

#endif
