/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "csv_ways.h"
#include "source/csv_priv.h"
#include "stream_tables.h"
#include "support.h"
#include "test.h"

#define PATH "csv-comma"

static void numbers_are_told_from_other_texts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint32_t kind;
        const char *number;
    } cases[] = {
        {"62,8", TM_COMMA_DECIMAL, "62.8"},
        {"-0,5", TM_COMMA_DECIMAL, "-0.5"},
        {" +1,5e-3 ", TM_COMMA_DECIMAL, "+1.5e-3"},
        {"1.715,24", TM_COMMA_DECIMAL, "1715.24"},
        {"1 234 567,5", TM_COMMA_DECIMAL, "1234567.5"},
        {"1\xC2\xA0"
         "234,5",
         TM_COMMA_DECIMAL, "1234.5"},
        {"1\xE2\x80\xAF"
         "234,5",
         TM_COMMA_DECIMAL, "1234.5"},
        {"1715,24", TM_COMMA_DECIMAL, "1715.24"},
        {",5", TM_COMMA_DECIMAL, ".5"},
        {"-1.234", TM_COMMA_GROUPED, "-1234"},
        {"12.345.678", TM_COMMA_GROUPED, "12345678"},
        {"0", TM_COMMA_SHORT, NULL},
        {"999", TM_COMMA_SHORT, NULL},
        {"1000", TM_COMMA_LONG, NULL},
        {"3.5", 0, NULL},
        {"0.125", 0, NULL},
        {"007", 0, NULL},
        {"007,5", 0, NULL},
        {"1.2345", 0, NULL},
        {"1.23,5", 0, NULL},
        {"1.234 567", 0, NULL},
        {"1234.567,5", 0, NULL},
        {"1,2,3", 0, NULL},
        {"5,", 0, NULL},
        {",", 0, NULL},
        {"-", 0, NULL},
        {"", 0, NULL},
        {"1,5e", 0, NULL},
        {"1,5 km", 0, NULL},
        {"31.12.2001", 0, NULL},
        {"1.", 0, NULL},
        {"1 ", TM_COMMA_SHORT, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char room[32];
        const uint32_t kind = tm__csv_comma_kind(tm__str(cases[i].text));
        if (kind != cases[i].kind ||
            (cases[i].number != NULL &&
             !tm__str_is(tm__csv_comma_write(tm__str(cases[i].text), room), cases[i].number))) {
            fail_msg("%s: %u", cases[i].text, kind);
        }
    }
}

static void columns_of_a_file_are_found(void **state) {
    (void)state;
    char text[4096] = "size;price;sold;list;mixed;version;code;note\n";
    for (int i = 0; i < 40; i++) { /* several blocks */
        (void)strcat(text, i % 2 == 0 ? "62,8;1.715,24;1.200;1,2,3;7,5;1.5;007;\"a;b\"\n"
                                      : "NA;-0,5;950;4,5;7.5;2.5;1.234;-\n");
    }
    tm_table *const table = csv_ways_read(PATH, text, NULL);
    assert_true(csv_ways_column(table, "size", TM_TYPE_FLOAT)->floats[0] == 62.8);
    assert_true(csv_ways_column(table, "price", TM_TYPE_FLOAT)->floats[0] == 1715.24);
    assert_true(csv_ways_column(table, "price", TM_TYPE_FLOAT)->floats[39] == -0.5);
    assert_int_equal(csv_ways_column(table, "sold", TM_TYPE_INT)->ints[38], 1200);
    assert_int_equal(csv_ways_column(table, "sold", TM_TYPE_INT)->ints[39], 950);
    (void)csv_ways_column(table, "list", TM_TYPE_TEXT);
    (void)csv_ways_column(table, "mixed", TM_TYPE_TEXT);
    assert_true(csv_ways_column(table, "version", TM_TYPE_FLOAT)->floats[1] == 2.5);
    const tm_column *const code = csv_ways_column(table, "code", TM_TYPE_TEXT);
    assert_true(tm__str_is(tm__column_cell(code, 1).text, "1.234"));
    (void)csv_ways_column(table, "note", TM_TYPE_TEXT);
    tm__table_unref(table);
}

static void other_files_stay_what_they_are(void **state) {
    (void)state;
    static const struct {
        const char *text;
        tm_type type;
    } cases[] = {
        {"a,b\n\"1,5\",x\n\"2,5\",y\n", TM_TYPE_TEXT},
        {"a;b\n1.234;x\n5.678;y\n", TM_TYPE_FLOAT},
        {"a;b\n1.234;1,5\n56789;2,5\n", TM_TYPE_FLOAT},
        {"a;b\n1,5;x\n2.5;y\n", TM_TYPE_TEXT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *const table = csv_ways_read(PATH, cases[i].text, NULL);
        (void)csv_ways_column(table, "a", cases[i].type);
        tm__table_unref(table);
    }
}

static void a_column_that_is_known_as_text_stays_one(void **state) {
    (void)state;
    char *const names[] = {(char[]){"a"}, (char[]){"b"}};
    tm_schema_column cols[] = {{.name = names[0], .type = TM_TYPE_TEXT},
                               {.name = names[1], .type = TM_TYPE_FLOAT}};
    const tm_schema schema = {2, cols};
    tm_table *const table = csv_ways_read(PATH, "a;b\n1,5;2,5\n", &schema);
    assert_true(
        tm__str_is(tm__column_cell(csv_ways_column(table, "a", TM_TYPE_TEXT), 0).text, "1,5"));
    assert_true(csv_ways_column(table, "b", TM_TYPE_FLOAT)->floats[0] == 2.5);
    tm__table_unref(table);
}

static bool pipe_file(void *arg) {
    static const char *const paths[] = {PATH};
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    stream_tables s;
    (void)arg;
    stream_tables_init(&s, stream_tables_join, &table);
    const tm_status st = tm__csv_pipe(&ctx, &(tm_source_spec){0}, paths, 1, &s.sink, NULL);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    stream_tables_done(&s);
    tm__table_unref(table);
    return st == TM_OK;
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    static const char text[] = "a;b\n1,5;x\n2,5;\"y \"\"z\"\"\"\n";
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
    test_each_mem_fault(pipe_file, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_told_from_other_texts),
        cmocka_unit_test(columns_of_a_file_are_found),
        cmocka_unit_test(other_files_stay_what_they_are),
        cmocka_unit_test(a_column_that_is_known_as_text_stays_one),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
