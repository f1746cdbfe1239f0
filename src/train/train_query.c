/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries of a ranking: the rows that have one value in the group column. A query is learned from
 * or scored as a whole, so it lies on one side of every cut, and its rows stand together.
 */
#include "train/train_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the queries");
}

tm_status tm__queries_read(const tm_table *table, uint32_t group, uint64_t **out, tm_err *err) {
    const tm_column *column = tm__table_column(table, group);
    const uint64_t n_rows = tm__table_rows(table);
    for (uint64_t row = 0; row < n_rows; row++) {
        if (tm__column_is_missing(column, row)) {
            const tm_status st =
                TM_FAIL(err, TM_E_DATA, "a row has no query: '%s' is missing", column->name);
            tm_err_at(err, NULL, row + 1, group + 1);
            return st;
        }
    }
    uint64_t *queries = tm__mem_alloc(n_rows, sizeof(*queries));
    if (queries == NULL) {
        return no_memory(err);
    }
    tm__table_row_hashes(table, &group, 1, queries);
    *out = queries;
    return TM_OK;
}

tm_status tm__queries_init(tm_train_data *data, tm_err *err) {
    if (data->task != TM_TASK_RANKING) {
        return TM_OK;
    }
    if (data->group == UINT32_MAX) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "a ranking needs the query of each row");
        tm_err_hint(err, "Name the column that tells queries apart with --group COL.");
        return st;
    }
    return tm__queries_read(data->table, data->group, &data->queries, err);
}

/* A row on its way to its query's others. */
typedef struct queried_row {
    uint64_t query;
    uint64_t at; /* place among the rows; then that of the query's first */
    uint32_t row;
    bool is_test;
} queried_row;

