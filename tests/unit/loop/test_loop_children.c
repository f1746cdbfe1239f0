/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "child_case.h"
#include "loop/loop_priv.h"
#include "temp_home.h"
#include "test.h"

/* This program is its own child: `test_loop_children play VERB NAME --home DIR --json`. */
static int play_child(char **argv) {
    if (strcmp(argv[3], "slow") == 0) {
        tm__sleep_ms(600000);
    }
    return strcmp(argv[3], "bad") == 0 ? 7 : 0;
}

static void each_that_ends_is_told_once_with_its_name(void **state) {
    tm_children c = {.home = *state, .supervisor = child_case_supervisor};
    tm_named_child child;
    tm_child_state ended = {0};
    bool seen_good = false, seen_bad = false;
    assert_false(tm__children_next_ended(&c, &child, &ended));
    assert_int_equal(tm__children_start(&c, "play", "one", "good", NULL), TM_OK);
    assert_int_equal(tm__children_start(&c, "play", "one", "slow", NULL), TM_OK);
    assert_int_equal(tm__children_start(&c, "play", "one", "bad", NULL), TM_OK);
    assert_true(tm__children_has(&c, "bad"));
    assert_false(tm__children_has(&c, "ba"));
    for (int i = 0; i < TEST_LOOKS && c.n > 1; i++) {
        while (tm__children_next_ended(&c, &child, &ended)) {
            const bool is_bad = strcmp(child.name, "bad") == 0;
            assert_int_equal(ended.exit_code, is_bad ? 7 : 0);
            assert_false(is_bad ? seen_bad : seen_good);
            *(is_bad ? &seen_bad : &seen_good) = true;
            assert_false(tm__children_has(&c, child.name));
        }
        tm__sleep_ms(5);
    }
    assert_true(seen_good && seen_bad);
    assert_true(tm__children_has(&c, "slow"));
    tm__children_stop(&c);
    assert_int_equal(c.n, 0);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        each_that_ends_is_told_once_with_its_name, tm__temp_home_open, tm__temp_home_close)};
    if (argc == 7) {
        return play_child(argv);
    }
    return cmocka_run_group_tests(tests, child_case_open, child_case_close);
}
