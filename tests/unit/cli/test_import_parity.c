/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/import_parity.h"
#include "model/imported/import.h"

/* x <= 2: -1, else 3; a class in two or three, or a number. */
static tm_bundle *make_bundle(const char *objective, uint32_t k) {
    static const char tree[] =
        "num_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold=2\ndecision_type=2\nleft_child=-1\n"
        "right_child=-2\nleaf_value=-1 3\n\n";
    static const tm_import_options options = {0};
    tm_import import = {0};
    tm_bundle *bundle = NULL;
    tm_hash hash;
    tm_buf text, bytes;
    tm__buf_init(&text, 1u << 16);
    tm__buf_init(&bytes, 1u << 20);
    tm__buf_printf(&text,
                   "tree\nversion=v4\nnum_class=%u\nnum_tree_per_iteration=%u\nmax_feature_idx=0\n"
                   "objective=%s\nfeature_names=x\nfeature_infos=[0:9]\n\n",
                   k, k, objective);
    for (uint32_t t = 0; t < k; t++) {
        tm__buf_printf(&text, "Tree=%u\n%s", t, tree);
    }
    tm__buf_text(&text, "end of trees\nparameters:\nend of parameters\n");
    assert_int_equal(tm__import_read(&text, &options, &import, NULL), TM_OK);
    json_t *classes = json_array();
    for (uint32_t i = 0; i < import.n_classes; i++) {
        json_array_append_new(classes, json_string(import.classes[i]));
    }
    json_t *info = json_pack("{s:s, s:s, s:s, s:o}", "task", tm__task_text(import.model->task),
                             "target", "y", "learner", "imported", "classes", classes);
    const tm_bundle_parts parts = {.program = import.program, .model = import.model, .info = info};
    assert_int_equal(tm__bundle_write(&parts, &bytes, &hash, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(bytes.data, bytes.len, &bundle, NULL), TM_OK);
    json_decref(info);
    tm__import_done(&import);
    tm__buf_done(&text);
    tm__buf_done(&bytes);
    return bundle;
}

/* A table of floats: values [n_rows x n_cols]. */
static tm_table *make_table(const char *const *names, uint32_t n_cols, const double *values,
                            uint32_t n_rows) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    for (uint32_t c = 0; c < n_cols; c++) {
        assert_int_equal(tm__builder_add_column(builder, names[c], TM_TYPE_FLOAT, NULL), TM_OK);
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        tm_cell cells[4] = {{.type = TM_TYPE_NONE}};
        for (uint32_t c = 0; c < n_cols; c++) {
            const double x = values[i * n_cols + c];
            cells[c] = (tm_cell){.type = isnan(x) ? TM_TYPE_NONE : TM_TYPE_FLOAT, .f64 = x};
        }
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static tm_status check(tm_bundle *bundle, tm_table *expected, bool is_raw, tm_parity *out,
                       tm_err *err) {
    static const char *const names[] = {"x"};
    static const double x[] = {1, 2, 3};
    tm_ctx ctx = {0};
    tm_table *rows = make_table(names, 1, x, 3);
    const tm_status st = tm__parity_check(&ctx, bundle, rows, expected, is_raw, out, err);
    tm__table_unref(rows);
    tm__table_unref(expected);
    return st;
}

static void differences_and_other_decisions_are_counted(void **state) {
    (void)state;
    static const char *const names[] = {"prediction", "probability"};
    const double low = tm__sigmoid(-1), high = tm__sigmoid(3);
    tm_bundle *bundle = make_bundle("binary sigmoid:1", 1);
    tm_parity parity = {0};
    const double same[] = {0, low, 0, low, 1, high};
    assert_int_equal(check(bundle, make_table(names, 2, same, 3), false, &parity, NULL), TM_OK);
    assert_true(parity.n_rows == 3 && parity.largest == 0 && parity.n_flipped == 0);
    const double other[] = {0, low, 0, 0.75, 1, high};
    assert_int_equal(check(bundle, make_table(names, 2, other, 3), false, &parity, NULL), TM_OK);
    assert_true(fabs(parity.largest - (0.75 - low)) < 1e-15 && parity.largest_row == 2);
    assert_true(parity.n_flipped == 1 && parity.flipped_row == 2);
    /* Columns of both classes without a name that says so: the positive one is last. */
    static const char *const both[] = {"c0", "c1"};
    assert_int_equal(check(bundle, make_table(both, 2, same, 3), false, &parity, NULL), TM_OK);
    assert_true(parity.largest == 0);
    const double raw[] = {-1, -1, 3.5};
    assert_int_equal(check(bundle, make_table(both, 1, raw, 3), true, &parity, NULL), TM_OK);
    assert_true(fabs(parity.largest - 0.5 / 3.5) < 1e-15 && parity.n_flipped == 0);
    tm__bundle_unref(bundle);
}

static void classes_are_found_by_name_or_by_place(void **state) {
    (void)state;
    static const char *const named[] = {"probability_2", "probability_1", "probability_0"};
    static const char *const placed[] = {"a", "b", "c"};
    tm_bundle *bundle = make_bundle("multiclassova num_class:3 sigmoid:1", 3);
    const double low = tm__sigmoid(-1), high = tm__sigmoid(3);
    const double values[] = {low, low, low, low, low, low, high, high, high};
    tm_parity parity = {0};
    assert_int_equal(check(bundle, make_table(named, 3, values, 3), false, &parity, NULL), TM_OK);
    assert_true(parity.largest == 0);
    assert_int_equal(check(bundle, make_table(placed, 3, values, 3), false, &parity, NULL), TM_OK);
    assert_true(parity.largest == 0);
    assert_int_equal(check(bundle, make_table(placed, 2, values, 3), false, &parity, NULL),
                     TM_E_DATA);
    tm__bundle_unref(bundle);
}

static void answers_that_do_not_fit_are_named(void **state) {
    (void)state;
    static const char *const names[] = {"prediction", "b"};
    const double values[] = {-1, -1, (double)NAN, 3, 3, 3};
    tm_bundle *bundle = make_bundle("regression", 1);
    tm_parity parity = {0};
    tm_err err = {0};
    assert_int_equal(check(bundle, make_table(names, 1, values, 2), false, &parity, &err),
                     TM_E_DATA);
    assert_non_null(strstr(err.message, "3 rows and 2"));
    assert_int_equal(check(bundle, make_table(names, 1, values, 3), false, &parity, &err),
                     TM_E_DATA);
    assert_int_equal(err.data_row, 3);
    assert_int_equal(check(bundle, make_table(&names[1], 1, values + 3, 3), false, &parity, &err),
                     TM_OK);
    assert_true(parity.largest == 4.0 / 3 && parity.n_flipped == 0);
    tm__bundle_unref(bundle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_and_other_decisions_are_counted),
        cmocka_unit_test(classes_are_found_by_name_or_by_place),
        cmocka_unit_test(answers_that_do_not_fit_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
