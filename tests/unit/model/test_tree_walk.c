/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"
#include "made_forest.h"
#include "model/tree/tree_codes.h"

#define ROWS 300u

typedef struct forest_case {
    const char *name;
    bool is_wide; /* what the case is there to reach */
    made_forest_options options;
} forest_case;

#define FOREST(...)                                                                                \
    { __VA_ARGS__ }

static const forest_case cases[] = {
    {"one leaf", false,
     FOREST(.n_cols = 1, .n_trees = 1, .nodes_max = 1, .thresholds = 5, .codes = 9)},
    {"few trees", false,
     FOREST(.n_cols = 3, .n_trees = 5, .nodes_max = 31, .thresholds = 9, .codes = 9)},
    {"a register of trees", false,
     FOREST(.n_cols = 7, .n_trees = 16, .nodes_max = 61, .thresholds = 40, .codes = 9)},
    {"four registers and one tree", false,
     FOREST(.n_cols = 20, .n_trees = 65, .nodes_max = 301, .thresholds = 254, .codes = 9)},
    {"every threshold of a byte", false,
     FOREST(.n_cols = 2, .n_trees = 40, .nodes_max = 2001, .thresholds = 255, .codes = 9)},
    {"sets", false,
     FOREST(.n_cols = 6, .n_trees = 30, .nodes_max = 101, .thresholds = 60, .categories = 2,
            .codes = 200)},
    {"sets alone", false,
     FOREST(.n_cols = 1, .n_trees = 30, .nodes_max = 41, .thresholds = 4, .categories = 1,
            .codes = 20)},
    {"outputs", false,
     FOREST(.n_outputs = 3, .n_cols = 9, .n_trees = 99, .nodes_max = 31, .thresholds = 60,
            .categories = 4, .codes = 30)},
    {"more outputs than lanes", false,
     FOREST(.n_outputs = 21, .n_cols = 9, .n_trees = 63, .nodes_max = 31, .thresholds = 60,
            .codes = 30)},
    {"chains", false,
     FOREST(.n_cols = 4, .n_trees = 20, .nodes_max = 1501, .thresholds = 99, .categories = 4,
            .codes = 30, .is_chain = true)},
    {"two registers of codes", false,
     FOREST(.n_cols = 50, .n_trees = 40, .nodes_max = 301, .thresholds = 20, .codes = 9)},
    {"two registers and sets", false,
     FOREST(.n_cols = 45, .n_trees = 40, .nodes_max = 301, .thresholds = 20, .categories = 5,
            .codes = 100)},
    {"codes past the registers", false,
     FOREST(.n_cols = 90, .n_trees = 40, .nodes_max = 401, .thresholds = 20, .codes = 9)},
    {"sets past the registers", false,
     FOREST(.n_cols = 80, .n_trees = 40, .nodes_max = 401, .thresholds = 20, .categories = 3,
            .codes = 90)},
    {"more thresholds than a byte has", true,
     FOREST(.n_cols = 3, .n_trees = 40, .nodes_max = 3001, .thresholds = 3000, .codes = 9)},
    {"wide sets of all codes", true,
     FOREST(.n_cols = 2, .n_trees = 60, .nodes_max = 201, .thresholds = 30, .categories = 1,
            .codes = 256)},
    {"more slots than a byte has", true,
     FOREST(.n_cols = 300, .n_trees = 60, .nodes_max = 901, .thresholds = 5, .categories = 9,
            .codes = 90)},
    {"a tree of more nodes than two bytes have", true,
     FOREST(.n_cols = 9, .n_trees = 3, .nodes_max = 150001, .thresholds = 200, .codes = 9)},
};

typedef struct fixture {
    tm_forest forest;
    double *cells; /* [n_cols x ROWS] */
    const double **cols;
    double *want; /* [ROWS x n_outputs] */
    double *out;
} fixture;

static void fixture_init(fixture *f, const made_forest_options *options) {
    made_forest_init(&f->forest, options);
    const uint32_t k = f->forest.n_outputs;
    double *row_cells = tm__mem_alloc(options->n_cols, sizeof(double));
    f->cells = tm__mem_alloc((size_t)options->n_cols * ROWS, sizeof(double));
    f->cols = tm__mem_alloc(options->n_cols, sizeof(double *));
    f->want = tm__mem_alloc((size_t)ROWS * k, sizeof(double));
    f->out = tm__mem_alloc((size_t)ROWS * k, sizeof(double));
    for (uint32_t row = 0; row < ROWS; row++) {
        made_forest_row(options, row, row_cells);
        for (uint32_t c = 0; c < options->n_cols; c++) {
            f->cells[(size_t)c * ROWS + row] = row_cells[c];
            f->cols[c] = f->cells + (size_t)c * ROWS;
        }
    }
    for (uint32_t row = 0; row < ROWS; row++) {
        tm__forest_predict_row_ref(&f->forest, f->cols, row, f->want + (size_t)row * k);
    }
    tm__mem_free(row_cells);
}

