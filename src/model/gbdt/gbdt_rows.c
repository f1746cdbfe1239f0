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
    SPARSE_ROWS = 4 /* when only one row in so many is of the leaf, its bin is fetched ahead */
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
    for (uint32_t i = 0; i < 2; i++) {
        out->rows[i] = tm__mem_alloc(n_rows, sizeof(uint32_t));
        out->packed[i] = tm__mem_alloc(n_rows, sizeof(int32_t));
    }
    out->runs = tm__mem_zalloc((size_t)max_leaves * out->n_parts, sizeof(tm_row_run));
    return out->rows[0] != NULL && out->rows[1] != NULL && out->packed[0] != NULL &&
           out->packed[1] != NULL && out->runs != NULL;
}

void tm__leaf_rows_done(tm_leaf_rows *rows) {
    for (uint32_t i = 0; i < 2; i++) {
        tm__mem_free(rows->rows[i]);
        tm__mem_free(rows->packed[i]);
    }
    tm__mem_free(rows->runs);
    *rows = (tm_leaf_rows){0};
}

void tm__leaf_rows_deal(tm_leaf_rows *rows, uint32_t part, const uint64_t *set,
                        const tm_gradients *gradients) {
    const uint64_t step = (uint64_t)rows->n_parts * TM_DEAL_ROWS;
    uint32_t *out = rows->rows[0] + rows->part_begin[part];
    int32_t *out_packed = rows->packed[0] + rows->part_begin[part];
    TM_UNSET int32_t packed[TM_DEAL_ROWS];
    uint32_t count = 0;
    for (uint64_t begin = (uint64_t)part * TM_DEAL_ROWS; begin < rows->n_rows; begin += step) {
        const uint64_t end = tm__deal_end(rows, begin);
        tm__gradients_pack_rows(gradients, begin, end, set == NULL ? out_packed + count : packed);
        for (uint64_t row = begin; row < end && set == NULL; row++) {
            out[count++] = (uint32_t)row;
        }
        for (uint64_t row = begin; row < end && set != NULL; row++) {
            out[count] = (uint32_t)row;
            out_packed[count] = packed[row - begin];
            count += ((set[row >> 6] >> (row & 63)) & 1) != 0;
        }
    }
    rows->runs[part] = (tm_row_run){.begin = (uint32_t)rows->part_begin[part], .count = count};
}

tm_hist_rows tm__leaf_rows_of(const tm_leaf_rows *rows, uint32_t leaf, uint32_t part) {
    const tm_row_run run = rows->runs[(uint64_t)leaf * rows->n_parts + part];
    return (tm_hist_rows){rows->rows[run.buffer] + run.begin, rows->packed[run.buffer] + run.begin,
                          run.count};
}

void tm__leaf_rows_split(tm_leaf_rows *rows, uint32_t part, uint32_t leaf, uint32_t right,
                         const uint8_t *column, const tm_tree_set *left) {
    tm_row_run *run = &rows->runs[(uint64_t)leaf * rows->n_parts + part];
    const uint32_t to = 1 - run->buffer;
    const tm_divide divide = {.column = column,
                              .left = *left,
                              .in = tm__leaf_rows_of(rows, leaf, part),
                              .rows = rows->rows[to] + run->begin,
                              .packed = rows->packed[to] + run->begin};
    const uint32_t n_left = tm__rows_divide(&divide);
    run->buffer = to;
    rows->runs[(uint64_t)right * rows->n_parts + part] =
        (tm_row_run){.begin = run->begin + n_left, .count = run->count - n_left, .buffer = to};
    run->count = n_left;
}

uint64_t tm__leaf_rows_count(const tm_leaf_rows *rows, uint32_t leaf) {
    uint64_t n = 0;
    for (uint32_t p = 0; p < rows->n_parts; p++) {
        n += tm__leaf_rows_of(rows, leaf, p).n;
    }
    return n;
}

/* ---- dividing ---- */

static inline bool set_has(const tm_tree_set *set, uint32_t bin) {
    return ((set->bits[bin >> 6] >> (bin & 63)) & 1) != 0;
}

uint32_t tm__rows_divide_ref(const tm_divide *d) {
    uint32_t n_left = 0, n_right = 0;
    for (uint64_t i = 0; i < d->in.n; i++) {
        const bool is_left = set_has(&d->left, d->column[d->in.rows[i]]);
        const uint64_t to = is_left ? n_left++ : d->in.n - ++n_right;
        d->rows[to] = d->in.rows[i];
        d->packed[to] = d->in.packed[i];
    }
    return n_left;
}

/* Rows of the leaf are that far apart, on average. */
static bool is_sparse(tm_hist_rows in) {
    const uint32_t a = in.n > 0 ? in.rows[0] : 0, b = in.n > 0 ? in.rows[in.n - 1] : 0;
    return (a < b ? b - a : a - b) / SPARSE_ROWS >= in.n;
}

