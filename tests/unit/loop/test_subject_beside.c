/* SPDX-License-Identifier: Apache-2.0 */
/* Beside a server that answers: tests/e2e/test_erase_beside.py. */
#include "test.h"

#include "base/mem.h"
#include "loop/subject_beside.h"
#include "temp_home.h"

static tm_status third(void *arg, tm_err *err) {
    uint32_t *const n = arg;
    return ++*n < 3 ? TM_FAIL(err, TM_E_CONFLICT, "busy") : TM_OK;
}

static void what_is_busy_is_tried_again_beside_a_server_alone(void **state) {
    tm_ctx ctx = {0};
    tm_file *server = NULL;
    uint32_t n = 0;
    tm_beside beside = {.ctx = &ctx, .home = *state};
    char *const path = tm__fs_join(tm__home_path(*state), "log.lock");
    assert_int_equal(tm__lock_open(path, &server, NULL), TM_OK);
    assert_int_equal(tm__beside_look(&beside, NULL), TM_OK);
    assert_null(beside.lock);
    assert_int_equal(tm__beside_try(&beside, third, &n, NULL), TM_OK);
    assert_int_equal(n, 3);
    tm__file_close(server); /* it ended */
    assert_int_equal(tm__beside_settle(&beside, NULL), TM_OK);
    assert_non_null(beside.lock);
    assert_int_equal(tm__lock_open(path, &server, NULL), TM_E_CONFLICT); /* and none begins */
    n = 0;
    assert_int_equal(tm__beside_try(&beside, third, &n, NULL), TM_E_CONFLICT);
    assert_int_equal(n, 1);
    assert_int_equal(tm__beside_online(&beside, NULL), TM_OK); /* there is none */
    tm__beside_end(&beside);
    assert_null(beside.lock);
    tm__mem_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_busy_is_tried_again_beside_a_server_alone,
                                        tm__temp_home_open, tm__temp_home_close)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
