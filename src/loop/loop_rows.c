/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tables beside each other: fitted to the columns of another, and those that are new. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop_priv.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

void tm__row_list_done(tm_row_list *list) {
    tm__mem_free(list->rows);
    *list = (tm_row_list){0};
}

void tm__loop_count_text(uint64_t n, char *out) {
    char digits[24];
    const int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    size_t at = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out[at++] = ',';
        }
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

/* ---- Rows in another table's columns ---- */

typedef struct tm_fitting {
    const tm_table *rows, *like;
    const char *weight;        /* may be NULL */
    uint32_t *from;            /* [cols of like]: column of rows, UINT32_MAX: absent */
    tm_cell *cells;            /* [cols of like] */
    char (*texts)[32];         /* [cols of like] */
    tm_schema_column *columns; /* [cols of like]; names are the table's */
} tm_fitting;

static bool fit_row(const tm_fitting *fit, uint64_t row) {
    const uint32_t n_cols = tm__table_cols(fit->like);
    for (uint32_t i = 0; i < n_cols; i++) {
        tm_cell *cell = &fit->cells[i];
        bool is_changed = false;
        *cell = (tm_cell){.type = TM_TYPE_NONE};
        if (fit->from[i] != UINT32_MAX) {
            *cell = tm__column_cell(tm__table_column(fit->rows, fit->from[i]), row);
        } else if (fit->weight != NULL && strcmp(fit->columns[i].name, fit->weight) == 0) {
            *cell = (tm_cell){.type = TM_TYPE_INT, .i64 = 1};
        }
        if (cell->type != TM_TYPE_NONE &&
            tm__cell_fit(&fit->columns[i], cell, fit->texts[i], &is_changed, NULL) != TM_OK) {
            return false;
        }
    }
    return true;
}

static tm_status fit_rows(const tm_fitting *fit, tm_table_builder *builder, tm_err *err) {
    const uint32_t n_cols = tm__table_cols(fit->like);
    for (uint32_t i = 0; i < n_cols; i++) {
        const tm_column *column = tm__table_column(fit->like, i);
        fit->from[i] = tm__table_find(fit->rows, column->name);
        fit->columns[i] =
            (tm_schema_column){.name = (char *)(uintptr_t)column->name, .type = column->type};
        TM_TRY(tm__builder_add_column(builder, column->name, column->type, err));
    }
    const uint64_t n_rows = tm__table_rows(fit->rows);
    for (uint64_t row = 0; row < n_rows; row++) {
        if (fit_row(fit, row)) {
            TM_TRY(tm__builder_add_row(builder, fit->cells, err));
        }
    }
    return TM_OK;
}

tm_status tm__rows_fit(tm_table *rows, const tm_table *like, const char *weight, tm_table **out,
                       tm_err *err) {
    if (rows == NULL) {
        *out = NULL;
        return TM_OK;
    }
    const size_t n_cols = tm__table_cols(like);
    tm_fitting fit = {.rows = rows, .like = like, .weight = weight};
    tm_table_builder *builder = tm__builder_create();
    fit.from = tm__mem_alloc(n_cols, sizeof(*fit.from));
    fit.cells = tm__mem_alloc(n_cols, sizeof(*fit.cells));
    fit.texts = tm__mem_alloc(n_cols, sizeof(*fit.texts));
    fit.columns = tm__mem_alloc(n_cols, sizeof(*fit.columns));
    tm_status st = TM_OK;
    if (builder == NULL || fit.from == NULL || fit.cells == NULL || fit.texts == NULL ||
        fit.columns == NULL) {
        st = no_memory(err);
    }
    if (st == TM_OK) {
        st = fit_rows(&fit, builder, err);
    }
    if (st == TM_OK) {
        st = tm__builder_finish(builder, out, err);
        builder = NULL;
    }
    tm__builder_free(builder);
    tm__mem_free(fit.from);
    tm__mem_free(fit.cells);
    tm__mem_free(fit.texts);
    tm__mem_free(fit.columns);
    return st;
}

/* ---- Rows that are not known yet ---- */

/* Hashes of the rows looked at, each with how many equal rows are known. */
typedef struct tm_tally_slot {
    uint64_t hash;
    uint32_t n_known;
    bool is_used;
} tm_tally_slot;

typedef struct tm_tally_table {
    tm_tally_slot *slots; /* [mask + 1] */
    uint64_t mask;
} tm_tally_table;

