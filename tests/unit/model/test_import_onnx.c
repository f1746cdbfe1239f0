/* SPDX-License-Identifier: Apache-2.0 */
/* The path through the graph: what stands before a model and behind it. */
#include "onnx_case.h"

#include <math.h>

static const onnx_attribute regressor[] = {
    {"coefficients", 'f', "1 10"}, {"intercepts", 'f', "0.5"}, {NULL, 0, NULL}};

static tm_buf scaled(const char *first, const char *last) {
    static const onnx_attribute imputer[] = {{"imputed_value_floats", 'f', "4 5"},
                                             {"replaced_value_float", 'f', "nan"},
                                             {NULL, 0, NULL}};
    static const onnx_attribute scaler[] = {
        {"offset", 'f', "1 2"}, {"scale", 'f', "2"}, {NULL, 0, NULL}};
    static const onnx_attribute to[] = {{"to", 'i', "1"}, {NULL, 0, NULL}};
    tm_buf graph = message();
    put_node(&graph, "Cast", "X>a", to);
    put_node(&graph, first, "a>b", imputer);
    put_node(&graph, "Scaler", "b>c", scaler);
    put_node(&graph, "LinearRegressor", "c>y", regressor);
    if (last != NULL) {
        put_node(&graph, last, "y>z", NULL);
    }
    return wrap_graph(&graph, 11, 2);
}

static void steps_before_a_model_are_its_front(void **state) {
    (void)state;
    tm_import import = {0};
    tm_buf file = scaled("Imputer", "Cast");
    assert_int_equal(import_bytes(file.data, file.len, NULL, &import, NULL), TM_OK);
    const tm_cell cells[] = {number_cell(3), number_cell(2.5)};
    assert_true(import_score(&import, cells) == 0.5 + (3 - 1) * 2 + 10 * (2.5 - 2) * 2);
    const tm_cell gaps[] = {{.type = TM_TYPE_NONE}, number_cell(2)};
    assert_true(import_score(&import, gaps) == 0.5 + (4 - 1) * 2);
    assert_true(tm__program_schema(import.program)->cols[0].is_nullable);
    assert_string_equal(tm__program_schema(import.program)->cols[1].name, "f1");
    tm__import_done(&import);
    tm__buf_done(&file);
}

static void operators_that_are_not_known_are_named(void **state) {
    (void)state;
    const struct {
        const char *first, *last, *what;
    } cases[] = {{"Tokenizer", NULL, "'Tokenizer'"},
                 {"LabelEncoder", NULL, "'LabelEncoder'"},
                 {"Imputer", "Softplus", "'Softplus'"},
                 {"Imputer", "Normalizer", "'Normalizer'"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_import import = {0};
        tm_err err = {0};
        tm_buf file = scaled(cases[i].first, cases[i].last);
        assert_int_equal(import_bytes(file.data, file.len, NULL, &import, &err), TM_E_UNSUPPORTED);
        assert_non_null(strstr(err.message, cases[i].what));
        tm__buf_done(&file);
    }
}

static void inputs_that_are_no_numbers_and_graphs_without_a_model_are_refused(void **state) {
    (void)state;
    tm_import import = {0};
    tm_err err = {0};
    tm_buf graph = message();
    put_node(&graph, "LinearRegressor", "X>y", regressor);
    tm_buf file = wrap_graph(&graph, 8, 2); /* texts */
    assert_int_equal(import_bytes(file.data, file.len, NULL, &import, &err), TM_E_UNSUPPORTED);
    tm__buf_done(&file);
    graph = message();
    put_node(&graph, "LinearRegressor", "Y>y", regressor);
    file = wrap_graph(&graph, 1, 2);
    assert_int_equal(import_bytes(file.data, file.len, NULL, &import, &err), TM_E_DATA);
    tm__buf_done(&file);
    graph = message();
    put_node(&graph, "Cast", "X>X", NULL); /* a circle */
    file = wrap_graph(&graph, 1, 2);
    assert_int_not_equal(import_bytes(file.data, file.len, NULL, &import, &err), TM_OK);
    tm__buf_done(&file);
    graph = message();
    put_node(&graph, "LinearRegressor", "X>y", regressor);
    file = wrap_graph(&graph, 1, 3); /* of two weights */
    assert_int_equal(import_bytes(file.data, file.len, NULL, &import, &err), TM_E_DATA);
    const tm_import_options rounds = {.n_rounds = 3};
    assert_int_equal(import_bytes(file.data, file.len, &rounds, &import, &err), TM_E_USAGE);
    tm__buf_done(&file);
}

static void a_file_cut_at_any_byte_is_refused(void **state) {
    (void)state;
    tm_buf file = scaled("Imputer", "Cast");
    for (size_t len = 0; len < file.len; len++) {
        tm_import import = {0};
        tm_err err = {0};
        const tm_status st = import_bytes(file.data, len, NULL, &import, &err);
        assert_int_equal(st, TM_E_DATA);
    }
    tm__buf_done(&file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_before_a_model_are_its_front),
        cmocka_unit_test(operators_that_are_not_known_are_named),
        cmocka_unit_test(inputs_that_are_no_numbers_and_graphs_without_a_model_are_refused),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
