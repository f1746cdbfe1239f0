/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_blend.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "test.h"

static const double even[TM_BLEND_MAX] = {1.0 / 3, 1.0 / 3, 1.0 / 3};

/* Three learners, who all answer. */
static void begin(tm_blend *blend, uint64_t fast_memory, uint64_t slow_memory) {
    tm__blend_init(blend, 3, 3, fast_memory, slow_memory);
    for (uint32_t i = 0; i < 3; i++) {
        tm__blend_enter(blend, i, 1.0 / (i + 1));
    }
}

/* A label at which `n` were off by so much; NaN: no answer. */
static void add_of(tm_blend *blend, const double *begins, const double *off, double *out_all) {
    tm_blend_sums sums = {.n = 1.0};
    const tm_blend_sums *const label = &sums;
    tm_blend_shares then;
    double each[TM_BLEND_MAX] = {0.0}, losses[TM_BLEND_MAX] = {0.0}, total = 0.0;
    const uint32_t n = blend->n;
    tm__blend_shares(blend, begins, &then);
    for (uint32_t i = 0; i < n; i++) {
        total += off[i] == off[i] ? then.both[i] : 0.0;
        each[n] += off[i] == off[i] ? then.both[i] * off[i] : 0.0;
    }
    each[n] /= total > 0.0 ? total : 1.0;
    for (uint32_t i = 0; i <= n; i++) {
        each[i] = i < n && off[i] == off[i] ? off[i] : each[n];
        losses[i] = fmin(each[i] * each[i], 4.0);
    }
    for (uint32_t i = 0; i <= n; i++) {
        for (uint32_t j = 0; j <= n; j++) {
            sums.products[i][j] = each[i] * each[j];
        }
    }
    tm__blend_add(blend, label->products, losses, &then);
    if (out_all != NULL) {
        *out_all = each[n];
    }
}

static void add(tm_blend *blend, const double *off) {
    add_of(blend, even, off, NULL);
}

static double sum_of(const double *shares) {
    double sum = 0.0;
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(shares[i] >= 0.0 && shares[i] <= 1.0 + 1e-9);
        sum += shares[i];
    }
    return sum;
}

static void what_is_not_known_yet_leaves_the_shares(void **state) {
    (void)state;
    tm_blend blend;
    tm_blend_shares shares;
    begin(&blend, 500, 3000);
    for (uint32_t i = 0; i < 50; i++) {
        add(&blend, (const double[]){1.0, 5.0, 5.0});
    }
    tm__blend_shares(&blend, even, &shares);
    assert_true(shares.both[0] == even[0] && shares.both[2] == even[2]);
}

static void errors_that_cancel_are_blended_and_a_poor_one_is_left_out(void **state) {
    (void)state;
    tm_blend blend;
    tm_blend_shares shares;
    begin(&blend, 500, 3000);
    for (uint32_t i = 0; i < 1000; i++) { /* the first two are off in turn, the third always */
        const double off[] = {i % 2 == 0 ? 1.0 : 0.0, i % 2 == 0 ? 0.0 : 1.0, 3.0};
        add(&blend, off);
    }
    tm__blend_shares(&blend, even, &shares);
    assert_true(fabs(sum_of(shares.both) - 1.0) < 1e-9);
    assert_true(fabs(shares.both[0] - 0.5) < 0.05 && shares.both[2] < 0.01);
}

static void the_newest_labels_are_followed_where_that_is_right(void **state) {
    (void)state;
    tm_blend blend;
    tm_blend_shares shares;
    begin(&blend, 200, 5000);
    for (uint32_t i = 0; i < 6000; i++) {
        add(&blend, i < 4000 ? (const double[]){0.1, 1.0, 1.0} : (const double[]){1.0, 0.1, 1.0});
    }
    tm__blend_shares(&blend, even, &shares);
    assert_true(shares.sets[0][1] > 0.9 && shares.sets[1][1] < 0.6 && shares.both[1] > 0.85);
    tm__blend_forget(&blend, 0.1); /* fewer than a hundred labels are left: what was given holds */
    tm__blend_shares(&blend, even, &shares);
    assert_true(shares.sets[0][1] == even[1]);
}

static void who_did_not_answer_gets_none(void **state) {
    (void)state;
    const double begins[TM_BLEND_MAX] = {0.5, 0.5, 0.0};
    tm_blend blend;
    tm_blend_shares shares;
    tm__blend_init(&blend, 3, 3, 500, 3000);
    tm__blend_enter(&blend, 0, 1.0);
    tm__blend_enter(&blend, 1, 0.5);
    for (uint32_t i = 0; i < 500; i++) {
        add_of(&blend, begins, (const double[]){1.0, 2.0, NAN}, NULL);
    }
    tm__blend_shares(&blend, begins, &shares);
    assert_true(shares.both[2] == 0.0 && shares.both[0] > 0.9);
}

