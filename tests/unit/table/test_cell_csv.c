/* SPDX-License-Identifier: Apache-2.0 */
#include "table/schema.h"
#include "test.h"

static void a_cell_is_a_field_of_csv(void **state) {
    (void)state;
    const struct {
        tm_cell cell;
        const char *want;
    } cases[] = {
        {{.type = TM_TYPE_NONE}, ""},
        {{.type = TM_TYPE_BOOL, .i64 = 1}, "true"},
        {{.type = TM_TYPE_INT, .i64 = INT64_MIN + 1}, "-9223372036854775807"},
        {{.type = TM_TYPE_INT, .i64 = 0}, "0"},
        {{.type = TM_TYPE_FLOAT, .f64 = 0.1}, "0.1"},
        {{.type = TM_TYPE_FLOAT, .f64 = __builtin_inf()}, ""},
        {{.type = TM_TYPE_TEXT, .text = TM_STR("plain")}, "plain"},
        {{.type = TM_TYPE_TEXT, .text = TM_STR("a,\"b\"\n")}, "\"a,\"\"b\"\"\n\""},
        {{.type = TM_TYPE_DATE, .i64 = 86400000000}, "1970-01-02"},
        {{.type = TM_TYPE_TIME, .i64 = 1500000}, "1970-01-01T00:00:01.5Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf out;
        tm__buf_init(&out, 1000);
        assert_true(tm__buf_text(&out, "|"));
        assert_true(tm__cell_write_csv(&cases[i].cell, &out));
        assert_string_equal((const char *)out.data + 1, cases[i].want);
        tm__buf_done(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_cell_is_a_field_of_csv)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
