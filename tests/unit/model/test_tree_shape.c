/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "model/tree/tree.h"

#define INNER(threshold_, left_, column)                                                           \
    { .threshold = (threshold_), .left = (left_), .meta = (column) }
#define LEAF(at)                                                                                   \
    { .threshold = INFINITY, .left = (at), .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT }

/* x0 <= 1 ? (x1 <= 2 ? 3 : 4) : 5, and a tree of one leaf */
static const tm_tree_node nodes[] = {INNER(1, 1, 0), INNER(2, 3, 1), LEAF(2), LEAF(3), LEAF(4)};
static const double values[] = {0, 0, 5, 3, 4};
static const uint32_t covers[] = {10, 6, 4, 1, 5};
static const tm_tree_draft draft = {5, 0, nodes, values, covers, NULL};
static const tm_tree_draft stump = {1, 0, &nodes[2], &values[2], &covers[2], NULL};

static void a_forest_is_described_by_its_size(void **state) {
    (void)state;
    tm_forest forest;
    double splits[3] = {0, 0, 7};
    tm_tree_node alone = LEAF(0);
    tm_tree_draft one = stump;
    one.nodes = &alone;
    assert_int_equal(tm__forest_init(&forest, 1, 3, NULL), TM_OK);
    assert_int_equal(tm__forest_add(&forest, &draft, NULL), TM_OK);
    assert_int_equal(tm__forest_add(&forest, &one, NULL), TM_OK);
    assert_int_equal(tm__forest_add(&forest, &draft, NULL), TM_OK);
    json_t *told = tm__forest_describe(&forest, json_pack("{s:s}", "kind", "trees"));
    json_t *want = json_pack("{s:s,s:i,s:i,s:i,s:i}", "kind", "trees", "n_trees", 3, "n_leaves", 7,
                             "max_leaves", 3, "max_depth", 2);
    assert_true(json_equal(told, want));
    tm__forest_add_splits(&forest, splits);
    assert_true(splits[0] == 2 && splits[1] == 2 && splits[2] == 7);
    assert_null(tm__forest_describe(&forest, NULL)); /* there was no memory for the head */
    json_decref(want);
    json_decref(told);
    tm__forest_done(&forest);
}

static void shares_of_gains_sum_to_one_or_are_none(void **state) {
    (void)state;
    const double gains[] = {1, 0, 3}, none[] = {0, 0, 0};
    double out[4] = {9, 9, 9, 9};
    tm__forest_importance(gains, 3, out);
    assert_true(out[0] == 0.25 && out[1] == 0 && out[2] == 0.75 && out[3] == 0);
    tm__forest_importance(none, 3, out);
    assert_true(out[0] == 0 && out[1] == 0 && out[2] == 0 && out[3] == 0);
    tm__forest_importance(none, 0, out);
    assert_true(out[0] == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forest_is_described_by_its_size),
        cmocka_unit_test(shares_of_gains_sum_to_one_or_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
