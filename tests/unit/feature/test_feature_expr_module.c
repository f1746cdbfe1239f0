/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "feature/feature_expr_module.h"
#include "made_module.h"

static made_module sum, word;
static const tm_user_module *sum_module;

/* The first letter of a text, doubled. */
static void twice(const tm_module_host *host, const tm_module_cell *cells, char *room,
                  tm_module_cell *out) {
    (void)host;
    if (cells[0].text.ptr != NULL && cells[0].text.len > 0) {
        room[0] = room[1] = cells[0].text.ptr[0];
        out->text = (tm_module_text){room, 2};
    }
}

static int add_modules(void **state) {
    (void)state;
    made_module_init(&sum, "sum_of");
    sum_module = made_module_add(&sum, 1);
    made_module_init(&word, "twice");
    word.inputs[0] = TM_MODULE_TEXT;
    word.transform.n_inputs = 1;
    word.transform.output = TM_MODULE_TEXT;
    word.transform.apply = twice;
    assert_int_equal(tm__expr_module_add(sum_module, NULL), TM_OK);
    assert_int_equal(tm__expr_module_add(sum_module, NULL), TM_OK);
    assert_int_equal(tm__expr_module_add(made_module_add(&word, 2), NULL), TM_OK);
    return 0;
}

static const char *const names[] = {"a", "b", "t"};
static const tm_type types[] = {TM_TYPE_FLOAT, TM_TYPE_INT, TM_TYPE_TEXT};
static const tm_expr_names sources = {names, types, 3};

static void an_expression_calls_a_module_and_finds_it_again_in_its_bytes(void **state) {
    tm_expr expr, loaded;
    tm_expr_scratch scratch;
    tm_buf bytes;
    tm_reader in;
    tm_err err = {0};
    (void)state;
    if (tm__expr_parse("x = 2 * sum_of(a, b)", &sources, &expr, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const tm_expr_value values[] = {{.number = 3}, {.number = 4}};
    assert_true(tm__expr_eval(&expr, values, &scratch).number == 14);
    const tm_expr_value missing[] = {{.number = 3}, {.number = NAN}};
    assert_true(isnan(tm__expr_eval(&expr, missing, &scratch).number));
    const tm_expr_value huge[] = {{.number = 1.7e308}, {.number = 1.7e308}};
    assert_true(isnan(tm__expr_eval(&expr, huge, &scratch).number));
    tm__buf_init(&bytes, 1u << 16);
    assert_true(tm__expr_save(&expr, &bytes));
    tm__reader_init(&in, bytes.data, bytes.len);
    assert_int_equal(tm__expr_load(&in, types, 3, &loaded, &err), TM_OK);
    assert_true(tm__expr_eval(&loaded, values, &scratch).number == 14);
    tm__buf_done(&bytes);
    tm__expr_done(&loaded);
    tm__expr_done(&expr);
}

static void texts_go_in_and_come_out(void **state) {
    tm_expr expr;
    tm_expr_scratch scratch;
    (void)state;
    assert_int_equal(
        tm__expr_parse("x = concat(twice(t), '-', Twice(upper(t)))", &sources, &expr, NULL), TM_OK);
    const tm_expr_value values[] = {{.text = {"pq", 2}}};
    const tm_expr_value got = tm__expr_eval(&expr, values, &scratch);
    assert_int_equal(got.text.len, 5);
    assert_memory_equal(got.text.ptr, "pp-PP", 5);
    tm__expr_done(&expr);
}

static void a_call_with_other_types_is_refused(void **state) {
    tm_expr expr;
    tm_err err = {0};
    (void)state;
    assert_int_equal(tm__expr_parse("x = sum_of(a)", &sources, &expr, &err), TM_E_USAGE);
    assert_int_equal(tm__expr_parse("x = sum_of(a, t)", &sources, &expr, &err), TM_E_USAGE);
}

static void names_and_numbers_are_each_taken_once(void **state) {
    made_module other;
    tm_err err = {0};
    const tm_user_module entry = {.table = &other.table};
    (void)state;
    made_module_init(&other, "log");
    assert_int_equal(tm__expr_module_add(&entry, &err), TM_E_CONFLICT);
    other.table.transform = NULL;
    assert_int_equal(tm__expr_module_add(&entry, &err), TM_OK);
    const tm_expr_fn *fn = tm__expr_module_named(TM_STR("sum_of"));
    assert_ptr_equal(tm__expr_module_get(fn->number), fn);
    assert_ptr_equal(tm__expr_module_of(fn->number), sum_module);
    assert_true(fn->number >= TM_EXPR_MODULE);
    assert_null(tm__expr_module_get(3));
    assert_null(tm__expr_module_of(0x8000u + 12345u));
    assert_null(tm__expr_module_named(TM_STR("nothing")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expression_calls_a_module_and_finds_it_again_in_its_bytes),
        cmocka_unit_test(texts_go_in_and_come_out),
        cmocka_unit_test(a_call_with_other_types_is_refused),
        cmocka_unit_test(names_and_numbers_are_each_taken_once),
    };
    return cmocka_run_group_tests(tests, add_modules, NULL);
}