/* Rows that follow each other, as those of a tree's root do: their bins do, too. */
static bool is_dense(tm_hist_rows in) {
    return in.n > 0 && (uint64_t)in.rows[in.n - 1] + 1 == in.rows[0] + in.n;
}

/* A row is written to both sides, and one of them moves on. */
static uint32_t divide_plain(const tm_divide *divide) {
    const tm_divide d = *divide;
    const uint64_t ahead = is_sparse(d.in) && d.in.n > AHEAD ? d.in.n - AHEAD : 0;
    uint8_t goes_left[256];
    uint32_t n_left = 0;
    for (uint32_t bin = 0; bin < 256; bin++) {
        goes_left[bin] = set_has(&d.left, bin);
    }
    for (uint64_t i = 0; i < d.in.n; i++) {
        const uint32_t row = d.in.rows[i];
        const uint64_t right = d.in.n - 1 - i + n_left;
        if (i < ahead) {
            __builtin_prefetch(d.column + d.in.rows[i + AHEAD]);
        }
        d.rows[n_left] = d.rows[right] = row;
        d.packed[n_left] = d.packed[right] = d.in.packed[i];
        n_left += goes_left[d.column[row]];
    }
    return n_left;
}

#if defined(__x86_64__)

/* For each set of eight lanes: the numbers of those in it, in order, a byte each. */
#define TM_LANE(m, k)                                                                              \
    ((((m) >> (k)) & 1) != 0                                                                       \
         ? (uint64_t)(k) << (8 * __builtin_popcount((unsigned)((m) & ((1 << (k)) - 1))))           \
         : 0)
#define TM_LANES(m)                                                                                \
    (TM_LANE(m, 0) | TM_LANE(m, 1) | TM_LANE(m, 2) | TM_LANE(m, 3) | TM_LANE(m, 4) |               \
     TM_LANE(m, 5) | TM_LANE(m, 6) | TM_LANE(m, 7))
#define TM_LANES_4(m) TM_LANES(m), TM_LANES((m) + 1), TM_LANES((m) + 2), TM_LANES((m) + 3)
#define TM_LANES_16(m) TM_LANES_4(m), TM_LANES_4((m) + 4), TM_LANES_4((m) + 8), TM_LANES_4((m) + 12)
#define TM_LANES_64(m)                                                                             \
    TM_LANES_16(m), TM_LANES_16((m) + 16), TM_LANES_16((m) + 32), TM_LANES_16((m) + 48)
static const uint64_t lanes_of[256] = {TM_LANES_64(0), TM_LANES_64(64), TM_LANES_64(128),
                                       TM_LANES_64(192)};

/* The 8 lanes of x in an order of byte numbers. */
TM_TARGET_AVX2 static inline __m256i permuted(__m256i x, uint64_t order) {
    return _mm256_permutevar8x32_epi32(x, _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)order)));
}

/*
 * Eight rows a step, as divide_16() below has them; without compressing stores. Both sides are
 * stored whole: what is too much lies in the gap between them and is written over later, as long as
 * sixteen rows are to come.
 */
TM_TARGET_AVX2 static uint32_t divide_avx2(const tm_divide *divide) {
    const tm_divide d = *divide;
    const bool sparse = is_sparse(d.in);
    const __m256i left = _mm256_loadu_si256((const __m256i *)d.left.bits);
    uint32_t n_left = 0;
    uint64_t i = 0;
    for (; i + AHEAD + 16 <= d.in.n; i += 8) {
        for (uint32_t k = 0; k < 8 && sparse; k++) {
            __builtin_prefetch(d.column + d.in.rows[i + AHEAD + k]);
        }
        const __m256i rows = _mm256_loadu_si256((const __m256i *)(d.in.rows + i));
        const __m256i packed = _mm256_loadu_si256((const __m256i *)(d.in.packed + i));
        const __m256i bins = _mm256_and_si256(
            _mm256_i32gather_epi32((const int *)d.column, rows, 1), _mm256_set1_epi32(255));
        const __m256i words = _mm256_permutevar8x32_epi32(left, _mm256_srli_epi32(bins, 5));
        /* The bin's bit becomes the sign. */
        const __m256i up = _mm256_andnot_si256(bins, _mm256_set1_epi32(31));
        const __m256i signs = _mm256_sllv_epi32(words, up);
        const uint32_t is_left = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(signs));
        const uint32_t here = (uint32_t)__builtin_popcount(is_left);
        const uint64_t to_left = lanes_of[is_left];
        /* The others in reverse order, at the upper end. */
        const uint64_t to_right = __builtin_bswap64(lanes_of[is_left ^ 255]);
        const uint64_t right = d.in.n - 8 - i + n_left; /* end of the right side, less 8 */
        _mm256_storeu_si256((__m256i *)(d.rows + n_left), permuted(rows, to_left));
        _mm256_storeu_si256((__m256i *)(d.packed + n_left), permuted(packed, to_left));
        _mm256_storeu_si256((__m256i *)(d.rows + right), permuted(rows, to_right));
        _mm256_storeu_si256((__m256i *)(d.packed + right), permuted(packed, to_right));
        n_left += here;
    }
    const tm_divide rest = {.column = d.column,
                            .left = d.left,
                            .in = {d.in.rows + i, d.in.packed + i, d.in.n - i},
                            .rows = d.rows + n_left,
                            .packed = d.packed + n_left};
    return n_left + divide_plain(&rest);
}

