/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static void a_matrix_outlives_its_program(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 200);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    char name[64];
    snprintf(name, sizeof(name), "%s", tm__program_feature(c.program, 0)->name);
    tm__program_free(c.program);
    c.program = NULL;
    assert_string_equal(tm__matrix_view(c.matrix)->features[0].name, name);
    case_done(&c);
}

static void the_first_text_is_the_input_of_the_terms(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 200);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    assert_int_equal(tm__program_term_input(c.program), CASE_REMARK);
    case_done(&c);
}

static void the_list_of_steps_names_every_feature_once(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_MULTICLASS, 300);
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    json_t *list = tm__program_to_json(c.program), *entry;
    assert_non_null(list);
    size_t i;
    uint32_t n = 0;
    json_array_foreach(list, i, entry) {
        n += json_is_string(json_object_get(entry, "feature"));
        assert_non_null(json_string_value(json_object_get(entry, "reason")));
    }
    assert_int_equal(n, tm__program_features(c.program));
    json_decref(list);
    tm__program_free(NULL);
    tm__matrix_free(NULL);
    tm__row_scratch_free(NULL);
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_matrix_outlives_its_program),
        cmocka_unit_test(the_first_text_is_the_input_of_the_terms),
        cmocka_unit_test(the_list_of_steps_names_every_feature_once),
    };
    return cmocka_run_group_tests_name("feature_program", tests, NULL, NULL);
}
