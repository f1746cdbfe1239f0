/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "source/csv_priv.h"
#include "test.h"

static void what_is_no_text_is_named(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *message; /* NULL: text */
    } cases[] = {
        {"a,b\n1,2\n", 8, NULL},
        {"\xEF\xBB\xBF"
         "a\n",
         5, NULL},
        {"%PDF-1.7\n", 9, "the file is a PDF document, not CSV"},
        {"PAR1....", 8, "the file is a damaged Parquet file, not CSV"},
        {"\xff\xfe"
         "a\0,\0b\0\n\0",
         10, "the file is UTF-16 text, not CSV"},
        {"\xff\xfe\0\0a\0\0\0", 8, "the file is UTF-32 text, not CSV"},
        {"a\0,\0b\0\n\0", 8, "the file is UTF-16 text, not CSV"},
        {"\0a\0,\0b\0\n", 8, "the file is UTF-16 text, not CSV"},
        {"a,b\0\n", 5, "the file is binary, not CSV"},
        {"a,b\n1,\0\n", 8, NULL}, /* the line of the zero is told later */
        {" \r\n\t\n", 5, "the file is empty"},
        {"a,b\r1,2\r", 8, "lines end in CR alone"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char room[32] = "";
        tm_err err = {0};
        memcpy(room, cases[i].bytes, cases[i].len);
        const tm_status st = tm__csv_check_text("file", room, cases[i].len, &err);
        assert_int_equal(st, cases[i].message == NULL ? TM_OK : TM_E_DATA);
        assert_string_equal(err.message, cases[i].message == NULL ? "" : cases[i].message);
        assert_true(st == TM_OK || strcmp(err.data_path, "file") == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_no_text_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
