/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_policy.h"

#include <math.h>
#include <string.h>

#include "test.h"

static const tm_policy_terms terms = {
    .n_arms = 2,
    .arms = {{.window = 1000}, {.window = 4000, .from_change = true}},
    .step = 500,
    .step_min = 250,
    .step_max = 2000,
    .cool_down = 100,
    .memory = 200,
    .fast_memory = 200,
    .slow_memory = 1000,
    .eta = 1.0,
    .pays = 0.01,
    .say_min = 0.05,
};

/* Fit all that is due; returns how many that were, and why the last one was. */
static uint32_t fit_due(tm_policy *policy, uint64_t n_known, tm_policy_why *why) {
    tm_policy_fit fits[TM_POLICY_ARMS_MAX];
    const uint32_t n = tm__policy_due(policy, n_known, fits);
    assert_true(n <= terms.n_arms);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(fits[i].begin <= fits[i].end && fits[i].end == n_known);
        assert_true(i == 0 || fits[i].arm > fits[i - 1].arm);
        tm__policy_fitted(policy, &fits[i]);
        tm__policy_took(policy, &fits[i], 10);
        *why = fits[i].why;
    }
    return n;
}

static tm_policy_label label_of(double first, double second, double error) {
    tm_policy_label label = {.champion = error,
                             .together = second == second ? (first + second) / 2.0 : first,
                             .losses = {first, second}};
    for (uint32_t i = 0; i < TM_POLICY_ARMS_MAX; i++) {
        label.before[i] = NAN;
    }
    return label;
}

static void every_arm_learns_at_first_and_none_twice(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why = TM_POLICY_CHANGE;
    tm__policy_init(&policy, &terms);
    assert_int_equal(fit_due(&policy, 3000, &why), 2);
    assert_int_equal(why, TM_POLICY_BEGIN);
    assert_int_equal(fit_due(&policy, 3000, &why), 0);
    assert_int_equal(fit_due(&policy, 3499, &why), 0);
    assert_int_equal(fit_due(&policy, 3500, &why), 2);
    assert_int_equal(why, TM_POLICY_NEW_ROWS);
    assert_int_equal(policy.work, 40);
}

static void the_better_arm_gets_the_say(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_blend_shares shares;
    tm__policy_init(&policy, &terms);
    tm__policy_shares(&policy, &shares);
    assert_true(shares.both[0] == 0.0 && shares.both[1] == 0.0);
    (void)fit_due(&policy, 1000, &why);
    tm__policy_shares(&policy, &shares);
    assert_true(shares.both[0] == 0.5 && shares.both[1] == 0.5);
    const tm_policy_label better = label_of(0.2, 0.7, 0.0);
    for (uint64_t i = 0; i < 100; i++) {
        tm__policy_add(&policy, 1001 + i, &better);
    }
    tm__policy_shares(&policy, &shares);
    assert_true(shares.both[0] > 0.99 && shares.both[0] + shares.both[1] <= 1.0 + 1e-12);
    const tm_policy_label worse = label_of(0.7, 0.2, 0.0);
    for (uint64_t i = 0; i < 600; i++) {
        tm__policy_add(&policy, 1101 + i, &worse);
    }
    tm__policy_shares(&policy, &shares);
    assert_true(shares.both[1] > 0.99);
}

static void an_arm_without_answers_does_not_lead_by_it(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_blend_shares shares;
    const tm_policy_label label = label_of(0.5, NAN, 0.0);
    tm__policy_init(&policy, &terms);
    (void)fit_due(&policy, 1000, &why);
    for (uint64_t i = 0; i < 100; i++) {
        tm__policy_add(&policy, 1001 + i, &label);
    }
    tm__policy_shares(&policy, &shares);
    assert_true(shares.both[0] == 0.5 && shares.both[1] == 0.5);
}

