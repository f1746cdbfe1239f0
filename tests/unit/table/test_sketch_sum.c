/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "table/sketch_priv.h"
#include "test.h"

static double value(const tm_exact *sum) {
    const tm_exact_value v = tm__exact_value(sum);
    return ldexp(v.high, v.exponent);
}

static void what_cancels_leaves_the_rest(void **state) {
    (void)state;
    const struct {
        double values[5];
        double want;
    } cases[] = {
        {{1e300, 1, -1e300, 0, 0}, 1},
        {{DBL_MAX, DBL_MAX, -DBL_MAX, -DBL_MAX, DBL_TRUE_MIN}, DBL_TRUE_MIN},
        {{-1e16, 1, 1, 1e16, -3}, -1},
        {{0.1, 0.2, -0.3, 0, 0}, 0.1 + 0.2 - 0.3 > 0 ? 0x1p-55 : 0},
        {{-5, 0, -0.0, 2, 0}, -3},
        {{0, 0, 0, 0, 0}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_exact sum = {0};
        for (size_t k = 0; k < 5; k++) {
            tm__exact_add(&sum, cases[i].values[k]);
        }
        assert_true(value(&sum) == cases[i].want);
    }
}

static void squares_are_exact(void **state) {
    (void)state;
    tm_exact sum = {0};
    const double x = 1 + 0x1p-40; /* its square needs 81 bits */
    tm__exact_add_square(&sum, x);
    tm__exact_add(&sum, -1);
    tm__exact_add(&sum, -0x1p-39);
    assert_true(value(&sum) == 0x1p-80);
}

static void any_order_and_cut_gives_the_same_bytes(void **state) {
    (void)state;
    tm_exact forward = {0}, backward = {0}, parts[3] = {{{0}, 0}, {{0}, 0}, {{0}, 0}};
    tm_rng rng = tm__rng_split(3, "sums", 0);
    double values[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        values[i] = ldexp(tm__rng_f64(&rng) - 0.5, (int)tm__rng_below(&rng, 1800) - 900);
        tm__exact_add(&forward, values[i]);
        tm__exact_add(&parts[i % 3], values[i]);
    }
    for (uint32_t i = 1000; i-- > 0;) {
        tm__exact_add(&backward, values[i]);
    }
    tm__exact_merge(&parts[2], &parts[0]);
    tm__exact_merge(&parts[2], &parts[1]);
    tm_buf a, b, c;
    tm__buf_init(&a, 4096);
    tm__buf_init(&b, 4096);
    tm__buf_init(&c, 4096);
    tm__exact_write(&forward, &a);
    tm__exact_write(&backward, &b);
    tm__exact_write(&parts[2], &c);
    assert_true(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    assert_true(a.len == c.len && memcmp(a.data, c.data, a.len) == 0);
    tm_exact back = {0};
    tm_reader in;
    tm__reader_init(&in, a.data, a.len);
    assert_true(tm__exact_read(&back, &in));
    assert_true(value(&back) == value(&forward));
    tm__buf_done(&a);
    tm__buf_done(&b);
    tm__buf_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cancels_leaves_the_rest),
        cmocka_unit_test(squares_are_exact),
        cmocka_unit_test(any_order_and_cut_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
