/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/simd.h"
#include "made_forest.h"
#include "model/tree/tree.h"

#define COLS_MAX 10u

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

/* Chance that the columns before a given one, in a random order of n, are a given set of size. */
static double share_of_subsets(uint32_t size, uint32_t n) {
    double share = 1.0 / n;
    for (uint32_t i = 1; i <= size; i++) { /* size! (n - 1 - size)! / n! */
        share *= (double)i / (n - i);
    }
    return share;
}

/* out [n_outputs x (n_cols + 2)] by sums over all subsets. */
static void define(const tm_forest *forest, const double *const *cols, double *out) {
    const uint32_t n = forest->n_cols, k = forest->n_outputs;
    double *worths = tm__mem_alloc(UINT64_C(1) << n, sizeof(double));
    memset(out, 0, k * (n + 2) * sizeof(double));
    for (uint32_t output = 0; output < k; output++) {
        double *line = out + output * (n + 2);
        for (uint32_t known = 0; known < 1u << n; known++) {
            worths[known] = forest->base[output];
            for (uint32_t t = output; t < forest->n_trees; t += k) {
                worths[known] += worth(forest, forest->roots[t], known, cols);
            }
        }
        line[n + 1] = worths[0];
        for (uint32_t c = 0; c < n; c++) {
            for (uint32_t known = 0; known < 1u << n; known++) {
                if (((known >> c) & 1) == 0) {
                    line[c] += (worths[known | (1u << c)] - worths[known]) *
                               share_of_subsets((uint32_t)__builtin_popcount(known), n);
                }
            }
        }
    }
    tm__mem_free(worths);
}

/* A line and the raw score it sums to; NULL or what is wrong. */
static const char *line_fault(const tm_forest *forest, const double *const *cols, const double *got,
                              const double *want) {
    const uint32_t line = forest->n_cols + 2;
    double raw[8];
    tm__forest_predict_row_ref(forest, cols, 0, raw);
    for (uint32_t k = 0; k < forest->n_outputs; k++) {
        double sum = 0;
        for (uint32_t c = 0; c < line; c++) {
            sum += got[k * line + c];
            if (want != NULL && !(fabs(got[k * line + c] - want[k * line + c]) < 1e-10)) {
                return "not the value of the definition";
            }
        }
        if (!(fabs(sum - raw[k]) < 1e-10)) {
            return "parts that do not add up to the score";
        }
    }
    return NULL;
}

typedef struct shap_case {
    const char *name;
    uint32_t n_rows;
    made_forest_options options;
} shap_case;

#define FOREST(...)                                                                                \
    { __VA_ARGS__ }

/* The row generator gives missing values, infinities, thresholds, codes and no codes to all. */
static const shap_case cases[] = {
    {"one leaf", 3, FOREST(.n_cols = 2, .n_trees = 1, .nodes_max = 1, .thresholds = 5, .codes = 4)},
    {"one column", 9,
     FOREST(.n_cols = 1, .n_trees = 6, .nodes_max = 41, .thresholds = 30, .codes = 4)},
    {"a few columns, again and again on a path", 6,
     FOREST(.n_cols = 3, .n_trees = 9, .nodes_max = 301, .thresholds = 30, .codes = 4)},
    {"sets", 6,
     FOREST(.n_cols = 5, .n_trees = 9, .nodes_max = 101, .thresholds = 30, .categories = 2,
            .codes = 20)},
    {"outputs", 6,
     FOREST(.n_outputs = 3, .n_cols = 6, .n_trees = 12, .nodes_max = 61, .thresholds = 30,
            .categories = 3, .codes = 20)},
    {"chains", 3,
     FOREST(.n_cols = 7, .n_trees = 4, .nodes_max = 1001, .thresholds = 30, .categories = 4,
            .codes = 20, .is_chain = true)},
    {"ten columns", 3,
     FOREST(.n_cols = COLS_MAX, .n_trees = 5, .nodes_max = 101, .thresholds = 30, .categories = 4,
            .codes = 9)},
};

static void values_are_those_of_the_definition(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint64_t seed = 1; seed <= 4; seed++) {
            made_forest_options options = cases[i].options;
            tm_forest forest;
            options.seed = 1000 * i + seed;
            made_forest_init(&forest, &options);
            for (uint64_t row = 0; row < cases[i].n_rows; row++) {
                double cells[COLS_MAX], got[3 * (COLS_MAX + 2)], want[3 * (COLS_MAX + 2)];
                const double *cols[COLS_MAX];
                made_forest_row(&options, row, cells);
                for (uint32_t c = 0; c < options.n_cols; c++) {
                    cols[c] = &cells[c];
                }
                define(&forest, cols, want);
                assert_int_equal(tm__forest_explain(&forest, cols, got, NULL), TM_OK);
                const char *fault = line_fault(&forest, cols, got, want);
                if (fault != NULL) {
                    fail_msg("%s, seed %llu, row %llu: %s", cases[i].name, (unsigned long long)seed,
                             (unsigned long long)row, fault);
                }
            }
            tm__forest_done(&forest);
        }
    }
}

