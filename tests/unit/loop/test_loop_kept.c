/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "loop/loop_upkeep_priv.h"
#include "online_case.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static uint32_t promote(tm_registry *registry, uint32_t version) {
    static const tm_actor actor = {.name = "test"};
    const tm_promotion promotion = {.version = version};
    uint32_t from = 0;
    assert_int_equal(tm__registry_promote(registry, "tiny", &promotion, &actor, &from, NULL),
                     TM_OK);
    return from;
}

static bool keeps(const tm_kept *kept, uint32_t version) {
    for (uint32_t i = 0; i < kept->n; i++) {
        if (kept->versions[i].version == version) {
            return true;
        }
    }
    return false;
}

static void champion_challenger_and_the_one_before_are_kept(void **state) {
    tm_registry *registry = NULL;
    tm_kept kept = {0};
    for (uint32_t v = 1; v <= 4; v++) {
        assert_int_equal(online_case_version(*state, 0.5 + v * 0.01, NULL), v);
    }
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    (void)promote(registry, 2);
    (void)promote(registry, 3);
    assert_int_equal(tm__kept_read(registry, &kept, NULL), TM_OK);
    assert_int_equal(kept.n, 3);
    assert_true(keeps(&kept, 2) && keeps(&kept, 3) && keeps(&kept, 4));
    assert_string_equal(kept.versions[0].model, "tiny");
    assert_string_equal(kept.versions[0].problem, "");
    tm__kept_done(&kept);
    tm__registry_close(registry);
}

static void a_model_without_windows_or_source_is_told(void **state) {
    static const tm_actor actor = {.name = "test"};
    const tm_tiny_bundle options = {.model = "plain", .auc = 0.5};
    tm_bundle *const bundle = tm__tiny_bundle_create(*state, &options);
    tm_registry *registry = NULL;
    tm_version version = {0};
    tm_kept kept = {0};
    tm_kept_version one = {0};
    tm_err err = {0};
    (void)online_case_version(*state, 0.5, "{\"source\":\"\"}");
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "plain", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    assert_int_equal(tm__kept_read(registry, &kept, NULL), TM_OK);
    assert_int_equal(kept.n, 1);
    assert_non_null(strstr(kept.versions[0].problem, "no source of the home"));
    assert_int_equal(tm__kept_read_one(registry, "plain", &one, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message, "version 1 of 'plain' has no features over windows");
    assert_int_equal(tm__kept_read_one(registry, "tiny", &one, &err), TM_E_UNSUPPORTED);
    assert_int_equal(tm__kept_read_one(registry, "nobody", &one, &err), TM_E_NOT_FOUND);
    tm__kept_done(&kept);
    tm__version_done(&version);
    tm__registry_close(registry);
    tm__bundle_unref(bundle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(champion_challenger_and_the_one_before_are_kept,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_model_without_windows_or_source_is_told,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
