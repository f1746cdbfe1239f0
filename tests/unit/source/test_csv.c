/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "source/csv_priv.h"
#include "stream_tables.h"
#include "support.h"
#include "test.h"

#define PATH "csv-a"
#define PATH_B "csv-b"

static const char *const one[] = {PATH};
static const char *const two[] = {PATH, PATH_B};

static void write_text(const char *path, const char *text) {
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
}

static tm_status stream_csv(tm_ctx *ctx, const tm_source_spec *spec, const char *const *paths,
                            tm_status (*fn)(void *arg, tm_table *chunk, tm_err *err), void *arg) {
    stream_tables s;
    stream_tables_init(&s, fn, arg);
    const tm_status st = tm__csv_pipe(ctx, spec, paths, 1, &s.sink, NULL);
    stream_tables_done(&s);
    return st;
}

static tm_table *read_text(const char *text, const tm_source_spec *spec) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    tm_err err = {0};
    write_text(PATH, text);
    const tm_status st = tm__csv_read(&ctx, spec, one, 1, &table, &err);
    if (st != TM_OK) {
        print_message("%s\n", err.message);
    }
    assert_int_equal(st, TM_OK);
    return table;
}

static void assert_column(const tm_table *table, uint32_t col, const char *name, tm_type type,
                          uint64_t n_missing) {
    const tm_column *const c = tm__table_column(table, col);
    assert_string_equal(c->name, name);
    assert_string_equal(tm__type_text(c->type), tm__type_text(type));
    assert_int_equal(c->n_missing, n_missing);
}

static void types_are_found(void **state) {
    (void)state;
    tm_table *const t = read_text("id,zip,x,flag,day,at,word,gone,us,de,both,late\n"
                                  "1,02134,1,true,2001-01-01,2001-01-01T10:00:00Z,yes,,1/31/2001,"
                                  "1.2.2001,1/2/2001,2001-01-01\n"
                                  "2,10001,2.5,False,,2001-01-02 11:00,no,NA,2/1/2001,"
                                  "31.12.2001,3/4/2001,\n"
                                  "NA,,-,?,2001-01-03,?,None,null,,,5/6/2001,2001-01-01 00:00:01\n",
                                  &(tm_source_spec){0});
    assert_column(t, 0, "id", TM_TYPE_INT, 1);
    assert_column(t, 1, "zip", TM_TYPE_TEXT, 1);
    assert_column(t, 2, "x", TM_TYPE_FLOAT, 1);
    assert_column(t, 3, "flag", TM_TYPE_BOOL, 1);
    assert_column(t, 4, "day", TM_TYPE_DATE, 1);
    assert_column(t, 5, "at", TM_TYPE_TIME, 1);
    assert_column(t, 6, "word", TM_TYPE_TEXT, 0);
    assert_column(t, 7, "gone", TM_TYPE_TEXT, 3);
    assert_column(t, 8, "us", TM_TYPE_DATE, 1);
    assert_column(t, 9, "de", TM_TYPE_DATE, 1);
    assert_column(t, 10, "both", TM_TYPE_TEXT, 0);
    assert_column(t, 11, "late", TM_TYPE_TIME, 1);
    assert_true(tm__table_column(t, 8)->ints[0] == tm__us_from_civil(2001, 1, 31));
    assert_true(tm__table_column(t, 9)->ints[0] == tm__us_from_civil(2001, 2, 1));
    assert_true(tm__str_is(tm__column_cell(tm__table_column(t, 1), 0).text, "02134"));
    assert_true(tm__table_column(t, 2)->floats[1] == 2.5);
    assert_int_equal(tm__table_column(t, 3)->ints[1], 0);
    tm__table_unref(t);
}

