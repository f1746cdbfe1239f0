/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "look_case.h"
#include "test.h"
#include "train/train_look_priv.h"

enum { N = 100 };

static double y[N], pred[N];

/* A text with a frequent, a less frequent and ten single values and gaps; a number of many values
 * and gaps; a whole number of three; a time. */
static tm_table *make_rows(void) {
    static const struct {
        const char *name;
        tm_type type;
    } columns[] = {{"text", TM_TYPE_TEXT},
                   {"number", TM_TYPE_FLOAT},
                   {"few", TM_TYPE_INT},
                   {"at", TM_TYPE_TIME}};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    for (size_t c = 0; c < 4; c++) {
        assert_int_equal(tm__builder_add_column(builder, columns[c].name, columns[c].type, NULL),
                         TM_OK);
    }
    for (uint32_t i = 0; i < N; i++) {
        char own[16];
        (void)snprintf(own, sizeof(own), "only %u", i);
        const bool is_own = i >= 90;
        tm_cell cells[] = {{.type = TM_TYPE_TEXT,
                            .text = tm__str(is_own   ? own
                                            : i < 50 ? "often"
                                                     : "less \xc3\xa9")},
                           {.type = TM_TYPE_FLOAT, .f64 = i},
                           {.type = TM_TYPE_INT, .i64 = i % 3},
                           {.type = TM_TYPE_TIME, .i64 = (int64_t)i * 86400000000}};
        if (i < 5) {
            cells[0] = cells[1] = (tm_cell){0};
        }
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static tm_row_groups groups_of(const tm_look *look, uint32_t col) {
    const tm_row_groups_options options = {.n_levels = 5, .n_bins = 4, .rows_min = 3};
    tm_row_groups groups = {0};
    uint64_t rows = 0;
    assert_int_equal(tm__row_groups_init(look, col, &options, &groups, NULL), TM_OK);
    for (uint32_t g = 0; g < groups.n; g++) {
        rows += groups.counts[g];
    }
    assert_int_equal(rows, N); /* every row is in one group */
    return groups;
}

static void values_of_few_rows_have_no_name(void **state) {
    (void)state;
    tm_table *table = make_rows();
    tm_look look = look_case_make(TM_TASK_BINARY, table, y, pred, N);
    tm_row_groups groups = groups_of(&look, 0);
    assert_int_equal(groups.n, 4);
    assert_string_equal(groups.names[0], "often");
    assert_int_equal(groups.counts[0], 45);
    assert_string_equal(groups.names[1], "less \xc3\xa9");
    assert_string_equal(groups.names[2], "(others)");
    assert_int_equal(groups.counts[2], 10);
    assert_string_equal(groups.names[3], "(missing)");
    assert_int_equal(groups.counts[3], 5);
    tm__row_groups_done(&groups);
    look_case_done(&look);
    tm__table_unref(table);
}

static void numbers_and_times_are_binned_between_quantiles(void **state) {
    (void)state;
    tm_table *table = make_rows();
    tm_look look = look_case_make(TM_TASK_BINARY, table, y, pred, N);
    tm_row_groups groups = groups_of(&look, 1);
    assert_int_equal(groups.n, 5);
    assert_string_equal(groups.names[0], "below 28.5");
    assert_string_equal(groups.names[3], "from 75.5");
    assert_int_equal(groups.counts[0], 24);
    tm__row_groups_done(&groups);
    groups = groups_of(&look, 2);
    assert_int_equal(groups.n, 3);
    assert_string_equal(groups.names[2], "2");
    tm__row_groups_done(&groups);
    groups = groups_of(&look, 3);
    assert_int_equal(groups.n, 4);
    assert_string_equal(groups.names[0], "before 1970-01-25");
    tm__row_groups_done(&groups);
    look_case_done(&look);
    tm__table_unref(table);
}

static void a_long_text_is_cut_to_whole_characters(void **state) {
    (void)state;
    char out[6];
    tm__look_text(out, sizeof(out), tm__str("abcd\xc3\xa9"));
    assert_string_equal(out, "abcd");
    tm__look_text(out, sizeof(out), tm__str("abc\xc3\xa9"));
    assert_string_equal(out, "abc\xc3\xa9");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_few_rows_have_no_name),
        cmocka_unit_test(numbers_and_times_are_binned_between_quantiles),
        cmocka_unit_test(a_long_text_is_cut_to_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
