/* SPDX-License-Identifier: Apache-2.0 */
#include "table/privacy.h"

#include <string.h>

#include "test.h"

static tm_table *people(void) {
    static const char *const names[] = {"who", "age", "x", "day"};
    static const tm_type types[] = {TM_TYPE_TEXT, TM_TYPE_INT, TM_TYPE_FLOAT, TM_TYPE_TEXT};
    static const char *const who[] = {"anna", "bob", "anna"};
    tm_table *table = NULL;
    tm_table_builder *b = tm__builder_create();
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(tm__builder_add_column(b, names[i], types[i], NULL), TM_OK);
    }
    for (int64_t i = 0; i < 3; i++) {
        const tm_cell cells[] = {{.type = TM_TYPE_TEXT, .text = tm__str(who[i])},
                                 {.type = TM_TYPE_INT, .i64 = 30 + i},
                                 {.type = i == 1 ? TM_TYPE_NONE : TM_TYPE_FLOAT, .f64 = 1.5},
                                 {.type = TM_TYPE_TEXT, .text = TM_STR("1985-12-24")}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static void columns_become_what_is_kept_of_them(void **state) {
    (void)state;
    const tm_hash key = {.bytes = {1}};
    tm_table *table = people(), *kept = NULL, *again = NULL;
    json_t *policies =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "who", "pseudonym", "age", "generalise:0.5", "x",
                  "drop", "day", "generalise:year", "none", "drop");
    assert_true(tm__privacy_needs_key(policies));
    assert_int_equal(tm__privacy_table(policies, &key, table, &kept, NULL), TM_OK);
    const tm_column *who = tm__table_column(kept, 0);
    assert_true(who->codes[0] == who->codes[2] && who->codes[0] != who->codes[1]);
    assert_int_equal(tm__dict_count(who->dict), 2);
    assert_int_equal(tm__dict_get(who->dict, 0).len, 26);
    assert_true(tm__table_column(kept, 1)->type == TM_TYPE_FLOAT &&
                tm__table_column(kept, 1)->floats[2] == 32);
    assert_int_equal(tm__table_column(kept, 2)->n_missing, 3);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(kept, 3), 1).text, "1985-01-01"));
    /* What a policy leaves is known as that. */
    tm_privacy p;
    assert_int_equal(tm__privacy_parse("who", "pseudonym", TM_TYPE_NONE, &p, NULL), TM_OK);
    assert_true(tm__privacy_leaves(&p, &key, who, 3));
    assert_false(tm__privacy_leaves(&p, &key, tm__table_column(table, 0), 3));
    assert_false(tm__privacy_leaves(&p, &key, tm__table_column(kept, 2), 3)); /* no value */
    p.kind = TM_PRIVACY_DROP;
    assert_true(tm__privacy_leaves(&p, NULL, tm__table_column(kept, 2), 3));
    assert_false(tm__privacy_leaves(&p, NULL, who, 3));
    /* Again it is the same, with the key and without it. */
    for (int i = 0; i < 2; i++) {
        tm_hash a, b;
        assert_int_equal(tm__privacy_table(policies, i == 0 ? &key : NULL, kept, &again, NULL),
                         TM_OK);
        tm__table_hash(kept, &a);
        tm__table_hash(again, &b);
        assert_true(tm__hash_eq(&a, &b));
        tm__table_unref(again);
    }
    tm__table_unref(kept);
    tm__table_unref(table);
    json_decref(policies);
}

static void what_cannot_be_is_told_by_row_and_column(void **state) {
    (void)state;
    tm_table *table = people(), *kept = NULL;
    tm_err err = {0};
    json_t *policies = json_pack("{s:s}", "who", "pseudonym");
    assert_int_equal(tm__privacy_table(policies, NULL, table, &kept, &err), TM_E_NOT_ALLOWED);
    assert_true(strstr(err.message, "row 1: column 'who'") != NULL && err.hint[0] != '\0');
    json_object_set_new(policies, "who", json_string("generalise:10"));
    assert_int_equal(tm__privacy_table(policies, NULL, table, &kept, &err), TM_E_DATA);
    assert_null(strstr(err.message, "anna"));
    json_object_set_new(policies, "who", json_string("burn"));
    assert_int_equal(tm__privacy_table(policies, NULL, table, &kept, &err), TM_E_USAGE);
    /* None of them: the table itself. */
    json_object_clear(policies);
    assert_int_equal(tm__privacy_table(policies, NULL, table, &kept, NULL), TM_OK);
    assert_ptr_equal(kept, table);
    tm__table_unref(kept);
    tm__table_unref(table);
    json_decref(policies);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_become_what_is_kept_of_them),
        cmocka_unit_test(what_cannot_be_is_told_by_row_and_column),
    };
    return cmocka_run_group_tests_name("privacy_table", tests, NULL, NULL);
}
