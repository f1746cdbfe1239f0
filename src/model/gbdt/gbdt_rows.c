/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. A part's runs lie in two buffers at the same places. A split reads a leaf's run from one
 * and writes both sides to the other: the left side from the run's begin on, the right side from
 * its end back. Nothing is copied twice, and no branch depends on where a row goes.
 *
 *     buffer 0:  [ leaf 0 ............ ][ leaf 2 .... ]
 *                   split of leaf 0: v
 *     buffer 1:  [ leaf 0 > ][ < leaf 1 ]
 *
 * Invariant: the rows of a run ascend or descend, because reversing either gives the other. So the
 * gathers that follow walk through memory in one direction.
 */
#include "model/gbdt/gbdt_rows.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/mem.h"
#include "base/simd.h"

enum {
    AHEAD = 64,     /* rows from a prefetch to its use */
    SPARSE_ROWS = 8 /* when only one row in so many is of the leaf, its bin is fetched ahead */
};

bool tm__leaf_rows_init(uint64_t n_rows, uint32_t n_threads, uint32_t max_leaves,
                        tm_leaf_rows *out) {
    const uint64_t n_deals = (n_rows + TM_DEAL_ROWS - 1) / TM_DEAL_ROWS;
    uint64_t n_parts = n_threads < TM_PARTS_MAX ? n_threads : TM_PARTS_MAX;
    n_parts = n_parts < n_deals ? n_parts : n_deals;
    *out = (tm_leaf_rows){.n_rows = n_rows, .n_parts = (uint32_t)(n_parts > 0 ? n_parts : 1)};
    for (uint32_t p = 0; p < out->n_parts; p++) {
        uint64_t count = 0;
        for (uint64_t deal = p; deal < n_deals; deal += out->n_parts) {
            count += tm__deal_end(out, deal * TM_DEAL_ROWS) - deal * TM_DEAL_ROWS;
        }
        out->part_begin[p + 1] = out->part_begin[p] + count;
    }
    out->buffers[0] = tm__mem_alloc(n_rows, sizeof(uint32_t));
    out->buffers[1] = tm__mem_alloc(n_rows, sizeof(uint32_t));
    out->runs = tm__mem_zalloc((size_t)max_leaves * out->n_parts, sizeof(tm_row_run));
    return out->buffers[0] != NULL && out->buffers[1] != NULL && out->runs != NULL;
}

void tm__leaf_rows_done(tm_leaf_rows *rows) {
    tm__mem_free(rows->buffers[0]);
    tm__mem_free(rows->buffers[1]);
    tm__mem_free(rows->runs);
    *rows = (tm_leaf_rows){0};
}

void tm__leaf_rows_deal(tm_leaf_rows *rows, uint32_t part, const uint64_t *set) {
    const uint64_t step = (uint64_t)rows->n_parts * TM_DEAL_ROWS;
    uint32_t *out = rows->buffers[0] + rows->part_begin[part];
    uint32_t count = 0;
    for (uint64_t begin = (uint64_t)part * TM_DEAL_ROWS; begin < rows->n_rows; begin += step) {
        const uint64_t end = tm__deal_end(rows, begin);
        for (uint64_t row = begin; row < end; row++) {
            out[count] = (uint32_t)row;
            count += set == NULL || ((set[row >> 6] >> (row & 63)) & 1) != 0;
        }
    }
    rows->runs[part] = (tm_row_run){.begin = (uint32_t)rows->part_begin[part], .count = count};
}

void tm__leaf_rows_split(tm_leaf_rows *rows, uint32_t part, uint32_t leaf, uint32_t right,
                         const uint8_t *column, const tm_tree_set *left) {
    tm_row_run *run = &rows->runs[(uint64_t)leaf * rows->n_parts + part];
    const uint32_t n_left =
        tm__rows_divide(column, left, tm__leaf_rows_begin(rows, *run), run->count,
                        rows->buffers[1 - run->buffer] + run->begin);
    run->buffer = 1 - run->buffer;
    rows->runs[(uint64_t)right * rows->n_parts + part] = (tm_row_run){
        .begin = run->begin + n_left, .count = run->count - n_left, .buffer = run->buffer};
    run->count = n_left;
}

uint64_t tm__leaf_rows_count(const tm_leaf_rows *rows, uint32_t leaf) {
    uint64_t n = 0;
    for (uint32_t p = 0; p < rows->n_parts; p++) {
        n += tm__leaf_rows_run(rows, leaf, p)->count;
    }
    return n;
}

/* ---- dividing ---- */