static void the_header_is_found(void **state) {
    (void)state;
    const struct {
        const char *text, *first_name;
        uint64_t n_rows;
        bool no_header;
    } cases[] = {
        {"a,b\n1,x\n", "a", 1, false},
        {"1,x\n2,y\n", "c0", 2, false},
        {"1,x\n2,y\n", "c0", 2, true},
        {"a,b\n1,x\n", "c0", 2, true},
        {"a,b\nx,y\n", "a", 1, false},
        {"ham,hi\nspam,yo\nham,ho\nham,hey\n", "c0", 4, false},
        {"country,2019,2020,2021\nde,1,2,3\n", "country", 1, false},
        {"country,2020-01-01,2020-02-01\nde,1,2\n", "country", 1, false},
        {"2020-01-01,x\n2020-01-02,y\n", "c0", 2, false},
        {"country,pop,1999\nde,1,2\n", "country", 1, false},
        {",a\n0,5\n1,6\n", "c0", 2, false},
        {" a , b\n1,2\n", "a", 1, false},
        {"0,1\n0.5,0.25\n", "0", 1, false},
        {"5.1,3.5,setosa\n4.9,3.0,setosa\n", "c0", 2, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *const t =
            read_text(cases[i].text, &(tm_source_spec){.no_header = cases[i].no_header});
        assert_string_equal(tm__table_column(t, 0)->name, cases[i].first_name);
        assert_int_equal(tm__table_rows(t), cases[i].n_rows);
        tm__table_unref(t);
    }
}

/* A schema of columns named by a letter each. */
static tm_schema make_schema(tm_schema_column *cols, const char *names, const tm_type *types) {
    static char room[16][2];
    const uint32_t n = (uint32_t)strlen(names);
    for (uint32_t i = 0; i < n; i++) {
        room[i][0] = names[i];
        cols[i] = (tm_schema_column){.name = room[i], .type = types[i]};
    }
    return (tm_schema){n, cols};
}

static void a_schema_gives_the_types(void **state) {
    (void)state;
    tm_schema_column cols[6];
    const tm_type types[] = {TM_TYPE_TEXT, TM_TYPE_FLOAT, TM_TYPE_BOOL,
                             TM_TYPE_INT,  TM_TYPE_DATE,  TM_TYPE_TIME};
    const tm_schema schema = make_schema(cols, "tfbida", types);
    tm_table *const t = read_text("d,t,f,b,i,a,new\n31/12/2001,1,2,yes,2.0,2001-01-01,7\n"
                                  "2001-01-02 05:00,,NA,0,,1/31/2001,8\n",
                                  &(tm_source_spec){.schema = &schema});
    assert_column(t, 0, "d", TM_TYPE_DATE, 0);
    assert_column(t, 1, "t", TM_TYPE_TEXT, 1);
    assert_column(t, 2, "f", TM_TYPE_FLOAT, 1);
    assert_column(t, 3, "b", TM_TYPE_BOOL, 0);
    assert_column(t, 4, "i", TM_TYPE_INT, 1);
    assert_column(t, 6, "new", TM_TYPE_INT, 0);
    assert_true(tm__table_column(t, 0)->ints[1] == tm__us_from_civil(2001, 1, 2));
    assert_int_equal(tm__table_column(t, 3)->ints[0], 1);
    assert_int_equal(tm__table_column(t, 4)->ints[0], 2);
    tm__table_unref(t);
}

static void a_cell_that_does_not_fit_the_schema_is_named(void **state) {
    (void)state;
    tm_schema_column cols[3];
    const tm_type types[] = {TM_TYPE_INT, TM_TYPE_FLOAT, TM_TYPE_DATE};
    const tm_schema schema = make_schema(cols, "ifd", types);
    const tm_source_spec spec = {.schema = &schema};
    const struct {
        const char *text, *message;
        uint64_t row;
        uint32_t col;
    } cases[] = {
        {"x,i\n1,2\n3,secret\n", "column 'i' wants an int, got a text that is not a number", 3, 2},
        {"f,i\n1,2\nsecret,3\n4,secret\n",
         "column 'f' wants a float, got a text that is not a number", 3, 1},
        {"i,f\nsecret,secret\n", "column 'i' wants an int, got a text that is not a number", 2, 1},
        {"d,i\nsoon,1\n", "column 'd' wants a date, got a text that is not ISO 8601", 2, 1},
        {"d,i\n1/2/2001,1\n", "dates of column 'd' may start with the day or the month", 0, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_ctx ctx = {0};
        tm_table *table = NULL;
        tm_err err = {0};
        write_text(PATH, cases[i].text);
        assert_int_equal(tm__csv_read(&ctx, &spec, one, 1, &table, &err), TM_E_DATA);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.data_path, PATH);
        assert_int_equal(err.data_row, cases[i].row);
        assert_int_equal(err.data_col, cases[i].col);
        assert_null(table);
    }
}

static void files_follow_each_other(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    const tm_source_spec spec = {0};
    write_text(PATH, "a,b\n1,x\n2,y\n");
    write_text(PATH_B, "b;a\nz;3.5\n");
    assert_int_equal(tm__csv_read(&ctx, &spec, two, 2, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 3);
    assert_column(table, 0, "a", TM_TYPE_FLOAT, 0);
    assert_true(tm__table_column(table, 0)->floats[2] == 3.5);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 1), 2).text, "z"));
    tm__table_unref(table);
}

static void files_with_other_columns_are_refused(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    tm_err err = {0};
    const tm_source_spec spec = {0};
    write_text(PATH, "a,b\n1,x\n");
    write_text(PATH_B, "a,c\n1,x\n");
    assert_int_equal(tm__csv_read(&ctx, &spec, two, 2, &table, &err), TM_E_DATA);
    assert_string_equal(err.message, "column 2 of the file is not in '" PATH "'");
    assert_string_equal(err.data_path, PATH_B);
    write_text(PATH_B, "a,b,c\n1,x,2\n");
    assert_int_equal(tm__csv_read(&ctx, &spec, two, 2, &table, &err), TM_E_DATA);
    assert_string_equal(err.message, "the file has 3 columns, '" PATH "' has 2");
}

