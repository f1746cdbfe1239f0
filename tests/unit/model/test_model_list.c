/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "model/model.h"

static void every_learner_is_found_by_its_name_and_is_whole(void **state) {
    (void)state;
    for (uint32_t i = 0; tm__model_list()[i] != NULL; i++) {
        const tm_model_ops *ops = tm__model_list()[i];
        assert_ptr_equal(tm__model_find(ops->name), ops);
        assert_int_equal(ops->abi, TM_MODEL_ABI);
        assert_true(ops->params != NULL && ops->fit != NULL && ops->predict != NULL);
        assert_true(ops->save != NULL && ops->load != NULL && ops->free != NULL);
        assert_true(ops->predict_row != NULL && ops->importance != NULL && ops->describe != NULL);
        for (uint32_t p = 0; ops->params[p].name != NULL; p++) {
            const tm_param_def *def = &ops->params[p];
            assert_true(p < TM_MAX_PARAMS);
            assert_true(def->min <= def->otherwise && def->otherwise <= def->max);
            assert_true(def->doc != NULL && def->doc[0] != '\0');
        }
    }
}

static void an_unknown_name_finds_nothing(void **state) {
    (void)state;
    assert_null(tm__model_find("forest of dreams"));
    assert_non_null(tm__model_find("baseline"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_learner_is_found_by_its_name_and_is_whole),
        cmocka_unit_test(an_unknown_name_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
