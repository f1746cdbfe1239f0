/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitting one value to its column, as a request or a file may give it.
 *
 *              wants  bool        int           float     text      date       time
 *     bool            as is       0, 1          0, 1      word      -          -
 *     int             0, 1        as is         as is     digits    -          -
 *     float           0.0, 1.0    if whole      as is     shortest  -          -
 *     text            word        a number      a number  as is     ISO        ISO
 *     date            -           -             -         ISO       as is      midnight
 *     time            -           -             -         ISO       its day    as is
 *
 * A NaN and, but for text columns, a word for "missing" is a missing value.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "table/schema.h"
#include "table/table_priv.h"

#define DAY_US INT64_C(86400000000)
#define WHOLE_MAX 9007199254740992.0 /* 2^53: beyond it a double does not name one integer */

bool tm__text_is_missing(tm_str text) {
    static const char *const words[] = {"",     "na",  "n/a", "#n/a", "null", "nan",
                                        "none", "nil", "?",   "-",    "--",   "."};
    const tm_str bare = tm__str_trim(text);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && bare.len <= 4; i++) {
        if (tm__str_is_nocase(bare, words[i])) {
            return true;
        }
    }
    return false;
}

bool tm__text_is_email(tm_str text) {
    size_t at = 0, n_at = 0;
    bool has_dot = false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        if (c == ' ') {
            return false;
        }
        if (c == '@') {
            n_at++;
            at = i;
        }
        has_dot = has_dot || (n_at == 1 && c == '.' && i > at + 1);
    }
    return n_at == 1 && at > 0 && has_dot;
}

bool tm__text_to_bool(tm_str text, bool *out) {
    static const char *const yes[] = {"true", "t", "yes", "y", "1"};
    static const char *const no[] = {"false", "f", "no", "n", "0"};
    const tm_str bare = tm__str_trim(text);
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]) && bare.len <= 5; i++) {
        if (tm__str_is_nocase(bare, yes[i]) || tm__str_is_nocase(bare, no[i])) {
            *out = tm__str_is_nocase(bare, yes[i]);
            return true;
        }
    }
    return false;
}

static int64_t midnight(int64_t us) {
    const int64_t into_day = us % DAY_US;
    return us - (into_day < 0 ? into_day + DAY_US : into_day);
}

static tm_status misfit(const tm_schema_column *column, tm_type got, const char *why, tm_err *err) {
    return TM_FAIL(err, TM_E_DATA, "column '%s' wants %s, got %s%s", column->name,
                   tm__type_noun(column->type), tm__type_noun(got), why);
}

static tm_status fit_bool(const tm_schema_column *column, tm_cell *cell, tm_err *err) {
    bool value = false;
    if (cell->type == TM_TYPE_INT && (cell->i64 == 0 || cell->i64 == 1)) {
        value = cell->i64 == 1;
    } else if (cell->type == TM_TYPE_FLOAT && (cell->f64 == 0.0 || cell->f64 == 1.0)) {
        value = cell->f64 == 1.0;
    } else if (cell->type != TM_TYPE_TEXT || !tm__text_to_bool(cell->text, &value)) {
        const bool is_number = cell->type == TM_TYPE_INT || cell->type == TM_TYPE_FLOAT;
        (void)misfit(column, cell->type,
                     is_number                    ? " other than 0 and 1"
                     : cell->type == TM_TYPE_TEXT ? " that is neither true nor false"
                                                  : "",
                     err);
        tm_err_hint(err, "Give true, false, 1, 0, \"yes\" or \"no\".");
        return TM_E_DATA;
    }
    *cell = (tm_cell){.type = TM_TYPE_BOOL, .i64 = value};
    return TM_OK;
}

static tm_status no_number(const tm_schema_column *column, tm_str text, tm_err *err) {
    const bool is_large = tm__str_is_number(text);
    (void)misfit(column, TM_TYPE_TEXT,
                 is_large ? " of a number larger than a double" : " that is not a number", err);
    tm_err_hint(err, "Give a number, or none (null, an empty cell) where it is not known.");
    return TM_E_DATA;
}

