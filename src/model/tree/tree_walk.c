/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Rows become codes (tree_codes.c has why), trees compare them. A walk is a chain of
 * dependent loads, so walks go side by side:
 *
 *     plain           8 trees of one row; 8 rows of one tree
 *     AVX2            8 trees a register and 4 registers; in a block, 8 trees of each of 4 rows
 *     AVX-512         16 trees a register and 4 registers; in a block, 16 trees of each of 4 rows
 *
 * With vectors a step of all lanes is one gather of nodes and one of codes. With AVX-512 the codes
 * of the row are in registers when the processor permutes bytes (VBMI) and 128 slots do. Lanes
 * without a tree walk the first one in vain.
 *
 * A block keeps its codes and sums in the first cache while the trees pass, 16 at a time. All sums
 * are taken in the order of trees: the bits are those of a single row, of any kernel, and of
 * tm__forest_predict_row_ref().
 */
#include <math.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/assert.h"
#include "base/simd.h"
#include "model/tree/tree_codes.h"
#include "model/tree/tree_masks.h"

enum {
    LANES = 8,
    ROWS_MAX = 256,      /* of a block */
    BLOCK_BYTES = 16384, /* of its codes */
    PAD = 64,            /* bytes of a row's codes are a multiple: whole registers */
    ROW_STEP = 8,        /* rows of a block are filled up to a multiple */
    NARROW_BYTES =
        256 + PAD, /* of one row: the compiler clears it at each call, so it is not larger */
    WIDE_BYTES = 2 * TM_CODES_SLOTS_MAX + PAD,
    CODES_MISSING = 256
};

static size_t row_bytes(const tm_forest_codes *codes) {
    const size_t bytes = (size_t)codes->n_slots * (codes->is_wide ? 2 : 1);
    return (bytes + PAD - 1) / PAD * PAD;
}

uint32_t tm__forest_codes_rows(const tm_forest_codes *codes) {
    const size_t rows = BLOCK_BYTES / row_bytes(codes) / ROW_STEP * ROW_STEP;
    return rows > ROWS_MAX ? ROWS_MAX : rows < 2 * ROW_STEP ? 2 * ROW_STEP : (uint32_t)rows;
}

size_t tm__forest_codes_bytes(const tm_forest *forest) {
    const tm_forest_codes *codes = forest->codes;
    const size_t n_rows = tm__forest_codes_rows(codes);
    /* A gather of the last code reads 3 bytes more. */
    const size_t walked = n_rows * row_bytes(codes) + PAD;
    const size_t masked = tm__forest_masks_stride((uint32_t)n_rows) *
                          (codes->n_slots + forest->n_outputs * sizeof(double));
    return codes->masks != NULL && masked > walked ? (masked + PAD - 1) / PAD * PAD : walked;
}

/* ---- codes of rows ---- */

static TM_ALWAYS_INLINE uint32_t number_code(const double *cuts, const tm_code_slot *slot,
                                             double x) {
    uint32_t code = 0;
    for (uint32_t half = (UINT32_C(1) << slot->n_steps) >> 1; half > 0; half >>= 1) {
        code += (uint32_t)(cuts[code + half - 1] < x) * half;
    }
    return code | (isnan(x) ? slot->missing : 0u);
}

static void numbers_plain(const double *cuts, const tm_code_slot *slot, const double *x, uint32_t n,
                          uint16_t *out) {
    for (uint32_t row = 0; row < n; row++) {
        out[row] = (uint16_t)number_code(cuts, slot, x[row]);
    }
}

#if defined(__x86_64__)

/* Thirty-two searches side by side. */
TM_TARGET_AVX512 static void numbers_avx512(const double *cuts, const tm_code_slot *slot,
                                            const double *x, uint32_t n, uint16_t *out) {
    const __m128i missing = _mm_set1_epi16((short)slot->missing);
    uint32_t row = 0;
    for (; row + 32 <= n; row += 32) {
        __m512d v[4];
        __m512i code[4];
        for (uint32_t k = 0; k < 4; k++) {
            v[k] = _mm512_loadu_pd(x + row + 8 * k);
            code[k] = _mm512_setzero_si512();
        }
        for (uint32_t half = (UINT32_C(1) << slot->n_steps) >> 1; half > 0; half >>= 1) {
            const __m512i halves = _mm512_set1_epi64(half);
            for (uint32_t k = 0; k < 4; k++) {
                const __m512d cut = _mm512_i64gather_pd(code[k], cuts + half - 1, 8);
                const __mmask8 below = _mm512_cmp_pd_mask(cut, v[k], _CMP_LT_OQ);
                code[k] = _mm512_mask_add_epi64(code[k], below, code[k], halves);
            }
        }
        for (uint32_t k = 0; k < 4; k++) {
            const __mmask8 nan = _mm512_cmp_pd_mask(v[k], v[k], _CMP_UNORD_Q);
            const __m128i words = _mm512_cvtepi64_epi16(code[k]);
            _mm_storeu_si128((__m128i *)(void *)(out + row + 8 * k),
                             _mm_or_si128(words, _mm_maskz_mov_epi16(nan, missing)));
        }
    }
    numbers_plain(cuts, slot, x + row, n - row, out + row);
}