static int by_query(const void *a, const void *b) {
    const queried_row *x = a, *y = b;
    if (x->query != y->query) {
        return x->query < y->query ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

/* Sort by query; those of one query in the order they had. */
static queried_row *sorted_rows(const uint64_t *queries, const uint32_t *rows, uint64_t n) {
    queried_row *sorted = tm__mem_zalloc(n, sizeof(*sorted));
    for (uint64_t i = 0; sorted != NULL && i < n; i++) {
        sorted[i] = (queried_row){.query = queries[rows[i]], .at = i, .row = rows[i]};
    }
    if (sorted != NULL) {
        qsort(sorted, n, sizeof(*sorted), by_query);
    }
    return sorted;
}

typedef struct first_place {
    uint64_t at;       /* of the query's first row */
    uint64_t from, to; /* its rows among the sorted ones */
} first_place;

static int by_place(const void *a, const void *b) {
    const first_place *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

tm_status tm__queries_gather(const uint64_t *queries, uint32_t *rows, uint64_t n, tm_err *err) {
    queried_row *sorted = sorted_rows(queries, rows, n);
    first_place *firsts = tm__mem_alloc(n, sizeof(*firsts));
    uint64_t n_queries = 0, at = 0;
    if (sorted == NULL || firsts == NULL) {
        tm__mem_free(sorted);
        tm__mem_free(firsts);
        return no_memory(err);
    }
    for (uint64_t from = 0, to = 0; from < n; from = to) {
        for (to = from; to < n && sorted[to].query == sorted[from].query; to++) {
        }
        firsts[n_queries++] = (first_place){.at = sorted[from].at, .from = from, .to = to};
    }
    qsort(firsts, n_queries, sizeof(*firsts), by_place);
    for (uint64_t q = 0; q < n_queries; q++) {
        for (uint64_t i = firsts[q].from; i < firsts[q].to; i++) {
            rows[at++] = sorted[i].row;
        }
    }
    tm__mem_free(sorted);
    tm__mem_free(firsts);
    return TM_OK;
}

static int by_row(const void *a, const void *b) {
    const queried_row *x = a, *y = b;
    if (x->query != y->query) {
        return x->query < y->query ? -1 : 1;
    }
    return (x->row > y->row) - (x->row < y->row);
}

/* Where the first row of its query goes, by the order of the table, all its rows go. The two lists
 * keep their orders, those of the training rows before those of the test rows. */
static tm_status move_whole(tm_train_data *data, tm_err *err) {
    const uint64_t n = data->n_train + data->n_test;
    uint32_t *all = tm__mem_alloc(n, sizeof(*all));
    bool *is_test = tm__mem_zalloc(data->n_rows, sizeof(*is_test));
    queried_row *sorted = NULL;
    if (all == NULL || is_test == NULL) {
        tm__mem_free(all);
        tm__mem_free(is_test);
        return no_memory(err);
    }
    memcpy(all, data->train, data->n_train * sizeof(*all));
    memcpy(all + data->n_train, data->test, data->n_test * sizeof(*all));
    sorted = sorted_rows(data->queries, all, n);
    for (uint64_t i = 0; sorted != NULL && i < n; i++) {
        sorted[i].is_test = sorted[i].at >= data->n_train;
    }
    if (sorted != NULL) {
        qsort(sorted, n, sizeof(*sorted), by_row);
        bool side = false;
        for (uint64_t i = 0; i < n; i++) {
            side = i == 0 || sorted[i].query != sorted[i - 1].query ? sorted[i].is_test : side;
            is_test[sorted[i].row] = side;
        }
        data->n_train = 0;
        data->n_test = 0;
        for (uint64_t i = 0; i < n; i++) {
            if (is_test[all[i]]) {
                data->test[data->n_test++] = all[i];
            } else {
                data->train[data->n_train++] = all[i];
            }
        }
    }
    tm__mem_free(all);
    tm__mem_free(is_test);
    tm__mem_free(sorted);
    return sorted == NULL ? no_memory(err) : TM_OK;
}

/* The last queries, by their first rows, with about the share of the rows. */
static tm_status cut_last(tm_train_data *data, tm_err *err) {
    const uint64_t n = data->n_train + data->n_test;
    uint32_t *all = tm__mem_alloc(n, sizeof(*all));
    if (all == NULL) {
        return no_memory(err);
    }
    memcpy(all, data->train, data->n_train * sizeof(*all));
    memcpy(all + data->n_train, data->test, data->n_test * sizeof(*all));
    const tm_status st = tm__queries_gather(data->queries, all, n, err);
    if (st == TM_OK) {
        const uint64_t from = (uint64_t)((double)n * (1.0 - data->split.share) + 1e-9);
        const uint64_t cut = tm__queries_cut(data->queries, all, n, from < n ? from : n - 1);
        data->n_train = cut;
        data->n_test = n - cut;
        memcpy(data->train, all, data->n_train * sizeof(*all));
        memcpy(data->test, all + cut, data->n_test * sizeof(*all));
    }
    tm__mem_free(all);
    return st;
}

static tm_status settle_drawn(tm_train_data *data, tm_err *err) {
    TM_TRY(move_whole(data, err));
    TM_TRY(tm__queries_gather(data->queries, data->train, data->n_train, err));
    return tm__queries_gather(data->queries, data->test, data->n_test, err);
}

tm_status tm__queries_settle(tm_train_data *data, tm_err *err) {
    if (data->queries == NULL) {
        return TM_OK;
    }
    const bool has_order = data->split.kind == TM_SPLIT_LAST || data->split.kind == TM_SPLIT_TIME;
    if (data->n_rows == data->n_own) { /* a separate test table keeps its rows */
        return has_order ? cut_last(data, err) : settle_drawn(data, err);
    }
    TM_TRY(tm__queries_gather(data->queries, data->train, data->n_train, err));
    return tm__queries_gather(data->queries, data->test, data->n_test, err);
}

uint64_t tm__queries_cut(const uint64_t *queries, const uint32_t *rows, uint64_t n, uint64_t from) {
    uint64_t cut = from;
    while (cut > 0 && cut < n && queries[rows[cut]] == queries[rows[cut - 1]]) {
        cut--;
    }
    if (cut > 0) {
        return cut;
    }
    for (cut = 1; cut < n && queries[rows[cut]] == queries[rows[cut - 1]]; cut++) {
    }
    return cut;
}

uint32_t *tm__queries_number(const uint64_t *queries, const uint32_t *rows, uint64_t n) {
    uint32_t *numbers = tm__mem_alloc(n, sizeof(*numbers));
    for (uint64_t i = 0; numbers != NULL && i < n; i++) {
        const bool begins = i > 0 && queries[rows[i]] != queries[rows[i - 1]];
        numbers[i] = i == 0 ? 0 : numbers[i - 1] + begins;
    }
    return numbers;
}