static tm_tally_slot *slot_find(const tm_tally_table *tally, uint64_t hash) {
    uint64_t at = hash & tally->mask;
    while (tally->slots[at].is_used && tally->slots[at].hash != hash) {
        at = (at + 1) & tally->mask;
    }
    return &tally->slots[at];
}

/* Columns that make two rows equal. */
static void key_column(const tm_table *table, const char *name, uint32_t *cols, uint32_t *n) {
    const uint32_t col = tm__table_find(table, name);
    for (uint32_t i = 0; i < *n; i++) {
        if (cols[i] == col) {
            return;
        }
    }
    if (col != UINT32_MAX) {
        cols[(*n)++] = col;
    }
}

static uint32_t key_columns(const tm_bundle *bundle, const tm_table *table, uint32_t *cols) {
    const tm_schema *schema = tm__bundle_schema(bundle);
    const tm_renames *const renames = tm__bundle_renames(bundle);
    const json_t *info = tm__bundle_info(bundle);
    uint32_t n = 0;
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        key_column(table, schema->cols[i].name, cols, &n);
    }
    for (uint32_t i = 0; i < tm__renames_count(renames); i++) {
        key_column(table, tm__renames_get(renames, i)->name, cols, &n);
    }
    key_column(table, tm__bundle_target(bundle), cols, &n);
    key_column(table, tm__json_text(info, "entity", ""), cols, &n);
    key_column(table, tm__json_text(info, "time", ""), cols, &n);
    return n;
}

static tm_status row_hashes(const tm_bundle *bundle, const tm_table *table, uint64_t **out,
                            tm_err *err) {
    const size_t n_max = (size_t)tm__bundle_schema(bundle)->n_cols + 3 +
                         tm__renames_count(tm__bundle_renames(bundle));
    uint32_t *cols = tm__mem_alloc(n_max, sizeof(*cols));
    uint64_t *hashes = tm__mem_alloc(tm__table_rows(table), sizeof(*hashes));
    if (cols == NULL || hashes == NULL) {
        tm__mem_free(cols);
        tm__mem_free(hashes);
        return no_memory(err);
    }
    tm__table_row_hashes(table, cols, key_columns(bundle, table, cols), hashes);
    tm__mem_free(cols);
    *out = hashes;
    return TM_OK;
}

static void tally_known(tm_tally_table *tally, const uint64_t *hashes, uint64_t n_rows,
                        const uint64_t *known, uint64_t n_known) {
    for (uint64_t i = 0; i < n_rows; i++) {
        tm_tally_slot *slot = slot_find(tally, hashes[i]);
        slot->hash = hashes[i];
        slot->is_used = true;
    }
    for (uint64_t i = 0; i < n_known; i++) {
        tm_tally_slot *slot = slot_find(tally, known[i]);
        if (slot->is_used) {
            slot->n_known++;
        }
    }
}

tm_status tm__rows_unknown(const tm_bundle *bundle, const tm_table *known, const tm_table *table,
                           tm_row_list *out, tm_err *err) {
    const uint64_t n_rows = tm__table_rows(table);
    uint64_t *hashes = NULL, *known_hashes = NULL;
    tm_tally_table tally = {.mask = 15};
    tm_row_list list = {0};
    while (tally.mask + 1 < n_rows + n_rows / 2) {
        tally.mask = tally.mask * 2 + 1;
    }
    tm_status st = row_hashes(bundle, table, &hashes, err);
    if (st == TM_OK) {
        st = row_hashes(bundle, known, &known_hashes, err);
    }
    if (st == TM_OK) {
        tally.slots = tm__mem_zalloc(tally.mask + 1, sizeof(*tally.slots));
        list.rows = tm__mem_alloc(n_rows, sizeof(*list.rows));
        if (tally.slots == NULL || list.rows == NULL) {
            st = no_memory(err);
        }
    }
    if (st == TM_OK) {
        tally_known(&tally, hashes, n_rows, known_hashes, tm__table_rows(known));
        for (uint64_t i = 0; i < n_rows; i++) {
            tm_tally_slot *slot = slot_find(&tally, hashes[i]);
            if (slot->n_known > 0) {
                slot->n_known--;
            } else {
                list.rows[list.n++] = (uint32_t)i;
            }
        }
        *out = list;
        list = (tm_row_list){0};
    }
    tm__row_list_done(&list);
    tm__mem_free(tally.slots);
    tm__mem_free(hashes);
    tm__mem_free(known_hashes);
    return st;
}
