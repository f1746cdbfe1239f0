/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often an origin of labels is doubted: one that flips them, and one that is honest while the
 * world changes for all, or for it alone. Each line: the share of so many seeds in which the origin
 * is found wrong, would be without asking whether a base rate of its own explains it, and in which
 * any other one is.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "monitor/origin_judge.h"

/* Of three origins the third is told of; the other two share what it leaves. */
typedef struct scene {
    const char *name;
    double base;    /* log-odds that labels lie around */
    double sharp;   /* what labels follow of the answer: 1 all, 0 nothing, -1 its opposite */
    double third;   /* share of labels of the third origin */
    double flipped; /* of those */
    double shift;   /* its world alone has other log-odds */
} scene;

static const scene scenes[] = {
    {"5 % of all labels, all flipped", 0, 1, 0.05, 1, 0},
    {"5 % of all labels, all flipped, one in ten positive", -2.2, 1, 0.05, 1, 0},
    {"half of the labels, 5 % of them flipped", 0, 1, 0.5, 0.05, 0},
    {"half of the labels, 10 % of them flipped", 0, 1, 0.5, 0.1, 0},
    {"honest, same world", 0, 1, 0.2, 0, 0},
    {"honest, same world, one in ten positive", -2.2, 1, 0.2, 0, 0},
    {"honest, the world of all turned round", 0, -1, 0.2, 0, 0},
    {"honest, the answers say nothing any more", 0, 0, 0.2, 0, 0},
    {"honest, odds of its own twice as high", 0, 1, 0.2, 0, 0.69},
    {"honest, odds of its own four times as high", 0, 1, 0.2, 0, 1.39},
    {"the same, one in ten positive", -2.2, 1, 0.2, 0, 1.39},
};

static double normal(tm_rng *rng) {
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        sum += tm__rng_f64(rng);
    }
    return sum;
}

static tm_origin_label draw(tm_rng *rng, const scene *s, uint64_t i) {
    const double odds = 1.5 * normal(rng) + s->base, p = 1 / (1 + exp(-odds));
    const uint32_t origin = tm__rng_f64(rng) < s->third ? 2 : (uint32_t)(i % 2);
    const double own = s->base + s->sharp * (odds - s->base) + (origin == 2 ? s->shift : 0);
    bool hits = tm__rng_f64(rng) < 1 / (1 + exp(-own));
    hits = origin == 2 && tm__rng_f64(rng) < s->flipped ? !hits : hits;
    return (tm_origin_label){.at_us = (int64_t)i,
                             .origin = origin,
                             .hits = hits,
                             .is_copy = hits == (p >= 0.5),
                             .score = p,
                             .claim = p >= 0.5 ? p : 1 - p};
}

int main(int argc, char **argv) {
    const uint64_t n = 4000;
    const uint64_t n_seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
    tm_origin_label *const labels = tm__mem_alloc(n, sizeof(*labels));
    for (size_t k = 0; k < sizeof(scenes) / sizeof(scenes[0]) && labels != NULL; k++) {
        uint64_t n_third = 0, n_flips = 0, n_others = 0;
        for (uint64_t seed = 0; seed < n_seeds; seed++) {
            tm_rng rng = tm__rng_split(seed, "bench.origins", k);
            tm_origin_found found[3];
            for (uint64_t i = 0; i < n; i++) {
                labels[i] = draw(&rng, &scenes[k], i);
            }
            const tm_origin_input in = {.task = TM_ORIGIN_TWO,
                                        .n_classes = 2,
                                        .n_origins = 3,
                                        .labels = labels,
                                        .n = n,
                                        .error_rate = 0.25};
            if (tm__origins_judge(&in, found, NULL) != TM_OK) {
                return 1;
            }
            n_third += found[2].verdict == TM_ORIGIN_WRONG;
            n_flips += found[2].wrong.evidence >= log(3 / TM_ORIGIN_ALPHA) &&
                       found[2].wrong.share >= TM_ORIGIN_SHARE;
            n_others += found[0].verdict == TM_ORIGIN_WRONG || found[1].verdict == TM_ORIGIN_WRONG;
        }
        printf("%-56s %7.2f %% of %llu, without %.2f %%, others %.2f %%\n", scenes[k].name,
               100 * (double)n_third / (double)n_seeds, (unsigned long long)n_seeds,
               100 * (double)n_flips / (double)n_seeds, 100 * (double)n_others / (double)n_seeds);
    }
    tm__mem_free(labels);
    return 0;
}