TM_TARGET_AVX512 static TM_ALWAYS_INLINE __m512i bins_16(const tm_divide *d, __m512i rows,
                                                         uint64_t i, bool dense) {
    if (dense) {
        const void *const at = d->column + d->in.rows[0] + i;
        return _mm512_cvtepu8_epi32(_mm_loadu_si128(at));
    }
    return _mm512_and_si512(_mm512_i32gather_epi32(rows, d->column, 1), _mm512_set1_epi32(255));
}

/*
 * Sixteen rows from i on. What is not yet read is as long as the gap between both sides, so that a
 * store of sixteen to the left stays in the gap. n_left: so far; returns it after these.
 */
TM_TARGET_AVX512 static TM_ALWAYS_INLINE uint32_t divide_16(const tm_divide *d, __m512i left,
                                                            uint64_t i, uint32_t n_left,
                                                            bool dense) {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i rows = _mm512_loadu_si512(d->in.rows + i);
    const __m512i packed = _mm512_loadu_si512(d->in.packed + i);
    const __m512i bins = bins_16(d, rows, i, dense);
    const __m512i words = _mm512_permutexvar_epi32(_mm512_srli_epi32(bins, 5), left);
    const __m512i bits = _mm512_srlv_epi32(words, _mm512_and_si512(bins, _mm512_set1_epi32(31)));
    const __mmask16 is_left = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(1));
    const __mmask16 is_right = (__mmask16)~is_left;
    const uint32_t here = (uint32_t)__builtin_popcount(is_left);
    _mm512_storeu_si512(d->rows + n_left, _mm512_maskz_compress_epi32(is_left, rows));
    _mm512_storeu_si512(d->packed + n_left, _mm512_maskz_compress_epi32(is_left, packed));
    /* The others in reverse order, before those of the right side so far. */
    const __m512i reverse = _mm512_sub_epi32(_mm512_set1_epi32(15 - (int)here), lanes);
    const __mmask16 n_right = (__mmask16)((1u << (16 - here)) - 1);
    const uint64_t right = d->in.n - 16 - i + n_left + here;
    _mm512_mask_storeu_epi32(
        d->rows + right, n_right,
        _mm512_permutexvar_epi32(reverse, _mm512_maskz_compress_epi32(is_right, rows)));
    _mm512_mask_storeu_epi32(
        d->packed + right, n_right,
        _mm512_permutexvar_epi32(reverse, _mm512_maskz_compress_epi32(is_right, packed)));
    return n_left + here;
}

TM_TARGET_AVX512 static uint32_t divide_avx512(const tm_divide *divide) {
    const tm_divide d = *divide;
    const __m512i left = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)d.left.bits));
    uint32_t n_left = 0;
    uint64_t i = 0;
    if (is_sparse(d.in)) {
        for (; i + 16 + AHEAD <= d.in.n; i += 16) {
            for (uint32_t k = 0; k < 16; k++) {
                __builtin_prefetch(d.column + d.in.rows[i + AHEAD + k]);
            }
            n_left = divide_16(&d, left, i, n_left, false);
        }
    }
    const bool dense = is_dense(d.in);
    for (; dense && i + 16 <= d.in.n; i += 16) {
        n_left = divide_16(&d, left, i, n_left, true);
    }
    for (; i + 16 <= d.in.n; i += 16) {
        n_left = divide_16(&d, left, i, n_left, false);
    }
    for (; i < d.in.n; i++) {
        const uint64_t right = d.in.n - 1 - i + n_left;
        const bool is_left = set_has(&d.left, d.column[d.in.rows[i]]);
        const uint64_t to = is_left ? n_left : right;
        d.rows[to] = d.in.rows[i];
        d.packed[to] = d.in.packed[i];
        n_left += is_left;
    }
    return n_left;
}

#endif

uint32_t tm__rows_divide(const tm_divide *d) {
#if defined(__x86_64__)
    switch (tm__simd()) {
    case TM_SIMD_AVX512:
        return divide_avx512(d);
    case TM_SIMD_AVX2:
        return divide_avx2(d);
    default:
        break;
    }
#endif
    return divide_plain(d);
}
