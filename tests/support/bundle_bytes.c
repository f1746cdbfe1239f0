/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle_bytes.h"

#include <string.h>

#define HEADER 64u
#define ENTRY 32u

static void put_u32(uint8_t *at, uint32_t value) {
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint64_t get(const uint8_t *at, unsigned n) {
    uint64_t value = 0;
    for (unsigned i = 0; i < n; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

void bundle_bytes_mend_program(uint8_t *program, size_t len) {
    if (len >= 4) {
        put_u32(program + len - 4, tm__crc32c(0, program, len - 4));
    }
}

/* One entry of the directory; its section goes into the hash as the format says. */
static void mend_entry(uint8_t *data, size_t len, uint8_t *entry, tm_hasher *hasher) {
    const uint32_t type = (uint32_t)get(entry, 4);
    const uint64_t at = get(entry + 8, 8), size = get(entry + 16, 8);
    if (at > len || size > len - at) {
        return;
    }
    if (type == TM_SECTION_PROGRAM) {
        bundle_bytes_mend_program(data + at, (size_t)size);
    }
    put_u32(entry + 4, tm__crc32c(0, data + at, (size_t)size));
    if (type <= TM_SECTION_REFERENCE || type >= TM_SECTION_CALIBRATION) {
        tm__hasher_update(hasher, entry, 4);
        tm__hasher_update(hasher, entry + 16, 8);
        tm__hasher_update(hasher, data + at, (size_t)size);
    }
}

void bundle_bytes_mend(uint8_t *data, size_t len) {
    tm_hasher hasher;
    tm_hash hash;
    if (len < HEADER) {
        return;
    }
    const uint64_t n = get(data + 12, 4), room = (len - HEADER) / ENTRY;
    const size_t n_here = (size_t)(n < room ? n : room);
    tm__hasher_init(&hasher);
    for (size_t i = 0; i < n_here && i < 64; i++) {
        mend_entry(data, len, data + HEADER + i * ENTRY, &hasher);
    }
    tm__hasher_final(&hasher, &hash);
    memcpy(data + 32, hash.bytes, sizeof(hash.bytes));
    put_u32(data + 24, tm__crc32c(0, data + HEADER, n_here * ENTRY));
    put_u32(data + 28, tm__crc32c(tm__crc32c(0, data, 28), data + 32, 32));
}

bool bundle_bytes_pack(const tm_bytes *sections, tm_buf *out) {
    uint32_t n = 0;
    for (unsigned type = 1; type < TM_SECTION_END; type++) {
        n += sections[type].data != NULL ? 1 : 0;
    }
    tm__buf_append(out, "TMBUNDLE", 8);
    tm__buf_u32(out, 1);
    tm__buf_u32(out, n);
    while (out->len < HEADER + n * ENTRY && tm__buf_byte(out, 0)) {
    }
    tm__buf_align(out, 64);
    uint8_t entries[TM_SECTION_END * ENTRY] = {0};
    uint8_t *entry = entries;
    for (unsigned type = 1; type < TM_SECTION_END; type++) {
        if (sections[type].data != NULL) {
            put_u32(entry, type);
            put_u32(entry + 8, (uint32_t)out->len);
            put_u32(entry + 16, (uint32_t)sections[type].len);
            entry += ENTRY;
            tm__buf_append(out, sections[type].data, sections[type].len);
            tm__buf_align(out, 64);
        }
    }
    if (out->failed) {
        return false;
    }
    memcpy(out->data + HEADER, entries, n * ENTRY);
    put_u32(out->data + 16, (uint32_t)out->len);
    bundle_bytes_mend(out->data, out->len);
    return true;
}
