/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program itself: its inputs, its straight list of steps and the features that they give, built
 * by the fit or by the file reader, then immutable.
 *
 *     inputs [n]    schema of what a row must bring, in order
 *     made [k]      columns by expression, of inputs and of those before them
 *     steps [m]     each reads one of both and owns its values and its reason
 *     features [k]  names and kinds of the numbers that steps write, in the order of the view
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "feature/feature_priv.h"

char *tm__text_printf(const char *fmt, ...) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    const int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return len < 0 ? NULL : tm__mem_strdup(text);
}

tm_program *tm__program_create(void) {
    return tm__mem_zalloc(1, sizeof(tm_program));
}

/* Makes room for one more element; false when out of memory. */
static bool grow(void **items, uint32_t n, uint32_t *n_max, size_t size) {
    if (n < *n_max) {
        return true;
    }
    const uint32_t wanted = *n_max == 0 ? 8 : *n_max * 2;
    void *grown = tm__mem_realloc(*items, wanted, size);
    if (grown == NULL) {
        return false;
    }
    *items = grown;
    *n_max = wanted;
    return true;
}

void tm__step_done(tm_step *step) {
    tm__mem_free(step->values);
    tm__mem_free(step->reason);
    tm__mem_free(step->name);
    memset(step, 0, sizeof(*step));
}

tm_status tm__program_add_made(tm_program *program, tm_made *made, tm_err *err) {
    if (made->name == NULL || made->words == NULL ||
        !grow((void **)&program->made, program->n_made, &program->made_max, sizeof(tm_made))) {
        tm__made_done(made);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a feature");
    }
    made->root = tm__source_root(program, made->expr.reads[0]);
    program->made[program->n_made++] = *made;
    memset(made, 0, sizeof(*made));
    return TM_OK;
}

tm_status tm__program_add_step(tm_program *program, tm_step *step, tm_err *err) {
    if (step->name == NULL ||
        !grow((void **)&program->steps, program->n_steps, &program->steps_max, sizeof(tm_step))) {
        tm__step_done(step);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a feature");
    }
    step->feature.name = step->name;
    step->feature.weight_hint = 1;
    step->feature.input = tm__source_root(program, step->source);
    program->steps[program->n_steps++] = *step;
    memset(step, 0, sizeof(*step));
    return TM_OK;
}

tm_status tm__program_add_table(tm_program *program, tm_levels *table, tm_err *err) {
    if (!grow((void **)&program->tables, program->n_tables, &program->tables_max,
              sizeof(tm_levels))) {
        tm__levels_done(table);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for levels");
    }
    program->tables[program->n_tables++] = *table;
    memset(table, 0, sizeof(*table));
    return TM_OK;
}

tm_status tm__program_add_text(tm_program *program, tm_text *text, tm_err *err) {
    if (!grow((void **)&program->texts, program->n_texts, &program->texts_max, sizeof(tm_text))) {
        tm__text_done(text);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for terms");
    }
    text->first_term = program->n_terms;
    program->n_terms += text->n_terms;
    program->texts[program->n_texts++] = *text;
    memset(text, 0, sizeof(*text));
    return TM_OK;
}

tm_status tm__program_add_note(tm_program *program, uint32_t input, char *reason, tm_err *err) {
    if (reason == NULL ||
        !grow((void **)&program->notes, program->n_notes, &program->notes_max, sizeof(tm_note))) {
        tm__mem_free(reason);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a reason");
    }
    program->notes[program->n_notes++] = (tm_note){.input = input, .reason = reason};
    return TM_OK;
}

void tm__program_free(tm_program *program) {
    if (program == NULL) {
        return;
    }
    for (uint32_t i = 0; i < program->n_steps; i++) {
        tm__step_done(&program->steps[i]);
    }
    for (uint32_t i = 0; i < program->n_tables; i++) {
        tm__levels_done(&program->tables[i]);
    }
    for (uint32_t i = 0; i < program->n_texts; i++) {
        tm__text_done(&program->texts[i]);
    }
    for (uint32_t i = 0; i < program->n_notes; i++) {
        tm__mem_free(program->notes[i].reason);
    }
    for (uint32_t i = 0; i < program->n_made; i++) {
        tm__made_done(&program->made[i]);
    }
    tm__mem_free(program->made);
    tm__mem_free(program->steps);
    tm__mem_free(program->tables);
    tm__mem_free(program->texts);
    tm__mem_free(program->notes);
    tm__schema_done(&program->schema);
    tm__mem_free(program);
}

uint32_t tm__program_inputs(const tm_program *program) {
    return program->schema.n_cols;
}

void tm__program_may_lack(tm_program *program, uint32_t input, bool may) {
    program->schema.cols[input].is_nullable = may;
}

const tm_schema *tm__program_schema(const tm_program *program) {
    return &program->schema;
}

tm_str tm__program_level(const tm_program *program, uint32_t input, uint64_t pick) {
    for (uint32_t i = 0; i < program->n_tables; i++) {
        const tm_levels *table = &program->tables[i];
        if (table->input == input && table->n > 0) {
            const uint32_t *at = &table->starts[pick % table->n];
            return (tm_str){table->bytes + at[0], at[1] - at[0]};
        }
    }
    return (tm_str){NULL, 0};
}

uint32_t tm__program_term_input(const tm_program *program) {
    for (uint32_t i = 0; i < program->n_texts; i++) {
        if (program->texts[i].n_terms > 0) {
            return tm__source_root(program, program->texts[i].input);
        }
    }
    return UINT32_MAX;
}

