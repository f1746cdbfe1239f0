/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns by expression: `ratio = debt / income`, compiled once into a list of operations on a
 * stack, which runs on the values of one row. Columns and rows go through the same evaluation, so
 * the bits are the same.
 *
 * There are three types: numbers (BOOL, INT and FLOAT columns), texts, and times (DATE and TIME).
 * Every value may be missing. What a number cannot be (division by zero, the log of a negative
 * number, an overflow) is missing; docs/modelling.md has the rules for people.
 *
 * Some functions learn from the fitted rows what they need (feature_fitted.h); until then, and when
 * there was nothing to learn from, they give missing values.
 */
#ifndef TM_FEATURE_FEATURE_EXPR_H
#define TM_FEATURE_FEATURE_EXPR_H

#include <math.h>

#include "base/buf.h"
#include "base/fmath.h"
#include "table/table.h"

#define TM_EXPR_WORDS_MAX 2000u /* bytes of an expression */
#define TM_EXPR_OPS_MAX 255u
#define TM_EXPR_DEPTH_MAX 32u  /* values on the stack */
#define TM_EXPR_NEST_MAX 32u   /* parentheses within each other */
#define TM_EXPR_READS_MAX 64u  /* different columns */
#define TM_EXPR_FITS_MAX 32u   /* calls that learn */
#define TM_EXPR_TEXT_MAX 1024u /* bytes of text that one evaluation makes; the rest is cut */

typedef enum tm_expr_type { /* numbers are stored in files */
                            TM_EXPR_NUMBER = 1,
                            TM_EXPR_TEXT = 2,
                            TM_EXPR_TIME = 3
} tm_expr_type;

/* Of the type that the place has. */
typedef union tm_expr_value {
    double number; /* missing: NaN; else finite */
    int64_t us;    /* missing: TM_INT_MISSING */
    tm_str text;   /* missing: ptr NULL; borrowed */
} tm_expr_value;

/** What is not finite is missing. */
static inline tm_expr_value tm__expr_number(double value) {
    return (tm_expr_value){.number = isfinite(value) ? value : tm__nan()};
}

typedef enum tm_expr_op_kind {                         /* numbers are stored in files */
                               TM_EXPR_OP_READ = 1,    /* item: of reads */
                               TM_EXPR_OP_CONST = 2,   /* a number; item: of bits */
                               TM_EXPR_OP_MOMENT = 3,  /* a time; item: of bits */
                               TM_EXPR_OP_LITERAL = 4, /* a text; item: of texts */
                               TM_EXPR_OP_MISSING = 5, /* item: its type */
                               TM_EXPR_OP_CALL = 6,    /* item: number of a function */
                               TM_EXPR_OP_FITTED = 7   /* item: of fits */
} tm_expr_op_kind;

typedef struct tm_expr_op {
    uint8_t kind;
    uint8_t n_args; /* CALL, FITTED: values that it takes off the stack */
    uint16_t item;
} tm_expr_op;

/* One call of a function that learns, and what it learned. */
typedef struct tm_expr_fit {
    uint16_t fn;      /* number of a function of feature_fitted.h */
    double parameter; /* what it learns by; not in files */
    double *numbers;  /* [n_numbers] what it learned; its function says what they are */
    uint32_t n_numbers;
    struct tm_levels *levels; /* texts that it learned; NULL: none */
} tm_expr_fit;

/*
 * Invariants: every op finds the values that it takes on the stack, of its types; one value, of
 * `type`, is left; the stack is never above TM_EXPR_DEPTH_MAX; the FITTED ops have the fits 0, 1,
 * ... in order.
 */
typedef struct tm_expr {
    tm_expr_type type;
    tm_expr_op *ops;
    uint32_t n_ops;
    uint64_t *bits; /* [n_bits] of doubles, or microseconds since 1970 */
    uint32_t n_bits;
    char **texts; /* [n_texts] */
    uint32_t n_texts;
    uint32_t *reads; /* [n_reads] sources: see tm_expr_names */
    uint32_t n_reads;
    tm_expr_fit *fits; /* [n_fits] */
    uint32_t n_fits;
} tm_expr;

/* What an expression may read: sources by number, with name and type. */
typedef struct tm_expr_names {
    const char *const *names; /* [n] */
    const tm_type *types;     /* [n] TM_TYPE_NONE: must not be read */
    uint32_t n;
} tm_expr_names;

/** Type of a column's values; 0 for TM_TYPE_NONE. */
tm_expr_type tm__expr_type_of(tm_type type);
/** What a column made by an expression is: FLOAT, TEXT or TIME. */
tm_type tm__expr_column_type(tm_expr_type type);

/** True when the words are a feature over a window and no expression: `by` or `of` follows the
 * closing parenthesis of its function, where an expression has an operator or the end, or the
 * function is one of windows alone. */
bool tm__expr_is_window(const char *words);
/** NAME of `NAME = EXPRESSION` and where the expression begins; TM_E_USAGE with the place.
 * *out_name ends with tm__mem_free(). */
TM_NODISCARD tm_status tm__expr_name(const char *words, char **out_name, size_t *out_at,
                                     tm_err *err);
/** Whether words can be an expression of some columns: all of tm__expr_parse() but for columns,
 * which are not known here, and their types. */
TM_NODISCARD tm_status tm__expr_check_words(const char *words, tm_err *err);
/**
 * Compile `NAME = EXPRESSION`.
 *
 * Errors:  TM_E_USAGE with the character from 1 on at which it is wrong: not understood, a column
 *          that is not there (the hint has the nearest name), types that do not go together, too
 *          long or too deep; TM_E_NOMEM.
 */
TM_NODISCARD tm_status tm__expr_parse(const char *words, const tm_expr_names *names, tm_expr *out,
                                      tm_err *err);
/** The invariants, over sources of these types; false: it cannot run. */
bool tm__expr_is_valid(const tm_expr *expr, const tm_type *types, uint32_t n_sources);
void tm__expr_done(tm_expr *expr);

/* Bytes of the texts that one evaluation makes; they live until the next one with it. */
typedef struct tm_expr_scratch {
    uint32_t n;
    char bytes[TM_EXPR_TEXT_MAX];
} tm_expr_scratch;
/** reads [n_reads]. Threads: any, each with its own scratch. */
tm_expr_value tm__expr_eval(const tm_expr *expr, const tm_expr_value *reads,
                            tm_expr_scratch *scratch);

bool tm__expr_save(const tm_expr *expr, tm_buf *out);
/** TM_E_DATA for what tm__expr_is_valid() refuses, too. */
TM_NODISCARD tm_status tm__expr_load(tm_reader *in, const tm_type *types, uint32_t n_sources,
                                     tm_expr *out, tm_err *err);

#endif