/* Wide forests with paths of many different columns: too many subsets, but the sum is known. */
static void parts_of_many_columns_add_up(void **state) {
    (void)state;
    const made_forest_options some[] = {
        {.n_cols = 90, .n_trees = 30, .nodes_max = 801, .thresholds = 50, .codes = 9, .seed = 1},
        {.n_cols = 900,
         .n_trees = 4,
         .nodes_max = 1801,
         .thresholds = 50,
         .categories = 3,
         .codes = 9,
         .is_chain = true,
         .seed = 2},
    };
    double cells[900], out[902];
    const double *cols[900];
    for (size_t i = 0; i < 2; i++) {
        tm_forest forest;
        made_forest_init(&forest, &some[i]);
        for (uint64_t row = 0; row < 5; row++) {
            made_forest_row(&some[i], row, cells);
            for (uint32_t c = 0; c < some[i].n_cols; c++) {
                cols[c] = &cells[c];
            }
            assert_int_equal(tm__forest_explain(&forest, cols, out, NULL), TM_OK);
            assert_null(line_fault(&forest, cols, out, NULL));
        }
        tm__forest_done(&forest);
    }
}

/* Every split of a path of n columns has half of the rows on each side and the row at its end
 * satisfies all: alike columns share what is left of 1, which is 1 - 2^-n. */
static void a_path_of_alike_columns_shares_equally(void **state) {
    (void)state;
    enum { LONGEST = 30 };
    for (uint32_t n = 1; n <= LONGEST; n++) {
        tm_tree_node nodes[2 * LONGEST + 1];
        double values[2 * LONGEST + 1] = {0}, cells[LONGEST], out[LONGEST + 2];
        uint32_t covers[2 * LONGEST + 1] = {UINT32_C(1) << n};
        const double *cols[LONGEST];
        tm_forest forest;
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t at = i == 0 ? 0 : 2 * i;
            nodes[at] = (tm_tree_node){.threshold = 0.5, .left = 2 * i + 1, .meta = i};
            covers[2 * i + 1] = covers[2 * i + 2] = covers[at] / 2;
            nodes[2 * i + 1] = (tm_tree_node){.threshold = (double)INFINITY,
                                              .left = 2 * i + 1,
                                              .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
            cells[i] = 1;
            cols[i] = &cells[i];
        }
        nodes[2 * n] = (tm_tree_node){.threshold = (double)INFINITY,
                                      .left = 2 * n,
                                      .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
        values[2 * n] = 1;
        const tm_tree_draft draft = {2 * n + 1, 0, nodes, values, covers, NULL};
        assert_int_equal(tm__forest_init(&forest, 1, n, NULL), TM_OK);
        assert_int_equal(tm__forest_add(&forest, &draft, NULL), TM_OK);
        assert_int_equal(tm__forest_explain(&forest, cols, out, NULL), TM_OK);
        for (uint32_t c = 0; c < n; c++) {
            assert_true(fabs(out[c] - (1 - ldexp(1, -(int)n)) / n) < 1e-13);
        }
        assert_true(fabs(out[n + 1] - ldexp(1, -(int)n)) < 1e-15);
        tm__forest_done(&forest);
    }
}

static void every_level_gives_the_same_bits(void **state) {
    (void)state;
    const made_forest_options options = {.n_outputs = 2,
                                         .n_cols = 30,
                                         .n_trees = 40,
                                         .nodes_max = 301,
                                         .thresholds = 99,
                                         .categories = 7,
                                         .codes = 20,
                                         .seed = 5};
    tm_forest forest;
    double cells[30], want[64], got[64];
    const double *cols[30];
    made_forest_init(&forest, &options);
    for (uint64_t row = 0; row < 20; row++) {
        made_forest_row(&options, row, cells);
        for (uint32_t c = 0; c < 30; c++) {
            cols[c] = &cells[c];
        }
        assert_int_equal(tm__forest_explain_ref(&forest, cols, want, NULL), TM_OK);
        for (tm_simd level = TM_SIMD_PLAIN; level <= tm__simd_machine(); level++) {
            tm__simd_limit(level);
            assert_int_equal(tm__forest_explain(&forest, cols, got, NULL), TM_OK);
            assert_memory_equal(got, want, sizeof(got));
        }
        tm__simd_limit(TM_SIMD_AVX512);
    }
    tm__forest_done(&forest);
}

static void explaining_fails_cleanly_at_each_allocation(void **state) {
    (void)state;
    tm_forest forest;
    double cells[3] = {0}, out[5];
    const double *cols[3] = {&cells[0], &cells[1], &cells[2]};
    made_forest_init(&forest, &cases[2].options);
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t n = 1; st != TM_OK; n++) {
        assert_true(n < 100);
        tm__mem_fail_at(n, false);
        st = tm__forest_explain(&forest, cols, out, NULL);
        tm__mem_fail_at(0, false);
        assert_true(tm__mem_alive() == alive);
    }
    tm__forest_done(&forest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_the_definition),
        cmocka_unit_test(parts_of_many_columns_add_up),
        cmocka_unit_test(a_path_of_alike_columns_shares_equally),
        cmocka_unit_test(every_level_gives_the_same_bits),
        cmocka_unit_test(explaining_fails_cleanly_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
