/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/put_rows.h"

#include "test.h"

static void rows_become_a_request(void **state) {
    (void)state;
    tm_table *table = NULL;
    tm_buf out;
    tm_table_builder *b = tm__builder_create();
    static const struct {
        const char *name;
        tm_type type;
    } columns[] = {{"b", TM_TYPE_BOOL},   {"i", TM_TYPE_INT},  {"f", TM_TYPE_FLOAT},
                   {"t\"", TM_TYPE_TEXT}, {"d", TM_TYPE_DATE}, {"z", TM_TYPE_TIME}};
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        assert_int_equal(tm__builder_add_column(b, columns[i].name, columns[i].type, NULL), TM_OK);
    }
    const tm_cell rows[2][6] = {
        {{.type = TM_TYPE_BOOL, .i64 = 1},
         {.type = TM_TYPE_INT, .i64 = -7},
         {.type = TM_TYPE_FLOAT, .f64 = 0.5},
         {.type = TM_TYPE_TEXT, .text = TM_STR("a\"b")},
         {.type = TM_TYPE_DATE, .i64 = 86400000000},
         {.type = TM_TYPE_TIME, .i64 = 1000000}},
        {{0}, {0}, {0}, {0}, {0}, {0}},
    };
    assert_int_equal(tm__builder_add_row(b, rows[0], NULL), TM_OK);
    assert_int_equal(tm__builder_add_row(b, rows[1], NULL), TM_OK);
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    tm__buf_init(&out, 65536);
    tm__cli_put_rows(&out, table, 0, 2, 1);
    assert_string_equal((char *)out.data,
                        "{\"rows\": [{\"b\": true, \"f\": 0.5, \"t\\\"\": \"a\\\"b\", "
                        "\"d\": \"1970-01-02\", \"z\": \"1970-01-01T00:00:01Z\"}, "
                        "{\"b\": null, \"f\": null, \"t\\\"\": null, \"d\": null, \"z\": null}]}");
    tm__buf_reset(&out);
    tm__cli_put_rows(&out, table, 1, 1, UINT32_MAX);
    assert_string_equal((char *)out.data, "{\"rows\": []}");
    tm__buf_done(&out);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
