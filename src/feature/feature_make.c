/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/feature_make.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "feature/feature_priv.h"

static tm_status check_name(const tm_make *make, uint32_t c, tm_err *err) {
    const tm_str name = tm__str(make->columns[c].name);
    if (name.len == 0 || name.len > TM_MAX_COLUMN_NAME || !tm__str_is_utf8(name)) {
        return TM_FAIL(err, TM_E_DATA, "the name of column %u is no name of 1 to %u bytes", c + 1,
                       TM_MAX_COLUMN_NAME);
    }
    return TM_OK;
}

static tm_status add_columns(const tm_make *make, tm_program *program, tm_err *err) {
    program->schema.cols = tm__mem_zalloc(make->n_columns, sizeof(tm_schema_column));
    tm_dict *names = tm__dict_create();
    tm_status st = TM_OK;
    if (program->schema.cols == NULL || names == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for columns");
    }
    for (uint32_t c = 0; st == TM_OK && c < make->n_columns; c++) {
        const tm_make_column *from = &make->columns[c];
        tm_schema_column *to = &program->schema.cols[c];
        st = check_name(make, c, err);
        if (st == TM_OK) {
            const uint32_t code = tm__dict_add(names, tm__str(from->name));
            to->name = tm__mem_strdup(from->name);
            program->schema.n_cols = c + 1;
            to->type = from->is_category ? TM_TYPE_TEXT : TM_TYPE_FLOAT;
            to->role = TM_ROLE_FEATURE;
            to->is_nullable = from->is_nullable;
            to->min = from->is_category ? tm__nan() : from->min;
            to->max = from->is_category ? tm__nan() : from->max;
            to->n_levels = from->is_category ? from->n_levels : 0;
            if (to->name == NULL || code == TM_CODE_MISSING) {
                st = TM_FAIL(err, TM_E_NOMEM, "out of memory for columns");
            } else if (code != c) {
                st = TM_FAIL(err, TM_E_DATA, "column '%s' is there twice", from->name);
            }
        }
    }
    tm__dict_free(names);
    return st;
}

static tm_status add_table(const tm_make *make, uint32_t c, tm_program *program, tm_err *err) {
    const tm_make_column *column = &make->columns[c];
    tm_level_count *counts = tm__mem_zalloc(column->n_levels, sizeof(*counts));
    tm_levels table = {.input = c, .derive = TM_DERIVE_WHOLE};
    if (counts == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for levels");
    }
    for (uint32_t i = 0; i < column->n_levels; i++) {
        counts[i].text = column->levels[i];
    }
    tm_err cause = {0};
    tm_status st = tm__levels_make(counts, column->n_levels, &table, &cause);
    tm__mem_free(counts);
    if (st != TM_OK) {
        return TM_FAIL(err, st, "column '%s': %.180s", column->name, cause.message);
    }
    return tm__program_add_table(program, &table, err);
}

static tm_status add_step(const tm_make *make, const tm_make_feature *from, uint32_t table,
                          tm_program *program, tm_err *err) {
    const tm_make_column *column = &make->columns[from->column];
    tm_step step = {.kind = from->kind == TM_MAKE_LEVEL ? TM_STEP_LEVEL : TM_STEP_NUMBER,
                    .source = from->column,
                    .feature = {.has_missing = true}};
    step.part = from->kind == TM_MAKE_LEVEL    ? TM_LEVEL_CODE
                : from->kind == TM_MAKE_NUMBER ? TM_NUMBER_WHOLE
                                               : TM_NUMBER_ZERO;
    step.name = from->part == 0 ? tm__mem_strdup(column->name)
                                : tm__text_printf("%s.%u", column->name, from->part);
    bool ok = step.name != NULL;
    if (from->kind == TM_MAKE_LEVEL) {
        step.from = table;
        step.values = tm__mem_alloc((size_t)column->n_levels + 2, sizeof(double));
        ok = ok && step.values != NULL;
        if (ok) {
            memcpy(step.values, from->values, ((size_t)column->n_levels + 1) * sizeof(double));
            step.values[column->n_levels + 1] = tm__nan();
        }
    }
    if (!ok) {
        tm__step_done(&step);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a feature");
    }
    return tm__program_add_step(program, &step, err);
}

tm_status tm__program_make(const tm_make *make, tm_program **out, tm_err *err) {
    if (make->n_columns == 0 || make->n_columns > TM_MAX_COLS || make->n_features > TM_MAX_COLS) {
        return TM_FAIL(err, TM_E_LIMIT, "%u columns with %u features are not 1 to %u",
                       make->n_columns, make->n_features, TM_MAX_COLS);
    }
    tm_program *program = tm__program_create();
    uint32_t *tables = tm__mem_alloc(make->n_columns, sizeof(uint32_t));
    tm_status st = TM_OK;
    if (program == NULL || tables == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a feature program");
    } else {
        st = add_columns(make, program, err);
    }
    for (uint32_t c = 0; st == TM_OK && c < make->n_columns; c++) {
        tables[c] = program->n_tables;
        st = make->columns[c].is_category ? add_table(make, c, program, err) : TM_OK;
    }
    for (uint32_t f = 0; st == TM_OK && f < make->n_features; f++) {
        const tm_make_feature *from = &make->features[f];
        st = add_step(make, from, tables[from->column], program, err);
    }
    tm__mem_free(tables);
    if (st != TM_OK) {
        tm__program_free(program);
        return st;
    }
    *out = program;
    return TM_OK;
}
