/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "made_data.h"
#include "model/tree/tree.h"

#define COLS 5u
#define NODES 41u

/* A tree of random shape, splits and covers in the order a forest wants. */
static void tree_add(tm_forest *forest, uint64_t seed) {
    tm_tree_node nodes[NODES];
    double values[NODES];
    uint32_t covers[NODES] = {100000};
    const tm_tree_set set = {{0xB, 0, 0, 0}};
    uint32_t n = 1;
    for (uint32_t i = 0; i < n; i++) {
        const double u = made_random(seed, i);
        values[i] = 0;
        if (n + 2 > NODES || covers[i] < 3 || (i > 0 && u < 0.15)) {
            values[i] = u * 10 - 3;
            nodes[i] = (tm_tree_node){.threshold = (double)INFINITY,
                                      .left = i,
                                      .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
            continue;
        }
        const uint32_t column = (uint32_t)(made_random(seed, 100 + i) * COLS);
        nodes[i] = (tm_tree_node){.threshold = u * 3 - 1.5, .left = n, .meta = column};
        nodes[i].meta |= u < 0.5 ? TM_NODE_MISSING_LEFT : 0;
        if (column == 4) {
            nodes[i].meta |= TM_NODE_CATEGORICAL;
            nodes[i].set = 0;
        }
        covers[n] = 1 + (uint32_t)(made_random(seed, 200 + i) * (covers[i] - 2));
        covers[n + 1] = covers[i] - covers[n];
        n += 2;
    }
    const tm_tree_draft draft = {n, 1, nodes, values, covers, &set};
    assert_int_equal(tm__forest_add(forest, &draft, NULL), TM_OK);
}

/* The game, from its definition: what a node is worth when the columns of a set are known. */
static double worth(const tm_forest *forest, uint32_t at, uint32_t known,
                    const double *const *cols) {
    const tm_tree_node *node = &forest->nodes[at];
    if ((node->meta & TM_NODE_LEAF) != 0) {
        return forest->values[at];
    }
    if (((known >> (node->meta & TM_NODE_COLUMN)) & 1) != 0) {
        return worth(forest, tm__forest_next(forest, at, cols, 0), known, cols);
    }
    double sum = 0;
    for (uint32_t child = node->left; child < node->left + 2; child++) {
        sum += worth(forest, child, known, cols) * forest->covers[child];
    }
    return sum / forest->covers[at];
}

static double share_of_subsets(uint32_t size) {
    const double factorial[] = {1, 1, 2, 6, 24, 120};
    return factorial[size] * factorial[COLS - 1 - size] / factorial[COLS];
}

static double shapley(const tm_forest *forest, uint32_t column, const double *const *cols) {
    double sum = 0;
    for (uint32_t known = 0; known < 1u << COLS; known++) {
        if (((known >> column) & 1) != 0) {
            continue;
        }
        const double share = share_of_subsets((uint32_t)__builtin_popcount(known));
        for (uint32_t t = 0; t < forest->n_trees; t++) {
            const uint32_t root = forest->roots[t];
            sum += share * (worth(forest, root, known | (1u << column), cols) -
                            worth(forest, root, known, cols));
        }
    }
    return sum;
}

static void values_are_those_of_the_definition(void **state) {
    (void)state;
    const made_options options = {
        .n_rows = 40, .n_cols = COLS, .levels = {0, 0, 0, 0, 6}, .missing = {0.2, 0, 0, 0, 0.2}};
    made_data data;
    tm_forest forest;
    made_init(&data, &options);
    assert_int_equal(tm__forest_init(&forest, 1, COLS, NULL), TM_OK);
    forest.base[0] = 0.5;
    for (uint64_t seed = 1; seed < 8; seed++) {
        tree_add(&forest, seed);
    }
    for (uint64_t row = 0; row < options.n_rows; row++) {
        const double *cols[MADE_COLS_MAX];
        double out[COLS + 2], raw, sum = 0, mean = 0.5;
        (void)made_row(&data, row, cols);
        assert_int_equal(tm__forest_explain(&forest, cols, out, NULL), TM_OK);
        tm__forest_predict_row(&forest, cols, 0, &raw);
        for (uint32_t c = 0; c < COLS; c++) {
            assert_true(fabs(out[c] - shapley(&forest, c, cols)) < 1e-10);
            sum += out[c];
        }
        for (uint32_t t = 0; t < forest.n_trees; t++) {
            mean += worth(&forest, forest.roots[t], 0, cols);
        }
        assert_true(out[COLS] == 0 && fabs(out[COLS + 1] - mean) < 1e-10);
        assert_true(fabs(sum + mean - raw) < 1e-10);
    }
    tm__forest_done(&forest);
    made_done(&data);
}

static void outputs_have_lines_of_their_own(void **state) {
    (void)state;
    tm_forest forest;
    const double zero = 0.1;
    const double *cols[COLS] = {&zero, &zero, &zero, &zero, &zero};
    double out[2 * (COLS + 2)], raw[2];
    assert_int_equal(tm__forest_init(&forest, 2, COLS, NULL), TM_OK);
    for (uint64_t seed = 1; seed < 7; seed++) {
        tree_add(&forest, seed);
    }
    assert_int_equal(tm__forest_explain(&forest, cols, out, NULL), TM_OK);
    tm__forest_predict_row(&forest, cols, 0, raw);
    for (uint32_t k = 0; k < 2; k++) {
        double sum = 0;
        for (uint32_t c = 0; c < COLS + 2; c++) {
            sum += out[k * (COLS + 2) + c];
        }
        assert_true(fabs(sum - raw[k]) < 1e-10);
    }
    tm__mem_fail_at(1, false);
    assert_int_equal(tm__forest_explain(&forest, cols, out, NULL), TM_E_NOMEM);
    tm__mem_fail_at(0, false);
    tm__forest_done(&forest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_definition),
        cmocka_unit_test(outputs_have_lines_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
