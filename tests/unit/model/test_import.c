/* SPDX-License-Identifier: Apache-2.0 */
#include "import_case.h"

static const char leaf[] =
    "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\n"
    "objective=binary sigmoid:1\nfeature_names=x\nfeature_infos=[0:9]\n\nTree=0\nnum_leaves=1\n"
    "num_cat=0\nleaf_value=0.5\n\nend of trees\nparameters:\nend of parameters\n";

static void files_are_known_by_their_first_bytes(void **state) {
    (void)state;
    assert_string_equal(tm__import_format(leaf, strlen(leaf)), "lightgbm");
    assert_string_equal(tm__import_format("{ \"learner\"", 11), "xgboost");
    assert_string_equal(tm__import_format("{L\0\0", 4), "xgboost-ubj");
    assert_string_equal(tm__import_format("\x08\x09\x12\x01", 4), "onnx");
    assert_null(tm__import_format("tree", 4));
    assert_null(tm__import_format("", 0));
    tm_import import = {0};
    tm_err err = {0};
    assert_int_equal(import_bytes("pickle", 6, NULL, &import, &err), TM_E_DATA);
    assert_true(err.hint[0] != '\0');
}

static void classes_are_those_of_the_options_or_numbers(void **state) {
    (void)state;
    const char *const names[] = {"no", "yes"};
    const tm_import_options named = {.classes = names, .n_classes = 2};
    const tm_import_options fewer = {.classes = names, .n_classes = 1};
    tm_import import = {0};
    assert_int_equal(import_bytes(leaf, strlen(leaf), NULL, &import, NULL), TM_OK);
    assert_string_equal(import.classes[1], "1");
    assert_string_equal(tm__json_text(import.facts, "objective", ""), "binary");
    tm__import_done(&import);
    assert_int_equal(import_bytes(leaf, strlen(leaf), &named, &import, NULL), TM_OK);
    assert_string_equal(import.classes[1], "yes");
    const tm_cell cells[] = {{.type = TM_TYPE_NONE}};
    assert_true(import_score(&import, cells) == 0.5);
    tm__import_done(&import);
    assert_int_equal(import_bytes(leaf, strlen(leaf), &fewer, &import, NULL), TM_E_USAGE);
}

static void running_out_of_memory_leaves_nothing_behind(void **state) {
    (void)state;
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_import import = {0};
        const uint64_t before = tm__mem_alive();
        const tm_import_options none = {0};
        tm_buf bytes;
        tm__buf_init(&bytes, sizeof(leaf));
        tm__buf_append(&bytes, leaf, sizeof(leaf) - 1);
        tm__mem_fail_at(nth, false);
        tm__json_reset();
        st = tm__import_read(&bytes, &none, &import, NULL);
        tm__mem_fail_at(0, false);
        tm__buf_done(&bytes);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        assert_true(st != TM_OK || strcmp(tm__json_text(import.facts, "version", ""), "v4") == 0);
        tm__import_done(&import);
        assert_int_equal(tm__mem_alive(), before);
        assert_true(nth < 1000);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_known_by_their_first_bytes),
        cmocka_unit_test(classes_are_those_of_the_options_or_numbers),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
