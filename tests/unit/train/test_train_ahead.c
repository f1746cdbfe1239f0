/* SPDX-License-Identifier: Apache-2.0 */
/* Fits that are made ahead are in test_train_trial.c, and of real ranks in tools/mpi. */
#include "test.h"

#include "base/comm.h"
#include "train/train_search_priv.h"

static tm_status silent_exchange(void *self, const tm_exchange *e, tm_err *err) {
    (void)self;
    (void)e;
    return TM_FAIL(err, TM_E_UNAVAILABLE, "nobody is there");
}

static void silent_close(void *self, bool is_ok) {
    (void)self;
    (void)is_ok;
}

static const tm_comm_ops silent = {"silent", silent_exchange, silent_close};

static void what_the_budget_would_have_ended_is_not_found(void **state) {
    (void)state;
    tm_search search = {.n_ahead = 2};
    search.ahead[0] = (tm_ahead){.fit = {3, 0}, .found = {.work = 10, .spent = 10}};
    search.ahead[1] = (tm_ahead){.fit = {3, 1}, .found = {.spent = 10, .is_cut = true}};
    const tm_budget wide = {.work_limit = 16, .work_used = 5};
    const tm_budget tight = {.work_limit = 15, .work_used = 5};
    assert_ptr_equal(tm__ahead_find(&search, (tm_trial_fit){3, 0}, &wide), &search.ahead[0]);
    assert_ptr_equal(tm__ahead_find(&search, (tm_trial_fit){3, 0}, NULL), &search.ahead[0]);
    assert_null(tm__ahead_find(&search, (tm_trial_fit){2, 0}, &wide));
    assert_false(search.is_ahead_off);
    assert_null(tm__ahead_find(&search, (tm_trial_fit){3, 0}, &tight));
    assert_true(search.is_ahead_off);
    assert_null(tm__ahead_find(&search, (tm_trial_fit){3, 1}, &wide));
}

static void fits_are_dealt_only_where_they_follow_from_rows_and_work(void **state) {
    (void)state;
    tm_search search = {0};
    tm_budget clock = {.deadline_ns = 1}, work = {.work_limit = 1};
    tm_ctx ctx = {.budget = &work};
    assert_int_equal(tm__ahead_room(&ctx, &search), 0); /* one alone */
    ctx.comm = tm__comm_create(&silent, NULL, 1, 4);
    assert_int_equal(tm__ahead_room(&ctx, &search), 4);
    ctx.budget = &clock;
    assert_int_equal(tm__ahead_room(&ctx, &search), 0);
    ctx.budget = NULL;
    ctx.memory_limit = 1;
    assert_int_equal(tm__ahead_room(&ctx, &search), 0);
    ctx.memory_limit = 0;
    search.is_ahead_off = true;
    assert_int_equal(tm__ahead_room(&ctx, &search), 0);
    tm__comm_close(ctx.comm, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_budget_would_have_ended_is_not_found),
        cmocka_unit_test(fits_are_dealt_only_where_they_follow_from_rows_and_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
