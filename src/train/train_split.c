/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows a model learns from and which only score it.
 *
 * A split must look like the use: rows that come later are the test when rows have an order in
 * time, whole entities are the test when rows of one entity repeat, else rows are drawn. Draws are
 * pure functions of (seed, row or entity), so the same row goes the same way on every machine. A
 * query of a ranking goes where its first row goes.
 */
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "base/rng.h"

#define SHARE_DEFAULT 0.2

static tm_status check_share(tm_str text, double *out, tm_err *err) {
    if (!tm__str_to_f64(text, out) || !(*out > 0.0 && *out < 1.0)) {
        tm_status st = TM_FAIL(err, TM_E_USAGE, "the share of a split must be between 0 and 1");
        tm_err_hint(err, "Write for example random:0.2 to test on one row in five.");
        return st;
    }
    return TM_OK;
}

static tm_status parse_mod(tm_str rest, tm_split *out, tm_err *err) {
    uint64_t mod = 0;
    uint64_t remainder = 0;
    const tm_str first = tm__str_cut(&rest, ':');
    if (!tm__str_to_u64(first, &mod) || !tm__str_to_u64(rest, &remainder) || mod < 2 ||
        mod > 1000000 || remainder >= mod) {
        return TM_FAIL(err, TM_E_USAGE, "mod wants two numbers as in mod:5:4");
    }
    out->mod = (uint32_t)mod;
    out->rest = (uint32_t)remainder;
    return TM_OK;
}

static tm_status parse_column(tm_str rest, tm_split *out, tm_err *err) {
    /* The column's name may hold a colon: the last one separates, unless what follows is a time of
     * day. */
    size_t cut = rest.len;
    for (size_t i = 0; i < rest.len; i++) {
        const tm_str tail = {rest.ptr + i + 1, rest.len - i - 1};
        double share = 0.0;
        int64_t at = 0;
        if (rest.ptr[i] == ':' && (tm__str_to_f64(tail, &share) || tm__time_parse(tail, &at))) {
            cut = i;
            break;
        }
    }
    if (cut == 0 || cut > sizeof(out->column) - 1) {
        return TM_FAIL(err, TM_E_USAGE, "the split names no column");
    }
    (void)tm__str_copy(out->column, sizeof(out->column), (tm_str){rest.ptr, cut});
    out->share = SHARE_DEFAULT;
    if (cut == rest.len) {
        return TM_OK;
    }
    const tm_str tail = {rest.ptr + cut + 1, rest.len - cut - 1};
    if (out->kind == TM_SPLIT_TIME && tm__time_parse(tail, &out->at_us)) {
        out->kind = TM_SPLIT_TIME_AT;
        return TM_OK;
    }
    return check_share(tail, &out->share, err);
}

tm_status tm__split_parse(const char *text, tm_split *out, tm_err *err) {
    static const struct {
        const char *name;
        tm_split_kind kind;
    } kinds[] = {{"random", TM_SPLIT_RANDOM}, {"last", TM_SPLIT_LAST}, {"time", TM_SPLIT_TIME},
                 {"group", TM_SPLIT_GROUP},   {"mod", TM_SPLIT_MOD},   {"auto", TM_SPLIT_AUTO},
                 {"none", TM_SPLIT_NONE}};
    tm_split split = {.kind = TM_SPLIT_AUTO, .share = SHARE_DEFAULT};
    tm_str rest = tm__str(text);
    const tm_str name = tm__str_cut(&rest, ':');
    bool is_known = false;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (tm__str_is(name, kinds[i].name)) {
            split.kind = kinds[i].kind;
            is_known = true;
        }
    }
    if (!is_known) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "unknown split '%s'", text);
        tm_err_hint(err, "Splits are random:0.2, last:0.2, time:COL:0.2, time:COL:2015-03-01, "
                         "group:COL:0.2 and mod:5:4.");
        return st;
    }
    if (split.kind == TM_SPLIT_MOD) {
        TM_TRY(parse_mod(rest, &split, err));
    } else if (split.kind == TM_SPLIT_TIME || split.kind == TM_SPLIT_GROUP) {
        TM_TRY(parse_column(rest, &split, err));
    } else if (rest.len > 0) {
        TM_TRY(check_share(rest, &split.share, err));
    }
    *out = split;
    return TM_OK;
}

