/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "loop/upkeep.h"
#include "online_case.h"
#include "temp_home.h"
#include "test.h"

static void keep(const tm_home *home) {
    tm_ctx ctx = {0};
    json_t *result = NULL;
    const tm_upkeep_options options = {0};
    assert_int_equal(tm__upkeep_run(&ctx, home, &options, &result, NULL), TM_OK);
    json_decref(result);
}

static tm_status show(const tm_home *home, const char *key, int64_t moment_us, json_t **out,
                      tm_err *err) {
    const tm_upkeep_ask ask = {.model = "tiny", .keys = &key, .n_keys = 1, .moment_us = moment_us};
    return tm__upkeep_show(home, &ask, out, err);
}

static void an_entity_is_shown_with_its_age(void **state) {
    json_t *shown = NULL;
    tm_err err = {0};
    const int64_t late_us = ONLINE_CASE_FIRST_US + INT64_C(86400000000) * 2;
    online_case_source(*state);
    (void)online_case_version(*state, 0.5, NULL);
    online_case_push(*state, 0, 500, 5);
    assert_int_equal(show(*state, "c=A0", late_us, &shown, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.hint, "tidemill run"));
    keep(*state);
    assert_int_equal(show(*state, "c=A0", late_us, &shown, &err), TM_OK);
    const json_t *const features = json_object_get(shown, "features");
    assert_int_equal(json_object_size(features), 5); /* those by c alone */
    assert_true(tm__json_f64(features, "n", 0) > 50);
    const json_t *const group = json_array_get(json_object_get(shown, "groups"), 0);
    assert_true(tm__json_f64(group, "age_seconds", 0) > 3600);
    assert_true(json_is_true(json_object_get(group, "known")));
    json_decref(shown);
    assert_int_equal(show(*state, "c=nowhere", late_us, &shown, &err), TM_OK);
    assert_true(tm__json_f64(json_object_get(shown, "features"), "n", -1) == 0);
    assert_true(json_is_null(json_object_get(json_object_get(shown, "features"), "x")));
    json_decref(shown);
    assert_int_equal(show(*state, "c=A0", ONLINE_CASE_FIRST_US - 1, &shown, &err), TM_E_INVALID);
    assert_int_equal(show(*state, "tail=word", late_us, &shown, &err), TM_E_DATA);
    assert_null(strstr(err.message, "word"));
    assert_int_equal(show(*state, "x=1", late_us, &shown, &err), TM_E_USAGE);
}

static void views_that_are_not_built_are_listed(void **state) {
    json_t *list = NULL;
    online_case_source(*state);
    (void)online_case_version(*state, 0.5, NULL);
    online_case_push(*state, 0, 10, 5);
    assert_int_equal(tm__upkeep_list(*state, &list, NULL), TM_OK);
    assert_int_equal(json_array_size(list), 6);
    const json_t *const view = json_array_get(list, 0);
    assert_string_equal(tm__json_text(view, "problem", ""), "not built yet");
    assert_int_equal(tm__json_i64(view, "waiting", 0), 10);
    assert_string_equal(json_string_value(json_array_get(json_object_get(view, "keys"), 0)), "c");
    json_decref(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_entity_is_shown_with_its_age, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(views_that_are_not_built_are_listed, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
