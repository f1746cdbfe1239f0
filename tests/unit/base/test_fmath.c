/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "ulp.h"

#define POINTS 150000u

static void errors_stay_below_their_bounds(void **state) {
    (void)state;
    static const ulp_case cases[] = {
        {tm__exp, expl, "exp", -708, 710, 0, 0.7},
        {tm__exp, expl, "exp", -1, 1, 0, 0.7},
        {tm__exp, expl, "exp", -750, -708, 0, 1.0},
        {tm__exp, expl, "exp", -60, 9, 1, 0.7},
        {tm__exp, expl, "exp", -60, 9, -1, 0.7},
        {tm__log, logl, "log", -1074, 1023, 1, 0.75},
        {tm__log, logl, "log", -4, 4, 1, 0.9},
        {tm__log, logl, "log", 0.5, 2, 0, 0.9},
        {tm__log1p, log1pl, "log1p", -0.999, 3, 0, 1.0},
        {tm__log1p, log1pl, "log1p", -60, 1000, 1, 1.0},
        {tm__log1p, log1pl, "log1p", -60, -1, -1, 1.0},
        {tm__expm1, expm1l, "expm1", -50, 60, 0, 1.3},
        {tm__expm1, expm1l, "expm1", -1, 1, 0, 1.3},
        {tm__expm1, expm1l, "expm1", -60, 9, 1, 1.3},
        {tm__expm1, expm1l, "expm1", -60, 6, -1, 1.3},
    };
    check_ulps(cases, sizeof(cases) / sizeof(cases[0]), POINTS);
}

static long double sigmoid_want(long double x) {
    return 1 / (1 + expl(-x));
}

static void the_sigmoid_is_close_and_symmetric(void **state) {
    (void)state;
    const ulp_case one = {tm__sigmoid, sigmoid_want, "sigmoid", -700, 60, 0, 2.0};
    check_ulps(&one, 1, POINTS);
    assert_true(tm__sigmoid(0.0) == 0.5);
    assert_true(tm__sigmoid(1000) == 1);
    assert_true(tm__sigmoid(-1000) == 0);
    assert_true(tm__sigmoid(INFINITY) == 1);
    assert_true(tm__sigmoid(-INFINITY) == 0);
    assert_true(tm__sigmoid(-740) > 0);
}

static void edges_are_exact(void **state) {
    (void)state;
    static const struct {
        double (*fn)(double);
        double x, want;
    } cases[] = {
        {tm__exp, 0.0, 1},
        {tm__exp, -0.0, 1},
        {tm__exp, INFINITY, INFINITY},
        {tm__exp, -INFINITY, 0},
        {tm__exp, 0x1.62e42fefa39efp+9, 0x1.fffffffffff2ap+1023},
        {tm__exp, 0x1.62e42fefa39f0p+9, INFINITY},
        {tm__exp, -0x1.74910d52d3051p+9, 0x1p-1074},
        {tm__exp, -0x1.74910d52d3053p+9, 0},
        {tm__exp, 1e308, INFINITY},
        {tm__exp, -1e308, 0},
        {tm__exp, 0x1p-1074, 1},
        {tm__expm1, -0.0, -0.0},
        {tm__expm1, 0x1p-1074, 0x1p-1074},
        {tm__expm1, -INFINITY, -1},
        {tm__expm1, INFINITY, INFINITY},
        {tm__expm1, 710, INFINITY},
        {tm__expm1, -1000, -1},
        {tm__log, 1, 0},
        {tm__log, 0.0, -INFINITY},
        {tm__log, -0.0, -INFINITY},
        {tm__log, INFINITY, INFINITY},
        {tm__log, 0x1p-1074, -0x1.74385446d71c3p+9},
        {tm__log, 0x1.fffffffffffffp+1023, 0x1.62e42fefa39efp+9},
        {tm__log1p, -0.0, -0.0},
        {tm__log1p, -1, -INFINITY},
        {tm__log1p, INFINITY, INFINITY},
        {tm__log1p, 0x1p-1074, 0x1p-1074},
        {tm__sqrt, 4, 2},
        {tm__sqrt, -0.0, -0.0},
        {tm__sqrt, INFINITY, INFINITY},
        {tm__exp, NAN, NAN},
        {tm__exp, -NAN, NAN},
        {tm__expm1, -NAN, NAN},
        {tm__log, -NAN, NAN},
        {tm__log, -1, NAN},
        {tm__log, -INFINITY, NAN},
        {tm__log1p, -NAN, NAN},
        {tm__log1p, -1.5, NAN},
        {tm__sqrt, -1, NAN},
        {tm__sqrt, -NAN, NAN},
        {tm__sigmoid, -NAN, NAN},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const double got = cases[i].fn(cases[i].x);
        if (tm__f64_bits(got) != tm__f64_bits(cases[i].want)) {
            fail_msg("case %u: %a gives %a, not %a", i, cases[i].x, got, cases[i].want);
        }
        if (isnan(got) && signbit(got)) {
            fail_msg("case %u gives a NaN of its own", i);
        }
    }
}

