/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "made_data.h"
#include "model/tree/tree.h"

#define INNER(threshold_, left_, meta_)                                                            \
    { .threshold = (threshold_), .left = (left_), .meta = (meta_) }
#define LEAF(at)                                                                                   \
    { .threshold = INFINITY, .left = (at), .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT }

/* x0 <= 0.5, missing left ? (x1 in {0, 65}, missing right ? 1 : 2) : 4 */
static const tm_tree_node nodes[] = {
    INNER(0.5, 1, 0 | TM_NODE_MISSING_LEFT),
    {.set = 0, .left = 3, .meta = 1 | TM_NODE_CATEGORICAL},
    LEAF(2),
    LEAF(3),
    LEAF(4),
};
static const double values[] = {0, 0, 4, 1, 2};
static const uint32_t covers[] = {10, 6, 4, 1, 5};
static const tm_tree_set sets[] = {{{1, 2, 0, 0}}};
static const tm_tree_draft draft = {5, 1, nodes, values, covers, sets};
static const tm_tree_node lone[] = {LEAF(0)};
static const double lone_value[] = {0.25};
static const uint32_t lone_cover[] = {10};
static const tm_tree_draft stump = {1, 0, lone, lone_value, lone_cover, NULL};

static void forest_make(tm_forest *forest, uint32_t n_trees) {
    assert_int_equal(tm__forest_init(forest, 1, 2, NULL), TM_OK);
    forest->base[0] = 100;
    for (uint32_t t = 0; t < n_trees; t++) {
        assert_int_equal(tm__forest_add(forest, t % 3 == 2 ? &stump : &draft, NULL), TM_OK);
    }
}

static double answer(const tm_forest *forest, double x0, double x1) {
    const double *cols[2] = {&x0, &x1};
    double out;
    tm__forest_predict_row(forest, cols, 0, &out);
    return out;
}

static void rows_go_where_the_splits_say(void **state) {
    (void)state;
    for (uint32_t n = 1; n <= 20; n += 19) { /* one tree alone, many in lanes */
        tm_forest forest;
        forest_make(&forest, n);
        const double trees = n == 1 ? 1 : 14, rest = n == 1 ? 100 : 101.5;
        assert_true(answer(&forest, 0.5, 0) == rest + trees);
        assert_true(answer(&forest, NAN, 65) == rest + trees);
        assert_true(answer(&forest, -INFINITY, 64) == rest + 2 * trees);
        assert_true(answer(&forest, 0, NAN) == rest + 2 * trees);
        assert_true(answer(&forest, 0, -1) == rest + 2 * trees);
        assert_true(answer(&forest, 0, 256) == rest + 2 * trees);
        assert_true(answer(&forest, 0, 1e300) == rest + 2 * trees);
        assert_true(answer(&forest, nextafter(0.5, 1), 0) == rest + 4 * trees);
        assert_true(answer(&forest, INFINITY, 0) == rest + 4 * trees);
        tm__forest_done(&forest);
    }
}

static void a_batch_has_the_bits_of_its_rows_for_any_threads(void **state) {
    (void)state;
    const made_options options = {
        .n_rows = 1300, .n_cols = 2, .levels = {0, 70}, .missing = {0.1, 0.1}, .seed = 6};
    made_data data;
    tm_forest forest;
    made_init(&data, &options);
    forest_make(&forest, 21);
    double *out = tm__mem_alloc(options.n_rows, sizeof(double));
    for (uint32_t n = 1; n <= 3; n++) {
        tm_ctx ctx = {.pool = tm__pool_create(n)};
        assert_int_equal(tm__forest_predict(&ctx, &forest, &data.view, out, NULL), TM_OK);
        for (uint64_t row = 0; row < options.n_rows; row++) {
            double alone;
            tm__forest_predict_row(&forest, data.cols, row, &alone);
            assert_true(alone == out[row]);
        }
        tm__pool_free(ctx.pool);
    }
    tm__mem_free(out);
    tm__forest_done(&forest);
    made_done(&data);
}

static void a_forest_without_columns_gives_its_sum(void **state) {
    (void)state;
    tm_forest forest;
    double out[2];
    assert_int_equal(tm__forest_init(&forest, 2, 0, NULL), TM_OK);
    for (uint32_t t = 0; t < 20; t++) {
        assert_int_equal(tm__forest_add(&forest, &stump, NULL), TM_OK);
    }
    tm__forest_predict_row(&forest, NULL, 0, out);
    assert_true(out[0] == 2.5 && out[1] == 2.5);
    tm__forest_done(&forest);
}

