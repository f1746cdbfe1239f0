/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx_case.h"

#include <math.h>

/* One split of two leaves; entry `at` may be told to be something else. */
static const onnx_attribute stump[] = {{"nodes_treeids", 'i', "0 0 0"},
                                       {"nodes_nodeids", 'i', "0 7 3"},
                                       {"nodes_featureids", 'i', "0 0 0"},
                                       {"nodes_modes", 't', "BRANCH_LEQ LEAF LEAF"},
                                       {"nodes_values", 'f', "1.5 0 0"},
                                       {"nodes_truenodeids", 'i', "3 0 0"},
                                       {"nodes_falsenodeids", 'i', "7 0 0"},
                                       {"nodes_missing_value_tracks_true", 'i', "0 0 0"},
                                       {"target_treeids", 'i', "0 0"},
                                       {"target_nodeids", 'i', "3 7"},
                                       {"target_ids", 'i', "0 0"},
                                       {"target_weights", 'f', "10 20"},
                                       {"n_targets", 'i', "1"},
                                       {"aggregate_function", 's', "SUM"},
                                       {"post_transform", 's', "NONE"},
                                       {NULL, 0, NULL}};

static tm_status read_with(const char *name, const char *values, uint32_t elem, tm_import *out,
                           tm_err *err) {
    onnx_attribute own[sizeof(stump) / sizeof(stump[0])];
    tm_buf graph = message();
    bool is_there = name == NULL;
    memcpy(own, stump, sizeof(stump));
    for (uint32_t i = 0; name != NULL && own[i].name != NULL; i++) {
        if (strcmp(own[i].name, name) == 0) {
            own[i].values = values;
            is_there = true;
        }
    }
    assert_true(is_there);
    put_node(&graph, "TreeEnsembleRegressor", "X>y", own);
    tm_buf file = wrap_graph(&graph, elem, 1);
    const tm_status st = import_bytes(file.data, file.len, NULL, out, err);
    tm__buf_done(&file);
    return st;
}

static void each_mode_decides_as_its_name_says(void **state) {
    (void)state;
    const double above = (double)nextafterf(1.5F, 2);
    const struct {
        const char *mode;
        double x;
        const char *tracks;
        uint32_t elem;
        double want; /* 10: true child */
    } cases[] = {
        {"BRANCH_LEQ LEAF LEAF", 1.5, "0 0 0", 1, 10},
        {"BRANCH_LEQ LEAF LEAF", nextafter(1.5, 2), "0 0 0", 1, 10}, /* 1.5 in single precision */
        {"BRANCH_LEQ LEAF LEAF", nextafter(1.5, 2), "0 0 0", 11, 20},
        {"BRANCH_LEQ LEAF LEAF", above, "0 0 0", 1, 20},
        {"BRANCH_LEQ LEAF LEAF", (double)NAN, "0 0 0", 1, 20},
        {"BRANCH_LEQ LEAF LEAF", (double)NAN, "1 0 0", 1, 10},
        {"BRANCH_LT LEAF LEAF", 1.5, "0 0 0", 1, 20},
        {"BRANCH_LT LEAF LEAF", 1.25, "0 0 0", 1, 10},
        {"BRANCH_LT LEAF LEAF", 1.5, "0 0 0", 11, 20},
        {"BRANCH_GT LEAF LEAF", 1.5, "0 0 0", 1, 20},
        {"BRANCH_GT LEAF LEAF", above, "0 0 0", 1, 10},
        {"BRANCH_GT LEAF LEAF", (double)NAN, "0 0 0", 1, 20},
        {"BRANCH_GT LEAF LEAF", (double)NAN, "1 0 0", 1, 10},
        {"BRANCH_GTE LEAF LEAF", 1.5, "0 0 0", 1, 10},
        {"BRANCH_GTE LEAF LEAF", 1.25, "0 0 0", 1, 20},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        onnx_attribute own[sizeof(stump) / sizeof(stump[0])];
        tm_import import = {0};
        tm_buf graph = message();
        memcpy(own, stump, sizeof(stump));
        own[3].values = cases[i].mode;
        own[7].values = cases[i].tracks;
        put_node(&graph, "TreeEnsembleRegressor", "X>y", own);
        tm_buf file = wrap_graph(&graph, cases[i].elem, 1);
        assert_int_equal(import_bytes(file.data, file.len, NULL, &import, NULL), TM_OK);
        const tm_cell cell =
            isnan(cases[i].x) ? (tm_cell){.type = TM_TYPE_NONE} : number_cell(cases[i].x);
        const double got = import_score(&import, &cell);
        if (got != cases[i].want) {
            print_message("case %zu: %g\n", i, got);
        }
        assert_true(got == cases[i].want);
        tm__import_done(&import);
        tm__buf_done(&file);
    }
}

