/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as a model reads them: with its names (table/renames.h) first, then with its features over
 * windows, computed from a history or given as columns.
 */
#include "model/bundle_windows.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

static const json_t *record_of(const tm_bundle *bundle) {
    return json_object_get(tm__bundle_info(bundle), "windows");
}

bool tm__bundle_has_windows(const tm_bundle *bundle) {
    return json_array_size(json_object_get(record_of(bundle), "features")) > 0;
}

tm_status tm__bundle_windows(const tm_bundle *bundle, tm_window_set **out, tm_err *err) {
    return tm__window_set_from_json(record_of(bundle), out, err);
}

/* ---- What to read ---- */

static tm_status add_column(tm_schema *schema, const tm_window_need *n, tm_err *err) {
    tm_schema_column *const column = &schema->cols[schema->n_cols];
    *column = (tm_schema_column){.name = tm__mem_strdup(n->name),
                                 .type = n->type,
                                 .role = TM_ROLE_DROPPED,
                                 .is_nullable = true};
    if (column->name == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the schema");
    }
    schema->n_cols++;
    return TM_OK;
}

static tm_status add_needs(tm_schema *schema, const tm_window_set *set, const char *source,
                           tm_err *err) {
    uint32_t n = 0;
    const tm_window_need *const needs = tm__window_set_needs(set, &n);
    tm_schema_column *const cols =
        tm__mem_realloc(schema->cols, (size_t)schema->n_cols + n, sizeof(*cols));
    if (cols == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the schema");
    }
    schema->cols = cols;
    for (uint32_t i = 0; i < n; i++) {
        const bool is_of_it = source == NULL
                                  ? needs[i].source == NULL
                                  : needs[i].source != NULL && strcmp(needs[i].source, source) == 0;
        if (is_of_it && tm__schema_find(schema, tm__str(needs[i].name)) == UINT32_MAX) {
            TM_TRY(add_column(schema, &needs[i], err));
        }
    }
    return TM_OK;
}

/* A schema, which is taken, with the columns that the windows need of a source. */
static tm_status with_needs(const tm_bundle *bundle, const char *source, tm_schema *schema,
                            tm_schema *out, tm_err *err) {
    tm_window_set *set = NULL;
    tm_status st = TM_OK;
    if (tm__bundle_has_windows(bundle)) {
        st = tm__bundle_windows(bundle, &set, err);
        st = st == TM_OK ? add_needs(schema, set, source, err) : st;
    }
    tm__window_set_free(set);
    if (st != TM_OK) {
        tm__schema_done(schema);
        return st;
    }
    *out = *schema;
    return TM_OK;
}

tm_status tm__bundle_rows_schema(const tm_bundle *bundle, tm_schema *out, tm_err *err) {
    tm_schema schema = {0};
    TM_TRY(tm__schema_copy(tm__bundle_schema(bundle), &schema, err));
    const tm_status st = tm__renames_widen(tm__bundle_renames(bundle), &schema, err);
    if (st != TM_OK) {
        tm__schema_done(&schema);
        return st;
    }
    return with_needs(bundle, NULL, &schema, out, err);
}

tm_status tm__bundle_events_schema(const tm_bundle *bundle, const char *source, tm_schema *out,
                                   tm_err *err) {
    tm_schema schema = {0};
    return with_needs(bundle, source, &schema, out, err);
}

/* ---- Rows ---- */

/* Columns that the model reads must be there. */
static tm_status check_given(const tm_bundle *bundle, const tm_window_set *set,
                             const tm_table *rows, tm_err *err) {
    for (uint32_t i = 0; i < tm__window_set_count(set); i++) {
        const char *const name = tm__window_set_name(set, i);
        if (tm__schema_find(tm__bundle_schema(bundle), tm__str(name)) != UINT32_MAX &&
            tm__table_find(rows, name) == UINT32_MAX) {
            const tm_status st = TM_FAIL(
                err, TM_E_DATA, "the rows lack '%s', which the model computes from events", name);
            tm_err_hint(err, "Give the events before them: --history DATA (rows as in training). "
                             "Or rows that have its features as columns.");
            return st;
        }
    }
    return TM_OK;
}

