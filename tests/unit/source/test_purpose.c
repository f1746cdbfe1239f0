/* SPDX-License-Identifier: Apache-2.0 */
#include "source/purpose.h"

#include <string.h>

#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

static void add_source(const tm_home *home, const char *name, const char *purpose) {
    json_t *spec = json_pack("{s:s*}", "purpose", purpose);
    const tm_intake_add add = {.name = name, .feed = "push", .spec = spec};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
}

static void a_run_says_one_of_the_purposes(void **state) {
    const tm_home *const home = *state;
    json_t *source = json_pack("{s:s}", "source", "people");
    json_t *query = json_pack("{s:s}", "sql", "SELECT * FROM other JOIN \"people\" USING (id)");
    json_t *loud = json_pack("{s:s}", "sql", "SELECT * FROM PEOPLE"); /* DuckDB finds it */
    json_t *path = json_pack("{s:s}", "path", "people.csv");
    json_t *events = json_pack("{s:O, s:O}", "a", path, "b", source);
    tm_err err = {0};
    assert_int_equal(tm__purpose_check(home, source, NULL, NULL), TM_OK); /* no source yet */
    add_source(home, "people", "support , fraud");
    add_source(home, "other", NULL);
    const json_t *const froms[] = {source, query, loud};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tm__purpose_check(home, froms[i], "fraud", NULL), TM_OK);
        assert_int_equal(tm__purpose_check(home, froms[i], "support", NULL), TM_OK);
        assert_int_equal(tm__purpose_check(home, froms[i], "fra", &err), TM_E_NOT_ALLOWED);
        assert_non_null(strstr(err.message, "'people'"));
        assert_non_null(strstr(err.hint, "fraud"));
        assert_int_equal(tm__purpose_check(home, froms[i], NULL, NULL), TM_E_NOT_ALLOWED);
        assert_int_equal(tm__purpose_check(home, froms[i], "support , fraud", NULL),
                         TM_E_NOT_ALLOWED);
    }
    assert_int_equal(tm__purpose_check(home, path, NULL, NULL), TM_OK);
    assert_int_equal(tm__purpose_check(NULL, source, NULL, NULL), TM_OK);
    assert_int_equal(tm__purpose_check_all(home, events, "ads", NULL), TM_E_NOT_ALLOWED);
    assert_int_equal(tm__purpose_check_all(home, events, "fraud", NULL), TM_OK);
    assert_int_equal(tm__purpose_check_all(home, NULL, NULL, NULL), TM_OK);
    json_decref(source);
    json_decref(query);
    json_decref(loud);
    json_decref(path);
    json_decref(events);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_says_one_of_the_purposes, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests_name("purpose", tests, NULL, NULL);
}
