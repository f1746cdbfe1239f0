/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of the options to made columns of the program, with the values of the fitted rows. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "feature/feature_fitted.h"
#include "feature/feature_priv.h"

static bool is_readable(tm_role role) {
    return role == TM_ROLE_FEATURE || role == TM_ROLE_TIME || role == TM_ROLE_READ ||
           role == TM_ROLE_DROPPED;
}

/* Sources first, by their numbers; then columns that are no inputs, which must not be read. */
static uint32_t list_names(const tm_program *program, const tm_schema *schema, const char **names,
                           tm_type *types) {
    uint32_t n = tm__program_sources(program);
    for (uint32_t i = 0; i < n; i++) {
        const bool is_open =
            i >= program->schema.n_cols || is_readable(program->schema.cols[i].role);
        names[i] = tm__source_name(program, i);
        types[i] = is_open ? tm__source_type(program, i) : TM_TYPE_NONE;
    }
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        if (tm__schema_find(&program->schema, tm__str(schema->cols[c].name)) == UINT32_MAX) {
            names[n] = schema->cols[c].name;
            types[n++] = TM_TYPE_NONE;
        }
    }
    return n;
}

static tm_status check_name(const char *name, const tm_expr_names *names, tm_err *err) {
    for (uint32_t i = 0; i < names->n; i++) {
        if (strcmp(names->names[i], name) == 0) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "feature '%.64s': there is a column of this name", name);
            tm_err_hint(err, "Give the feature another name.");
            return st;
        }
    }
    return TM_OK;
}

static tm_status add_expr(tm_program *program, const char *words, const tm_expr_names *names,
                          tm_err *err) {
    tm_made made = {.words = tm__mem_strdup(words)};
    size_t at = 0;
    tm_status st = made.words == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for an expression")
                                      : tm__expr_name(words, &made.name, &at, err);
    if (st == TM_OK) {
        st = check_name(made.name, names, err);
    }
    if (st == TM_OK) {
        st = tm__expr_parse(words, names, &made.expr, err);
    }
    if (st != TM_OK) {
        tm__made_done(&made);
        return st;
    }
    return tm__program_add_made(program, &made, err);
}

static tm_status add_exprs(tm_program *program, const tm_schema *schema, const char *const *exprs,
                           uint32_t n_exprs, tm_err *err) {
    const size_t n_max = (size_t)schema->n_cols + program->n_made + n_exprs;
    const char **names = tm__mem_alloc(n_max, sizeof(*names));
    tm_type *types = tm__mem_alloc(n_max, sizeof(*types));
    tm_status st = TM_OK;
    if (names == NULL || types == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for an expression");
    } else if (n_exprs > TM_MAX_COLS) {
        st = TM_FAIL(err, TM_E_LIMIT, "%u features by expression are more than %u", n_exprs,
                     TM_MAX_COLS);
    }
    for (uint32_t i = 0; st == TM_OK && i < n_exprs; i++) {
        const tm_expr_names all = {names, types, list_names(program, schema, names, types)};
        st = add_expr(program, exprs[i], &all, err);
    }
    tm__mem_free((void *)names);
    tm__mem_free(types);
    return st;
}

static bool has_as(const tm_program *program, const tm_as *as, uint32_t *out_input) {
    *out_input = tm__schema_find(&program->schema, tm__str(as->column));
    return *out_input != UINT32_MAX;
}

/* Inputs that are not what they look like; those of another type are read by an expression. */
static tm_status add_meanings(tm_fit *fit, const tm_schema *schema, tm_err *err) {
    for (uint32_t i = 0; i < fit->options->n_as; i++) {
        const tm_as *as = &fit->options->as[i];
        char *words = NULL;
        uint32_t input;
        if (!has_as(fit->program, as, &input)) {
            continue;
        }
        fit->meanings[input] = tm__fit_meaning(as);
        const tm_type type = fit->program->schema.cols[input].type;
        if (!tm__meaning_words(as->column, type, as->meaning, &words)) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the column '%s'", as->column);
        }
        if (words == NULL) {
            continue;
        }
        const char *const one[] = {words};
        const tm_status st = add_exprs(fit->program, schema, one, 1, err);
        tm__mem_free(words);
        TM_TRY(st);
        fit->meanings[tm__program_sources(fit->program) - 1] = tm__fit_meaning(as);
    }
    return TM_OK;
}

tm_status tm__fit_exprs(tm_fit *fit, const tm_schema *schema, tm_err *err) {
    const uint32_t n_inputs = fit->program->schema.n_cols;
    TM_TRY(add_exprs(fit->program, schema, fit->options->exprs, fit->options->n_exprs, err));
    TM_TRY(add_meanings(fit, schema, err));
    const uint32_t n = tm__program_sources(fit->program);
    if (n == n_inputs) {
        return TM_OK;
    }
    fit->feeds = tm__mem_zalloc(n, sizeof(*fit->feeds));
    fit->n_feeds = n;
    if (fit->feeds == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for an expression");
    }
    for (uint32_t i = 0; i < n_inputs; i++) {
        fit->feeds[i].column = fit->columns[i];
    }
    const tm_rows rows = {fit->rows, fit->n_rows, tm__table_rows(fit->table)};
    for (uint32_t i = n_inputs; i < n; i++) { /* each may learn from those before it */
        const uint32_t m = i - n_inputs;
        TM_TRY(tm__calls_fit(fit, m, err));
        TM_TRY(tm__feed_make(fit->ctx, fit->program, &rows, &fit->program->made[m], fit->feeds,
                             &fit->feeds[i], err));
        fit->columns[i] = fit->feeds[i].column;
    }
    return TM_OK;
}

tm_status tm__exprs_check(const tm_schema *schema, const char *const *exprs, uint32_t n_exprs,
                          uint8_t *is_read, tm_err *err) {
    tm_program *program = tm__program_create();
    tm_status st = program == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for an expression")
                                   : tm__schema_copy(schema, &program->schema, err);
    if (st == TM_OK) {
        st = add_exprs(program, schema, exprs, n_exprs, err);
    }
    for (uint32_t m = 0; st == TM_OK && m < program->n_made; m++) {
        const tm_expr *expr = &program->made[m].expr;
        for (uint32_t i = 0; i < expr->n_reads; i++) {
            if (expr->reads[i] < schema->n_cols) {
                is_read[expr->reads[i]] = 1;
            }
        }
    }
    tm__program_free(program);
    return st;
}