/* One that learns nothing here begins with no say, and is never fitted. */
static void others_join_without_a_say_and_learn_nothing(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_blend_shares shares;
    tm_policy_terms with = terms;
    with.n_others = 1;
    tm__policy_init(&policy, &with);
    tm__policy_join(&policy, 0);
    assert_int_equal(fit_due(&policy, 1000, &why), 2);
    tm__policy_shares(&policy, &shares);
    assert_true(shares.both[0] == 0.5 && shares.both[2] == 0.0);
    tm_policy_label label = label_of(0.5, 0.5, 0.0);
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t j = 0; j < 4; j++) {
            label.products[i][j] = i == j && i != 2 ? 1.0 : 0.0; /* the other one is right */
        }
    }
    for (uint64_t i = 0; i < 1500; i++) {
        tm__policy_shares(&policy, &label.shares);
        tm__policy_add(&policy, 1001 + i, &label);
    }
    tm__policy_shares(&policy, &shares);
    assert_true(shares.sets[2][2] > 0.9 && shares.sets[0][2] == 0.0);
    assert_int_equal(fit_due(&policy, 2500, &why), 2); /* arms learn on, whoever leads */
}

static void tell_rule(tm_policy *policy, uint64_t n, double wrong, double wrong_rule) {
    tm_policy_label label = label_of(0.5, 0.5, 0.0);
    label.wrong = wrong;
    label.wrong_rules[0] = wrong_rule;
    for (uint64_t i = 0; i < n; i++) {
        tm__policy_add(policy, 1001 + policy->n_labels, &label);
    }
}

static void a_rule_answers_alone_where_it_is_surely_better(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_policy_terms with = terms;
    with.n_others = with.n_rules = 1;
    tm__policy_init(&policy, &with);
    tm__policy_join(&policy, 0);
    (void)fit_due(&policy, 1000, &why);
    for (uint32_t i = 0; i < 8; i++) { /* runs of either: nobody is surely better */
        tell_rule(&policy, 500, i % 2 == 0 ? 1.0 : 0.0, i % 2 == 0 ? 0.0 : 1.0);
    }
    assert_true(tm__policy_leader(&policy) == TM_POLICY_TOGETHER);
    tell_rule(&policy, 1000, 0.5, NAN); /* what it does not answer counts for neither */
    assert_true(tm__policy_leader(&policy) == TM_POLICY_TOGETHER);
    tell_rule(&policy, 6000, 0.6, 0.2);
    assert_int_equal(tm__policy_leader(&policy), 2);
    tell_rule(&policy, 12000, 0.1, 0.6);
    assert_true(tm__policy_leader(&policy) == TM_POLICY_TOGETHER);
}

/* Both are surely better than the mean; of late the second one by more, but the first one was right
 * more often since the first label. */
static void of_rules_the_one_with_the_best_record_answers(void **state) {
    (void)state;
    for (uint32_t has_record = 0; has_record < 2; has_record++) {
        tm_policy policy;
        tm_policy_terms with = terms;
        with.n_others = with.n_rules = 2;
        with.has_record = has_record != 0;
        tm__policy_init(&policy, &with);
        tm__policy_join(&policy, 0);
        tm__policy_join(&policy, 1);
        for (uint32_t i = 0; i < 2000; i++) { /* nobody else answers */
            tm__policy_note_rules(&policy, (const double[]){0.1, i % 2 == 0 ? 0.6 : NAN});
        }
        assert_true(tm__policy_leader(&policy) == TM_POLICY_TOGETHER);
        tm_policy_label label = label_of(0.5, 0.5, 0.0);
        label.wrong = 0.6;
        label.wrong_rules[0] = 0.2;
        label.wrong_rules[1] = 0.1;
        for (uint32_t i = 0; i < 3000; i++) {
            tm__policy_add(&policy, 2001 + i, &label);
        }
        assert_int_equal(tm__policy_leader(&policy), has_record != 0 ? 2 : 3);
    }
}

