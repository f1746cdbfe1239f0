/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/online_plan.h"

#include <string.h>

#include "base/mem.h"
#include "online_case.h"
#include "test.h"

static json_t *make_info(const char *source) {
    tm_window_set *const set = online_case_set();
    json_t *const info = json_pack("{s:{s:{s:s}}, s:o}", "recipe", "source", "source", source,
                                   "windows", tm__window_set_to_json(set));
    tm__window_set_free(set);
    return info;
}

static void terms_are_the_recipes_or_the_usual_ones(void **state) {
    (void)state;
    json_t *const info = make_info("flights");
    json_t *const recipe =
        json_loads("{\"online\":{\"source\":\"others\",\"max_lag_us\":7,\"late_us\":8,"
                   "\"stale\":\"missing\",\"absent\":\"refuse\"}}",
                   0, NULL);
    tm_online_plan usual, other;
    assert_true(tm__online_plan_has(info));
    assert_false(tm__online_plan_has(recipe));
    assert_false(tm__online_plan_has(NULL));
    assert_int_equal(tm__online_plan_read(info, NULL, &usual, NULL), TM_OK);
    assert_string_equal(usual.terms.source, "flights");
    assert_int_equal(usual.terms.max_lag_us, TM_ONLINE_MAX_LAG_US);
    assert_int_equal(usual.terms.late_us, TM_WINDOW_LATE_US);
    assert_false(usual.terms.stale_is_missing || usual.terms.absent_is_refused);
    assert_int_equal(tm__online_plan_read(info, recipe, &other, NULL), TM_OK);
    assert_string_equal(other.terms.source, "others");
    assert_int_equal(other.terms.max_lag_us, 7);
    assert_int_equal(other.terms.late_us, 8);
    assert_true(other.terms.stale_is_missing && other.terms.absent_is_refused);
    /* Another source, and another lateness, are other views. */
    assert_false(tm__hash_eq(&usual.marks[0], &other.marks[0]));
    tm__online_plan_done(&usual);
    tm__online_plan_done(&other);
    tm__online_plan_done(&other);
    json_decref(info);
    json_decref(recipe);
}

static void what_a_recipe_says_wrongly_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *online, *message;
    } cases[] = {
        {"{\"stale\":\"no\"}", "online: 'stale' is refuse or missing"},
        {"{\"absent\":\"no\"}", "online: 'absent' is missing or refuse"},
        {"{\"max_lag_us\":0}", "online: what the recipe says is out of bounds"},
        {"{\"late_us\":-1}", "online: what the recipe says is out of bounds"},
    };
    json_t *const info = make_info("flights");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const recipe = json_pack("{s:o}", "online", json_loads(cases[i].online, 0, NULL));
        tm_online_plan plan;
        tm_err err = {0};
        assert_int_equal(tm__online_plan_read(info, recipe, &plan, &err), TM_E_DATA);
        assert_string_equal(err.message, cases[i].message);
        json_decref(recipe);
    }
    json_decref(info);
}

static void a_damaged_record_is_refused(void **state) {
    (void)state;
    json_t *const info = json_pack("{s:{s:s, s:[{s:s}]}}", "windows", "time", "day", "features",
                                   "feature", "no feature");
    tm_online_plan plan;
    assert_true(tm__online_plan_has(info));
    assert_int_equal(tm__online_plan_read(info, NULL, &plan, NULL), TM_E_DATA);
    json_decref(info);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_are_the_recipes_or_the_usual_ones),
        cmocka_unit_test(what_a_recipe_says_wrongly_is_refused),
        cmocka_unit_test(a_damaged_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
