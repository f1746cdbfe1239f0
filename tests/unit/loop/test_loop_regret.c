/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

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

/* A class that training has not is n_classes: one wrong answer, whatever was said. */
static void an_answer_for_an_unknown_class_costs_one(void **state) {
    (void)state;
    double two_y[] = {0, 1, 2, 2}, two[] = {0.2, 0.7, 0.0, 1.0}, out[4];
    double three_y[] = {1, 3}, three[] = {0, 1, 0, 0.5, 0.5, 0};
    const tm_look binary = {
        .task = TM_TASK_BINARY, .y = two_y, .pred = two, .n = 4, .n_classes = 2, .n_outputs = 1};
    const tm_look classes = {.task = TM_TASK_MULTICLASS,
                             .y = three_y,
                             .pred = three,
                             .n = 2,
                             .n_classes = 3,
                             .n_outputs = 3};
    tm__regret_losses(&binary, out);
    assert_true(fabs(out[0] - 0.04) < 1e-12 && fabs(out[1] - 0.09) < 1e-12);
    assert_true(out[2] == 1 && out[3] == 1);
    tm__regret_losses(&classes, out);
    assert_true(out[0] == 0 && out[1] == 0.75);
}

static void a_value_that_is_far_off_costs_one(void **state) {
    (void)state;
    double y[] = {-1, 1, -1, 1}, pred[] = {-1, 2, 99, 1}, out[4];
    const tm_look values = {
        .task = TM_TASK_REGRESSION, .y = y, .pred = pred, .n = 4, .n_outputs = 1};
    tm__regret_losses(&values, out); /* the variance of y is 1 */
    assert_true(out[0] == 0 && out[1] == 0.25 && out[2] == 1 && out[3] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_that_is_worse_is_regretted_and_one_that_is_not_is_kept),
        cmocka_unit_test(chance_is_not_regretted_however_often_one_looks),
        cmocka_unit_test(an_answer_for_an_unknown_class_costs_one),
        cmocka_unit_test(a_value_that_is_far_off_costs_one),
        cmocka_unit_test(without_labels_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