static void an_arm_begins_where_its_rows_are_not_anothers(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_policy_fit due[TM_POLICY_ARMS_MAX];
    tm_policy_terms some = terms;
    some.arms[0].begins = 3000;
    some.arms[1].begins = 2000;
    tm__policy_init(&policy, &some);
    assert_int_equal(fit_due(&policy, 1999, &why), 0);
    policy.has_change = true; /* one of changes has rows of its own from now on */
    assert_int_equal(tm__policy_due(&policy, 1999, due), 1);
    assert_int_equal(due[0].arm, 1);
    policy.has_change = false;
    assert_int_equal(fit_due(&policy, 2000, &why), 1);
    assert_int_equal(fit_due(&policy, 3000, &why), 2);
    assert_true(policy.arms[0].n_fits == 1 && policy.arms[1].n_fits == 2);
}

static void who_leads_is_told_with_its_fit(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_policy_fit due[TM_POLICY_ARMS_MAX];
    tm__policy_init(&policy, &terms);
    assert_int_equal(tm__policy_due(&policy, 1000, due), 2);
    assert_true(!due[0].leads && !due[1].leads);
    (void)fit_due(&policy, 1000, &why);
    policy.arms[0].loss = 1000.0;
    assert_int_equal(tm__policy_due(&policy, 9000, due), 2);
    assert_true(!due[0].leads && due[1].leads);
}

static void a_change_is_acted_on_and_cuts_the_window(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_policy_fit due[TM_POLICY_ARMS_MAX];
    uint64_t known = 2000;
    tm__policy_init(&policy, &terms);
    (void)fit_due(&policy, known, &why);
    for (uint32_t i = 0; i < 400; i++) {
        const tm_policy_label label = label_of(0.5, 0.5, i % 10 == 0 ? 1.0 : 0.0);
        tm__policy_add(&policy, ++known, &label);
    }
    assert_int_equal(tm__policy_due(&policy, known, due), 0);
    while (policy.n_changes == 0) {
        const tm_policy_label label = label_of(0.5, 0.5, known % 10 != 0 ? 1.0 : 0.0);
        tm__policy_add(&policy, ++known, &label);
        assert_true(known < 2600);
    }
    assert_true(tm__policy_due(&policy, known, due) > 0);
    assert_int_equal(due[0].why, TM_POLICY_CHANGE);
    assert_true(policy.change_at > 2300 && policy.change_at < 2500);
    assert_int_equal(fit_due(&policy, known, &why), 2);
    assert_int_equal(fit_due(&policy, known, &why), 0);
    known = policy.change_at + 1000;
    (void)fit_due(&policy, known - 1, &why);
    policy.arms[0].end = known;
    policy.arms[1].end = known - 900;
    assert_true(tm__policy_due(&policy, known, due) > 0);
    assert_int_equal(due[0].arm, 1);
    assert_int_equal(due[0].begin, policy.change_at);
}

static void a_long_window_waits_for_its_share_of_new_rows(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_fit due[TM_POLICY_ARMS_MAX];
    tm_policy_why why;
    tm_policy_terms some = terms;
    some.arms[0] = (tm_policy_arm_terms){.step_share = 0.5};
    tm__policy_init(&policy, &some);
    (void)fit_due(&policy, 4000, &why);
    policy.has_change = true;
    policy.alarm_at = 4500;
    policy.arms[1].end = 7990; /* half of the say is its own */
    assert_int_equal(tm__policy_due(&policy, 7999, due), 0);
    assert_true(tm__policy_due(&policy, 8000, due) > 0);
    assert_true(due[0].arm == 0 && due[0].begin == 0);
    assert_int_equal(due[0].why, TM_POLICY_CHANGE);
    policy.arms[1].loss = 1000.0; /* who leads waits less */
    assert_true(tm__policy_due(&policy, 4800, due) > 0);
    policy.arms[0].loss = 2000.0; /* and who has no say, longer */
    policy.arms[1].end = 12000;
    assert_int_equal(tm__policy_due(&policy, 12000, due), 0);
}