static void fixture_done(fixture *f) {
    tm__forest_done(&f->forest);
    tm__mem_free(f->cells);
    tm__mem_free(f->cols);
    tm__mem_free(f->want);
    tm__mem_free(f->out);
}

static void check(const fixture *f, const forest_case *c, uint64_t seed, const char *what) {
    const size_t n = (size_t)ROWS * f->forest.n_outputs;
    if (memcmp(f->want, f->out, n * sizeof(double)) != 0) {
        fail_msg("%s, %s with %s: other bits than the reference for seed %llu", c->name, what,
                 tm__simd_text(tm__simd()), (unsigned long long)seed);
    }
}

/* Rows alone and as batches of 1, 2 and 3 threads. */
static void check_all(fixture *f, const forest_case *c, uint64_t seed, const char *what) {
    const uint32_t k = f->forest.n_outputs;
    const tm_view view = {.n_rows = ROWS, .n_cols = f->forest.n_cols, .cols = f->cols};
    const uint64_t calls = tm__mem_calls();
    memset(f->out, 0x5A, (size_t)ROWS * k * sizeof(double));
    for (uint32_t row = 0; row < ROWS; row++) {
        tm__forest_predict_row(&f->forest, f->cols, row, f->out + (size_t)row * k);
    }
    assert_int_equal(tm__mem_calls(), calls);
    check(f, c, seed, what);
    for (uint32_t n = 1; n <= 3; n++) {
        tm_ctx ctx = {.pool = tm__pool_create(n)};
        memset(f->out, 0x5A, (size_t)ROWS * k * sizeof(double));
        assert_int_equal(tm__forest_predict(&ctx, &f->forest, &view, f->out, NULL), TM_OK);
        check(f, c, seed, what);
        tm__pool_free(ctx.pool);
    }
}

static void every_kernel_gives_the_bits_of_the_reference(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            fixture f;
            made_forest_options options = cases[i].options;
            options.seed = 100 * i + seed;
            fixture_init(&f, &options);
            check_all(&f, &cases[i], seed, "walking nodes");
            assert_int_equal(tm__forest_codes_create(&f.forest, NULL), TM_OK);
            assert_non_null(f.forest.codes);
            if (f.forest.codes->is_wide != cases[i].is_wide) {
                fail_msg("%s: %u slots, not the layout wanted", cases[i].name,
                         f.forest.codes->n_slots);
            }
            for (tm_simd level = TM_SIMD_PLAIN; level <= tm__simd_machine(); level++) {
                tm__simd_limit(level);
                check_all(&f, &cases[i], seed, "comparing codes");
            }
            tm__simd_limit(TM_SIMD_AVX512);
            fixture_done(&f);
        }
    }
}

/* Blocks of every length: what is left of registers and lanes. */
static void a_block_may_have_any_number_of_rows(void **state) {
    (void)state;
    fixture f;
    fixture_init(&f, &cases[7].options);
    assert_int_equal(tm__forest_codes_create(&f.forest, NULL), TM_OK);
    const uint32_t k = f.forest.n_outputs;
    void *block = tm__mem_alloc(1, tm__forest_codes_bytes(&f.forest));
    for (tm_simd level = TM_SIMD_PLAIN; level <= tm__simd_machine(); level++) {
        tm__simd_limit(level);
        for (uint32_t n = 1; n <= tm__forest_codes_rows(f.forest.codes); n++) {
            memset(f.out, 0x5A, (size_t)(n + 1) * k * sizeof(double));
            tm__forest_codes_predict(&f.forest, f.cols, ROWS - n, n, block, f.out);
            assert_memory_equal(f.out, f.want + (size_t)(ROWS - n) * k, n * k * sizeof(double));
            assert_int_equal(((uint8_t *)(f.out + n * k))[0], 0x5A);
        }
    }
    tm__simd_limit(TM_SIMD_AVX512);
    tm__mem_free(block);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_gives_the_bits_of_the_reference),
        cmocka_unit_test(a_block_may_have_any_number_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
