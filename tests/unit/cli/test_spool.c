/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "bundle_data.h"
#include "cli/spool.h"
#include "store/duck.h"
#include "test.h"

#define PATH "spool-rows"

static void a_stream_is_kept_under_a_name_of_its_kind(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *suffix;
    } cases[] = {
        {"a,b\n1,2\n", ".csv"},    {"", ".csv"},
        {"{\"a\":1}\n", ".jsonl"}, {"\xEF\xBB\xBF \n{\"a\":1}", ".jsonl"},
        {" [1]", ".json"},         {"PAR1 and more", ".parquet"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_ctx ctx = {0};
        tm_spool *spool = NULL;
        tm_buf got;
        char path[1200];
        tm__buf_init(&got, 1u << 20);
        assert_int_equal(tm__fs_publish(PATH, cases[i].bytes, strlen(cases[i].bytes), NULL), TM_OK);
        assert_int_equal(tm__spool_read(&ctx, PATH, 1 << 20, &spool, NULL), TM_OK);
        (void)snprintf(path, sizeof path, "%s", tm__spool_path(spool));
        assert_true(tm__str_has_suffix(tm__str(path), cases[i].suffix));
        assert_int_equal(tm__fs_read_all(path, &got, NULL), TM_OK);
        assert_int_equal(got.len, strlen(cases[i].bytes));
        assert_memory_equal(got.data, cases[i].bytes, got.len);
        tm_err err = {.status = TM_E_DATA};
        tm_err_at(&err, path, 7, 3);
        tm__spool_name(spool, &err);
        assert_string_equal(err.data_path, "standard input");
        assert_int_equal(err.data_row, 7);
        assert_int_equal(err.data_col, 3);
        tm__spool_free(spool);
        assert_int_equal(tm__fs_info(path).kind, TM_PATH_NONE);
        tm__buf_done(&got);
    }
    tm__spool_free(NULL);
    tm__spool_name(NULL, NULL);
}

static void packed_streams_and_cancelled_ones_are_refused(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_spool *spool = NULL;
    tm_err err = {0};
    assert_int_equal(tm__fs_publish(PATH, "\x1f\x8b and so on", 12, NULL), TM_OK);
    assert_int_equal(tm__spool_read(&ctx, PATH, 1 << 20, &spool, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "packed"));
    volatile _Atomic bool cancel = true;
    ctx.cancel = &cancel;
    assert_int_equal(tm__fs_publish(PATH, "a\n1\n", 4, NULL), TM_OK);
    assert_int_equal(tm__spool_read(&ctx, PATH, 1 << 20, &spool, &err), TM_E_CANCELLED);
    ctx.cancel = NULL;
    assert_int_equal(tm__spool_read(&ctx, PATH, 3, &spool, &err), TM_E_LIMIT);
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
    assert_int_equal(tm__spool_read(&ctx, PATH, 1 << 20, &spool, &err), TM_E_NOT_FOUND);
    assert_null(spool);
}

static void answers_become_parquet_with_numbers(void **state) {
    (void)state;
    static const char csv[] =
        "id,note,prediction,probability\n007,\"a,\"\"b\n\",yes,0.1\n1.50,,no,1e-300\n";
    bundle_data *data = bundle_data_create(40, TM_TASK_BINARY, "baseline");
    tm_bundle *bundle = bundle_data_open(data);
    tm_ctx ctx = {0};
    tm_err err = {0};
    assert_int_equal(tm__fs_publish(PATH, csv, strlen(csv), NULL), TM_OK);
    if (tm__spool_to_parquet(&ctx, bundle, PATH, PATH ".pq", &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const tm_duck_options options = {.n_threads = 1};
    tm_duck *duck = NULL;
    tm_table *table = NULL;
    assert_int_equal(tm__duck_open(&options, &duck, NULL), TM_OK);
    assert_int_equal(
        tm__duck_query(duck, "SELECT * FROM read_parquet('" PATH ".pq')", 9, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 2);
    assert_int_equal(tm__table_column(table, 3)->type, TM_TYPE_FLOAT);
    assert_true(tm__table_column(table, 3)->floats[0] == 0.1);
    assert_true(tm__table_column(table, 3)->floats[1] == 1e-300);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 0), 0).text, "007"));
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 0), 1).text, "1.50"));
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 1), 0).text, "a,\"b\n"));
    assert_true(tm__column_is_missing(tm__table_column(table, 1), 1));
    assert_string_equal(tm__table_column(table, 2)->name, "prediction");
    tm__table_unref(table);
    tm__duck_close(duck);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
    assert_int_equal(tm__fs_remove(PATH ".pq", NULL), TM_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_kept_under_a_name_of_its_kind),
        cmocka_unit_test(packed_streams_and_cancelled_ones_are_refused),
        cmocka_unit_test(answers_become_parquet_with_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
