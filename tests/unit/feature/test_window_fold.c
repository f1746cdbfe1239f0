/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/rng.h"
#include "feature/window.h"
#include "test.h"

/* One entity with more values than two chunks and three levels: windows of every length, against
 * plain loops over integers. */
enum { N = 100000, ASKED = 400 };

static void long_sums_and_extremes_are_those_of_plain_loops(void **state) {
    (void)state;
    static uint32_t entities[N], asked[ASKED];
    static int64_t known[N], values[N], moments[ASKED];
    double room[5][ASKED], *out[5];
    for (uint32_t i = 0; i < N; i++) {
        known[i] = i;
        values[i] = (int64_t)(tm__rng_at(3, i) % 2000001) - 1000000;
    }
    const tm_column col = {.name = "v", .type = TM_TYPE_INT, .ints = values};
    const tm_window_input input = tm__window_fit(&col, N);
    tm_window_feature features[5] = {{.fn = TM_WINDOW_SUM},
                                     {.fn = TM_WINDOW_MIN},
                                     {.fn = TM_WINDOW_MAX},
                                     {.fn = TM_WINDOW_SHARE, .level = values[7]},
                                     {.fn = TM_WINDOW_LAG, .lag = 2}};
    const tm_window_events events = {N, entities, known, &col};
    const tm_window_queries queries = {ASKED, asked, moments};
    const tm_window_plan plan = {1, &input, 5, features, 0};
    static const int64_t widths[] = {1, 15, 16, 17, 33, 300, 5000, 70000, N};
    const tm_ctx ctx = {0};
    for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
        for (uint32_t i = 0; i < 5; i++) {
            features[i].width_us = widths[w];
            out[i] = room[i];
        }
        for (uint32_t q = 0; q < ASKED; q++) {
            moments[q] = (int64_t)(tm__rng_at(4, q) % N);
        }
        assert_int_equal(tm__windows_apply(&ctx, &plan, &events, &queries, out, NULL), TM_OK);
        for (uint32_t q = 0; q < ASKED; q++) {
            const int64_t end = moments[q], begin = end > widths[w] ? end - widths[w] : 0;
            int64_t sum = 0, least = INT64_MAX, most = INT64_MIN, n_equal = 0;
            for (int64_t i = begin; i < end; i++) {
                sum += values[i];
                least = values[i] < least ? values[i] : least;
                most = values[i] > most ? values[i] : most;
                n_equal += values[i] == values[7];
            }
            assert_true(out[0][q] == (double)sum);
            if (end > begin) {
                assert_true(out[1][q] == (double)least && out[2][q] == (double)most);
                assert_true(out[3][q] == (double)n_equal / (double)(end - begin));
            }
            assert_true(end - begin < 3 ? out[4][q] != out[4][q]
                                        : out[4][q] == (double)values[end - 3]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_sums_and_extremes_are_those_of_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
