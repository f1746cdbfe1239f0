/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/csv_priv.h"
#include "support.h"
#include "test.h"

#define PATH "csv-column"

/* A block over a text of one column and its header. */
typedef struct fixture {
    tm_csv_scanner *scanner;
    tm_csv_block block;
} fixture;

static fixture open_text(const char *text, uint64_t row) {
    fixture f = {0};
    uint64_t n = 0;
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
    assert_int_equal(tm__csv_open(PATH, 0, &f.scanner, NULL), TM_OK);
    assert_int_equal(tm__csv_next(f.scanner, &n, NULL), TM_OK);
    f.block = (tm_csv_block){.scanner = f.scanner,
                             .fields = tm__csv_fields(f.scanner),
                             .n_cols = 1,
                             .record = 1,
                             .record_end = n,
                             .row = row};
    return f;
}

/* Feed a column one block. */
static void feed(tm_csv_column *c, const char *text, uint64_t row) {
    const fixture f = open_text(text, row);
    tm__csv_column_block(c, &f.block);
    assert_int_equal(c->status, TM_OK);
    tm__csv_close(f.scanner);
}

static tm_csv_column make_column(const tm_schema_column *wanted) {
    return (tm_csv_column){.name = tm__mem_strdup("x"),
                           .wanted = wanted,
                           .type = wanted == NULL ? TM_TYPE_NONE : wanted->type,
                           .is_active = true,
                           .is_learning = wanted == NULL};
}

static void ints_become_floats_without_another_pass(void **state) {
    (void)state;
    tm_csv_column c = make_column(NULL);
    feed(&c, "x\n1\nNA\n", 0);
    assert_int_equal(c.type, TM_TYPE_INT);
    feed(&c, "x\n2\n2.5\n3\n", 2);
    assert_int_equal(c.type, TM_TYPE_FLOAT);
    assert_false(c.needs_pass);
    const double *const values = c.values;
    assert_true(values[0] == 1 && values[1] != values[1] && values[2] == 2 && values[3] == 2.5 &&
                values[4] == 3);
    tm__csv_column_done(&c);
}

static void a_gap_at_the_start_needs_no_other_pass(void **state) {
    (void)state;
    tm_csv_column c = make_column(NULL);
    feed(&c, "x\nNA\n\"\"\n", 0);
    assert_true(c.is_learning);
    feed(&c, "x\ntrue\n", 2);
    assert_int_equal(c.type, TM_TYPE_BOOL);
    assert_false(c.needs_pass);
    assert_true(((int64_t *)c.values)[1] == TM_INT_MISSING && ((int64_t *)c.values)[2] == 1);
    tm__csv_column_done(&c);
}

static void a_word_amid_numbers_asks_for_another_pass(void **state) {
    (void)state;
    tm_csv_column c = make_column(NULL);
    feed(&c, "x\n1\n2\n", 0);
    feed(&c, "x\n3\nword\n4\n", 2);
    assert_true(c.needs_pass && c.is_learning);
    assert_null(c.values);
    assert_int_equal(tm__csv_column_settle(&c, NULL), TM_OK);
    assert_int_equal(c.type, TM_TYPE_TEXT);
    feed(&c, "x\n1\n2\n", 0);
    feed(&c, "x\n3\nword\n4\n", 2);
    assert_int_equal(tm__dict_count(c.dict), 5);
    assert_true(tm__csv_column_fit(&c, 5));
    tm__csv_column_done(&c);
}

static void dates_wait_for_their_order(void **state) {
    (void)state;
    tm_csv_column c = make_column(NULL);
    feed(&c, "x\n1/2/2001\n", 0);
    assert_true(c.needs_pass);
    feed(&c, "x\n1/31/2001\n", 1);
    assert_int_equal(tm__csv_column_settle(&c, NULL), TM_OK);
    assert_int_equal(c.type, TM_TYPE_DATE);
    assert_true(c.is_month_first);
    feed(&c, "x\n1/2/2001\n", 0);
    assert_true(((int64_t *)c.values)[0] == tm__us_from_civil(2001, 1, 2));
    tm__csv_column_done(&c);
}

static void a_given_type_keeps(void **state) {
    (void)state;
    const tm_schema_column wanted = {.name = (char[]){"x"}, .type = TM_TYPE_INT};
    tm_csv_column c = make_column(&wanted);
    feed(&c, "x\n1\n2.0\nNone\n\"3\"\n", 0);
    const int64_t *const values = c.values;
    assert_true(values[0] == 1 && values[1] == 2 && values[2] == TM_INT_MISSING && values[3] == 3);
    const fixture f = open_text("x\n4\nsecret\nmore\n", 4);
    tm_err err = {0};
    tm__csv_column_block(&c, &f.block);
    assert_int_equal(c.status, TM_E_DATA);
    assert_int_equal(c.bad_record, 2);
    assert_int_equal(tm__csv_column_fail(&c, &f.block, PATH, &err), TM_E_DATA);
    assert_string_equal(err.message, "column 'x' wants an int, got a text that is not a number");
    assert_int_equal(err.data_row, 3);
    tm__csv_close(f.scanner);
    tm__csv_column_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ints_become_floats_without_another_pass),
        cmocka_unit_test(a_gap_at_the_start_needs_no_other_pass),
        cmocka_unit_test(a_word_amid_numbers_asks_for_another_pass),
        cmocka_unit_test(dates_wait_for_their_order),
        cmocka_unit_test(a_given_type_keeps),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