/* Columns whose type is known late: an int that becomes float, text, a date with times; a gap. */
static void write_late(void) {
    tm_buf file;
    tm__buf_init(&file, 64u << 20);
    const uint32_t n_rows = 120000;
    (void)tm__buf_text(&file, "f,t,d,late,big,order\n");
    for (uint32_t i = 0; i < n_rows; i++) {
        const bool is_last = i == n_rows - 1;
        (void)tm__buf_printf(
            &file, "%u%s,%s%u,2001-01-%02u%s,%s,%s,%02u/01/2001 some padding for size\n", i,
            is_last ? ".5" : "", is_last ? "x" : "", i, i % 28 + 1, is_last ? " 10:00" : "",
            is_last ? "7" : "", is_last ? "1.5" : "12345678901234567890", i % 12 + 1);
    }
    assert_int_equal(tm__fs_publish(PATH, file.data, file.len, NULL), TM_OK);
    tm__buf_done(&file);
}

static void types_known_late_are_the_same_in_every_way_of_reading(void **state) {
    (void)state;
    write_late();
    tm_hash first = {{0}};
    const tm_source_spec spec = {0};
    for (uint32_t way = 0; way < 4; way++) {
        tm_pool *const pool = way % 2 == 0 ? NULL : tm__pool_create(3);
        tm_ctx ctx = {.pool = pool};
        tm_table *table = NULL;
        const tm_status st = way < 2 ? tm__csv_read(&ctx, &spec, one, 1, &table, NULL)
                                     : stream_csv(&ctx, &spec, one, stream_tables_join, &table);
        assert_int_equal(st, TM_OK);
        assert_column(table, 0, "f", TM_TYPE_FLOAT, 0);
        assert_column(table, 1, "t", TM_TYPE_TEXT, 0);
        assert_column(table, 2, "d", TM_TYPE_TIME, 0);
        assert_column(table, 3, "late", TM_TYPE_INT, 119999);
        assert_column(table, 4, "big", TM_TYPE_FLOAT, 0);
        tm_hash hash;
        tm__table_hash(table, &hash);
        assert_true(way == 0 || tm__hash_eq(&hash, &first));
        first = hash;
        tm__table_unref(table);
        tm__pool_free(pool);
    }
}