#endif

static void numbers(const double *cuts, const tm_code_slot *slot, const double *x, uint32_t n,
                    uint16_t *out) {
#if defined(__x86_64__)
    if (tm__simd() == TM_SIMD_AVX512) {
        numbers_avx512(cuts, slot, x, n, out);
        return;
    }
#endif
    numbers_plain(cuts, slot, x, n, out);
}

static uint32_t class_of(const uint16_t *classes, double x) {
    return classes[x >= 0 && x < CODES_MISSING ? (uint32_t)x : CODES_MISSING];
}

/* Codes of n rows for a slot; of a twin, column has those of the slot before. */
static void column_fill(const tm_forest_codes *codes, uint32_t s, const double *x, uint32_t n,
                        uint16_t *column) {
    const tm_code_slot *slot = &codes->slots[s];
    if (slot->is_twin) {
        for (uint32_t i = 0; i < n; i++) {
            column[i] |= isnan(x[i]) ? slot->missing : 0u;
        }
    } else if (s < codes->n_numbers) {
        numbers(codes->cuts + slot->first, slot, x, n, column);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            column[i] = (uint16_t)class_of(codes->classes + slot->first, x[i]);
        }
    }
}

/* Codes of n rows: byte or word `slot` of each line of the block. */
static void block_fill(const tm_forest_codes *codes, const double *const *cols, uint64_t row,
                       uint32_t n, uint8_t *block) {
    const size_t line = row_bytes(codes);
    uint16_t column[ROWS_MAX];
    memset(block, 0, (n + ROW_STEP - 1) / ROW_STEP * ROW_STEP * line);
    for (uint32_t s = 0; s < codes->n_slots; s++) {
        column_fill(codes, s, cols[codes->slots[s].column] + row, n, column);
        if (codes->is_wide) {
            for (uint32_t i = 0; i < n; i++) {
                memcpy(block + i * line + 2 * (size_t)s, &column[i], sizeof(column[i]));
            }
        } else {
            for (uint32_t i = 0; i < n; i++) {
                block[i * line + s] = (uint8_t)column[i];
            }
        }
    }
}

/* Same, a line for each slot: what masks want. */
static void slots_fill(const tm_forest_codes *codes, const double *const *cols, uint64_t row,
                       uint32_t n, uint8_t *block) {
    const uint32_t stride = tm__forest_masks_stride(n);
    uint16_t column[ROWS_MAX] = {0};
    for (uint32_t s = 0; s < codes->n_slots; s++) {
        uint8_t *line = block + (size_t)s * stride;
        column_fill(codes, s, cols[codes->slots[s].column] + row, n, column);
        for (uint32_t i = 0; i < stride; i++) {
            line[i] = (uint8_t)column[i];
        }
    }
}

/* Codes of one row. */
static void row_fill(const tm_forest_codes *codes, const double *const *cols, uint64_t row,
                     uint8_t *out) {
    uint32_t code = 0;
    memset(out, 0, row_bytes(codes));
    for (uint32_t s = 0; s < codes->n_slots; s++) {
        const tm_code_slot *slot = &codes->slots[s];
        const double x = cols[slot->column][row];
        if (slot->is_twin) {
            code |= isnan(x) ? slot->missing : 0u;
        } else if (s < codes->n_numbers) {
            code = number_code(codes->cuts + slot->first, slot, x);
        } else {
            code = class_of(codes->classes + slot->first, x);
        }
        if (codes->is_wide) {
            const uint16_t word = (uint16_t)code;
            memcpy(out + 2 * (size_t)s, &word, sizeof(word));
        } else {
            out[s] = (uint8_t)code;
        }
    }
}

/* ---- plain walks ---- */

/* What the loops below are compiled for, once each. */
typedef struct shape {
    bool is_wide;
    bool has_sets;
    uint32_t n_registers; /* of a row's codes; 0: they are gathered */
} shape;

