/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"
#include "temp_home.h"
#include "test.h"

/* tools/kafka has two daemons that divide a topic. */
static void a_home_without_such_a_source_has_nothing_to_read(void **state) {
    const tm_loop_place place = {.home = *state};
    tm_loop_share *share = NULL;
    assert_int_equal(tm__loop_share_open(&place, &share, NULL), TM_OK);
    assert_true(tm__loop_share_step(share) > 0);
    assert_true(tm__loop_share_step(share) > 0);
    tm__loop_share_close(share);
    tm__loop_share_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_home_without_such_a_source_has_nothing_to_read,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
