/* SPDX-License-Identifier: Apache-2.0 */
/* Types of columns, from all cells of all items that are there before the first row. */
#include "base/mem.h"
#include "source/csv_priv.h"
#include "source/feed_item.h"
#include "source/source.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to look at files");
}

static tm_status learn_column(void *arg, const tm_csv_column *column, tm_err *err) {
    tm_items *const t = arg;
    const uint32_t code = tm__dict_add(t->names, tm__str(column->name));
    if (code != TM_CODE_MISSING && code == t->columns_max) {
        const uint32_t n = t->columns_max == 0 ? 64 : t->columns_max * 2;
        tm_item_column *const grown = tm__mem_realloc(t->columns, n, sizeof(*grown));
        if (grown == NULL) {
            return no_memory(err);
        }
        t->columns = grown;
        t->columns_max = n;
    }
    if (code == TM_CODE_MISSING) {
        return no_memory(err);
    }
    if (code == t->n_columns) {
        t->columns[code] = (tm_item_column){.name = tm__mem_strdup(column->name)};
        t->n_columns++;
        if (t->columns[code].name == NULL) {
            return no_memory(err);
        }
    }
    t->columns[code].kinds |= column->kinds;
    return TM_OK;
}

/* Type of a column with cells of these kinds; its order of day and month in *out_order. */
static tm_type settle(uint32_t kinds, char *out_order) {
    /* A number that no double holds is its row's fault. */
    const tm_type type = tm__csv_decide(kinds & ~TM_CAN_HUGE);
    const bool is_time = type == TM_TYPE_DATE || type == TM_TYPE_TIME;
    *out_order = !is_time || (kinds & TM_CAN_NATIONAL) == 0 ? 0
                 : (kinds & TM_CAN_DAY_FIRST) != 0          ? 'd'
                                                            : 'm';
    return type == TM_TYPE_NONE ? TM_TYPE_TEXT : type; /* nobody can tell day from month */
}

static bool has_values(uint32_t kinds) {
    return (kinds & ~(TM_CAN_MISSING | TM_CAN_MARK)) != 0;
}

/* All values are dates, but no reading holds them all. */
static bool has_both_orders(uint32_t kinds) {
    return tm__csv_decide(kinds) == TM_TYPE_NONE && (kinds & TM_CAN_DAY_FIRST) != 0 &&
           (kinds & TM_CAN_MONTH_FIRST) != 0;
}

static tm_status two_orders(const char *column, const char *shown, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "dates of column '%s' begin with the day and with the month",
                  column);
    tm_err_at(err, shown, 0, 0);
    tm_err_hint(err, "Write all as 2001-12-31, or read the column as text by --sql with "
                     "read_csv(..., types = {...}).");
    return TM_E_DATA;
}

/* A table without rows: columns that have a value, with their types. */
static tm_status build_types(const tm_items *t, const char *shown, json_t *dates, tm_table **out,
                             tm_err *err) {
    tm_table_builder *const builder = tm__builder_create();
    tm_status st = builder == NULL ? no_memory(err) : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < t->n_columns; i++) {
        const tm_item_column *const column = &t->columns[i];
        char order = 0;
        const tm_type type = settle(column->kinds, &order);
        if (has_both_orders(column->kinds)) {
            st = two_orders(column->name, shown, err);
        } else if (has_values(column->kinds)) {
            st = tm__builder_add_column(builder, column->name, type, err);
        }
        if (order != 0) {
            json_object_set_new(dates, column->name, json_stringn(&order, 1));
        }
    }
    if (st != TM_OK) {
        tm__builder_free(builder);
        return st;
    }
    return tm__builder_finish(builder, out, err);
}

bool tm__items_have_types(const tm_items *items) {
    return json_object_get(items->state, "types") != NULL;
}

tm_status tm__items_look(tm_items *items, const char *path, tm_err *err) {
    const tm_file_kind kind = tm__source_kind(path);
    const tm_source_spec spec = {.no_header =
                                     json_is_true(json_object_get(items->in->spec, "no_header")),
                                 .skips_bad = true};
    tm_err ignored = {0};
    if (kind == TM_FILE_JSON || kind == TM_FILE_PARQUET) {
        return TM_OK;
    }
    const tm_status st =
        tm__csv_examine_file(items->ctx, &spec, path, learn_column, items, &ignored);
    if (st != TM_E_NOMEM && st != TM_E_CANCELLED) {
        return TM_OK;
    }
    if (err != NULL) {
        *err = ignored;
    }
    return st;
}

tm_status tm__items_settle(tm_items *items, const char *shown, tm_err *err) {
    json_t *dates = json_object();
    tm_table *table = NULL;
    tm_status st = items->n_columns == 0 ? TM_OK : build_types(items, shown, dates, &table, err);
    if (st != TM_OK) {
        json_decref(dates);
        return st;
    }
    json_object_set_new(items->state, "dates", dates);
    json_object_set_new(items->state, "types", json_true());
    if (table != NULL && tm__table_cols(table) > 0) { /* else stored with the first block */
        const tm_feed_block block = {.rows = table, .origin = "", .state = items->state};
        st = tm__json_check(err);
        st = st == TM_OK ? items->sink->take(items->sink->arg, &block, err) : st;
        items->has_given = true;
    }
    tm__table_unref(table);
    return st;
}
