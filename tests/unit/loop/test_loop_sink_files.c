/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_sink_priv.h"
#include "sink_case.h"
#include "store/duck.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;

static tm_table *make_table(void) {
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(builder, "id", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(builder, "a \"name\"", TM_TYPE_TEXT, NULL), TM_OK);
    const tm_cell rows[][2] = {
        {{.type = TM_TYPE_INT, .i64 = 1}, {.type = TM_TYPE_TEXT, .text = TM_STR("x,y")}},
        {{.type = TM_TYPE_INT, .i64 = 2}, {.type = TM_TYPE_NONE}},
    };
    assert_int_equal(tm__builder_add_row(builder, rows[0], NULL), TM_OK);
    assert_int_equal(tm__builder_add_row(builder, rows[1], NULL), TM_OK);
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static tm_sink_run make_run(const tm_home *home, const char *kind) {
    tm_sink_run run = {.home = home, .ctx = &ctx};
    (void)tm__str_copy(run.row.name, sizeof(run.row.name), TM_STR("s"));
    run.row.spec = tm__sink_case_spec(home, kind, 10);
    return run;
}

static void write_batch(const tm_home *home, const char *kind, tm_status want) {
    tm_sink_run run = make_run(home, kind);
    tm_sink_target target = {0};
    tm_sink_batch batch = {.id = "s-000001-0123abcd", .result = make_table()};
    assert_int_equal(tm__sink_files_open(&run, &target, NULL), TM_OK);
    assert_int_equal(target.write(target.self, &batch, NULL), want);
    target.close(target.self);
    tm__table_unref(batch.result);
    json_decref(run.row.spec);
}

static void a_batch_is_a_file_of_csv(void **state) {
    tm_buf files;
    tm__buf_init(&files, 1u << 16);
    write_batch(*state, "csv", TM_OK);
    write_batch(*state, "csv", TM_OK); /* once more */
    assert_int_equal(tm__sink_case_files(*state, &files), 1);
    assert_string_equal((const char *)files.data, "s-000001-0123abcd.csv\n"
                                                  "id,\"a \"\"name\"\"\"\n1,\"x,y\"\n2,\n");
    tm__buf_done(&files);
}

static void a_batch_is_a_file_of_parquet(void **state) {
    tm_duck *duck = NULL;
    tm_table *back = NULL, *table = make_table();
    tm_hash want, got;
    write_batch(*state, "parquet", TM_OK);
    write_batch(*state, "parquet", TM_OK);
    char *path = tm__fs_join(tm__home_path(*state), "out/s-000001-0123abcd.parquet");
    assert_int_equal(tm__duck_open(&(tm_duck_options){.n_threads = 1}, &duck, NULL), TM_OK);
    assert_int_equal(tm__duck_read_parquet(duck, path, &back, NULL), TM_OK);
    tm__table_hash(table, &want);
    tm__table_hash(back, &got);
    assert_true(tm__hash_eq(&want, &got));
    tm__duck_close(duck);
    tm__table_unref(back);
    tm__table_unref(table);
    tm__mem_free(path);
}

static int fail_writes(const tm_disk_event *event) {
    return event->op == TM_DISK_WRITE ? ENOSPC : 0;
}

static void what_could_not_be_written_has_no_name(void **state) {
    tm_buf files;
    tm__buf_init(&files, 1u << 16);
    tm__disk_watch(fail_writes);
    write_batch(*state, "csv", TM_E_IO);
    tm__disk_watch(NULL);
    assert_int_equal(tm__sink_case_files(*state, &files), 0);
    tm__buf_done(&files);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_a_file_of_csv),
        TEST(a_batch_is_a_file_of_parquet),
        TEST(what_could_not_be_written_has_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
