/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "csv_ways.h"
#include "source/csv_priv.h"
#include "support.h"
#include "test.h"

#define PATH "csv-format"
#define EURO "\xE2\x82\xAC"

static void numbers_are_told_from_other_texts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        char style; /* '!': no number */
        const char *number;
    } cases[] = {
        {"1,279.40", ',', "1279.40"},
        {"-1,000", ',', "-1000"},
        {"12,345,678", ',', "12345678"},
        {"$1,279.40", '$', "1279.40"},
        {"$5", '$', "5"},
        {"-$5.25", '$', "-5.25"},
        {"$-5.25", '$', "-5.25"},
        {"$ 0.50", '$', "0.50"},
        {EURO "5", 'E', "5"},
        {"1,005 " EURO, 'E', "1005"},
        {"\xC2\xA3"
         "12",
         'P', "12"},
        {"\xC2\xA5"
         "1,200",
         'Y', "1200"},
        {"12%", '%', "12"},
        {" +0.5 % ", '%', "+0.5"},
        {".5%", '%', ".5"},
        {"5", 0, NULL},
        {"1279.40", 0, NULL},
        {"1,5", '!', NULL},
        {"1,2345", '!', NULL},
        {"1234,567", '!', NULL},
        {"0,123", '!', NULL},
        {"007", '!', NULL},
        {"$007", '!', NULL},
        {"1,234,56", '!', NULL},
        {"1.234,567", '!', NULL},
        {",123", '!', NULL},
        {"%5", '!', NULL},
        {"5$", '!', NULL},
        {"$5%", '!', NULL},
        {"$", '!', NULL},
        {"%", '!', NULL},
        {"--5%", '!', NULL},
        {"-$-5", '!', NULL},
        {"5.", '!', NULL},
        {"$1.5e3", '!', NULL},
        {"v5", '!', NULL},
        {"", '!', NULL},
        {"2001-12-31", '!', NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char room[32], style = 0;
        const tm_str text = tm__str(cases[i].text);
        const bool is_one = tm__csv_is_formatted(text, &style);
        const bool is_right = cases[i].style == '!' ? !is_one : is_one && style == cases[i].style;
        if (!is_right || (cases[i].number != NULL &&
                          !tm__str_is(tm__csv_format_write(text, room), cases[i].number))) {
            fail_msg("%s", cases[i].text);
        }
    }
}

static void columns_of_a_file_are_found(void **state) {
    (void)state;
    char text[8192] = "price,sold,share,both,units,list,code,plain,open\n";
    for (int i = 0; i < 40; i++) { /* several blocks */
        (void)strcat(text,
                     i % 2 == 0
                         ? "\"$1,279.40\",\"1,234,567\",12.5%,$5,5,\"1,2,3\",007,1.5,\"1,234\"\n"
                         : "$0.50,950,NA," EURO "5,5%,\"4,5\",\"1,234\",2.5,\"5,678\"\n");
    }
    tm_table *const table = csv_ways_read(PATH, text, NULL);
    assert_true(csv_ways_column(table, "price", TM_TYPE_FLOAT)->floats[0] == 1279.4);
    assert_true(csv_ways_column(table, "price", TM_TYPE_FLOAT)->floats[39] == 0.5);
    assert_int_equal(csv_ways_column(table, "sold", TM_TYPE_INT)->ints[38], 1234567);
    assert_int_equal(csv_ways_column(table, "sold", TM_TYPE_INT)->ints[39], 950);
    assert_true(csv_ways_column(table, "share", TM_TYPE_FLOAT)->floats[0] == 12.5);
    assert_true(tm__column_is_missing(csv_ways_column(table, "share", TM_TYPE_FLOAT), 1));
    (void)csv_ways_column(table, "both", TM_TYPE_TEXT);
    (void)csv_ways_column(table, "units", TM_TYPE_TEXT);
    (void)csv_ways_column(table, "list", TM_TYPE_TEXT);
    const tm_column *const code = csv_ways_column(table, "code", TM_TYPE_TEXT);
    assert_true(tm__str_is(tm__column_cell(code, 1).text, "1,234"));
    (void)csv_ways_column(table, "plain", TM_TYPE_FLOAT);
    (void)csv_ways_column(table, "open", TM_TYPE_TEXT); /* thousands to some, fractions to others */
    tm__table_unref(table);
}

/* Where a later block has what is none, or another mark, the column is text, and as it stands. */
static void a_later_value_may_be_another(void **state) {
    (void)state;
    static const char *const others[] = {EURO "5", "unknown"};
    for (size_t k = 0; k < 2; k++) {
        char text[8192] = "price,x\n";
        for (int i = 0; i < 40; i++) {
            (void)strcat(text, i < 30 ? "$5,1\n" : "");
            (void)strcat(text, i < 30 ? "" : others[k]);
            (void)strcat(text, i < 30 ? "" : ",2\n");
        }
        tm_table *const table = csv_ways_read(PATH, text, NULL);
        const tm_column *const price = csv_ways_column(table, "price", TM_TYPE_TEXT);
        assert_true(tm__str_is(tm__column_cell(price, 0).text, "$5"));
        assert_true(tm__str_is(tm__column_cell(price, 39).text, others[k]));
        tm__table_unref(table);
    }
}

static void a_column_that_is_known_as_text_stays_one(void **state) {
    (void)state;
    char *const names[] = {(char[]){"a"}, (char[]){"b"}};
    tm_schema_column cols[] = {{.name = names[0], .type = TM_TYPE_TEXT},
                               {.name = names[1], .type = TM_TYPE_FLOAT}};
    const tm_schema schema = {2, cols};
    tm_table *const table = csv_ways_read(PATH, "a,b\n$5,\"1,500\"\n$6,7\n", &schema);
    assert_true(
        tm__str_is(tm__column_cell(csv_ways_column(table, "a", TM_TYPE_TEXT), 0).text, "$5"));
    assert_true(csv_ways_column(table, "b", TM_TYPE_FLOAT)->floats[0] ==
                1500); /* known as numbers */
    tm__table_unref(table);
}

static bool read_file(void *arg) {
    static const char *const paths[] = {PATH};
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    (void)arg;
    const tm_status st = tm__csv_read(&ctx, &(tm_source_spec){0}, paths, 1, &table, NULL);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    tm__table_unref(table);
    return st == TM_OK;
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    static const char text[] = "a,b\n$5,x\n$6,\"y \"\"z\"\"\"\n";
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
    test_each_mem_fault(read_file, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_told_from_other_texts),
        cmocka_unit_test(columns_of_a_file_are_found),
        cmocka_unit_test(a_later_value_may_be_another),
        cmocka_unit_test(a_column_that_is_known_as_text_stays_one),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
