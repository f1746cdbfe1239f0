/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of times, by the calendar of UTC. */
#include <math.h>

#include "base/clock.h"
#include "feature/feature_priv.h"

#define DAY_US INT64_C(86400000000)

static inline int64_t floor_div(int64_t a, int64_t b) {
    const int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

double tm__date_part(tm_date_part part, int64_t us) {
    if (us == TM_INT_MISSING) {
        return NAN;
    }
    const int64_t day = floor_div(us, DAY_US);
    const int64_t rest = us % DAY_US; /* the first day begins before what an int64_t can say */
    const int64_t in_day = rest < 0 ? rest + DAY_US : rest;
    tm_civil civil;
    switch (part) {
    case TM_PART_MINUTE_OF_DAY:
        return (double)(in_day / INT64_C(60000000));
    case TM_PART_HOUR:
        return (double)(in_day / INT64_C(3600000000));
    case TM_PART_DAY_OF_WEEK: /* 1970-01-01 was a Thursday; 0 is Monday */
        return (double)(day + 3 - 7 * floor_div(day + 3, 7));
    case TM_PART_DAY_OF_MONTH:
        tm__civil_from_us(us, &civil);
        return (double)civil.day;
    case TM_PART_MONTH:
        tm__civil_from_us(us, &civil);
        return (double)civil.month;
    case TM_PART_DAYS:
        return (double)day + (double)in_day / (double)DAY_US;
    }
    return NAN;
}

static void date_column(const tm_program *program, const tm_step *step, const tm_piece *piece,
                        double *out) {
    (void)program;
    const tm_date_part part = (tm_date_part)step->part;
    const int64_t *ints = piece->column->ints;
    for (uint64_t i = piece->row; i < piece->row_end; i++) {
        out[i] = tm__date_part(part, ints[piece->rows == NULL ? i : piece->rows[i]]);
    }
}

static double date_cell(const tm_program *program, const tm_step *step, const tm_cell *cell,
                        uint32_t level) {
    (void)program;
    (void)level;
    return cell->type == TM_TYPE_NONE ? NAN : tm__date_part((tm_date_part)step->part, cell->i64);
}

static bool date_is_valid(const tm_program *program, const tm_step *step) {
    (void)program;
    return step->part >= 1 && step->part <= TM_PART_DAYS;
}

static const char *date_describe(const tm_step *step) {
    static const char *const parts[] = {
        "", "minute of day", "hour", "day of week", "day of month", "month", "days"};
    return parts[step->part];
}

const tm_step_ops tm__step_date_ops = {
    .name = "date",
    .kind = TM_STEP_DATE,
    .types = 1U << TM_TYPE_DATE | 1U << TM_TYPE_TIME,
    .is_valid = date_is_valid,
    .describe = date_describe,
    .column = date_column,
    .cell = date_cell,
};
