/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A column of numbers that is text: for a few other values ("n/a", a line of totals), or because
 * they are formatted for people: 1,279.40, $5, 12 %. It is then learned from as a category, where
 * each number is a name of its own, or left out as an identifier, and nothing else says so.
 */
#include <stdio.h>

#include "base/mem.h"
#include "source/source.h"
#include "train/train_priv.h"

#define ROWS_LEAST 50u     /* as of all findings about columns */
#define NUMBERS_LEAST 0.95 /* of the values; codes such as F32 beside 401 are a category */
#define DISTINCT_LEAST 20u /* numbers: a few are names of classes more often */

typedef struct count {
    uint64_t n_values, n_numbers, first_other; /* a row, counted from 1 */
    uint32_t n_distinct;                       /* numbers */
} count;

typedef bool is_number_fn(tm_str text);

static bool is_plain(tm_str text) {
    double value = 0;
    return tm__str_to_f64(text, &value);
}

static bool is_formatted(tm_str text) {
    char style = 0;
    return tm__csv_is_formatted(text, &style) && style != 0;
}

/* False when out of memory. */
static bool count_numbers(const tm_column *column, uint64_t n_rows, is_number_fn *is_one_of,
                          count *out) {
    const uint32_t n_texts = tm__dict_count(column->dict);
    bool *const is_number = tm__mem_zalloc((size_t)n_texts + 1, sizeof(bool));
    *out = (count){0};
    if (is_number == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < n_texts; i++) {
        is_number[i] = is_one_of(tm__str_trim(tm__dict_get(column->dict, i)));
        out->n_distinct += is_number[i];
    }
    for (uint64_t row = 0; row < n_rows && out->n_distinct > 0; row++) {
        if (tm__column_is_missing(column, row)) {
            continue;
        }
        const bool is_one = is_number[column->codes[row]];
        out->n_values++;
        out->n_numbers += is_one;
        out->first_other = out->first_other == 0 && !is_one ? row + 1 : out->first_other;
    }
    tm__mem_free(is_number);
    return true;
}

static bool is_most(const count *c) {
    return c->n_values >= ROWS_LEAST && c->n_distinct >= DISTINCT_LEAST &&
           (double)c->n_numbers >= NUMBERS_LEAST * (double)c->n_values;
}

static void find_plain(const tm_column *column, const count *c, json_t *list) {
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "is text, but %llu of its %llu values are numbers: row %llu has the first "
                   "that is none",
                   (unsigned long long)c->n_numbers, (unsigned long long)c->n_values,
                   (unsigned long long)c->first_other);
    tm__train_find(list, "mostly_numbers", column->name,
                   json_pack("{s:I, s:I, s:I}", "numbers", (json_int_t)c->n_numbers, "values",
                             (json_int_t)c->n_values, "row", (json_int_t)c->first_other),
                   "Mend those values or leave them empty, or say what is meant: "
                   "TRY_CAST(... AS DOUBLE) in --sql.",
                   text);
}

static void find_formatted(const tm_column *column, const count *c, json_t *list) {
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "is text, but %llu of its %llu values are formatted numbers: with a currency, "
                   "a percent sign or commas between thousands",
                   (unsigned long long)c->n_numbers, (unsigned long long)c->n_values);
    tm__train_find(list, "formatted_numbers", column->name,
                   json_pack("{s:I, s:I}", "numbers", (json_int_t)c->n_numbers, "values",
                             (json_int_t)c->n_values),
                   "Make numbers of them where the rows come from, or in --sql: "
                   "TRY_CAST(regexp_replace(COLUMN, '[^0-9.-]', '', 'g') AS DOUBLE).",
                   text);
}

tm_status tm__train_find_numbers(const tm_table *table, uint32_t target, const tm_schema *roles,
                                 json_t *list, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const column = tm__table_column(table, col);
        count plain, formatted;
        if (col == target || column->type != TM_TYPE_TEXT ||
            (roles != NULL && roles->cols[col].role != TM_ROLE_FEATURE)) {
            continue;
        }
        if (!count_numbers(column, n_rows, is_plain, &plain) ||
            !count_numbers(column, n_rows, is_formatted, &formatted)) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to look at columns");
        }
        if (is_most(&plain) && plain.n_numbers < plain.n_values) {
            find_plain(column, &plain, list);
        } else if (is_most(&formatted)) {
            find_formatted(column, &formatted, list);
        }
    }
    return TM_OK;
}
