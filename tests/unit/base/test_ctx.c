/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/ctx.h"

static void without_parts_nothing_ends_a_run(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    assert_false(tm__ctx_cancelled(&ctx));
    assert_false(tm__ctx_spend(&ctx, UINT64_MAX));
    assert_false(tm__ctx_is_spent(&ctx));
    tm__ctx_progress(&ctx, "fit", 1, 2, "");
}

static void a_limit_of_work_ends_at_a_checkpoint(void **state) {
    (void)state;
    tm_budget budget = {.work_limit = 100};
    tm_ctx ctx = {.budget = &budget};
    assert_false(tm__ctx_spend(&ctx, 60));
    assert_false(tm__ctx_is_spent(&ctx));
    assert_true(tm__ctx_spend(&ctx, 60));
    assert_true(tm__ctx_is_spent(&ctx));
    assert_true(budget.is_cut);
    assert_false(budget.clock_cut);
    assert_int_equal(budget.work_used, 120);
    assert_true(tm__ctx_spend(&ctx, UINT64_MAX));
    assert_true(budget.work_used == UINT64_MAX);
}

static void a_run_cut_by_the_clock_repeats_without_one(void **state) {
    (void)state;
    tm_budget budget = {.deadline_ns = tm__mono_ns() + 3000000};
    tm_ctx ctx = {.budget = &budget};
    unsigned n = 0;
    while (!tm__ctx_spend(&ctx, 10)) {
        n++;
        tm__sleep_ms(1);
    }
    assert_true(budget.is_cut && budget.clock_cut);
    tm_budget again = {.work_limit = budget.work_used};
    ctx.budget = &again;
    unsigned n_again = 0;
    while (!tm__ctx_spend(&ctx, 10)) {
        n_again++;
    }
    assert_int_equal(n, n_again);
    assert_false(again.clock_cut);
}

/* A run of parts, as a search: how far each came. */
static void run_parts(tm_stops *stops, uint64_t deadline_ns, unsigned sleep_every, unsigned *out) {
    for (unsigned part = 0; part < 5; part++) {
        tm_budget budget = {.deadline_ns = deadline_ns, .stops = stops};
        tm_ctx ctx = {.budget = &budget};
        out[part] = 0;
        while (!tm__ctx_spend(&ctx, 1) && out[part] < 7) {
            out[part]++;
            if (sleep_every > 0 && out[part] % sleep_every == 0) {
                tm__sleep_ms(1);
            }
        }
        if (tm__budget_is_late(&budget, 1000)) {
            out[part] += 100;
        }
    }
}

static void stops_answer_in_place_of_the_clock(void **state) {
    (void)state;
    unsigned first[5], again[5];
    tm_stops stops = {0};
    run_parts(&stops, tm__mono_ns() + 10000000, 1, first);
    assert_int_equal(first[0], 7); /* the first part was not cut, the last was at once */
    assert_int_equal(first[4], 100);
    assert_true(stops.n >= 2 && stops.n_asked > stops.n);
    /* No deadline passes in an hour, and one has passed long ago: neither is looked at. */
    const uint64_t deadlines[] = {tm__mono_ns() + UINT64_C(3600000000000), 1};
    for (unsigned i = 0; i < 2; i++) {
        tm_stops repeat = stops;
        repeat.is_repeat = true;
        repeat.n_asked = 0;
        run_parts(&repeat, deadlines[i], 0, again);
        assert_memory_equal(first, again, sizeof(first));
        assert_int_equal(repeat.next, stops.n);
        assert_true(repeat.n_asked == stops.n_asked);
    }
}

static void without_a_deadline_no_question_is_asked(void **state) {
    (void)state;
    tm_stops stops = {0};
    tm_budget budget = {.work_limit = 10, .stops = &stops};
    tm_ctx ctx = {.budget = &budget};
    assert_false(tm__ctx_spend(&ctx, 1));
    assert_false(tm__budget_is_late(&budget, UINT64_MAX));
    assert_true(stops.n_asked == 0 && stops.n == 0);
    budget.deadline_ns = tm__mono_ns() + UINT64_C(3600000000000);
    assert_false(tm__budget_is_late(&budget, 0));
    assert_true(tm__budget_is_late(&budget, UINT64_C(3600000000001)));
    assert_true(stops.n == 1 && stops.at[0] == 2);
}

static void only_a_checkpoint_looks_at_the_clock(void **state) {
    (void)state;
    tm_budget budget = {.deadline_ns = 1};
    tm_ctx ctx = {.budget = &budget};
    assert_false(tm__ctx_is_spent(&ctx));
    assert_true(tm__ctx_spend(&ctx, 0));
    assert_true(tm__ctx_is_spent(&ctx));
}

static void a_flag_cancels(void **state) {
    (void)state;
    volatile _Atomic bool cancel = false;
    tm_ctx ctx = {.cancel = &cancel};
    assert_false(tm__ctx_cancelled(&ctx));
    cancel = true;
    assert_true(tm__ctx_cancelled(&ctx));
}

static void count(void *arg, const char *stage, uint64_t done, uint64_t total, const char *note) {
    assert_string_equal(stage, "fit");
    assert_string_equal(note, "n");
    *(uint64_t *)arg = done * 100 + total;
}

static void progress_reaches_who_asked(void **state) {
    (void)state;
    uint64_t seen = 0;
    tm_ctx ctx = {.progress = count, .progress_arg = &seen};
    tm__ctx_progress(&ctx, "fit", 3, 7, "n");
    assert_int_equal(seen, 307);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_parts_nothing_ends_a_run),
        cmocka_unit_test(a_limit_of_work_ends_at_a_checkpoint),
        cmocka_unit_test(a_run_cut_by_the_clock_repeats_without_one),
        cmocka_unit_test(stops_answer_in_place_of_the_clock),
        cmocka_unit_test(without_a_deadline_no_question_is_asked),
        cmocka_unit_test(only_a_checkpoint_looks_at_the_clock),
        cmocka_unit_test(a_flag_cancels),
        cmocka_unit_test(progress_reaches_who_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
