/* SPDX-License-Identifier: Apache-2.0 */
/* Bits at every level: test_kernels.c. */
#include "test.h"

#include <math.h>

#include "model/mlp/mlp_kernel.h"

static void a_step_goes_down_the_slope_by_its_rate(void **state) {
    (void)state;
    float params[] = {1, -1, 0}, first[3] = {0}, second[3] = {0};
    const float grad[] = {4, -0.001F, 0};
    const tm_adam a = {.params = params,
                       .first = first,
                       .second = second,
                       .grad = grad,
                       .rate = 0.01F,
                       .fix1 = 1 / (1 - tm__adam_beta[0]),
                       .fix2 = 1 / (1 - tm__adam_beta[1]),
                       .keep = 1};
    tm__adam_step(&a, 0, 3);
    /* The first step is the rate, whatever the slope's size. */
    assert_true(fabs((double)params[0] - 0.99) < 1e-5);
    assert_true(fabs((double)params[1] + 0.99) < 1e-5);
    assert_true(params[2] == 0.0F);
}

static void units_below_zero_are_off_and_pass_nothing_back(void **state) {
    (void)state;
    float acts[] = {-1, 0, 2, NAN}, grads[] = {5, 5, 5, 5}, sums[2];
    tm__rectify(acts, 4);
    tm__rectify_back(acts, 2, grads, 4);
    const float want[] = {0, 0, 2, 0}, back[] = {0, 0, 10, 0};
    for (int i = 0; i < 4; i++) {
        assert_true(acts[i] == want[i] && grads[i] == back[i]);
    }
    tm__rows_sum(acts, 2, 2, sums);
    assert_true(sums[0] == 2 && sums[1] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_goes_down_the_slope_by_its_rate),
        cmocka_unit_test(units_below_zero_are_off_and_pass_nothing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
