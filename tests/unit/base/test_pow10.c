/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/pow10_priv.h"

#define WORDS 40u /* 1280 bits */

/* A whole number, least significant word first. */
typedef struct big {
    uint32_t words[WORDS];
} big;

static void multiply(big *a, uint32_t factor) {
    uint64_t carry = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        carry += (uint64_t)a->words[i] * factor;
        a->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    assert_true(carry == 0);
}

static void divide(big *a, uint32_t divisor) {
    uint64_t rest = 0;
    for (unsigned i = WORDS; i-- > 0;) {
        rest = rest << 32 | a->words[i];
        a->words[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
}

static int top_bit(const big *a) {
    for (int i = (int)WORDS * 32; i-- > 0;) {
        if ((a->words[i / 32] >> (i % 32) & 1u) != 0) {
            return i;
        }
    }
    return -1;
}

/* The 128 bits from the top bit down. */
static tm_wide top_bits(const big *a) {
    tm_wide bits = {0, 0};
    const int top = top_bit(a);
    for (int i = 0; i < 128; i++) {
        const int at = top - i;
        const uint64_t bit = at < 0 ? 0 : a->words[at / 32] >> (at % 32) & 1u;
        bits.high = bits.high << 1 | bits.low >> 63;
        bits.low = bits.low << 1 | bit;
    }
    return bits;
}

static void check_power(int k, const big *a, int scale) {
    const tm_wide want = top_bits(a), got = tm__pow10(k);
    if (got.high != want.high || got.low != want.low ||
        tm__pow10_exponent(k) != top_bit(a) - scale) {
        fail_msg("10^%d", k);
    }
}

static void every_power_has_its_first_128_bits(void **state) {
    (void)state;
    big a = {{1}};
    for (int k = 0; k <= TM_POW10_MAX; k++, multiply(&a, 10)) {
        check_power(k, &a, 0);
    }
    /* Quotients rounded down by 10 each time are those rounded down once. */
    big b = {{0}};
    b.words[WORDS - 1] = UINT32_C(1) << 31;
    const int scale = top_bit(&b);
    for (int k = 0; k >= TM_POW10_MIN; k--, divide(&b, 10)) {
        check_power(k, &b, scale);
    }
}

static void exponents_are_those_of_powers(void **state) {
    (void)state;
    for (int k = -1200; k <= 1200; k++) {
        assert_int_equal(tm__pow10_exponent(k),
                         (int)floorl((long double)k * 3.321928094887362347870319L));
    }
}

static void products_have_128_bits(void **state) {
    (void)state;
    const tm_wide p = tm__wide_product(UINT64_MAX, UINT64_MAX);
    assert_true(p.high == UINT64_MAX - 1 && p.low == 1);
    const tm_wide q = tm__wide_product(UINT64_C(1) << 40, UINT64_C(3) << 30);
    assert_true(q.high == 3 << 6 && q.low == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_power_has_its_first_128_bits),
        cmocka_unit_test(exponents_are_those_of_powers),
        cmocka_unit_test(products_have_128_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
