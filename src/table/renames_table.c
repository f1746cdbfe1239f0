/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows with other names as rows with those that are wanted.
 *
 *      table   | id | salary | region | income |        salary was income
 *      parts   | id | income | region |                 where the first of its names stands
 */
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "table/renames_priv.h"
#include "table/table_priv.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for rows with other names");
}

/* The columns of a table that are one. */
typedef struct group {
    uint32_t column; /* wanted */
    uint32_t n;
    uint32_t cols[TM_RENAMES_MAX + 1]; /* [n] of the table */
    const tm_rename *as[TM_RENAMES_MAX + 1];
} group;

/* The wanted column that a column of the table is or becomes, n_columns: another one. */
static uint32_t place_of(const tm_renames *self, const char *name, const tm_rename **out) {
    *out = tm__renames_find(self, name);
    return *out != NULL ? (*out)->column : tm__renames_column(self, name);
}

static bool is_renamed(const tm_renames *self, const tm_table *table, uint32_t column) {
    for (uint32_t i = 0; i < self->n; i++) {
        if (self->list[i].column == column &&
            tm__table_find(table, self->list[i].name) != UINT32_MAX) {
            return true;
        }
    }
    return false;
}

static void gather(const tm_renames *self, const tm_table *table, uint32_t column, group *out) {
    out->column = column;
    out->n = 0;
    for (uint32_t c = 0; c < tm__table_cols(table); c++) {
        const tm_rename *as = NULL;
        if (place_of(self, tm__table_column(table, c)->name, &as) == column) {
            out->cols[out->n] = c;
            out->as[out->n++] = as;
        }
    }
}

/* What its values become, unless its own type is said. */
static tm_type type_of(const tm_column *column, const tm_rename *as) {
    return as == NULL || as->is_same ? column->type : TM_TYPE_FLOAT;
}

static tm_status joint_type(const tm_renames *self, const tm_table *table, const group *g,
                            tm_type *out, tm_err *err) {
    *out = self->columns[g->column].type;
    for (uint32_t i = 0; self->columns[g->column].type == TM_TYPE_NONE && i < g->n; i++) {
        const tm_column *const c = tm__table_column(table, g->cols[i]);
        const tm_type type = type_of(c, g->as[i]);
        const bool are_numbers = (type == TM_TYPE_INT || type == TM_TYPE_FLOAT) &&
                                 (*out == TM_TYPE_INT || *out == TM_TYPE_FLOAT);
        if (c->n_missing == tm__table_rows(table) && i + 1 < g->n && *out == TM_TYPE_NONE) {
            continue; /* another one says more */
        }
        if (*out == TM_TYPE_NONE) {
            *out = type;
        } else if (are_numbers && type != *out) {
            *out = TM_TYPE_FLOAT;
        } else if (type != *out && c->n_missing < tm__table_rows(table)) {
            return TM_FAIL(err, TM_E_DATA, "column '%.80s' is %s, and '%.80s', which it was, is %s",
                           self->columns[g->column].name, tm__type_noun(*out), c->name,
                           tm__type_noun(type));
        }
    }
    return TM_OK;
}

static bool put_cell(tm_table_builder *to, uint32_t col, uint64_t row, const tm_cell *cell) {
    const bool is_missing = cell->type == TM_TYPE_NONE;
    int64_t *const ints = tm__builder_ints(to, col);
    double *const floats = tm__builder_floats(to, col);
    if (ints != NULL) {
        ints[row] = is_missing ? TM_INT_MISSING : cell->i64;
    } else if (floats != NULL) {
        floats[row] = is_missing ? tm__nan() : cell->f64;
    } else {
        const uint32_t code =
            is_missing ? TM_CODE_MISSING : tm__dict_add(tm__builder_dict(to, col), cell->text);
        tm__builder_codes(to, col)[row] = code;
        return is_missing || code != TM_CODE_MISSING;
    }
    return true;
}

/* The value of a row, of at most one of its names. */
static tm_status take_cell(const tm_table *table, const group *g, uint64_t row, tm_cell *out,
                           tm_err *err) {
    uint32_t from = 0;
    *out = (tm_cell){.type = TM_TYPE_NONE};
    for (uint32_t i = 0; i < g->n; i++) {
        const tm_column *const c = tm__table_column(table, g->cols[i]);
        tm_cell cell = tm__column_cell(c, row);
        if (cell.type == TM_TYPE_NONE) {
            continue;
        }
        tm_status st = TM_OK;
        if (out->type != TM_TYPE_NONE) {
            st = TM_FAIL(err, TM_E_DATA, "a row has both '%.80s' and '%.80s', which are one column",
                         tm__table_column(table, g->cols[from])->name, c->name);
            tm_err_hint(err, "Leave one of them empty.");
        } else if (g->as[i] != NULL) {
            st = tm__rename_cell(g->as[i], &cell, err);
        }
        if (st != TM_OK) {
            tm_err_at(err, NULL, row + 1, g->cols[i] + 1);
            return st;
        }
        *out = cell;
        from = i;
    }
    return TM_OK;
}

