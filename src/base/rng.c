/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <sodium.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/pow10_priv.h"
#include "base/simd.h"
#include "base/sodium_priv.h"

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

/*
 * The finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195; constants
 * of Stafford's variant 13). SplitMix64 alone walks one cycle whatever the seed, so that two
 * streams could overlap; here the key enters twice, before each of two rounds, and streams of
 * different keys are different functions of the counter.
 */
static TM_ALWAYS_INLINE uint64_t mix(uint64_t x) {
    x ^= x >> 30;
    x *= UINT64_C(0xBF58476D1CE4E5B9);
    x ^= x >> 27;
    x *= UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static TM_ALWAYS_INLINE uint64_t value_at(uint64_t key, uint64_t counter) {
    const uint64_t turned = (key << 32) | (key >> 32);
    return mix(mix(counter * GOLDEN + key) ^ (turned + GOLDEN));
}

uint64_t tm__rng_at(uint64_t key, uint64_t counter) {
    return value_at(key, counter);
}

void tm__rng_fill_ref(uint64_t key, uint64_t counter, uint32_t n, uint64_t *out) {
    for (uint32_t i = 0; i < n; i++) {
        out[i] = value_at(key, counter + i);
    }
}

static TM_ALWAYS_INLINE void fill_loop(uint64_t key, uint64_t counter, uint32_t n, uint64_t *out) {
#pragma omp simd
    for (uint32_t i = 0; i < n; i++) {
        out[i] = value_at(key, counter + i);
    }
}

TM_SIMD_KERNEL(fill, (uint64_t key, uint64_t counter, uint32_t n, uint64_t *out),
               (key, counter, n, out));

void tm__rng_fill(uint64_t key, uint64_t counter, uint32_t n, uint64_t *out) {
    fill(key, counter, n, out);
}

tm_rng tm__rng_split(uint64_t seed, const char *stage, uint64_t index) {
    const uint64_t named = tm__hash64(stage, strlen(stage), seed);
    return (tm_rng){.key = tm__rng_at(named, index), .counter = 0};
}

uint64_t tm__rng_u64(tm_rng *rng) {
    return tm__rng_at(rng->key, rng->counter++);
}

/* Lemire 2019, doi:10.1145/3230636: a product instead of a division, and the few values that would
 * make some results likelier are drawn again. */
uint64_t tm__rng_below(tm_rng *rng, uint64_t n) {
    TM_ASSERT(n > 0);
    tm_wide product = tm__wide_product(tm__rng_u64(rng), n);
    if (product.low < n) {
        const uint64_t biased = (0 - n) % n;
        while (product.low < biased) {
            product = tm__wide_product(tm__rng_u64(rng), n);
        }
    }
    return product.high;
}

double tm__rng_f64(tm_rng *rng) {
    return (double)(tm__rng_u64(rng) >> 11) * 0x1p-53;
}

void tm__random_bytes(void *out, size_t len) {
    tm__sodium_init();
    randombytes_buf(out, len);
}

int64_t tm__backoff_us(uint32_t n_failures, int64_t first_us, int64_t most_us) {
    int64_t wait_us = first_us;
    uint64_t random = 0;
    for (uint32_t i = 0; i < n_failures && wait_us < most_us; i++) {
        wait_us *= 2;
    }
    wait_us = wait_us < most_us ? wait_us : most_us;
    tm__random_bytes(&random, sizeof(random));
    return wait_us + (int64_t)(random % (uint64_t)(wait_us / 2 + 1));
}