static TM_ALWAYS_INLINE uint32_t code_next(const tm_forest_codes *codes, shape s, uint32_t root,
                                           uint32_t at, const uint8_t *row) {
    uint32_t slot, code, than, left;
    if (s.is_wide) {
        const uint64_t node = codes->wide[at];
        uint16_t word;
        slot = (uint32_t)(node >> 16) & 0xFFFF;
        than = (uint32_t)node & 0xFFFF;
        left = root + (uint32_t)(node >> 32);
        memcpy(&word, row + 2 * (size_t)slot, sizeof(word));
        code = word;
    } else {
        const uint32_t node = codes->narrow[at];
        slot = (node >> 8) & 0xFF;
        than = node & 0xFF;
        left = root + (node >> 16);
        code = row[slot];
    }
    if (s.has_sets && slot >= codes->n_numbers) {
        const uint32_t word = codes->sets[codes->set_of[at] + (code >> 5)];
        return left + (~(word >> (code & 31)) & 1);
    }
    return left + (code > than);
}

/* Eight walks to their leaves: lane k has its own root and row of codes. */
static TM_ALWAYS_INLINE void eight_walk(const tm_forest_codes *codes, shape s,
                                        const uint32_t *roots, const uint8_t *const *rows,
                                        uint32_t *at) {
    uint32_t moved;
    memcpy(at, roots, LANES * sizeof(uint32_t));
    do {
        moved = 0;
#define TM_LANE(k)                                                                                 \
    {                                                                                              \
        const uint32_t next = code_next(codes, s, roots[k], at[k], rows[k]);                       \
        moved |= next ^ at[k];                                                                     \
        at[k] = next;                                                                              \
    }
        TM_LANE(0) TM_LANE(1) TM_LANE(2) TM_LANE(3) TM_LANE(4) TM_LANE(5) TM_LANE(6) TM_LANE(7)
#undef TM_LANE
    } while (moved != 0);
}

static TM_ALWAYS_INLINE void row_add_loop(const tm_forest *forest, shape s, const uint8_t *row,
                                          double *out) {
    const uint8_t *const rows[LANES] = {row, row, row, row, row, row, row, row};
    uint32_t output = 0;
    for (uint32_t tree = 0; tree < forest->n_trees; tree += LANES) {
        const uint32_t n = forest->n_trees - tree < LANES ? forest->n_trees - tree : LANES;
        uint32_t roots[LANES], at[LANES];
        for (uint32_t k = 0; k < LANES; k++) {
            roots[k] = forest->roots[k < n ? tree + k : tree];
        }
        eight_walk(forest->codes, s, roots, rows, at);
        for (uint32_t k = 0; k < n; k++) {
            out[output] += forest->values[at[k]];
            output = output + 1 == forest->n_outputs ? 0 : output + 1;
        }
    }
}

static TM_ALWAYS_INLINE void block_add_loop(const tm_forest *forest, shape s, const uint8_t *block,
                                            uint32_t n_rows, double *out) {
    const size_t line = row_bytes(forest->codes);
    const uint32_t n_outputs = forest->n_outputs;
    for (uint32_t tree = 0; tree < forest->n_trees; tree++) {
        const uint32_t root = forest->roots[tree], output = tree % n_outputs;
        const uint32_t roots[LANES] = {root, root, root, root, root, root, root, root};
        for (uint32_t row = 0; row < n_rows; row += LANES) {
            const uint32_t n = n_rows - row < LANES ? n_rows - row : LANES;
            const uint8_t *rows[LANES];
            uint32_t at[LANES];
            for (uint32_t k = 0; k < LANES; k++) {
                rows[k] = block + (row + k) * line;
            }
            eight_walk(forest->codes, s, roots, rows, at);
            for (uint32_t k = 0; k < n; k++) {
                out[(size_t)(row + k) * n_outputs + output] += forest->values[at[k]];
            }
        }
    }
}

/* A kernel for one row and one for a block, for one shape. */
typedef struct kernels {
    void (*row_add)(const tm_forest *forest, const uint8_t *row, double *out);
    void (*block_add)(const tm_forest *forest, const uint8_t *block, uint32_t n_rows, double *out);
} kernels;