static tm_status fill_group(const tm_renames *self, const tm_table *table, const group *g,
                            tm_table_builder *to, uint32_t col, tm_type type, tm_err *err) {
    const tm_schema_column column = {.name = self->columns[g->column].name, .type = type};
    for (uint64_t row = 0; row < tm__table_rows(table); row++) {
        tm_cell cell;
        char room[32];
        bool is_changed = false;
        TM_TRY(take_cell(table, g, row, &cell, err));
        if (cell.type != TM_TYPE_NONE && cell.type != type) {
            const tm_status st = tm__cell_fit(&column, &cell, room, &is_changed, err);
            if (st != TM_OK) {
                tm_err_at(err, NULL, row + 1, g->cols[0] + 1);
                return st;
            }
        }
        if (!put_cell(to, col, row, &cell)) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

/* What becomes of a column of the table. */
typedef struct part {
    uint32_t col;    /* of the table */
    uint32_t column; /* wanted, of a group; UINT32_MAX: the column as it is */
    tm_type type;
} part;

static tm_status plan_parts(const tm_renames *self, const tm_table *table, group *g, part *parts,
                            uint32_t *out_n, tm_err *err) {
    uint32_t n = 0;
    for (uint32_t c = 0; c < tm__table_cols(table); c++) {
        const tm_column *const column = tm__table_column(table, c);
        const tm_rename *as = NULL;
        const uint32_t at = place_of(self, column->name, &as);
        if (at == self->n_columns || !is_renamed(self, table, at)) {
            parts[n++] = (part){.col = c, .column = UINT32_MAX, .type = column->type};
            continue;
        }
        gather(self, table, at, g);
        if (g->cols[0] == c) { /* where the first of its names stands */
            parts[n] = (part){.col = c, .column = at};
            TM_TRY(joint_type(self, table, g, &parts[n].type, err));
            n++;
        }
    }
    *out_n = n;
    return TM_OK;
}

static tm_status add_columns(const tm_renames *self, const tm_table *table, const part *parts,
                             uint32_t n, tm_table_builder *to, tm_err *err) {
    for (uint32_t i = 0; i < n; i++) {
        const tm_column *const c = tm__table_column(table, parts[i].col);
        if (parts[i].column != UINT32_MAX) {
            TM_TRY(tm__builder_add_column(to, self->columns[parts[i].column].name, parts[i].type,
                                          err));
        } else {
            TM_TRY(c->type == TM_TYPE_TEXT ? tm__builder_add_shared(to, c->name, c->dict, err)
                                           : tm__builder_add_column(to, c->name, c->type, err));
        }
    }
    return tm__builder_reserve(to, tm__table_rows(table), err);
}

static tm_status fill_parts(const tm_renames *self, const tm_table *table, group *g, part *parts,
                            tm_table_builder *to, tm_err *err) {
    uint32_t n = 0;
    TM_TRY(plan_parts(self, table, g, parts, &n, err));
    TM_TRY(add_columns(self, table, parts, n, to, err));
    for (uint32_t i = 0; i < n; i++) {
        if (parts[i].column == UINT32_MAX) {
            tm__builder_copy_column(to, i, tm__table_column(table, parts[i].col),
                                    tm__table_rows(table));
        } else {
            gather(self, table, parts[i].column, g);
            TM_TRY(fill_group(self, table, g, to, i, parts[i].type, err));
        }
    }
    tm__builder_set_rows(to, tm__table_rows(table));
    return TM_OK;
}

tm_status tm__renames_table(const tm_renames *renames, tm_table *table, tm_table **out,
                            tm_err *err) {
    bool has_any = false;
    for (uint32_t i = 0; i < tm__renames_count(renames); i++) {
        has_any = has_any || tm__table_find(table, renames->list[i].name) != UINT32_MAX;
    }
    if (!has_any) {
        *out = tm__table_ref(table);
        return TM_OK;
    }
    tm_table_builder *const to = tm__builder_create();
    part *const parts = tm__mem_alloc(tm__table_cols(table), sizeof(*parts));
    group *const g = tm__mem_alloc(1, sizeof(*g));
    tm_status st = to == NULL || parts == NULL || g == NULL
                       ? no_memory(err)
                       : fill_parts(renames, table, g, parts, to, err);
    tm__mem_free(parts);
    tm__mem_free(g);
    if (st != TM_OK) {
        tm__builder_free(to);
        return st;
    }
    return tm__builder_finish(to, out, err);
}

tm_status tm__renames_replace(const tm_renames *renames, tm_table **table, tm_err *err) {
    tm_table *named = NULL;
    if (*table != NULL) {
        TM_TRY(tm__renames_table(renames, *table, &named, err));
        tm__table_unref(*table);
        *table = named;
    }
    return TM_OK;
}

tm_status tm__renames_widen(const tm_renames *renames, tm_schema *schema, tm_err *err) {
    const uint32_t n = tm__renames_count(renames);
    if (n == 0) {
        return TM_OK;
    }
    tm_schema_column *const cols =
        tm__mem_realloc(schema->cols, (size_t)schema->n_cols + n, sizeof(*cols));
    if (cols == NULL) {
        return no_memory(err);
    }
    schema->cols = cols;
    for (uint32_t i = 0; i < n; i++) {
        const tm_rename *const r = &renames->list[i];
        if (tm__schema_find(schema, tm__str(r->name)) != UINT32_MAX) {
            continue;
        }
        tm_schema_column *const column = &schema->cols[schema->n_cols];
        *column = (tm_schema_column){.name = tm__mem_strdup(r->name),
                                     .type = r->is_same ? r->type : TM_TYPE_FLOAT,
                                     .role = TM_ROLE_DROPPED,
                                     .is_nullable = true};
        if (column->name == NULL) {
            return no_memory(err);
        }
        schema->n_cols++;
        schema->cols[r->column].is_nullable = true;
    }
    return TM_OK;
}