static void a_better_score_is_no_alarm(void **state) {
    (void)state;
    tm_policy policy;
    tm__policy_init(&policy, &terms);
    for (uint64_t i = 0; i < 2000; i++) {
        const tm_policy_label label = label_of(0.5, 0.5, i < 1000 ? 1.0 : 0.0);
        tm__policy_add(&policy, i + 1, &label);
    }
    assert_true(policy.adwin.n < 1500);
    assert_int_equal(policy.n_changes, 0);
}

static void fits_that_do_not_pay_become_rare(void **state) {
    (void)state;
    for (uint32_t pays = 0; pays < 2; pays++) {
        tm_policy policy;
        tm_policy_why why;
        uint64_t known = 1000;
        tm__policy_init(&policy, &terms);
        for (uint32_t i = 0; i < 20000; i++) {
            (void)fit_due(&policy, known, &why);
            tm_policy_label label = label_of(0.5, 0.5, 0.1);
            label.before[0] = label.before[1] = pays != 0 ? 0.6 : 0.5;
            tm__policy_add(&policy, ++known, &label);
        }
        assert_true(policy.arms[0].step == (double)(pays != 0 ? terms.step_min : terms.step_max));
    }
}

static void the_budget_holds_fits(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_policy_terms some = terms;
    some.work_per_label = 1;
    tm__policy_init(&policy, &some);
    tm_policy_fit due[TM_POLICY_ARMS_MAX];
    assert_int_equal(tm__policy_due(&policy, 1000, due), 2); /* each begins */
    tm__policy_fitted(&policy, &due[0]);
    tm__policy_took(&policy, &due[0], 1000000);
    tm__policy_fitted(&policy, &due[1]);
    tm__policy_took(&policy, &due[1], 10);
    assert_int_equal(tm__policy_due(&policy, 5000, due), 0);
    assert_int_equal(fit_due(&policy, 1000020, &why), 2);
}

static void a_dear_arm_waits_for_its_step_also_after_a_change(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_fit due[TM_POLICY_ARMS_MAX];
    tm_policy_why why;
    tm_policy_terms some = terms;
    some.arms[1].costs = 4.0;
    some.arms[1].from_change = false;
    tm__policy_init(&policy, &some);
    (void)fit_due(&policy, 1000, &why);
    policy.has_change = true;
    policy.alarm_at = 1200;
    assert_int_equal(tm__policy_due(&policy, 1250, due), 1);
    assert_int_equal(due[0].arm, 0);
    policy.arms[0].end = 1999;
    assert_int_equal(tm__policy_due(&policy, 1999, due), 0);
    assert_int_equal(tm__policy_due(&policy, 2000, due), 1);
    assert_int_equal(due[0].arm, 1);
}

static void what_may_be_chance_does_not_pay(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    uint64_t known = 1000;
    tm__policy_init(&policy, &terms);
    for (uint32_t i = 0; i < 150; i++) { /* 2 % are saved in the mean, by ups and downs of 80 % */
        (void)fit_due(&policy, known, &why);
        tm_policy_label label = label_of(0.5, 0.5, 0.1);
        label.before[0] = i % 2 == 0 ? 0.92 : 0.1;
        label.before[1] = 0.51;
        tm__policy_add(&policy, ++known, &label);
    }
    (void)fit_due(&policy, 1500, &why);
    assert_true(policy.arms[0].step == 500.0);
    assert_true(policy.arms[1].step == 250.0);
}