#define TM_WALK_KERNELS(name, target, loop, ...)                                                   \
    target static void name##_row(const tm_forest *forest, const uint8_t *row, double *out) {      \
        row_##loop(forest, (shape){__VA_ARGS__}, row, out);                                        \
    }                                                                                              \
    target static void name##_block(const tm_forest *forest, const uint8_t *block,                 \
                                    uint32_t n_rows, double *out) {                                \
        block_##loop(forest, (shape){__VA_ARGS__}, block, n_rows, out);                            \
    }                                                                                              \
    static const kernels name = {name##_row, name##_block}

#define TM_NO_TARGET
TM_WALK_KERNELS(plain_narrow, TM_NO_TARGET, add_loop, false, false, 0);
TM_WALK_KERNELS(plain_narrow_sets, TM_NO_TARGET, add_loop, false, true, 0);
TM_WALK_KERNELS(plain_wide, TM_NO_TARGET, add_loop, true, false, 0);
TM_WALK_KERNELS(plain_wide_sets, TM_NO_TARGET, add_loop, true, true, 0);

static const kernels *plain_kernels(const tm_forest_codes *codes) {
    if (codes->is_wide) {
        return codes->sets != NULL ? &plain_wide_sets : &plain_wide;
    }
    return codes->sets != NULL ? &plain_narrow_sets : &plain_narrow;
}

/* ---- AVX2 ---- */

#if defined(__x86_64__)

/* Lanes at categorical nodes: whether they go right; the others as they are in `right`. */
TM_TARGET_AVX2 static TM_ALWAYS_INLINE __m256i sets_right_8(const tm_forest_codes *codes,
                                                            __m256i lanes, __m256i at, __m256i code,
                                                            __m256i right) {
    const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi32(1);
    const __m256i set = _mm256_mask_i32gather_epi32(zero, (const int *)codes->set_of, at, lanes, 4);
    const __m256i where = _mm256_add_epi32(set, _mm256_srli_epi32(code, 5));
    const __m256i word =
        _mm256_mask_i32gather_epi32(zero, (const int *)codes->sets, where, lanes, 4);
    const __m256i bit = _mm256_srlv_epi32(word, _mm256_and_si256(code, _mm256_set1_epi32(31)));
    const __m256i is_out = _mm256_cmpeq_epi32(_mm256_and_si256(bit, one), zero);
    return _mm256_blendv_epi8(right, is_out, lanes);
}

TM_TARGET_AVX2 static TM_ALWAYS_INLINE __m256i eight_step(const tm_forest_codes *codes, shape s,
                                                          const uint8_t *row, __m256i roots,
                                                          __m256i at) {
    const __m256i mask = _mm256_set1_epi32(s.is_wide ? 0xFFFF : 0xFF);
    __m256i slot, code, node, left;
    if (s.is_wide) {
        const int *low = (const int *)(const void *)codes->wide;
        const __m256i twice = _mm256_slli_epi32(at, 1);
        node = _mm256_i32gather_epi32(low, twice, 4);
        left = _mm256_i32gather_epi32(low + 1, twice, 4);
        slot = _mm256_srli_epi32(node, 16);
        code = _mm256_i32gather_epi32((const int *)(const void *)row, slot, 2);
    } else {
        node = _mm256_i32gather_epi32((const int *)codes->narrow, at, 4);
        left = _mm256_srli_epi32(node, 16);
        slot = _mm256_and_si256(_mm256_srli_epi32(node, 8), mask);
        code = _mm256_i32gather_epi32((const int *)(const void *)row, slot, 1);
    }
    code = _mm256_and_si256(code, mask);
    __m256i right = _mm256_cmpgt_epi32(code, _mm256_and_si256(node, mask));
    if (s.has_sets) {
        const __m256i lanes =
            _mm256_cmpgt_epi32(slot, _mm256_set1_epi32((int)codes->n_numbers - 1));
        if (!_mm256_testz_si256(lanes, lanes)) {
            right = sets_right_8(codes, lanes, at, code, right);
        }
    }
    return _mm256_sub_epi32(_mm256_add_epi32(left, roots), right);
}

/* Walks of four registers to their leaves. */
TM_TARGET_AVX2 static TM_ALWAYS_INLINE void thirty_two_walk(const tm_forest_codes *codes, shape s,
                                                            const uint8_t *const *rows,
                                                            const __m256i *roots, uint32_t sure,
                                                            uint32_t *out) {
    __m256i at[4] = {roots[0], roots[1], roots[2], roots[3]};
    for (uint32_t i = 0; i < sure; i++) {
#pragma GCC unroll 4
        for (uint32_t k = 0; k < 4; k++) {
            at[k] = eight_step(codes, s, rows[k], roots[k], at[k]);
        }
    }
    __m256i moved;
    do {
        moved = _mm256_setzero_si256();
#pragma GCC unroll 4
        for (uint32_t k = 0; k < 4; k++) {
            const __m256i next = eight_step(codes, s, rows[k], roots[k], at[k]);
            moved = _mm256_or_si256(moved, _mm256_xor_si256(next, at[k]));
            at[k] = next;
        }
    } while (!_mm256_testz_si256(moved, moved));
    for (uint32_t k = 0; k < 4; k++) {
        _mm256_storeu_si256((__m256i *)(void *)(out + LANES * (size_t)k), at[k]);
    }
}

/* Roots of eight trees; those that the forest lacks are its first. */
TM_TARGET_AVX2 static TM_ALWAYS_INLINE __m256i eight_roots(const tm_forest *forest, uint32_t tree) {
    uint32_t roots[LANES];
    for (uint32_t k = 0; k < LANES; k++) {
        roots[k] = forest->roots[tree + k < forest->n_trees ? tree + k : 0];
    }
    return _mm256_loadu_si256((const __m256i *)(const void *)roots);
}

TM_TARGET_AVX2 static TM_ALWAYS_INLINE void row_eights_loop(const tm_forest *forest, shape s,
                                                            const uint8_t *row, double *out) {
    const tm_forest_codes *codes = forest->codes;
    const uint8_t *const rows[4] = {row, row, row, row};
    uint32_t output = 0;
    for (uint32_t tree = 0; tree < forest->n_trees; tree += 4 * LANES) {
        const uint32_t left = forest->n_trees - tree;
        const uint32_t n = left < 4 * LANES ? left : 4 * LANES;
        uint32_t at[4 * LANES], sure = codes->sure[tree / TM_CODES_GROUP];
        __m256i roots[4];
        for (uint32_t k = 0; k < 4; k++) {
            roots[k] = eight_roots(forest, tree + k * LANES);
        }
        if (n > TM_CODES_GROUP && codes->sure[tree / TM_CODES_GROUP + 1] > sure) {
            sure = codes->sure[tree / TM_CODES_GROUP + 1];
        }
        thirty_two_walk(codes, s, rows, roots, sure, at);
        for (uint32_t k = 0; k < n; k++) {
            out[output] += forest->values[at[k]];
            output = output + 1 == forest->n_outputs ? 0 : output + 1;
        }
    }
}

TM_TARGET_AVX2 static TM_ALWAYS_INLINE void block_eights_loop(const tm_forest *forest, shape s,
                                                              const uint8_t *block, uint32_t n_rows,
                                                              double *out) {
    const tm_forest_codes *codes = forest->codes;
    const size_t line = row_bytes(codes);
    const uint32_t n_outputs = forest->n_outputs;
    for (uint32_t tree = 0; tree < forest->n_trees; tree += LANES) {
        const __m256i root = eight_roots(forest, tree);
        const __m256i roots[4] = {root, root, root, root};
        const uint32_t n = forest->n_trees - tree < LANES ? forest->n_trees - tree : LANES;
        const uint32_t sure = codes->sure[tree / TM_CODES_GROUP];
        for (uint32_t row = 0; row < n_rows; row += 4) {
            const uint8_t *rows[4];
            uint32_t at[4 * LANES];
            for (uint32_t k = 0; k < 4; k++) {
                rows[k] = block + (row + k) * line;
            }
            thirty_two_walk(codes, s, rows, roots, sure, at);
            for (uint32_t k = 0; k < 4 && row + k < n_rows; k++) {
                double *sums = out + (size_t)(row + k) * n_outputs;
                for (uint32_t t = 0, o = tree % n_outputs; t < n; t++) {
                    sums[o] += forest->values[at[k * LANES + t]];
                    o = o + 1 == n_outputs ? 0 : o + 1;
                }
            }
        }
    }
}

TM_WALK_KERNELS(eights_narrow, TM_TARGET_AVX2, eights_loop, false, false, 0);
TM_WALK_KERNELS(eights_narrow_sets, TM_TARGET_AVX2, eights_loop, false, true, 0);
TM_WALK_KERNELS(eights_wide, TM_TARGET_AVX2, eights_loop, true, false, 0);
TM_WALK_KERNELS(eights_wide_sets, TM_TARGET_AVX2, eights_loop, true, true, 0);

static const kernels *eights_kernels(const tm_forest_codes *codes) {
    if (codes->is_wide) {
        return codes->sets != NULL ? &eights_wide_sets : &eights_wide;
    }
    return codes->sets != NULL ? &eights_narrow_sets : &eights_narrow;
}

#endif

/* ---- AVX-512 ---- */

#if defined(__x86_64__)
#define TM_TARGET_BYTES __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))

/* The codes of a row as lanes look them up. */
typedef struct row_codes {
    const uint8_t *bytes;
    __m512i low, high;
} row_codes;

/* Byte index[4 k] of 64, or of 128, as lane k. */
TM_TARGET_BYTES static inline __m512i bytes_one(__m512i index, __m512i low) {
    return _mm512_maskz_permutexvar_epi8(UINT64_C(0x1111111111111111), index, low);
}

TM_TARGET_BYTES static inline __m512i bytes_two(__m512i index, __m512i low, __m512i high) {
    return _mm512_maskz_permutex2var_epi8(UINT64_C(0x1111111111111111), low, index, high);
}

TM_TARGET_AVX512 static TM_ALWAYS_INLINE row_codes row_codes_of(shape s, const uint8_t *bytes) {
    const __m512i zero = _mm512_setzero_si512();
    return (row_codes){bytes, s.n_registers > 0 ? _mm512_loadu_si512(bytes) : zero,
                       s.n_registers > 1 ? _mm512_loadu_si512(bytes + 64) : zero};
}

/* Lanes at categorical nodes: whether they go right. */
TM_TARGET_AVX512 static TM_ALWAYS_INLINE __mmask16 sets_right(const tm_forest_codes *codes,
                                                              __mmask16 lanes, __m512i at,
                                                              __m512i code) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i set = _mm512_mask_i32gather_epi32(zero, lanes, at, codes->set_of, 4);
    const __m512i where = _mm512_add_epi32(set, _mm512_srli_epi32(code, 5));
    const __m512i word = _mm512_mask_i32gather_epi32(zero, lanes, where, codes->sets, 4);
    const __m512i bit = _mm512_srlv_epi32(word, _mm512_and_si512(code, _mm512_set1_epi32(31)));
    return _mm512_mask_testn_epi32_mask(lanes, bit, _mm512_set1_epi32(1));
}

