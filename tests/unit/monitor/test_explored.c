/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/explored.h"

#include <math.h>
#include <stdio.h>

#include "test.h"

static void an_arm_says_its_share(void **state) {
    static const double shares[] = {0.02, 0.5, 1e-6, 0.1};
    (void)state;
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        char arm[TM_EXPLORED_ARM_SIZE];
        tm__explored_arm(shares[i], arm);
        assert_true(tm__explored_share(arm) == shares[i]);
    }
    assert_true(tm__explored_share("champion") == 0);
    assert_true(tm__explored_share("explored:") == 0);
    assert_true(tm__explored_share("explored:0.6") == 0);
    assert_true(tm__explored_share("explored:nan") == 0);
}

/* Whether one is drawn says nothing of its class. */
static void shares_and_classes_come_as_often_as_they_should(void **state) {
    enum { N = 40000 };
    uint32_t n_drawn = 0, n_class[3] = {0};
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        char id[27];
        (void)snprintf(id, sizeof(id), "01KATEST%018u", i);
        if (tm__explored_is(id, 0.2)) {
            n_drawn++;
            n_class[tm__explored_class(id, 3)]++;
        }
        assert_false(tm__explored_is(id, 0));
    }
    assert_true(fabs(n_drawn - 0.2 * N) < 5 * sqrt(0.16 * N));
    for (uint32_t k = 0; k < 3; k++) {
        assert_true(fabs(n_class[k] - n_drawn / 3.0) < 5 * sqrt(n_drawn * 2 / 9.0));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arm_says_its_share),
        cmocka_unit_test(shares_and_classes_come_as_often_as_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
