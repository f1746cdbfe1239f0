/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Leaves of a tree are numbered from left to right, bit i of a row's mask is leaf i, and
 * all are set at first. A node that sends the row right clears those of its left subtree. Of two
 * leaves that are left, the left one is the row's: at the node where their ways part the row did
 * not go right, or the bit would be gone; and the row's own leaf is never cleared.
 *
 * Masks of 64 rows lie as planes: byte p of each row's mask is register p.
 *
 *     went right   compare 64 codes of the slot with the node's, as 64 bytes of 0 or 255
 *     plane p      plane p & ~(went right & bits to clear)      one instruction for each p
 *
 * The first plane that is not 0 and the lowest bit of its byte are the leaf. Sums of outputs are
 * kept by output, so that values of 8 rows are added at once, tree after tree: the bits are those
 * of the walk.
 */
#include "model/tree/tree_masks.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/assert.h"
#include "base/mem.h"
#include "base/simd.h"

enum {
    LEAVES_MAX = 64,
    NODES_MAX = 2 * LEAVES_MAX - 1,
    ROWS = 64, /* of a register */
    HEAD = 2   /* words of a node before its planes */
};

#define FOUR_TIMES UINT32_C(0x01010101)

static uint32_t tree_size(const tm_forest *forest, uint32_t tree) {
    const uint32_t end = tm__forest_end(forest, tree);
    return end - forest->roots[tree];
}

/* ---- making ---- */

/* The nodes of a tree to `out`, its leaves to values; where the next tree's nodes go. */
static uint32_t *tree_fill(const tm_forest *forest, const tm_forest_codes *codes, uint32_t tree,
                           uint32_t n_planes, uint32_t *out, double *values) {
    const uint32_t root = forest->roots[tree], n = tree_size(forest, tree);
    /* Below a node: how many leaves, from which on. */
    uint32_t leaves[NODES_MAX] = {0}, begin[NODES_MAX] = {0};
    for (uint32_t i = n; i-- > 0;) { /* children come after their parents */
        const tm_tree_node *node = &forest->nodes[root + i];
        const uint32_t left = node->left - root;
        const bool is_leaf = (node->meta & TM_NODE_LEAF) != 0;
        leaves[i] = is_leaf ? 1 : leaves[left] + leaves[left + 1];
    }
    begin[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const tm_tree_node *node = &forest->nodes[root + i];
        if ((node->meta & TM_NODE_LEAF) != 0) {
            values[begin[i]] = forest->values[root + i];
            continue;
        }
        const uint32_t left = node->left - root, code = codes->narrow[root + i];
        begin[left] = begin[i];
        begin[left + 1] = begin[i] + leaves[left];
        const uint64_t clear = ((UINT64_C(1) << leaves[left]) - 1) << begin[i];
        out[0] = (code >> 8) & 0xFF;
        out[1] = (code & 0xFF) * FOUR_TIMES;
        for (uint32_t p = 0; p < n_planes; p++) {
            out[HEAD + p] = ((uint32_t)(clear >> 8 * p) & 0xFF) * FOUR_TIMES;
        }
        out += HEAD + n_planes;
    }
    return out;
}

bool tm__forest_masks_create(const tm_forest *forest, tm_forest_codes *codes) {
    uint32_t most = 1, n_inner = 0;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t n = tree_size(forest, t);
        most = n > most ? n : most;
        n_inner += n / 2;
    }
    if (codes->is_wide || codes->sets != NULL || most > NODES_MAX || n_inner == 0) {
        return true;
    }
    tm_forest_masks *masks = tm__mem_zalloc(1, sizeof(*masks));
    if (masks == NULL) {
        return false;
    }
    codes->masks = masks;
    masks->n_planes = (most + 1) / 2 > LEAVES_MAX / 2 ? 8 : 4;
    const size_t stride = HEAD + (size_t)masks->n_planes, n_values = 8 * (size_t)masks->n_planes;
    masks->ends = tm__mem_alloc(forest->n_trees, sizeof(uint32_t));
    masks->nodes = tm__mem_alloc(n_inner, stride * sizeof(uint32_t));
    masks->values = tm__mem_zalloc(forest->n_trees, n_values * sizeof(double));
    if (masks->ends == NULL || masks->nodes == NULL || masks->values == NULL) {
        return false;
    }
    uint32_t *out = masks->nodes;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        out = tree_fill(forest, codes, t, masks->n_planes, out, masks->values + t * n_values);
        masks->ends[t] = (uint32_t)((size_t)(out - masks->nodes) / stride);
    }
    TM_ASSERT(masks->ends[forest->n_trees - 1] == n_inner);
    return true;
}

void tm__forest_masks_free(tm_forest_masks *masks) {
    if (masks != NULL) {
        tm__mem_free(masks->ends);
        tm__mem_free(masks->nodes);
        tm__mem_free(masks->values);
        tm__mem_free(masks);
    }
}

/* ---- predicting ---- */

bool tm__forest_masks_used(const tm_forest_codes *codes) {
    return codes->masks != NULL && tm__simd() == TM_SIMD_AVX512;
}

uint32_t tm__forest_masks_stride(uint32_t n_rows) {
    return (n_rows + ROWS - 1) / ROWS * ROWS;
}

#if defined(__x86_64__)

#define PLANE_AND_NOT_BOTH 0x70 /* a & ~(b & c) as a truth table */

