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

static bool is_found(const tm_search *search, uint32_t fold, uint64_t limit) {
    const tm_budget budget = {.work_limit = limit, .work_used = 5};
    const tm_trial_fit fit = {.candidate = 3, .fold = fold};
    return tm__ahead_find(search, fit, limit > 0 ? &budget : NULL) == &search->ahead[fold];
}

static void what_another_limit_ends_elsewhere_is_not_found(void **state) {
    (void)state;
    tm_search search = {.n_ahead = 2};
    search.ahead[0] = (tm_ahead){.fit = {.candidate = 3}, .found = {.spent = 10}};
    search.ahead[1] =
        (tm_ahead){.fit = {.candidate = 3, .fold = 1},
                   .found = {.spent = 12, .is_cut = true, .cut_above = 8, .cut_at = 10}};
    assert_true(is_found(&search, 0, 16) && is_found(&search, 0, 0));
    assert_false(is_found(&search, 0, 15)); /* its last checkpoint would have reached it */
    assert_true(is_found(&search, 1, 14) && is_found(&search, 1, 15));
    assert_false(is_found(&search, 1, 13) || is_found(&search, 1, 16) || is_found(&search, 1, 0));
    assert_null(tm__ahead_find(&search, (tm_trial_fit){.candidate = 2}, NULL));
}

static void fits_are_dealt_only_where_they_follow_from_rows_and_work(void **state) {
    (void)state;
    tm_budget clock = {.deadline_ns = 1}, work = {.work_limit = 1};
    tm_ctx ctx = {.budget = &work};
    assert_int_equal(tm__ahead_room(&ctx), 0); /* one alone */
    ctx.comm = tm__comm_create(&silent, NULL, 1, 4);
    assert_int_equal(tm__ahead_room(&ctx), 4);
    ctx.budget = &clock;
    assert_int_equal(tm__ahead_room(&ctx), 0);
    ctx.budget = NULL;
    ctx.memory_limit = 1;
    assert_int_equal(tm__ahead_room(&ctx), 0);
    tm__comm_close(ctx.comm, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_another_limit_ends_elsewhere_is_not_found),
        cmocka_unit_test(fits_are_dealt_only_where_they_follow_from_rows_and_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
