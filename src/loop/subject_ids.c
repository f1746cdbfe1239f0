/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   sources: columns of role entity, else the key ──┐
 *   snapshots of versions: their entity column ─────┼──> ids, one call each
 *   logged answers: their entity, these columns ────┘
 *
 * 1. It looks where tm__subject_find() looks, so whoever it names can be found and erased.
 * 2. A text is an id as it is; other values are ids as they are written.
 */
#include "loop/subject_ids.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"
#include "monitor/monitor_walk.h"
#include "source/intake.h"
#include "source/source.h"
#include "table/schema.h"

#define ID_BYTES_MAX ((size_t)1 << 20)

json_t *tm__subject_columns_of_source(const json_t *source) {
    json_t *names = json_array();
    size_t i = 0;
    json_t *column = NULL;
    json_array_foreach(json_object_get(source, "columns"), i, column) {
        if (strcmp(tm__json_text(column, "role", ""), "entity") == 0) {
            json_array_append_new(names, json_string(tm__json_text(column, "name", "")));
        }
    }
    if (json_array_size(names) == 0) {
        json_array_extend(names, json_object_get(source, "key"));
    }
    return names;
}

tm_status tm__subject_columns_of_version(const tm_home *home, const tm_version *version,
                                         json_t **out, tm_err *err) {
    const json_t *const recipe = json_object_get(version->info, "recipe");
    const char *const entity = tm__json_text(recipe, "entity", NULL);
    const char *const from = tm__json_text(json_object_get(recipe, "source"), "source", NULL);
    json_t *source = NULL;
    *out = NULL;
    if (entity != NULL) {
        *out = json_pack("[s]", entity);
    } else if (from != NULL) {
        const tm_status st = tm__intake_show(home, from, &source, err);
        TM_TRY(st == TM_E_NOT_FOUND ? TM_OK : st);
        *out = source == NULL ? NULL : tm__subject_columns_of_source(source);
        json_decref(source);
    }
    *out = *out == NULL ? json_array() : *out;
    return tm__json_check(err);
}

typedef struct naming {
    tm_ctx *ctx;
    const tm_home *home;
    tm_registry *registry;
    tm_status (*fn)(void *arg, const char *id, tm_err *err);
    void *arg;
    tm_monitor *monitor; /* NULL: there is no log */
    tm_buf text;
} naming;

