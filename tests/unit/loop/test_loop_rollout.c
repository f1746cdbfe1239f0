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

/* Twenty that want a look, of which eight are looked at at once. */
static void the_next_look_goes_on_behind_the_last(void **state) {
    (void)state;
    enum { N = 20, LOOKS = 10 };
    uint32_t n_looks[N] = {0};
    json_t *turns = json_array();
    char last[TM_MAX_NAME + 2] = "";
    for (int i = 0; i < N; i++) {
        json_array_append_new(turns, json_sprintf("%dm%02d", i / 13, i % 13)); /* of both kinds */
    }
    for (int look = 0; look < LOOKS; look++) {
        const size_t first = tm__rolling_turn(turns, last);
        for (size_t i = 0; i < TM_CHILDREN_MAX; i++) {
            const size_t at = (first + i) % N;
            n_looks[at]++;
            assert_true(tm__str_copy(last, sizeof last,
                                     tm__str(json_string_value(json_array_get(turns, at)))));
        }
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(n_looks[i], LOOKS * TM_CHILDREN_MAX / N);
    }
    json_decref(turns);
    turns = json_pack("[s, s, s]", "0a", "0c", "1b");
    assert_int_equal(tm__rolling_turn(turns, "0b"), 1); /* it ended meanwhile */
    assert_int_equal(tm__rolling_turn(turns, "1b"), 0);
    assert_int_equal(tm__rolling_turn(turns, ""), 0);
    json_decref(turns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_rollouts_no_child_is_started, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test(the_next_look_goes_on_behind_the_last)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
