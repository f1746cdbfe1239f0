/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "flights_case.h"
#include "train/train_priv.h"

static const char *const features[] = {"x = delay / 2", "late_3h = mean(late) by from over 3h",
                                       "h = hour(leaves)"};
static const char *const known[] = {"late=arrives", "delay=arrives"};
static const char *const drop[] = {"delay", "arrives"};

static tm_train_options options_of(void) {
    return (tm_train_options){.model = "m",
                              .target = "late",
                              .time = "leaves",
                              .learners = "gbdt",
                              .features = features,
                              .n_features = 3,
                              .drop = drop,
                              .n_drop = 2,
                              .known = known,
                              .n_known = 1,
                              .work = 1000000};
}

static void the_two_languages_are_told_apart_in_order(void **state) {
    (void)state;
    const tm_train_options o = options_of();
    const char **list = NULL;
    uint32_t n = 0;
    assert_int_equal(tm__train_features(&o, true, &list, &n, NULL), TM_OK);
    assert_int_equal(n, 1);
    assert_ptr_equal(list[0], features[1]);
    tm__mem_free((void *)list);
    assert_int_equal(tm__train_features(&o, false, &list, &n, NULL), TM_OK);
    assert_int_equal(n, 2);
    assert_ptr_equal(list[0], features[0]);
    assert_ptr_equal(list[1], features[2]);
    tm__mem_free((void *)list);
}

static void a_dropped_column_that_is_read_stays_an_input(void **state) {
    (void)state;
    tm_train_options o = options_of();
    tm_table *table = flights_case_table(0, 4000);
    tm_ctx ctx = {0};
    tm_train_result result;
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &o, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    const tm_schema *schema = tm__bundle_schema(bundle);
    const uint32_t at = tm__schema_find(schema, TM_STR("delay"));
    assert_int_not_equal(at, UINT32_MAX);
    assert_int_equal(schema->cols[at].role, TM_ROLE_READ);
    assert_int_equal(tm__schema_find(schema, TM_STR("arrives")), UINT32_MAX);
    const json_t *recipe = json_object_get(tm__bundle_info(bundle), "recipe");
    assert_int_equal(json_array_size(json_object_get(recipe, "features")), 3);
    tm__bundle_unref(bundle);
    tm__train_result_done(&result);
    tm__table_unref(table);
}

static void what_is_not_known_yet_cannot_be_read(void **state) {
    (void)state;
    static const char *const hidden[] = {"x = delay / 2", "x = if(is_missing(delay), 1, 0)",
                                         "x = arrives - leaves"};
    tm_table *table = flights_case_table(0, 3000);
    for (int i = 0; i < 3; i++) {
        tm_train_options o = options_of();
        tm_ctx ctx = {0};
        tm_train_result result;
        tm_err err = {0};
        o.features = &hidden[i];
        o.n_features = 1;
        o.n_known = 2;
        assert_int_equal(tm__train_run(&ctx, table, NULL, &o, &result, &err), TM_E_REFUSED);
        assert_non_null(strstr(err.message, "is not known at its row's 'leaves'"));
    }
    tm__table_unref(table);
}

static void the_target_is_no_input(void **state) {
    (void)state;
    static const char *const cheat[] = {"x = late + 1"};
    tm_table *table = flights_case_table(0, 1000);
    tm_train_options o = options_of();
    tm_ctx ctx = {0};
    tm_train_result result;
    tm_err err = {0};
    o.features = cheat;
    o.n_features = 1;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &o, &result, &err), TM_E_USAGE);
    assert_string_equal(err.message, "feature 'x': a column that is no input at character 5");
    tm__table_unref(table);
}

static void meanings_are_read_with_their_columns(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tm_status want;
        const char *message;
    } cases[] = {
        {"from=text", TM_OK, ""},
        {"delay=category", TM_OK, ""},
        {"delay=drop", TM_OK, ""},
        {"delay", TM_E_USAGE, "'delay' does not say what a column means"},
        {"delay=numbr", TM_E_USAGE, "'delay=numbr' does not say what a column means"},
        {"dela=number", TM_E_USAGE, "there is no column 'dela' to be number"},
        {"delay=text", TM_E_USAGE, "column 'delay' cannot be text: its values are"},
        {"late=number", TM_E_USAGE, "column 'late' is no feature: the target"},
    };
    tm_table *table = flights_case_table(0, 500);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_train_options o = {.model = "m", .target = "late", .as = &cases[i].text, .n_as = 1};
        tm_train_data data;
        tm_err err = {0};
        assert_int_equal(tm__train_data_init(&data, table, NULL, &o, &err), cases[i].want);
        assert_ptr_equal(strstr(err.message, cases[i].message), err.message);
        if (cases[i].want == TM_OK) {
            assert_int_equal(data.n_as, 1);
            tm__train_data_done(&data);
        }
    }
    static const char *const both[] = {"from=text", "from=category"};
    const tm_train_options o = {.model = "m", .target = "late", .as = both, .n_as = 2};
    tm_train_data data;
    assert_int_equal(tm__train_data_init(&data, table, NULL, &o, NULL), TM_E_USAGE);
    tm__table_unref(table);
}

static void rules_of_columns_are_not_got_around(void **state) {
    (void)state;
    static const char *const monotone[] = {"delay:+1"}, *const interact[] = {"delay+from"};
    tm_table *table = flights_case_table(0, 500);
    for (int i = 0; i < 2; i++) {
        tm_train_options o = {
            .model = "m", .target = "late", .features = features, .n_features = 1};
        tm_train_data data;
        o.monotone = monotone;
        o.n_monotone = i == 0 ? 1 : 0;
        o.interact = interact;
        o.n_interact = i == 0 ? 0 : 1;
        assert_int_equal(tm__train_data_init(&data, table, NULL, &o, NULL), TM_E_USAGE);
    }
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_two_languages_are_told_apart_in_order),
        cmocka_unit_test(a_dropped_column_that_is_read_stays_an_input),
        cmocka_unit_test(what_is_not_known_yet_cannot_be_read),
        cmocka_unit_test(the_target_is_no_input),
        cmocka_unit_test(meanings_are_read_with_their_columns),
        cmocka_unit_test(rules_of_columns_are_not_got_around),
    };
    return cmocka_run_group_tests_name("train_features", tests, NULL, NULL);
}
