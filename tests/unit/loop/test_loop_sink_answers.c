/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "loop/loop_sink_priv.h"
#include "monitor/monitor.h"
#include "sink_case.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

/* Rows of `made`, which reads x and c; x stands as texts, as another source may give it. */
static tm_table *make_rows(uint32_t n, const char *extra) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "id", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "x", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "c", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "y", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, extra, TM_TYPE_FLOAT, NULL), TM_OK);
    for (uint32_t i = 0; i < n; i++) {
        const tm_cell cells[] = {
            {.type = TM_TYPE_INT, .i64 = i},
            {.type = TM_TYPE_TEXT, .text = i % 2 == 0 ? TM_STR("0.25") : TM_STR("0.75")},
            {.type = i % 5 == 0 ? TM_TYPE_NONE : TM_TYPE_TEXT, .text = TM_STR("a")},
            {.type = TM_TYPE_TEXT, .text = TM_STR("yes")},
            {.type = TM_TYPE_FLOAT, .f64 = i / 4.0},
        };
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

typedef struct made {
    tm_registry *registry;
    tm_version version;
    tm_bundle *bundle;
} made;

static made open_made(const tm_home *home) {
    made m = {0};
    tm__sink_case_make(home);
    assert_int_equal(tm__registry_open(home, &m.registry, NULL), TM_OK);
    assert_int_equal(tm__registry_find(m.registry, "made", &m.version, NULL), TM_OK);
    assert_int_equal(tm__registry_bundle(m.registry, &m.version, &m.bundle, NULL), TM_OK);
    return m;
}

static void close_made(made *m) {
    tm__bundle_unref(m->bundle);
    tm__version_done(&m->version);
    tm__registry_close(m->registry);
}

static tm_sink_batch make_batch(const made *m, uint32_t n, const char *extra) {
    tm_sink_batch batch = {.id = "s-000001-0123abcd",
                           .id_hash = 0x123456789abcdef0,
                           .n_rows = n,
                           .at_us = 1700000000123456,
                           .model = "made",
                           .version = m->version.number,
                           .bundle = tm__bundle_ref(m->bundle),
                           .rows = make_rows(n, extra)};
    return batch;
}

static tm_cell cell_at(const tm_table *table, const char *name, uint64_t row) {
    return tm__column_cell(tm__table_column(table, tm__table_find(table, name)), row);
}

static void a_result_has_what_the_model_does_not_read_and_the_answers(void **state) {
    made m = open_made(*state);
    tm_sink_batch batch = make_batch(&m, 10, "amount");
    const tm_sink_run run = {0};
    json_t *passed = tm__sink_passed(&run, m.bundle, batch.rows);
    static const char *const names[] = {"id",          "amount",        "prediction",
                                        "probability", "prediction_id", "model",
                                        "version",     "scored_at"};
    assert_int_equal(tm__sink_score(&ctx, &batch, passed, NULL), TM_OK);
    assert_int_equal(tm__table_cols(batch.result), 8);
    for (uint32_t i = 0; i < 8; i++) {
        assert_string_equal(tm__table_column(batch.result, i)->name, names[i]);
    }
    for (uint64_t row = 0; row < 10; row++) {
        char id[27];
        const double p = cell_at(batch.result, "probability", row).f64;
        const char *want = tm__bundle_class(m.bundle, p >= tm__bundle_threshold(m.bundle) ? 1 : 0);
        assert_int_equal(cell_at(batch.result, "id", row).i64, row);
        assert_true(cell_at(batch.result, "amount", row).f64 == (double)row / 4.0);
        assert_true(tm__str_is(cell_at(batch.result, "prediction", row).text, want));
        assert_true(p == batch.outputs[row]);
        tm__sink_answer_id(&batch, row, id);
        assert_true(tm__str_is(cell_at(batch.result, "prediction_id", row).text, id));
        assert_int_equal(cell_at(batch.result, "version", row).i64, 1);
        assert_int_equal(cell_at(batch.result, "scored_at", row).i64, batch.at_us);
    }
    json_decref(passed);
    tm__sink_batch_done(&batch);
    close_made(&m);
}

static void keys_are_written_in_place_of_the_rest(void **state) {
    made m = open_made(*state);
    tm_sink_batch batch = make_batch(&m, 3, "amount");
    static const char *const keys[] = {"c"};
    const tm_sink_run run = {.keys = keys, .n_keys = 1};
    json_t *passed = tm__sink_passed(&run, m.bundle, batch.rows);
    assert_int_equal(tm__sink_score(&ctx, &batch, passed, NULL), TM_OK);
    assert_int_equal(tm__table_cols(batch.result), 7);
    assert_int_equal(cell_at(batch.result, "c", 0).type, TM_TYPE_NONE);
    assert_true(tm__str_is(cell_at(batch.result, "c", 1).text, "a"));
    json_decref(passed);
    tm__sink_batch_done(&batch);
    close_made(&m);
}

static void columns_that_cannot_be_written_are_named(void **state) {
    made m = open_made(*state);
    tm_err err = {0};
    tm_sink_batch batch = make_batch(&m, 3, "Probability_no");
    const tm_sink_run run = {0};
    json_t *passed = tm__sink_passed(&run, m.bundle, batch.rows);
    assert_int_equal(tm__sink_score(&ctx, &batch, passed, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "'Probability_no' has the name of an answer"));
    json_decref(passed);
    tm__sink_batch_done(&batch);
    batch = make_batch(&m, 3, "amount");
    passed = json_pack("[s]", "gone");
    assert_int_equal(tm__sink_score(&ctx, &batch, passed, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "no column 'gone'"));
    json_decref(passed);
    tm__sink_batch_done(&batch);
    close_made(&m);
}

static void ids_are_functions_of_batch_and_row_in_their_order(void **state) {
    (void)state;
    tm_sink_batch batch = {.id_hash = 0xfedcba9876543210, .at_us = 1700000000123456};
    char last[27] = "", id[27], again[27];
    for (uint64_t row = 0; row < 100000; row++) {
        tm__sink_answer_id(&batch, row, id);
        tm__sink_answer_id(&batch, row, again);
        assert_string_equal(id, again);
        assert_true(strcmp(id, last) > 0);
        memcpy(last, id, sizeof(last));
    }
    batch.id_hash++;
    tm__sink_answer_id(&batch, 0, again);
    batch.id_hash--;
    tm__sink_answer_id(&batch, 0, id);
    assert_string_not_equal(id, again);
}

static void answers_are_logged_with_the_row_as_it_was_scored(void **state) {
    made m = open_made(*state);
    tm_monitor *monitor = NULL;
    tm_job_log *log = NULL;
    json_t *found = NULL;
    const tm_monitor_options options = {.can_write = false};
    tm_sink_batch batch = make_batch(&m, 10, "amount");
    const tm_sink_run run = {0};
    json_t *passed = tm__sink_passed(&run, m.bundle, batch.rows);
    assert_int_equal(tm__sink_score(&ctx, &batch, passed, NULL), TM_OK);
    assert_int_equal(tm__job_log_open(*state, "sink.x", &log, NULL), TM_OK);
    assert_int_equal(tm__sink_log(&batch, log, NULL), TM_OK);
    assert_int_equal(tm__sink_log(&batch, log, NULL), TM_OK); /* changes nothing */
    tm__job_log_close(log);
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    json_t *counters = tm__monitor_counters(monitor);
    assert_int_equal(tm__json_i64(counters, "written", 0), 10);
    json_decref(counters);
    char id[27];
    tm__sink_answer_id(&batch, 3, id);
    assert_int_equal(tm__monitor_find(monitor, id, &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "model", ""), "made");
    assert_int_equal(tm__json_i64(found, "version", 0), 1);
    assert_true(tm__json_f64(json_object_get(found, "row"), "x", 0) == 0.75);
    assert_string_equal(tm__json_text(json_object_get(found, "row"), "c", ""), "a");
    assert_true(json_number_value(json_array_get(json_object_get(found, "outputs"), 0)) ==
                batch.outputs[3]);
    json_decref(found);
    tm__monitor_close(monitor);
    json_decref(passed);
    tm__sink_batch_done(&batch);
    close_made(&m);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_result_has_what_the_model_does_not_read_and_the_answers),
        TEST(keys_are_written_in_place_of_the_rest),
        TEST(columns_that_cannot_be_written_are_named),
        cmocka_unit_test(ids_are_functions_of_batch_and_row_in_their_order),
        TEST(answers_are_logged_with_the_row_as_it_was_scored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
