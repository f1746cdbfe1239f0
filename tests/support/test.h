/* SPDX-License-Identifier: Apache-2.0 */
/* What tests share. */
#ifndef TM_SUPPORT_TEST_H
#define TM_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* How often a test looks, a millisecond or more each time, before it gives up: a minute at the
 * least. What comes, comes sooner; no machine is so slow. */
#define TEST_LOOKS 60000

/* `./run test table/csv.quotes` runs the cases whose names hold "quotes". */
static inline void test_filter(void) {
    const char *pattern = getenv("TM_TEST_FILTER");
    if (pattern != NULL && pattern[0] != '\0') {
        cmocka_set_test_filter(pattern);
    }
}

#undef cmocka_run_group_tests
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    (test_filter(),                                                                                \
     _cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown))

#endif
