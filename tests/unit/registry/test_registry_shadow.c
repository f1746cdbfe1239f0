/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "test.h"

#include <string.h>

#include "late_case.h"
#include "registry/registry.h"
#include "temp_home.h"

static tm_status shadow(tm_registry *registry, uint32_t version, uint32_t weight, tm_err *err) {
    const tm_arm arm = {.version = version, .weight = weight};
    return tm__registry_shadow(registry, "late", &arm, &tm__late_actor, err);
}

static void a_shadow_is_kept_and_told(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    char event[32];
    tm_err err = {0};
    assert_int_equal(tm__late_route(registry).shadow.version, 0);
    assert_int_equal(shadow(registry, 2, 2500, &err), TM_OK);
    assert_string_equal(tm__late_last_event(registry, event), "shadow");
    const tm_route route = tm__late_route(registry);
    assert_int_equal(route.shadow.version, 2);
    assert_int_equal(route.shadow.weight, 2500);
    assert_int_equal(route.n_arms, 0);
    assert_int_equal(shadow(registry, 2, 2500, &err), TM_E_CONFLICT);
    assert_int_equal(shadow(registry, 3, TM_ARM_PARTS, &err), TM_OK);
    assert_int_equal(shadow(registry, 1, TM_ARM_PARTS, &err), TM_E_CONFLICT);
    assert_int_equal(shadow(registry, 9, TM_ARM_PARTS, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__late_route(registry).shadow.version, 3);
    assert_int_equal(shadow(registry, 0, 0, &err), TM_OK);
    assert_string_equal(tm__late_last_event(registry, event), "shadow.ended");
    assert_int_equal(shadow(registry, 0, 0, &err), TM_E_CONFLICT);
    tm__registry_close(registry);
}

static void a_shadow_ends_when_it_is_promoted_and_stays_otherwise(void **state) {
    tm_registry *registry = tm__late_open(*state, 3);
    uint32_t from = 0;
    assert_int_equal(shadow(registry, 2, TM_ARM_PARTS, NULL), TM_OK);
    const tm_promotion other = {.version = 3}, own = {.version = 2};
    assert_int_equal(tm__registry_promote(registry, "late", &other, &tm__late_actor, &from, NULL),
                     TM_OK);
    assert_int_equal(tm__late_route(registry).shadow.version, 2);
    assert_int_equal(tm__registry_promote(registry, "late", &own, &tm__late_actor, &from, NULL),
                     TM_OK);
    assert_int_equal(tm__late_route(registry).shadow.version, 0);
    tm__registry_close(registry);
}

static bool shadow_anew(void *home) {
    tm_registry *registry = NULL;
    tm_status st = tm__registry_open(home, &registry, NULL);
    st = st == TM_OK ? shadow(registry, 2, 100, NULL) : st;
    assert_true(st == TM_OK || st == TM_E_NOMEM || st == TM_E_CONFLICT); /* it was done before */
    tm__registry_close(registry);
    return st != TM_E_NOMEM;
}

static void a_shadow_leaks_nothing_when_memory_runs_out(void **state) {
    tm__registry_close(tm__late_open(*state, 2));
    tm__temp_home_needs_file();
    test_each_mem_fault(shadow_anew, *state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_shadow_is_kept_and_told),
        TEST(a_shadow_ends_when_it_is_promoted_and_stays_otherwise),
        TEST(a_shadow_leaks_nothing_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
