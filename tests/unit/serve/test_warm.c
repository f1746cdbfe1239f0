/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "guard/guard.h"
#include "serve/warm.h"
#include "temp_home.h"
#include "tiny_bundle.h"

/* Log rows of the columns x and c as the route was asked them. */
static void log_rows(tm_monitor *monitor, const tm_cell (*rows)[2], uint32_t n) {
    static const char *const columns[] = {"x", "c"};
    const tm_stream_spec spec = {.route = "tiny",
                                 .model = "tiny",
                                 .arm = "champion",
                                 .version = 1,
                                 .columns = columns,
                                 .n_columns = 2};
    tm_stream *stream = NULL;
    tm_buf bytes;
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__monitor_stream(monitor, &spec, &stream, NULL), TM_OK);
    for (uint32_t i = 0; i < n; i++) {
        const double output = 0.5;
        tm_answer answer = {.event_us = TM_INT_MISSING,
                            .cells = rows[i],
                            .n_cells = 2,
                            .outputs = &output,
                            .n_outputs = 1};
        tm__id_create(answer.id);
        assert_true(tm__answer_append(&answer, &bytes));
    }
    const tm_answers answers = {.bytes = &bytes, .at_us = tm__now_us()};
    assert_int_equal(tm__monitor_answers(monitor, stream, &answers, NULL, NULL), TM_OK);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    tm__buf_done(&bytes);
}

static void what_clients_send_must_have_an_answer(void **state) {
    const tm_cell good[2][2] = {
        {{.type = TM_TYPE_FLOAT, .f64 = 0.5}, {.type = TM_TYPE_TEXT, .text = TM_STR("a")}},
        {{.type = TM_TYPE_NONE}, {.type = TM_TYPE_NONE}}};
    const tm_cell bad[1][2] = {
        {{.type = TM_TYPE_TEXT, .text = TM_STR("secret")}, {.type = TM_TYPE_NONE}}};
    const tm_monitor_options writing = {.can_write = true};
    tm_monitor *monitor = NULL;
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &(tm_tiny_bundle){.auc = 0.7});
    assert_int_equal(tm__monitor_open(*state, &writing, &monitor, NULL), TM_OK);
    tm_warm_terms terms = {
        .source = {monitor, NULL}, .model = "tiny", .route = "tiny", .version = 2, .n_rows = 9};
    uint32_t n = 77;
    tm_err err = {0};
    assert_int_equal(tm__warm_up(bundle, &terms, &n, NULL), TM_OK);
    assert_int_equal(n, 0); /* nobody asked yet */
    log_rows(monitor, good, 2);
    assert_int_equal(tm__warm_up(bundle, &terms, &n, NULL), TM_OK);
    assert_int_equal(n, 2);
    terms.n_rows = 1;
    assert_int_equal(tm__warm_up(bundle, &terms, &n, NULL), TM_OK);
    assert_int_equal(n, 1);
    log_rows(monitor, bad, 1); /* of a version that read texts there */
    terms.n_rows = 9;
    assert_int_equal(tm__warm_up(bundle, &terms, &n, &err), TM_E_REFUSED);
    assert_non_null(strstr(err.message, "newest requests"));
    assert_non_null(strstr(err.message, "'x'"));
    assert_null(strstr(err.message, "secret"));
    terms.n_rows = 0;
    assert_int_equal(tm__warm_up(bundle, &terms, &n, NULL), TM_OK);
    tm__monitor_close(monitor);
    tm__bundle_unref(bundle);
}

static void the_recipe_says_how_many(void **state) {
    (void)state;
    json_t *recipe = json_pack("{s:i}", "warm_up", 12);
    assert_int_equal(tm__warm_rows(recipe), 12);
    assert_int_equal(tm__warm_rows(json_null()), TM_WARM_ROWS);
    json_object_set_new(recipe, "warm_up", json_integer(0));
    assert_int_equal(tm__warm_rows(recipe), 0);
    json_object_set_new(recipe, "warm_up", json_integer(1000000));
    assert_int_equal(tm__warm_rows(recipe), TM_WARM_ROWS_MAX);
    json_decref(recipe);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_clients_send_must_have_an_answer, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test(the_recipe_says_how_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
