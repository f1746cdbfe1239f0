/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "store/pq_priv.h"
#include "test.h"

static void every_type_becomes_text_that_the_server_reads(void **state) {
    (void)state;
    static const struct {
        const char *name;
        tm_type type;
    } cols[] = {{"b", TM_TYPE_BOOL}, {"i", TM_TYPE_INT},  {"f", TM_TYPE_FLOAT},
                {"t", TM_TYPE_TEXT}, {"d", TM_TYPE_DATE}, {"s", TM_TYPE_TIME}};
    const tm_cell rows[4][6] = {
        {{.type = TM_TYPE_BOOL, .i64 = 1},
         {.type = TM_TYPE_INT, .i64 = -9223372036854775807},
         {.type = TM_TYPE_FLOAT, .f64 = 0.1},
         {.type = TM_TYPE_TEXT, .text = TM_STR("a\tb\\N\nc\rd")},
         {.type = TM_TYPE_DATE, .i64 = 86400000000},
         {.type = TM_TYPE_TIME, .i64 = 86400000001}},
        {{.type = TM_TYPE_BOOL},
         {.type = TM_TYPE_INT, .i64 = 42},
         {.type = TM_TYPE_FLOAT, .f64 = INFINITY},
         {.type = TM_TYPE_TEXT, .text = TM_STR("")},
         {0},
         {0}},
        {{0}, {0}, {.type = TM_TYPE_FLOAT, .f64 = -INFINITY}, {0}, {0}, {0}},
        {{0}, {0}, {0}, {.type = TM_TYPE_TEXT, .text = TM_STR("\xc3\xa9")}, {0}, {0}},
    };
    tm_table_builder *const builder = tm__builder_create();
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(tm__builder_add_column(builder, cols[i].name, cols[i].type, NULL), TM_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tm__builder_add_row(builder, rows[i], NULL), TM_OK);
    }
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    tm_buf text;
    tm__buf_init(&text, 10000);
    assert_true(tm__pq_copy_text(table, 0, 4, &text));
    assert_string_equal((const char *)text.data,
                        "t\t-9223372036854775807\t0.1\ta\\tb\\\\N\\nc\\rd\t1970-01-02\t"
                        "1970-01-02T00:00:00.000001Z\n"
                        "f\t42\tInfinity\t\t\\N\t\\N\n"
                        "\\N\t\\N\t-Infinity\t\\N\t\\N\t\\N\n"
                        "\\N\t\\N\t\\N\t\xc3\xa9\t\\N\t\\N\n");
    tm__buf_done(&text);
    tm__buf_init(&text, 20);
    assert_false(tm__pq_copy_text(table, 0, 4, &text));
    tm__buf_done(&text);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_becomes_text_that_the_server_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
