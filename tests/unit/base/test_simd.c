/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/simd.h"

/* The level of a process that starts with this value of the variable. */
static tm_simd level_with(const char *value) {
    if (value != NULL) {
        assert_int_equal(setenv("TIDEMILL_SIMD", value, 1), 0);
    } else {
        assert_int_equal(unsetenv("TIDEMILL_SIMD"), 0);
    }
    tm__simd_limit(TM_SIMD_AVX512);
    return tm__simd();
}

static tm_simd least(tm_simd a, tm_simd b) {
    return a < b ? a : b;
}

static void the_environment_lowers_the_level_and_cannot_raise_it(void **state) {
    (void)state;
    const tm_simd has = tm__simd_machine();
    assert_int_equal(level_with(NULL), has);
    assert_int_equal(level_with(""), has);
    assert_int_equal(level_with("plain"), TM_SIMD_PLAIN);
    assert_int_equal(level_with("avx2"), least(TM_SIMD_AVX2, has));
    assert_int_equal(level_with("avx512"), has);
    for (tm_simd level = TM_SIMD_PLAIN; level <= TM_SIMD_AVX512; level++) {
        assert_int_equal(level_with(tm__simd_text(level)), least(level, has));
        assert_int_equal(tm__simd_check(NULL), TM_OK);
    }
    (void)level_with(NULL);
}

static void an_unknown_level_is_an_error_of_the_program_and_no_vectors(void **state) {
    (void)state;
    static const char *const values[] = {"AVX2", "sse", "avx512f", "0", " plain"};
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        tm_err err = {0};
        assert_int_equal(level_with(values[i]), TM_SIMD_PLAIN);
        assert_int_equal(tm__simd_check(&err), TM_E_USAGE);
        assert_non_null(strstr(err.message, values[i]));
        assert_non_null(strstr(err.hint, "avx512"));
    }
    (void)level_with(NULL);
}

/* Bytes are permuted by AVX-512 kernels alone. */
static void bytes_are_permuted_at_the_highest_level_or_not_at_all(void **state) {
    (void)state;
    (void)level_with("avx512");
    assert_true(!tm__simd_bytes() || tm__simd() == TM_SIMD_AVX512);
#if defined(__x86_64__)
    if (tm__simd_machine() == TM_SIMD_AVX512) {
        assert_int_equal(tm__simd_bytes(), __builtin_cpu_supports("avx512vbmi") != 0);
    }
#endif
    (void)level_with("avx2");
    assert_false(tm__simd_bytes());
    (void)level_with(NULL);
}

static void a_limit_lowers_the_level_of_the_environment(void **state) {
    (void)state;
    (void)level_with("avx2");
    tm__simd_limit(TM_SIMD_PLAIN);
    assert_int_equal(tm__simd(), TM_SIMD_PLAIN);
    tm__simd_limit(TM_SIMD_AVX512);
    assert_int_equal(tm__simd(), least(TM_SIMD_AVX2, tm__simd_machine()));
    (void)level_with(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_lowers_the_level_and_cannot_raise_it),
        cmocka_unit_test(an_unknown_level_is_an_error_of_the_program_and_no_vectors),
        cmocka_unit_test(bytes_are_permuted_at_the_highest_level_or_not_at_all),
        cmocka_unit_test(a_limit_lowers_the_level_of_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