static tm_status check_absent(const tm_window_set *set, const tm_table *rows, tm_err *err) {
    for (uint32_t i = 0; i < tm__window_set_count(set); i++) {
        const char *const name = tm__window_set_name(set, i);
        if (tm__table_find(rows, name) != UINT32_MAX) {
            const tm_status st = TM_FAIL(
                err, TM_E_DATA, "the rows have '%s', and a history to compute it from", name);
            tm_err_hint(err, "Leave that column out, or the history.");
            return st;
        }
    }
    return TM_OK;
}

/* Events of other sources alone are a history for features that look at nothing else. */
static tm_status check_own(const tm_window_set *set, tm_err *err) {
    uint32_t n = 0;
    const tm_window_need *const needs = tm__window_set_needs(set, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (needs[i].source == NULL && needs[i].of_events) {
            const tm_status st =
                TM_FAIL(err, TM_E_DATA, "the model's features look at earlier rows, too");
            tm_err_hint(err, "Give them: --history DATA (rows as in training).");
            return st;
        }
    }
    return TM_OK;
}

/* The history, and behind it the rows as far as they have what events have. */
static tm_status add_rows(const tm_window_set *set, const tm_table *history, const tm_table *rows,
                          tm_table **out, tm_err *err) {
    const char *names[TM_MAX_COLS];
    uint32_t n = 0, n_names = 0;
    const tm_window_need *const needs = tm__window_set_needs(set, &n);
    for (uint32_t i = 0; i < n && n_names < TM_MAX_COLS; i++) {
        if (needs[i].source == NULL && needs[i].of_events) {
            names[n_names++] = needs[i].name;
        }
    }
    const tm_status st = tm__table_append(history, rows, names, n_names, out, err);
    if (st == TM_E_DATA) {
        tm_err_hint(err, "The history has the columns of the training rows.");
    }
    return st;
}

static tm_status widen(const tm_ctx *ctx, const tm_window_set *set, const tm_table *rows,
                       const tm_bundle_history *history, tm_table **out, tm_err *err) {
    tm_window_tables tables = history->tables;
    tm_table *both = NULL;
    TM_TRY(check_absent(set, rows, err));
    if (tables.events == NULL) {
        TM_TRY(check_own(set, err));
        tables.events = rows;
    } else if (!history->has_rows) {
        TM_TRY(add_rows(set, tables.events, rows, &both, err));
        tables.events = both;
    }
    const tm_status st = tm__window_set_apply(ctx, set, rows, &tables, out, err);
    tm__table_unref(both);
    return st;
}

static tm_status widen_named(const tm_ctx *ctx, const tm_bundle *bundle, tm_table *rows,
                             const tm_bundle_history *history, tm_table **out, tm_err *err) {
    tm_window_set *set = NULL;
    if (!tm__bundle_has_windows(bundle)) {
        if (history != NULL) {
            return TM_FAIL(err, TM_E_USAGE,
                           "the model has no features over windows: it needs no "
                           "history");
        }
        *out = tm__table_ref(rows);
        return TM_OK;
    }
    TM_TRY(tm__bundle_windows(bundle, &set, err));
    tm_status st = history == NULL ? check_given(bundle, set, rows, err)
                                   : widen(ctx, set, rows, history, out, err);
    if (st == TM_OK && history == NULL) {
        *out = tm__table_ref(rows);
    }
    tm__window_set_free(set);
    return st;
}

tm_status tm__bundle_widen(const tm_ctx *ctx, const tm_bundle *bundle, tm_table *rows,
                           const tm_bundle_history *history, tm_table **out, tm_err *err) {
    tm_table *named = NULL, *events = NULL;
    tm_bundle_history own = history != NULL ? *history : (tm_bundle_history){0};
    tm_status st = tm__bundle_rename(bundle, rows, &named, err);
    if (st == TM_OK && own.tables.events != NULL) {
        st = tm__bundle_rename(bundle, (tm_table *)(uintptr_t)own.tables.events, &events, err);
        own.tables.events = events;
    }
    if (st == TM_OK) {
        st = widen_named(ctx, bundle, named, history != NULL ? &own : NULL, out, err);
    }
    tm__table_unref(named);
    tm__table_unref(events);
    return st;
}
