/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as they are. */
#include <math.h>

#include "base/fmath.h"
#include "feature/feature_priv.h"

/* What LightGBM takes for zero: at most 1e-35 in single precision. */
#define NEAR_ZERO ((double)1e-35F)

/* Infinities tell no learner more than a missing value, and break sums. */
static inline double of_float(uint8_t part, double value) {
    if (part == TM_NUMBER_PLAIN) {
        return isfinite(value) ? value : NAN;
    }
    return part == TM_NUMBER_ZERO && fabs(value) <= NEAR_ZERO ? NAN : value;
}

static inline double of_int(uint8_t part, int64_t value) {
    return of_float(part, value == TM_INT_MISSING ? NAN : (double)value);
}

static void number_column(const tm_program *program, const tm_step *step, const tm_piece *piece,
                          double *out) {
    (void)program;
    const tm_column *column = piece->column;
    const uint32_t *rows = piece->rows;
    if (column->floats != NULL) {
        for (uint64_t i = piece->row; i < piece->row_end; i++) {
            out[i] = of_float(step->part, column->floats[rows == NULL ? i : rows[i]]);
        }
        return;
    }
    for (uint64_t i = piece->row; i < piece->row_end; i++) {
        out[i] = of_int(step->part, column->ints[rows == NULL ? i : rows[i]]);
    }
}

static double number_cell(const tm_program *program, const tm_step *step, const tm_cell *cell,
                          uint32_t level) {
    (void)program;
    (void)level;
    if (cell->type == TM_TYPE_NONE) {
        return NAN;
    }
    return cell->type == TM_TYPE_FLOAT ? of_float(step->part, cell->f64)
                                       : of_int(step->part, cell->i64);
}

static bool number_is_valid(const tm_program *program, const tm_step *step) {
    (void)program;
    return step->part <= TM_NUMBER_ZERO;
}

static const char *number_describe(const tm_step *step) {
    (void)step;
    return "number";
}

const tm_step_ops tm__step_number_ops = {
    .name = "number",
    .kind = TM_STEP_NUMBER,
    .types = 1U << TM_TYPE_BOOL | 1U << TM_TYPE_INT | 1U << TM_TYPE_FLOAT,
    .is_valid = number_is_valid,
    .describe = number_describe,
    .column = number_column,
    .cell = number_cell,
};
