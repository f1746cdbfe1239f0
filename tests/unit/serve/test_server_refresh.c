/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/serve_priv.h"
#include "serve_case.h"
#include "temp_home.h"
#include "test.h"

static const tm_actor actor = {.name = "test"};

static void a_move_by_another_process_is_served_in_a_moment(void **state) {
    serve_case c;
    serve_case_open(&c, *state, NULL);
    uint32_t from = 0;
    uint32_t to = 0;
    for (int i = 0; i < 5; i++) {
        const tm_promotion promotion = {.version = 2};
        assert_int_equal(tm__registry_promote(c.registry, "tiny", &promotion, &actor, &from, NULL),
                         TM_OK);
        assert_true(serve_case_wait_version(&c, 2, NULL));
        assert_int_equal(tm__registry_rollback(c.registry, "tiny", &actor, &from, &to, NULL),
                         TM_OK);
        assert_true(serve_case_wait_version(&c, 1, NULL));
    }
    serve_case_close(&c);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_HOME(a_move_by_another_process_is_served_in_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
