/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which vector instructions the loops of this process use, decided in one place.
 *
 * A kernel is written once, as an always-inline `NAME_loop` in plain C. TM_SIMD_KERNEL compiles it
 * for each level and makes `NAME`, which calls the one for the level allowed:
 *
 *     static TM_ALWAYS_INLINE void twice_loop(const double *x, double *out, size_t n) {...}
 *     TM_SIMD_KERNEL(twice, (const double *x, double *out, size_t n), (x, out, n));
 *
 * Every level gives the same bits: a lane does the same operations in the same order, products and
 * sums are never contracted, and sums over lanes are of integers. tests/unit/model/test_kernels.c
 * runs each kernel at each level beside its plain reference; a new kernel gets a line there.
 *
 * The environment variable TIDEMILL_SIMD=plain|avx2|avx512 lowers the level; it cannot raise it
 * over what the processor has. A program refuses another value by tm__simd_check(); a library that
 * meets one uses no vectors.
 */
#ifndef TM_BASE_SIMD_H
#define TM_BASE_SIMD_H

#include <stdbool.h>
#include <stddef.h>

#include "tidemill/err.h"

typedef enum tm_simd {
    TM_SIMD_PLAIN,  /* what every processor of the architecture has */
    TM_SIMD_AVX2,   /* and SSE 4.2 */
    TM_SIMD_AVX512, /* F, BW, DQ and VL */
} tm_simd;

/** What kernels use: the least of the processor's, the environment's and tm__simd_limit(). */
tm_simd tm__simd(void);
/** Whether AVX-512 kernels may permute bytes (VBMI). */
bool tm__simd_bytes(void);
/** What the processor has. */
tm_simd tm__simd_machine(void);
/** Use at most this level from now on: for tests, before threads run. */
void tm__simd_limit(tm_simd level);
/** TM_E_USAGE when TIDEMILL_SIMD names no level. */
TM_NODISCARD tm_status tm__simd_check(tm_err *err);
/** "plain", "avx2", "avx512". */
const char *tm__simd_text(tm_simd level);

/* An array that is written before it is read, in code that runs often: builds for use set all
 * others to 0 first, which takes longer than many a kernel. */
#define TM_UNSET __attribute__((uninitialized))

#define TM_ALWAYS_INLINE inline __attribute__((always_inline))

#if defined(__x86_64__)
#define TM_TARGET_AVX2 __attribute__((target("avx2")))
#define TM_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define TM_SIMD_KERNEL(name, params, args)                                                         \
    static void name##_plain params {                                                              \
        name##_loop args;                                                                          \
    }                                                                                              \
    TM_TARGET_AVX2 static void name##_avx2 params {                                                \
        name##_loop args;                                                                          \
    }                                                                                              \
    TM_TARGET_AVX512 static void name##_avx512 params {                                            \
        name##_loop args;                                                                          \
    }                                                                                              \
    static void name params {                                                                      \
        switch (tm__simd()) {                                                                      \
        case TM_SIMD_AVX512:                                                                       \
            name##_avx512 args;                                                                    \
            break;                                                                                 \
        case TM_SIMD_AVX2:                                                                         \
            name##_avx2 args;                                                                      \
            break;                                                                                 \
        default:                                                                                   \
            name##_plain args;                                                                     \
            break;                                                                                 \
        }                                                                                          \
    }                                                                                              \
    _Static_assert(sizeof(&name) > 0, "a kernel")
#else
#define TM_SIMD_KERNEL(name, params, args)                                                         \
    static void name params {                                                                      \
        name##_loop args;                                                                          \
    }                                                                                              \
    _Static_assert(sizeof(&name) > 0, "a kernel")
#endif

#endif
