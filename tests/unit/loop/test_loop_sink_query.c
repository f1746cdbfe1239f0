/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; the rest is in tests/e2e/test_sinks_postgres.py. */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_sink_priv.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;
static const char *const keys[] = {"id"};

/* A run whose server is not there. */
static tm_sink_run make_run(const tm_home *home) {
    static const char dsn[] = "host=127.0.0.1 port=1 user=u password=hidden dbname=d";
    tm_sink_run run = {.home = home, .ctx = &ctx, .keys = keys, .n_keys = 1, .batch_rows = 10};
    char *path = tm__fs_join(tm__home_path(home), "pg.dsn");
    assert_int_equal(tm__fs_publish_secret(path, dsn, sizeof(dsn) - 1, NULL), TM_OK);
    run.row.spec =
        json_pack("{s:{s:{s:s, s:s}}}", "read", "postgres", "dsn_file", path, "query", "SELECT 1");
    run.row.state = json_pack("{s:s}", "uid", "01K0000000000000000000000A");
    tm__mem_free(path);
    return run;
}

static void a_server_that_is_not_there_is_tried_again(void **state) {
    tm_sink_run run = make_run(*state);
    tm_sink_input input = {0};
    json_t *plan = json_object();
    tm_err err = {0};
    bool has = false;
    assert_int_equal(tm__sink_query_open(&run, &input, NULL), TM_OK);
    assert_int_equal(input.plan(input.self, plan, &has, &err), TM_E_UNAVAILABLE);
    assert_null(strstr(err.message, "hidden"));
    input.close(input.self);
    json_decref(plan);
    json_decref(run.row.spec);
    json_decref(run.row.state);
}

static void a_batch_that_was_begun_needs_no_server(void **state) {
    tm_sink_run run = make_run(*state);
    tm_sink_input input = {0};
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL, *back = NULL;
    tm_hash hash;
    char text[TM_HASH_TEXT];
    assert_int_equal(tm__builder_add_column(builder, "id", TM_TYPE_INT, NULL), TM_OK);
    const tm_cell cell = {.type = TM_TYPE_INT, .i64 = 7};
    assert_int_equal(tm__builder_add_row(builder, &cell, NULL), TM_OK);
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    char *path = tm__sink_spool_path(&run, 5);
    assert_int_equal(tm__sink_spool_write(path, table, &hash, NULL), TM_OK);
    tm__hash_to_text(&hash, text);
    json_t *plan = json_pack("{s:i, s:i, s:i, s:[s], s:s}", "number", 5, "first", 3, "rows", 1,
                             "after", "7", "spool", text);
    assert_int_equal(tm__sink_query_open(&run, &input, NULL), TM_OK);
    assert_int_equal(input.read(input.self, plan, &back, NULL), TM_OK);
    assert_int_equal(tm__column_cell(tm__table_column(back, 0), 0).i64, 7);
    assert_int_equal(input.done(input.self, plan, run.row.state, NULL), TM_OK);
    assert_int_equal(tm__json_i64(run.row.state, "next", 0), 4);
    const json_t *after = json_object_get(run.row.state, "after");
    assert_string_equal(json_string_value(json_array_get(after, 0)), "7");
    assert_int_equal(input.finish(input.self, run.row.state, NULL), TM_OK);
    assert_null(json_object_get(run.row.state, "after"));
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_FILE); /* until that is committed */
    assert_int_equal(input.clean(input.self, NULL), TM_OK);
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_NONE);
    input.close(input.self);
    tm__table_unref(table);
    tm__table_unref(back);
    tm__mem_free(path);
    json_decref(plan);
    json_decref(run.row.spec);
    json_decref(run.row.state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_is_not_there_is_tried_again),
        TEST(a_batch_that_was_begun_needs_no_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
