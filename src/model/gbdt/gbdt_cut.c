/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. With G and H the sums of a side the score of a cut is
 *
 *     score(left) + score(right),  score(G, H) = max(|G| - l1, 0)^2 / (H + l2)
 *
 * (Chen and Guestrin 2016, doi:10.1145/2939672.2939785, eq. 7), with both fractions over one
 * denominator. Packed sums are added as they are, and unpacked when they are scored. There is a cut
 * after each bin that has rows: an empty one would repeat the cut before it.
 */
#include "model/gbdt/gbdt_cut.h"

#include <math.h>
#include <stdbool.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/simd.h"

enum { BINS_MAX = 256 };

static TM_ALWAYS_INLINE double score_of(const tm_cut_rules *r, double g, double h) {
    const double gl = tm__cut_shrink(g, r->l1), hl = h + r->l2;
    const double gr = tm__cut_shrink(r->g - g, r->l1), hr = r->h - h + r->l2;
    return (gl * gl * hr + gr * gr * hl) / (hl * hr);
}

double tm__cut_score(const tm_cut_rules *rules, double left_g, double left_h) {
    return score_of(rules, left_g, left_h);
}

void tm__cut_find_ref(const tm_cut_rules *rules, const int64_t *cells, uint32_t n_bins,
                      tm_cut *best) {
    int64_t sum = rules->with;
    for (uint32_t b = 0; b < n_bins; b++) {
        sum += cells[b];
        const double g = tm__packed_g(sum), h = tm__packed_h(sum);
        if (cells[b] != 0 && h >= rules->h_low && h <= rules->h_high) {
            const double score = score_of(rules, g, h);
            if (score > best->score) {
                *best = (tm_cut){.score = score, .bin = b, .left = sum};
            }
        }
    }
}

/* Sums one after the other, scores as vectors, then the largest. */
static TM_ALWAYS_INLINE void find_loop(const tm_cut_rules *rules, const int64_t *cells,
                                       uint32_t n_bins, tm_cut *best) {
    const tm_cut_rules r = *rules;
    TM_UNSET int64_t sums[BINS_MAX];
    TM_UNSET double scores[BINS_MAX];
    int64_t sum = r.with;
    double most = best->score;
    for (uint32_t b = 0; b < n_bins; b++) {
        sum += cells[b];
        sums[b] = sum;
    }
#pragma omp simd
    for (uint32_t b = 0; b < n_bins; b++) {
        const double g = tm__packed_g(sums[b]), h = tm__packed_h(sums[b]);
        const double gr = r.g - g, hl = h + r.l2, hr = r.h - h + r.l2;
        const double score = (g * g * hr + gr * gr * hl) / (hl * hr);
        const bool fits = (cells[b] != 0) & (h >= r.h_low) & (h <= r.h_high);
        scores[b] = fits ? score : 0;
    }
#pragma omp simd reduction(max : most)
    for (uint32_t b = 0; b < n_bins; b++) {
        most = scores[b] > most ? scores[b] : most;
    }
    for (uint32_t b = 0; most > best->score; b++) {
        if (scores[b] == most) {
            *best = (tm_cut){.score = most, .bin = b, .left = sums[b]};
        }
    }
}

#if defined(__x86_64__)

TM_TARGET_AVX2 static void find_avx2(const tm_cut_rules *rules, const int64_t *cells,
                                     uint32_t n_bins, tm_cut *best) {
    find_loop(rules, cells, n_bins, best);
}

/* Running sums of eight cells: three steps of shift and add. */
TM_TARGET_AVX512 static inline __m512i sums_8(__m512i cells) {
    const __m512i zero = _mm512_setzero_si512();
    cells = _mm512_add_epi64(cells, _mm512_alignr_epi64(cells, zero, 7));
    cells = _mm512_add_epi64(cells, _mm512_alignr_epi64(cells, zero, 6));
    return _mm512_add_epi64(cells, _mm512_alignr_epi64(cells, zero, 4));
}

/* What a score's dividend has to exceed, for each unit of the divisor, to be over `most`: a little
 * less than that, so that rounding cannot pass over a cut. Tiny scores have fewer bits. */
static inline double dividend_of(double most) {
    return most > 0x1p-900 ? most * (1 - 0x1p-48) : -1;
}

/* Whether a cut may be better than *best: without a branch, since few columns have one. What the
 * product rounds is less than dividend_of() leaves. */
