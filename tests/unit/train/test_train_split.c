/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "train/train_priv.h"
#include "train_case.h"

static void texts_become_splits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tm_split_kind kind;
        double share;
        const char *column;
    } cases[] = {
        {"random:0.3", TM_SPLIT_RANDOM, 0.3, ""},
        {"last:0.25", TM_SPLIT_LAST, 0.25, ""},
        {"last", TM_SPLIT_LAST, 0.2, ""},
        {"time:sold_at:0.1", TM_SPLIT_TIME, 0.1, "sold_at"},
        {"time:sold_at", TM_SPLIT_TIME, 0.2, "sold_at"},
        {"time:sold_at:2015-03-01", TM_SPLIT_TIME_AT, 0.2, "sold_at"},
        {"time:sold_at:2015-03-01T10:30:00Z", TM_SPLIT_TIME_AT, 0.2, "sold_at"},
        {"group:a:b:0.5", TM_SPLIT_GROUP, 0.5, "a:b"},
        {"auto", TM_SPLIT_AUTO, 0.2, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_split split;
        assert_int_equal(tm__split_parse(cases[i].text, &split, NULL), TM_OK);
        assert_int_equal(split.kind, cases[i].kind);
        assert_true(split.share == cases[i].share);
        assert_string_equal(split.column, cases[i].column);
    }
    tm_split split;
    assert_int_equal(tm__split_parse("mod:5:4", &split, NULL), TM_OK);
    assert_int_equal(split.mod, 5);
    assert_int_equal(split.rest, 4);
}

static void wrong_splits_are_refused_with_a_hint(void **state) {
    (void)state;
    static const char *const wrong[] = {"",         "lasst:0.2",  "random:0",  "random:1",
                                        "random:x", "mod:1:0",    "mod:5:5",   "mod:5",
                                        "time:",    "group::0.2", "last:-0.2", "mod:a:b"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        tm_split split;
        tm_err err = {0};
        assert_int_equal(tm__split_parse(wrong[i], &split, &err), TM_E_USAGE);
        assert_true(err.message[0] != '\0');
    }
}

static void split_rows(const train_case *options, const tm_train_options *train,
                       tm_train_data *out) {
    tm_table *table = train_case_table(options, 1000);
    tm_err err = {0};
    const tm_status st = tm__train_data_init(out, table, NULL, train, &err);
    if (st != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__table_unref(table);
}

static void last_and_mod_count_rows_before_the_missing_targets_go(void **state) {
    (void)state;
    const train_case options = {.missing_every = 7};
    tm_train_options train = {.target = "label"};
    tm_train_data data;
    assert_int_equal(tm__split_parse("mod:5:4", &train.split, NULL), TM_OK);
    split_rows(&options, &train, &data);
    for (uint64_t i = 0; i < data.n_test; i++) {
        assert_int_equal(data.test[i] % 5, 4);
        assert_int_not_equal(data.test[i] % 7, 0);
    }
    assert_int_equal(data.n_target_missing, 143);
    assert_int_equal(data.n_train + data.n_test, 1000 - 143);
    tm__train_data_done(&data);
    assert_int_equal(tm__split_parse("last:0.2", &train.split, NULL), TM_OK);
    split_rows(&options, &train, &data);
    assert_true(data.is_time_ordered);
    for (uint64_t i = 0; i < data.n_test; i++) {
        assert_true(data.test[i] >= 800);
    }
    for (uint64_t i = 0; i < data.n_train; i++) {
        assert_true(data.train[i] < 800);
    }
    tm__train_data_done(&data);
}

static void rows_sorted_by_their_only_time_are_split_by_it(void **state) {
    (void)state;
    const train_case sorted = {0};
    const train_case shuffled = {.is_shuffled = true};
    const tm_train_options train = {.target = "label"};
    tm_train_data data;
    split_rows(&sorted, &train, &data);
    assert_int_equal(data.split.kind, TM_SPLIT_TIME);
    assert_true(data.is_time_ordered);
    assert_int_equal(data.n_test, 200);
    tm__train_data_done(&data);
    split_rows(&shuffled, &train, &data);
    assert_int_equal(data.split.kind, TM_SPLIT_RANDOM);
    assert_false(data.is_time_ordered);
    assert_in_range(data.n_test, 150, 250);
    tm__train_data_done(&data);
}

static void a_time_split_of_shuffled_rows_tests_on_the_latest(void **state) {
    (void)state;
    const train_case shuffled = {.is_shuffled = true};
    const tm_train_options train = {.target = "label", .time = "at"};
    tm_train_data data;
    split_rows(&shuffled, &train, &data);
    const int64_t *at = tm__table_column(data.table, data.time)->ints;
    int64_t newest = INT64_MIN;
    for (uint64_t i = 0; i < data.n_train; i++) {
        assert_true(at[data.train[i]] >= newest || i == 0);
        newest = at[data.train[i]];
    }
    for (uint64_t i = 0; i < data.n_test; i++) {
        assert_true(at[data.test[i]] > newest);
    }
    tm__train_data_done(&data);
}

static void no_entity_is_on_both_sides(void **state) {
    (void)state;
    const train_case shuffled = {.is_shuffled = true};
    tm_train_options train = {.target = "label", .entity = "at"};
    tm_train_data data;
    split_rows(&shuffled, &train, &data);
    assert_int_equal(data.split.kind, TM_SPLIT_GROUP);
    const int64_t *at = tm__table_column(data.table, data.entity)->ints;
    for (uint64_t i = 0; i < data.n_test; i++) {
        for (uint64_t k = 0; k < data.n_train; k++) {
            assert_true(at[data.test[i]] != at[data.train[k]]);
        }
    }
    tm__train_data_done(&data);
}

static void a_separate_test_table_holds_out_nothing(void **state) {
    (void)state;
    const train_case options = {0};
    const tm_train_options train = {.target = "label"};
    tm_table *table = train_case_table(&options, 400);
    tm_table *test = train_case_table(&options, 100);
    tm_train_data data;
    assert_int_equal(tm__train_data_init(&data, table, test, &train, NULL), TM_OK);
    assert_int_equal(data.n_train, 400);
    assert_int_equal(data.n_test, 100);
    assert_false(data.is_time_ordered); /* its rows are not later */
    tm__train_data_done(&data);
    tm__table_unref(table);
    tm__table_unref(test);
}

/* Of few rows a draw of one in five may choose none: then the one with the least number is it. */
static void a_draw_has_a_test_row_and_leaves_rows_to_learn_from(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        const train_case shuffled = {.is_shuffled = true};
        tm_table *table = train_case_table(&shuffled, 24);
        tm_train_options options = {.target = "amount", .task = TM_TASK_REGRESSION, .seed = seed};
        tm_train_data data;
        assert_int_equal(tm__split_parse("random:0.05", &options.split, NULL), TM_OK);
        assert_int_equal(tm__train_data_init(&data, table, NULL, &options, NULL), TM_OK);
        assert_true(data.n_test > 0 && data.n_train >= 10);
        assert_int_equal(data.n_test + data.n_train, 24);
        tm__train_data_done(&data);
        tm__table_unref(table);
    }
}

