/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "cli/doctor.h"
#include "registry/turn.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static void add_model(tm_home *home, tm_registry *registry, const char *name) {
    static const tm_actor actor = {.name = "test"};
    const tm_gate gate = {.coverage_min = 0.3, .coverage_after_us = 1};
    tm_version version = {0};
    tm_bundle *const bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.9});
    assert_int_equal(tm__registry_add(registry, name, bundle, NULL, &actor, &version, NULL), TM_OK);
    assert_int_equal(tm__registry_set_gate(registry, name, &gate, &actor, NULL), TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

/* A retraining that the gate closed for too few labels. */
static void refuse(tm_registry *registry, const char *name) {
    tm_turn turn = {.champion = 1,
                    .story = json_pack("{s:{s:[{s:s, s:b, s:s}]}}", "gate", "checks", "check",
                                       "coverage", "open", 0, "said", "of 40 answers none")};
    (void)tm__str_copy(turn.model, sizeof(turn.model), tm__str(name));
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_OK);
    assert_int_equal(tm__turn_end(registry, &turn, "refused", "x", NULL), TM_OK);
    tm__turn_done(&turn);
}

static void models_that_lack_labels_are_named_and_many_are_counted(void **state) {
    tm_registry *registry = NULL;
    tm_checks checks = {.n = 0};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    add_model(*state, registry, "m0");
    tm__check_labels(&checks, *state, registry);
    assert_int_equal(checks.n, 1);
    assert_int_equal(checks.list[0].state, TM_CHECK_OK);
    assert_string_equal(checks.list[0].found, "1 model, none lacks labels");
    for (int i = 0; i < 10; i++) {
        const char name[] = {'m', (char)('0' + i), '\0'};
        if (i > 0) {
            add_model(*state, registry, name);
        }
        refuse(registry, name);
    }
    checks.n = 0;
    tm__check_labels(&checks, *state, registry);
    assert_int_equal(checks.n, 9);
    assert_string_equal(checks.list[0].name, "labels");
    assert_int_equal(checks.list[0].state, TM_CHECK_WARN);
    assert_non_null(strstr(checks.list[0].found, "'m0': label coverage too low, nothing is"));
    assert_non_null(strstr(checks.list[0].advice, "tidemill monitor report"));
    assert_string_equal(checks.list[8].found, "and 2 more");
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(models_that_lack_labels_are_named_and_many_are_counted,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
