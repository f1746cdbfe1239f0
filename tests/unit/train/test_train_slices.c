/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "look_case.h"
#include "test.h"

#define N 600u

/* Rows whose flag says how good the answers are: always right where it is true, never where it is
 * not. */
static tm_table *make_table(uint64_t n) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "flag", TM_TYPE_BOOL, NULL), TM_OK);
    for (uint64_t i = 0; i < n; i++) {
        const tm_cell cell = {.type = TM_TYPE_BOOL, .i64 = i % 3 != 0};
        assert_int_equal(tm__builder_add_row(builder, &cell, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static double score_of(const json_t *slice, const char *name, const char *member) {
    const json_t *item = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(slice, "scores"), i, item) {
        if (strcmp(tm__json_text(item, "score", ""), name) == 0) {
            return tm__json_f64(item, member, NAN);
        }
    }
    return NAN;
}

static void each_group_has_its_own_scores(void **state) {
    (void)state;
    double *y = calloc(N, sizeof(double)), *pred = calloc(N, sizeof(double));
    double *other = calloc(N, sizeof(double));
    tm_table *table = make_table(N);
    for (uint32_t i = 0; i < N; i++) {
        y[i] = i / 3 % 2;
        const bool is_right = i % 3 != 0;
        pred[i] = (y[i] > 0.5) == is_right ? 0.9 : 0.1;
        other[i] = y[i] > 0.5 ? 0.9 : 0.1;
    }
    tm_look look = look_case_make(TM_TASK_BINARY, table, y, pred, N);
    json_t *list = NULL;
    tm_err err = {0};
    if (tm__look_slices(&look, other, "flag", &list, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *const slice = json_array_get(list, i);
        const bool is_right = tm__json_i64(slice, "rows", 0) == 400;
        assert_string_equal(tm__json_text(slice, "column", ""), "flag");
        assert_true(fabs(score_of(slice, "accuracy", "value") - (is_right ? 1 : 0)) < 1e-12);
    }
    json_decref(list);
    assert_int_equal(tm__look_slices(&look, NULL, "none", &list, NULL), TM_E_USAGE);
    look_case_done(&look);
    tm__table_unref(table);
    free(y);
    free(pred);
    free(other);
}

static void few_rows_are_no_group(void **state) {
    (void)state;
    double y[90], pred[90];
    tm_table *table = make_table(90);
    for (uint32_t i = 0; i < 90; i++) {
        y[i] = i % 2;
        pred[i] = 0.5;
    }
    tm_look look = look_case_make(TM_TASK_BINARY, table, y, pred, 90);
    json_t *list = NULL;
    tm_err err = {0};
    assert_int_equal(tm__look_slices(&look, NULL, "flag", &list, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "100 rows"));
    look_case_done(&look);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_group_has_its_own_scores),
        cmocka_unit_test(few_rows_are_no_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