static void each_fault_is_named(void **state) {
    (void)state;
    const struct {
        const char *name, *values, *what;
        tm_status want;
    } cases[] = {
        {"nodes_modes", "BRANCH_EQ LEAF LEAF", "mode", TM_E_UNSUPPORTED},
        {"nodes_modes", "BRANCH_LEQ LEAF", "modes", TM_E_DATA},
        {"nodes_nodeids", "0 7", "one length", TM_E_DATA},
        {"nodes_nodeids", "0 7 7", "one number", TM_E_DATA},
        {"nodes_featureids", "5 0 0", "column", TM_E_DATA},
        {"nodes_featureids", "-1 0 0", "column", TM_E_DATA},
        {"nodes_values", "nan 0 0", "value", TM_E_DATA},
        {"nodes_truenodeids", "0 0 0", "above itself", TM_E_DATA},
        {"nodes_truenodeids", "7 0 0", "two parents", TM_E_DATA},
        {"nodes_truenodeids", "9 0 0", "child", TM_E_DATA},
        {"target_nodeids", "3 9", "not there", TM_E_DATA},
        {"target_ids", "0 1", "not there", TM_E_DATA},
        {"target_ids", "0", "one length", TM_E_DATA},
        {"target_weights", "10 nan", "finite", TM_E_DATA},
        {"n_targets", "2", "targets", TM_E_UNSUPPORTED},
        {"aggregate_function", "MIN", "aggregate_function", TM_E_UNSUPPORTED},
        {"post_transform", "PROBIT", "post_transform", TM_E_UNSUPPORTED},
        {"nodes_treeids", "", "", TM_E_DATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_import import = {0};
        tm_err err = {0};
        const tm_status st = read_with(cases[i].name, cases[i].values, 1, &import, &err);
        if (st != cases[i].want || strstr(err.message, cases[i].what) == NULL) {
            print_message("%s %s: %d %s\n", cases[i].name, cases[i].values, (int)st, err.message);
        }
        assert_int_equal(st, cases[i].want);
        assert_non_null(strstr(err.message, cases[i].what));
        tm__import_done(&import);
    }
}

static void averages_divide_by_the_trees(void **state) {
    (void)state;
    tm_import import = {0};
    assert_int_equal(read_with("aggregate_function", "AVERAGE", 1, &import, NULL), TM_OK);
    const tm_cell cell = number_cell(0);
    assert_true(import_score(&import, &cell) == 10);
    tm__import_done(&import);
}

/* Two classes by weights, of which there are two lines or one. */
static void linear_models_of_two_classes_answer_for_the_second(void **state) {
    (void)state;
    const struct {
        const char *coefficients, *intercepts, *transform;
        double want;
    } cases[] = {{"-2 2", "1 -1", "LOGISTIC", 2 * 3 - 1},
                 {"2", "-1", "LOGISTIC", 2 * 3 - 1},
                 {"-2 2", "1 -1", "SOFTMAX", 2 * (2 * 3 - 1)}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const onnx_attribute attributes[] = {{"classlabels_strings", 't', "no yes"},
                                             {"coefficients", 'f', cases[i].coefficients},
                                             {"intercepts", 'f', cases[i].intercepts},
                                             {"post_transform", 's', cases[i].transform},
                                             {NULL, 0, NULL}};
        tm_import import = {0};
        tm_buf graph = message();
        put_node(&graph, "LinearClassifier", "X>y", attributes);
        tm_buf file = wrap_graph(&graph, 1, 1);
        assert_int_equal(import_bytes(file.data, file.len, NULL, &import, NULL), TM_OK);
        const tm_cell cell = number_cell(3);
        assert_true(import_score(&import, &cell) == cases[i].want);
        assert_string_equal(import.classes[1], "yes");
        assert_int_equal(tm__model_link_of(import.model), TM_LINK_SIGMOID);
        assert_false(tm__program_schema(import.program)->cols[0].is_nullable);
        tm__import_done(&import);
        tm__buf_done(&file);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mode_decides_as_its_name_says),
        cmocka_unit_test(each_fault_is_named),
        cmocka_unit_test(averages_divide_by_the_trees),
        cmocka_unit_test(linear_models_of_two_classes_answer_for_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
