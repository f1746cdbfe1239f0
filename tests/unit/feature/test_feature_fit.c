/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static const char *reason_of(json_t *list, const char *input, const char *step) {
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "input")), input) == 0 &&
            strcmp(json_string_value(json_object_get(entry, "step")), step) == 0)
            return json_string_value(json_object_get(entry, "reason"));
    }
    return NULL;
}

static void every_input_has_steps_or_a_reason(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 2000);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    json_t *list = tm__program_to_json(c.program);
    assert_non_null(reason_of(list, "flag", "number"));
    assert_non_null(reason_of(list, "size", "number"));
    assert_non_null(reason_of(list, "color", "category"));
    assert_non_null(reason_of(list, "city", "category"));
    assert_non_null(reason_of(list, "city", "target mean"));
    assert_non_null(reason_of(list, "city", "count"));
    assert_non_null(reason_of(list, "day", "month"));
    assert_non_null(reason_of(list, "at", "minute of day"));
    assert_null(reason_of(list, "day", "minute of day"));
    assert_non_null(strstr(reason_of(list, "row_id", "left out"), "identifier"));
    assert_non_null(strstr(reason_of(list, "same", "left out"), "same value"));
    assert_non_null(strstr(reason_of(list, "none", "left out"), "no value"));
    json_decref(list);
    assert_int_equal(tm__program_inputs(c.program), CASE_COLS);
    assert_true(tm__program_schema(c.program)->cols[CASE_ID].is_nullable);
    case_done(&c);
}

static void the_number_of_threads_changes_nothing(void **state) {
    (void)state;
    tm_buf first;
    tm__buf_init(&first, 1u << 28);
    tm_matrix *matrix = NULL;
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        fit_case c;
        case_init(&c, TM_TASK_MULTICLASS, 1500);
        c.ctx.pool = tm__pool_create(n_threads);
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        tm_buf bytes;
        tm__buf_init(&bytes, 1u << 28);
        assert_int_equal(tm__program_save(c.program, n_threads == 1 ? &first : &bytes, NULL),
                         TM_OK);
        if (n_threads == 1) {
            matrix = c.matrix;
            c.matrix = NULL;
        } else {
            assert_int_equal(first.len, bytes.len);
            assert_memory_equal(first.data, bytes.data, bytes.len);
            assert_views_equal(tm__matrix_view(matrix), tm__matrix_view(c.matrix));
        }
        tm__buf_done(&bytes);
        tm__pool_free(c.ctx.pool);
        case_done(&c);
    }
    tm__matrix_free(matrix);
    tm__buf_done(&first);
}

static void parts_that_cannot_come_again_are_left_out(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 500);
    c.options.is_time_ordered = true;
    c.schema.cols[CASE_TIME].role = TM_ROLE_TIME;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    assert_int_equal(case_feature(c.program, "day.days"), UINT32_MAX);
    assert_int_equal(case_feature(c.program, "at.days"), UINT32_MAX);
    assert_int_not_equal(case_feature(c.program, "day.month"), UINT32_MAX); /* 900 days */
    assert_int_not_equal(case_feature(c.program, "at.minute_of_day"), UINT32_MAX);
    case_done(&c);
}

static void a_failed_allocation_leaves_nothing_behind(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 120);
    const uint64_t alive = tm__mem_alive();
    tm_status status = TM_E_NOMEM;
    for (uint64_t nth = 1; status != TM_OK; nth += 1 + nth / 50) {
        tm__mem_fail_at(nth, false);
        status = case_fit(&c, NULL);
        tm__mem_fail_at(0, false);
        assert_true(status == TM_OK || status == TM_E_NOMEM);
        if (status != TM_OK) {
            assert_null(c.program);
            assert_null(c.matrix);
            assert_int_equal(tm__mem_alive(), alive);
        }
    }
    case_done(&c);
}

static void an_identifier_is_better_than_nothing(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 100);
    for (int i = 0; i < CASE_COLS; i++)
        c.schema.cols[i].role = i == CASE_ID ? TM_ROLE_FEATURE : TM_ROLE_DROPPED;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    assert_int_equal(tm__program_features(c.program), 1);
    assert_int_equal(tm__program_inputs(c.program), 1);
    tm__program_free(c.program);
    tm__matrix_free(c.matrix);
    c.program = NULL;
    c.matrix = NULL;
    for (int i = 0; i < CASE_COLS; i++)
        c.schema.cols[i].role = i == CASE_SAME ? TM_ROLE_FEATURE : TM_ROLE_DROPPED;
    assert_int_equal(case_fit(&c, NULL), TM_E_DATA);
    case_done(&c);
}

static void a_score_is_the_last_feature_and_wanted_of_every_row(void **state) {
    (void)state;
    fit_case c;
    tm_buf bytes;
    tm_program *again = NULL;
    case_init(&c, TM_TASK_BINARY, 600);
    c.schema.cols[CASE_INT].role = TM_ROLE_SCORE;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    const uint32_t last = tm__program_features(c.program) - 1;
    assert_int_equal(case_feature(c.program, "size"), last);
    const uint32_t input = tm__program_feature(c.program, last)->input;
    assert_int_equal(tm__program_schema(c.program)->cols[input].role, TM_ROLE_SCORE);
    assert_false(tm__program_schema(c.program)->cols[input].is_nullable);
    tm__buf_init(&bytes, (size_t)1 << 24);
    assert_int_equal(tm__program_save(c.program, &bytes, NULL), TM_OK);
    assert_int_equal(tm__program_load(bytes.data, bytes.len, &again, NULL), TM_OK);
    assert_int_equal(tm__program_schema(again)->cols[input].role, TM_ROLE_SCORE);
    tm__program_free(again);
    tm__buf_done(&bytes);
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_input_has_steps_or_a_reason),
        cmocka_unit_test(the_number_of_threads_changes_nothing),
        cmocka_unit_test(parts_that_cannot_come_again_are_left_out),
        cmocka_unit_test(a_failed_allocation_leaves_nothing_behind),
        cmocka_unit_test(a_score_is_the_last_feature_and_wanted_of_every_row),
        cmocka_unit_test(an_identifier_is_better_than_nothing),
    };
    return cmocka_run_group_tests_name("feature_fit", tests, NULL, NULL);
}
