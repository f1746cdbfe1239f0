/* SPDX-License-Identifier: Apache-2.0 */
#include "look_case.h"
#include "test.h"
#include "train/train_look_priv.h"
#include "train_case.h"

enum { ROWS = 600, ROUNDS = 30 };

static const train_case rows_of_case = {.target_text = {"no", "yes"}};

static json_t *rounds_of(const char *learner, const char *const *params, uint32_t n_params,
                         double *out_score) {
    const tm_train_options options = {.model = "m",
                                      .target = "label",
                                      .learners = learner,
                                      .params = params,
                                      .n_params = n_params,
                                      .work = 50000000};
    tm_table *table = train_case_table(&rows_of_case, ROWS);
    tm_ctx ctx = {0};
    tm_train_result result = {0};
    tm_bundle *bundle = NULL;
    tm_look look;
    json_t *out = NULL;
    assert_int_equal(tm__train_run(&ctx, table, NULL, &options, &result, NULL), TM_OK);
    assert_int_equal(tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, NULL), TM_OK);
    assert_int_equal(tm__look_init(&ctx, bundle, table, 1, &look, NULL), TM_OK);
    const tm_score_input in = {
        .task = look.task, .n_classes = 2, .n_rows = look.n, .y = look.y, .pred = look.pred};
    assert_int_equal(tm__metric_score(look.metric, &in, out_score, NULL), TM_OK);
    assert_int_equal(tm__look_rounds(&look, &out, NULL), TM_OK);
    tm__look_done(&look);
    tm__bundle_unref(bundle);
    tm__train_result_done(&result);
    tm__table_unref(table);
    return out;
}

/* The curve falls and ends where the whole model is, to the last bit. */
static void the_last_round_is_the_model(void **state) {
    (void)state;
    const char *const params[] = {"gbdt.n_trees=30", "gbdt.early_stopping=0"};
    double whole = 0;
    json_t *out = rounds_of("gbdt", params, 2, &whole);
    const size_t n = json_array_size(json_object_get(out, "rounds"));
    assert_true(n >= 10 && n <= 20);
    assert_true(look_case_at(out, "rounds", 0) == 1);
    assert_true(look_case_at(out, "rounds", n - 1) == ROUNDS);
    assert_true(look_case_at(out, "score", n - 1) == whole);
    assert_true(look_case_at(out, "score", 0) > 1.5 * whole);
    json_decref(out);
}

static void a_model_without_rounds_has_no_curve(void **state) {
    (void)state;
    double whole = 0;
    json_t *out = rounds_of("linear", NULL, 0, &whole);
    assert_true(json_is_null(out));
    json_decref(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_round_is_the_model),
        cmocka_unit_test(a_model_without_rounds_has_no_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
