/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"
#include "test.h"

#include <string.h>

#include "registry/registry.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test", .reason = "because"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    tm_err err = {0};
    if (tm__registry_open(home, &registry, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return registry;
}

/* A home with n versions of 'late', the first of which is the champion. */
static tm_registry *with_versions(const tm_home *home, int n) {
    tm_registry *registry = open_registry(home);
    for (int i = 0; i < n; i++) {
        tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7 + 0.01 * i});
        tm_version version = {0};
        assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                         TM_OK);
        tm__version_done(&version);
        tm__bundle_unref(bundle);
    }
    return registry;
}

static tm_route route_of(tm_registry *registry) {
    tm_route route;
    assert_int_equal(tm__registry_route(registry, "late", &route, NULL), TM_OK);
    return route;
}

static const char *last_event(tm_registry *registry, char out[32]) {
    json_t *list = NULL;
    assert_int_equal(tm__registry_history(registry, "late", &list, NULL), TM_OK);
    const json_t *last = json_array_get(list, json_array_size(list) - 1);
    (void)tm__str_copy(out, 32, tm__str(tm__json_text(last, "event", "")));
    json_decref(list);
    return out;
}

static tm_status shadow(tm_registry *registry, uint32_t version, uint32_t weight, tm_err *err) {
    const tm_arm arm = {.version = version, .weight = weight};
    return tm__registry_shadow(registry, "late", &arm, &actor, err);
}

static void a_shadow_is_kept_and_told(void **state) {
    tm_registry *registry = with_versions(*state, 3);
    char event[32];
    tm_err err = {0};
    assert_int_equal(route_of(registry).shadow.version, 0);
    assert_int_equal(shadow(registry, 2, 2500, &err), TM_OK);
    assert_string_equal(last_event(registry, event), "shadow");
    const tm_route route = route_of(registry);
    assert_int_equal(route.shadow.version, 2);
    assert_int_equal(route.shadow.weight, 2500);
    assert_int_equal(route.n_arms, 0);
    assert_int_equal(shadow(registry, 2, 2500, &err), TM_E_CONFLICT);
    assert_int_equal(shadow(registry, 3, TM_ARM_PARTS, &err), TM_OK);
    assert_int_equal(shadow(registry, 1, TM_ARM_PARTS, &err), TM_E_CONFLICT);
    assert_int_equal(shadow(registry, 9, TM_ARM_PARTS, &err), TM_E_NOT_FOUND);
    assert_int_equal(route_of(registry).shadow.version, 3);
    assert_int_equal(shadow(registry, 0, 0, &err), TM_OK);
    assert_string_equal(last_event(registry, event), "shadow.ended");
    assert_int_equal(shadow(registry, 0, 0, &err), TM_E_CONFLICT);
    tm__registry_close(registry);
}

static void a_shadow_ends_when_it_is_promoted_and_stays_otherwise(void **state) {
    tm_registry *registry = with_versions(*state, 3);
    uint32_t from = 0;
    assert_int_equal(shadow(registry, 2, TM_ARM_PARTS, NULL), TM_OK);
    const tm_promotion other = {.version = 3}, own = {.version = 2};
    assert_int_equal(tm__registry_promote(registry, "late", &other, &actor, &from, NULL), TM_OK);
    assert_int_equal(route_of(registry).shadow.version, 2);
    assert_int_equal(tm__registry_promote(registry, "late", &own, &actor, &from, NULL), TM_OK);
    assert_int_equal(route_of(registry).shadow.version, 0);
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
    tm__registry_close(with_versions(*state, 2));
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
