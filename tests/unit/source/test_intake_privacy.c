/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "source/intake_priv.h"
#include "source/source.h"
#include "temp_home.h"
#include "test.h"

static void write_key(const tm_home *home) {
    char text[TM_HASH_TEXT];
    memset(text, 'a', sizeof(text));
    text[TM_HASH_TEXT - 1] = '\n';
    assert_int_equal(tm__fs_publish_secret(tm__home_server_key(home), text, sizeof(text), NULL),
                     TM_OK);
}

static void add_source(const tm_home *home) {
    const char *const keys[] = {"email"};
    json_t *spec =
        json_pack("{s:{s:{s:s}, s:{s:s}, s:{s:s}}}", "columns", "email", "policy", "pseudonym",
                  "age", "policy", "generalise:10", "phone", "policy", "drop");
    const tm_intake_add add = {
        .name = "s", .feed = "push", .spec = spec, .keys = keys, .n_keys = 1};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
}

static tm_push_result push(tm_intake *intake, tm_push_form form, const char *text, tm_status want) {
    char body[512];
    tm_push_result r = {0};
    (void)tm__str_copy(body, sizeof(body), tm__str(text));
    const tm_push one = {.source = "s", .form = form, .data = body, .len = strlen(body)};
    assert_int_equal(tm__intake_push_wait(intake, &one, &r, NULL), want);
    return r;
}

static void every_form_of_push_keeps_the_same(void **state) {
    const tm_home *const home = *state;
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    write_key(home);
    add_source(home);
    tm_intake *intake = tm__intake_create(home);
    tm_push_result r =
        push(intake, TM_PUSH_LINES, "{\"email\":\"a@b.cd\",\"age\":37,\"phone\":\"+49 1\"}", TM_OK);
    assert_int_equal(r.accepted, 1);
    r = push(intake, TM_PUSH_CSV, "email,age,phone\na@b.cd,31,x\nc@d.ef,old,y\n", TM_OK);
    assert_true(r.duplicates == 1 && r.quarantined == 1);
    r = push(intake, TM_PUSH_JSON, "[{\"email\":\"c@d.ef\",\"age\":12,\"phone\":1}]", TM_OK);
    assert_int_equal(r.accepted, 1);
    assert_true(tm__intake_end(intake));
    tm__intake_close(intake);
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    const tm_column *age = tm__table_column(table, tm__table_find(table, "age"));
    assert_true(age->type == TM_TYPE_INT && age->ints[0] == 30 && age->ints[1] == 10);
    assert_int_equal(tm__table_column(table, tm__table_find(table, "phone"))->n_missing, 2);
    const tm_cell who = tm__column_cell(tm__table_column(table, tm__table_find(table, "email")), 0);
    assert_true(who.text.len == 26 && who.text.ptr[0] == 'p');
    tm__table_unref(table);
    json_t *bad = NULL;
    const tm_intake_choice all = {0};
    assert_int_equal(tm__intake_quarantine(home, "s", &all, 10, &bad, NULL), TM_OK);
    char *text = json_dumps(bad, 0);
    assert_true(strstr(text, "c@d.ef") == NULL && strstr(text, "old") == NULL &&
                strstr(text, "p_") != NULL);
    free(text);
    json_decref(bad);
}

static void nothing_comes_in_without_the_key(void **state) {
    const tm_home *const home = *state;
    json_t *privacy = NULL;
    add_source(home);
    tm_intake *intake = tm__intake_create(home);
    tm_push_result r = {0};
    tm_err err = {0};
    char body[] = "{\"email\":\"a@b.cd\"}";
    const tm_push one = {.source = "s", .form = TM_PUSH_LINES, .data = body, .len = strlen(body)};
    assert_int_equal(tm__intake_push_wait(intake, &one, &r, &err), TM_E_NOT_ALLOWED);
    assert_true(err.hint[0] != '\0');
    tm__intake_close(intake);
    assert_int_equal(tm__intake_privacy(home, "s", &privacy, NULL), TM_E_NOT_ALLOWED);
}

static void a_recipe_says_policies_and_which_key(void **state) {
    const tm_home *const home = *state;
    json_t *privacy = NULL;
    write_key(home);
    add_source(home);
    assert_int_equal(tm__intake_privacy(home, "s", &privacy, NULL), TM_OK);
    assert_int_equal(json_object_size(json_object_get(privacy, "columns")), 3);
    assert_int_equal(strlen(tm__json_text(privacy, "key", "")), TM_HASH_TEXT - 1);
    tm_table *none = NULL;
    assert_int_equal(tm__intake_privacy_apply(home, privacy, &none, NULL), TM_OK);
    assert_null(none);
    json_decref(privacy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_form_of_push_keeps_the_same, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(nothing_comes_in_without_the_key, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_recipe_says_policies_and_which_key, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests_name("intake_privacy", tests, NULL, NULL);
}