static bool is_time_type(tm_type type) {
    return type == TM_TYPE_DATE || type == TM_TYPE_TIME;
}

/* Rows of a time column that never go back, apart from missing ones, are in time order. */
static bool is_sorted(const tm_column *column, uint64_t n) {
    int64_t last = INT64_MIN;
    for (uint64_t i = 0; i < n; i++) {
        if (column->ints[i] == TM_INT_MISSING) {
            continue;
        }
        if (column->ints[i] < last) {
            return false;
        }
        last = column->ints[i];
    }
    return last != INT64_MIN;
}

/* A column that orders the rows: the one named, else the only time column if the rows are sorted by
 * it. */
static uint32_t find_order(const tm_train_data *data) {
    uint32_t found = UINT32_MAX;
    for (uint32_t c = 0; c < data->schema.n_cols; c++) {
        const tm_column *column = tm__table_column(data->table, c);
        if (data->schema.cols[c].role == TM_ROLE_FEATURE && is_time_type(column->type)) {
            if (found != UINT32_MAX) {
                return UINT32_MAX;
            }
            found = c;
        }
    }
    if (found != UINT32_MAX && is_sorted(tm__table_column(data->table, found), data->n_own)) {
        return found;
    }
    return UINT32_MAX;
}

static tm_status find_column(const tm_train_data *data, const char *name, uint32_t *out,
                             tm_err *err) {
    *out = tm__table_find(data->table, name);
    if (*out == UINT32_MAX) {
        return TM_FAIL(err, TM_E_USAGE, "the split names column '%s', which is not there", name);
    }
    return TM_OK;
}

/* Settle AUTO, and the columns a split needs. */
static tm_status resolve(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    tm_split *split = &data->split;
    *split = options->split;
    if (split->share <= 0.0) {
        split->share = SHARE_DEFAULT;
    }
    if (split->kind == TM_SPLIT_TIME || split->kind == TM_SPLIT_TIME_AT) {
        TM_TRY(find_column(data, split->column, &data->time, err));
        if (!is_time_type(tm__table_column(data->table, data->time)->type)) {
            return TM_FAIL(err, TM_E_USAGE, "column '%s' of the split is not a date or time",
                           split->column);
        }
        data->split_reason = "the test rows are the latest";
        return TM_OK;
    }
    if (split->kind == TM_SPLIT_GROUP) {
        data->split_reason = "no entity is on both sides";
        return find_column(data, split->column, &data->entity, err);
    }
    if (split->kind != TM_SPLIT_AUTO) {
        data->split_reason = "as asked";
        return TM_OK;
    }
    const uint32_t order = data->time != UINT32_MAX ? data->time : find_order(data);
    if (order != UINT32_MAX) {
        split->kind = TM_SPLIT_TIME;
        data->time = order;
        data->split_reason = "rows have a time, so the test rows are the latest";
    } else if (data->entity != UINT32_MAX) {
        split->kind = TM_SPLIT_GROUP;
        data->split_reason = "rows have an entity, so none is on both sides";
    } else {
        split->kind = TM_SPLIT_RANDOM;
        data->split_reason = data->queries != NULL
                                 ? "queries have no time, so they are drawn whole"
                                 : "rows have no time and no entity, so they are drawn";
    }
    return TM_OK;
}

typedef struct keyed_row {
    int64_t key;
    uint32_t row;
} keyed_row;

static int compare_keyed(const void *a, const void *b) {
    const keyed_row *x = a;
    const keyed_row *y = b;
    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

tm_status tm__rows_by_time(const tm_column *column, uint32_t *rows, uint64_t n, tm_err *err) {
    keyed_row *keyed = tm__mem_alloc(n, sizeof(*keyed));
    if (keyed == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "cannot sort %llu rows by time", (unsigned long long)n);
    }
    bool sorted = true;
    for (uint64_t i = 0; i < n; i++) {
        keyed[i] = (keyed_row){column->ints[rows[i]], rows[i]};
        sorted = sorted && (i == 0 || keyed[i - 1].key <= keyed[i].key);
    }
    if (!sorted) {
        qsort(keyed, n, sizeof(*keyed), compare_keyed);
        for (uint64_t i = 0; i < n; i++) {
            rows[i] = keyed[i].row;
        }
    }
    tm__mem_free(keyed);
    return TM_OK;
}

