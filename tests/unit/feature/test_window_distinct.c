/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/rng.h"
#include "feature/window_priv.h"
#include "test.h"

enum { N = 4000, ASKED = 40000 };

/* Windows that rise, overlap, are empty and leap, over more than one chunk. */
static void sliding_counts_are_those_of_each_window_alone(void **state) {
    (void)state;
    static uint64_t cells[N];
    static tm_window_item items[N], asked[ASKED];
    static uint32_t begin[ASKED], end[ASKED];
    static double out[ASKED];
    const tm_ctx ctx = {0};
    for (uint32_t i = 0; i < N; i++) {
        cells[i] = tm__rng_at(2, i) % 40;
        items[i] = (tm_window_item){.entity = i < N / 3 ? 1 : 2, .row = i};
    }
    for (uint32_t q = 0; q < ASKED; q++) {
        asked[q].row = ASKED - 1 - q;
        const uint32_t at = (uint32_t)((uint64_t)q * N / ASKED), width = q < ASKED / 2 ? 60 : 3;
        const uint32_t entity_start = at < N / 3 ? 0 : N / 3;
        end[q] = at;
        begin[q] = at > entity_start + width ? at - width : entity_start;
    }
    tm_window_pass pass = {.ctx = &ctx,
                           .items = items,
                           .asked = asked,
                           .n_items = N,
                           .n_asked = ASKED,
                           .begin = begin,
                           .end = end};
    const tm_window_values v = {.n = N, .cells = cells};
    assert_true(tm__window_distinct(&pass, &v, out));
    for (uint32_t q = 0; q < ASKED; q++) {
        bool seen[40] = {false};
        uint32_t n = 0;
        for (uint32_t i = begin[q]; i < end[q]; i++) {
            n += !seen[cells[i]];
            seen[cells[i]] = true;
        }
        assert_true(out[ASKED - 1 - q] == n);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sliding_counts_are_those_of_each_window_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
