/* SPDX-License-Identifier: Apache-2.0 */
/* With people who say no: tests/e2e/test_withdrawn.py. */
#include "loop/loop_withdrawn.h"

#include <string.h>

#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "test"};

static void versions_that_nobody_is_asked_for_are_never_behind(void **state) {
    static const char *const infos[] = {
        "{}",
        "{\"recipe\":{\"source\":{\"path\":\"x.csv\"}}}",
        "{\"recipe\":{\"source\":{\"sql\":\"SELECT 1\"}}}",
        "{\"recipe\":{\"source\":{\"source\":\"gone\"}}}",
    };
    tm_ctx ctx = {0};
    json_t *memo = json_object();
    for (size_t i = 0; i < sizeof(infos) / sizeof(infos[0]); i++) {
        tm_version version = {.model = "late", .number = 3, .info = json_loads(infos[i], 0, NULL)};
        uint64_t n = 7;
        assert_int_equal(tm__withdrawn_count(&ctx, *state, &version, memo, &n, NULL), TM_OK);
        assert_int_equal(n, 0);
        tm__version_done(&version);
    }
    assert_int_equal(json_object_size(memo), 0);
    json_decref(memo);
}

static void who_has_nobody_to_leave_out_is_not_fitted_anew(void **state) {
    tm_ctx ctx = {0};
    tm_registry *registry = NULL;
    tm_version version = {0};
    json_t *result = NULL;
    tm_err err = {0};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.5});
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    const tm_withdrawn_order order = {.model = "late", .actor = &actor};
    assert_int_equal(tm__withdrawn_refit(&ctx, *state, registry, &order, &result, &err),
                     TM_E_REFUSED);
    assert_non_null(strstr(err.message, "'late@1'"));
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(versions_that_nobody_is_asked_for_are_never_behind,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(who_has_nobody_to_leave_out_is_not_fitted_anew,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
