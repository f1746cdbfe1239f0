/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

static void values_are_fixed(void **state) {
    (void)state;
    /* They decide bytes of models: they never change. */
    assert_true(tm__rng_at(0, 0) == UINT64_C(0xE220A8397B1DCDAF));
    assert_true(tm__rng_at(1, 2) == UINT64_C(0xE4766C587B6768E5));
    assert_true(tm__rng_split(42, "rows", 7).key == UINT64_C(0x7145E69291702EAD));
}

static void a_stream_is_its_values_by_number(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(3, "x", 0);
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(tm__rng_u64(&rng) == tm__rng_at(rng.key, i));
    }
}

static void streams_differ_by_seed_stage_and_index(void **state) {
    (void)state;
    const uint64_t key = tm__rng_split(1, "rows", 0).key;
    assert_true(key == tm__rng_split(1, "rows", 0).key);
    assert_true(key != tm__rng_split(2, "rows", 0).key);
    assert_true(key != tm__rng_split(1, "cols", 0).key);
    assert_true(key != tm__rng_split(1, "rows", 1).key);
}

/* Each output bit changes with probability 1/2 when one bit of key or counter does. */
static void every_bit_of_key_and_counter_matters(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < 128; bit++) {
        unsigned n_changed[64] = {0};
        for (uint64_t i = 0; i < 2000; i++) {
            const uint64_t key = bit < 64 ? UINT64_C(1) << bit : 0;
            const uint64_t counter = bit < 64 ? 0 : UINT64_C(1) << (bit - 64);
            const uint64_t change = tm__rng_at(i * 3, i) ^ tm__rng_at(i * 3 ^ key, i ^ counter);
            for (unsigned j = 0; j < 64; j++) {
                n_changed[j] += (unsigned)(change >> j & 1u);
            }
        }
        for (unsigned j = 0; j < 64; j++) {
            assert_in_range(n_changed[j], 850, 1150); /* 6.7 standard deviations */
        }
    }
}

static void numbers_below_n_are_even(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(5, "below", 0);
    unsigned counts[7] = {0};
    for (unsigned i = 0; i < 70000; i++) {
        const uint64_t value = tm__rng_below(&rng, 7);
        assert_true(value < 7);
        counts[value]++;
    }
    for (unsigned i = 0; i < 7; i++) {
        assert_in_range(counts[i], 9500, 10500);
    }
    assert_true(tm__rng_below(&rng, 1) == 0);
    /* Two thirds of the range: without drawing again, small values would be twice as likely. */
    const uint64_t n = UINT64_C(0xC000000000000000);
    unsigned n_small = 0;
    for (unsigned i = 0; i < 30000; i++) {
        n_small += tm__rng_below(&rng, n) < n / 3 ? 1u : 0u;
    }
    assert_in_range(n_small, 9500, 10500);
}

static void fractions_are_below_one_and_even(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(5, "f64", 0);
    double sum = 0, squares = 0;
    const unsigned n = 200000;
    for (unsigned i = 0; i < n; i++) {
        const double value = tm__rng_f64(&rng);
        assert_true(value >= 0 && value < 1);
        sum += value;
        squares += value * value;
    }
    assert_true(fabs(sum / n - 0.5) < 0.004);
    assert_true(fabs(squares / n - 1.0 / 3) < 0.004);
}

static void secret_bytes_do_not_repeat(void **state) {
    (void)state;
    uint8_t a[32], b[32];
    tm__random_bytes(a, sizeof(a));
    tm__random_bytes(b, sizeof(b));
    assert_int_not_equal(memcmp(a, b, sizeof(a)), 0);
}

static void waits_double_up_to_a_most(void **state) {
    (void)state;
    const struct {
        uint32_t n_failures;
        int64_t want;
    } cases[] = {{0, 100}, {1, 200}, {3, 800}, {4, 1000}, {5, 1000}, {UINT32_MAX, 1000}};
    int64_t least = INT64_MAX, most = 0;
    for (uint32_t i = 0; i < 600; i++) {
        const int64_t want = cases[i % 6].want;
        const int64_t got = tm__backoff_us(cases[i % 6].n_failures, 100, 1000);
        assert_true(got >= want && got <= want + want / 2);
        least = got - want < least ? got - want : least;
        most = got - want > most ? got - want : most;
    }
    assert_true(least < most); /* many do not come at once */
    assert_true(tm__backoff_us(UINT32_MAX, 1, INT64_MAX / 4) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_fixed),
        cmocka_unit_test(a_stream_is_its_values_by_number),
        cmocka_unit_test(streams_differ_by_seed_stage_and_index),
        cmocka_unit_test(every_bit_of_key_and_counter_matters),
        cmocka_unit_test(numbers_below_n_are_even),
        cmocka_unit_test(fractions_are_below_one_and_even),
        cmocka_unit_test(secret_bytes_do_not_repeat),
        cmocka_unit_test(waits_double_up_to_a_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
