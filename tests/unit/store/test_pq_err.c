/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/pq_priv.h"
#include "test.h"

static void the_sqlstate_decides_and_values_stay_out(void **state) {
    (void)state;
    static const struct {
        tm_pq_report report;
        tm_status want;
        const char *message;
    } cases[] = {
        {{.sqlstate = "42P01", .message = "relation \"foo\" does not exist"},
         TM_E_NOT_FOUND,
         "PostgreSQL: relation \"foo\" does not exist"},
        {{.sqlstate = "42703", .message = "column \"x\" does not exist", .hint = "Perhaps y."},
         TM_E_USAGE,
         "PostgreSQL: column \"x\" does not exist"},
        {{.sqlstate = "22P02", .message = "invalid input syntax for type integer: \"VALUE\""},
         TM_E_DATA,
         "a value does not fit its type (SQLSTATE 22P02)"},
        {{.sqlstate = "23505", .message = "duplicate key VALUE", .name = "t_pkey"},
         TM_E_CONFLICT,
         "a row with this key is there already: 't_pkey' (SQLSTATE 23505)"},
        {{.sqlstate = "57P01", .message = "terminating connection"},
         TM_E_UNAVAILABLE,
         "PostgreSQL shuts down or starts (SQLSTATE 57P01)"},
        {{.sqlstate = "57014", .message = "canceling statement"},
         TM_E_UNAVAILABLE,
         "PostgreSQL ended the statement before it was done (SQLSTATE 57014)"},
        {{.sqlstate = "57014", .message = "canceling statement", .was_cancelled = true},
         TM_E_CANCELLED,
         "cancelled while PostgreSQL worked"},
        {{.sqlstate = "40001", .message = "could not serialize"},
         TM_E_UNAVAILABLE,
         "PostgreSQL undid the transaction because of another one (SQLSTATE 40001)"},
        {{.sqlstate = "25006", .message = "cannot execute INSERT", .was_to_read = true},
         TM_E_USAGE,
         "the query writes (SQLSTATE 25006)"},
        {{.sqlstate = "25006", .message = "cannot execute INSERT"},
         TM_E_UNAVAILABLE,
         "PostgreSQL takes no writes (SQLSTATE 25006)"},
        {{.sqlstate = "42501", .message = "permission denied for table t"},
         TM_E_NOT_ALLOWED,
         "PostgreSQL: permission denied for table t"},
        {{.sqlstate = "P0001", .message = "VALUE"},
         TM_E_DATA,
         "PostgreSQL refuses the statement (SQLSTATE P0001)"},
        {{.sqlstate = NULL}, TM_E_DATA, "PostgreSQL refuses the statement (SQLSTATE none)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        assert_int_equal(tm__pq_fail(&cases[i].report, &err), cases[i].want);
        assert_int_equal(err.status, cases[i].want);
        assert_string_equal(err.message, cases[i].message);
        assert_null(strstr(err.message, "VALUE"));
        assert_null(strstr(err.hint, "VALUE"));
    }
}

static void what_libpq_says_is_known_by_phrases(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tm_status want;
    } cases[] = {
        {"connection to server at \"h\" failed: FATAL:  password authentication failed for user "
         "\"u\"",
         TM_E_NOT_ALLOWED},
        {"... FATAL:  database \"d\" does not exist", TM_E_NOT_FOUND},
        {"... FATAL:  role \"u\" does not exist", TM_E_NOT_FOUND},
        {"... FATAL:  sorry, too many clients already", TM_E_UNAVAILABLE},
        {"... FATAL:  the database system is starting up", TM_E_UNAVAILABLE},
        {"... Connection refused\n\tIs the server running", TM_E_UNAVAILABLE},
        {"something new with h and u", TM_E_UNAVAILABLE},
        {NULL, TM_E_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        assert_int_equal(tm__pq_fail_connect(cases[i].text, "x.dsn", &err), cases[i].want);
        assert_null(strchr(err.message, '"'));
        assert_null(strstr(err.message, "new"));
        assert_string_equal(err.data_path, "x.dsn");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sqlstate_decides_and_values_stay_out),
        cmocka_unit_test(what_libpq_says_is_known_by_phrases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
