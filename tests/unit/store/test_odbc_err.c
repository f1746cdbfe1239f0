/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/odbc_priv.h"
#include "test.h"

static void the_number_and_the_sqlstate_decide(void **state) {
    (void)state;
    static const struct {
        tm_odbc_report report;
        tm_status want;
        const char *message;
    } cases[] = {
        {{"42S02", 1146, "[ma-3.1][10.11]Table 'm.t' doesn't exist", false},
         TM_E_NOT_FOUND,
         "Table 'm.t' doesn't exist"},
        {{"42000", 1064, "[ma]You have an error", false}, TM_E_USAGE, "You have an error"},
        {{"HY000", 2013, "[ma]Lost connection to VALUE", false},
         TM_E_UNAVAILABLE,
         "the connection to the database broke"},
        {{"28000", 1045, "[ma]Access denied for VALUE", true},
         TM_E_NOT_ALLOWED,
         "the database refuses the user or the password"},
        {{"HY000", 2003, "[ma]Can't connect to VALUE", true},
         TM_E_UNAVAILABLE,
         "the database cannot be reached as the DSN says"},
        {{"42000", 1049, "[ma]Unknown database VALUE", true},
         TM_E_NOT_FOUND,
         "the database of the DSN does not exist"},
        {{"42000", 9999, "[x]syntax of VALUE", true},
         TM_E_UNAVAILABLE,
         "the database cannot be reached as the DSN says"},
        {{"IM002", 0, "[unixODBC]VALUE", true},
         TM_E_DATA,
         "the DSN names no data source that unixODBC knows"},
        {{"22001", 0, "[x]bad VALUE", false}, TM_E_DATA, "a value does not fit its type"},
        {{"HY000", 77, "[x]odd VALUE", false},
         TM_E_DATA,
         "the database refuses the query (SQLSTATE HY000, error 77)"},
        {{NULL, 0, NULL, false},
         TM_E_DATA,
         "the database refuses the query (SQLSTATE none, error 0)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        assert_int_equal(tm__odbc_fail(&cases[i].report, &err), cases[i].want);
        assert_string_equal(err.message, cases[i].message);
        assert_null(strstr(err.hint, "VALUE"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_number_and_the_sqlstate_decide)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
