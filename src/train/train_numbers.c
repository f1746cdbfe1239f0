/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A column of numbers that a few other values made text: "n/a", "12 EUR", a line of totals. It is
 * then learned from as a category, where each number is a name of its own, and nothing else says
 * so.
 */
#include <stdio.h>

#include "base/mem.h"
#include "train/train_priv.h"

#define ROWS_LEAST 50u     /* as of all findings about columns */
#define NUMBERS_LEAST 0.95 /* of the values; codes such as F32 beside 401 are a category */
#define DISTINCT_LEAST 20u /* numbers: a few are names of classes more often */

typedef struct count {
    uint64_t n_values, n_numbers, first_other; /* a row, counted from 1 */
    uint32_t n_distinct;                       /* numbers */
} count;

/* False when out of memory. */
static bool count_numbers(const tm_column *column, uint64_t n_rows, count *out) {
    const uint32_t n_texts = tm__dict_count(column->dict);
    bool *const is_number = tm__mem_zalloc((size_t)n_texts + 1, sizeof(bool));
    *out = (count){0};
    if (is_number == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < n_texts; i++) {
        double value = 0;
        is_number[i] = tm__str_to_f64(tm__str_trim(tm__dict_get(column->dict, i)), &value);
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

tm_status tm__train_find_numbers(const tm_table *table, uint32_t target, const tm_schema *roles,
                                 json_t *list, tm_err *err) {
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const column = tm__table_column(table, col);
        count c;
        char text[256];
        if (col == target || column->type != TM_TYPE_TEXT ||
            (roles != NULL && roles->cols[col].role != TM_ROLE_FEATURE)) {
            continue;
        }
        if (!count_numbers(column, tm__table_rows(table), &c)) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to look at columns");
        }
        if (c.n_values < ROWS_LEAST || c.n_numbers == c.n_values || c.n_distinct < DISTINCT_LEAST ||
            (double)c.n_numbers < NUMBERS_LEAST * (double)c.n_values) {
            continue;
        }
        (void)snprintf(text, sizeof(text),
                       "is text, but %llu of its %llu values are numbers: row %llu has the first "
                       "that is none",
                       (unsigned long long)c.n_numbers, (unsigned long long)c.n_values,
                       (unsigned long long)c.first_other);
        tm__train_find(list, "mostly_numbers", column->name,
                       json_pack("{s:I, s:I, s:I}", "numbers", (json_int_t)c.n_numbers, "values",
                                 (json_int_t)c.n_values, "row", (json_int_t)c.first_other),
                       "Mend those values or leave them empty, or say what is meant: "
                       "TRY_CAST(... AS DOUBLE) in --sql.",
                       text);
    }
    return TM_OK;
}
