/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/rng.h"
#include "loop/loop_turn.h"

#define N 1000u

static double now[N], before[N];

/* Losses of two versions, of which the first has `worse` more on average. */
static void draw(uint64_t seed, double worse) {
    for (uint32_t i = 0; i < N; i++) {
        const double x = (double)(tm__rng_at(seed, i) >> 40) / (double)(1u << 24);
        const double y = (double)(tm__rng_at(seed + 1, i) >> 40) / (double)(1u << 24);
        before[i] = x / 2;
        now[i] = x / 2 + (y - 0.5) / 4 + worse;
    }
}

static void a_version_that_is_worse_is_regretted_and_one_that_is_not_is_kept(void **state) {
    (void)state;
    tm_regret regret;
    draw(1, 0.12);
    tm__regret_judge(now, before, N, &regret);
    assert_true(regret.low > 0 && regret.now > regret.before);
    draw(1, -0.12);
    tm__regret_judge(now, before, N, &regret);
    assert_true(regret.low < 0 && regret.now < regret.before);
}

/* Looked at after each row: nothing is regretted for chance alone. */
static void chance_is_not_regretted_however_often_one_looks(void **state) {
    (void)state;
    uint32_t n_wrong = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        tm_regret regret = {.low = -1};
        draw(1000 + 2 * seed, 0);
        for (uint64_t n = 50; n <= N && regret.low <= 0; n += 50) {
            tm__regret_judge(now, before, n, &regret);
        }
        n_wrong += regret.low > 0;
    }
    assert_true(n_wrong <= 2);
}

static void without_labels_nothing_is_said(void **state) {
    (void)state;
    tm_regret regret;
    tm__regret_judge(now, before, 0, &regret);
    assert_true(regret.low < 0);
    tm__regret_judge(now, before, 1, &regret);
    assert_true(regret.low < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_that_is_worse_is_regretted_and_one_that_is_not_is_kept),
        cmocka_unit_test(chance_is_not_regretted_however_often_one_looks),
        cmocka_unit_test(without_labels_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
