/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "support.h"
#include "train/train_priv.h"

enum { N = 1000 };

/* Every fifth row is tested. kind: "often", or "rare" in the rows below 50, of which 10 are tested;
 * one: all of its rows are positive; width: a number with a long tail; id: differs in every row. */
static void make_data(tm_train_data *data) {
    static const char *const names[] = {"kind", "one", "id", "y"};
    tm_table_builder *const b = tm__builder_create();
    tm_table *table = NULL;
    const tm_train_options options = {.target = "y",
                                      .split = {.kind = TM_SPLIT_MOD, .mod = 5, .rest = 4}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            tm__builder_add_column(b, names[i], i == 3 ? TM_TYPE_BOOL : TM_TYPE_TEXT, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_add_column(b, "width", TM_TYPE_FLOAT, NULL), TM_OK);
    tm_rng rng = tm__rng_split(6, "slice", 0);
    for (uint32_t row = 0; row < N; row++) {
        char id[16];
        const bool is_one = row >= 500 && row < 700;
        const double x = tm__rng_f64(&rng);
        (void)snprintf(id, sizeof(id), "n%u", row);
        const tm_cell cells[] = {
            {.type = TM_TYPE_TEXT, .text = tm__str(row < 50 ? "rare" : "often")},
            {.type = TM_TYPE_TEXT, .text = tm__str(is_one ? "same" : "mixed")},
            {.type = TM_TYPE_TEXT, .text = tm__str(id)},
            {.type = TM_TYPE_BOOL, .i64 = is_one || row / 5 % 2 == 0},
            {.type = row % 100 < 5 ? TM_TYPE_NONE : TM_TYPE_FLOAT, .f64 = x * x * x * 10}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    assert_int_equal(tm__train_data_init(data, table, NULL, &options, NULL), TM_OK);
    tm__table_unref(table);
}

static const json_t *find_entry(const json_t *list, const char *column, const char *group) {
    size_t i = 0;
    const json_t *entry = NULL;
    json_array_foreach(list, i, entry) {
        if (strcmp(tm__json_text(entry, "column", ""), column) == 0 &&
            (group == NULL || strcmp(tm__json_text(entry, "group", ""), group) == 0)) {
            return entry;
        }
    }
    return NULL;
}

static json_t *slices_of(const tm_train_data *data, const char *metric, double within) {
    const tm_slice_input in = {.data = data, .metric = metric, .error = 0.01, .within = within};
    json_t *out = NULL;
    assert_int_equal(tm__train_slices(&in, &out, NULL), TM_OK);
    return out;
}

static void a_thin_group_has_its_counts_and_what_it_needs(void **state) {
    (void)state;
    tm_train_data data;
    make_data(&data);
    json_t *const slices = slices_of(&data, "logloss", 0.05);
    const json_t *rare = find_entry(json_object_get(slices, "worst"), "kind", "rare");
    assert_int_equal(tm__json_i64(rare, "rows", 0), 50);
    assert_int_equal(tm__json_i64(rare, "test_rows", 0), 10);
    /* 200 test rows are known within 0.0196, so 10 are within the root of 20 times that. */
    assert_true(fabs(tm__json_f64(rare, "half_width", 0) - 0.0196 * sqrt(20)) < 1e-12);
    assert_int_equal(tm__json_i64(rare, "test_rows_needed", 0), 31); /* 200 * (0.0196 / 0.05)^2 */
    assert_null(find_entry(json_object_get(slices, "worst"), "kind", "often"));
    const json_t *const kind = find_entry(json_object_get(slices, "columns"), "kind", NULL);
    assert_int_equal(tm__json_i64(kind, "groups", 0), 2);
    assert_int_equal(tm__json_i64(kind, "thin", 0), 1);
    assert_true(tm__json_f64(kind, "share_of_rows", 0) == 0.05);
    json_decref(slices);
    json_t *const never = slices_of(&data, "logloss", 1e-200);
    rare = find_entry(json_object_get(never, "worst"), "kind", "rare");
    assert_int_equal(tm__json_i64(rare, "test_rows_needed", 0), INT64_C(1000000000000000));
    json_decref(never);
    tm__train_data_done(&data);
}

static void rows_of_one_class_are_none_for_a_score_of_two(void **state) {
    (void)state;
    tm_train_data data;
    make_data(&data);
    json_t *const by_auc = slices_of(&data, "auc", 0.05);
    json_t *const by_loss = slices_of(&data, "logloss", 0.05);
    const json_t *const same = find_entry(json_object_get(by_auc, "worst"), "one", "same");
    assert_int_equal(tm__json_i64(same, "test_rows", 0), 40);
    assert_int_equal(tm__json_i64(same, "test_positives", 0), 40);
    assert_true(json_is_null(json_object_get(same, "half_width")));
    assert_true(tm__json_i64(same, "test_rows_needed", 0) > 0);
    assert_null(find_entry(json_object_get(by_loss, "worst"), "one", "same"));
    json_decref(by_auc);
    json_decref(by_loss);
    tm__train_data_done(&data);
}

static void numbers_have_bins_and_missing_values_a_group(void **state) {
    (void)state;
    tm_train_data data;
    make_data(&data);
    json_t *const slices = slices_of(&data, "logloss", 1e-6); /* all of them are thin */
    const json_t *const width = find_entry(json_object_get(slices, "columns"), "width", NULL);
    assert_int_equal(tm__json_i64(width, "groups", 0), 6);
    const json_t *const missing =
        find_entry(json_object_get(slices, "worst"), "width", "(missing)");
    assert_int_equal(tm__json_i64(missing, "rows", 0), 50);
    assert_true(tm__json_f64(width, "share_of_rows", 0) == 1);
    json_decref(slices);
    tm__train_data_done(&data);
}

static void a_column_of_names_has_no_groups(void **state) {
    (void)state;
    tm_train_data data;
    make_data(&data);
    json_t *const slices = slices_of(&data, "logloss", 1e-6);
    assert_null(find_entry(json_object_get(slices, "columns"), "id", NULL));
    assert_null(find_entry(json_object_get(slices, "worst"), "id", NULL));
    json_decref(slices);
    tm__train_data_done(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thin_group_has_its_counts_and_what_it_needs),
        cmocka_unit_test(rows_of_one_class_are_none_for_a_score_of_two),
        cmocka_unit_test(numbers_have_bins_and_missing_values_a_group),
        cmocka_unit_test(a_column_of_names_has_no_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