static tm_status name_cell(naming *n, const tm_cell *cell, tm_err *err) {
    tm__buf_reset(&n->text);
    if (cell->type == TM_TYPE_TEXT) {
        tm__buf_append(&n->text, cell->text.ptr, cell->text.len);
    } else if (!tm__cell_write_csv(cell, &n->text)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    if (!tm__buf_byte(&n->text, '\0')) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    return n->text.len > 1 ? n->fn(n->arg, (const char *)n->text.data, err) : TM_OK;
}

static tm_status name_rows(naming *n, const tm_table *table, const json_t *names, tm_err *err) {
    for (uint32_t c = 0; c < tm__table_cols(table); c++) {
        const tm_column *const column = tm__table_column(table, c);
        for (uint64_t row = 0;
             tm__json_has_text(names, column->name) && row < tm__table_rows(table); row++) {
            const tm_cell cell = tm__column_cell(column, row);
            TM_TRY(name_cell(n, &cell, err));
        }
    }
    return TM_OK;
}

/* ---- Sources ---- */

static tm_status name_source(naming *n, const char *name, tm_err *err) {
    json_t *source = NULL;
    tm_table *table = NULL;
    TM_TRY(tm__intake_show(n->home, name, &source, err));
    json_t *columns = tm__subject_columns_of_source(source);
    json_decref(source);
    tm_status st = tm__json_check(err);
    if (st == TM_OK && json_array_size(columns) > 0) {
        st = tm__intake_table(n->ctx, n->home, name, &table, err);
        st = st == TM_OK ? name_rows(n, table, columns, err) : st;
    }
    tm__table_unref(table);
    json_decref(columns);
    return st;
}

static tm_status name_sources(naming *n, tm_err *err) {
    json_t *list = NULL, *one = NULL;
    size_t i = 0;
    if (tm__fs_info(tm__home_intake_db(n->home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__intake_list(n->home, &list, err));
    tm_status st = TM_OK;
    json_array_foreach(list, i, one) {
        if (st == TM_OK && tm__json_i64(one, "rows", 0) > 0) {
            st = name_source(n, tm__json_text(one, "source", ""), err);
        }
    }
    json_decref(list);
    return st;
}

/* ---- Versions and their answers ---- */

static tm_status name_snapshot(naming *n, const char *hash, const json_t *columns, tm_err *err) {
    tm_hash name;
    tm_table *table = NULL;
    tm_err why = {0};
    if (!tm__hash_from_text(hash, &name) || json_array_size(columns) == 0) {
        return TM_OK;
    }
    tm_status st = tm__snapshot_load(n->ctx, tm__home_snapshots(n->home), &name, &table, &why);
    if (st == TM_E_NOT_FOUND) {
        return TM_OK;
    }
    if (st == TM_OK) {
        st = name_rows(n, table, columns, err);
    } else if (err != NULL) {
        *err = why;
    }
    tm__table_unref(table);
    return st;
}

typedef struct naming_model {
    naming *n;
    json_t *columns; /* that hold ids in any version of the model */
} naming_model;

static tm_status name_version(void *arg, const tm_version *version, tm_err *err) {
    const naming_model *const m = arg;
    const char *const test = tm__json_text(version->info, "test_snapshot", "");
    json_t *columns = NULL;
    TM_TRY(tm__subject_columns_of_version(m->n->home, version, &columns, err));
    tm_status st = name_snapshot(m->n, version->snapshot, columns, err);
    st = st == TM_OK ? name_snapshot(m->n, test, columns, err) : st;
    json_array_extend(m->columns, columns);
    json_decref(columns);
    return st;
}

static tm_status name_answer(void *arg, const tm_walk_row *row, tm_err *err) {
    const naming_model *const m = arg;
    if (row->entity.ptr != NULL) {
        const tm_cell entity = {.type = TM_TYPE_TEXT, .text = row->entity};
        TM_TRY(name_cell(m->n, &entity, err));
    }
    for (uint32_t i = 0; i < row->n_cells; i++) {
        if (tm__json_has_text(m->columns, row->names[i])) {
            TM_TRY(name_cell(m->n, &row->cells[i], err));
        }
    }
    return TM_OK;
}

static tm_status name_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    naming *const n = arg;
    naming_model m = {n, json_array()};
    const tm_walk_options options = {.model = model, .from_us = INT64_MIN, .until_us = INT64_MAX};
    tm_status st = tm__registry_each_version(registry, model, name_version, &m, err);
    if (st == TM_OK && n->monitor != NULL) {
        st = tm__monitor_walk(n->monitor, &options, name_answer, &m, err);
    }
    json_decref(m.columns);
    return st;
}

static tm_status name_models(naming *n, tm_err *err) {
    static const tm_monitor_options reading = {.can_write = false};
    if (tm__fs_info(tm__home_log_db(n->home)).kind != TM_PATH_NONE) {
        TM_TRY(tm__monitor_open(n->home, &reading, &n->monitor, err));
    }
    const tm_status st = tm__registry_each_model(n->registry, name_model, n, err);
    tm__monitor_close(n->monitor);
    return st;
}

tm_status tm__subject_ids(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                          tm_status (*fn)(void *arg, const char *id, tm_err *err), void *arg,
                          tm_err *err) {
    naming n = {.ctx = ctx, .home = home, .registry = registry, .fn = fn, .arg = arg};
    tm__buf_init(&n.text, ID_BYTES_MAX);
    tm_status st = name_sources(&n, err);
    st = st == TM_OK ? name_models(&n, err) : st;
    tm__buf_done(&n.text);
    return st;
}
