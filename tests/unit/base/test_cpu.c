/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sched.h>

#include "base/pool.h"

static void affinity_limits_the_count(void **state) {
    (void)state;
    const uint32_t n = tm__cpu_count();
    assert_in_range(n, 1, 4096);
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_true(n <= (uint32_t)CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (unsigned i = 0; CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &before)) {
            CPU_SET(i, &one);
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(tm__cpu_count(), 1);
    tm_pool *pool = tm__pool_create(0);
    assert_int_equal(tm__pool_threads(pool), 1);
    tm__pool_free(pool);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(tm__cpu_count(), n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(affinity_limits_the_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