/* Cut the ordered rows: true for a test row. `position` counts all own rows, also those without
 * target. */
static bool is_test(const tm_train_data *data, uint64_t row, const uint64_t *entities,
                    const tm_rng *draw) {
    const tm_split *split = &data->split;
    switch (split->kind) {
    case TM_SPLIT_MOD:
        return row % split->mod == split->rest;
    case TM_SPLIT_LAST:
        return row >= (uint64_t)((double)data->n_own * (1.0 - split->share) + 1e-9);
    case TM_SPLIT_TIME_AT:
        return tm__table_column(data->table, data->time)->ints[row] >= split->at_us;
    case TM_SPLIT_RANDOM:
        return (double)(tm__rng_at(draw->key, row) >> 11) * 0x1p-53 < split->share;
    case TM_SPLIT_GROUP:
        return (double)(tm__rng_at(draw->key, entities[row]) >> 11) * 0x1p-53 < split->share;
    default:
        return false;
    }
}

static void cut_rows(tm_train_data *data, const tm_train_options *options,
                     const uint64_t *entities) {
    const tm_rng draw = tm__rng_split(options->seed, "split", 0);
    const bool has_test_table = data->n_rows > data->n_own;
    for (uint64_t row = 0; row < data->n_rows; row++) {
        if (isnan(data->y[row])) {
            continue;
        }
        const bool to_test =
            row >= data->n_own || (!has_test_table && is_test(data, row, entities, &draw));
        if (to_test) {
            data->test[data->n_test++] = (uint32_t)row;
        } else if (data->n_classes == 0 || data->y[row] < data->n_classes) {
            data->train[data->n_train++] = (uint32_t)row;
        }
    }
}

/* The last share of the ordered rows; equal times stay together, on the training side's end if some
 * are later. */
static void cut_time(tm_train_data *data) {
    const int64_t *times = tm__table_column(data->table, data->time)->ints;
    uint64_t cut = (uint64_t)((double)data->n_train * (1.0 - data->split.share));
    const uint64_t from = cut;
    while (cut > 0 && cut < data->n_train &&
           times[data->train[cut]] == times[data->train[cut - 1]]) {
        cut++;
    }
    if (cut == data->n_train) { /* they are all of the last time: they are the test rows */
        for (cut = from; cut > 0 && times[data->train[cut]] == times[data->train[cut - 1]];) {
            cut--;
        }
    }
    data->n_test = data->n_train - cut;
    memcpy(data->test, data->train + cut, data->n_test * sizeof(uint32_t));
    data->n_train = cut;
}

/* Rows of a separate test table that all lie after the training rows make the run time-ordered. */
static bool test_is_later(const tm_train_data *data, uint32_t order) {
    if (order == UINT32_MAX || data->n_test == 0 || data->n_train == 0) {
        return false;
    }
    const int64_t *times = tm__table_column(data->table, order)->ints;
    int64_t newest = INT64_MIN;
    for (uint64_t i = 0; i < data->n_train; i++) {
        newest = times[data->train[i]] > newest ? times[data->train[i]] : newest;
    }
    for (uint64_t i = 0; i < data->n_test; i++) {
        if (times[data->test[i]] < newest) {
            return false;
        }
    }
    return true;
}