TM_TARGET_AVX512 static inline bool may_find(const tm_cut_rules *rules, const int64_t *cells,
                                             uint32_t n_bins, double least) {
    const __m512d all_g = _mm512_set1_pd(rules->g), all_h = _mm512_set1_pd(rules->h);
    const __m512d l2 = _mm512_set1_pd(rules->l2), enough = _mm512_set1_pd(dividend_of(least));
    const __m512d h_low = _mm512_set1_pd(rules->h_low), h_high = _mm512_set1_pd(rules->h_high);
    const __m512i last = _mm512_set1_epi64(7);
    __m512i before = _mm512_set1_epi64(rules->with);
    uint32_t any = 0;
    for (uint32_t b = 0; b < n_bins; b += 8) {
        const __mmask8 in = (__mmask8)(n_bins - b < 8 ? (1u << (n_bins - b)) - 1 : 0xFF);
        const __m512i sums = _mm512_add_epi64(sums_8(_mm512_loadu_si512(cells + b)), before);
        before = _mm512_permutexvar_epi64(last, sums);
        const __m512d h = _mm512_cvtepi64_pd(_mm512_and_si512(sums, _mm512_set1_epi64(0xFFFFFFFF)));
        const __m512d g = _mm512_cvtepi64_pd(_mm512_srai_epi64(sums, 32));
        const __m512d gr = _mm512_sub_pd(all_g, g);
        const __m512d hl = _mm512_add_pd(h, l2);
        const __m512d hr = _mm512_add_pd(_mm512_sub_pd(all_h, h), l2);
        const __m512d above = _mm512_add_pd(_mm512_mul_pd(_mm512_mul_pd(g, g), hr),
                                            _mm512_mul_pd(_mm512_mul_pd(gr, gr), hl));
        const __m512d need = _mm512_mul_pd(enough, _mm512_mul_pd(hl, hr));
        any |= _mm512_mask_cmp_pd_mask(in, above, need, _CMP_GT_OQ) &
               _mm512_cmp_pd_mask(h, h_low, _CMP_GE_OQ) & _mm512_cmp_pd_mask(h, h_high, _CMP_LE_OQ);
    }
    return any != 0;
}

/* Eight cuts a step, in registers. A step without a left side that fits, or where no score can be
 * over the best so far, asks for no division. */
TM_TARGET_AVX512 static void find_avx512(const tm_cut_rules *rules, const int64_t *cells,
                                         uint32_t n_bins, tm_cut *best) {
    const __m512d all_g = _mm512_set1_pd(rules->g), all_h = _mm512_set1_pd(rules->h);
    const __m512d l2 = _mm512_set1_pd(rules->l2);
    const __m512d h_low = _mm512_set1_pd(rules->h_low), h_high = _mm512_set1_pd(rules->h_high);
    const __m512i last = _mm512_set1_epi64(7);
    __m512i before = _mm512_set1_epi64(rules->with);
    if (!may_find(rules, cells, n_bins, best->score)) {
        return;
    }
    __m512d most = _mm512_set1_pd(best->score), enough = _mm512_set1_pd(dividend_of(best->score));
    for (uint32_t b = 0; b < n_bins; b += 8) {
        const __m512i here = _mm512_loadu_si512(cells + b);
        const __mmask8 in = n_bins - b < 8 ? (__mmask8)((1u << (n_bins - b)) - 1) : 0xFF;
        const __mmask8 there = _mm512_mask_test_epi64_mask(in, here, here);
        if (there == 0) {
            continue;
        }
        const __m512i sums = _mm512_add_epi64(sums_8(here), before);
        before = _mm512_permutexvar_epi64(last, sums);
        const __m512d h = _mm512_cvtepi64_pd(_mm512_and_si512(sums, _mm512_set1_epi64(0xFFFFFFFF)));
        const __mmask8 fits = _mm512_mask_cmp_pd_mask(
            _mm512_mask_cmp_pd_mask(there, h, h_low, _CMP_GE_OQ), h, h_high, _CMP_LE_OQ);
        if (fits == 0) {
            continue;
        }
        const __m512d g = _mm512_cvtepi64_pd(_mm512_srai_epi64(sums, 32));
        const __m512d gr = _mm512_sub_pd(all_g, g);
        const __m512d hl = _mm512_add_pd(h, l2);
        const __m512d hr = _mm512_add_pd(_mm512_sub_pd(all_h, h), l2);
        const __m512d above = _mm512_add_pd(_mm512_mul_pd(_mm512_mul_pd(g, g), hr),
                                            _mm512_mul_pd(_mm512_mul_pd(gr, gr), hl));
        const __m512d below = _mm512_mul_pd(hl, hr);
        if (_mm512_mask_cmp_pd_mask(fits, above, _mm512_mul_pd(enough, below), _CMP_GT_OQ) == 0) {
            continue;
        }
        const __m512d score = _mm512_div_pd(above, below);
        const __mmask8 better = _mm512_mask_cmp_pd_mask(fits, score, most, _CMP_GT_OQ);
        if (better != 0) {
            const double largest = _mm512_mask_reduce_max_pd(better, score);
            most = _mm512_set1_pd(largest);
            enough = _mm512_set1_pd(dividend_of(largest));
            const __mmask8 first = _mm512_mask_cmp_pd_mask(better, score, most, _CMP_EQ_OQ);
            const unsigned lane = (unsigned)__builtin_ctz(first);
            int64_t lanes[8];
            _mm512_storeu_si512(lanes, sums);
            *best = (tm_cut){.score = largest, .bin = b + lane, .left = lanes[lane]};
        }
    }
}

#endif

void tm__cut_find(const tm_cut_rules *rules, const int64_t *cells, uint32_t n_bins, tm_cut *best) {
    if (rules->l1 > 0) { /* seldom asked for */
        tm__cut_find_ref(rules, cells, n_bins, best);
        return;
    }
#if defined(__x86_64__)
    switch (tm__simd()) {
    case TM_SIMD_AVX512:
        find_avx512(rules, cells, n_bins, best);
        return;
    case TM_SIMD_AVX2:
        find_avx2(rules, cells, n_bins, best);
        return;
    default:
        break;
    }
#endif
    find_loop(rules, cells, n_bins, best);
}
