/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "support.h"
#include "test.h"
#include "train/train_priv.h"

/* A text column of numbers below n_distinct, and every `other`-th value a word; 0: none. */
typedef struct numbers_case {
    const char *name;
    uint32_t n_rows, n_distinct, other;
    uint64_t row; /* that is told; 0: nothing is */
} numbers_case;

static tm_table *make(const numbers_case *c) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "y", TM_TYPE_TEXT, NULL), TM_OK);
    for (uint32_t i = 0; i < c->n_rows; i++) {
        char text[32];
        tm_cell cells[2] = {{0}, {.type = TM_TYPE_TEXT, .text = tm__str(i % 2 == 0 ? "a" : "b")}};
        const bool is_other = c->other > 0 && (i + 1) % c->other == 0;
        (void)snprintf(text, sizeof text, is_other ? "unknown" : "%u", i % c->n_distinct);
        if (i != 3) { /* a hole is no value */
            cells[0] = (tm_cell){.type = TM_TYPE_TEXT, .text = tm__str(text)};
        }
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static void a_column_of_numbers_with_a_few_words_is_told(void **state) {
    (void)state;
    static const numbers_case cases[] = {
        {"one word in a hundred", 500, 60, 100, 100},
        {"a word in each tenth", 500, 60, 10, 0},
        {"numbers alone", 500, 60, 0, 0},
        {"few numbers", 500, 12, 100, 0},
        {"few rows", 40, 40, 39, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const numbers_case *const c = &cases[i];
        tm_table *const table = make(c);
        json_t *const list = json_array();
        print_message("%s\n", c->name);
        assert_int_equal(tm__train_find_numbers(table, 1, NULL, list, NULL), TM_OK);
        assert_int_equal(json_array_size(list), c->row > 0 ? 1 : 0);
        if (c->row > 0) {
            const json_t *const found = json_array_get(list, 0);
            assert_string_equal(tm__json_text(found, "kind", ""), "mostly_numbers");
            assert_string_equal(tm__json_text(found, "severity", ""), "warning");
            assert_string_equal(tm__json_text(found, "column", ""), "x");
            assert_null(strstr(tm__json_text(found, "text", ""), "unknown")); /* never a value */
            const json_t *const evidence = json_object_get(found, "evidence");
            assert_int_equal(tm__json_i64(evidence, "row", 0), (int64_t)c->row);
            assert_int_equal(tm__json_i64(evidence, "values", 0), c->n_rows - 1);
            assert_int_equal(tm__json_i64(evidence, "numbers", 0), c->n_rows - 6);
        }
        json_decref(list);
        tm__table_unref(table);
    }
}

/* A text column of values by a format of whole numbers and a fraction. */
static tm_table *make_formatted(const char *format) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_TEXT, NULL), TM_OK);
    for (uint32_t i = 0; i < 60; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, format, i + 1, 100 + i);
        const tm_cell one = {.type = TM_TYPE_TEXT, .text = tm__str(text)};
        assert_int_equal(tm__builder_add_row(builder, &one, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static void numbers_as_people_write_them_are_told(void **state) {
    (void)state;
    static const struct {
        const char *format;
        bool is_told;
    } cases[] = {
        {"%u,%u", true},    {"$%u.%u", true},          {"-$%u,%u.50", true},      {"$-%u", true},
        {"%u.%u %%", true}, {"\xe2\x82\xac %u", true}, {"%u \xe2\x82\xac", true}, {"%u", false},
        {"v%u", false},     {"%u,5", false},           {"%u-%u", false},          {"#%u", false},
        {",%u,%u", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_table *const table = make_formatted(cases[i].format);
        json_t *const list = json_array();
        print_message("%s\n", cases[i].format);
        assert_int_equal(tm__train_find_numbers(table, UINT32_MAX, NULL, list, NULL), TM_OK);
        assert_int_equal(json_array_size(list), cases[i].is_told ? 1 : 0);
        const char *kind = tm__json_text(json_array_get(list, 0), "kind", "formatted_numbers");
        assert_string_equal(kind, "formatted_numbers");
        json_decref(list);
        tm__table_unref(table);
    }
}

static void the_target_and_what_is_no_feature_are_left_alone(void **state) {
    (void)state;
    static const numbers_case c = {"", 500, 60, 100, 0};
    tm_table *const table = make(&c);
    json_t *const list = json_array();
    tm_schema roles = {0};
    assert_int_equal(tm__train_find_numbers(table, 0, NULL, list, NULL), TM_OK);
    assert_int_equal(tm__schema_from_table(table, &roles, NULL), TM_OK);
    roles.cols[0].role = TM_ROLE_ENTITY;
    assert_int_equal(tm__train_find_numbers(table, 1, &roles, list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 0);
    roles.cols[0].role = TM_ROLE_FEATURE;
    assert_int_equal(tm__train_find_numbers(table, 1, &roles, list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 1);
    tm__schema_done(&roles);
    json_decref(list);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_of_numbers_with_a_few_words_is_told),
        cmocka_unit_test(numbers_as_people_write_them_are_told),
        cmocka_unit_test(the_target_and_what_is_no_feature_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
