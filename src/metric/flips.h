/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Share of labels that are not what came true, from how often labels and answers agree.
 *
 * Answers are put into cells of like ones. In a cell a right label hits with a rate c that is known
 * from a reference only as far as the reference is large, and another label with a rate h(c); of a
 * share f of such labels, hits come at c + f (h(c) - c). c is integrated over what the reference
 * leaves open (a beta distribution), so a small reference is no evidence, and the evidence is a
 * Bayes factor of a mixture over f against f = 0: under f = 0 it passes 1 / alpha with a chance of
 * at most alpha, however often one looks while labels come.
 *
 * Sources: Robbins 1970, "Statistical methods related to the law of the iterated logarithm"
 *          (mixtures hold at any time); Natarajan, Dhillon, Ravikumar, Tewari 2013, "Learning with
 *          noisy labels", sec. 2 (class-conditional flips).
 */
#ifndef TM_METRIC_FLIPS_H
#define TM_METRIC_FLIPS_H

#include <stdint.h>

/* Like answers. */
typedef struct tm_flip_cell {
    uint64_t n, n_hits;     /* labels that are judged */
    double ref_n, ref_hits; /* of the reference: what c is known from; 0 <= ref_hits <= ref_n */
    double other_hits;      /* what a label that is not true hits with when it is known; NaN: a
                               flip, which hits where the right one does not */
} tm_flip_cell;

typedef struct tm_flips {
    double share;     /* most likely f, 0 .. 1 */
    double low, high; /* 95 % of f */
    double evidence;  /* log of the Bayes factor */
    double shifted; /* the same for a rate of hits of its own, by one step of log-odds in all cells,
                       and no flips: an honest sender whose world is another one. 0 where labels
                       that are not true are no flips of two classes */
} tm_flips;

/**
 * n_classes: a flip takes one of the others (2: the other one). Cells without labels say nothing;
 * without any: share 0, of 0 to 1.
 *
 * Cost: 9,400 logarithms and half as many exponentials a cell.  Threads: any.
 */
tm_flips tm__flips_judge(const tm_flip_cell *cells, uint32_t n_cells, uint32_t n_classes);

#endif
