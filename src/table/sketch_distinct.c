/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinct values: the hashes themselves while they are few, then 4096 registers of HyperLogLog
 * (Flajolet et al. 2007) with the estimate of Ertl 2017, arXiv:1702.01284, which needs no tables of
 * biases and holds from the first value on. Both are a function of the set of hashes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/sort.h"
#include "table/sketch_priv.h"

#define REGISTER_BITS 12u
#define N_REGISTERS (1u << REGISTER_BITS)
#define RANK_MAX (64u - REGISTER_BITS + 1)

static bool raise_register(tm_distinct *d, uint64_t hash) {
    const uint32_t at = (uint32_t)(hash >> (64 - REGISTER_BITS));
    const uint64_t rest = hash << REGISTER_BITS;
    const uint8_t rank = rest == 0 ? RANK_MAX : (uint8_t)(__builtin_clzll(rest) + 1);
    if (d->registers[at] < rank) {
        d->registers[at] = rank;
    }
    return true;
}

/* Where a hash stands, or the free place for it. */
static uint32_t find(const uint64_t *hashes, uint32_t capacity, uint64_t hash) {
    uint32_t at = (uint32_t)hash & (capacity - 1);
    while (hashes[at] != 0 && hashes[at] != hash) {
        at = (at + 1) & (capacity - 1);
    }
    return at;
}

static bool grow(tm_distinct *d) {
    const uint32_t capacity = d->capacity == 0 ? 32 : d->capacity * 2;
    uint64_t *const hashes = tm__mem_zalloc(capacity, sizeof(*hashes));
    if (hashes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < d->capacity; i++) {
        if (d->hashes[i] != 0) {
            hashes[find(hashes, capacity, d->hashes[i])] = d->hashes[i];
        }
    }
    tm__mem_free(d->hashes);
    d->hashes = hashes;
    d->capacity = capacity;
    return true;
}

static bool to_registers(tm_distinct *d) {
    d->registers = tm__mem_zalloc(N_REGISTERS, 1);
    if (d->registers == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < d->capacity; i++) {
        if (d->hashes[i] != 0) {
            (void)raise_register(d, d->hashes[i]);
        }
    }
    if (d->has_zero) {
        (void)raise_register(d, 0);
    }
    tm__mem_free(d->hashes);
    d->hashes = NULL;
    d->n = 0;
    d->capacity = 0;
    d->has_zero = false;
    return true;
}

bool tm__distinct_add(tm_distinct *d, uint64_t hash) {
    if (d->registers != NULL) {
        return raise_register(d, hash);
    }
    if (hash == 0) {
        d->has_zero = true;
    } else {
        if (d->n * 2 >= d->capacity && !grow(d)) {
            return false;
        }
        const uint32_t at = find(d->hashes, d->capacity, hash);
        d->n += d->hashes[at] == 0;
        d->hashes[at] = hash;
    }
    return d->n + d->has_zero <= TM_SKETCH_DISTINCT || to_registers(d);
}

bool tm__distinct_merge(tm_distinct *d, const tm_distinct *from) {
    if (from->registers != NULL) {
        if (d->registers == NULL && !to_registers(d)) {
            return false;
        }
        for (uint32_t i = 0; i < N_REGISTERS; i++) {
            const uint8_t rank = from->registers[i];
            d->registers[i] = d->registers[i] < rank ? rank : d->registers[i];
        }
        return true;
    }
    bool ok = !from->has_zero || tm__distinct_add(d, 0);
    for (uint32_t i = 0; ok && i < from->capacity; i++) {
        ok = from->hashes[i] == 0 || tm__distinct_add(d, from->hashes[i]);
    }
    return ok;
}

void tm__distinct_reset(tm_distinct *d) {
    if (d->registers != NULL || d->capacity > 256) {
        tm__distinct_done(d);
        return;
    }
    if (d->n > 0) {
        memset(d->hashes, 0, d->capacity * sizeof(*d->hashes));
    }
    d->n = 0;
    d->has_zero = false;
}

/* --- the estimate --- */

static double sigma(double x) {
    double y = 1, z = x, last = -1;
    if (x == 1) {
        return INFINITY;
    }
    while (z != last) {
        x *= x;
        last = z;
        z += x * y;
        y += y;
    }
    return z;
}

static double tau(double x) {
    double y = 1, z = 1 - x, last = -1;
    if (x == 0 || x == 1) {
        return 0;
    }
    while (z != last) {
        x = sqrt(x);
        last = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    }
    return z / 3;
}

uint64_t tm__distinct_count(const tm_distinct *d, bool *out_exact) {
    *out_exact = d->registers == NULL;
    if (d->registers == NULL) {
        return d->n + d->has_zero;
    }
    uint32_t counts[RANK_MAX + 1] = {0};
    for (uint32_t i = 0; i < N_REGISTERS; i++) {
        counts[d->registers[i]]++;
    }
    const double m = N_REGISTERS;
    double z = m * tau(1 - counts[RANK_MAX] / m);
    for (uint32_t k = RANK_MAX - 1; k > 0; k--) {
        z = 0.5 * (z + counts[k]);
    }
    z += m * sigma(counts[0] / m);
    return (uint64_t)(m * m / (2 * 0.69314718055994530942 * z) + 0.5);
}

/* --- bytes --- */

void tm__distinct_write(const tm_distinct *d, tm_buf *out) {
    (void)tm__buf_u8(out, d->registers != NULL);
    if (d->registers != NULL) {
        (void)tm__buf_append(out, d->registers, N_REGISTERS);
        return;
    }
    uint64_t hashes[TM_SKETCH_DISTINCT + 1];
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->capacity; i++) {
        if (d->hashes[i] != 0) {
            hashes[n++] = d->hashes[i];
        }
    }
    qsort(hashes, n, sizeof(*hashes), tm__compare_u64);
    (void)tm__buf_u8(out, d->has_zero);
    (void)tm__buf_u32(out, n);
    for (uint32_t i = 0; i < n; i++) {
        (void)tm__buf_u64(out, hashes[i]);
    }
}

bool tm__distinct_read(tm_distinct *d, tm_reader *in, bool *out_memory) {
    if (tm__reader_u8(in) != 0) {
        const uint8_t *const registers = tm__reader_view(in, N_REGISTERS, 1);
        if (registers == NULL) {
            return false;
        }
        for (uint32_t i = 0; i < N_REGISTERS; i++) {
            if (registers[i] > RANK_MAX) {
                return false;
            }
        }
        d->registers = tm__mem_alloc(N_REGISTERS, 1);
        if (d->registers == NULL) {
            *out_memory = false;
            return false;
        }
        memcpy(d->registers, registers, N_REGISTERS);
        return true;
    }
    d->has_zero = tm__reader_u8(in) != 0;
    const uint32_t n = tm__reader_u32(in);
    if (n + d->has_zero > TM_SKETCH_DISTINCT) {
        return false;
    }
    for (uint32_t i = 0; i < n && !in->failed; i++) {
        const uint64_t hash = tm__reader_u64(in);
        if (hash == 0) {
            return false;
        }
        if (!tm__distinct_add(d, hash)) {
            *out_memory = false;
            return false;
        }
    }
    return d->n == n && !in->failed;
}

void tm__distinct_done(tm_distinct *d) {
    tm__mem_free(d->hashes);
    tm__mem_free(d->registers);
    *d = (tm_distinct){0};
}
