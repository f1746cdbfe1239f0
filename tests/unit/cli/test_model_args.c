/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "cli/model_args.h"

static void exactly_one_of_a_file_and_a_query_is_wanted(void **state) {
    (void)state;
    tm_err err = {0};
    assert_int_equal(tm__cli_check_source("a.csv", NULL, NULL), TM_OK);
    assert_int_equal(tm__cli_check_source(NULL, "SELECT 1", NULL), TM_OK);
    assert_int_equal(tm__cli_check_source(NULL, NULL, &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "no data"));
    assert_int_equal(tm__cli_check_source("a.csv", "SELECT 1", &err), TM_E_USAGE);
    assert_non_null(strstr(err.message, "both"));
    assert_true(err.hint[0] != '\0');
}

static void who_acts_at_the_command_line_is_named(void **state) {
    (void)state;
    char text[80];
    const tm_actor actor = tm__cli_actor("because", text, sizeof(text));
    assert_int_equal(strncmp(actor.name, "cli:", 4), 0);
    assert_true(strlen(actor.name) > 4);
    assert_string_equal(actor.reason, "because");
    assert_int_equal(setenv("TIDEMILL_CHILD", "leaf", 1), 0);
    assert_string_equal(tm__cli_actor(NULL, text, sizeof(text)).name, "loop");
    assert_int_equal(unsetenv("TIDEMILL_CHILD"), 0);
}

static void a_place_that_is_not_open_can_be_closed(void **state) {
    (void)state;
    tm_place place = {0};
    tm__place_close(&place);
    assert_null(place.home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_one_of_a_file_and_a_query_is_wanted),
        cmocka_unit_test(who_acts_at_the_command_line_is_named),
        cmocka_unit_test(a_place_that_is_not_open_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