TM_TARGET_AVX512 static TM_ALWAYS_INLINE __m512i lanes_step(const tm_forest_codes *codes, shape s,
                                                            row_codes row, __m512i roots,
                                                            __m512i at) {
    __m512i slot, code, than, left;
    if (s.is_wide) {
        const __m512i twice = _mm512_slli_epi32(at, 1), word = _mm512_set1_epi32(0xFFFF);
        const __m512i low = _mm512_i32gather_epi32(twice, codes->wide, 4);
        left = _mm512_i32gather_epi32(twice, (const uint8_t *)codes->wide + 4, 4);
        slot = _mm512_srli_epi32(low, 16);
        than = _mm512_and_si512(low, word);
        code = _mm512_and_si512(_mm512_i32gather_epi32(slot, row.bytes, 2), word);
    } else {
        const __m512i byte = _mm512_set1_epi32(0xFF);
        const __m512i node = _mm512_i32gather_epi32(at, codes->narrow, 4);
        left = _mm512_srli_epi32(node, 16);
        slot = _mm512_srli_epi32(node, 8);
        than = _mm512_and_si512(node, byte);
        if (s.n_registers == 1) {
            code = bytes_one(slot, row.low);
        } else if (s.n_registers == 2) {
            code = bytes_two(slot, row.low, row.high);
        } else {
            slot = _mm512_and_si512(slot, byte);
            code = _mm512_and_si512(_mm512_i32gather_epi32(slot, row.bytes, 1), byte);
        }
        slot = s.has_sets ? _mm512_and_si512(slot, byte) : slot;
    }
    __mmask16 right = _mm512_cmpgt_epu32_mask(code, than);
    if (s.has_sets) {
        const __mmask16 lanes =
            _mm512_cmpge_epu32_mask(slot, _mm512_set1_epi32((int)codes->n_numbers));
        if (lanes != 0) {
            right = (__mmask16)((right & ~lanes) | sets_right(codes, lanes, at, code));
        }
    }
    left = _mm512_add_epi32(left, roots);
    return _mm512_mask_add_epi32(left, right, left, _mm512_set1_epi32(1));
}

