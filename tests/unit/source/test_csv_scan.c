/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "support.h"
#include "test.h"

#define PATH "csv-scan"

static void write_text(const char *text) {
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
}

/* Fields between '|', records between '/': how a file is cut. */
static tm_status cut(const char *text, tm_buf *out, tm_csv_dialect *dialect, tm_err *err) {
    tm_csv_scanner *s = NULL;
    uint64_t n = 1;
    write_text(text);
    TM_TRY(tm__csv_open(PATH, 0, &s, err));
    *dialect = tm__csv_dialect(s);
    tm_status st = TM_OK;
    while (st == TM_OK && n > 0) {
        st = tm__csv_next(s, &n, err);
        for (uint64_t i = 0; st == TM_OK && i < n * tm__csv_cols(s); i++) {
            char room[4096];
            const tm_str field = tm__csv_text(s, tm__csv_fields(s)[i], room);
            (void)tm__buf_append(out, field.ptr, field.len);
            (void)tm__buf_byte(out, i % tm__csv_cols(s) == tm__csv_cols(s) - 1 ? '/' : '|');
        }
    }
    tm__csv_close(s);
    return st;
}

static void files_are_cut_as_they_are_meant(void **state) {
    (void)state;
    const struct {
        const char *text, *want;
    } cases[] = {
        {"a,b\n1,2\n", "a|b/1|2/"},
        {"a,b\n1,2", "a|b/1|2/"},
        {"a,b\r\n1,2\r\n", "a|b/1|2/"},
        {"a,b\r\n1,2\r", "a|b/1|2/"},
        {"a,b\n1,\n", "a|b/1|/"},
        {"a,b\n1,", "a|b/1|/"},
        {"\n\na,b\n\n1,2\n  \n\n", "a|b/1|2/"},
        {"\xef\xbb\xbf"
         "a,b\n1,2\n",
         "a|b/1|2/"},
        {"a;b\n1,5;2\n", "a|b/1,5|2/"},
        {"a\tb\n1, 5\t2\n", "a|b/1, 5|2/"},
        {"a|b\n1,5|2\n", "a|b/1,5|2/"},
        {"a, b, c\n1, 2, 3\n", "a|b|c/1|2|3/"},
        {"a, b\n1,2\n", "a| b/1|2/"},
        {"a,b\n\"x, y\",\"z\"\n", "a|b/x, y|z/"},
        {"a,b\n\"x \"\"y\"\"\",\"\"\n", "a|b/x \"y\"|/"},
        {"a,b\n\"x\ny\r\nz\",2\n", "a|b/x\ny\r\nz|2/"},
        {"a,b\n\"\"\"\",2\n", "a|b/\"|2/"},
        {"a,b\n5\" pipe,2\n", "a|b/5\" pipe|2/"},
        {"a,b\n\"x\" ,2\n", "a|b/x|2/"},
        {"ham\tsay \"hi\nspam\t\"no\nham\t\"a\" b\n", "ham|say \"hi/spam|\"no/ham|\"a\" b/"},
        {"x\n1\n\n2\n", "x/1//2/"},
        {"x\n1\n\n\n", "x/1/"},
        {"x", "x/"},
        {"a,b\n1\r2,3\n", "a|b/1\r2|3/"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf got;
        tm_csv_dialect dialect;
        tm__buf_init(&got, 1 << 20);
        (void)tm__buf_text(&got, "");
        assert_int_equal(cut(cases[i].text, &got, &dialect, NULL), TM_OK);
        (void)tm__buf_byte(&got, 0);
        assert_string_equal((const char *)got.data, cases[i].want);
        tm__buf_done(&got);
    }
}

static void the_dialect_is_found(void **state) {
    (void)state;
    const struct {
        const char *text;
        tm_csv_dialect want;
    } cases[] = {
        {"a,b\n1,2\n", {',', '"', false}},
        {"id;name,full;x\n1;A,B;3\n", {';', '"', false}},
        {"a\tb\n1,2\t3,4\n", {'\t', '"', false}},
        {"a,b\n\"1;2;3\",2\n4;5;6,7\n", {',', '"', false}},
        {"one\ntwo\n", {',', '"', false}},
        {"39, State-gov, 7\n50, Private, 8\n", {',', '"', true}},
        {"a\tb\n\"x\t1\ny\t2\n", {'\t', '\0', false}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_csv_scanner *s = NULL;
        write_text(cases[i].text);
        assert_int_equal(tm__csv_open(PATH, 0, &s, NULL), TM_OK);
        const tm_csv_dialect got = tm__csv_dialect(s);
        assert_int_equal(got.delimiter, cases[i].want.delimiter);
        assert_int_equal(got.quote, cases[i].want.quote);
        assert_int_equal(got.skips_blanks, cases[i].want.skips_blanks);
        tm__csv_close(s);
    }
}

static void trouble_is_named_with_its_place(void **state) {
    (void)state;
    const struct {
        const char *text, *message;
        uint64_t row;
        uint32_t col;
    } cases[] = {
        {"a,b,c\n1,2,3\n4,5\n", "the row has 2 fields, the first row has 3", 3, 3},
        {"a,b,c\n1,2,3\n4\n", "the row has 1 field, the first row has 3", 3, 2},
        {"a,b\n1,\"x\ny\"\n3,4,5\n", "the row has 3 fields, the first row has 2", 4, 3},
        {"a,b\n\n1,2,\n", "the row has 3 fields, the first row has 2", 3, 3},
        {"a,b\n1,2\n3,\"x\" y\n", "text follows a closing quote", 3, 2},
        {"a,b\n\"1,2\n3,4\n", "a quoted field is not closed", 2, 1},
        {"\xef\xbb\xbf"
         "a,b\n1,2\n\xef\xbb\xbf"
         "3,4\n",
         "a byte order mark amid the file", 3, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_buf got;
        tm_csv_dialect dialect;
        tm_err err = {0};
        tm__buf_init(&got, 1 << 20);
        assert_int_equal(cut(cases[i].text, &got, &dialect, &err), TM_E_DATA);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.data_path, PATH);
        assert_int_equal(err.data_row, cases[i].row);
        assert_int_equal(err.data_col, cases[i].col);
        assert_true(err.hint[0] != '\0');
        tm__buf_done(&got);
    }
}

/* Records over the borders of blocks, with quotes and line ends of two bytes everywhere. */
static void blocks_do_not_show(void **state) {
    (void)state;
    tm_buf file;
    tm__buf_init(&file, 64u << 20);
    const uint32_t n_rows = 150000;
    (void)tm__buf_text(&file, "n,text,last\r\n");
    for (uint32_t i = 0; i < n_rows; i++) {
        (void)tm__buf_printf(&file, "%u,\"a \"\"%u\"\"\r\n, b\",%s\r\n", i, i * 7,
                             i % 2 ? "x" : "");
    }
    assert_int_equal(tm__fs_publish(PATH, file.data, file.len, NULL), TM_OK);
    tm__buf_done(&file);
    tm_csv_scanner *s = NULL;
    assert_int_equal(tm__csv_open(PATH, 0, &s, NULL), TM_OK);
    uint64_t n = 1, row = 0;
    for (bool is_first = true; n > 0; is_first = false) {
        assert_int_equal(tm__csv_next(s, &n, NULL), TM_OK);
        for (uint64_t i = is_first; i < n; i++, row++) {
            char want[64], room[64];
            const tm_csv_field *const fields = tm__csv_fields(s) + i * 3;
            (void)snprintf(want, sizeof(want), "%u", (uint32_t)row);
            assert_true(tm__str_is(tm__csv_text(s, fields[0], room), want));
            (void)snprintf(want, sizeof(want), "a \"%u\"\r\n, b", (uint32_t)row * 7);
            assert_true(tm__str_is(tm__csv_text(s, fields[1], room), want));
            if (row % 9999 == 0) {
                assert_int_equal(tm__csv_line(s, fields[0]), 2 + 2 * row);
            }
        }
    }
    assert_int_equal(row, n_rows);
    tm__csv_close(s);
}

static void a_field_without_end_is_refused_before_memory_is(void **state) {
    (void)state;
    tm_buf file;
    tm__buf_init(&file, 64u << 20);
    (void)tm__buf_text(&file, "a,b\n1,\"open\n");
    for (uint32_t i = 0; i < 900000; i++) {
        (void)tm__buf_text(&file, "2,closed\n");
    }
    assert_int_equal(tm__fs_publish(PATH, file.data, file.len, NULL), TM_OK);
    tm__buf_done(&file);
    tm_csv_scanner *s = NULL;
    uint64_t n = 0;
    tm_err err = {0};
    assert_int_equal(tm__csv_open(PATH, 0, &s, NULL), TM_OK);
    tm_status st = tm__csv_next(s, &n, &err);
    assert_int_equal(st, TM_E_DATA);
    assert_string_equal(err.message, "a field has more than 1048576 bytes");
    assert_int_equal(err.data_row, 2);
    assert_int_equal(err.data_col, 2);
    tm__csv_close(s);
}

static void more_columns_than_the_limit_are_refused(void **state) {
    (void)state;
    tm_buf file;
    tm__buf_init(&file, 1u << 20);
    for (uint32_t i = 0; i < TM_MAX_COLS; i++) {
        (void)tm__buf_text(&file, "a,");
    }
    (void)tm__buf_text(&file, "b\n");
    assert_int_equal(tm__fs_publish(PATH, file.data, file.len, NULL), TM_OK);
    tm__buf_done(&file);
    tm_csv_scanner *s = NULL;
    uint64_t n = 0;
    tm_err err = {0};
    assert_int_equal(tm__csv_open(PATH, 0, &s, NULL), TM_OK);
    assert_int_equal(tm__csv_next(s, &n, &err), TM_E_LIMIT);
    assert_string_equal(err.message, "the file has 16385 columns, the most is 16384");
    tm__csv_close(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_cut_as_they_are_meant),
        cmocka_unit_test(the_dialect_is_found),
        cmocka_unit_test(trouble_is_named_with_its_place),
        cmocka_unit_test(blocks_do_not_show),
        cmocka_unit_test(a_field_without_end_is_refused_before_memory_is),
        cmocka_unit_test(more_columns_than_the_limit_are_refused),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
