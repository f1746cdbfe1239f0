/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "table/table.h"
#include "test.h"

static void values_become_cells(void **state) {
    (void)state;
    static const struct {
        const char *json;
        tm_type type;
        bool ok;
        double number;
        const char *text;
    } cases[] = {
        {"\"a\\u00e4\\n\"", TM_TYPE_TEXT, true, 0, "a\xc3\xa4\n"},
        {"true", TM_TYPE_BOOL, true, 1, NULL},
        {"false", TM_TYPE_BOOL, true, 0, NULL},
        {"null", TM_TYPE_NONE, true, 0, NULL},
        {"[1,[2]]", TM_TYPE_NONE, false, 0, NULL},
        {"{\"a\":{}}", TM_TYPE_NONE, false, 0, NULL},
        {"-12", TM_TYPE_INT, true, -12, NULL},
        {"1.50", TM_TYPE_FLOAT, true, 1.5, NULL},
        {"1e999", TM_TYPE_FLOAT, false, 0, NULL},
        {"-9223372036854775807", TM_TYPE_INT, true, -9223372036854775807.0, NULL},
        {"-9223372036854775808", TM_TYPE_FLOAT, true, -9223372036854775808.0, NULL},
        {"18446744073709551616", TM_TYPE_FLOAT, true, 18446744073709551616.0, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        tm_cell cell;
        bool ok = false;
        (void)snprintf(text, sizeof text, "%s,", cases[i].json);
        const char *end = tm__cell_read_json(text, &cell, &ok);
        print_message("%s\n", cases[i].json);
        assert_int_equal(*end, ',');
        assert_int_equal(ok, cases[i].ok);
        assert_int_equal(cell.type, cases[i].type);
        if (cell.type == TM_TYPE_TEXT) {
            assert_true(tm__str_is(cell.text, cases[i].text));
        } else if (ok) {
            const double got = cell.type == TM_TYPE_FLOAT ? cell.f64 : (double)cell.i64;
            assert_true(cell.type == TM_TYPE_NONE || got == cases[i].number);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_become_cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
