/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "duck_case.h"
#include "store/duck_priv.h"
#include "test.h"

static void each_type_becomes_one_of_ours(void **state) {
    (void)state;
    const struct {
        const char *value;
        tm_type type;
        int64_t i64;
        double f64;
        const char *text;
    } cases[] = {
        {"true", TM_TYPE_BOOL, 1, 0, NULL},
        {"(-5)::TINYINT", TM_TYPE_INT, -5, 0, NULL},
        {"255::UTINYINT", TM_TYPE_INT, 255, 0, NULL},
        {"(-300)::SMALLINT", TM_TYPE_INT, -300, 0, NULL},
        {"65535::USMALLINT", TM_TYPE_INT, 65535, 0, NULL},
        {"(-70000)::INTEGER", TM_TYPE_INT, -70000, 0, NULL},
        {"4294967295::UINTEGER", TM_TYPE_INT, 4294967295, 0, NULL},
        {"9223372036854775807::BIGINT", TM_TYPE_INT, INT64_MAX, 0, NULL},
        {"18446744073709551615::UBIGINT", TM_TYPE_FLOAT, 0, 18446744073709551616.0, NULL},
        {"(-3)::HUGEINT", TM_TYPE_FLOAT, 0, -3, NULL},
        {"7::UHUGEINT", TM_TYPE_FLOAT, 0, 7, NULL},
        {"1.5::FLOAT", TM_TYPE_FLOAT, 0, 1.5, NULL},
        {"0.1::DOUBLE", TM_TYPE_FLOAT, 0, 0.1, NULL},
        {"'-inf'::DOUBLE", TM_TYPE_FLOAT, 0, -INFINITY, NULL},
        {"1.1::DECIMAL(4,1)", TM_TYPE_FLOAT, 0, 1.1, NULL},
        {"1.1::DECIMAL(9,3)", TM_TYPE_FLOAT, 0, 1.1, NULL},
        {"(-1.1)::DECIMAL(18,5)", TM_TYPE_FLOAT, 0, -1.1, NULL},
        {"1.1::DECIMAL(38,10)", TM_TYPE_FLOAT, 0, 1.1, NULL},
        {"DATE '1969-12-31'", TM_TYPE_DATE, -86400000000, 0, NULL},
        {"TIMESTAMP '1970-01-01 00:00:01.5'", TM_TYPE_TIME, 1500000, 0, NULL},
        {"TIMESTAMPTZ '1970-01-01 02:00:00+02'", TM_TYPE_TIME, 0, 0, NULL},
        {"'1970-01-01 00:00:02'::TIMESTAMP_S", TM_TYPE_TIME, 2000000, 0, NULL},
        {"'1970-01-01 00:00:00.003'::TIMESTAMP_MS", TM_TYPE_TIME, 3000, 0, NULL},
        {"'1969-12-31 23:59:59.999999999'::TIMESTAMP_NS", TM_TYPE_TIME, -1, 0, NULL},
        {"'short'", TM_TYPE_TEXT, 0, 0, "short"},
        {"'longer than twelve bytes'", TM_TYPE_TEXT, 0, 0, "longer than twelve bytes"},
        {"'b'::ENUM('a', 'b')", TM_TYPE_TEXT, 0, 0, "b"},
        {"'00000000-0000-0000-0000-00000000000a'::UUID", TM_TYPE_TEXT, 0, 0,
         "00000000-0000-0000-0000-00000000000a"},
        {"TIME '10:00:00'", TM_TYPE_TEXT, 0, 0, "10:00:00"},
        {"INTERVAL 1 DAY", TM_TYPE_TEXT, 0, 0, "1 day"},
        {"'ab'::BLOB", TM_TYPE_TEXT, 0, 0, "ab"},
        {"[1, NULL]", TM_TYPE_TEXT, 0, 0, "[1,null]"},
        {"MAP {'k': 1.5}", TM_TYPE_TEXT, 0, 0, "{\"k\":1.5}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char sql[200];
        (void)snprintf(sql, sizeof(sql), "SELECT %s AS v UNION ALL SELECT NULL UNION ALL SELECT %s",
                       cases[i].value, cases[i].value);
        tm_table *table = NULL;
        assert_int_equal(tm__duck_query(duck_case, sql, 0, &table, NULL), TM_OK);
        const tm_column *const c = tm__table_column(table, 0);
        const tm_cell cell = tm__column_cell(c, 2);
        assert_int_equal(c->n_missing, 1);
        assert_true(tm__column_is_missing(c, 1));
        assert_int_equal(cell.type, cases[i].type);
        assert_true(cell.i64 == cases[i].i64 && cell.f64 == cases[i].f64);
        assert_true(cases[i].text == NULL || tm__str_is(cell.text, cases[i].text));
        tm__table_unref(table);
    }
}

static void infinite_dates_are_missing(void **state) {
    (void)state;
    tm_table *table = NULL;
    assert_int_equal(tm__duck_query(duck_case,
                                    "SELECT 'infinity'::DATE AS d, '-infinity'::TIMESTAMP AS t, "
                                    "'infinity'::TIMESTAMP_NS AS n, '290000-01-01'::TIMESTAMP_MS "
                                    "AS m, 'NaN'::DOUBLE AS f",
                                    0, &table, NULL),
                     TM_OK);
    for (uint32_t col = 0; col < 5; col++) {
        assert_int_equal(tm__table_column(table, col)->n_missing, col != 3);
    }
    tm__table_unref(table);
}

/* DuckDB holds the places of its values in one, two or four bytes. */
static void an_enum_of_any_width_gives_its_texts(void **state) {
    (void)state;
    static char sql[1500000];
    static const uint32_t widths[] = {200, 300, 70000};
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        const uint32_t n = widths[i];
        size_t len = (size_t)snprintf(sql, sizeof(sql), "SELECT v::ENUM('w0'");
        for (uint32_t k = 1; k < n; k++) {
            len += (size_t)snprintf(sql + len, sizeof(sql) - len, ",'w%u'", k);
        }
        (void)snprintf(sql + len, sizeof(sql) - len,
                       ") AS e FROM (VALUES ('w0'), ('w%u'), (NULL), ('w%u')) AS t(v)", n - 1,
                       n / 2);
        tm_table *table = NULL;
        tm_err err = {0};
        if (tm__duck_query(duck_case, sql, 0, &table, &err) != TM_OK) {
            fail_msg("%u values: %s", n, err.message);
        }
        char last[16], middle[16];
        snprintf(last, sizeof(last), "w%u", n - 1);
        snprintf(middle, sizeof(middle), "w%u", n / 2);
        const tm_column *const c = tm__table_column(table, 0);
        assert_true(tm__str_is(tm__column_cell(c, 0).text, "w0"));
        assert_true(tm__str_is(tm__column_cell(c, 1).text, last));
        assert_true(tm__column_is_missing(c, 2));
        assert_true(tm__str_is(tm__column_cell(c, 3).text, middle));
        tm__table_unref(table);
    }
}

static void a_text_past_the_limit_names_its_column(void **state) {
    (void)state;
    tm_table *table = NULL;
    tm_err err = {0};
    assert_int_equal(
        tm__duck_query(duck_case, "SELECT repeat('x', 1048577) AS doc", 0, &table, &err),
        TM_E_LIMIT);
    assert_string_equal(err.message, "a text of column 'doc' has more than 1048576 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_becomes_one_of_ours),
        cmocka_unit_test(infinite_dates_are_missing),
        cmocka_unit_test(an_enum_of_any_width_gives_its_texts),
        cmocka_unit_test(a_text_past_the_limit_names_its_column),
    };
    return cmocka_run_group_tests(tests, duck_case_open, duck_case_close);
}
