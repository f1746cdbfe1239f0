/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "made_forest.h"
#include "model/tree/tree_codes.h"

static const made_forest_options options = {.n_cols = 8,
                                            .n_trees = 30,
                                            .nodes_max = 61,
                                            .thresholds = 50,
                                            .categories = 3,
                                            .codes = 40,
                                            .seed = 4};

/* Codes and their answer follow from the forest; a change takes them back. */
static void a_change_of_the_forest_takes_its_codes_back(void **state) {
    (void)state;
    tm_forest forest;
    made_forest_init(&forest, &options);
    assert_null(forest.codes);
    assert_int_equal(tm__forest_codes_create(&forest, NULL), TM_OK);
    assert_non_null(forest.codes);
    tm__forest_truncate(&forest, forest.n_trees);
    assert_non_null(forest.codes);
    tm__forest_truncate(&forest, forest.n_trees - 1);
    assert_null(forest.codes);
    assert_int_equal(tm__forest_codes_create(&forest, NULL), TM_OK);
    static const tm_tree_node leaf = {.threshold = (double)INFINITY,
                                      .meta = TM_NODE_LEAF | TM_NODE_MISSING_LEFT};
    static const double value = 1;
    static const uint32_t cover = 1;
    const tm_tree_draft draft = {1, 0, &leaf, &value, &cover, NULL};
    assert_int_equal(tm__forest_add(&forest, &draft, NULL), TM_OK);
    assert_null(forest.codes);
    tm__forest_done(&forest);
}

static void a_column_has_a_slot_for_each_way_of_its_missing_values(void **state) {
    (void)state;
    tm_forest forest;
    made_forest_init(&forest, &options);
    assert_int_equal(tm__forest_codes_create(&forest, NULL), TM_OK);
    const tm_forest_codes *codes = forest.codes;
    assert_int_equal(codes->n_numbers, 16);
    assert_int_equal(codes->n_slots, 19);
    for (uint32_t s = 0; s < codes->n_numbers; s++) {
        const tm_code_slot *slot = &codes->slots[s];
        assert_true(s == 0 || slot->n_steps >= codes->slots[s - 1].n_steps);
        for (uint32_t i = 1; i < (1u << slot->n_steps) - 1; i++) {
            const double *cut = codes->cuts + slot->first + i;
            assert_true(cut[-1] < cut[0] || cut[0] == (double)INFINITY);
        }
    }
    tm__forest_done(&forest);
}

static void a_file_has_the_same_bytes_with_codes(void **state) {
    (void)state;
    tm_forest forest;
    tm_buf before, after;
    tm__buf_init(&before, 1 << 20);
    tm__buf_init(&after, 1 << 20);
    made_forest_init(&forest, &options);
    assert_int_equal(tm__forest_save(&forest, &before, NULL), TM_OK);
    assert_int_equal(tm__forest_codes_create(&forest, NULL), TM_OK);
    assert_int_equal(tm__forest_save(&forest, &after, NULL), TM_OK);
    assert_true(before.len == after.len && memcmp(before.data, after.data, after.len) == 0);
    tm__buf_done(&before);
    tm__buf_done(&after);
    tm__forest_done(&forest);
}

static void what_codes_cannot_express_goes_without(void **state) {
    (void)state;
    const made_forest_options bad[] = {
        {.n_cols = 0, .n_trees = 3, .nodes_max = 1, .thresholds = 5, .codes = 1},
        {.n_cols = 1,
         .n_trees = 9,
         .nodes_max = 200001,
         .thresholds = 150000,
         .codes = 1,
         .seed = 3},
        {.n_cols = 16000, .n_trees = 9, .nodes_max = 20001, .thresholds = 9, .codes = 1},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tm_forest forest;
        made_forest_init(&forest, &bad[i]);
        assert_int_equal(tm__forest_codes_create(&forest, NULL), TM_OK);
        assert_null(forest.codes);
        tm__forest_done(&forest);
    }
}

/* A layout for batches pays before one for single rows does; stumps keep their nodes. */
static void a_forest_gets_the_layout_that_its_visits_pay_for(void **state) {
    (void)state;
    made_forest_options some = {
        .n_cols = 10, .nodes_max = 101, .thresholds = 200, .codes = 1, .seed = 9};
    uint32_t n_batches = 0, n_rows = 0;
    for (some.n_trees = 1; some.n_trees < 200; some.n_trees += 2) {
        tm_forest forest;
        made_forest_init(&forest, &some);
        assert_int_equal(tm__forest_settle(&forest, NULL), TM_OK);
        const bool for_batches = forest.codes != NULL;
        const bool for_rows = for_batches && forest.codes->for_rows;
        assert_true(some.n_trees > 1 || !for_batches);
        n_batches = for_batches && n_batches == 0 ? some.n_trees : n_batches;
        n_rows = for_rows && n_rows == 0 ? some.n_trees : n_rows;
        assert_true(for_batches == (n_batches > 0) && for_rows == (n_rows > 0));
        for (uint64_t row = 0; row < 20; row++) {
            double cells[10], want, got;
            const double *cols[10];
            made_forest_row(&some, row, cells);
            for (uint32_t c = 0; c < 10; c++) {
                cols[c] = &cells[c];
            }
            tm__forest_predict_row_ref(&forest, cols, 0, &want);
            tm__forest_predict_row(&forest, cols, 0, &got);
            assert_true(want == got);
        }
        tm__forest_done(&forest);
    }
    assert_true(n_batches > 0 && n_rows > n_batches);
}

static void making_codes_fails_cleanly_at_each_allocation(void **state) {
    (void)state;
    tm_forest forest;
    made_forest_init(&forest, &options);
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t n = 1; st != TM_OK; n++) {
        assert_true(n < 100 && forest.codes == NULL && tm__mem_alive() == alive);
        tm__mem_fail_at(n, false);
        st = tm__forest_codes_create(&forest, NULL);
        tm__mem_fail_at(0, false);
    }
    assert_non_null(forest.codes);
    tm__forest_done(&forest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_the_forest_takes_its_codes_back),
        cmocka_unit_test(a_column_has_a_slot_for_each_way_of_its_missing_values),
        cmocka_unit_test(a_file_has_the_same_bytes_with_codes),
        cmocka_unit_test(what_codes_cannot_express_goes_without),
        cmocka_unit_test(a_forest_gets_the_layout_that_its_visits_pay_for),
        cmocka_unit_test(making_codes_fails_cleanly_at_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
