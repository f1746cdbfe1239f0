/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"
#include "tidemill/err.h"

static void every_status_has_its_texts_and_numbers(void **state) {
    (void)state;
    static const struct {
        tm_status status;
        const char *text;
        unsigned http, exit_code;
    } rows[] = {
#define TM_STATUS(name, number, text, http, exit_code) {name, text, http, exit_code},
#include "tidemill/status.def"
#undef TM_STATUS
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(tm_status_text(rows[i].status), rows[i].text);
        assert_int_equal(tm_status_http(rows[i].status), rows[i].http);
        assert_int_equal(tm_status_exit(rows[i].status), rows[i].exit_code);
    }
    assert_int_equal(tm_status_exit(TM_OK), 0);
    assert_string_equal(tm_status_text((tm_status)9999), "unknown");
    assert_int_equal(tm_status_http((tm_status)9999), 500);
    assert_int_equal(tm_status_exit((tm_status)-1), 70);
}

static void an_error_says_what_where_and_what_to_do(void **state) {
    (void)state;
    tm_err err = {0};
    assert_int_equal(TM_FAIL(&err, TM_E_DATA, "cannot read column '%s'", "age"), TM_E_DATA);
    tm_err_hint(&err, "Write a number of at most %d digits.", 9);
    tm_err_at(&err, "a.csv", 12, 3);
    tm_err_at(&err, NULL, 0, 4);
    assert_string_equal(err.message, "cannot read column 'age'");
    assert_string_equal(err.hint, "Write a number of at most 9 digits.");
    assert_string_equal(err.data_path, "a.csv");
    assert_int_equal(err.data_row, 12);
    assert_int_equal(err.data_col, 4);
    assert_non_null(strstr(err.src_file, "test_err.c"));
    assert_true(err.src_line > 0);
}

static void a_new_error_forgets_the_old_place(void **state) {
    (void)state;
    tm_err err = {0};
    (void)TM_FAIL(&err, TM_E_DATA, "first");
    tm_err_hint(&err, "Do this.");
    tm_err_at(&err, "a.csv", 1, 1);
    (void)TM_FAIL(&err, TM_E_IO, "second after %s", err.message);
    assert_string_equal(err.message, "second after first");
    assert_string_equal(err.hint, "");
    assert_string_equal(err.data_path, "");
    assert_int_equal(err.data_row, 0);
}

static void long_texts_are_cut_between_characters(void **state) {
    (void)state;
    char text[1001] = "";
    for (unsigned i = 0; i < 500; i++) {
        memcpy(text + 2 * i, "\xC3\xA9", 3);
    }
    for (unsigned shift = 0; shift < 2; shift++) {
        tm_err err = {0};
        (void)TM_FAIL(&err, TM_E_DATA, "%s%s", shift != 0 ? "x" : "", text);
        tm_err_hint(&err, "%s%s", shift != 0 ? "x" : "", text);
        tm_err_at(&err, text + 2 * shift, 0, 0);
        assert_in_range(strlen(err.message), 254, 255);
        assert_in_range(strlen(err.hint), 190, 191);
        assert_true(tm__str_is_utf8(tm__str(err.message)));
        assert_true(tm__str_is_utf8(tm__str(err.hint)));
        assert_true(tm__str_is_utf8(tm__str(err.data_path)));
    }
}

static void nobody_has_to_want_the_details(void **state) {
    (void)state;
    assert_int_equal(TM_FAIL(NULL, TM_E_IO, "x"), TM_E_IO);
    tm_err_hint(NULL, "x");
    tm_err_at(NULL, "x", 1, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_texts_and_numbers),
        cmocka_unit_test(an_error_says_what_where_and_what_to_do),
        cmocka_unit_test(a_new_error_forgets_the_old_place),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(nobody_has_to_want_the_details),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
