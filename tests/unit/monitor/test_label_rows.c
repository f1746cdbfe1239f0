/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/label_rows.h"

#include <string.h>

#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

/* id, who, asked, told, y: the second row has no label yet, the third names nobody. */
static tm_table *make_rows(void) {
    static const char *const values[] = {"yes", NULL, "no", "maybe"};
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "prediction_id", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "who", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "asked", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "y", TM_TYPE_TEXT, NULL), TM_OK);
    for (int64_t i = 0; i < 4; i++) {
        const tm_type named = i == 2 ? TM_TYPE_NONE : TM_TYPE_TEXT;
        const tm_cell cells[] = {{.type = named, .text = TM_STR("01J0Z3K4M5N6P7Q8R9S0T1V2W3")},
                                 {.type = i == 2 ? TM_TYPE_NONE : TM_TYPE_INT, .i64 = i},
                                 {.type = TM_TYPE_TIME, .i64 = 1000 + i},
                                 {.type = values[i] == NULL ? TM_TYPE_NONE : TM_TYPE_TEXT,
                                  .text = tm__str(values[i] == NULL ? "" : values[i])}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void rows_become_labels_by_id_or_by_entity_and_time(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){0});
    tm_table *table = make_rows();
    tm_label_rows_options options = {
        .bundle = bundle, .model = "tiny", .within_us = 7, .origin = "test", .skips_bad = true};
    tm_label_rows rows;
    assert_int_equal(tm__label_rows_read(table, &options, &rows, NULL), TM_OK);
    assert_int_equal(rows.n, 2);
    assert_int_equal(rows.n_empty, 1);
    assert_int_equal(rows.n_bad, 1);
    assert_int_equal(rows.n_other, 1);
    assert_int_equal(rows.rows[1], 3);
    assert_string_equal(rows.labels[0].prediction_id, "01J0Z3K4M5N6P7Q8R9S0T1V2W3");
    assert_string_equal(rows.labels[0].value, "yes");
    assert_string_equal(rows.labels[0].origin, "test");
    assert_true(rows.labels[0].event_us == TM_INT_MISSING && rows.labels[0].within_us == 0);
    tm__label_rows_done(&rows);
    options.columns = (tm_label_columns){.entity = "who", .time = "asked", .known_at = "asked"};
    assert_int_equal(tm__label_rows_read(table, &options, &rows, NULL), TM_OK);
    assert_null(rows.labels[1].prediction_id);
    assert_string_equal(rows.labels[1].entity, "3");
    assert_int_equal(rows.labels[1].event_us, 1003);
    assert_int_equal(rows.labels[1].observed_us, 1003);
    assert_int_equal(rows.labels[1].within_us, 7);
    tm__label_rows_done(&rows);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

static void what_is_no_label_is_told_with_its_row(void **state) {
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){0});
    tm_table *table = make_rows();
    const struct {
        tm_label_columns columns;
        tm_status want;
        uint64_t row;
        const char *text;
    } cases[] = {
        {{.id = "prediction_id"}, TM_E_DATA, 3, "neither a prediction nor an entity"},
        {{.id = "nothing"}, TM_E_USAGE, 0, "no column 'nothing'"},
        {{.value = "z"}, TM_E_USAGE, 0, "no column 'z'"},
        {{.entity = "who", .time = "y"}, TM_E_DATA, 0, "'y' holds no times"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_label_rows_options options = {
            .bundle = bundle, .model = "tiny", .columns = cases[i].columns};
        tm_label_rows rows;
        tm_err err = {0};
        assert_int_equal(tm__label_rows_read(table, &options, &rows, &err), cases[i].want);
        assert_int_equal(err.data_row, cases[i].row);
        assert_non_null(strstr(err.message, cases[i].text));
        tm__label_rows_done(&rows);
    }
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rows_become_labels_by_id_or_by_entity_and_time),
        TEST(what_is_no_label_is_told_with_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