static void values_that_no_type_of_the_others_holds_are_named(void **state) {
    (void)state;
    static const struct {
        const char *odd, *others, *message;
        bool is_read; /* as text: some are no numbers */
    } cases[] = {
        {"1e400", "1", "a number of column 'x' is larger than a double", false},
        {"1e400", "a1", "", true},
        {"31.12.2001", "12/31/2001", "dates of column 'x' begin with the day and with the month",
         false},
        {"31.12.2001", "2001-12-31", "", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf file;
        tm__buf_init(&file, 1u << 20);
        (void)tm__buf_text(&file, "i,x\n");
        for (uint32_t row = 0; row < 3000; row++) {
            (void)tm__buf_printf(&file, "%u,%s\n", row,
                                 row == 2500 ? cases[i].odd : cases[i].others);
        }
        assert_int_equal(tm__fs_publish(PATH, file.data, file.len, NULL), TM_OK);
        tm__buf_done(&file);
        for (uint32_t way = 0; way < 4; way++) {
            tm_pool *const pool = way % 2 == 0 ? NULL : tm__pool_create(3);
            tm_ctx ctx = {.pool = pool};
            const tm_source_spec spec = {.block_bytes = 4096};
            tm_table *table = NULL;
            tm_err err = {0};
            stream_tables s;
            stream_tables_init(&s, stream_tables_join, &table);
            const tm_status st = way < 2 ? tm__csv_read(&ctx, &spec, one, 1, &table, &err)
                                         : tm__csv_pipe(&ctx, &spec, one, 1, &s.sink, &err);
            stream_tables_done(&s);
            assert_int_equal(st, cases[i].is_read ? TM_OK : TM_E_DATA);
            assert_string_equal(err.message, cases[i].message);
            assert_int_equal(err.data_col, cases[i].is_read ? 0 : 2);
            if (!cases[i].is_read && (way < 2 || cases[i].odd[1] == 'e')) {
                assert_int_equal(err.data_row, 2502);
            }
            tm__table_unref(table);
            tm__pool_free(pool);
        }
    }
}

/* A cell of blanks is missing, also behind a tab or in CR and VT, whether a column is read as text
 * or never had a value; so is a mark with blanks around it. */
static void cells_of_blanks_are_missing_in_every_way_of_reading(void **state) {
    (void)state;
    static const char text[] = "a,b,c,d\n"
                               "x,\t \t  \t,\r\v,NA      \n"
                               "y,\t \t  \t,\r\v,word\n"
                               "z,\t \t  \t,\r\v,\t\t\tnull\n";
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
    for (uint32_t way = 0; way < 4; way++) {
        const tm_source_spec spec = {.block_bytes = way < 2 ? 0 : 64};
        tm_ctx ctx = {0};
        tm_table *table = NULL;
        const tm_status st = way % 2 == 0
                                 ? tm__csv_read(&ctx, &spec, one, 1, &table, NULL)
                                 : stream_csv(&ctx, &spec, one, stream_tables_join, &table);
        assert_int_equal(st, TM_OK);
        assert_column(table, 0, "a", TM_TYPE_TEXT, 0);
        assert_column(table, 1, "b", TM_TYPE_TEXT, 3);
        assert_column(table, 2, "c", TM_TYPE_TEXT, 3);
        assert_column(table, 3, "d", TM_TYPE_TEXT, 2);
        tm__table_unref(table);
    }
}

static tm_status count(void *arg, tm_table *chunk, tm_err *err) {
    uint64_t *const n = arg;
    *n += tm__table_rows(chunk);
    return *n > 10 ? TM_FAIL(err, TM_E_CANCELLED, "enough") : TM_OK;
}

static void a_stream_with_a_schema_ends_when_its_reader_does(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_schema_column cols[1];
    const tm_type types[] = {TM_TYPE_TEXT};
    const tm_schema schema = make_schema(cols, "t", types);
    uint64_t n = 0;
    write_late();
    const tm_source_spec spec = {.schema = &schema};
    assert_int_equal(stream_csv(&ctx, &spec, one, count, &n), TM_E_CANCELLED);
    assert_true(n > 10 && n < 120000);
}

static void more_rows_than_asked_for_are_refused(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    tm_err err = {0};
    write_text(PATH, "a\n1\n2\n3\n");
    const tm_source_spec spec = {.n_rows_max = 2};
    assert_int_equal(tm__csv_read(&ctx, &spec, one, 1, &table, &err), TM_E_LIMIT);
    assert_string_equal(err.message, "more than 2 rows");
}

static void a_run_can_be_cancelled(void **state) {
    (void)state;
    volatile _Atomic bool cancel = true;
    tm_ctx ctx = {.cancel = &cancel};
    tm_table *table = NULL;
    write_text(PATH, "a\n1\n");
    assert_int_equal(tm__csv_read(&ctx, &(tm_source_spec){0}, one, 1, &table, NULL),
                     TM_E_CANCELLED);
}

static void five_thousand_columns_are_read(void **state) {
    (void)state;
    tm_buf file;
    tm__buf_init(&file, 64u << 20);
    for (uint32_t row = 0; row < 20; row++) {
        for (uint32_t col = 0; col < 5000; col++) {
            (void)tm__buf_printf(&file, row == 0 ? "%sname%u" : "%s%u", col == 0 ? "" : ",", col);
        }
        (void)tm__buf_text(&file, "\n");
    }
    assert_int_equal(tm__fs_publish(PATH, file.data, file.len, NULL), TM_OK);
    tm__buf_done(&file);
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    assert_int_equal(tm__csv_read(&ctx, &(tm_source_spec){0}, one, 1, &table, NULL), TM_OK);
    assert_int_equal(tm__table_cols(table), 5000);
    assert_int_equal(tm__table_rows(table), 19);
    assert_int_equal(tm__table_column(table, 4999)->ints[18], 4999);
    tm__table_unref(table);
}

static bool read_file(void *arg) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    (void)arg;
    const tm_status st = tm__csv_read(&ctx, &(tm_source_spec){0}, one, 1, &table, NULL);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    tm__table_unref(table);
    return st == TM_OK;
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    write_text(PATH, "a,b,c,d\n1,x,\"q \"\"\",\n2,y,z,\n");
    test_each_mem_fault(read_file, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_found),
        cmocka_unit_test(the_header_is_found),
        cmocka_unit_test(a_schema_gives_the_types),
        cmocka_unit_test(a_cell_that_does_not_fit_the_schema_is_named),
        cmocka_unit_test(files_follow_each_other),
        cmocka_unit_test(files_with_other_columns_are_refused),
        cmocka_unit_test(types_known_late_are_the_same_in_every_way_of_reading),
        cmocka_unit_test(cells_of_blanks_are_missing_in_every_way_of_reading),
        cmocka_unit_test(values_that_no_type_of_the_others_holds_are_named),
        cmocka_unit_test(a_stream_with_a_schema_ends_when_its_reader_does),
        cmocka_unit_test(more_rows_than_asked_for_are_refused),
        cmocka_unit_test(a_run_can_be_cancelled),
        cmocka_unit_test(five_thousand_columns_are_read),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