uint32_t tm__program_features(const tm_program *program) {
    return program->n_steps;
}

const tm_feature *tm__program_feature(const tm_program *program, uint32_t feature) {
    TM_ASSERT(feature < program->n_steps);
    return &program->steps[feature].feature;
}

/* words: of an expression, or NULL. */
static bool append_entry(json_t *list, const char *input, const char *feature, const char *step,
                         const char *reason, const char *words) {
    json_t *entry = json_object();
    bool ok = entry != NULL && json_object_set_new(entry, "input", json_string(input)) == 0;
    ok = ok && json_object_set_new(entry, "feature", tm__json_string(feature)) == 0;
    ok = ok && json_object_set_new(entry, "step", json_string(step)) == 0;
    ok = ok && json_object_set_new(entry, "reason", json_string(reason == NULL ? "" : reason)) == 0;
    ok = ok && (words == NULL || json_object_set_new(entry, "expression", json_string(words)) == 0);
    if (!ok) {
        json_decref(entry);
        return false;
    }
    return json_array_append_new(list, entry) == 0;
}

/* Steps of each source in their order: the first of a source, and the next of each step. */
typedef struct step_chains {
    uint32_t *first; /* [sources] UINT32_MAX: none */
    uint32_t *next;  /* [n_steps] */
} step_chains;

static bool chain_steps(const tm_program *program, step_chains *out) {
    const uint32_t n = tm__program_sources(program);
    out->first = tm__mem_alloc((size_t)n + 1, sizeof(uint32_t));
    out->next = tm__mem_alloc((size_t)program->n_steps + 1, sizeof(uint32_t));
    if (out->first == NULL || out->next == NULL) {
        return false;
    }
    memset(out->first, 0xff, n * sizeof(uint32_t));
    for (uint32_t i = program->n_steps; i-- > 0;) {
        out->next[i] = out->first[program->steps[i].source];
        out->first[program->steps[i].source] = i;
    }
    return true;
}

static bool append_source(json_t *list, const tm_program *program, const step_chains *chains,
                          uint32_t source) {
    const uint32_t n = program->schema.n_cols;
    const char *name = tm__source_name(program, source);
    const char *words = source < n ? NULL : program->made[source - n].words;
    bool ok = true;
    for (uint32_t i = chains->first[source]; ok && i != UINT32_MAX; i = chains->next[i]) {
        const tm_step *step = &program->steps[i];
        ok = append_entry(list, name, step->name, tm__step_ops(step->kind)->describe(step),
                          step->reason, words);
    }
    for (uint32_t i = 0; ok && i < program->n_texts; i++) {
        if (program->texts[i].input == source && program->texts[i].n_terms > 0) {
            ok = append_entry(list, name, NULL, "terms",
                              "weights of words and parts of words, for linear learners", words);
        }
    }
    for (uint32_t i = 0; ok && i < program->n_notes; i++) {
        if (program->notes[i].input == source) {
            ok = append_entry(list, name, NULL, "left out", program->notes[i].reason, words);
        }
    }
    return ok;
}

json_t *tm__program_to_json(const tm_program *program) {
    json_t *list = json_array();
    step_chains chains = {NULL, NULL};
    bool ok = list != NULL && chain_steps(program, &chains);
    for (uint32_t source = 0; ok && source < tm__program_sources(program); source++) {
        ok = append_source(list, program, &chains, source);
    }
    tm__mem_free(chains.first);
    tm__mem_free(chains.next);
    if (!ok) {
        json_decref(list);
        return NULL;
    }
    return list;
}

tm_matrix *tm__matrix_create(const tm_program *program, uint64_t n_rows) {
    const uint32_t n = program->n_steps;
    tm_matrix *matrix = tm__mem_zalloc(1, sizeof(tm_matrix));
    if (matrix == NULL) {
        return NULL;
    }
    matrix->cols = tm__mem_zalloc(n, sizeof(double *));
    matrix->features = tm__mem_zalloc(n, sizeof(tm_feature));
    matrix->names = tm__mem_zalloc(n, sizeof(char *));
    bool ok = matrix->cols != NULL && matrix->features != NULL && matrix->names != NULL;
    if (ok) {
        matrix->view.n_cols = n;
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        matrix->cols[i] = tm__mem_alloc(n_rows, sizeof(double));
        matrix->names[i] = tm__mem_strdup(program->steps[i].name);
        matrix->features[i] = program->steps[i].feature;
        matrix->features[i].name = matrix->names[i];
        ok = matrix->cols[i] != NULL && matrix->names[i] != NULL;
    }
    if (!ok) {
        tm__matrix_free(matrix);
        return NULL;
    }
    matrix->view.n_rows = n_rows;
    matrix->view.cols = (const double *const *)matrix->cols;
    matrix->view.features = matrix->features;
    return matrix;
}

const tm_view *tm__matrix_view(const tm_matrix *matrix) {
    return &matrix->view;
}

void tm__matrix_free(tm_matrix *matrix) {
    if (matrix == NULL) {
        return;
    }
    for (uint32_t i = 0; i < matrix->view.n_cols; i++) {
        tm__mem_free(matrix->cols[i]);
        tm__mem_free(matrix->names[i]);
    }
    tm__mem_free(matrix->cols);
    tm__mem_free(matrix->names);
    tm__mem_free(matrix->features);
    tm__mem_free(matrix->starts);
    tm__mem_free(matrix->terms);
    tm__mem_free(matrix->values);
    tm__mem_free(matrix);
}
