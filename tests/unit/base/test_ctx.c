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

#define HOUR_NS UINT64_C(3600000000000)

/* A run of parts, as a search: how far each came. The clock passes the deadline of a part after
 * late_after[part] checkpoints, if it has one. */
static void run_parts(tm_stops *stops, const unsigned *late_after, unsigned *out) {
    for (unsigned part = 0; part < 4; part++) {
        tm_budget budget = {.deadline_ns = tm__mono_ns() + HOUR_NS, .stops = stops};
        tm_ctx ctx = {.budget = &budget};
        out[part] = 0;
        while (out[part] < 7) {
            if (late_after != NULL && out[part] == late_after[part]) {
                budget.deadline_ns = 1;
            }
            if (tm__ctx_spend(&ctx, 1)) {
                break;
            }
            out[part]++;
        }
        if (tm__budget_is_late(&budget, 1000)) {
            out[part] += 100;
        }
    }
}

static void stops_answer_in_place_of_the_clock(void **state) {
    (void)state;
    static const unsigned late_after[] = {9, 3, 0, 9}, early[] = {0, 0, 0, 0};
    static const unsigned want[] = {7, 103, 100, 7};
    unsigned out[4];
    tm_stops stops = {0};
    run_parts(&stops, late_after, out);
    assert_memory_equal(out, want, sizeof(want));
    assert_int_equal(stops.n, 4);
    /* No deadline passes, and every one has passed: neither is looked at. */
    for (unsigned i = 0; i < 2; i++) {
        tm_stops repeat = stops;
        repeat.is_repeat = true;
        repeat.n_asked = 0;
        run_parts(&repeat, i == 0 ? NULL : early, out);
        assert_memory_equal(out, want, sizeof(want));
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
    budget.deadline_ns = tm__mono_ns() + HOUR_NS;
    assert_false(tm__budget_is_late(&budget, 0));
    assert_true(tm__budget_is_late(&budget, HOUR_NS + 1));
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