/* Walks of four registers to their leaves. */
TM_TARGET_AVX512 static TM_ALWAYS_INLINE void four_walk(const tm_forest_codes *codes, shape s,
                                                        const row_codes *rows, const __m512i *roots,
                                                        uint32_t sure, __m512i *at) {
    __m512i a = roots[0], b = roots[1], c = roots[2], d = roots[3];
    for (uint32_t i = 0; i < sure; i++) {
        a = lanes_step(codes, s, rows[0], roots[0], a);
        b = lanes_step(codes, s, rows[1], roots[1], b);
        c = lanes_step(codes, s, rows[2], roots[2], c);
        d = lanes_step(codes, s, rows[3], roots[3], d);
    }
    uint32_t moved;
    do {
        const __m512i a_next = lanes_step(codes, s, rows[0], roots[0], a);
        const __m512i b_next = lanes_step(codes, s, rows[1], roots[1], b);
        const __m512i c_next = lanes_step(codes, s, rows[2], roots[2], c);
        const __m512i d_next = lanes_step(codes, s, rows[3], roots[3], d);
        moved = (uint32_t)_mm512_cmpneq_epi32_mask(a, a_next) |
                (uint32_t)_mm512_cmpneq_epi32_mask(b, b_next) |
                (uint32_t)_mm512_cmpneq_epi32_mask(c, c_next) |
                (uint32_t)_mm512_cmpneq_epi32_mask(d, d_next);
        a = a_next;
        b = b_next;
        c = c_next;
        d = d_next;
    } while (moved != 0);
    at[0] = a;
    at[1] = b;
    at[2] = c;
    at[3] = d;
}

