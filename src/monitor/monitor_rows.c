/* SPDX-License-Identifier: Apache-2.0 */
/* Labelled answers as rows to learn from. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/monitor_live.h"
#include "monitor/monitor_priv.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* A labelled answer: its label, and in which order it is read. */
typedef struct tm_joined {
    int64_t order_us, seq;
    char *label; /* owned */
} tm_joined;

typedef struct tm_rows_query {
    const tm_bundle *bundle;
    const char *model;
    tm_span span;
    const tm_live_options *only; /* NULL: of any version and time */
    tm_schema_column *columns;   /* [n_cols]: inputs, entity and time beside them, target last;
                                    names are the bundle's */
    uint32_t n_cols;
    tm_table_builder *builder; /* NULL before it begins */
    tm_cell *cells;            /* [n_cols] */
    char (*texts)[32];         /* [n_cols]: room for numbers made text */
    tm_columns *places;        /* of each stream met, in a list */
    uint64_t n_unmatured;
} tm_rows_query;

const tm_label_cut tm__label_cut_none = {INT64_MIN, INT64_MIN, INT64_MIN};
const tm_label_cut tm__label_cut_all = {INT64_MAX, INT64_MAX, INT64_MAX};

/* What the row itself does not say of the columns that the answer has of its own. */
static tm_cell cell_from_answer(const tm_schema_column *column, const tm_record *record) {
    tm_cell cell = {.type = TM_TYPE_NONE};
    if (column->role == TM_ROLE_ENTITY && record->entity.ptr != NULL) {
        cell.type = TM_TYPE_TEXT;
        cell.text = record->entity;
    } else if (column->role == TM_ROLE_TIME && record->event_us != TM_INT_MISSING) {
        cell.type = TM_TYPE_TIME;
        cell.i64 = record->event_us;
    }
    return cell;
}

/* The value of a column, under its name or one that it had: the row may be of another version. One
 * that cannot be converted is missing. */
static tm_cell given_cell(const tm_rows_query *query, const tm_columns *given, const char *name) {
    const tm_renames *const renames = tm__bundle_renames(query->bundle);
    const uint32_t from = tm__columns_find(given, name);
    tm_cell cell = from == UINT32_MAX ? (tm_cell){.type = TM_TYPE_NONE} : given->cells[from];
    for (uint32_t i = 0; from == UINT32_MAX && i < tm__renames_count(renames); i++) {
        const tm_rename *const r = tm__renames_get(renames, i);
        const uint32_t at =
            strcmp(r->column_name, name) == 0 ? tm__columns_find(given, r->name) : UINT32_MAX;
        if (at != UINT32_MAX) {
            cell = given->cells[at];
            const tm_status st = tm__rename_cell(r, &cell, NULL);
            return st == TM_OK ? cell : (tm_cell){.type = TM_TYPE_NONE};
        }
    }
    return cell;
}

/* A label as the class that it means, in the words of training. Of more than two classes one that
 * training never saw is a new one; of two it is NULL: a third one cannot be learned. */
static const char *label_text(const tm_rows_query *query, const char *label) {
    const uint32_t n_classes = tm__bundle_classes(query->bundle);
    double y = 0;
    if (n_classes == 0 || !tm__label_number(query->bundle, tm__str(label), &y)) {
        return label;
    }
    return y < n_classes ? tm__bundle_class(query->bundle, (uint32_t)y)
                         : (n_classes == 2 ? NULL : label);
}

static tm_status rows_add(tm_rows_query *query, const tm_record *record, const char *label,
                          const tm_columns *given, tm_err *err) {
    const char *const truth = label_text(query, label);
    if (!tm__record_cells(record, given->cells, given->n)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the log has an answer with a damaged row");
    }
    if (truth == NULL) {
        return TM_OK;
    }
    for (uint32_t i = 0; i < query->n_cols; i++) {
        const tm_schema_column *column = &query->columns[i];
        tm_cell *cell = &query->cells[i];
        bool is_changed = false;
        *cell = given_cell(query, given, column->name);
        if (column->role == TM_ROLE_TARGET) {
            *cell = (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(truth)};
        } else if (cell->type == TM_TYPE_NONE) {
            *cell = cell_from_answer(column, record);
        }
        if (cell->type != TM_TYPE_NONE &&
            tm__cell_fit(column, cell, query->texts[i], &is_changed, NULL) != TM_OK) {
            return TM_OK; /* the row of a version with another schema, or no number as label */
        }
    }
    return tm__builder_add_row(query->builder, query->cells, err);
}

