/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "train/train_priv.h"
#include "train_case.h"

static void init_data(const train_case *options, const tm_train_options *train,
                      tm_train_data *data) {
    tm_table *table = train_case_table(options, 1000);
    assert_int_equal(tm__train_data_init(data, table, NULL, train, NULL), TM_OK);
    tm__table_unref(table);
}

static void every_row_validates_once(void **state) {
    (void)state;
    const train_case options = {.is_shuffled = true};
    const tm_train_options train = {.target = "label"};
    tm_train_data data;
    uint32_t seen[1000] = {0};
    init_data(&options, &train, &data);
    for (uint32_t fold = 0; fold < 5; fold++) {
        tm_fold_rows rows;
        const tm_fold_cut cut = {.n_folds = 5, .fold = fold, .seed = 1};
        assert_int_equal(tm__fold_rows_init(&rows, &data, data.train, data.n_train, &cut, NULL),
                         TM_OK);
        assert_int_equal(rows.n_fit + rows.n_valid, data.n_train);
        for (uint64_t i = 0; i < rows.n_valid; i++) {
            seen[rows.valid[i]]++;
        }
        tm__fold_rows_done(&rows);
    }
    for (uint64_t i = 0; i < data.n_train; i++) {
        assert_int_equal(seen[data.train[i]], 1);
    }
    tm__train_data_done(&data);
}

/* Ten positives among a thousand rows: by draws alone, one fold in ten of five has none. */
static void rare_classes_are_dealt_to_all_folds(void **state) {
    (void)state;
    const train_case options = {.is_shuffled = true};
    const tm_train_options train = {.target = "label"};
    tm_train_data data;
    init_data(&options, &train, &data);
    for (uint64_t i = 0; i < data.n_rows; i++) {
        data.y[i] = 0.0;
    }
    for (uint64_t i = 0; i < 10; i++) {
        data.y[data.train[i * 7]] = 1.0;
    }
    for (uint64_t seed = 0; seed < 20; seed++) {
        for (uint32_t fold = 0; fold < 6; fold++) {
            tm_fold_rows rows;
            const tm_fold_cut cut = {.n_folds = fold < 5 ? 5 : 1, .fold = fold % 5, .seed = seed};
            uint32_t n = 0;
            assert_int_equal(tm__fold_rows_init(&rows, &data, data.train, data.n_train, &cut, NULL),
                             TM_OK);
            for (uint64_t i = 0; i < rows.n_valid; i++) {
                n += data.y[rows.valid[i]] == 1.0;
            }
            assert_int_equal(n, 2);
            tm__fold_rows_done(&rows);
        }
    }
    data.y[data.train[0]] = 2.0; /* one row of a third class: it is learned from */
    data.n_classes = 3;
    data.task = TM_TASK_MULTICLASS;
    tm_fold_rows rows;
    const tm_fold_cut cut = {.n_folds = 1, .seed = 1};
    assert_int_equal(tm__fold_rows_init(&rows, &data, data.train, data.n_train, &cut, NULL), TM_OK);
    for (uint64_t i = 0; i < rows.n_valid; i++) {
        assert_true(data.y[rows.valid[i]] < 2.0);
    }
    data.n_classes = 2;
    tm__fold_rows_done(&rows);
    tm__train_data_done(&data);
}

static void time_ordered_rows_validate_on_the_latest_fifth(void **state) {
    (void)state;
    const train_case options = {0};
    const tm_train_options train = {.target = "label"};
    tm_train_data data;
    tm_fold_rows rows;
    const tm_fold_cut cut = {.n_folds = 1, .seed = 1};
    init_data(&options, &train, &data);
    assert_int_equal(tm__fold_count(&data, 1000), 1);
    assert_int_equal(tm__fold_rows_init(&rows, &data, data.train, data.n_train, &cut, NULL), TM_OK);
    assert_int_equal(rows.n_valid, 160);
    assert_int_equal(rows.fit[rows.n_fit - 1], 639);
    assert_int_equal(rows.valid[0], 640);
    tm__fold_rows_done(&rows);
    tm__train_data_done(&data);
}

static void a_fold_holds_numbers_of_its_rows(void **state) {
    (void)state;
    const train_case options = {.is_shuffled = true};
    const tm_train_options train = {.target = "label"};
    uint32_t fit[] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22};
    uint32_t valid[] = {1, 3};
    const tm_fold_rows rows = {.fit = fit, .n_fit = 12, .valid = valid, .n_valid = 2};
    tm_train_data data;
    tm_ctx ctx = {0};
    tm_fold fold;
    init_data(&options, &train, &data);
    assert_int_equal(tm__fold_init(&ctx, &fold, &data, &rows, 1, NULL), TM_OK);
    assert_int_equal(tm__matrix_view(fold.x)->n_rows, 12);
    assert_int_equal(tm__matrix_view(fold.x_valid)->n_rows, 2);
    assert_true(fold.y[1] == data.y[2]);
    assert_true(fold.y_valid[1] == data.y[3]);
    tm__fold_done(&fold);
    tm__train_data_done(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_validates_once),
        cmocka_unit_test(rare_classes_are_dealt_to_all_folds),
        cmocka_unit_test(time_ordered_rows_validate_on_the_latest_fifth),
        cmocka_unit_test(a_fold_holds_numbers_of_its_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
