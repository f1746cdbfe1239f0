/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support.h"
#include "test.h"
#include "train/train_priv.h"

#define HOUR INT64_C(3600000000)
enum { N = 400 };

/* Rows in no order of time, every 50th without one. */
static tm_table *make_rows(int64_t *times) {
    tm_table_builder *const b = tm__builder_create();
    tm_rng rng = tm__rng_split(3, "gap", 0);
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "at", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "y", TM_TYPE_FLOAT, NULL), TM_OK);
    for (int i = 0; i < N; i++) {
        times[i] = i % 50 == 7 ? TM_INT_MISSING : (int64_t)tm__rng_below(&rng, 1000) * HOUR;
        const tm_cell cells[] = {
            {.type = times[i] == TM_INT_MISSING ? TM_TYPE_NONE : TM_TYPE_TIME, .i64 = times[i]},
            {.type = TM_TYPE_FLOAT, .f64 = tm__rng_f64(&rng)},
            {.type = TM_TYPE_FLOAT, .f64 = tm__rng_f64(&rng)}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static int64_t first_of(const int64_t *times, const uint32_t *rows, uint64_t n) {
    int64_t first = INT64_MAX;
    for (uint64_t i = 0; i < n; i++) {
        const int64_t time = times[rows[i]];
        first = time != TM_INT_MISSING && time < first ? time : first;
    }
    return first;
}

static void nothing_learned_lies_within_the_gap_of_test_or_validation(void **state) {
    (void)state;
    static int64_t times[N];
    tm_table *table = make_rows(times);
    const tm_train_options options = {
        .target = "y", .time = "at", .gap_ms = 24 * 3600 * 1000, .split = {.kind = TM_SPLIT_AUTO}};
    tm_train_data data;
    tm_fold_rows fold;
    assert_int_equal(tm__train_data_init(&data, table, NULL, &options, NULL), TM_OK);
    const int64_t test = first_of(times, data.test, data.n_test);
    uint64_t n_near = 0;
    for (uint32_t row = 0; row < N; row++) {
        n_near +=
            times[row] != TM_INT_MISSING && times[row] < test && times[row] > test - 24 * HOUR;
    }
    assert_true(n_near > 0);
    assert_int_equal(data.n_embargoed, n_near);
    for (uint64_t i = 0; i < data.n_train; i++) {
        assert_true(times[data.train[i]] <= test - 24 * HOUR);
    }
    const tm_fold_cut cut = {.n_folds = 1, .seed = 1};
    assert_int_equal(tm__fold_rows_init(&fold, &data, data.train, data.n_train, &cut, NULL), TM_OK);
    const int64_t valid = first_of(times, fold.valid, fold.n_valid);
    assert_true(fold.n_fit > 0 && fold.n_fit + fold.n_valid < data.n_train);
    for (uint64_t i = 0; i < fold.n_fit; i++) {
        assert_true(times[fold.fit[i]] <= valid - 24 * HOUR);
    }
    tm__fold_rows_done(&fold);
    tm__train_data_done(&data);
    tm__table_unref(table);
}

static void a_gap_without_an_order_of_time_is_refused(void **state) {
    (void)state;
    static int64_t times[N];
    tm_table *table = make_rows(times);
    const tm_train_options cases[] = {
        {.target = "y", .gap_ms = 1000, .split = {.kind = TM_SPLIT_LAST, .share = 0.2}},
        {.target = "y",
         .time = "at",
         .gap_ms = 1000,
         .split = {.kind = TM_SPLIT_RANDOM, .share = 0.2}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_train_data data;
        tm_err err = {0};
        assert_int_equal(tm__train_data_init(&data, table, NULL, &cases[i], &err), TM_E_USAGE);
        assert_non_null(strstr(err.hint, "--time"));
    }
    tm__table_unref(table);
}

static void a_gap_as_long_as_the_rows_go_back_leaves_nothing(void **state) {
    (void)state;
    static int64_t times[N];
    tm_table *table = make_rows(times);
    const tm_train_options options = {.target = "y",
                                      .time = "at",
                                      .gap_ms = UINT64_C(5000) * 3600 * 1000,
                                      .split = {.kind = TM_SPLIT_AUTO}};
    tm_train_data data;
    tm_err err = {0};
    const tm_status st = tm__train_data_init(&data, table, NULL, &options, &err);
    /* Rows without a time lie before all others. */
    assert_true(st == TM_E_DATA || (st == TM_OK && data.n_train < 10));
    if (st == TM_OK) {
        tm__train_data_done(&data);
    }
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_learned_lies_within_the_gap_of_test_or_validation),
        cmocka_unit_test(a_gap_without_an_order_of_time_is_refused),
        cmocka_unit_test(a_gap_as_long_as_the_rows_go_back_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
