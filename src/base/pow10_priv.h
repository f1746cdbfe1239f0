/* SPDX-License-Identifier: Apache-2.0 */
/* Powers of ten for reading and writing doubles. */
#ifndef TM_BASE_POW10_PRIV_H
#define TM_BASE_POW10_PRIV_H

#include <stdint.h>

#define TM_POW10_MIN (-292)
#define TM_POW10_MAX 324
#define TM_POW10_EXACT 55 /* 10^0 to 10^55 are exact */

/* A whole number of 128 bits. */
typedef struct tm_wide {
    uint64_t high, low;
} tm_wide;

/** The product of two numbers of 64 bits. */
tm_wide tm__wide_product(uint64_t a, uint64_t b);
/** The largest whole e with 2^e <= 10^k, for |k| <= 1200. */
int tm__pow10_exponent(int k);

/** 10^k = (high * 2^64 + low) * 2^(e - 127), rounded down, with the top bit set; e is the largest
 * whole number with 2^e <= 10^k. k from TM_POW10_MIN to TM_POW10_MAX. */
tm_wide tm__pow10(int k);

#endif
