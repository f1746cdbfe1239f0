/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/gbdt/gbdt_rows.h"

enum { ROWS = 3 * TM_DEAL_ROWS + 77, LEAVES = 9 };

typedef struct table {
    uint8_t columns[LEAVES][ROWS + 3];
    float g[ROWS], h[ROWS];
    int32_t packed[ROWS];
    uint64_t set[ROWS / 64 + 1];
    uint16_t leaf_of[ROWS]; /* UINT16_MAX: takes no part */
} table;

/* Sets of rows, by a plain list of leaves: every split sends each row where its bin says. */
static void check(const table *t, const tm_leaf_rows *rows, uint32_t n_leaves) {
    uint64_t seen = 0, expected = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        expected += t->leaf_of[row] != UINT16_MAX;
    }
    for (uint32_t leaf = 0; leaf < n_leaves; leaf++) {
        uint64_t count = 0;
        for (uint32_t part = 0; part < rows->n_parts; part++) {
            const tm_hist_rows of = tm__leaf_rows_of(rows, leaf, part);
            for (uint64_t i = 0; i < of.n; i++) {
                const uint32_t row = of.rows[i];
                assert_int_equal(t->leaf_of[row], leaf);
                assert_int_equal(row / TM_DEAL_ROWS % rows->n_parts, part);
                assert_int_equal(of.packed[i], t->packed[row]);
                assert_true(i < 2 || (of.rows[i - 1] > of.rows[i - 2]) == (row > of.rows[i - 1]));
            }
            count += of.n;
        }
        assert_int_equal(count, tm__leaf_rows_count(rows, leaf));
        seen += count;
    }
    assert_int_equal(seen, expected); /* each once: runs do not overlap and hold nothing twice */
}

static void splits(uint32_t n_threads, bool is_sampled) {
    table *t = tm__mem_zalloc(1, sizeof(*t));
    tm_leaf_rows rows;
    assert_true(tm__leaf_rows_init(ROWS, n_threads, LEAVES, &rows));
    for (uint32_t row = 0; row < ROWS; row++) {
        const bool takes_part = !is_sampled || tm__rng_at(1, row) % 3 == 0;
        t->set[row / 64] |= (uint64_t)takes_part << (row % 64);
        t->leaf_of[row] = takes_part ? 0 : UINT16_MAX;
        t->g[row] = (float)(tm__rng_at(2, row) >> 40);
        t->h[row] = 1;
        for (uint32_t c = 0; c < LEAVES; c++) {
            t->columns[c][row] = (uint8_t)tm__rng_at(3 + c, row);
        }
    }
    const tm_gradients gradients = {
        .n_rows = ROWS, .g = t->g, .h = t->h, .key = 5, .unit_g = 1 << 10, .unit_h = 1};
    tm__gradients_pack_rows(&gradients, 0, ROWS, t->packed);
    for (uint32_t part = 0; part < rows.n_parts; part++) {
        tm__leaf_rows_deal(&rows, part, is_sampled ? t->set : NULL, &gradients);
    }
    check(t, &rows, 1);
    for (uint32_t right = 1; right < LEAVES; right++) {
        const uint32_t leaf = (uint32_t)(tm__rng_at(99, right) % right);
        tm_tree_set left;
        for (uint32_t w = 0; w < 4; w++) {
            left.bits[w] = right == 3 ? 0 : tm__rng_at(77, right * 4 + w); /* 3: all go right */
        }
        for (uint32_t part = 0; part < rows.n_parts; part++) {
            tm__leaf_rows_split(&rows, part, leaf, right, t->columns[right], &left);
        }
        for (uint32_t row = 0; row < ROWS; row++) {
            const uint32_t bin = t->columns[right][row];
            if (t->leaf_of[row] == leaf && ((left.bits[bin / 64] >> (bin % 64)) & 1) == 0) {
                t->leaf_of[row] = (uint16_t)right;
            }
        }
        check(t, &rows, right + 1);
    }
    tm__leaf_rows_done(&rows);
    tm__mem_free(t);
}

static void rows_go_where_their_bins_say(void **state) {
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 5; n_threads++) {
        splits(n_threads, false);
        splits(n_threads, true);
    }
}

static void there_are_no_more_parts_than_blocks(void **state) {
    (void)state;
    const struct {
        uint64_t n_rows;
        uint32_t n_threads, n_parts;
    } cases[] = {{1, 8, 1}, {TM_DEAL_ROWS, 8, 1}, {TM_DEAL_ROWS + 1, 8, 2}, {1 << 20, 200, 64}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_leaf_rows rows;
        assert_true(tm__leaf_rows_init(cases[i].n_rows, cases[i].n_threads, 2, &rows));
        assert_int_equal(rows.n_parts, cases[i].n_parts);
        assert_int_equal(rows.part_begin[rows.n_parts], cases[i].n_rows);
        tm__leaf_rows_done(&rows);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_where_their_bins_say),
        cmocka_unit_test(there_are_no_more_parts_than_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
