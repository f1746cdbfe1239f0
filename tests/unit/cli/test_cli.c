/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "capture.h"
#include "own_tables.h"

#define MAIN(...)                                                                                  \
    tm__cli_main((int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                    \
                 (const char *const[]){__VA_ARGS__})

static tm_status refuse(tm_cli *cli, tm_err *err) {
    (void)cli;
    return TM_FAIL(err, TM_E_REFUSED, "the gate says no");
}

static void a_command_that_works_exits_0(void **state) {
    (void)state;
    own_run = NULL;
    assert_int_equal(MAIN("tidemill", "stone", "ls"), 0);
}

static void a_refusal_exits_1_and_says_why(void **state) {
    (void)state;
    own_run = refuse;
    capture_begin(2);
    const int code = MAIN("tidemill", "stone", "ls");
    assert_string_equal(capture_end(2), "error: the gate says no\n");
    assert_int_equal(code, 1);
}

static tm_status fail_late(tm_cli *cli, tm_err *err) {
    tm__cli_did(cli, "version %d is registered", 3);
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static void an_error_after_the_deed_names_it(void **state) {
    (void)state;
    own_run = fail_late;
    capture_begin(2);
    const int code = MAIN("tidemill", "stone", "ls");
    assert_string_equal(capture_end(2), "error: out of memory; version 3 is registered\n");
    assert_int_equal(code, 6);
}

static tm_status lose(tm_cli *cli, tm_err *err) {
    (void)err;
    json_t *result = json_object();
    tm__mem_fail_at(1, true);
    (void)json_object_set_new(result, "lost", json_string("x"));
    tm__cli_print_json(cli, result);
    json_decref(result);
    return TM_OK;
}

static void a_result_that_lacks_something_is_an_error_said_without_memory(void **state) {
    (void)state;
    own_run = lose;
    capture_begin(2);
    const int code = MAIN("tidemill", "stone", "ls", "--json");
    tm__mem_fail_at(0, false);
    assert_string_equal(capture_end(2),
                        "error: out of memory: the result is not shown as a whole\n");
    assert_int_equal(code, 6);
}

static void a_wrong_line_is_json_when_json_was_asked(void **state) {
    (void)state;
    own_run = NULL;
    capture_begin(1);
    const int code = MAIN("tidemill", "grind", "--what", "--json");
    const char *text = capture_end(1);
    assert_non_null(strstr(text, "\"schema\": \"tidemill.error/1\""));
    assert_int_equal(code, 2);
}

static void no_words_show_short_help_and_exit_2(void **state) {
    (void)state;
    capture_begin(2);
    const int code = MAIN("tidemill");
    assert_true(strncmp(capture_end(2), "Usage: tidemill", 15) == 0);
    assert_int_equal(code, 2);
}

static void help_that_was_asked_for_exits_0(void **state) {
    (void)state;
    capture_begin(1);
    int code = MAIN("tidemill", "grind", "--help");
    assert_true(strncmp(capture_end(1), "Learn from a table.", 19) == 0);
    assert_int_equal(code, 0);
    capture_begin(1);
    code = MAIN("tidemill", "stone", "-h");
    assert_non_null(strstr(capture_end(1), "stone show"));
    assert_int_equal(code, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_that_works_exits_0),
        cmocka_unit_test(a_refusal_exits_1_and_says_why),
        cmocka_unit_test(an_error_after_the_deed_names_it),
        cmocka_unit_test(a_result_that_lacks_something_is_an_error_said_without_memory),
        cmocka_unit_test(a_wrong_line_is_json_when_json_was_asked),
        cmocka_unit_test(no_words_show_short_help_and_exit_2),
        cmocka_unit_test(help_that_was_asked_for_exits_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
