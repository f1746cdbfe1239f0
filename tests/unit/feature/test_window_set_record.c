/* SPDX-License-Identifier: Apache-2.0 */
#include "window_set_case.h"

static void a_record_is_the_set_again(void **state) {
    (void)state;
    static const char *const texts[] = {
        "m = mean(late) by from over 10h", "l = last(late) by from over 2h", "n = count() by from",
        "s = share(from = 'AMS') by from", "o = count() of flights at leaves by from"};
    tm_window_set *set = NULL, *again = NULL;
    tm_table *table = flights(), *wide = NULL, *twice = NULL;
    const tm_window_source source = {.name = "flights", .events = table};
    const tm_window_tables tables = {.events = table, .sources = &source, .n_sources = 1};
    const tm_ctx ctx = {0};
    tm_hash a, b;
    assert_int_equal(make(texts, 5, "late=arrives", &set, NULL), TM_OK);
    assert_int_equal(tm__window_set_fit(set, &tables, NULL), TM_OK);
    json_t *record = tm__window_set_to_json(set);
    assert_int_equal(tm__window_set_from_json(record, &again, NULL), TM_OK);
    assert_int_equal(tm__window_set_apply(&ctx, set, table, &tables, &wide, NULL), TM_OK);
    assert_int_equal(tm__window_set_apply(&ctx, again, table, &tables, &twice, NULL), TM_OK);
    tm__table_hash(wide, &a);
    tm__table_hash(twice, &b);
    assert_true(tm__hash_eq(&a, &b));
    json_t *same = tm__window_set_to_json(again);
    assert_true(json_equal(record, same));
    const json_t *columns = json_object_get(record, "columns");
    assert_string_equal(json_string_value(json_object_get(columns, "late")), "float");
    assert_string_equal(json_string_value(json_object_get(columns, "arrives")), "time");
    columns = json_object_get(json_object_get(record, "sources"), "flights");
    assert_int_equal(json_object_size(columns), 2);
    json_decref(same);
    json_decref(record);
    tm__window_set_free(again);
    tm__window_set_free(set);
    tm__table_unref(twice);
    tm__table_unref(wide);
    tm__table_unref(table);
}

static void a_damaged_record_is_none(void **state) {
    (void)state;
    static const char *const records[] = {
        "{}",
        "{\"time\": 3, \"features\": [], \"known\": []}",
        "{\"time\": \"t\", \"features\": [{}], \"known\": []}",
        "{\"time\": \"t\", \"features\": [{\"feature\": \"n = count() by a\"}], \"known\": []}",
        "{\"time\": \"t\", \"features\": [{\"feature\": \"n = count() by a\"}], \"known\": [1],"
        " \"columns\": {\"t\": \"time\", \"a\": \"text\"}}",
        "{\"time\": \"t\", \"features\": [{\"feature\": \"n = sum(x) by a\", \"type\": \"int\","
        " \"exponent\": 2000}], \"known\": [], \"columns\": {\"t\": \"time\", \"a\": \"text\","
        " \"x\": \"int\"}}",
    };
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        json_t *record = json_loads(records[i], 0, NULL);
        tm_window_set *set = NULL;
        tm_err err = {0};
        assert_non_null(record);
        assert_int_equal(tm__window_set_from_json(record, &set, &err), TM_E_DATA);
        assert_string_equal(err.message, "the record of features over windows is damaged");
        json_decref(record);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_the_set_again),
        cmocka_unit_test(a_damaged_record_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