/* A column that the model does not read and a run needs: the bundle knows its name alone. */
static void extra_column(tm_rows_query *query, const char *role_name, tm_schema_column column) {
    const char *name = tm__json_text(tm__bundle_info(query->bundle), role_name, "");
    if (name[0] != '\0' &&
        tm__schema_find(tm__bundle_schema(query->bundle), tm__str(name)) == UINT32_MAX) {
        column.name = (char *)(uintptr_t)name;
        query->columns[query->n_cols++] = column;
    }
}

/* What another bundle reads of the same answers. */
static void rows_columns_also(tm_rows_query *query) {
    const tm_schema *also = tm__bundle_schema(query->span.also);
    const uint32_t n_own = query->n_cols;
    for (uint32_t i = 0; i < also->n_cols; i++) {
        bool is_there = strcmp(also->cols[i].name, tm__bundle_target(query->bundle)) == 0;
        for (uint32_t k = 0; k < n_own; k++) {
            is_there = is_there || strcmp(also->cols[i].name, query->columns[k].name) == 0;
        }
        if (!is_there) {
            query->columns[query->n_cols++] = also->cols[i];
        }
    }
}

static void rows_columns(tm_rows_query *query) {
    const tm_schema *schema = tm__bundle_schema(query->bundle);
    const char *type_text = tm__json_text(tm__bundle_info(query->bundle), "target_type", "text");
    const tm_type type = tm__type_from_text(type_text);
    const bool is_value = tm__bundle_classes(query->bundle) == 0;
    memcpy(query->columns, schema->cols, schema->n_cols * sizeof(*query->columns));
    query->n_cols = schema->n_cols;
    extra_column(query, "entity", (tm_schema_column){.type = TM_TYPE_TEXT, .role = TM_ROLE_ENTITY});
    extra_column(query, "time", (tm_schema_column){.type = TM_TYPE_TIME, .role = TM_ROLE_TIME});
    if (query->span.also != NULL) {
        rows_columns_also(query);
    }
    query->columns[query->n_cols++] = (tm_schema_column){
        .name = (char *)(uintptr_t)tm__bundle_target(query->bundle),
        .type = is_value               ? TM_TYPE_FLOAT
                : type == TM_TYPE_NONE ? TM_TYPE_TEXT
                                       : type,
        .role = TM_ROLE_TARGET,
    };
}

static tm_status rows_begin(tm_rows_query *query, tm_err *err) {
    const tm_bundle *also = query->span.also;
    const size_t n_max = (size_t)tm__bundle_schema(query->bundle)->n_cols + 3 +
                         (also != NULL ? tm__bundle_schema(also)->n_cols : 0);
    query->columns = tm__mem_zalloc(n_max, sizeof(*query->columns));
    query->cells = tm__mem_zalloc(n_max, sizeof(*query->cells));
    query->texts = tm__mem_zalloc(n_max, sizeof(*query->texts));
    query->builder = tm__builder_create();
    if (query->columns == NULL || query->cells == NULL || query->texts == NULL ||
        query->builder == NULL) {
        return no_memory(err);
    }
    rows_columns(query);
    for (uint32_t i = 0; i < query->n_cols; i++) {
        TM_TRY(tm__builder_add_column(query->builder, query->columns[i].name,
                                      query->columns[i].type, err));
    }
    return TM_OK;
}

