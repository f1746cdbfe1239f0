/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a split route adds to a request: the choice of an arm for a unit of 12 bytes, by 1, 2 and 8
 * arms. serve_arms [CALLS]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "serve/arms.h"

enum { RUNS = 15, UNITS = 1024 };

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const uint64_t n_calls = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    static char units[UNITS][16];
    uint64_t sum = 0; /* keeps the calls */
    for (uint32_t i = 0; i < UNITS; i++) {
        (void)snprintf(units[i], sizeof units[i], "customer%04u", i);
    }
    for (uint32_t n = 1; n <= TM_ARMS_MAX; n = n == 1 ? 2 : n * 4) {
        tm_route route = {.n_arms = n, .salt = 1};
        double ns[RUNS];
        for (uint32_t i = 0; i < n; i++) {
            route.arms[i] = (tm_arm){.version = i + 1, .weight = TM_ARM_PARTS / n};
        }
        for (uint32_t r = 0; r < RUNS; r++) {
            const uint64_t start = tm__mono_ns();
            for (uint64_t i = 0; i < n_calls; i++) {
                sum += tm__arm_of(&route, (tm_str){units[i % UNITS], 12});
            }
            ns[r] = (double)(tm__mono_ns() - start) / (double)n_calls;
        }
        qsort(ns, RUNS, sizeof ns[0], compare);
        printf("%u arms: %.0f ns a choice (median of %d; %.0f to %.0f)\n", n, ns[RUNS / 2], RUNS,
               ns[0], ns[RUNS - 1]);
    }
    return sum == UINT64_MAX;
}
