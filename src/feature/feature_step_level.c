/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of a level: its code, and numbers that belong to it (feature_target.c). */
#include <math.h>

#include "feature/feature_priv.h"

static inline double code_of(const tm_step *step, uint32_t n_levels, uint32_t level) {
    const uint32_t n_kept = step->item;
    if (level < n_kept) {
        return (double)level;
    }
    return (double)(level == n_levels + 1 ? n_kept + 1 : n_kept);
}

static inline uint32_t level_at(const tm_piece *piece, uint32_t n_levels, uint64_t i) {
    const uint32_t code = piece->column->codes[piece->rows == NULL ? i : piece->rows[i]];
    return code == TM_CODE_MISSING ? n_levels + 1 : piece->level_map[code];
}

/* ---- Category ---- */

static void category_column(const tm_program *program, const tm_step *step, const tm_piece *piece,
                            double *out) {
    const uint32_t n = program->tables[step->from].n;
    for (uint64_t i = piece->row; i < piece->row_end; i++) {
        out[i] = code_of(step, n, level_at(piece, n, i));
    }
}

static double category_cell(const tm_program *program, const tm_step *step, const tm_cell *cell,
                            uint32_t level) {
    (void)cell;
    return code_of(step, program->tables[step->from].n, level);
}

static bool category_is_valid(const tm_program *program, const tm_step *step) {
    return step->item <= program->tables[step->from].n && step->item <= UINT32_MAX - 2;
}

static const char *category_describe(const tm_step *step) {
    (void)step;
    return "category";
}

static uint32_t category_codes(const tm_step *step) {
    return step->item + 2;
}

const tm_step_ops tm__step_category_ops = {
    .name = "category",
    .kind = TM_STEP_CATEGORY,
    .types = 1U << TM_TYPE_TEXT,
    .has_levels = true,
    .is_valid = category_is_valid,
    .describe = category_describe,
    .n_codes = category_codes,
    .column = category_column,
    .cell = category_cell,
};

/* ---- Number of a level ---- */

static void level_column(const tm_program *program, const tm_step *step, const tm_piece *piece,
                         double *out) {
    const uint32_t n = program->tables[step->from].n;
    for (uint64_t i = piece->row; i < piece->row_end; i++) {
        out[i] = step->values[level_at(piece, n, i)];
    }
}

static double level_cell(const tm_program *program, const tm_step *step, const tm_cell *cell,
                         uint32_t level) {
    (void)program;
    (void)cell;
    return step->values[level];
}

static bool level_is_valid(const tm_program *program, const tm_step *step) {
    (void)program;
    return step->part >= 1 && step->part <= TM_LEVEL_CODE;
}

static const char *level_describe(const tm_step *step) {
    return step->part == TM_LEVEL_MEAN    ? "target mean"
           : step->part == TM_LEVEL_COUNT ? "count"
                                          : "code";
}

static uint32_t level_values(const tm_program *program, const tm_step *step) {
    return program->tables[step->from].n + 2;
}

/* The last, of a missing value, may be missing. */
static bool level_values_valid(const tm_step *step, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(step->values[i]) && !(i == n - 1 && isnan(step->values[i]))) {
            return false;
        }
    }
    return true;
}

const tm_step_ops tm__step_level_ops = {
    .name = "level",
    .kind = TM_STEP_LEVEL,
    .types = 1U << TM_TYPE_TEXT,
    .has_levels = true,
    .is_valid = level_is_valid,
    .describe = level_describe,
    .n_values = level_values,
    .are_values_valid = level_values_valid,
    .column = level_column,
    .cell = level_cell,
};
