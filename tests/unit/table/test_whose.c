/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "table/whose.h"

static tm_table *make(void) {
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    const tm_cell missing = {.type = TM_TYPE_NONE};
    const tm_cell rows[4][3] = {
        {{.type = TM_TYPE_INT, .i64 = 7}, {.type = TM_TYPE_TEXT, .text = {"x", 1}}, missing},
        {{.type = TM_TYPE_INT, .i64 = 77}, {.type = TM_TYPE_TEXT, .text = {"7", 1}}, missing},
        {missing, missing, {.type = TM_TYPE_FLOAT, .f64 = 7}},
        {{.type = TM_TYPE_INT, .i64 = -7},
         {.type = TM_TYPE_TEXT, .text = {"77", 2}},
         {.type = TM_TYPE_FLOAT, .f64 = 7.5}}};
    assert_int_equal(tm__builder_add_column(b, "i", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "t", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "f", TM_TYPE_FLOAT, NULL), TM_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tm__builder_add_row(b, rows[i], NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void rows_are_theirs_by_the_columns_named(void **state) {
    (void)state;
    tm_table *table = make();
    static const struct {
        const char *names, *id;
        uint8_t want[4];
    } cases[] = {{"[\"i\"]", "7", {1, 0, 0, 0}},      {"[\"t\"]", "7", {0, 1, 0, 0}},
                 {"[\"f\"]", "7", {0, 0, 1, 0}},      {"[\"i\",\"t\"]", "77", {0, 1, 0, 1}},
                 {"[\"absent\"]", "7", {0, 0, 0, 0}}, {"[]", "7", {0, 0, 0, 0}},
                 {NULL, "7", {1, 1, 1, 0}},           {NULL, "7.5", {0, 0, 0, 1}},
                 {NULL, "nobody", {0, 0, 0, 0}},      {"[\"i\"]", "", {0, 0, 0, 0}}};
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        uint8_t is_theirs[4];
        uint64_t n = 9, want = 0;
        json_t *names = cases[k].names == NULL ? NULL : json_loads(cases[k].names, 0, NULL);
        tm_dict *ids = tm__dict_create();
        assert_int_equal(tm__dict_add(ids, tm__str(cases[k].id)), 0);
        assert_int_equal(tm__whose_rows(table, names, ids, is_theirs, &n, NULL, NULL), TM_OK);
        tm__dict_free(ids);
        assert_memory_equal(is_theirs, cases[k].want, 4);
        for (int i = 0; i < 4; i++) {
            want += cases[k].want[i];
        }
        assert_int_equal(n, want);
        json_decref(names);
    }
    tm__table_unref(table);
}

static void rows_of_several_are_counted_by_whom(void **state) {
    (void)state;
    tm_table *table = make();
    tm_dict *ids = tm__dict_create();
    const uint8_t want[4] = {1, 1, 1, 1};
    const uint64_t want_counts[4] = {3, 2, 0, 1};
    uint8_t is_theirs[4];
    uint64_t n = 0, counts[4] = {0};
    assert_int_equal(tm__dict_add(ids, tm__str("7")), 0);
    assert_int_equal(tm__dict_add(ids, tm__str("77")), 1);
    assert_int_equal(tm__dict_add(ids, tm__str("nobody")), 2);
    assert_int_equal(tm__dict_add(ids, tm__str("7.5")), 3);
    assert_int_equal(tm__whose_rows(table, NULL, ids, is_theirs, &n, counts, NULL), TM_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(is_theirs, want, 4);
    assert_memory_equal(counts, want_counts, sizeof(counts));
    tm__dict_free(ids);
    tm__table_unref(table);
}

static void a_text_is_compared_as_it_is_and_a_number_as_text(void **state) {
    (void)state;
    const tm_cell text = {.type = TM_TYPE_TEXT, .text = tm__str("a,\"b\"")};
    const tm_cell seven = {.type = TM_TYPE_INT, .i64 = 7}, eight = {.type = TM_TYPE_INT, .i64 = 8};
    tm_dict *ids = tm__dict_create();
    tm_buf room;
    uint32_t id = 0;
    tm__buf_init(&room, 1000);
    assert_int_equal(tm__dict_add(ids, tm__str("7")), 0);
    assert_int_equal(tm__dict_add(ids, tm__str("a,\"b\"")), 1);
    assert_int_equal(tm__whose_cell(&text, ids, &room, &id, NULL), TM_OK);
    assert_int_equal(id, 1);
    assert_int_equal(tm__whose_cell(&seven, ids, &room, &id, NULL), TM_OK);
    assert_int_equal(id, 0);
    assert_int_equal(tm__whose_cell(&eight, ids, &room, &id, NULL), TM_OK);
    assert_int_equal(id, TM_CODE_MISSING);
    tm__buf_done(&room);
    tm__dict_free(ids);
}

static void the_others_are_what_is_left(void **state) {
    (void)state;
    tm_table *table = make(), *left = NULL;
    const uint8_t is_theirs[4] = {1, 0, 1, 0};
    assert_int_equal(tm__whose_others(table, is_theirs, &left, NULL), TM_OK);
    assert_int_equal(tm__table_rows(left), 2);
    assert_int_equal(tm__column_cell(tm__table_column(left, 0), 0).i64, 77);
    assert_int_equal(tm__column_cell(tm__table_column(left, 0), 1).i64, -7);
    tm__table_unref(left);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_theirs_by_the_columns_named),
        cmocka_unit_test(rows_of_several_are_counted_by_whom),
        cmocka_unit_test(a_text_is_compared_as_it_is_and_a_number_as_text),
        cmocka_unit_test(the_others_are_what_is_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
