/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/duck_priv.h"
#include "test.h"

#define CSV                                                                                        \
    "CSV Error on Line: 7\\nOriginal Line: secret,to 'SECRET' converting column \\\"secret\\\"\\n"

static void values_never_get_through(void **state) {
    (void)state;
    const struct {
        const char *text;
        tm_status status;
        const char *message, *path;
        uint64_t row;
        uint32_t col;
    } cases[] = {
        {"{\"exception_type\":\"Conversion\",\"exception_message\":\"Could not convert string "
         "'secret' to INT32\",\"position\":\"10\"}",
         TM_E_DATA, "a value cannot become INT32", "query", 2, 4},
        {"{\"exception_type\":\"Conversion\",\"exception_message\":\"Could not convert string "
         "'secret\nmore to secret' to INT32\"}",
         TM_E_DATA, "the query met data that it cannot read", "", 0, 0},
        {"{\"exception_type\":\"Conversion\",\"exception_message\":\"date field value out of "
         "range: \\\"secret\\\"\",\"position\":\"0\"}",
         TM_E_DATA, "a value cannot become the type asked for", "query", 1, 1},
        {"{\"exception_type\":\"Out of Range\",\"exception_message\":\"Overflow in multiplication "
         "of INT32 (secret * 2)!\"}",
         TM_E_DATA, "a number is out of the range of its type", "", 0, 0},
        {"{\"exception_type\":\"Conversion\",\"exception_message\":\"" CSV
         "Error when converting column \\\"age\\\". Could not convert string \\\"secret\\\" to "
         "'INTEGER'\\n\\n  file = a b.csv\\n  delimiter = ,\"}",
         TM_E_DATA, "a value of column 'age' cannot become INTEGER", "a b.csv", 7, 0},
        {"{\"exception_type\":\"Invalid Input\",\"exception_message\":\"" CSV
         "Expected Number of Columns: 3 Found: 2\\n\\n  file = a.csv\\n\"}",
         TM_E_DATA, "a row has 2 fields instead of 3", "a.csv", 7, 0},
        {"{\"exception_type\":\"Invalid Input\",\"exception_message\":\"Malformed JSON in file "
         "\\\"b.json\\\", at byte 1 in record/value 2: unexpected character. secret\"}",
         TM_E_DATA, "malformed JSON", "b.json", 2, 0},
        {"{\"exception_type\":\"Invalid Input\",\"exception_message\":\"JSON transform error in "
         "file "
         "\\\"b.json\\\", in line 2: Object {\\\"in line 7\\\":secret} has duplicate key "
         "\\\"a\\\"\"}",
         TM_E_DATA, "a JSON object has a name twice", "b.json", 2, 0},
        {"{\"exception_type\":\"Invalid Input\",\"exception_message\":\"No magic bytes found at "
         "end of file 'c.parquet'\"}",
         TM_E_DATA, "not a whole Parquet file", "c.parquet", 0, 0},
        {"{\"exception_type\":\"Invalid Input\",\"exception_message\":\"File 'c.parquet' too small "
         "to be a Parquet file\"}",
         TM_E_DATA, "not a whole Parquet file", "c.parquet", 0, 0},
        {"{\"exception_type\":\"Invalid Input\",\"exception_message\":\"secret\"}", TM_E_DATA,
         "the query met data that it cannot read", "", 0, 0},
        {"Invalid Input Error: secret", TM_E_DATA, "the query met data that it cannot read", "", 0,
         0},
        {"Parser Error: {\"exception_type\":\"Parser\",\"exception_message\":\"syntax error at or "
         "near \\\"selec\\\"\",\"position\":\"0\"}",
         TM_E_USAGE, "syntax error at or near 'selec'", "query", 1, 1},
        {"{\"exception_type\":\"IO\",\"exception_message\":\"a: No space left on device\"}",
         TM_E_IO, "cannot write a file: the disk is full", "", 0, 0},
        {"{\"exception_type\":\"IO\",\"exception_message\":\"No files found that match the pattern "
         "\\\"x*.csv\\\"\"}",
         TM_E_NOT_FOUND, "no file matches 'x*.csv'", "", 0, 0},
        {"{\"exception_type\":\"Out of Memory\",\"exception_message\":\"failed to allocate\"}",
         TM_E_NOMEM, "the query needs more memory than it may use", "", 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        assert_int_equal(tm__duck_fail(cases[i].text, "SELECT\n  cast(x as int)", &err),
                         cases[i].status);
        assert_string_equal(err.message, cases[i].message);
        assert_string_equal(err.data_path, cases[i].path);
        assert_int_equal(err.data_row, cases[i].row);
        assert_int_equal(err.data_col, cases[i].col);
        assert_null(strstr(err.hint, "secret"));
        assert_int_equal(tm__duck_fail(cases[i].text, NULL, NULL), cases[i].status);
    }
}

static void near_names_are_offered(void **state) {
    (void)state;
    tm_err err = {0};
    assert_int_equal(
        tm__duck_fail("{\"exception_type\":\"Binder\",\"exception_message\":\"Referenced column "
                      "\\\"agee\\\" not found in FROM clause!\\nCandidate bindings: "
                      "\\\"age\\\"\",\"candidates\":\"age\",\"position\":\"7\"}",
                      "SELECT agee FROM t", &err),
        TM_E_USAGE);
    assert_string_equal(err.message, "referenced column 'agee' not found in FROM clause");
    assert_string_equal(err.hint, "Did you mean age?");
    assert_int_equal(err.data_col, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_never_get_through),
        cmocka_unit_test(near_names_are_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