static int compare_joined(const void *a, const void *b) {
    const tm_joined *x = a, *y = b;
    if (x->order_us != y->order_us) {
        return x->order_us < y->order_us ? -1 : 1;
    }
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

typedef struct tm_joined_list {
    tm_joined *items; /* [n], owned */
    size_t n, n_max;
} tm_joined_list;

static tm_status joined_add(tm_joined_list *list, const tm_record *record, tm_joined joined,
                            tm_err *err) {
    if (list->n == list->n_max) {
        const size_t n_max = list->n_max == 0 ? 256 : 2 * list->n_max;
        tm_joined *grown = tm__mem_realloc(list->items, n_max, sizeof(*grown));
        if (grown == NULL) {
            return no_memory(err);
        }
        list->items = grown;
        list->n_max = n_max;
    }
    joined.order_us = tm__record_moment(record);
    joined.label = tm__mem_strdup(joined.label);
    if (joined.label == NULL) {
        return no_memory(err);
    }
    list->items[list->n++] = joined;
    return TM_OK;
}

/* A label's times. */
typedef struct tm_label_times {
    int64_t joined_us, known_us, moment_us;
} tm_label_times;

static bool is_of(const tm_label_cut *cut, const tm_label_times *times) {
    return times->joined_us <= cut->joined_us && times->known_us <= cut->known_us &&
           times->moment_us <= cut->moment_us;
}

static tm_status joined_look(tm_rows_query *query, tm_block *block, tm_stmt *stmt,
                             tm_joined_list *list, tm_err *err) {
    const tm_joined joined = {.seq = tm__stmt_i64(stmt, 0),
                              .label = (char *)(uintptr_t)tm__stmt_text(stmt, 1)};
    if (tm__json_has_text(query->span.left_out, tm__stmt_text(stmt, 4))) {
        return TM_OK;
    }
    TM_TRY(tm__block_seek(block, joined.seq, err));
    tm_label_times times = {tm__stmt_i64(stmt, 2), tm__stmt_i64(stmt, 3),
                            tm__record_moment(&block->record)};
    if (query->only != NULL) {
        const int64_t us = query->only->is_by_row ? times.moment_us : block->record.at_us;
        if (us < query->only->from_us || us >= query->only->until_us) {
            return TM_OK;
        }
    }
    if (times.known_us <= times.joined_us) { /* the stamps of joining may run before the clock */
        times.known_us = INT64_MIN;
    }
    if (!is_of(&query->span.until, &times)) {
        query->n_unmatured++;
        return TM_OK;
    }
    return is_of(&query->span.after, &times) ? TM_OK
                                             : joined_add(list, &block->record, joined, err);
}

/* The labelled answers of the span; the order in which they are learned is not that of the log. */
static tm_status joined_read(tm_rows_query *query, tm_block *block, tm_joined_list *list,
                             tm_err *err) {
    const tm_label_cut *const after = &query->span.after;
    const bool is_by_join = after->known_us == INT64_MAX && after->moment_us == INT64_MAX;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(block->db,
                         "SELECT answer_seq, " TM_LABEL_VALUE
                         ", joined_us, observed_us, origin FROM labels"
                         " WHERE state = 1 AND stream IN (SELECT id FROM streams WHERE model = ?1"
                         " AND (?4 = 0 AND arm != 'shadow' OR version = ?4))"
                         " AND joined_us > ?2 AND joined_us <= ?3 ORDER BY answer_seq",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, query->model);
    tm__stmt_bind_i64(stmt, 2, is_by_join ? after->joined_us : INT64_MIN);
    tm__stmt_bind_i64(stmt, 3, query->span.until.joined_us);
    tm__stmt_bind_i64(stmt, 4, query->only != NULL ? query->only->version : 0);
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = joined_look(query, block, stmt, list, err);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status joined_take(tm_rows_query *query, tm_block *block, const tm_joined_list *list,
                             tm_err *err) {
    for (size_t i = 0; i < list->n; i++) {
        const tm_columns *given = NULL;
        TM_TRY(tm__block_seek(block, list->items[i].seq, err));
        TM_TRY(tm__columns_of(block, &query->places, &given, err));
        TM_TRY(rows_add(query, &block->record, list->items[i].label, given, err));
    }
    return TM_OK;
}

static tm_status rows_read(tm_db *db, void *arg, tm_err *err) {
    tm_rows_query *query = arg;
    tm_joined_list list = {0};
    tm_block block;
    tm__block_init(&block, db);
    tm_status st = rows_begin(query, err);
    st = st == TM_OK ? joined_read(query, &block, &list, err) : st;
    if (st == TM_OK && list.n > 0) {
        qsort(list.items, list.n, sizeof(*list.items), compare_joined);
        st = joined_take(query, &block, &list, err);
    }
    for (size_t i = 0; i < list.n; i++) {
        tm__mem_free(list.items[i].label);
    }
    tm__mem_free(list.items);
    tm__block_done(&block);
    return st;
}

/* Ends the query. */
static tm_status rows_of(tm_monitor *monitor, tm_rows_query *query, tm_table **out, tm_err *err) {
    tm_table *table = NULL;
    tm_status st = tm__log_read(monitor, rows_read, query, err);
    if (st == TM_OK && query->builder != NULL) {
        st = tm__builder_finish(query->builder, &table, err);
        query->builder = NULL;
    }
    if (st == TM_OK && table != NULL && tm__table_rows(table) == 0) {
        tm__table_unref(table);
        table = NULL;
    }
    if (st == TM_OK) {
        *out = table;
    }
    tm__builder_free(query->builder);
    tm__columns_free(query->places);
    tm__mem_free(query->cells);
    tm__mem_free(query->texts);
    tm__mem_free(query->columns);
    return st;
}

tm_status tm__monitor_labelled_span(tm_monitor *monitor, const tm_bundle *bundle, const char *model,
                                    tm_span span, tm_table **out, uint64_t *out_unmatured,
                                    tm_err *err) {
    tm_rows_query query = {.bundle = bundle, .model = model, .span = span};
    TM_TRY(rows_of(monitor, &query, out, err));
    if (out_unmatured != NULL) {
        *out_unmatured = query.n_unmatured;
    }
    return TM_OK;
}

tm_status tm__monitor_labelled_of(tm_monitor *monitor, const tm_bundle *bundle,
                                  const tm_live_options *options, tm_table **out, tm_err *err) {
    tm_rows_query query = {.bundle = bundle,
                           .model = options->model,
                           .span = {.after = tm__label_cut_none, .until = tm__label_cut_all},
                           .only = options};
    return rows_of(monitor, &query, out, err);
}

tm_status tm__monitor_labelled(tm_monitor *monitor, const tm_bundle *bundle, const char *model,
                               int64_t after_us, tm_table **out, tm_err *err) {
    const tm_span span = {.after = {after_us, INT64_MAX, INT64_MAX}, .until = tm__label_cut_all};
    return tm__monitor_labelled_span(monitor, bundle, model, span, out, NULL, err);
}

typedef struct tm_until_query {
    const char *model;
    int64_t until_us;
} tm_until_query;

static tm_status until_read(tm_db *db, void *arg, tm_err *err) {
    tm_until_query *query = arg;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT max((SELECT max(joined_us) FROM labels WHERE state = 1"
                         " AND stream = streams.id)) FROM streams WHERE model = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, query->model);
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        query->until_us = has_row ? tm__stmt_i64(stmt, 0) : 0; /* null gives 0 */
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__monitor_labelled_until(tm_monitor *monitor, const char *model, int64_t *out_us,
                                     tm_err *err) {
    tm_until_query query = {.model = model};
    TM_TRY(tm__log_read(monitor, until_read, &query, err));
    *out_us = query.until_us;
    return TM_OK;
}

typedef struct tm_after_query {
    const char *model;
    int64_t after_us;
    uint64_t n;
} tm_after_query;

static tm_status after_read(tm_db *db, void *arg, tm_err *err) {
    tm_after_query *const query = arg;
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(
        tm__stmt_init(db,
                      "SELECT sum((SELECT count(*) FROM labels WHERE state = 1"
                      " AND stream = streams.id AND joined_us > ?2)) FROM streams WHERE model = ?1",
                      &stmt, err));
    tm__stmt_bind_text(stmt, 1, query->model);
    tm__stmt_bind_i64(stmt, 2, query->after_us);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    query->n = st == TM_OK && has_row ? (uint64_t)tm__stmt_i64(stmt, 0) : 0; /* null gives 0 */
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__monitor_labelled_after(tm_monitor *monitor, const char *model, int64_t after_us,
                                     uint64_t *out_n, tm_err *err) {
    tm_after_query query = {.model = model, .after_us = after_us};
    TM_TRY(tm__log_read(monitor, after_read, &query, err));
    *out_n = query.n;
    return TM_OK;
}
