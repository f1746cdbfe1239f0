/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "late_case.h"
#include "registry/rollout.h"
#include "registry/route_json.h"
#include "temp_home.h"

static json_t *told(tm_registry *registry) {
    const tm_route route = tm__late_route(registry);
    json_t *out = NULL;
    assert_int_equal(tm__registry_route_json(registry, &route, &out, NULL), TM_OK);
    return out;
}

static void a_route_alone_is_its_champions(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    json_t *out = told(registry);
    const json_t *arms = json_object_get(out, "arms");
    assert_string_equal(tm__json_text(out, "route", ""), "late");
    assert_int_equal(tm__json_i64(out, "champion", 0), 1);
    assert_int_equal(json_array_size(arms), 1);
    assert_true(tm__json_f64(json_array_get(arms, 0), "weight", 0) == 100);
    assert_true(json_is_null(json_object_get(out, "shadow")));
    assert_true(json_is_null(json_object_get(out, "rollout")));
    tm__route_json_count(out, NULL); /* there is nothing to count */
    assert_true(json_is_null(json_object_get(out, "shadow")));
    json_decref(out);
    tm__registry_close(registry);
}

static void a_rollout_is_told_with_its_split_and_its_shadow(void **state) {
    tm_registry *registry = tm__late_open(*state, 2);
    tm_rollout_terms terms = tm__rollout_default();
    const tm_rollout_order order = {.version = 2, .terms = &terms};
    const tm_rollout_move next = {.kind = TM_ROLLOUT_NEXT};
    terms.shadow = 5000;
    assert_int_equal(tm__registry_rollout_start(registry, "late", &order, &tm__late_actor, NULL),
                     TM_OK);
    json_t *arms = json_pack("[{s:i, s:s, s:i, s:i}]", "version", 2, "arm", "shadow", "compared",
                             40, "differed", 3);
    json_t *out = told(registry);
    tm__route_json_count(out, arms);
    const json_t *shadow = json_object_get(out, "shadow");
    assert_true(tm__json_f64(shadow, "share", 0) == 50);
    assert_int_equal(tm__json_i64(shadow, "differed", 0), 3);
    assert_int_equal(tm__json_i64(json_object_get(out, "rollout"), "step", -1), 0);
    json_decref(out);
    json_decref(arms);
    assert_int_equal(tm__registry_rollout_move(registry, "late", &next, &tm__late_actor, NULL),
                     TM_OK);
    out = told(registry);
    assert_int_equal(json_array_size(json_object_get(out, "arms")), 2);
    assert_int_equal(tm__json_i64(json_object_get(out, "rollout"), "step", -1), 1);
    assert_true(json_is_null(json_object_get(out, "shadow")));
    json_decref(out);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_route_alone_is_its_champions),
        TEST(a_rollout_is_told_with_its_split_and_its_shadow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