TM_TARGET_AVX512 static TM_ALWAYS_INLINE void values_get(const tm_forest *forest, __m512i at,
                                                         double *out) {
    const double *values = forest->values;
    _mm512_storeu_pd(out, _mm512_i32gather_pd(_mm512_castsi512_si256(at), values, 8));
    _mm512_storeu_pd(out + 8, _mm512_i32gather_pd(_mm512_extracti64x4_epi64(at, 1), values, 8));
}

/* Roots of a group of trees. A lane without a tree walks the first one in vain. */
TM_TARGET_AVX512 static TM_ALWAYS_INLINE __m512i group_roots(const tm_forest *forest,
                                                             uint32_t group) {
    const uint32_t first = group * TM_CODES_GROUP;
    const uint32_t left = first < forest->n_trees ? forest->n_trees - first : 0;
    const __mmask16 lanes = (__mmask16)(left >= 16 ? 0xFFFF : (1u << left) - 1);
    return _mm512_mask_loadu_epi32(_mm512_set1_epi32((int)forest->roots[0]), lanes,
                                   forest->roots + first);
}

TM_TARGET_AVX512 static TM_ALWAYS_INLINE void row_vector_loop(const tm_forest *forest, shape s,
                                                              const uint8_t *bytes, double *out) {
    const tm_forest_codes *codes = forest->codes;
    const row_codes row = row_codes_of(s, bytes);
    const row_codes rows[4] = {row, row, row, row};
    const uint32_t n_groups = (forest->n_trees + TM_CODES_GROUP - 1) / TM_CODES_GROUP;
    const uint32_t n_outputs = forest->n_outputs;
    uint32_t output = 0;
    for (uint32_t g = 0; g < n_groups; g += 4) {
        __m512i roots[4], at[4];
        double values[4 * TM_CODES_GROUP];
        uint32_t sure = 0;
        for (uint32_t k = 0; k < 4; k++) {
            roots[k] = group_roots(forest, g + k);
            sure = g + k < n_groups && codes->sure[g + k] > sure ? codes->sure[g + k] : sure;
        }
        four_walk(codes, s, rows, roots, sure, at);
        for (uint32_t k = 0; k < 4; k++) {
            values_get(forest, at[k], values + k * TM_CODES_GROUP);
        }
        const uint32_t left = forest->n_trees - g * TM_CODES_GROUP;
        const uint32_t n = left < 4 * TM_CODES_GROUP ? left : 4 * TM_CODES_GROUP;
        for (uint32_t k = 0; k < n; k++) {
            out[output] += values[k];
            output = output + 1 == n_outputs ? 0 : output + 1;
        }
    }
}

TM_TARGET_AVX512 static TM_ALWAYS_INLINE void block_vector_loop(const tm_forest *forest, shape s,
                                                                const uint8_t *block,
                                                                uint32_t n_rows, double *out) {
    const tm_forest_codes *codes = forest->codes;
    const size_t line = row_bytes(codes);
    const uint32_t n_groups = (forest->n_trees + TM_CODES_GROUP - 1) / TM_CODES_GROUP;
    const uint32_t n_outputs = forest->n_outputs;
    for (uint32_t g = 0; g < n_groups; g++) {
        const __m512i root = group_roots(forest, g);
        const __m512i roots[4] = {root, root, root, root};
        const uint32_t left = forest->n_trees - g * TM_CODES_GROUP;
        const uint32_t n = left < TM_CODES_GROUP ? left : TM_CODES_GROUP;
        const uint32_t output = g * TM_CODES_GROUP % n_outputs;
        for (uint32_t row = 0; row < n_rows; row += 4) {
            row_codes rows[4];
            __m512i at[4];
            for (uint32_t k = 0; k < 4; k++) {
                rows[k] = row_codes_of(s, block + (row + k) * line);
            }
            four_walk(codes, s, rows, roots, codes->sure[g], at);
            for (uint32_t k = 0; k < 4 && row + k < n_rows; k++) {
                double values[TM_CODES_GROUP];
                double *sums = out + (size_t)(row + k) * n_outputs;
                values_get(forest, at[k], values);
                for (uint32_t t = 0, o = output; t < n; t++) {
                    sums[o] += values[t];
                    o = o + 1 == n_outputs ? 0 : o + 1;
                }
            }
        }
    }
}

