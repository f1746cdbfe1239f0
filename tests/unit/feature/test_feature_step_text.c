/* SPDX-License-Identifier: Apache-2.0 */
#include "feature_case.h"

static void terms_and_scores_are_those_of_the_text(void **state) {
    (void)state;
    tm_text text = {.input = 0, .n_terms = 3, .n_scores = 2};
    const tm_program program = {.texts = &text, .n_texts = 1};
    static const struct {
        uint8_t part;
        uint32_t item;
        bool is_valid;
    } cases[] = {
        {0, 0, false},
        {TM_TEXT_CHARS, 0, true},
        {TM_TEXT_TERM, 2, true},
        {TM_TEXT_TERM, 3, false},
        {TM_TEXT_SCORE, 1, true},
        {TM_TEXT_SCORE, 2, false},
        {TM_TEXT_TERM + 1, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_step step = {.kind = TM_STEP_TEXT, .part = cases[i].part, .item = cases[i].item};
        assert_int_equal(tm__step_text_ops.is_valid(&program, &step), cases[i].is_valid);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_and_scores_are_those_of_the_text),
    };
    return cmocka_run_group_tests_name("feature_step_text", tests, NULL, NULL);
}
