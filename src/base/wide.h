/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers of 128 bits, for sums that must be exact. Unsigned ones wrap, so that a difference of
 * two sums is right whenever it fits itself; conversions to double round to nearest.
 */
#ifndef TM_BASE_WIDE_H
#define TM_BASE_WIDE_H

#include <stdint.h>

__extension__ typedef unsigned __int128 tm_u128;
__extension__ typedef __int128 tm_i128;

/** The bits of a signed number, sign kept: for adding to a sum. */
static inline tm_u128 tm__wide(int64_t value) {
    return (tm_u128)(tm_i128)value;
}
/** The number that a sum stands for, as signed and as unsigned. */
static inline double tm__wide_f64(tm_u128 value) {
    return (double)(tm_i128)value;
}
static inline double tm__wide_f64_unsigned(tm_u128 value) {
    return (double)value;
}

#endif