uint32_t tm__rows_divide_ref(const uint8_t *column, const tm_tree_set *left, const uint32_t *rows,
                             uint32_t n, uint32_t *out) {
    uint32_t n_left = 0, n_right = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t bin = column[rows[i]];
        if (((left->bits[bin >> 6] >> (bin & 63)) & 1) != 0) {
            out[n_left++] = rows[i];
        } else {
            out[n - ++n_right] = rows[i];
        }
    }
    return n_left;
}

/* Rows of the leaf are that far apart, on average. */
static bool is_sparse(const uint32_t *rows, uint32_t n) {
    const uint32_t a = n > 0 ? rows[0] : 0, b = n > 0 ? rows[n - 1] : 0;
    return (a < b ? b - a : a - b) / SPARSE_ROWS >= n;
}

/* A row is written to both sides, and one of them moves on. */
static uint32_t divide_plain(const uint8_t *column, const tm_tree_set *left, const uint32_t *rows,
                             uint32_t n, uint32_t *out) {
    uint8_t goes_left[256];
    for (uint32_t bin = 0; bin < 256; bin++) {
        goes_left[bin] = (left->bits[bin >> 6] >> (bin & 63)) & 1;
    }
    const bool sparse = is_sparse(rows, n);
    uint32_t n_left = 0, i = 0;
    for (; sparse && i + AHEAD < n; i++) {
        const uint32_t row = rows[i];
        __builtin_prefetch(column + rows[i + AHEAD]);
        out[n_left] = row;
        out[n - 1 - i + n_left] = row;
        n_left += goes_left[column[row]];
    }
    for (; i < n; i++) {
        const uint32_t row = rows[i];
        out[n_left] = row;
        out[n - 1 - i + n_left] = row;
        n_left += goes_left[column[row]];
    }
    return n_left;
}

#if defined(__x86_64__)

typedef struct divided {
    uint32_t *left, *right; /* where the next rows go: from here, and before here */
} divided;

/* Sixteen rows. What is not yet read is at least as long as the gap between both sides, so a store
 * of sixteen to the left stays in the gap. */
TM_TARGET_AVX512 static inline divided divide_16(const uint8_t *column, __m512i left, __m512i rows,
                                                 divided to) {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i bins =
        _mm512_and_si512(_mm512_i32gather_epi32(rows, column, 1), _mm512_set1_epi32(255));
    const __m512i words = _mm512_permutexvar_epi32(_mm512_srli_epi32(bins, 5), left);
    const __m512i bits = _mm512_srlv_epi32(words, _mm512_and_si512(bins, _mm512_set1_epi32(31)));
    const __mmask16 is_left = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(1));
    const int n_left = __builtin_popcount(is_left), n_right = 16 - n_left;
    _mm512_storeu_si512(to.left, _mm512_maskz_compress_epi32(is_left, rows));
    const __m512i reverse = _mm512_sub_epi32(_mm512_set1_epi32(n_right - 1), lanes);
    const __m512i others =
        _mm512_permutexvar_epi32(reverse, _mm512_maskz_compress_epi32((__mmask16)~is_left, rows));
    to.left += n_left;
    to.right -= n_right;
    _mm512_mask_storeu_epi32(to.right, (__mmask16)((1u << n_right) - 1), others);
    return to;
}

TM_TARGET_AVX512 static uint32_t divide_avx512(const uint8_t *column, const tm_tree_set *left,
                                               const uint32_t *rows, uint32_t n, uint32_t *out) {
    const __m512i set = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)left->bits));
    const bool sparse = is_sparse(rows, n);
    divided to = {out, out + n};
    uint32_t i = 0;
    for (; sparse && i + 16 + AHEAD <= n; i += 16) {
        for (uint32_t k = 0; k < 16; k++) {
            __builtin_prefetch(column + rows[i + AHEAD + k]);
        }
        to = divide_16(column, set, _mm512_loadu_si512(rows + i), to);
    }
    for (; i + 16 <= n; i += 16) {
        to = divide_16(column, set, _mm512_loadu_si512(rows + i), to);
    }
    for (; i < n; i++) {
        const uint32_t bin = column[rows[i]];
        if (((left->bits[bin >> 6] >> (bin & 63)) & 1) != 0) {
            *to.left++ = rows[i];
        } else {
            *--to.right = rows[i];
        }
    }
    return (uint32_t)(to.left - out);
}

#endif

uint32_t tm__rows_divide(const uint8_t *column, const tm_tree_set *left, const uint32_t *rows,
                         uint32_t n, uint32_t *out) {
#if defined(__x86_64__)
    if (tm__simd() == TM_SIMD_AVX512) {
        return divide_avx512(column, left, rows, n, out);
    }
#endif
    return divide_plain(column, left, rows, n, out);
}
