/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the kinds of steps, and what is the same for all of them.
 *
 * Out of this folder a kind is reached by its step alone: a new kind is a file with its ops, a
 * number of its own in tm_step_kind, and a line here.
 */
#include <string.h>

#include "base/fmath.h"
#include "feature/feature_priv.h"

static const tm_step_ops *const kinds[] = {
    &tm__step_number_ops, &tm__step_date_ops, &tm__step_category_ops,
    &tm__step_level_ops,  &tm__step_text_ops,
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

const tm_step_ops *tm__step_ops(uint32_t kind) {
    return kind >= 1 && kind <= N_KINDS ? kinds[kind - 1] : NULL;
}

bool tm__step_is_valid(const tm_program *program, const tm_step *step) {
    const tm_step_ops *ops = tm__step_ops(step->kind);
    if (ops == NULL || step->source >= tm__program_sources(program) ||
        (ops->types >> tm__source_type(program, step->source) & 1) == 0) {
        return false;
    }
    if (ops->has_levels &&
        (step->from >= program->n_tables || program->tables[step->from].input != step->source)) {
        return false;
    }
    if (ops->reads_text &&
        (step->from >= program->n_texts || program->texts[step->from].input != step->source)) {
        return false;
    }
    return ops->is_valid(program, step);
}

void tm__step_column(const tm_program *program, const tm_step *step, const tm_piece *piece,
                     double *out) {
    const tm_step_ops *ops = tm__step_ops(step->kind);
    if (piece->column != NULL) {
        ops->column(program, step, piece, out);
        return;
    }
    const tm_cell missing = {.type = TM_TYPE_NONE};
    const uint32_t level = ops->has_levels ? program->tables[step->from].n + 1 : 0;
    const double value = ops->cell(program, step, &missing, level);
    for (uint64_t i = piece->row; i < piece->row_end; i++) {
        out[i] = value;
    }
}
