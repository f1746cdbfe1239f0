/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "loop/loop_priv.h"
#include "temp_home.h"

/* With rollouts it is tested end to end: tests/e2e/test_rollout.py. */
static void without_rollouts_no_child_is_started(void **state) {
    tm_registry *registry = NULL;
    tm_rolling rolling = {.children = {.home = *state}};
    assert_int_equal(tm__registry_open(*state, &registry, NULL), TM_OK);
    assert_int_equal(tm__rolling_step(&rolling, registry), 1000);
    assert_int_equal(rolling.children.n, 0);
    tm__registry_close(registry);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        without_rollouts_no_child_is_started, tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