static tm_status order_rows(tm_train_data *data, tm_err *err) {
    const bool has_test_table = data->n_rows > data->n_own;
    const tm_split_kind kind = data->split.kind;
    data->is_time_ordered =
        kind == TM_SPLIT_TIME || kind == TM_SPLIT_TIME_AT || kind == TM_SPLIT_LAST;
    if (has_test_table) {
        const uint32_t order = data->time != UINT32_MAX ? data->time : find_order(data);
        data->is_time_ordered = test_is_later(data, order);
        if (data->is_time_ordered) {
            data->time = order;
        }
        data->split.kind = TM_SPLIT_NONE;
        data->split_reason =
            data->is_time_ordered ? "the test rows given are all later" : "test rows were given";
    }
    if (data->is_time_ordered && data->time != UINT32_MAX && kind != TM_SPLIT_LAST) {
        TM_TRY(tm__rows_by_time(tm__table_column(data->table, data->time), data->train,
                                data->n_train, err));
    }
    if (!has_test_table && kind == TM_SPLIT_TIME) {
        cut_time(data);
    }
    TM_TRY(tm__train_gap_check(data, err));
    if (data->is_time_ordered) {
        const uint64_t n =
            tm__train_gap(data, data->test, data->n_test, data->train, data->n_train);
        data->n_embargoed = data->n_train - n;
        data->n_train = n;
    }
    return TM_OK;
}

static tm_status no_test(const tm_train_data *data, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_DATA, "the split leaves no row to test on of %llu with a target",
                (unsigned long long)data->n_train);
    tm_err_hint(err, data->queries != NULL
                         ? "Queries are never cut: give more of them, a larger share, or --test."
                         : "Give a larger share, another --split, or test rows with --test.");
    return st;
}

/* The draw chose no test row: of few rows, entities or queries, the one with the least number. */
static tm_status draw_one(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    const uint64_t key = tm__rng_split(options->seed, "split", 0).key;
    const bool is_drawn = data->split.kind == TM_SPLIT_RANDOM || data->split.kind == TM_SPLIT_GROUP;
    uint64_t *entities = NULL;
    if (data->split.kind == TM_SPLIT_GROUP && data->queries == NULL) {
        entities = tm__mem_alloc(data->n_rows, sizeof(uint64_t));
        if (entities == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to split the rows");
        }
        tm__table_row_hashes(data->table, &data->entity, 1, entities);
    }
    const uint64_t *units = data->queries != NULL ? data->queries : entities;
    uint64_t least = UINT64_MAX, n_train = 0;
    for (uint64_t i = 0; is_drawn && i < data->n_train; i++) {
        const uint32_t row = data->train[i];
        const uint64_t draw = tm__rng_at(key, units != NULL ? units[row] : row);
        least = draw < least ? draw : least;
    }
    for (uint64_t i = 0; is_drawn && i < data->n_train; i++) {
        const uint32_t row = data->train[i];
        if (tm__rng_at(key, units != NULL ? units[row] : row) == least) {
            data->test[data->n_test++] = row;
        } else {
            data->train[n_train++] = row;
        }
    }
    data->n_train = is_drawn && n_train > 0 ? n_train : data->n_train;
    tm__mem_free(entities);
    return data->n_test == 0 || n_train == 0 ? no_test(data, err) : TM_OK;
}

tm_status tm__train_split_rows(tm_train_data *data, const tm_train_options *options, tm_err *err) {
    uint64_t *entities = NULL;
    TM_TRY(resolve(data, options, err));
    data->train = tm__mem_alloc(data->n_rows, sizeof(uint32_t));
    data->test = tm__mem_alloc(data->n_rows, sizeof(uint32_t));
    if (data->entity != UINT32_MAX) {
        entities = tm__mem_alloc(data->n_rows, sizeof(uint64_t));
    }
    if (data->train == NULL || data->test == NULL ||
        (data->entity != UINT32_MAX && entities == NULL)) {
        tm__mem_free(entities);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to split the rows");
    }
    if (entities != NULL) {
        tm__table_row_hashes(data->table, &data->entity, 1, entities);
    }
    cut_rows(data, options, entities);
    tm__mem_free(entities);
    TM_TRY(order_rows(data, err));
    TM_TRY(tm__queries_settle(data, err));
    if (data->n_test == 0 && data->split.kind != TM_SPLIT_NONE) {
        TM_TRY(draw_one(data, options, err));
    }
    if (data->n_train < 10) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "%llu row%s left to learn from",
                    (unsigned long long)data->n_train, data->n_train == 1 ? " is" : "s are");
        tm_err_hint(err, "At least 10 rows with a target are needed; look at --split and at the "
                         "missing targets.");
        return st;
    }
    return TM_OK;
}
