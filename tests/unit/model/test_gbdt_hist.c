/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/gbdt/gbdt_hist.h"

/* Columns, cells of a column, rows in the table, rows added. */
typedef struct hist_case {
    const char *name;
    uint32_t n_columns, stride;
    uint64_t n_rows, n_added;
} hist_case;

static const hist_case cases[] = {
    {"no rows", 4, 64, 10, 0},
    {"one row", 4, 64, 10, 1},
    {"less than ahead", 8, 128, 30, 20},
    {"more than ahead", 8, 256, 500, 333},
    {"all rows", 28, 256, 700, 700},
    {"a wide table", 600, 256, 90, 77},
    {"half a load left", 12, 64, 99, 50},
    {"one column left over", 9, 256, 400, 399},
    {"two left over", 6, 256, 400, 399},
    {"three left over, of many", 67, 256, 400, 399},
    {"three alone", 3, 128, 400, 399},
    {"many of few bins", 101, 64, 400, 399},
    {"two tiles of rows, five of columns", 67, 256, 1100, 1090},
};

static void the_kernel_adds_what_the_plain_loop_adds(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const hist_case *c = &cases[i];
        const size_t n_cells = (size_t)c->n_columns * c->stride;
        uint8_t *by_row = tm__mem_alloc(c->n_rows, c->n_columns);
        int32_t *packed = tm__mem_alloc(c->n_rows, sizeof(int32_t));
        uint32_t *rows = tm__mem_alloc(c->n_rows, sizeof(uint32_t));
        int64_t *fast = tm__mem_zalloc(n_cells, sizeof(int64_t));
        int64_t *plain = tm__mem_zalloc(n_cells, sizeof(int64_t));
        for (uint64_t b = 0; b < c->n_rows * c->n_columns; b++) {
            by_row[b] = (uint8_t)(tm__rng_at(1, b) % c->stride);
        }
        uint32_t n = 0;
        for (uint64_t row = 0; row < c->n_rows; row++) {
            packed[row] = (int32_t)(uint32_t)tm__rng_at(2, row);
            const uint64_t left = c->n_rows - row;
            if (tm__rng_at(3, row) % left < c->n_added - n) {
                rows[n++] = (uint32_t)row;
            }
        }
        assert_int_equal(n, c->n_added);
        const tm_hist_source source = {
            .by_row = by_row, .row_bytes = c->n_columns, .stride = c->stride};
        const tm_hist_rows added = {rows, packed, n};
        const tm_hist_columns all = {0, c->n_columns},
                              tail = {c->n_columns / 8 * 4, c->n_columns - c->n_columns / 8 * 4};
        tm__hist_add(&source, all, added, fast);
        tm__hist_add_ref(&source, all, added, plain);
        tm__hist_add(&source, tail, added, fast);
        tm__hist_add_ref(&source, tail, added, plain);
        if (memcmp(fast, plain, n_cells * sizeof(int64_t)) != 0) {
            fail_msg("cells differ: %s", c->name);
        }
        tm__mem_free(by_row);
        tm__mem_free(packed);
        tm__mem_free(rows);
        tm__mem_free(fast);
        tm__mem_free(plain);
    }
}

static void a_histogram_that_is_shared_with_nobody_stays_as_it_is(void **state) {
    (void)state;
    tm_bundle bundles[] = {{.count = 1, .n_codes = 3}, {.count = 1, .n_codes = 64}};
    const tm_bundles both = {.n_bundles = 2, .bundles = bundles};
    int64_t cells[2 * 64], as_before[2 * 64], wire[3 + 64 + 1];
    for (int64_t i = 0; i < 2 * 64; i++) {
        cells[i] = as_before[i] = i * INT64_C(1000000007);
    }
    const tm_hist_wire by = {.bundles = &both, .stride = 64, .cells = wire};
    assert_int_equal(tm__hist_share(NULL, &by, cells, 77), 77);
    assert_memory_equal(cells, as_before, sizeof(cells));
    assert_memory_equal(wire, cells, 3 * sizeof(int64_t)); /* only codes go */
    assert_memory_equal(wire + 3, cells + 64, 64 * sizeof(int64_t));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_adds_what_the_plain_loop_adds),
        cmocka_unit_test(a_histogram_that_is_shared_with_nobody_stays_as_it_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
