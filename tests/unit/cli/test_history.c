/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/history.h"
#include "cli/model_args.h"
#include "flights_case.h"
#include "table/schema.h"
#include "temp_home.h"
#include "train/train.h"

static tm_bundle *make_bundle(tm_table *table) {
    static const char *const feature[] = {"left = count() by from over 30m"};
    static const char *const drop[] = {"delay", "arrives"};
    const tm_train_options o = {.model = "m",
                                .target = "late",
                                .time = "leaves",
                                .learners = "gbdt",
                                .features = feature,
                                .n_features = 1,
                                .drop = drop,
                                .n_drop = 2,
                                .work = 1000000};
    tm_ctx ctx = {0};
    tm_train_result result;
    tm_bundle *bundle = NULL;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &o, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    tm__train_result_done(&result);
    return bundle;
}

static void write_csv(const tm_table *table, const char *path) {
    tm_buf text;
    tm__buf_init(&text, 1 << 22);
    for (uint64_t row = 0; row <= tm__table_rows(table); row++) {
        for (uint32_t c = 0; c < tm__table_cols(table); c++) {
            const tm_column *column = tm__table_column(table, c);
            const tm_cell cell = row > 0 ? tm__column_cell(column, row - 1) : (tm_cell){0};
            assert_true(c == 0 || tm__buf_text(&text, ","));
            assert_true(row == 0 ? tm__buf_text(&text, column->name)
                                 : tm__cell_write_csv(&cell, &text));
        }
        assert_true(tm__buf_text(&text, "\n"));
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
    tm__buf_done(&text);
}

static void rows_and_their_history_become_one_wide_table(void **state) {
    const char *const home = tm__home_path(*state);
    char rows_path[512], history_path[512];
    tm_table *history = flights_case_table(0, 800), *rows = flights_case_table(800, 50);
    tm_bundle *bundle = make_bundle(history);
    const tm_place place = {.bundle = bundle};
    (void)snprintf(rows_path, sizeof(rows_path), "%s/rows.csv", home);
    (void)snprintf(history_path, sizeof(history_path), "%s/history.csv", home);
    write_csv(rows, rows_path);
    write_csv(history, history_path);
    const char *const words[] = {"tidemill", "predict", "m", rows_path, "--history", history_path};
    for (int n = 4; n <= 6; n += 2) { /* without a history, then with one */
        tm_cli cli = {0};
        tm_ctx ctx = {0};
        tm_table *wide = NULL;
        tm_err err = {0};
        assert_int_equal(tm__cli_parse(&cli, n, words, NULL), TM_OK);
        assert_int_equal(tm__cli_has_history(&cli), n == 6);
        const tm_status st = tm__cli_read_wide(&cli, &ctx, &place, rows_path, &wide, &err);
        assert_int_equal(st, n == 6 ? TM_OK : TM_E_DATA);
        if (st == TM_OK) {
            const tm_column *left = tm__table_column(wide, tm__table_find(wide, "left"));
            assert_true(left->floats[0] > 0); /* of flights that are in the history alone */
        } else {
            assert_non_null(strstr(err.hint, "--history DATA"));
        }
        tm__table_unref(wide);
        tm__cli_done(&cli);
    }
    tm__bundle_unref(bundle);
    tm__table_unref(history);
    tm__table_unref(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_and_their_history_become_one_wide_table,
                                        tm__temp_home_open, tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