static void an_entity_is_the_test_when_none_was_drawn(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        const train_case shuffled = {.is_shuffled = true};
        tm_table *table = train_case_table(&shuffled, 100);
        tm_train_options options = {
            .target = "amount", .task = TM_TASK_REGRESSION, .entity = "city", .seed = seed};
        tm_train_data data;
        assert_int_equal(tm__split_parse("group:city:0.01", &options.split, NULL), TM_OK);
        assert_int_equal(tm__train_data_init(&data, table, NULL, &options, NULL), TM_OK);
        assert_true(data.n_test > 0 && data.n_train > 0);
        const uint32_t *codes = tm__table_column(table, 2)->codes;
        for (uint64_t i = 0; i < data.n_train; i++)
            assert_int_not_equal(codes[data.train[i]], codes[data.test[0]]);
        tm__train_data_done(&data);
        tm__table_unref(table);
    }
}

static void a_split_without_test_rows_is_refused(void **state) {
    (void)state;
    static const char *const splits[] = {"time:at:2100-01-01", "last:0.001", "mod:1000:999"};
    for (size_t i = 0; i < 3; i++) {
        tm_table *table = train_case_table(&(train_case){0}, 50);
        tm_train_options options = {.target = "label"};
        tm_train_data data;
        tm_err err = {0};
        assert_int_equal(tm__split_parse(splits[i], &options.split, NULL), TM_OK);
        const tm_status st = tm__train_data_init(&data, table, NULL, &options, &err);
        if (i == 1) { /* the last row is a part of it */
            assert_int_equal(st, TM_OK);
            assert_int_equal(data.n_test, 1);
            tm__train_data_done(&data);
        } else {
            assert_int_equal(st, TM_E_DATA);
            assert_non_null(strstr(err.message, "the split leaves no row to test on of 50"));
            assert_non_null(strstr(err.hint, "--test"));
        }
        tm__table_unref(table);
    }
}

/* The last fifth has one time: rows of it are the test, and not none. */
static void many_rows_of_the_last_time_are_the_test(void **state) {
    (void)state;
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "at", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "y", TM_TYPE_FLOAT, NULL), TM_OK);
    for (int64_t row = 0; row < 100; row++) {
        const tm_cell cells[] = {{.type = TM_TYPE_TIME, .i64 = (row < 60 ? row : 60) * 3600000000},
                                 {.type = TM_TYPE_FLOAT, .f64 = (double)(row % 7)}};
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    const tm_train_options options = {.target = "y", .task = TM_TASK_REGRESSION, .time = "at"};
    tm_train_data data;
    assert_int_equal(tm__train_data_init(&data, table, NULL, &options, NULL), TM_OK);
    assert_int_equal(data.n_train, 60);
    assert_int_equal(data.n_test, 40);
    tm__train_data_done(&data);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_splits),
        cmocka_unit_test(wrong_splits_are_refused_with_a_hint),
        cmocka_unit_test(last_and_mod_count_rows_before_the_missing_targets_go),
        cmocka_unit_test(rows_sorted_by_their_only_time_are_split_by_it),
        cmocka_unit_test(a_time_split_of_shuffled_rows_tests_on_the_latest),
        cmocka_unit_test(no_entity_is_on_both_sides),
        cmocka_unit_test(a_draw_has_a_test_row_and_leaves_rows_to_learn_from),
        cmocka_unit_test(an_entity_is_the_test_when_none_was_drawn),
        cmocka_unit_test(a_split_without_test_rows_is_refused),
        cmocka_unit_test(many_rows_of_the_last_time_are_the_test),
        cmocka_unit_test(a_separate_test_table_holds_out_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