TM_WALK_KERNELS(one_register, TM_TARGET_BYTES, vector_loop, false, false, 1);
TM_WALK_KERNELS(one_register_sets, TM_TARGET_BYTES, vector_loop, false, true, 1);
TM_WALK_KERNELS(two_registers, TM_TARGET_BYTES, vector_loop, false, false, 2);
TM_WALK_KERNELS(two_registers_sets, TM_TARGET_BYTES, vector_loop, false, true, 2);
TM_WALK_KERNELS(narrow, TM_TARGET_AVX512, vector_loop, false, false, 0);
TM_WALK_KERNELS(narrow_sets, TM_TARGET_AVX512, vector_loop, false, true, 0);
TM_WALK_KERNELS(wide, TM_TARGET_AVX512, vector_loop, true, false, 0);
TM_WALK_KERNELS(wide_sets, TM_TARGET_AVX512, vector_loop, true, true, 0);

static const kernels *vector_kernels(const tm_forest_codes *codes) {
    const bool has_sets = codes->sets != NULL;
    if (codes->is_wide) {
        return has_sets ? &wide_sets : &wide;
    }
    if (codes->n_slots > 128 || !tm__simd_bytes()) {
        return has_sets ? &narrow_sets : &narrow;
    }
    if (codes->n_slots > 64) {
        return has_sets ? &two_registers_sets : &two_registers;
    }
    return has_sets ? &one_register_sets : &one_register;
}

#endif

/* ---- predictions ---- */

static const kernels *kernels_of(const tm_forest_codes *codes) {
#if defined(__x86_64__)
    switch (tm__simd()) {
    case TM_SIMD_AVX512:
        return vector_kernels(codes);
    case TM_SIMD_AVX2:
        return eights_kernels(codes);
    default:
        break;
    }
#endif
    return plain_kernels(codes);
}

static TM_ALWAYS_INLINE void row_predict(const tm_forest *forest, const double *const *cols,
                                         uint64_t row, uint8_t *codes, double *out) {
    row_fill(forest->codes, cols, row, codes);
    memcpy(out, forest->base, forest->n_outputs * sizeof(double));
    kernels_of(forest->codes)->row_add(forest, codes, out);
}

static void row_predict_wide(const tm_forest *forest, const double *const *cols, uint64_t row,
                             double *out) {
    _Alignas(64) uint8_t codes[WIDE_BYTES];
    row_predict(forest, cols, row, codes, out);
}

static void row_predict_narrow(const tm_forest *forest, const double *const *cols, uint64_t row,
                               double *out) {
    _Alignas(64) uint8_t codes[NARROW_BYTES];
    row_predict(forest, cols, row, codes, out);
}

void tm__forest_codes_predict_row(const tm_forest *forest, const double *const *cols, uint64_t row,
                                  double *out) {
    if (forest->codes->is_wide) {
        row_predict_wide(forest, cols, row, out);
    } else {
        row_predict_narrow(forest, cols, row, out);
    }
}

void tm__forest_codes_predict(const tm_forest *forest, const double *const *cols, uint64_t row,
                              uint32_t n_rows, void *block, double *out) {
    TM_ASSERT(n_rows <= tm__forest_codes_rows(forest->codes));
    if (tm__forest_masks_used(forest->codes)) {
        slots_fill(forest->codes, cols, row, n_rows, block);
        const size_t len = (size_t)forest->codes->n_slots * tm__forest_masks_stride(n_rows);
        tm__forest_masks_predict(forest, block, n_rows, (double *)(void *)((uint8_t *)block + len),
                                 out);
        return;
    }
    block_fill(forest->codes, cols, row, n_rows, block);
    for (uint32_t i = 0; i < n_rows; i++) {
        memcpy(out + (size_t)i * forest->n_outputs, forest->base,
               forest->n_outputs * sizeof(double));
    }
    kernels_of(forest->codes)->block_add(forest, block, n_rows, out);
}
