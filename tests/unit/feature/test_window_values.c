/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/rng.h"
#include "feature/window_priv.h"
#include "test.h"

enum { N = 70000 };

static void missing_values_are_left_out_and_ranks_lead_to_the_rest(void **state) {
    (void)state;
    static int64_t ints[N];
    static tm_window_item items[N];
    for (uint32_t share = 0; share < 3; share++) { /* none, some and all are missing */
        for (uint32_t i = 0; i < N; i++) {
            ints[i] = tm__rng_at(1, i) % 2 < share ? TM_INT_MISSING : (int64_t)i;
            items[i] = (tm_window_item){.row = (i * 7 + 3) % N};
        }
        const tm_column col = {.name = "v", .type = TM_TYPE_INT, .ints = ints};
        const tm_window_events events = {.n_rows = N, .cols = &col};
        const tm_ctx ctx = {0};
        tm_window_pass pass = {.ctx = &ctx, .events = &events, .items = items, .n_items = N};
        tm_window_values v;
        assert_true(tm__window_values_init(&v, &pass, 0));
        uint64_t rank = 0;
        for (uint64_t i = 0; i < N; i++) {
            assert_int_equal(tm__window_rank(&v, i), rank);
            if (ints[items[i].row] != TM_INT_MISSING) {
                assert_int_equal(v.cells[rank], ints[items[i].row]);
                assert_int_equal(tm__window_position(&v, rank), i);
                rank++;
            }
        }
        assert_int_equal(v.n, rank);
        assert_int_equal(tm__window_rank(&v, N), rank);
        assert_true((v.ranks == NULL) == (share == 0));
        tm__window_values_done(&v);
        tm__window_values_done(&v);
    }
}

static void without_a_column_events_are_the_values(void **state) {
    (void)state;
    tm_window_pass pass = {.n_items = 5};
    tm_window_values v;
    assert_true(tm__window_values_init(&v, &pass, TM_WINDOW_EVENTS));
    assert_int_equal(v.n, 5);
    assert_int_equal(tm__window_rank(&v, 3), 3);
    tm__window_values_done(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_values_are_left_out_and_ranks_lead_to_the_rest),
        cmocka_unit_test(without_a_column_events_are_the_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
