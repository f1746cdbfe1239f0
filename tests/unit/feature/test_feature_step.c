/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static void every_kind_is_found_by_its_number_and_says_what_it_reads(void **state) {
    (void)state;
    for (uint32_t kind = 1; tm__step_ops(kind) != NULL; kind++) {
        const tm_step_ops *ops = tm__step_ops(kind);
        assert_int_equal(ops->kind, kind);
        assert_true(ops->types != 0 && ops->is_valid != NULL && ops->describe != NULL);
        assert_true(ops->reads_text || (ops->column != NULL && ops->cell != NULL));
        assert_true((ops->n_values == NULL) == (ops->are_values_valid == NULL));
    }
    assert_null(tm__step_ops(0));
    assert_null(tm__step_ops(255));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_found_by_its_number_and_says_what_it_reads),
    };
    return cmocka_run_group_tests_name("feature_step", tests, NULL, NULL);
}