/* It counts as all together did before, and leads once it is right more often. */
static void who_joins_later_leads_when_it_is_right(void **state) {
    (void)state;
    const double begins[TM_BLEND_MAX] = {0.5, 0.5, 0.0};
    tm_blend blend;
    tm_blend_shares shares;
    tm__blend_init(&blend, 2, 3, 300, 3000);
    tm__blend_enter(&blend, 0, 1.0);
    tm__blend_enter(&blend, 1, 0.5);
    for (uint32_t i = 0; i < 1000; i++) {
        add_of(&blend, begins, (const double[]){1.0, 2.0, NAN}, NULL);
    }
    tm__blend_enter(&blend, 2, 0.0);
    assert_true(blend.use[2] == 0.0 && blend.use[0] > 0.2);
    for (uint32_t i = 0; i < 1500; i++) {
        add_of(&blend, begins, (const double[]){1.0, 2.0, 0.1}, NULL);
    }
    tm__blend_shares(&blend, begins, &shares);
    assert_true(shares.sets[0][2] == 0.0 && shares.sets[2][2] > 0.8);
    assert_true(shares.both[2] > 0.7 && blend.use[2] > 0.4);
}

/* Whatever comes, the mean of squares is near that of the best one, and below where errors differ.
 */
static void random_errors_cost_little_more_than_those_of_the_best(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        tm_rng rng = tm__rng_split(seed, "blend", 0);
        tm_blend blend;
        double squares[4] = {0.0};
        begin(&blend, 200, 1000);
        double spread[3];
        for (uint32_t i = 0; i < 3; i++) {
            spread[i] = 0.2 + tm__rng_f64(&rng);
        }
        for (uint32_t row = 0; row < 1500; row++) {
            double off[3], all = 0.0;
            const double same = tm__rng_f64(&rng) - 0.5;
            for (uint32_t i = 0; i < 3; i++) {
                off[i] = spread[i] * (same + 2.0 * (tm__rng_f64(&rng) - 0.5));
                squares[i] += off[i] * off[i];
            }
            add_of(&blend, even, off, &all);
            squares[3] += all * all;
        }
        const double best = fmin(squares[0], fmin(squares[1], squares[2]));
        const double worst = fmax(squares[0], fmax(squares[1], squares[2]));
        /* the first hundred labels are waited for at even shares */
        assert_true(squares[3] <= 1.03 * best + 100.0 / 1500.0 * worst);
    }
}

static void shares_of_few_labels_are_the_least_off(void **state) {
    (void)state;
    const bool is_in[TM_BLEND_MAX] = {true, false, true};
    double w[TM_BLEND_MAX] = {0.5, 0.0, 0.5};
    tm_blend_sums sums = {.n = 10.0};
    sums.products[0][0] = 1.0;
    sums.products[2][2] = 4.0;
    tm__blend_least(&sums, 3, is_in, 0.0, w);
    assert_true(fabs(w[0] - 0.8) < 1e-6 && w[1] == 0.0 && fabs(w[2] - 0.2) < 1e-6);
    tm__blend_least(&sums, 3, is_in, 10.0, w); /* (1 + 1) w0 = (4 + 1) w2 */
    assert_true(fabs(w[0] - 5.0 / 7.0) < 1e-6 && fabs(w[2] - 2.0 / 7.0) < 1e-6);
    sums = (tm_blend_sums){.n = 0.0};
    tm__blend_least(&sums, 3, is_in, 10.0, w);
    assert_true(fabs(w[0] + w[2] - 1.0) < 1e-9);
}

static void numbers_beyond_all_squares_change_nothing(void **state) {
    (void)state;
    tm_blend blend;
    tm_blend_shares shares;
    begin(&blend, 500, 3000);
    for (uint32_t i = 0; i < 500; i++) {
        add(&blend, (const double[]){1e200, -1e200, 1e10});
    }
    tm__blend_shares(&blend, even, &shares);
    assert_true(fabs(sum_of(shares.both) - 1.0) < 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_yet_leaves_the_shares),
        cmocka_unit_test(errors_that_cancel_are_blended_and_a_poor_one_is_left_out),
        cmocka_unit_test(the_newest_labels_are_followed_where_that_is_right),
        cmocka_unit_test(who_did_not_answer_gets_none),
        cmocka_unit_test(who_joins_later_leads_when_it_is_right),
        cmocka_unit_test(random_errors_cost_little_more_than_those_of_the_best),
        cmocka_unit_test(shares_of_few_labels_are_the_least_off),
        cmocka_unit_test(numbers_beyond_all_squares_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