/* It learns at each step_min labels while it leads, as often as its work allows. */
static void a_keen_arm_learns_as_often_as_its_work_allows(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        tm_policy policy;
        tm_policy_terms keen = terms;
        tm_policy_fit due[TM_POLICY_ARMS_MAX];
        const uint32_t want[] = {1, 10, 5};
        const double work[] = {0.0, 1.0, 0.5};
        keen.is_said_by_arms = true;
        keen.step_max = 100000;
        keen.arms[0].keen_work = work[i];
        tm__policy_init(&policy, &keen);
        policy.arms[0].step = policy.arms[1].step = 100000.0;
        assert_int_equal(tm__policy_due(&policy, 1000, due), 2);
        tm__policy_fitted(&policy, &due[0]);
        tm__policy_took(&policy, &due[0], 10);
        tm__policy_fitted(&policy, &due[1]);
        tm__policy_took(&policy, &due[1], 70);
        for (uint64_t known = 1010; known <= 3500; known += 10) {
            if (tm__policy_due(&policy, known, due) > 0) {
                assert_int_equal(due[0].arm, 0);
                tm__policy_fitted(&policy, &due[0]);
                tm__policy_took(&policy, &due[0], 10);
            }
        }
        assert_in_range(policy.arms[0].n_fits, want[i], want[i] + 2);
        assert_int_equal(policy.arms[1].n_fits, 1);
    }
}

static void an_arm_that_has_not_seen_such_rows_gives_its_say_to_the_last(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm_blend_shares shares;
    tm__policy_init(&policy, &terms);
    (void)fit_due(&policy, 1000, &why);
    policy.far[0] = 0.8;
    tm__policy_shares(&policy, &shares);
    assert_true(fabs(shares.both[0] - 0.1) < 1e-9 && fabs(shares.both[1] - 0.9) < 1e-9);
    assert_true(fabs(shares.sets[0][1] - 0.9) < 1e-9);
}

static void a_new_world_is_learned_and_judged_by_itself(void **state) {
    (void)state;
    tm_policy policy;
    tm_policy_why why;
    tm__policy_init(&policy, &terms);
    (void)fit_due(&policy, 3000, &why);
    tm_policy_label label = label_of(0.1, 0.2, 0.0);
    tm__policy_add(&policy, 3001, &label);
    const double n = policy.blend.slow.n;
    tm__policy_begin_anew(&policy, 2800, 3500);
    assert_int_equal(tm__policy_begin(&policy, 0, 3100), 2800);
    assert_int_equal(tm__policy_begin(&policy, 0, 4000), 3000);
    tm__policy_add(&policy, 3500, &label); /* of row 3499, answered before */
    assert_true(policy.blend.slow.n == n && policy.blend.fast.n < n);
    tm__policy_add(&policy, 3501, &label);
    assert_true(policy.blend.slow.n > n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_arm_learns_at_first_and_none_twice),
        cmocka_unit_test(the_better_arm_gets_the_say),
        cmocka_unit_test(an_arm_without_answers_does_not_lead_by_it),
        cmocka_unit_test(others_join_without_a_say_and_learn_nothing),
        cmocka_unit_test(a_rule_answers_alone_where_it_is_surely_better),
        cmocka_unit_test(of_rules_the_one_with_the_best_record_answers),
        cmocka_unit_test(an_arm_begins_where_its_rows_are_not_anothers),
        cmocka_unit_test(who_leads_is_told_with_its_fit),
        cmocka_unit_test(a_change_is_acted_on_and_cuts_the_window),
        cmocka_unit_test(a_long_window_waits_for_its_share_of_new_rows),
        cmocka_unit_test(a_better_score_is_no_alarm),
        cmocka_unit_test(fits_that_do_not_pay_become_rare),
        cmocka_unit_test(the_budget_holds_fits),
        cmocka_unit_test(a_dear_arm_waits_for_its_step_also_after_a_change),
        cmocka_unit_test(what_may_be_chance_does_not_pay),
        cmocka_unit_test(a_keen_arm_learns_as_often_as_its_work_allows),
        cmocka_unit_test(an_arm_that_has_not_seen_such_rows_gives_its_say_to_the_last),
        cmocka_unit_test(a_new_world_is_learned_and_judged_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
