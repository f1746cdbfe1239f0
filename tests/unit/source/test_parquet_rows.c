/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "source/parquet_rows.h"
#include "store/duck.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"

static tm_supervisor *supervisor;

static void make_parquet(const char *select, tm_buf *out) {
    char sql[512];
    tm_duck *duck = NULL;
    const tm_duck_options options = {.n_threads = 1};
    (void)snprintf(sql, sizeof(sql), "COPY (%s) TO 'made.parquet' (FORMAT parquet)", select);
    assert_int_equal(tm__duck_open(&options, &duck, NULL), TM_OK);
    assert_int_equal(tm__duck_exec(duck, sql, NULL), TM_OK);
    tm__duck_close(duck);
    tm__buf_init(out, 64u << 20);
    assert_int_equal(tm__fs_read_all("made.parquet", out, NULL), TM_OK);
}

static bool count_entry(void *arg, const char *name) {
    (void)name;
    ++*(uint32_t *)arg;
    return true;
}

/* Nothing may be left behind, whatever the body was. */
static void assert_nothing_left(const tm_home *home) {
    uint32_t n = 0;
    assert_int_equal(tm__fs_list(tm__home_temp(home), count_entry, &n, NULL), TM_OK);
    assert_int_equal(n, 0);
}

static tm_status read_body(tm_parquet *p, const tm_buf *body, uint64_t n_rows_max, tm_table **out,
                           tm_err *err) {
    const tm_parquet_body b = {.data = body->data, .len = body->len, .n_rows_max = n_rows_max};
    tm_bad_values bad = {0};
    const tm_status st = tm__parquet_read(p, &b, out, &bad, err);
    assert_int_equal(bad.n, 0);
    tm__bad_values_done(&bad);
    return st;
}

static void rows_come_with_their_types(void **state) {
    tm_buf body;
    tm_err err = {0};
    tm_table *table = NULL;
    tm_parquet *p = tm__parquet_create(*state, supervisor);
    make_parquet("SELECT range::BIGINT AS id, range / 2 AS x, 'n' || range % 3 AS t, "
                 "DATE '2024-01-01' AS d FROM range(10000)",
                 &body);
    assert_int_equal(read_body(p, &body, 10000, &table, &err), TM_OK);
    assert_int_equal(tm__table_rows(table), 10000);
    const tm_type want[] = {TM_TYPE_INT, TM_TYPE_FLOAT, TM_TYPE_TEXT, TM_TYPE_DATE};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(tm__table_column(table, i)->type, want[i]);
    }
    for (uint64_t row = 0; row < 10000; row += 37) {
        assert_int_equal(tm__column_cell(tm__table_column(table, 0), row).i64, row);
    }
    tm__table_unref(table);
    assert_int_equal(read_body(p, &body, 9999, &table, &err), TM_E_LIMIT);
    assert_string_equal(err.message, "more than 9999 rows");
    tm__buf_done(&body);
    tm__parquet_free(p);
    assert_nothing_left(*state);
}

static void a_file_that_is_none_is_an_error(void **state) {
    tm_buf body;
    tm_table *table = NULL;
    tm_parquet *p = tm__parquet_create(*state, supervisor);
    make_parquet("SELECT range AS id FROM range(100)", &body);
    const size_t len = body.len;
    for (size_t cut = 1; cut < len; cut += len / 5) { /* without its end nothing is started */
        body.len = len - cut;
        tm_err err = {0};
        assert_int_equal(read_body(p, &body, 100, &table, &err), TM_E_DATA);
        assert_string_equal(err.message, "the body is no whole Parquet file");
    }
    body.len = len;
    memset(body.data + len - 30, 0xff, 20); /* the footer */
    tm_err err = {0};
    assert_int_equal(read_body(p, &body, 100, &table, &err), TM_E_DATA);
    assert_true(strstr(err.message, "/push-") == NULL); /* no path of ours */
    assert_null(table);
    tm__buf_done(&body);
    tm__parquet_free(p);
    assert_nothing_left(*state);
}

