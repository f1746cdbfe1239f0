/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "feature/feature_priv.h"

struct tm_row_scratch {
    const tm_program *program;
    tm_made_row *made;
    double *values;      /* [n_steps] */
    const double **cols; /* [n_steps] each the address of its value */
    tm_feature *features;
    uint32_t *levels; /* [n_tables] */
    tm_text_scratch text;
    uint64_t starts[2];
    uint32_t *terms; /* [n_terms] room for every term there is */
    float *weights;
    tm_sparse sparse;
    tm_view view;
};

tm_row_scratch *tm__row_scratch_create(const tm_program *program) {
    const uint32_t n = program->n_steps;
    tm_row_scratch *scratch = tm__mem_zalloc(1, sizeof(tm_row_scratch));
    if (scratch == NULL) {
        return NULL;
    }
    scratch->program = program;
    scratch->made = tm__made_row_create(program);
    scratch->values = tm__mem_zalloc(n, sizeof(double));
    scratch->cols = tm__mem_alloc(n, sizeof(double *));
    scratch->features = tm__mem_alloc(n, sizeof(tm_feature));
    scratch->levels = tm__mem_alloc(program->n_tables, sizeof(uint32_t));
    scratch->terms = tm__mem_alloc(program->n_terms, sizeof(uint32_t));
    scratch->weights = tm__mem_alloc(program->n_terms, sizeof(float));
    const bool ok = scratch->made != NULL && scratch->values != NULL && scratch->cols != NULL &&
                    scratch->features != NULL && scratch->levels != NULL &&
                    scratch->terms != NULL && scratch->weights != NULL;
    if (!ok ||
        tm__text_scratch_init(&scratch->text, tm__program_terms_max(program), NULL) != TM_OK) {
        tm__row_scratch_free(scratch);
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        scratch->cols[i] = &scratch->values[i];
        scratch->features[i] = program->steps[i].feature;
    }
    scratch->sparse = (tm_sparse){.n_terms = program->n_terms,
                                  .starts = scratch->starts,
                                  .terms = scratch->terms,
                                  .values = scratch->weights};
    scratch->view = (tm_view){.n_rows = 1,
                              .n_cols = n,
                              .cols = scratch->cols,
                              .features = scratch->features,
                              .sparse = program->n_terms > 0 ? &scratch->sparse : NULL};
    return scratch;
}

static void apply_texts(const tm_program *program, tm_row_scratch *scratch, const tm_cell *cells) {
    uint32_t n = 0;
    for (uint32_t t = 0; t < program->n_texts; t++) {
        const tm_text *text = &program->texts[t];
        const tm_cell *cell = tm__source_cell(program, scratch->made, cells, text->input);
        tm__text_read(&scratch->text, text, cell->type == TM_TYPE_NONE ? NULL : &cell->text);
        for (uint32_t s = 0; s < program->n_steps; s++) {
            const tm_step *step = &program->steps[s];
            if (tm__step_ops(step->kind)->reads_text && step->from == t) {
                scratch->values[s] = tm__text_value(&scratch->text, text, step);
            }
        }
        n += tm__text_weights(&scratch->text, text, scratch->terms + n, scratch->weights + n);
    }
    scratch->starts[1] = n;
}

const tm_view *tm__program_apply_row(const tm_program *program, tm_row_scratch *scratch,
                                     const tm_cell *cells) {
    TM_ASSERT(scratch->program == program);
    tm__made_row_fill(program, scratch->made, cells);
    for (uint32_t t = 0; t < program->n_tables; t++) {
        const tm_levels *table = &program->tables[t];
        const tm_cell *cell = tm__source_cell(program, scratch->made, cells, table->input);
        scratch->levels[t] =
            cell->type == TM_TYPE_NONE ? table->n + 1 : tm__levels_find(table, cell->text);
    }
    for (uint32_t s = 0; s < program->n_steps; s++) {
        const tm_step *step = &program->steps[s];
        const tm_step_ops *ops = tm__step_ops(step->kind);
        if (!ops->reads_text) {
            scratch->values[s] = ops->cell(
                program, step, tm__source_cell(program, scratch->made, cells, step->source),
                ops->has_levels ? scratch->levels[step->from] : 0);
        }
    }
    apply_texts(program, scratch, cells);
    return &scratch->view;
}

void tm__row_scratch_free(tm_row_scratch *scratch) {
    if (scratch == NULL) {
        return;
    }
    tm__made_row_free(scratch->made);
    tm__mem_free(scratch->values);
    tm__mem_free(scratch->cols);
    tm__mem_free(scratch->features);
    tm__mem_free(scratch->levels);
    tm__mem_free(scratch->terms);
    tm__mem_free(scratch->weights);
    tm__text_scratch_done(&scratch->text);
    tm__mem_free(scratch);
}
