/* SPDX-License-Identifier: Apache-2.0 */
#include "base/simd.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/str.h"

#define VARIABLE "TIDEMILL_SIMD"

static const char *const texts[] = {
    [TM_SIMD_PLAIN] = "plain", [TM_SIMD_AVX2] = "avx2", [TM_SIMD_AVX512] = "avx512"};
#define N_LEVELS (sizeof(texts) / sizeof(texts[0]))

/* The level and 1; 0: not settled yet. Threads that settle it at once settle it alike. */
static _Atomic unsigned settled;

const char *tm__simd_text(tm_simd level) {
    return texts[level];
}

tm_simd tm__simd_machine(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return TM_SIMD_AVX512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return TM_SIMD_AVX2;
    }
#endif
    return TM_SIMD_PLAIN;
}

/* What the environment allows; false when it names no level. */
static bool read_variable(tm_simd *out) {
    const char *text = getenv(VARIABLE);
    *out = TM_SIMD_AVX512;
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    for (unsigned level = 0; level < N_LEVELS; level++) {
        if (tm__str_is(tm__str(text), texts[level])) {
            *out = (tm_simd)level;
            return true;
        }
    }
    *out = TM_SIMD_PLAIN;
    return false;
}

tm_status tm__simd_check(tm_err *err) {
    tm_simd ignored;
    if (read_variable(&ignored)) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, VARIABLE " is '%.64s', which is no level", getenv(VARIABLE));
    tm_err_hint(err, "Use plain, avx2 or avx512, or leave it out for what the processor has.");
    return st;
}

static void settle(tm_simd limit) {
    tm_simd level;
    (void)read_variable(&level);
    const tm_simd machine = tm__simd_machine();
    level = machine < level ? machine : level;
    level = limit < level ? limit : level;
    atomic_store_explicit(&settled, (unsigned)level + 1, memory_order_relaxed);
}

tm_simd tm__simd(void) {
    unsigned level = atomic_load_explicit(&settled, memory_order_relaxed);
    if (level == 0) {
        settle(TM_SIMD_AVX512);
        level = atomic_load_explicit(&settled, memory_order_relaxed);
    }
    return (tm_simd)(level - 1);
}

bool tm__simd_bytes(void) {
#if defined(__x86_64__)
    return tm__simd() == TM_SIMD_AVX512 && __builtin_cpu_supports("avx512vbmi");
#else
    return false;
#endif
}

void tm__simd_limit(tm_simd level) {
    settle(level);
}
