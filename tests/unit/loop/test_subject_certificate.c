/* SPDX-License-Identifier: Apache-2.0 */
/* What it says of real erasures: tests/e2e/test_subject.py. */
#include "test.h"

#include "loop/subject_certificate.h"
#include "temp_home.h"

static const tm_actor actor = {.name = "test"};

static void it_is_complete_when_nothing_stays_and_nothing_was_unasked(void **state) {
    tm_registry *registry = NULL;
    tm_subject_group group = {0};
    tm_dict *ids = tm__dict_create();
    json_t *now = json_pack("{s:[]}", "not_looked_into"), *refused = json_array(), *body = NULL;
    tm_subject_erasure erasure = {.ids = ids, .actor = &actor};
    tm_certificate_facts facts = {.home = *state,
                                  .erasure = &erasure,
                                  .group = &group,
                                  .now = now,
                                  .refused = refused,
                                  .can_scan = true};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    facts.registry = registry;
    assert_int_equal(tm__dict_add(ids, tm__str("somebody")), 0);
    assert_int_equal(tm__subject_group_init(&group, registry, &erasure, NULL), TM_OK);
    assert_false(tm__certificate_keeps_any(facts.erasure, facts.refused, facts.now));
    assert_int_equal(tm__certificate_make(&facts, &body, NULL), TM_OK);
    assert_true(tm__json_bool(body, "complete", false) && tm__json_bool(body, "scanned", false));
    json_decref(body);
    erasure.models = TM_SUBJECT_LIST;
    assert_true(tm__certificate_keeps_any(facts.erasure, facts.refused, facts.now));
    assert_int_equal(tm__certificate_make(&facts, &body, NULL), TM_OK);
    assert_false(tm__json_bool(body, "complete", true) || tm__json_bool(body, "scanned", true));
    assert_string_equal(tm__json_text(body, "policy", ""), "list");
    json_decref(body);
    /* Nothing that learned from the person is left, so nothing waits for the date. */
    erasure.models = TM_SUBJECT_RETIRE;
    assert_int_equal(tm__certificate_make(&facts, &body, NULL), TM_OK);
    assert_true(tm__json_bool(body, "complete", false));
    assert_string_equal(tm__json_text(body, "policy", ""), "retire");
    assert_int_equal(json_array_size(json_object_get(body, "retiring")), 0);
    json_decref(body);
    tm__registry_close(registry);
    tm__subject_group_done(&group);
    tm__dict_free(ids);
    json_decref(now);
    json_decref(refused);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_complete_when_nothing_stays_and_nothing_was_unasked,
                                        tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
