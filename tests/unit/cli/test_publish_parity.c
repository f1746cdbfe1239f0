/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "bundle_data.h"
#include "cli/publish_parity.h"
#include "test.h"

static void what_was_trained_is_what_is_served(void **state) {
    (void)state;
    static const struct {
        tm_task task;
        const char *learner;
        uint32_t n_rows;
    } cases[] = {{TM_TASK_BINARY, "gbdt", 60},
                 {TM_TASK_BINARY, "linear", 700},
                 {TM_TASK_REGRESSION, "gbdt", 700},
                 {TM_TASK_MULTICLASS, "forest", 300}};
    const tm_window_tables none = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bundle_data *data = bundle_data_create(cases[i].n_rows, cases[i].task, cases[i].learner);
        tm_bundle *bundle = bundle_data_open(data);
        json_t *evidence = NULL;
        tm_ctx ctx = {0};
        tm_err err = {0};
        if (tm__publish_prove(&ctx, bundle, data->table, &none, &evidence, &err) != TM_OK) {
            fail_msg("%s: %s", cases[i].learner, err.message);
        }
        const uint32_t n = cases[i].n_rows < TM_PROOF_ROWS ? cases[i].n_rows : TM_PROOF_ROWS;
        assert_int_equal(tm__json_i64(json_object_get(evidence, "parity"), "rows", 0), n);
        json_decref(evidence);
        tm__bundle_unref(bundle);
        bundle_data_free(data);
    }
}

static void rows_of_another_table_prove_nothing(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(60, TM_TASK_BINARY, "baseline");
    tm_bundle *bundle = bundle_data_open(data);
    const tm_window_tables none = {0};
    tm_table_builder *builder = tm__builder_create();
    tm_table *other = NULL;
    tm_ctx ctx = {0};
    json_t *evidence = NULL;
    tm_err err = {0};
    const tm_cell cell = {.type = TM_TYPE_FLOAT, .f64 = 1};
    assert_int_equal(tm__builder_add_column(builder, "else", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_row(builder, &cell, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(builder, &other, NULL), TM_OK);
    assert_int_equal(tm__publish_prove(&ctx, bundle, other, &none, &evidence, &err),
                     TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, "lack the input"));
    tm__table_unref(other);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_trained_is_what_is_served),
        cmocka_unit_test(rows_of_another_table_prove_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
