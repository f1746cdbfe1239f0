/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_blend.h"

#include <math.h>
#include <string.h>

#include "test.h"

static const bool all[TM_BLEND_MAX] = {true, true, true};
static const double even[TM_BLEND_MAX] = {1.0 / 3, 1.0 / 3, 1.0 / 3};

/* A label at which three were off by so much. */
static void add(tm_blend *blend, const double *off) {
    tm_blend_sums sums = {.n = 1.0};
    const tm_blend_sums *const label = &sums;
    tm_blend_shares then;
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t j = 0; j < 3; j++) {
            sums.products[i][j] = off[i] * off[j];
        }
    }
    tm__blend_shares(blend, even, all, &then);
    tm__blend_add(blend, label->products, &then);
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
    tm__blend_init(&blend, 3, 500, 3000);
    for (uint32_t i = 0; i < 50; i++) {
        add(&blend, (const double[]){1.0, 5.0, 5.0});
    }
    tm__blend_shares(&blend, even, all, &shares);
    assert_true(shares.both[0] == even[0] && shares.both[2] == even[2]);
}

static void errors_that_cancel_are_blended_and_a_poor_one_is_left_out(void **state) {
    (void)state;
    tm_blend blend;
    tm_blend_shares shares;
    tm__blend_init(&blend, 3, 500, 3000);
    for (uint32_t i = 0; i < 1000; i++) { /* the first two are off in turn, the third always */
        const double off[] = {i % 2 == 0 ? 1.0 : 0.0, i % 2 == 0 ? 0.0 : 1.0, 3.0};
        add(&blend, off);
    }
    tm__blend_shares(&blend, even, all, &shares);
    assert_true(fabs(sum_of(shares.both) - 1.0) < 1e-9);
    assert_true(fabs(shares.both[0] - 0.5) < 0.05 && shares.both[2] < 0.01);
}

static void the_newest_labels_are_followed_where_that_is_right(void **state) {
    (void)state;
    tm_blend blend;
    tm_blend_shares shares;
    tm__blend_init(&blend, 3, 200, 5000);
    for (uint32_t i = 0; i < 6000; i++) {
        add(&blend, i < 4000 ? (const double[]){0.1, 1.0, 1.0} : (const double[]){1.0, 0.1, 1.0});
    }
    tm__blend_shares(&blend, even, all, &shares);
    assert_true(shares.fast[1] > 0.9 && shares.slow[1] < 0.6 && shares.both[1] > 0.85);
    tm__blend_forget(&blend, 0.1); /* fewer than a hundred labels are left: what was given holds */
    tm__blend_shares(&blend, even, all, &shares);
    assert_true(shares.fast[1] == even[1]);
}

static void who_did_not_answer_gets_none(void **state) {
    (void)state;
    const bool some[TM_BLEND_MAX] = {true, true, false};
    const double begin[TM_BLEND_MAX] = {0.5, 0.5, 0.0};
    tm_blend blend;
    tm_blend_shares shares;
    tm__blend_init(&blend, 3, 500, 3000);
    for (uint32_t i = 0; i < 500; i++) {
        add(&blend, (const double[]){1.0, 2.0, 0.0});
    }
    tm__blend_shares(&blend, begin, some, &shares);
    assert_true(shares.both[2] == 0.0 && shares.both[0] > 0.9);
}

static void numbers_beyond_all_squares_change_nothing(void **state) {
    (void)state;
    tm_blend blend;
    tm_blend_shares shares;
    tm__blend_init(&blend, 3, 500, 3000);
    for (uint32_t i = 0; i < 500; i++) {
        add(&blend, (const double[]){1e200, -1e200, 1e10});
    }
    tm__blend_shares(&blend, even, all, &shares);
    assert_true(fabs(sum_of(shares.both) - 1.0) < 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_known_yet_leaves_the_shares),
        cmocka_unit_test(errors_that_cancel_are_blended_and_a_poor_one_is_left_out),
        cmocka_unit_test(the_newest_labels_are_followed_where_that_is_right),
        cmocka_unit_test(who_did_not_answer_gets_none),
        cmocka_unit_test(numbers_beyond_all_squares_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
