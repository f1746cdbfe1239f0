/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/user_call.h"

static void a_failure_says_what_the_module_said(void **state) {
    tm_user_call call;
    tm_err err = {0};
    (void)state;
    tm__user_call_init(&call, NULL, "fit", NULL);
    assert_int_equal(call.call.refuse(call.call.self, TM_MODULE_E_DATA, "no\nrows"),
                     TM_MODULE_E_DATA);
    assert_int_equal(tm__user_call_fail(&call, "knn", "fit", TM_MODULE_E_DATA, &err), TM_E_DATA);
    assert_string_equal(err.message, "module 'knn' cannot fit: no?rows");
}

static void each_status_has_one_of_the_program(void **state) {
    static const tm_status want[] = {TM_E_INTERNAL,    TM_E_INVALID,     TM_E_DATA,
                                     TM_E_NOMEM,       TM_E_CANCELLED,   TM_E_INTEGRITY,
                                     TM_E_UNAVAILABLE, TM_E_UNSUPPORTED, TM_E_INTERNAL};
    tm_user_call call;
    (void)state;
    tm__user_call_init(&call, NULL, "fit", NULL);
    for (int32_t i = 0; i < 9; i++) {
        assert_int_equal(tm__user_call_fail(&call, "knn", "fit", i, NULL), want[i]);
    }
    assert_int_equal(tm__user_call_fail(&call, "knn", "fit", -1, NULL), TM_E_INTERNAL);
}

static void count_item(void *arg, uint64_t item, uint32_t worker) {
    *(uint64_t *)arg += item + worker;
}

static void without_a_context_it_is_one_thread_and_no_limit(void **state) {
    tm_user_call call;
    uint64_t sum = 0;
    (void)state;
    tm__user_call_init(&call, NULL, "fit", NULL);
    assert_int_equal(call.call.n_threads, 1);
    assert_null(call.call.write);
    assert_int_equal(call.call.is_cancelled(call.call.self), 0);
    assert_int_equal(call.call.spend(call.call.self, 5), 0);
    assert_int_equal(call.call.spend(call.call.self, UINT64_MAX), 0);
    assert_true(call.work_used == UINT64_MAX);
    call.call.progress(call.call.self, 1, 2);
    call.call.log(call.call.self, "nobody hears it");
    call.call.run(call.call.self, 4, count_item, &sum);
    assert_int_equal(sum, 6);
}

static void a_budget_and_a_stop_reach_the_module(void **state) {
    volatile _Atomic bool cancel = true;
    tm_budget budget = {.work_limit = 10};
    tm_ctx ctx = {.cancel = &cancel, .budget = &budget};
    tm_user_call call;
    (void)state;
    tm__user_call_init(&call, &ctx, "fit", NULL);
    assert_int_equal(call.call.is_cancelled(call.call.self), 1);
    assert_int_equal(call.call.spend(call.call.self, 9), 0);
    assert_int_equal(call.call.spend(call.call.self, 1), 1);
    assert_int_equal(budget.work_used, 10);
}

static void bytes_are_written_up_to_the_maximum(void **state) {
    tm_user_call call;
    tm_buf out;
    (void)state;
    tm__buf_init(&out, 4);
    tm__user_call_init(&call, NULL, "save", &out);
    assert_int_equal(call.call.write(call.call.self, "abcd", 4), TM_MODULE_OK);
    assert_int_equal(call.call.write(call.call.self, "e", 1), TM_MODULE_E_NOMEM);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_says_what_the_module_said),
        cmocka_unit_test(each_status_has_one_of_the_program),
        cmocka_unit_test(without_a_context_it_is_one_thread_and_no_limit),
        cmocka_unit_test(a_budget_and_a_stop_reach_the_module),
        cmocka_unit_test(bytes_are_written_up_to_the_maximum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