static tm_status fit_int(const tm_schema_column *column, tm_cell *cell, tm_err *err) {
    double number = cell->f64;
    int64_t value = cell->i64;
    if (cell->type == TM_TYPE_TEXT) {
        const tm_str bare = tm__str_trim(cell->text);
        if (tm__str_to_i64(bare, &value) && value != TM_INT_MISSING) {
            *cell = (tm_cell){.type = TM_TYPE_INT, .i64 = value};
            return TM_OK;
        }
        if (!tm__str_to_f64(bare, &number)) {
            return no_number(column, bare, err);
        }
    } else if (cell->type != TM_TYPE_FLOAT && cell->type != TM_TYPE_BOOL) {
        return misfit(column, cell->type, "", err);
    }
    if (cell->type != TM_TYPE_BOOL) {
        if (number != floor(number)) {
            (void)misfit(column, cell->type, " with a fraction", err);
            tm_err_hint(err,
                        "Its values were whole numbers: round this one, or learn anew from rows "
                        "with fractions by 'tidemill train'.");
            return TM_E_DATA;
        }
        if (!(fabs(number) <= WHOLE_MAX)) {
            return misfit(column, cell->type, " beyond the integers", err);
        }
        value = (int64_t)number;
    }
    *cell = (tm_cell){.type = TM_TYPE_INT, .i64 = value};
    return TM_OK;
}

static tm_status fit_float(const tm_schema_column *column, tm_cell *cell, tm_err *err) {
    double value = (double)cell->i64;
    if (cell->type == TM_TYPE_TEXT) {
        const tm_str bare = tm__str_trim(cell->text);
        if (!tm__str_to_f64(bare, &value)) {
            return no_number(column, bare, err);
        }
    } else if (cell->type != TM_TYPE_INT && cell->type != TM_TYPE_BOOL) {
        return misfit(column, cell->type, "", err);
    }
    *cell = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = value};
    return TM_OK;
}

static void fit_text(tm_cell *cell, char *text_buf) {
    size_t len = 0;
    char long_text[64] = ""; /* a time of year 300000 is longer than text_buf */
    if (cell->type == TM_TYPE_BOOL) {
        len = (size_t)snprintf(text_buf, 32, "%s", cell->i64 != 0 ? "true" : "false");
    } else if (cell->type == TM_TYPE_DATE) {
        (void)tm__date_to_text(cell->i64, long_text);
        (void)tm__str_copy(text_buf, 32, tm__str(long_text));
        len = strlen(text_buf);
    } else if (cell->type == TM_TYPE_TIME) {
        (void)tm__time_to_text(cell->i64, long_text);
        (void)tm__str_copy(text_buf, 32, tm__str(long_text));
        len = strlen(text_buf);
    } else if (cell->type == TM_TYPE_INT ||
               (cell->f64 == floor(cell->f64) && fabs(cell->f64) <= WHOLE_MAX)) {
        /* 2.0 for a code: the category is "2". */
        const int64_t whole = cell->type == TM_TYPE_INT ? cell->i64 : (int64_t)cell->f64;
        len = (size_t)snprintf(text_buf, 32, "%" PRId64, whole);
    } else {
        len = tm__f64_to_text(cell->f64, text_buf);
    }
    *cell = (tm_cell){.type = TM_TYPE_TEXT, .text = {text_buf, len}};
}

static tm_status fit_time(const tm_schema_column *column, tm_cell *cell, tm_err *err) {
    int64_t us = cell->i64;
    if (cell->type == TM_TYPE_TEXT) {
        if (!tm__time_parse(tm__str_trim(cell->text), &us) || us == TM_INT_MISSING) {
            (void)misfit(column, cell->type, " that is not ISO 8601", err);
            tm_err_hint(err, "Write 2001-12-31 or 2001-12-31T23:59:59Z.");
            return TM_E_DATA;
        }
    } else if (cell->type != TM_TYPE_DATE && cell->type != TM_TYPE_TIME) {
        (void)misfit(column, cell->type, "", err);
        tm_err_hint(err, "Write 2001-12-31 or 2001-12-31T23:59:59Z, as a text.");
        return TM_E_DATA;
    }
    *cell =
        (tm_cell){.type = column->type, .i64 = column->type == TM_TYPE_DATE ? midnight(us) : us};
    return TM_OK;
}

