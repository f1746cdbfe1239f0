/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "source/intake.h"
#include "source/source.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static void push(tm_intake *intake, const char *source, const char *text) {
    char body[256];
    tm_push_result r = {0};
    (void)tm__str_copy(body, sizeof(body), tm__str(text));
    const tm_push one = {
        .source = source, .form = TM_PUSH_LINES, .data = body, .len = strlen(body)};
    assert_int_equal(tm__intake_push_wait(intake, &one, &r, NULL), TM_OK);
    assert_int_equal(r.accepted, 1);
}

static tm_table *table_of(const tm_home *home, const char *source) {
    tm_table *table = NULL;
    assert_int_equal(tm__intake_table(&ctx, home, source, &table, NULL), TM_OK);
    return table;
}

static void an_expected_column_has_its_type_before_a_row_comes(void **state) {
    const tm_home *home = *state;
    tm_intake_add source = {.name = "s", .feed = "push"};
    const tm_source_spec spec = {.sql = "SELECT 1.5::DOUBLE AS x, 'a' AS code"};
    assert_int_equal(tm__source_read(&ctx, &spec, &source.like, NULL), TM_OK);
    assert_int_equal(tm__intake_add(home, &source, NULL), TM_OK);
    tm__table_unref(source.like);
    tm_table *table = NULL;
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_E_DATA);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "s", "{\"x\":1,\"code\":7}");
    tm__intake_close(intake);
    table = table_of(home, "s");
    assert_int_equal(tm__table_column(table, 0)->type, TM_TYPE_FLOAT);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 1), 0).text, "7"));
    tm__table_unref(table);
}

static void names_that_are_no_file_names_are_refused(void **state) {
    static const char *const bad[] = {"", ".", "..", ".x", "a/b", "a b", "caf\xC3\xA9", "a\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            tm__intake_add(*state, &(tm_intake_add){.name = bad[i], .feed = "push"}, NULL),
            TM_E_USAGE);
    }
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(*state, "s", &json, NULL), TM_E_NOT_FOUND);
}

static void a_source_that_is_removed_leaves_nothing_behind(void **state) {
    const tm_home *home = *state;
    const char *const key[] = {"id"};
    const tm_intake_add add = {.name = "s", .feed = "push", .keys = key, .n_keys = 1};
    json_t *json = NULL;
    tm_table *table = NULL;
    uint64_t n = 0;
    assert_int_equal(tm__intake_remove(home, "s", NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_E_CONFLICT);
    tm_intake *intake = tm__intake_create(home);
    push(intake, "s", "{\"id\":1}");
    assert_int_equal(tm__intake_compact(&ctx, home, "s", 1, &n, NULL), TM_OK);
    push(intake, "s", "{\"id\":2}");
    tm__intake_close(intake);
    assert_int_equal(tm__intake_remove(home, "s", NULL), TM_OK);
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_E_NOT_FOUND);
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_E_DATA); /* no rows */
    intake = tm__intake_create(home);
    push(intake, "s", "{\"id\":1}"); /* its key is new again */
    tm__intake_close(intake);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_expected_column_has_its_type_before_a_row_comes),
        TEST(names_that_are_no_file_names_are_refused),
        TEST(a_source_that_is_removed_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