static void truncating_forgets_the_last_trees_and_their_sets(void **state) {
    (void)state;
    tm_forest forest;
    forest_make(&forest, 8);
    tm__forest_truncate(&forest, 4);
    assert_true(forest.n_trees == 4 && forest.n_sets == 3 && forest.n_nodes == 16);
    assert_int_equal(tm__forest_add(&forest, &draft, NULL), TM_OK);
    assert_true(forest.nodes[17].set == 3);
    assert_true(answer(&forest, 0, 0) == 104.25);
    assert_int_equal(tm__forest_leaves(&forest, 4), 3);
    tm__forest_done(&forest);
}

typedef struct damage {
    const char *name;
    uint32_t word; /* of the file, in 4 bytes */
    uint32_t value;
} damage;

/* Head: 3 counts, base (2 words), sizes of 2 trees. Then 5 words a node. */
static const damage damages[] = {
    {"no trees for the nodes", 0, 0},
    {"trees without end", 0, 0xFFFFFFFF},
    {"nodes without end", 1, 0xFFFFFFFF},
    {"sets without end", 2, 0x7FFFFFFF},
    {"fewer sets", 2, 0},
    {"infinite base", 4, 0x7FF00000},
    {"an empty tree", 5, 0},
    {"a tree too large", 5, 50},
    {"a child that is the root", 7, 0},
    {"a child that is left out", 7, 2},
    {"a child past the end", 7, 500},
    {"a column past the end", 8, 2},
    {"an unknown flag", 8, 1u << 19},
    {"a cover that does not add up", 9, 11},
    {"a cover of nothing", 9, 0},
    {"a threshold that is NaN", 11, 0x7FF80000},
    {"a set past the end", 15, 9},
    {"a leaf elsewhere", 17, 1},
    {"a leaf that asks", 18, TM_NODE_LEAF | 1},
    {"an infinite leaf", 21, 0x7FF00000},
};

static void a_damaged_file_is_refused(void **state) {
    (void)state;
    tm_forest forest, again;
    tm_buf buf;
    tm_reader reader;
    forest_make(&forest, 2);
    tm__buf_init(&buf, 1 << 16);
    assert_int_equal(tm__forest_save(&forest, &buf, NULL), TM_OK);
    tm__reader_init(&reader, buf.data, buf.len);
    assert_int_equal(tm__forest_load(&reader, 1, 2, &again, NULL), TM_OK);
    assert_true(tm__reader_is_done(&reader) && answer(&again, 0, 0) == answer(&forest, 0, 0));
    assert_int_equal(again.depth_max, 2);
    tm__forest_done(&again);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        uint8_t *at = buf.data + damages[i].word * 4, was[4];
        memcpy(was, at, 4);
        for (uint32_t b = 0; b < 4; b++) {
            at[b] = (uint8_t)(damages[i].value >> (8 * b));
        }
        tm__reader_init(&reader, buf.data, buf.len);
        if (tm__forest_load(&reader, 1, 2, &again, NULL) != TM_E_INTEGRITY) {
            fail_msg("loaded: %s", damages[i].name);
        }
        memcpy(at, was, 4);
    }
    tm__buf_done(&buf);
    tm__forest_done(&forest);
}

static void adding_fails_cleanly_at_each_allocation(void **state) {
    (void)state;
    tm_forest forest;
    assert_int_equal(tm__forest_init(&forest, 1, 2, NULL), TM_OK);
    tm_status st = TM_E_NOMEM;
    for (uint64_t n = 1; st != TM_OK; n++) {
        tm__mem_fail_at(n, false);
        st = tm__forest_add(&forest, &draft, NULL);
        tm__mem_fail_at(0, false);
        assert_true(forest.n_trees == (st == TM_OK) && (st == TM_OK || forest.n_nodes == 0));
    }
    tm__forest_done(&forest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_where_the_splits_say),
        cmocka_unit_test(a_batch_has_the_bits_of_its_rows_for_any_threads),
        cmocka_unit_test(a_forest_without_columns_gives_its_sum),
        cmocka_unit_test(truncating_forgets_the_last_trees_and_their_sets),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(adding_fails_cleanly_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
