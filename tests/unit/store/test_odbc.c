/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; the rest is in tests/e2e/test_mariadb.py. */
#include "store/odbc.h"

#include <string.h>

#include "base/fs.h"
#include "store/odbc_priv.h"
#include "support.h"
#include "test.h"

#define DSN "there.dsn"

static void what_the_file_says_stands_in_no_message(void **state) {
    (void)state;
    static const struct {
        const char *dsn;
        tm_status want;
    } cases[] = {{"hidden", TM_E_DATA},
                 {"A=hidden\nB=2", TM_E_DATA},
                 {"DSN=hidden-source;PWD=hidden", TM_E_DATA},
                 {"Driver=/hidden/driver.so;PWD=hidden", TM_E_DATA}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_odbc *odbc = NULL;
        tm_err err = {0};
        assert_int_equal(tm__fs_publish_secret(DSN, cases[i].dsn, strlen(cases[i].dsn), NULL),
                         TM_OK);
        assert_int_equal(tm__odbc_open(DSN, NULL, &odbc, &err), cases[i].want);
        assert_null(odbc);
        assert_null(strstr(err.message, "hidden"));
        assert_null(strstr(err.hint, "hidden"));
        assert_string_equal(err.data_path, DSN);
    }
    tm__odbc_close(NULL);
}

static void utf16_becomes_utf8(void **state) {
    (void)state;
    static const uint16_t units[] = {'a', 0xe9, 0x20ac, 0xd83d, 0xde00, 0xd800, 'b', 0xdc00};
    tm_buf out;
    tm__buf_init(&out, 100);
    assert_true(tm__odbc_utf8(units, sizeof(units) / sizeof(units[0]), &out));
    assert_string_equal((const char *)out.data, "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80"
                                                "b\xed\xb0\x80");
    assert_false(tm__str_is_utf8((tm_str){(const char *)out.data, out.len})); /* the halves */
    tm__buf_done(&out);
    tm__buf_init(&out, 2);
    assert_false(tm__odbc_utf8(units, 3, &out));
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_file_says_stands_in_no_message),
        cmocka_unit_test(utf16_becomes_utf8),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
