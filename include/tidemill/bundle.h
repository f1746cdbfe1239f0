/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predict with a model file inside a program: open, describe, score rows. The answers have the same
 * 64 bits as those of the command line and the server. Not for training, which is the program's
 * `tidemill train`.
 */
#ifndef TM_TIDEMILL_BUNDLE_H
#define TM_TIDEMILL_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "tidemill/err.h"

typedef struct tm_bundle tm_bundle;
typedef struct tm_row tm_row;

/**
 * Map a model file and check every byte of it.
 *
 * path        a .tmb file.
 * out_bundle  on success a bundle that the caller ends with tm_bundle_close().
 *
 * Owns:    keeps the file mapped, no pointer into path.
 * Errors:  TM_E_NOT_FOUND, TM_E_INTEGRITY (which section), TM_E_UNSUPPORTED (a newer format),
 * TM_E_NOMEM. Threads: any; a bundle may be used from any number of threads at once.
 */
TM_API TM_NODISCARD tm_status tm_bundle_open(const char *path, tm_bundle **out_bundle, tm_err *err);

/**
 * Number of input columns, in the order that tm_row_set_* uses.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Threads: any.
 */
TM_API uint32_t tm_bundle_columns(const tm_bundle *bundle);

/**
 * Name and type of an input column: type is "bool", "int", "float", "text", "date" or "time".
 *
 * col   below tm_bundle_columns().
 *
 * Owns:    results live as long as the bundle.
 * Errors:  TM_E_INVALID when col is out of range.
 * Threads: any.
 */
TM_API TM_NODISCARD tm_status tm_bundle_column(const tm_bundle *bundle, uint32_t col,
                                               const char **out_name, const char **out_type,
                                               tm_err *err);

/**
 * Answers a row: 1 for a probability of the positive class or a value, k for k classes.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Threads: any.
 */
TM_API uint32_t tm_bundle_outputs(const tm_bundle *bundle);

/**
 * Text of a class, or NULL for a regression or an index out of range; for two classes, index 1 is
 * the positive one.
 *
 * Owns:    the result lives as long as the bundle.
 * Errors:  none.
 * Threads: any.
 */
TM_API const char *tm_bundle_class(const tm_bundle *bundle, uint32_t index);

/**
 * Hash that names the bundle, as 64 hexadecimal digits.
 *
 * out   at least 65 bytes.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Threads: any.
 */
TM_API void tm_bundle_hash(const tm_bundle *bundle, char *out);

/**
 * End a bundle; NULL is a no-op. Rows made for it must be ended first.
 *
 * Owns:    ends what tm_bundle_open() gave.
 * Errors:  none.
 * Threads: one caller.
 */
TM_API void tm_bundle_close(tm_bundle *bundle);

/**
 * A row to fill for one bundle: every column starts as missing. Reuse it: predicting allocates
 * nothing.
 *
 * Owns:    the caller ends it with tm_row_free().
 * Errors:  TM_E_NOMEM.
 * Threads: owner thread.
 */
TM_API TM_NODISCARD tm_status tm_row_create(const tm_bundle *bundle, tm_row **out_row, tm_err *err);

/**
 * Make every column missing again.
 *
 * Owns:    nothing.
 * Errors:  none.
 * Threads: owner thread.
 */
TM_API void tm_row_reset(tm_row *row);

/**
 * Set a column from text as a CSV file would hold it; a number, date or truth value is read from it
 * when the column has that type.
 *
 * col    below tm_bundle_columns().
 * text   [len] UTF-8; NULL makes the column missing.
 *
 * Owns:    copies the text.
 * Errors:  TM_E_DATA (not of the column's type), TM_E_INVALID (col), TM_E_LIMIT (longer than 1
 * MiB); the row is as before. Threads: owner thread.
 */
TM_API TM_NODISCARD tm_status tm_row_set_text(tm_row *row, uint32_t col, const char *text,
                                              size_t len, tm_err *err);

/**
 * Set a column from a number; a date or time column takes microseconds since 1970-01-01 UTC.
 *
 * col     below tm_bundle_columns().
 * value   NaN makes the column missing.
 *
 * Owns:    nothing.
 * Errors:  TM_E_DATA, TM_E_INVALID; the row is as before.
 * Threads: owner thread.
 */
TM_API TM_NODISCARD tm_status tm_row_set_number(tm_row *row, uint32_t col, double value,
                                                tm_err *err);

/**
 * Score the row.
 *
 * out   [tm_bundle_outputs()].
 *
 * Owns:    keeps nothing.
 * Cost:    microseconds; no allocation.
 * Errors:  none.
 * Threads: owner thread of the row.
 */
TM_API void tm_bundle_predict_row(const tm_bundle *bundle, tm_row *row, double *out);

/**
 * Within what the truth of a row lies at a level, measured on rows that the model did not learn
 * from: the ends of a number's interval.
 *
 * level  between 0 and 1, such as 0.9.
 * out    [tm_bundle_outputs()] of tm_bundle_predict_row().
 *
 * Owns:    keeps nothing.
 * Errors:  TM_E_UNSUPPORTED (not a regression, or a model without intervals), TM_E_USAGE (a level
 * that there were too few rows for); the ends are as before.
 * Threads: any.
 */
TM_API TM_NODISCARD tm_status tm_bundle_interval(const tm_bundle *bundle, double level,
                                                 const double *out, double *out_low,
                                                 double *out_high, tm_err *err);

/**
 * The same for classes: whether each class is in the set that holds the truth at a level. The
 * likeliest class always is.
 *
 * out_held  [number of classes, 2 when tm_bundle_outputs() is 1] 1 or 0.
 *
 * Owns:    keeps nothing.
 * Errors:  TM_E_UNSUPPORTED (no classes, or a model without sets), TM_E_USAGE (a level that there
 * were too few rows for), TM_E_NOMEM; out_held is as before.
 * Threads: any.
 */
TM_API TM_NODISCARD tm_status tm_bundle_set(const tm_bundle *bundle, double level,
                                            const double *out, unsigned char *out_held,
                                            tm_err *err);

/**
 * End a row; NULL is a no-op.
 *
 * Owns:    ends what tm_row_create() gave.
 * Errors:  none.
 * Threads: owner thread.
 */
TM_API void tm_row_free(tm_row *row);

/**
 * Version of the library, "0.1.0".
 *
 * Owns:    static storage.
 * Errors:  none.
 * Threads: any.
 */
TM_API const char *tm_version_text(void);

#endif
