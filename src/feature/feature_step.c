/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/clock.h"
#include "feature/feature_priv.h"

#define DAY_US INT64_C(86400000000)

/* Infinities tell no learner more than a missing value, and break sums. */
static inline double of_float(double value) {
    return isfinite(value) ? value : NAN;
}

/* What LightGBM takes for zero: at most 1e-35 in single precision. */
#define NEAR_ZERO ((double)1e-35F)

static inline double of_number(uint8_t part, double value) {
    return part == TM_NUMBER_PLAIN                              ? of_float(value)
           : part == TM_NUMBER_ZERO && fabs(value) <= NEAR_ZERO ? NAN
                                                                : value;
}

static inline double of_int(int64_t value) {
    return value == TM_INT_MISSING ? NAN : (double)value;
}

static inline uint32_t category(uint32_t level, uint32_t n_levels, uint32_t n_kept) {
    if (level < n_kept) {
        return level;
    }
    return level == n_levels + 1 ? n_kept + 1 : n_kept;
}

static inline int64_t floor_div(int64_t a, int64_t b) {
    const int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

double tm__date_part(tm_date_part part, int64_t us) {
    if (us == TM_INT_MISSING) {
        return NAN;
    }
    const int64_t day = floor_div(us, DAY_US);
    const int64_t in_day = us - day * DAY_US;
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

static inline double of_level(const tm_step *step, const tm_levels *table, uint32_t level) {
    return step->kind == TM_STEP_CATEGORY ? (double)category(level, table->n, step->item)
                                          : step->values[level];
}

static void missing_column(const tm_step *step, const tm_levels *tables, const tm_piece *piece,
                           double *out) {
    double value = NAN;
    if (step->kind == TM_STEP_CATEGORY || step->kind == TM_STEP_LEVEL) {
        value = of_level(step, &tables[step->from], tables[step->from].n + 1);
    }
    for (uint64_t i = piece->row; i < piece->row_end; i++) {
        out[i] = value;
    }
}

static void level_column(const tm_step *step, const tm_levels *table, const tm_piece *piece,
                         double *out) {
    const uint32_t *codes = piece->column->codes;
    const double missing = of_level(step, table, table->n + 1);
    for (uint64_t i = piece->row; i < piece->row_end; i++) {
        const uint32_t code = codes[piece->rows == NULL ? i : piece->rows[i]];
        out[i] = code == TM_CODE_MISSING ? missing : of_level(step, table, piece->level_map[code]);
    }
}

void tm__step_column(const tm_step *step, const tm_levels *tables, const tm_piece *piece,
                     double *out) {
    const tm_column *column = piece->column;
    const uint32_t *rows = piece->rows;
    if (column == NULL) {
        missing_column(step, tables, piece, out);
    } else if (step->kind == TM_STEP_CATEGORY || step->kind == TM_STEP_LEVEL) {
        level_column(step, &tables[step->from], piece, out);
    } else if (step->kind == TM_STEP_DATE) {
        for (uint64_t i = piece->row; i < piece->row_end; i++) {
            out[i] =
                tm__date_part((tm_date_part)step->part, column->ints[rows == NULL ? i : rows[i]]);
        }
    } else if (column->floats != NULL) {
        for (uint64_t i = piece->row; i < piece->row_end; i++) {
            out[i] = of_number(step->part, column->floats[rows == NULL ? i : rows[i]]);
        }
    } else {
        for (uint64_t i = piece->row; i < piece->row_end; i++) {
            out[i] = of_number(step->part, of_int(column->ints[rows == NULL ? i : rows[i]]));
        }
    }
}

double tm__step_cell(const tm_step *step, const tm_levels *tables, const tm_cell *cell,
                     uint32_t level) {
    if (step->kind == TM_STEP_CATEGORY || step->kind == TM_STEP_LEVEL) {
        return of_level(step, &tables[step->from], level);
    }
    if (cell->type == TM_TYPE_NONE) {
        return NAN;
    }
    if (step->kind == TM_STEP_DATE) {
        return tm__date_part((tm_date_part)step->part, cell->i64);
    }
    return of_number(step->part, cell->type == TM_TYPE_FLOAT ? cell->f64 : of_int(cell->i64));
}
