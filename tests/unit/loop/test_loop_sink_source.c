/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "loop/loop_sink_priv.h"
#include "sink_case.h"
#include "source/intake.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

typedef struct opened {
    tm_sink_run run;
    tm_sink_input input;
} opened;

static void open_input(const tm_home *home, opened *o, uint64_t batch_rows) {
    *o = (opened){.run = {.home = home, .ctx = &ctx, .batch_rows = batch_rows}};
    o->run.row.spec = tm__sink_case_spec(home, "csv", 10);
    o->run.row.state = json_object();
    assert_int_equal(tm__sink_source_open(&o->run, &o->input, NULL), TM_OK);
}

static void close_input(opened *o) {
    json_decref(o->run.row.spec);
    json_decref(o->run.row.state);
    tm__mem_free((void *)(uintptr_t)o->run.keys);
    o->input.close(o->input.self);
}

/* Plan, read and note a batch; its rows, 0 when nothing is left. */
static uint64_t take(opened *o, int64_t first_id) {
    json_t *plan = json_object();
    tm_table *table = NULL;
    bool has = false;
    uint64_t n = 0;
    o->run.ahead = o->run.row.state;
    assert_int_equal(o->input.plan(o->input.self, plan, &has, NULL), TM_OK);
    if (has) {
        assert_int_equal(o->input.read(o->input.self, plan, &table, NULL), TM_OK);
        n = tm__table_rows(table);
        const tm_column *ids = tm__table_column(table, tm__table_find(table, "id"));
        for (uint64_t row = 0; row < n; row++) {
            assert_int_equal(tm__column_cell(ids, row).i64, first_id + (int64_t)row);
        }
        assert_int_equal(o->input.done(o->input.self, plan, o->run.row.state, NULL), TM_OK);
    }
    tm__table_unref(table);
    json_decref(plan);
    return n;
}

static void batches_follow_one_another_up_to_the_rows_that_were_there(void **state) {
    opened o;
    tm__sink_case_make(*state);
    tm__sink_case_push(*state, 0, 25);
    open_input(*state, &o, 10);
    assert_int_equal(o.run.n_keys, 1);
    assert_string_equal(o.run.keys[0], "id");
    assert_int_equal(take(&o, 0), 10);
    tm__sink_case_push(*state, 25, 25); /* for the next run */
    assert_int_equal(take(&o, 10), 10);
    assert_int_equal(take(&o, 20), 5);
    assert_int_equal(take(&o, 25), 0);
    assert_int_equal(tm__json_i64(o.run.row.state, "next", 0), 25);
    close_input(&o);
}

static void rows_that_were_removed_are_counted_as_missed(void **state) {
    opened o;
    uint64_t n = 0;
    tm__sink_case_make(*state);
    tm__sink_case_push(*state, 0, 25);
    assert_int_equal(tm__intake_compact(&ctx, *state, "rows", 1, &n, NULL), TM_OK);
    tm__sink_case_push(*state, 25, 5);
    tm__sink_case_drop_segments(*state);
    open_input(*state, &o, 10);
    assert_int_equal(take(&o, 25), 5);
    assert_int_equal(tm__json_i64(o.run.row.state, "missed", 0), 25);
    assert_int_equal(take(&o, 30), 0);
    close_input(&o);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(batches_follow_one_another_up_to_the_rows_that_were_there),
        TEST(rows_that_were_removed_are_counted_as_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