static void arrays_give_the_same_bits(void **state) {
    (void)state;
    double x[1003], y[1003];
    tm_rng rng = tm__rng_split(1, "array", 0);
    for (unsigned i = 0; i < 1003; i++) {
        x[i] = i % 5 == 0 ? tm__f64_from_bits(tm__rng_u64(&rng)) : tm__rng_f64(&rng) * 40 - 20;
    }
    tm__sigmoid_array(x, y, 1003);
    for (unsigned i = 0; i < 1003; i++) {
        assert_true(tm__f64_bits(y[i]) == tm__f64_bits(tm__sigmoid(x[i])));
    }
    tm__exp_array(x, y, 1003);
    for (unsigned i = 0; i < 1003; i++) {
        assert_true(tm__f64_bits(y[i]) == tm__f64_bits(tm__exp(x[i])));
    }
    tm__log_array(x, y, 1003);
    for (unsigned i = 0; i < 1003; i++) {
        assert_true(tm__f64_bits(y[i]) == tm__f64_bits(tm__log(x[i])));
    }
    tm__log1p_array(x, y, 1003);
    for (unsigned i = 0; i < 1003; i++) {
        assert_true(tm__f64_bits(y[i]) == tm__f64_bits(tm__log1p(x[i])));
    }
    tm__exp_array(x, y, 1003);
    tm__exp_array(x, x, 1003);
    assert_memory_equal(x, y, sizeof(x));
    tm__exp_array(x, y, 0);
}

static void one_nan_is_stored(void **state) {
    (void)state;
    assert_true(tm__f64_bits(tm__nan()) == UINT64_C(0x7FF8000000000000));
    assert_true(tm__f64_bits(-NAN) == UINT64_C(0x7FF8000000000000));
    assert_true(tm__f64_bits(-0.0) == UINT64_C(0x8000000000000000));
    assert_true(tm__f64_bits(tm__f64_from_bits(UINT64_C(0xFFF1234512345123))) ==
                UINT64_C(0x7FF8000000000000));
    assert_true(tm__f64_from_bits(UINT64_C(0x4000000000000000)) == 2);
}

/* Bits decide model files: every compiler, option and machine must give these. */
static void the_bits_are_the_same_everywhere(void **state) {
    (void)state;
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    hash_grid(&hasher, tm__exp);
    hash_grid(&hasher, tm__expm1);
    hash_grid(&hasher, tm__log);
    hash_grid(&hasher, tm__log1p);
    hash_grid(&hasher, tm__sigmoid);
    check_golden(&hasher, "ef7cdfc69f9fd635dd1d6a20229cee11a30273ba7abe7a4cb930bc0b9823a0ca");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_stay_below_their_bounds),
        cmocka_unit_test(the_sigmoid_is_close_and_symmetric),
        cmocka_unit_test(edges_are_exact),
        cmocka_unit_test(arrays_give_the_same_bits),
        cmocka_unit_test(one_nan_is_stored),
        cmocka_unit_test(the_bits_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
