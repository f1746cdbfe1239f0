/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "flights_case.h"
#include "model/bundle_windows.h"
#include "train/train.h"

static const char *const features[] = {"late_3h = mean(late) by from over 3h",
                                       "left = count() by from over 30m"};

static tm_bundle *make_bundle(tm_table *table, bool has_windows) {
    static const char *const known[] = {"late=arrives"};
    static const char *const drop[] = {"delay", "arrives"};
    const tm_train_options o = {.model = "m",
                                .target = "late",
                                .time = "leaves",
                                .learners = "gbdt",
                                .features = features,
                                .n_features = has_windows ? 2 : 0,
                                .known = known,
                                .n_known = has_windows ? 1 : 0,
                                .drop = drop,
                                .n_drop = 2,
                                .work = 1000000};
    tm_ctx ctx = {0};
    tm_train_result result;
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &o, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    tm__train_result_done(&result);
    return bundle;
}

static const double *values(const tm_table *table, const char *name) {
    const uint32_t at = tm__table_find(table, name);
    assert_int_not_equal(at, UINT32_MAX);
    return tm__table_column(table, at)->floats;
}

/* The columns that are there before a flight arrives. */
static tm_table *before_arrival(const tm_table *table) {
    static const char *const names[] = {"leaves", "from"};
    tm_table *empty = flights_case_table(0, 0), *out = NULL;
    assert_int_equal(tm__table_append(table, empty, names, 2, &out, NULL), TM_OK);
    tm__table_unref(empty);
    return out;
}

static void a_history_gives_the_features_of_the_whole(void **state) {
    (void)state;
    tm_table *history = flights_case_table(0, 2000), *rows = flights_case_table(2000, 300);
    tm_table *whole = flights_case_table(0, 2300), *bare = before_arrival(rows);
    tm_bundle *bundle = make_bundle(history, true);
    tm_window_set *set = NULL;
    tm_table *wanted = NULL;
    const tm_ctx ctx = {0};
    const tm_window_tables tables = {.events = whole};
    assert_int_equal(tm__bundle_windows(bundle, &set, NULL), TM_OK);
    assert_int_equal(tm__window_set_apply(&ctx, set, whole, &tables, &wanted, NULL), TM_OK);
    const struct {
        tm_table *rows;
        tm_bundle_history history;
        uint32_t n_same; /* features that are as if the whole were known */
    } cases[] = {
        {rows, {.tables = {.events = history}}, 2},
        {rows, {.tables = {.events = whole}, .has_rows = true}, 2},
        {bare, {.tables = {.events = history}}, 1}, /* they count, but nobody knows how late */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *wide = NULL;
        assert_int_equal(
            tm__bundle_widen(&ctx, bundle, cases[i].rows, &cases[i].history, &wide, NULL), TM_OK);
        assert_memory_equal(values(wide, "left"), values(wanted, "left") + 2000,
                            300 * sizeof(double));
        assert_int_equal(cases[i].n_same == 2,
                         memcmp(values(wide, "late_3h"), values(wanted, "late_3h") + 2000,
                                300 * sizeof(double)) == 0);
        /* The first rows leave before any of the others arrives. */
        assert_memory_equal(values(wide, "late_3h"), values(wanted, "late_3h") + 2000,
                            30 * sizeof(double));
        tm__table_unref(wide);
    }
    tm__window_set_free(set);
    tm__bundle_unref(bundle);
    tm__table_unref(history);
    tm__table_unref(rows);
    tm__table_unref(whole);
    tm__table_unref(bare);
    tm__table_unref(wanted);
}

static void what_is_missing_is_said(void **state) {
    (void)state;
    tm_table *table = flights_case_table(0, 1000), *wide = NULL, *other = NULL;
    tm_bundle *bundle = make_bundle(table, true), *plain = make_bundle(table, false);
    tm_table *bare = before_arrival(table);
    const tm_bundle_history history = {.tables = {.events = table}};
    const tm_bundle_history poor = {.tables = {.events = bare}};
    const tm_ctx ctx = {0};
    tm_err err = {0};
    assert_int_equal(tm__bundle_widen(&ctx, bundle, table, NULL, &wide, &err), TM_E_DATA);
    assert_string_equal(err.message,
                        "the rows lack 'late_3h', which the model computes from events");
    assert_int_equal(tm__bundle_widen(&ctx, bundle, table, &history, &wide, NULL), TM_OK);
    assert_int_equal(tm__bundle_widen(&ctx, bundle, wide, NULL, &other, NULL), TM_OK);
    assert_ptr_equal(other, wide); /* as they are */
    tm__table_unref(other);
    assert_int_equal(tm__bundle_widen(&ctx, bundle, wide, &history, &other, &err), TM_E_DATA);
    assert_string_equal(err.message, "the rows have 'late_3h', and a history to compute it from");
    assert_int_equal(tm__bundle_widen(&ctx, bundle, table, &poor, &other, &err), TM_E_DATA);
    assert_string_equal(err.hint, "The history has the columns of the training rows.");
    assert_int_equal(tm__bundle_widen(&ctx, plain, table, &history, &other, &err), TM_E_USAGE);
    assert_int_equal(tm__bundle_widen(&ctx, plain, table, NULL, &other, NULL), TM_OK);
    assert_ptr_equal(other, table);
    tm__table_unref(other);
    tm__table_unref(bare);
    tm__table_unref(wide);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
    tm__bundle_unref(plain);
}

static void the_schema_has_what_features_look_at(void **state) {
    (void)state;
    tm_table *table = flights_case_table(0, 1000);
    tm_bundle *bundle = make_bundle(table, true);
    tm_schema schema;
    assert_int_equal(tm__bundle_rows_schema(bundle, &schema, NULL), TM_OK);
    const uint32_t at = tm__schema_find(&schema, TM_STR("arrives"));
    assert_int_not_equal(at, UINT32_MAX);
    assert_int_equal(schema.cols[at].type, TM_TYPE_TIME);
    assert_int_not_equal(tm__schema_find(&schema, TM_STR("late")), UINT32_MAX);
    assert_int_equal(tm__schema_find(&schema, TM_STR("delay")), UINT32_MAX);
    tm__schema_done(&schema);
    tm__bundle_unref(bundle);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_history_gives_the_features_of_the_whole),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(the_schema_has_what_features_look_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
