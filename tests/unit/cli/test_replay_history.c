/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_history.h"

#include <string.h>

#include "capture.h"
#include "test.h"

#define FILE_NAME "replay_history.csv"

static void write_rows(void) {
    FILE *const file = fopen(FILE_NAME, "w");
    assert_non_null(file);
    fprintf(file, "x,y\n");
    for (int i = 0; i < 300; i++) {
        fprintf(file, "%d,%s\n", i * 7919 % 100, i * 7919 % 100 > 50 ? "up" : "down");
    }
    fclose(file);
}

static const char *said(int *code, int fd, const char *delay) {
    const char *const words[] = {"tidemill", "replay",  FILE_NAME, "--target",
                                 "y",        "--delay", delay,     "-q"};
    capture_begin(fd);
    *code = tm__cli_main(8, words);
    return capture_end(fd);
}

static void words_have_a_table_and_a_plot(void **state) {
    (void)state;
    int code = -1;
    write_rows();
    const char *const text = said(&code, 1, "5");
    assert_int_equal(code, 0);
    assert_non_null(strstr(text, "y: accuracy of 240 rows"));
    assert_non_null(strstr(text, "schedule"));
    assert_non_null(strstr(text, "P policy"));
    (void)remove(FILE_NAME);
}

static void a_delay_is_a_number_of_rows_or_a_time(void **state) {
    (void)state;
    int code = -1;
    write_rows();
    assert_non_null(strstr(said(&code, 2, "later"), "'later' is no number of rows or time"));
    assert_int_equal(code, 2);
    assert_non_null(strstr(said(&code, 2, "1d"), "wants a column of times"));
    assert_int_equal(code, 2);
    (void)remove(FILE_NAME);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_have_a_table_and_a_plot),
        cmocka_unit_test(a_delay_is_a_number_of_rows_or_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
