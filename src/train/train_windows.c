/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features over windows of a run: columns that are added to the rows before anything else looks at
 * them.
 *
 *   training rows ──> words, types, scales ──> the set that stands in the record
 *   training rows, events: themselves ──> wide training rows    (and those of other sources)
 *   test rows,     events: training rows and test rows ──> wide test rows
 *
 * Every row sees what was known before its moment, and no more. Of rows that are split later that
 * may be what a test row says: it is what would have been known.
 *
 * Scales are fitted on all training rows, also those that are only tested on when the split holds
 * some out. It cannot matter to a score: a scale is a power of two, values are rounded to 2^-54 of
 * it, and none that it was fitted on is cut.
 */
#include "train/train_priv.h"

#include "base/mem.h"

void tm__train_windows_done(tm_train_windows *w) {
    tm__window_set_free(w->set);
    tm__table_unref(w->table);
    tm__table_unref(w->test);
    *w = (tm_train_windows){0};
}

tm_status tm__train_windows_set(const tm_train_options *options, tm_window_set **out, tm_err *err) {
    const char **texts = NULL;
    uint32_t n_texts = 0;
    TM_TRY(tm__train_features(options, true, &texts, &n_texts, err));
    const tm_window_spec spec = {.texts = texts,
                                 .n_texts = n_texts,
                                 .time = options->time,
                                 .known = options->known,
                                 .n_known = options->n_known,
                                 .hidden = options->drop,
                                 .n_hidden = options->n_drop,
                                 .target = options->target,
                                 .allows_leaks = options->is_trial};
    const tm_status st =
        n_texts > 0 || options->n_known > 0 ? tm__window_set_create(&spec, out, err) : TM_OK;
    tm__mem_free((void *)texts);
    return st;
}

/* The model to go on from says what its features are, and their scales. */
static tm_status take_set(const tm_bundle *base, tm_window_set **out, tm_err *err) {
    const json_t *const record = json_object_get(tm__bundle_info(base), "windows");
    return record == NULL ? TM_OK : tm__window_set_from_json(record, out, err);
}

/* What a limit of the whole run leaves for the engine beside the columns that it makes. */
static void leave_room(tm_ctx *ctx, const tm_table *rows, uint32_t n_features) {
    const uint64_t columns = tm__table_rows(rows) * n_features * 2 * sizeof(double);
    const uint64_t used = tm__mem_bytes() + columns;
    if (ctx->memory_limit > 0) {
        ctx->memory_limit = ctx->memory_limit > used ? ctx->memory_limit - used : 1;
    }
}

static tm_window_tables tables_of(const tm_train_options *options, const tm_table *events) {
    return (tm_window_tables){
        .events = events, .sources = options->events, .n_sources = options->n_events};
}

static tm_status widen(const tm_ctx *ctx, const tm_window_set *set, const tm_table *rows,
                       const tm_window_tables *tables, tm_table **out, tm_err *err) {
    tm_ctx own = *ctx;
    leave_room(&own, rows, tm__window_set_count(set));
    return tm__window_set_apply(&own, set, rows, tables, out, err);
}

static tm_status widen_test(const tm_ctx *ctx, tm_train_windows *w, const tm_window_tables *tables,
                            const tm_table *test, tm_err *err) {
    tm_window_tables behind = *tables;
    tm_table *both = NULL;
    TM_TRY(tm__table_concat(tables->events, test, &both, err));
    behind.events = both;
    const tm_status st = widen(ctx, w->set, test, &behind, &w->test, err);
    tm__table_unref(both);
    return st;
}

tm_status tm__train_windows_init(tm_ctx *ctx, tm_table *table, tm_table *test,
                                 const tm_train_options *options, tm_train_windows *out,
                                 tm_err *err) {
    const tm_window_tables tables = tables_of(options, table);
    tm_train_windows w = {0};
    tm_status st = TM_OK;
    if (options->base != NULL) {
        st = take_set(options->base, &w.set, err);
    } else {
        st = tm__train_windows_set(options, &w.set, err);
        st = st == TM_OK && w.set != NULL ? tm__window_set_fit(w.set, &tables, err) : st;
    }
    const bool has_columns = st == TM_OK && w.set != NULL && tm__window_set_count(w.set) > 0;
    if (has_columns) {
        tm__ctx_progress(ctx, "windows", 0, 1, NULL);
        st = widen(ctx, w.set, table, &tables, &w.table, err);
        st = st == TM_OK && test != NULL ? widen_test(ctx, &w, &tables, test, err) : st;
    } else if (st == TM_OK) {
        w.table = tm__table_ref(table);
        w.test = test == NULL ? NULL : tm__table_ref(test);
    }
    if (st != TM_OK) {
        tm__train_windows_done(&w);
        return st;
    }
    *out = w;
    return TM_OK;
}

static tm_status refuse_input(const tm_train_data *data, const char *column, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_REFUSED, "column '%s' is not known at its row's '%s', so no input",
                column, data->schema.cols[data->time].name);
    tm_err_hint(err, "Leave it out: --drop %s. Features over windows may still look at it.",
                column);
    return st;
}

tm_status tm__train_windows_roles(tm_train_data *data, const tm_window_set *set, bool is_trial,
                                  tm_err *err) {
    for (uint32_t c = 0; set != NULL && c < data->schema.n_cols; c++) {
        tm_schema_column *const column = &data->schema.cols[c];
        const bool is_read = column->role == TM_ROLE_READ;
        if (column->role != TM_ROLE_FEATURE && !is_read) {
            continue;
        }
        if (tm__window_set_is_moment(set, column->name) && !is_read) {
            column->role = TM_ROLE_DROPPED;
            tm__mem_free(column->reason);
            column->reason = tm__mem_strdup("says when others are known");
            if (column->reason == NULL) {
                return TM_FAIL(err, TM_E_NOMEM, "no memory for the schema");
            }
        } else if (!is_trial && (tm__window_set_is_later(set, column->name) ||
                                 tm__window_set_is_moment(set, column->name))) {
            return refuse_input(data, column->name, err);
        }
    }
    return TM_OK;
}
