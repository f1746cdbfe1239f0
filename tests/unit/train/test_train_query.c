/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "table/table.h"
#include "train/train_priv.h"

enum { ROWS = 1000, QUERIES = 90 };

/* Columns query, at (a day), x, rel; rows of a query are far apart. */
static tm_table *table_of(uint64_t missing_at, int64_t worst) {
    static const struct {
        const char *name;
        tm_type type;
    } columns[] = {
        {"query", TM_TYPE_TEXT}, {"at", TM_TYPE_DATE}, {"x", TM_TYPE_FLOAT}, {"rel", TM_TYPE_INT}};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_non_null(builder);
    for (uint32_t c = 0; c < 4; c++) {
        assert_int_equal(tm__builder_add_column(builder, columns[c].name, columns[c].type, NULL),
                         TM_OK);
    }
    tm_rng rng = tm__rng_split(3, "query_case", 0);
    for (uint64_t row = 0; row < ROWS; row++) {
        char name[24];
        const uint64_t q = tm__rng_below(&rng, QUERIES);
        (void)snprintf(name, sizeof(name), "q%llu", (unsigned long long)q);
        const int64_t day = (int64_t)(q + tm__rng_below(&rng, 3));
        const tm_cell cells[] = {
            {.type = row == missing_at ? TM_TYPE_NONE : TM_TYPE_TEXT, .text = tm__str(name)},
            {.type = TM_TYPE_DATE, .i64 = day * INT64_C(86400000000)},
            {.type = TM_TYPE_FLOAT, .f64 = tm__rng_f64(&rng)},
            {.type = TM_TYPE_INT, .i64 = row == 40 ? worst : (int64_t)tm__rng_below(&rng, 3)},
        };
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

/* Rows of a query stand together, and numbers tell where the next begins. */
static void is_gathered(const tm_train_data *data, const uint32_t *rows, uint64_t n) {
    uint32_t *numbers = tm__queries_number(data->queries, rows, n);
    for (uint64_t i = 1; i < n; i++) {
        for (uint64_t k = 0; k < i; k++) {
            assert_true((data->queries[rows[i]] == data->queries[rows[k]]) ==
                        (numbers[i] == numbers[k]));
        }
        assert_true(numbers[i] >= numbers[i - 1]);
    }
    tm__mem_free(numbers);
}

static bool shares_a_query(const tm_train_data *data, const uint32_t *a, uint64_t n_a,
                           const uint32_t *b, uint64_t n_b) {
    for (uint64_t i = 0; i < n_a; i++) {
        for (uint64_t k = 0; k < n_b; k++) {
            if (data->queries[a[i]] == data->queries[b[k]]) {
                return true;
            }
        }
    }
    return false;
}

static void every_split_keeps_queries_whole(void **state) {
    (void)state;
    static const char *const splits[] = {"auto",        "random:0.3",         "mod:5:4", "last:0.2",
                                         "time:at:0.3", "time:at:1970-02-20", "none"};
    for (size_t i = 0; i < sizeof(splits) / sizeof(splits[0]); i++) {
        tm_table *table = table_of(UINT64_MAX, 0);
        tm_train_options options = {
            .target = "rel", .task = TM_TASK_RANKING, .group = "query", .seed = i};
        tm_train_data data;
        tm_err err = {0};
        assert_int_equal(tm__split_parse(splits[i], &options.split, NULL), TM_OK);
        if (tm__train_data_init(&data, table, NULL, &options, &err) != TM_OK) {
            fail_msg("%s: %s", splits[i], err.message);
        }
        assert_int_equal(data.n_train + data.n_test, ROWS);
        assert_int_equal(data.task, TM_TASK_RANKING);
        assert_int_equal(data.n_classes, 0);
        is_gathered(&data, data.train, data.n_train);
        is_gathered(&data, data.test, data.n_test);
        assert_false(shares_a_query(&data, data.train, data.n_train, data.test, data.n_test));
        if (strcmp(splits[i], "none") != 0) {
            assert_true(data.n_test > 50 && data.n_test < 600);
        }
        for (uint32_t n_folds = 1; n_folds < 4; n_folds++) {
            tm_fold_rows rows = {0};
            const tm_fold_cut cut = {.n_folds = n_folds, .seed = 9};
            assert_int_equal(tm__fold_rows_init(&rows, &data, data.train, data.n_train, &cut, NULL),
                             TM_OK);
            assert_int_equal(rows.n_fit + rows.n_valid, data.n_train);
            assert_true(rows.n_valid > 0 && rows.n_fit > 0);
            assert_false(shares_a_query(&data, rows.fit, rows.n_fit, rows.valid, rows.n_valid));
            is_gathered(&data, rows.fit, rows.n_fit);
            is_gathered(&data, rows.valid, rows.n_valid);
            tm__fold_rows_done(&rows);
        }
        tm__train_data_done(&data);
        tm__table_unref(table);
    }
}

static void a_separate_table_of_test_rows_keeps_its_rows(void **state) {
    (void)state;
    tm_table *table = table_of(UINT64_MAX, 0), *test = table_of(UINT64_MAX, 1);
    const tm_train_options options = {.target = "rel", .task = TM_TASK_RANKING, .group = "query"};
    tm_train_data data;
    assert_int_equal(tm__train_data_init(&data, table, test, &options, NULL), TM_OK);
    assert_int_equal(data.n_train, ROWS);
    assert_int_equal(data.n_test, ROWS);
    is_gathered(&data, data.test, data.n_test);
    tm__train_data_done(&data);
    tm__table_unref(table);
    tm__table_unref(test);
}

static void a_row_without_a_query_or_with_a_wrong_relevance_is_named(void **state) {
    (void)state;
    static const struct {
        uint64_t missing_at;
        int64_t worst;
        const char *group;
        tm_status want;
        uint64_t row;
    } cases[] = {{17, 0, "query", TM_E_DATA, 18},
                 {UINT64_MAX, 32, "query", TM_E_DATA, 41},
                 {UINT64_MAX, -1, "query", TM_E_DATA, 41},
                 {UINT64_MAX, 0, NULL, TM_E_USAGE, 0},
                 {UINT64_MAX, 0, "qery", TM_E_USAGE, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *table = table_of(cases[i].missing_at, cases[i].worst);
        const tm_train_options options = {
            .target = "rel", .task = TM_TASK_RANKING, .group = cases[i].group};
        tm_train_data data;
        tm_err err = {0};
        assert_int_equal(tm__train_data_init(&data, table, NULL, &options, &err), cases[i].want);
        assert_int_equal(err.data_row, cases[i].row);
        tm__table_unref(table);
    }
}

static void a_cut_divides_no_query(void **state) {
    (void)state;
    static const uint64_t queries[] = {7, 7, 7, 2, 2, 9};
    static const uint32_t rows[] = {0, 1, 2, 3, 4, 5};
    static const uint64_t want[] = {3, 3, 3, 3, 3, 5};
    for (uint64_t from = 0; from < 6; from++)
        assert_int_equal(tm__queries_cut(queries, rows, 6, from), want[from]);
    assert_int_equal(tm__queries_cut(queries, rows, 3, 2), 3); /* one query: no cut */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_keeps_queries_whole),
        cmocka_unit_test(a_separate_table_of_test_rows_keeps_its_rows),
        cmocka_unit_test(a_cut_divides_no_query),
        cmocka_unit_test(a_row_without_a_query_or_with_a_wrong_relevance_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
