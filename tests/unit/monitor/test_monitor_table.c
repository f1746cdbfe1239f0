/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/monitor_table.h"

#include <string.h>

#include "monitor/monitor_priv.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

/* Rows with the inputs of the tiny bundle (x, c, day), who (its entity) and asked (its time). */
static tm_table *make_rows(bool has_c) {
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "who", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "x", TM_TYPE_FLOAT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "asked", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, has_c ? "c" : "d", TM_TYPE_TEXT, NULL), TM_OK);
    for (int64_t i = 0; i < 2; i++) {
        const tm_cell cells[] = {
            {.type = i == 0 ? TM_TYPE_INT : TM_TYPE_NONE, .i64 = 42},
            {.type = TM_TYPE_FLOAT, .f64 = 0.25 + (double)i},
            {.type = TM_TYPE_TEXT, .text = i == 0 ? TM_STR("1970-01-01T00:00:02Z") : TM_STR("?")},
            {.type = TM_TYPE_TEXT, .text = TM_STR("red")}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static tm_record append(tm_table_log *log, uint64_t row, tm_buf *bytes) {
    const double output = 0.75;
    const tm_table_answer answer = {
        .row = row, .id = "01J0Z3K4M5N6P7Q8R9S0T1V2W3", .outputs = &output, .n_outputs = 1};
    tm_record record;
    tm__buf_reset(bytes);
    assert_true(tm__table_log_append(log, &answer, bytes));
    tm_str rest = {(const char *)bytes->data, bytes->len};
    assert_true(tm__record_read(&rest, &record));
    assert_int_equal(rest.len, 0);
    assert_true(tm__record_output(&record, 0) == 0.75);
    return record;
}

static void a_row_is_logged_with_what_its_answer_is_known_by(void **state) {
    const tm_tiny_bundle options = {.entity = "who", .time = "asked"};
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &options);
    tm_table *table = make_rows(true);
    tm_table_log log;
    tm_buf bytes;
    tm_cell cells[8];
    tm__buf_init(&bytes, 4096);
    assert_int_equal(tm__table_log_init(&log, bundle, NULL), TM_OK);
    tm__table_log_use(&log, table);
    assert_int_equal(log.n, tm__bundle_schema(bundle)->n_cols + 2);
    tm_record record = append(&log, 0, &bytes);
    assert_int_equal(record.event_us, 2000000);
    assert_true(tm__str_is(record.entity, "42"));
    assert_true(tm__record_cells(&record, cells, log.n));
    assert_true(cells[0].f64 == 0.25);
    assert_true(tm__str_is(cells[1].text, "red"));
    record = append(&log, 1, &bytes);
    assert_true(record.event_us == TM_INT_MISSING); /* no time is in that text */
    assert_null(record.entity.ptr);
    tm__table_log_done(&log);
    tm__buf_done(&bytes);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

static void what_the_table_lacks_is_missing_or_the_callers(void **state) {
    const tm_tiny_bundle options = {.entity = "id"};
    tm_bundle *bundle = tm__tiny_bundle_create(*state, &options);
    tm_table *table = make_rows(false);
    tm_table_log log;
    tm_buf bytes;
    tm_cell cells[8];
    tm__buf_init(&bytes, 4096);
    assert_int_equal(tm__table_log_init(&log, bundle, NULL), TM_OK);
    tm__table_log_use(&log, table);
    assert_int_equal(log.time, TM_TABLE_LOG_NONE);
    log.cells[log.entity] = (tm_cell){.type = TM_TYPE_TEXT, .text = TM_STR("e-1")};
    const tm_record record = append(&log, 0, &bytes);
    assert_true(tm__str_is(record.entity, "e-1"));
    assert_true(tm__record_cells(&record, cells, log.n));
    assert_int_equal(cells[1].type, TM_TYPE_NONE);
    tm__table_log_done(&log);
    tm__buf_done(&bytes);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_row_is_logged_with_what_its_answer_is_known_by),
        TEST(what_the_table_lacks_is_missing_or_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
