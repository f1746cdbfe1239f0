/* SPDX-License-Identifier: Apache-2.0 */
#include "source/source.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/parquet.h"
#include "stream_tables.h"
#include "test.h"

#define BAD "tests/golden/bad/"
#define DIR "build/test-source"

static tm_ctx ctx;

static tm_status read_path(const char *path, tm_table **out, tm_err *err) {
    return tm__source_read(&ctx, &(tm_source_spec){.path = path}, out, err);
}

static void bad_inputs_fail_with_their_place_and_a_hint(void **state) {
    (void)state;
    const struct {
        const char *path;
        tm_status status;
        const char *message;
        uint64_t row;
        uint32_t col;
    } cases[] = {
        {"ragged_short.csv", TM_E_DATA, "the row has 2 fields, the first row has 3", 3, 3},
        {"ragged_long.csv", TM_E_DATA, "the row has 3 fields, the first row has 2", 3, 3},
        {"header_only.csv", TM_E_DATA, "the file has a header but no rows", 0, 0},
        {"empty.csv", TM_E_DATA, "the file is empty", 0, 0},
        {"blank.csv", TM_E_DATA, "the file is empty", 0, 0},
        {"duplicate.csv", TM_E_DATA, "columns 1 and 3 are both named 'a'", 1, 3},
        {"image.csv", TM_E_DATA, "the file is a PNG image, not CSV", 0, 0},
        {"sheet.csv", TM_E_DATA, "the file is a ZIP archive or a spreadsheet, not CSV", 0, 0},
        {"utf16.csv", TM_E_DATA, "the file is UTF-16 text, not CSV", 0, 0},
        {"zero_byte.csv", TM_E_DATA, "a zero byte: the file is not text", 2, 2},
        {"cr_only.csv", TM_E_DATA, "lines end in CR alone", 0, 0},
        {"after_quote.csv", TM_E_DATA, "text follows a closing quote", 2, 2},
        {"open_quote.csv", TM_E_DATA, "a quoted field is not closed", 2, 2},
        {"latin1.csv", TM_E_DATA, "a text of column 'name' is not UTF-8", 2, 1},
        {"latin1_header.csv", TM_E_DATA, "the name of column 1 is not UTF-8", 1, 1},
        {"cut.csv.gz", TM_E_DATA, "the packed data are cut short", 0, 0},
        {"cut.csv.zst", TM_E_DATA, "the packed data are cut short", 0, 0},
        {"cut.parquet", TM_E_DATA, "the Parquet file is cut short", 0, 0},
        {"not.parquet", TM_E_DATA, "the file is named like Parquet, but is not", 0, 0},
        {"cut.jsonl", TM_E_DATA, "malformed JSON", 3, 0},
        {"empty.json", TM_E_DATA, "the file has no rows", 0, 0},
        {"mixed", TM_E_DATA, "column 2 of the file is not in '" BAD "mixed/1.csv'", 1, 2},
        {"kinds", TM_E_DATA,
         "'" BAD "kinds/a.csv' and '" BAD "kinds/b.jsonl' are files of different kinds", 0, 0},
        {"nothing", TM_E_NOT_FOUND, "no data files in folder '" BAD "nothing'", 0, 0},
        {"absent.csv", TM_E_NOT_FOUND, "no file '" BAD "absent.csv'", 0, 0},
        {"absent*.csv", TM_E_NOT_FOUND, "no file matches '" BAD "absent*.csv'", 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[128];
        tm_table *table = NULL;
        tm_err err = {0};
        (void)snprintf(path, sizeof(path), BAD "%s", cases[i].path);
        assert_int_equal(read_path(path, &table, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_int_equal(err.data_row, cases[i].row);
        assert_int_equal(err.data_col, cases[i].col);
        assert_true(err.hint[0] != '\0');
        const bool has_place = cases[i].status == TM_E_DATA && strcmp(cases[i].path, "kinds") != 0;
        assert_int_equal(strncmp(err.data_path, path, strlen(path)) == 0, has_place);
        assert_null(table);
    }
}

static void a_name_near_to_a_file_is_offered(void **state) {
    (void)state;
    tm_table *table = NULL;
    tm_err err = {0};
    assert_int_equal(read_path(BAD "duplicat.csv", &table, &err), TM_E_NOT_FOUND);
    assert_string_equal(err.hint, "Did you mean '" BAD "duplicate.csv'?");
}

static void write_text(const char *name, const char *text) {
    char path[128];
    (void)snprintf(path, sizeof(path), DIR "/%s", name);
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
}

static tm_status stream(tm_ctx *c, const tm_source_spec *spec, tm_table **out, tm_err *err) {
    stream_tables s;
    stream_tables_init(&s, stream_tables_join, out);
    const tm_status st = tm__source_pipe(c, spec, &s.sink, err);
    stream_tables_done(&s);
    return st;
}

/* Reads and streams: both must agree. */
static tm_table *read_spec(const tm_source_spec *spec) {
    tm_table *table = NULL, *streamed = NULL;
    tm_hash a, b;
    assert_int_equal(tm__source_read(&ctx, spec, &table, NULL), TM_OK);
    assert_int_equal(stream(&ctx, spec, &streamed, NULL), TM_OK);
    tm__table_hash(table, &a);
    tm__table_hash(streamed, &b);
    assert_true(tm__hash_eq(&a, &b));
    tm__table_unref(streamed);
    return table;
}

static void folders_and_globs_are_read_in_byte_order(void **state) {
    (void)state;
    write_text("b.csv", "n,t\n3,z\n");
    write_text("a.csv", "n,t\n1,x\n2,y\n");
    write_text("B.csv", "n,t\n0,w\n");
    write_text("notes.txt", "not data\n");
    const char *const paths[] = {DIR, DIR "/?.csv"};
    for (size_t i = 0; i < 2; i++) {
        tm_table *const t = read_spec(&(tm_source_spec){.path = paths[i]});
        assert_int_equal(tm__table_rows(t), 4);
        for (int64_t row = 0; row < 4; row++) {
            assert_int_equal(tm__table_column(t, 0)->ints[row], row);
        }
        tm__table_unref(t);
    }
}

static void json_lines_and_arrays_are_read(void **state) {
    (void)state;
    write_text("a.jsonl", "{\"n\": 1, \"zip\": \"02134\", \"l\": [1]}\n"
                          "{\"n\": 2.5, \"day\": \"2001-01-01\", \"mix\": \"x\"}\n"
                          "{\"n\": null, \"mix\": 7, \"zip\": \"1\"}\n");
    tm_table *t = read_spec(&(tm_source_spec){.path = DIR "/a.jsonl"});
    assert_int_equal(tm__table_rows(t), 3);
    assert_int_equal(tm__table_column(t, tm__table_find(t, "n"))->type, TM_TYPE_FLOAT);
    assert_int_equal(tm__table_column(t, tm__table_find(t, "zip"))->type, TM_TYPE_TEXT);
    assert_int_equal(tm__table_column(t, tm__table_find(t, "day"))->type, TM_TYPE_DATE);
    const tm_column *const mix = tm__table_column(t, tm__table_find(t, "mix"));
    assert_true(tm__str_is(tm__column_cell(mix, 1).text, "x"));
    assert_true(tm__str_is(tm__column_cell(mix, 2).text, "7"));
    tm__table_unref(t);
    write_text("a.json", "[{\"n\": 1}, {\"n\": 2}]");
    t = read_spec(&(tm_source_spec){.path = DIR "/a.json"});
    assert_int_equal(tm__table_column(t, 0)->ints[1], 2);
    tm__table_unref(t);
}

static void note_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                          const char *note) {
    uint64_t *const seen = arg; /* done and total of the last call */
    (void)stage;
    (void)note;
    assert_true(done >= seen[0]);
    seen[0] = done;
    seen[1] = total;
}

static void a_stream_of_parquet_knows_how_much_is_left(void **state) {
    (void)state;
    tm_table *const t = read_spec(&(tm_source_spec){.sql = "SELECT i AS n FROM range(7000) r(i)"});
    tm_table *streamed = NULL;
    assert_int_equal(tm__parquet_write_path(&(tm_ctx){0}, t, DIR "/one.parquet", NULL), TM_OK);
    assert_int_equal(tm__parquet_write_path(&(tm_ctx){0}, t, DIR "/two.parquet", NULL), TM_OK);
    uint64_t seen[2] = {0, 0};
    tm_ctx c = {.progress = note_progress, .progress_arg = seen};
    assert_int_equal(stream(&c, &(tm_source_spec){.path = DIR "/*.parquet"}, &streamed, NULL),
                     TM_OK);
    assert_int_equal(seen[0], 14000);
    assert_int_equal(seen[1], 14000);
    tm__table_unref(streamed);
    tm__table_unref(t);
    assert_int_equal(tm__fs_remove(DIR "/one.parquet", NULL), TM_OK);
    assert_int_equal(tm__fs_remove(DIR "/two.parquet", NULL), TM_OK);
}

static void parquet_is_known_by_its_bytes(void **state) {
    (void)state;
    tm_table *const t = read_spec(&(tm_source_spec){.sql = "SELECT i AS n FROM range(5000) r(i)"});
    assert_int_equal(tm__parquet_write_path(&(tm_ctx){0}, t, DIR "/it's.data", NULL), TM_OK);
    tm_table *const back = read_spec(&(tm_source_spec){.path = DIR "/it's.data"});
    tm_hash a, b;
    tm__table_hash(t, &a);
    tm__table_hash(back, &b);
    assert_true(tm__hash_eq(&a, &b));
    tm__table_unref(back);
    tm__table_unref(t);
}

static void a_schema_fits_rows_of_queries(void **state) {
    (void)state;
    tm_schema_column cols[] = {{.name = (char[]){"t"}, .type = TM_TYPE_TEXT},
                               {.name = (char[]){"f"}, .type = TM_TYPE_FLOAT},
                               {.name = (char[]){"b"}, .type = TM_TYPE_BOOL}};
    const tm_schema schema = {3, cols};
    tm_table *const t = read_spec(
        &(tm_source_spec){.sql = "SELECT i AS t, i AS f, i % 2 AS b, i AS other FROM range(3) r(i)",
                          .schema = &schema});
    assert_true(tm__str_is(tm__column_cell(tm__table_column(t, 0), 2).text, "2"));
    assert_true(tm__table_column(t, 1)->floats[2] == 2.0);
    assert_int_equal(tm__table_column(t, 2)->type, TM_TYPE_BOOL);
    assert_int_equal(tm__table_column(t, 3)->type, TM_TYPE_INT);
    tm__table_unref(t);
    tm_table *table = NULL;
    tm_err err = {0};
    const tm_source_spec bad = {.sql = "SELECT i AS b FROM range(5) r(i)", .schema = &schema};
    assert_int_equal(tm__source_read(&ctx, &bad, &table, &err), TM_E_DATA);
    assert_string_equal(err.message, "column 'b' wants a bool, got an int other than 0 and 1");
    assert_int_equal(err.data_row, 3);
}

static void queries_fail_with_their_place(void **state) {
    (void)state;
    tm_table *table = NULL;
    tm_err err = {0};
    const tm_source_spec empty = {.sql = "SELECT 1 AS a WHERE false"};
    assert_int_equal(tm__source_read(&ctx, &empty, &table, &err), TM_E_DATA);
    assert_string_equal(err.message, "the query gives no rows");
    const tm_source_spec wrong = {.sql = "SELECT\n  nothing FROM '" BAD "latin1.csv'"};
    assert_true(tm__source_read(&ctx, &wrong, &table, &err) != TM_OK);
    assert_null(strstr(err.message, "caf"));
    const tm_source_spec column = {.sql = "SELECT\n  agee FROM (SELECT 1 AS age)"};
    assert_int_equal(tm__source_read(&ctx, &column, &table, &err), TM_E_USAGE);
    assert_string_equal(err.data_path, "query");
    assert_int_equal(err.data_row, 2);
    assert_int_equal(err.data_col, 3);
    const tm_source_spec both = {.path = "a", .sql = "b"};
    assert_int_equal(tm__source_read(&ctx, &both, &table, &err), TM_E_USAGE);
    assert_int_equal(tm__source_read(&ctx, &(tm_source_spec){0}, &table, &err), TM_E_USAGE);
    const tm_source_spec many = {.sql = "SELECT 1 AS a FROM range(9)", .n_rows_max = 8};
    assert_int_equal(tm__source_read(&ctx, &many, &table, &err), TM_E_LIMIT);
    assert_int_equal(stream(&ctx, &many, &table, &err), TM_E_LIMIT);
}

static int make_folder(void **state) {
    (void)state;
    return tm__fs_mkdir(DIR, NULL) == TM_OK ? 0 : 1;
}

static int remove_folder(void **state) {
    (void)state;
    const char *const names[] = {"a.csv",   "b.csv",  "B.csv",    "notes.txt",
                                 "a.jsonl", "a.json", "it's.data"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        (void)snprintf(path, sizeof(path), DIR "/%s", names[i]);
        if (tm__fs_remove(path, NULL) != TM_OK) {
            return 1;
        }
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_inputs_fail_with_their_place_and_a_hint),
        cmocka_unit_test(a_name_near_to_a_file_is_offered),
        cmocka_unit_test(folders_and_globs_are_read_in_byte_order),
        cmocka_unit_test(json_lines_and_arrays_are_read),
        cmocka_unit_test(a_stream_of_parquet_knows_how_much_is_left),
        cmocka_unit_test(parquet_is_known_by_its_bytes),
        cmocka_unit_test(a_schema_fits_rows_of_queries),
        cmocka_unit_test(queries_fail_with_their_place),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
