/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of files that a request would not have. */
#include <string.h>

#include "base/clock.h"
#include "source/csv_priv.h"
#include "source/intake_priv.h"

#define DAY_US INT64_C(86400000000)

/* A number of a style; another text stays what it is. */
static void read_styled(char style, tm_cell *cell) {
    char room[64];
    tm_csv_value value;
    if (!tm__csv_is_styled(style, cell->text) || cell->text.len > sizeof(room)) {
        return;
    }
    const uint32_t kinds = tm__csv_examine(tm__csv_style_write(style, cell->text, room), &value);
    if (kinds == TM_CAN_INT || kinds == TM_CAN_FLOAT) {
        *cell = kinds == TM_CAN_INT ? (tm_cell){.type = TM_TYPE_INT, .i64 = value.i64}
                                    : (tm_cell){.type = TM_TYPE_FLOAT, .f64 = value.f64};
    }
}

/* A date in the order of its column, or a number of its style; another text stays what it
 * is, and its column says why. */
void tm__cell_read_order(char order, tm_cell *cell) {
    tm_csv_value value;
    if (tm__csv_is_style(order)) {
        read_styled(order, cell);
        return;
    }
    const uint32_t kinds = tm__csv_examine(cell->text, &value);
    const uint32_t other = order == 'd' ? TM_CAN_MONTH_FIRST : TM_CAN_DAY_FIRST;
    if ((kinds & TM_CAN_NATIONAL) != 0 && (kinds & other) == 0) {
        *cell = (tm_cell){.type = (kinds & TM_CAN_TIME) != 0 ? TM_TYPE_TIME : TM_TYPE_DATE,
                          .i64 = order == 'd' ? value.i64 : value.month_first_us};
    }
}

/* A date in the order of ISO 8601 without its zeros, as 2001-2-3: what made the column one of dates
 * is one. */
void tm__cell_read_loose_date(tm_cell *cell) {
    tm_csv_value value;
    int64_t us = 0;
    if (cell->type != TM_TYPE_TEXT || tm__time_parse(tm__str_trim(cell->text), &us)) {
        return;
    }
    const uint32_t kinds = tm__csv_examine(cell->text, &value);
    if ((kinds & TM_CAN_DATE) != 0 && (kinds & TM_CAN_NATIONAL) == 0) {
        *cell = (tm_cell){.type = (kinds & TM_CAN_TIME) != 0 ? TM_TYPE_TIME : TM_TYPE_DATE,
                          .i64 = value.i64};
    }
}

/* A column of days would lose the hour without a word. */
bool tm__cell_has_hour(const tm_cell *cell) {
    int64_t us = cell->i64;
    if (cell->type == TM_TYPE_TEXT &&
        (cell->text.len <= 10 || !tm__time_parse(tm__str_trim(cell->text), &us))) {
        return false;
    }
    return (cell->type == TM_TYPE_TEXT || cell->type == TM_TYPE_TIME) && us % DAY_US != 0;
}

/* Files have the word inf where a program divided by zero; who trains on one gets it too. */
bool tm__cell_read_infinity(tm_cell *cell) {
    tm_csv_value value;
    const tm_str text = cell->type == TM_TYPE_TEXT ? tm__str_trim(cell->text) : (tm_str){"", 0};
    const bool can_be = text.len >= 3 && text.len <= 12 &&
                        memchr("iI", text.ptr[text.ptr[0] == '-' || text.ptr[0] == '+'], 2) != NULL;
    if (!can_be || tm__csv_examine(text, &value) != TM_CAN_FLOAT) {
        return false;
    }
    *cell = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = value.f64};
    return true;
}