static void what_unpacks_to_too_much_is_a_limit(void **state) {
    tm_buf body;
    tm_err err = {0};
    tm_table *table = NULL;
    tm_parquet *p = tm__parquet_create(*state, supervisor);
    make_parquet("SELECT repeat('x', 10000) AS t FROM range(90000)", &body);
    assert_true(body.len < 100000);
    assert_int_equal(read_body(p, &body, 100000, &table, &err), TM_E_LIMIT);
    assert_string_equal(err.message, "the Parquet file unpacks to more than 256 MiB");
    tm__buf_done(&body);
    tm__parquet_free(p);
    assert_nothing_left(*state);
}

static void without_a_child_nothing_is_read(void **state) {
    tm_buf body;
    tm_table *table = NULL;
    make_parquet("SELECT 1 AS id", &body);
    tm_parquet *none = tm__parquet_create(*state, NULL);
    assert_int_equal(read_body(none, &body, 9, &table, NULL), TM_E_UNAVAILABLE);
    tm__parquet_free(none);
    tm_parquet *p = tm__parquet_create(*state, supervisor);
    tm__parquet_stop(p);
    assert_int_equal(read_body(p, &body, 9, &table, NULL), TM_E_UNAVAILABLE);
    tm__buf_done(&body);
    tm__parquet_free(p);
    tm__parquet_free(NULL);
}

typedef struct many {
    tm_parquet *p;
    tm_buf body;
    _Atomic uint32_t n_read, n_refused;
} many;

static void read_one(void *arg) {
    many *const m = arg;
    tm_table *table = NULL;
    const tm_status st = read_body(m->p, &m->body, 100000, &table, NULL);
    m->n_read += st == TM_OK;
    m->n_refused += st == TM_E_UNAVAILABLE;
    tm__table_unref(table);
}

static void two_are_read_at_once_and_no_more(void **state) {
    many m = {.p = tm__parquet_create(*state, supervisor)};
    tm_thread *threads[6];
    make_parquet("SELECT range AS id, hash(range) AS h FROM range(100000)", &m.body);
    for (size_t i = 0; i < 6; i++) {
        threads[i] = tm__thread_create(read_one, &m, "reader");
        assert_non_null(threads[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        tm__thread_join(threads[i]);
    }
    assert_int_equal(m.n_read + m.n_refused, 6);
    assert_true(m.n_read >= 2 && m.n_refused >= 1);
    tm__buf_done(&m.body);
    tm__parquet_free(m.p);
    assert_nothing_left(*state);
}

static void lost_memory_is_told_or_rows_are_whole(void **state) {
    tm_buf body;
    tm_parquet *p = tm__parquet_create(*state, supervisor);
    tm_status st = TM_E_NOMEM;
    make_parquet("SELECT range AS id, CASE WHEN range = 7 THEN repeat('x', 2000000) ELSE 'a' END"
                 " AS t FROM range(100)",
                 &body);
    const tm_parquet_body b = {.data = body.data, .len = body.len, .n_rows_max = 100};
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_table *table = NULL;
        tm_bad_values bad = {0};
        tm_err err = {0};
        tm__mem_fail_at(nth, nth % 2 == 0); /* once, or from there on */
        st = tm__parquet_read(p, &b, &table, &bad, &err);
        tm__mem_fail_at(0, false);
        if (st == TM_OK) {
            assert_int_equal(tm__table_rows(table), 100);
        } else if (st != TM_E_NOMEM) {
            fail_msg("%d: %s", (int)nth, err.message);
        }
        tm__table_unref(table);
        tm__bad_values_done(&bad);
        assert_true(nth < 1000);
    }
    tm__buf_done(&body);
    tm__parquet_free(p);
    /* A child of which nobody could be asked writes into the folder that goes now. */
    tm__supervisor_close(supervisor);
    supervisor = NULL;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

/* The children of the tests are this program. */
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        TEST(rows_come_with_their_types),          TEST(a_file_that_is_none_is_an_error),
        TEST(what_unpacks_to_too_much_is_a_limit), TEST(without_a_child_nothing_is_read),
        TEST(two_are_read_at_once_and_no_more),    TEST(lost_memory_is_told_or_rows_are_whole),
    };
    if (argc == 5 && strcmp(argv[1], TM_PARQUET_CHILD) == 0) {
        return tm__parquet_child((const char *const *)argv + 2);
    }
    (void)tm__program_path();
    if (tm__supervisor_open(&supervisor, NULL) != TM_OK) {
        return 1;
    }
    const int failed = cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
    tm__supervisor_close(supervisor);
    return failed;
}
