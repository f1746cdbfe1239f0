/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian numbers at any address, whatever the machine is. Any thread; a load or store each.
 */
#ifndef TM_BASE_LE_H
#define TM_BASE_LE_H

#include <stdint.h>

static inline uint32_t tm__le_u32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}
static inline uint64_t tm__le_u64(const uint8_t *at) {
    return (uint64_t)tm__le_u32(at) | (uint64_t)tm__le_u32(at + 4) << 32;
}
static inline void tm__le_put_u32(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    at[2] = (uint8_t)(value >> 16);
    at[3] = (uint8_t)(value >> 24);
}
static inline void tm__le_put_u64(uint8_t *at, uint64_t value) {
    tm__le_put_u32(at, (uint32_t)value);
    tm__le_put_u32(at + 4, (uint32_t)(value >> 32));
}

#endif
