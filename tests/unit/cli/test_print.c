/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "capture.h"
#include "own_tables.h"

static void error_text_says_what_where_and_what_to_do(void **state) {
    (void)state;
    tm_err err = {.status = TM_E_DATA, .data_row = 12, .data_col = 3};
    tm_buf text;
    strcpy(err.message, "column 'age' is not a number");
    strcpy(err.hint, "Correct the cell.");
    strcpy(err.data_path, "data.csv");
    tm__buf_init(&text, 4096);
    tm__cli_error_text(&err, false, &text);
    assert_string_equal((char *)text.data, "error: column 'age' is not a number\n"
                                           "  at data.csv:12:3\n"
                                           "  hint: Correct the cell.\n");
    tm__buf_done(&text);
}

static void error_text_leaves_out_what_is_not_known(void **state) {
    (void)state;
    tm_err err = {.status = TM_E_NOT_FOUND, .data_row = 4};
    tm_buf text;
    tm__buf_init(&text, 4096);
    tm__cli_error_text(&err, false, &text);
    assert_string_equal((char *)text.data, "error: not found\n  at row 4\n");
    tm__buf_done(&text);
}

static void names_in_errors_cannot_speak_to_the_terminal(void **state) {
    (void)state;
    tm_err err = {.status = TM_E_DATA};
    tm_buf text;
    strcpy(err.message, "no column '\033[2J\xc2\x9b'");
    tm__buf_init(&text, 4096);
    tm__cli_error_text(&err, false, &text);
    assert_string_equal((char *)text.data, "error: no column '?[2J?\?'\n");
    tm__buf_done(&text);
}

static void error_json_has_stable_keys(void **state) {
    (void)state;
    tm_err err = {.status = TM_E_NOT_FOUND};
    strcpy(err.message, "no model 'x'");
    json_t *value = tm__cli_error_json(&err);
    tm_buf text;
    tm__buf_init(&text, 4096);
    assert_true(tm__json_write(&text, value, 0));
    assert_string_equal((char *)text.data,
                        "{\"schema\":\"tidemill.error/1\",\"error\":{\"status\":\"not found\","
                        "\"message\":\"no model 'x'\",\"hint\":null,\"path\":null,\"row\":null,"
                        "\"column\":null}}");
    tm__buf_done(&text);
    json_decref(value);
}

static void a_failure_gives_the_exit_code(void **state) {
    (void)state;
    static const struct {
        tm_status status;
        int signal, code;
    } cases[] = {{TM_E_USAGE, 0, 2},       {TM_E_DATA, 0, 7},         {TM_E_INTEGRITY, 0, 8},
                 {TM_E_CANCELLED, 2, 130}, {TM_E_CANCELLED, 15, 143}, {TM_E_DATA, 15, 7}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_cli cli = {.signal = cases[i].signal};
        const tm_err err = {.status = cases[i].status};
        capture_begin(2);
        const int code = tm__cli_fail(&cli, &err);
        capture_end(2);
        assert_int_equal(code, cases[i].code);
    }
}

static void one_object_alone_goes_to_stdout(void **state) {
    (void)state;
    tm_cli cli = {.json = true};
    const tm_err err = {.status = TM_E_REFUSED};
    json_t *value = json_pack("{s:b}", "ok", 0);
    capture_begin(1);
    tm__cli_print_json(&cli, value);
    assert_string_equal(capture_end(1), "{\n  \"ok\": false\n}\n");
    capture_begin(2);
    tm__cli_fail(&cli, &err);
    assert_string_equal(capture_end(2), "error: refused\n");
    json_decref(value);
}

static void tables_align_numbers_right(void **state) {
    (void)state;
    tm_cli cli = {0};
    tm_cli_table table;
    tm__cli_table_init(&table, 3, (const char *const[]){"name", "auc", "note"});
    tm__cli_cell(&table, "caf\xc3\xa9");
    tm__cli_cell_number(&table, 0.71234, 3);
    tm__cli_cell(&table, "a\nb");
    tm__cli_cell(&table, "longer name");
    tm__cli_cell_number(&table, NAN, 3);
    tm__cli_cell(&table, "%s", "");
    capture_begin(1);
    tm__cli_table_print(&cli, &table);
    assert_string_equal(capture_end(1), "name           auc  note\n"
                                        "caf\xc3\xa9         0.712  a b\n"
                                        "longer name      -\n");
}

static void quiet_and_json_silence_the_right_lines(void **state) {
    (void)state;
    tm_cli cli = {.json = true, .quiet = true};
    capture_begin(1);
    tm__cli_print(&cli, "words\n");
    assert_string_equal(capture_end(1), "");
    capture_begin(2);
    tm__cli_note(&cli, "a remark");
    tm__cli_warn(&cli, "a %s", "danger");
    assert_string_equal(capture_end(2), "warning: a danger\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_text_says_what_where_and_what_to_do),
        cmocka_unit_test(error_text_leaves_out_what_is_not_known),
        cmocka_unit_test(names_in_errors_cannot_speak_to_the_terminal),
        cmocka_unit_test(error_json_has_stable_keys),
        cmocka_unit_test(a_failure_gives_the_exit_code),
        cmocka_unit_test(one_object_alone_goes_to_stdout),
        cmocka_unit_test(tables_align_numbers_right),
        cmocka_unit_test(quiet_and_json_silence_the_right_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
