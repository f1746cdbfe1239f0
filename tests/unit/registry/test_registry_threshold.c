/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/registry.h"

#include <math.h>

#include "temp_home.h"
#include "test.h"
#include "trained_home.h"

static const tm_actor actor = {.name = "test"};

static tm_bundle *open_bundle(tm_registry *registry) {
    tm_version version = {0};
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__registry_find(registry, "made", &version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(registry, &version, &bundle, NULL), TM_OK);
    tm__version_done(&version);
    return bundle;
}

static double call_from(tm_registry *registry, const char *rule) {
    json_t *recipe = NULL;
    assert_int_equal(tm__registry_recipe(registry, "made", &recipe, NULL), TM_OK);
    if (rule != NULL) {
        json_object_set_new(recipe, "threshold", json_string(rule));
    } else {
        json_object_del(recipe, "threshold");
    }
    assert_int_equal(tm__registry_set_recipe(registry, "made", recipe, &actor, NULL), TM_OK);
    json_decref(recipe);
    tm_bundle *const bundle = open_bundle(registry);
    const double from = tm__bundle_threshold(bundle);
    tm__bundle_unref(bundle);
    return from;
}

static void a_rule_that_needs_no_rows_acts_at_once(void **state) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__made_csv_write(*state, &(tm_made_rows){.first = 0, .n = 600}, 1);
    assert_int_equal(tm__made_train(*state, registry), 1);
    tm_bundle *const bundle = open_bundle(registry);
    const double own = tm__bundle_threshold(bundle);
    tm__bundle_unref(bundle);
    assert_true(fabs(call_from(registry, "cost:1:9") - 0.1) < 1e-12);
    assert_true(fabs(call_from(registry, "cost:3:1") - 0.75) < 1e-12);
    assert_true(fabs(call_from(registry, "0.33") - 0.33) < 1e-12);
    /* What asks for truths waits for the next training, and taking a rule back is as it was. */
    static const char *const later[] = {"precision:0.9", "recall:0.8", "f1", NULL};
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        assert_true(fabs(call_from(registry, later[i]) - own) < 1e-12);
    }
    tm__registry_close(registry);
}

static void a_capacity_goes_by_the_validation_rows_that_were_kept(void **state) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm__made_csv_write(*state, &(tm_made_rows){.first = 0, .n = 600}, 1);
    assert_int_equal(tm__made_train(*state, registry), 1);
    const double own = call_from(registry, NULL);
    const double few = call_from(registry, "capacity:0.05");
    const double some = call_from(registry, "capacity:0.3");
    const double all = call_from(registry, "capacity:1");
    assert_true(few > some && some > all);
    assert_true(fabs(call_from(registry, NULL) - own) < 1e-12);
    tm__registry_close(registry);
}

#define HOME(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOME(a_rule_that_needs_no_rows_acts_at_once),
        HOME(a_capacity_goes_by_the_validation_rows_that_were_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
