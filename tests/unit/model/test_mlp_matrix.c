/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/simd.h"
#include "model/mlp/mlp_matrix.h"

enum { M = 83, N = 96, K = 37 };

static float numbers[M * K + K * N + N], got[M * N], want[M * N];

static tm_product product(bool is_turned, bool has_bias) {
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        numbers[i] = (float)((double)(tm__rng_at(3, i) >> 40) * 0x1p-20 - 8.0);
    }
    return (tm_product){.a = numbers,
                        .b = numbers + M * K,
                        .bias = has_bias ? numbers + M * K + K * N : NULL,
                        .out = got,
                        .m = M,
                        .n = N,
                        .k = K,
                        .a_row = is_turned ? 1 : K,
                        .a_col = is_turned ? M : 1};
}

static void every_level_and_any_threads_give_the_bits_of_the_definition(void **state) {
    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        tm_product p = product((shape & 1) != 0, (shape & 2) != 0);
        p.out = want;
        tm__product_ref(&p);
        p.out = got;
        for (int level = TM_SIMD_PLAIN; level <= (int)tm__simd_machine(); level++) {
            tm__simd_limit((tm_simd)level);
            memset(got, 0xFF, sizeof(got));
            tm__product(&p);
            assert_memory_equal(got, want, sizeof(want));
        }
        for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
            tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
            memset(got, 0xFF, sizeof(got));
            tm__product_pool(&ctx, &p);
            assert_memory_equal(got, want, sizeof(want));
            tm__pool_free(ctx.pool);
        }
    }
}

static void a_row_alone_has_the_bits_that_it_has_in_a_block(void **state) {
    (void)state;
    tm_product p = product(false, true);
    p.out = want;
    tm__product(&p);
    for (size_t row = 0; row < M; row++) {
        tm_product one = p;
        one.a = p.a + row * p.a_row;
        one.m = 1;
        one.out = got;
        tm__product(&one);
        assert_memory_equal(got, want + row * N, N * sizeof(float));
    }
}

static void no_terms_give_the_bias(void **state) {
    (void)state;
    tm_product p = product(false, true);
    p.k = 0;
    tm__product(&p);
    assert_memory_equal(got, p.bias, N * sizeof(float));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_and_any_threads_give_the_bits_of_the_definition),
        cmocka_unit_test(a_row_alone_has_the_bits_that_it_has_in_a_block),
        cmocka_unit_test(no_terms_give_the_bias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