static bool is_missing(const tm_schema_column *column, const tm_cell *cell) {
    return (cell->type == TM_TYPE_FLOAT && isnan(cell->f64)) ||
           (cell->type == TM_TYPE_TEXT && column->type != TM_TYPE_TEXT &&
            tm__text_is_missing(cell->text));
}

tm_status tm__cell_fit(const tm_schema_column *column, tm_cell *cell, char *text_buf, bool *coerced,
                       tm_err *err) {
    const bool is_text = cell->type == TM_TYPE_TEXT;
    if (is_missing(column, cell)) {
        *cell = (tm_cell){.type = TM_TYPE_NONE};
    }
    if (cell->type == TM_TYPE_NONE && column->role == TM_ROLE_SCORE) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "column '%s' wants a value, got none", column->name);
        tm_err_hint(err, "It is the score that the answer starts from; each row has its own.");
        return st;
    }
    if (cell->type == TM_TYPE_NONE) {
        *coerced = is_text;
        return TM_OK;
    }
    if (cell->type == column->type) {
        *coerced = false;
        return TM_OK;
    }
    /* A whole number is an ordinary value of a float column: JSON has one kind of number. */
    const bool is_plain = column->type == TM_TYPE_FLOAT && cell->type == TM_TYPE_INT;
    switch (column->type) {
    case TM_TYPE_BOOL:
        TM_TRY(fit_bool(column, cell, err));
        break;
    case TM_TYPE_INT:
        TM_TRY(fit_int(column, cell, err));
        break;
    case TM_TYPE_FLOAT:
        TM_TRY(fit_float(column, cell, err));
        break;
    case TM_TYPE_TEXT:
        fit_text(cell, text_buf);
        break;
    default:
        TM_TRY(fit_time(column, cell, err));
        break;
    }
    *coerced = !is_plain;
    return TM_OK;
}

bool tm__cell_write_json(const tm_cell *cell, tm_buf *out) {
    char text[64];
    switch (cell->type) {
    case TM_TYPE_BOOL:
        return tm__buf_text(out, cell->i64 != 0 ? "true" : "false");
    case TM_TYPE_INT:
        if (cell->i64 < 0) {
            tm__buf_byte(out, '-');
        }
        return tm__buf_decimal(out, cell->i64 < 0 ? 0 - (uint64_t)cell->i64 : (uint64_t)cell->i64);
    case TM_TYPE_FLOAT:
        return cell->f64 - cell->f64 == 0.0
                   ? tm__buf_append(out, text, tm__f64_to_text(cell->f64, text))
                   : tm__buf_text(out, "null");
    case TM_TYPE_TEXT:
        return tm__json_write_text(out, cell->text);
    case TM_TYPE_DATE:
    case TM_TYPE_TIME: {
        text[0] = '"';
        size_t n = cell->type == TM_TYPE_DATE ? tm__date_to_text(cell->i64, text + 1)
                                              : tm__time_to_text(cell->i64, text + 1);
        text[++n] = '"';
        return tm__buf_append(out, text, n + 1);
    }
    case TM_TYPE_NONE:
    default:
        return tm__buf_text(out, "null");
    }
}

bool tm__row_write_json(const char *const *names, const tm_cell *cells, uint32_t n, tm_buf *out) {
    tm__buf_byte(out, '{');
    for (uint32_t i = 0; i < n; i++) {
        tm__buf_text(out, i == 0 ? "" : ",");
        tm__json_write_text(out, tm__str(names[i]));
        tm__buf_byte(out, ':');
        tm__cell_write_json(&cells[i], out);
    }
    return tm__buf_byte(out, '}');
}
