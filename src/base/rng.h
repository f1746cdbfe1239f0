/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counter-based random numbers: value number i of a stream is a pure function of (key, i), so
 * threads, chunks and ranks cannot change it. Not for secrets: those come from tm__random_bytes().
 */
#ifndef TM_BASE_RNG_H
#define TM_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct tm_rng {
    uint64_t key;
    uint64_t counter; /* of the next value, for sequential use */
} tm_rng;

/** A stream named by a stage, and optionally an index, below a seed. */
tm_rng tm__rng_split(uint64_t seed, const char *stage, uint64_t index);
/** Value `counter` of the stream; uniform over 64 bits. */
uint64_t tm__rng_at(uint64_t key, uint64_t counter);
/** Values counter .. counter + n - 1 of the stream. */
void tm__rng_fill(uint64_t key, uint64_t counter, uint32_t n, uint64_t *out);
/** The same, one by one. */
void tm__rng_fill_ref(uint64_t key, uint64_t counter, uint32_t n, uint64_t *out);
/** Next values of a sequential stream. */
uint64_t tm__rng_u64(tm_rng *rng);
/** Uniform below n (n > 0), without bias. */
uint64_t tm__rng_below(tm_rng *rng, uint64_t n);
/** Uniform in [0, 1) with 53 bits. */
double tm__rng_f64(tm_rng *rng);
/** Bytes from the operating system, for keys and ids. */
void tm__random_bytes(void *out, size_t len);
/** Microseconds to wait after so many failures before this one: first_us, twice as much with each
 * of them up to most_us, and up to half more by chance, so that many do not come at once. */
int64_t tm__backoff_us(uint32_t n_failures, int64_t first_us, int64_t most_us);

#endif