/* Leaves of 64 rows: the lowest bit of the first byte that is not 0. */
TM_TARGET_AVX512 static TM_ALWAYS_INLINE __m512i leaves_find(const __m512i *planes,
                                                             uint32_t n_planes) {
    /* Place of the lowest bit of a half byte; of the upper half, 4 more. */
    const __m512i low =
        _mm512_broadcast_i32x4(_mm_setr_epi8(8, 0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0));
    const __m512i high =
        _mm512_broadcast_i32x4(_mm_setr_epi8(8, 4, 5, 4, 6, 4, 5, 4, 7, 4, 5, 4, 6, 4, 5, 4));
    const __m512i half = _mm512_set1_epi8(15);
    __m512i byte = planes[0], base = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (uint32_t p = 1; p < n_planes; p++) {
        const __mmask64 none = _mm512_testn_epi8_mask(byte, byte);
        byte = _mm512_mask_mov_epi8(byte, none, planes[p]);
        base = _mm512_mask_mov_epi8(base, none, _mm512_set1_epi8((char)(8 * p)));
    }
    const __m512i upper = _mm512_and_si512(_mm512_srli_epi16(byte, 4), half);
    const __m512i place = _mm512_min_epu8(_mm512_shuffle_epi8(low, _mm512_and_si512(byte, half)),
                                          _mm512_shuffle_epi8(high, upper));
    return _mm512_add_epi8(base, place);
}

/* The values of 8 leaves, of 32 that are in registers. */
TM_TARGET_AVX512 static TM_ALWAYS_INLINE __m512d values_pick(const __m512d *values, __m512i leaf) {
    const __mmask8 is_upper = _mm512_test_epi64_mask(leaf, _mm512_set1_epi64(16));
    return _mm512_mask_blend_pd(is_upper, _mm512_permutex2var_pd(values[0], leaf, values[1]),
                                _mm512_permutex2var_pd(values[2], leaf, values[3]));
}

/* One tree for all rows: adds to sums [stride]. */
TM_TARGET_AVX512 static TM_ALWAYS_INLINE void
tree_add_loop(uint32_t n_planes, const uint32_t *nodes, const uint32_t *end, const double *values,
              const uint8_t *slots, uint32_t stride, double *sums) {
    __m512d table[4];
#pragma GCC unroll 4
    for (uint32_t k = 0; k < 4; k++) {
        table[k] = _mm512_loadu_pd(values + 8 * k);
    }
    for (uint32_t row = 0; row < stride; row += ROWS) {
        __m512i planes[8];
        _Alignas(64) uint8_t leaves[ROWS];
#pragma GCC unroll 8
        for (uint32_t p = 0; p < n_planes; p++) {
            planes[p] = _mm512_set1_epi8(-1);
        }
        for (const uint32_t *node = nodes; node < end; node += HEAD + n_planes) {
            const __m512i codes = _mm512_loadu_si512(slots + (size_t)node[0] * stride + row);
            const __m512i than = _mm512_set1_epi32((int)node[1]);
            const __m512i right = _mm512_movm_epi8(_mm512_cmpgt_epu8_mask(codes, than));
#pragma GCC unroll 8
            for (uint32_t p = 0; p < n_planes; p++) {
                planes[p] = _mm512_ternarylogic_epi32(
                    planes[p], right, _mm512_set1_epi32((int)node[HEAD + p]), PLANE_AND_NOT_BOTH);
            }
        }
        _mm512_store_si512(leaves, leaves_find(planes, n_planes));
#pragma GCC unroll 8
        for (uint32_t k = 0; k < ROWS; k += 8) {
            const __m512i leaf =
                _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)(leaves + k)));
            const __m512d value =
                n_planes == 4 ? values_pick(table, leaf) : _mm512_i64gather_pd(leaf, values, 8);
            _mm512_storeu_pd(sums + row + k, _mm512_add_pd(_mm512_loadu_pd(sums + row + k), value));
        }
    }
}

TM_TARGET_AVX512 static void tree_add_4(const uint32_t *nodes, const uint32_t *end,
                                        const double *values, const uint8_t *slots, uint32_t stride,
                                        double *sums) {
    tree_add_loop(4, nodes, end, values, slots, stride, sums);
}

TM_TARGET_AVX512 static void tree_add_8(const uint32_t *nodes, const uint32_t *end,
                                        const double *values, const uint8_t *slots, uint32_t stride,
                                        double *sums) {
    tree_add_loop(8, nodes, end, values, slots, stride, sums);
}

void tm__forest_masks_predict(const tm_forest *forest, const uint8_t *slots, uint32_t n_rows,
                              double *sums, double *out) {
    const tm_forest_masks *masks = forest->codes->masks;
    const uint32_t stride = tm__forest_masks_stride(n_rows), k = forest->n_outputs;
    const size_t words = HEAD + (size_t)masks->n_planes;
    for (uint32_t output = 0; output < k; output++) {
        for (uint32_t row = 0; row < stride; row++) {
            sums[(size_t)output * stride + row] = forest->base[output];
        }
    }
    const uint32_t *node = masks->nodes;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t *end = masks->nodes + masks->ends[t] * words;
        const double *values = masks->values + (size_t)t * 8 * masks->n_planes;
        (masks->n_planes == 4 ? tree_add_4 : tree_add_8)(node, end, values, slots, stride,
                                                         sums + (size_t)(t % k) * stride);
        node = end;
    }
    for (uint32_t output = 0; output < k; output++) {
        for (uint32_t row = 0; row < n_rows; row++) {
            out[(size_t)row * k + output] = sums[(size_t)output * stride + row];
        }
    }
}

#else

void tm__forest_masks_predict(const tm_forest *forest, const uint8_t *slots, uint32_t n_rows,
                              double *sums, double *out) {
    (void)forest;
    (void)slots;
    (void)n_rows;
    (void)sums;
    (void)out;
    TM_ASSERT(false); /* tm__forest_masks_used() said no */
}

#endif
