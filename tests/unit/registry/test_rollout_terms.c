/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "registry/rollout.h"

static json_t *parsed(const char *text) {
    json_t *json = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 16, &json, NULL), TM_OK);
    return json;
}

static tm_status read_text(const char *text, tm_rollout_terms *io, tm_err *err) {
    json_t *json = parsed(text);
    const tm_status st = tm__rollout_terms_read(json, io, err);
    json_decref(json);
    return st;
}

static void what_is_not_said_stays(void **state) {
    (void)state;
    tm_rollout_terms t = tm__rollout_default();
    assert_int_equal(read_text("{}", &t, NULL), TM_OK);
    assert_true(t.shadow == 0 && t.n_steps == 4 && t.hold_rows == 100 && t.hold_us == 600000000);
    assert_int_equal(read_text("{\"shadow\": 12.5, \"guard\": {\"drift\": 0.3}}", &t, NULL), TM_OK);
    assert_true(t.shadow == 1250 && t.guard.drift == 0.3 && t.guard.errors == 0.01);
    assert_int_equal(read_text("{\"rows\": 5}", &t, NULL), TM_OK);
    assert_true(t.hold_rows == 5 && t.hold_us == 0); /* answers alone hold a step */
    assert_int_equal(read_text("{\"hold_seconds\": 0.5, \"steps\": [5, 20.25]}", &t, NULL), TM_OK);
    assert_true(t.hold_rows == 5 && t.hold_us == 500000 && t.n_steps == 2 && t.steps[1] == 2025);
    assert_int_equal(read_text("{\"shadow\": 0}", &t, NULL), TM_OK);
    assert_int_equal(t.shadow, 0);
}

static void terms_are_read_as_they_were_written(void **state) {
    (void)state;
    tm_rollout_terms t = tm__rollout_default(), back = {0};
    t.shadow = 7777;
    t.hold_us = 1500000;
    json_t *json = tm__rollout_terms_json(&t);
    assert_int_equal(tm__rollout_terms_read(json, &back, NULL), TM_OK);
    json_decref(json);
    assert_true(back.shadow == t.shadow && back.n_steps == 4 && back.hold_us == t.hold_us);
    assert_memory_equal(back.steps, t.steps, 4 * sizeof t.steps[0]);
    assert_memory_equal(&back.guard, &t.guard, sizeof t.guard);
}

static void what_cannot_be_is_named_and_changes_nothing(void **state) {
    static const struct {
        const char *text, *says;
    } cases[] = {{"{\"steps\": []}", "steps"},
                 {"{\"steps\": 5}", "steps"},
                 {"{\"steps\": [\"a\"]}", "steps"},
                 {"{\"steps\": [10, 5]}", "rise"},
                 {"{\"steps\": [0.001]}", "steps"},
                 {"{\"steps\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", "steps"},
                 {"{\"shadow\": 101}", "shadow"},
                 {"{\"shadow\": -1}", "shadow"},
                 {"{\"shadow\": true}", "shadow"},
                 {"{\"hold_seconds\": -1}", "hold"},
                 {"{\"hold_seconds\": 1e300}", "hold"},
                 {"{\"rows\": 1.5}", "rows"},
                 {"{\"rows\": 0}", "held"},
                 {"{\"guard\": 3}", "guard"},
                 {"{\"guard\": {\"errors\": -1}}", "guard"},
                 {"{\"guard\": {\"eror\": 1}}", "guard"}};
    (void)state;
    const tm_rollout_terms before = tm__rollout_default();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_rollout_terms t = before;
        tm_err err = {0};
        if (read_text(cases[i].text, &t, &err) != TM_E_USAGE ||
            strstr(err.message, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].text, err.message);
        }
        assert_memory_equal(&t, &before, sizeof t);
    }
}

static void a_recipe_declares_terms_or_none(void **state) {
    (void)state;
    tm_rollout_terms t;
    bool has = true;
    json_t *recipe = parsed("{\"target\": \"y\"}");
    assert_int_equal(tm__rollout_declared(recipe, &t, &has, NULL), TM_OK);
    assert_true(!has && t.n_steps == 4);
    json_decref(recipe);
    assert_int_equal(tm__rollout_declared(NULL, &t, &has, NULL), TM_OK); /* no recipe at all */
    assert_false(has);
    recipe = parsed("{\"rollout\": {\"shadow\": 50, \"steps\": [100]}}");
    assert_int_equal(tm__rollout_declared(recipe, &t, &has, NULL), TM_OK);
    assert_true(has && t.shadow == 5000 && t.n_steps == 1);
    json_decref(recipe);
    recipe = parsed("{\"rollout\": {\"steps\": [7, 3]}}");
    assert_int_equal(tm__rollout_declared(recipe, &t, &has, NULL), TM_E_INTEGRITY);
    json_decref(recipe);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_stays),
        cmocka_unit_test(terms_are_read_as_they_were_written),
        cmocka_unit_test(what_cannot_be_is_named_and_changes_nothing),
        cmocka_unit_test(a_recipe_declares_terms_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
