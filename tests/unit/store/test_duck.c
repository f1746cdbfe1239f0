/* SPDX-License-Identifier: Apache-2.0 */
#include "store/duck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "store/vault.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static tm_duck *duck;

static int open_duck(void **state) {
    (void)state;
    return tm__duck_open(&(tm_duck_options){.n_threads = 2}, &duck, NULL) == TM_OK ? 0 : 1;
}

static int close_duck(void **state) {
    (void)state;
    tm__duck_close(duck);
    return 0;
}

static void rows_come_in_order_with_names_and_types(void **state) {
    (void)state;
    tm_table *table = NULL;
    assert_int_equal(tm__duck_query(duck,
                                    "SELECT i AS n, i / 2 AS f, CASE WHEN i % 2 = 0 THEN 'even' "
                                    "END AS \"the word\" FROM range(100000) t(i)",
                                    0, &table, NULL),
                     TM_OK);
    assert_int_equal(tm__table_rows(table), 100000);
    assert_int_equal(tm__table_find(table, "the word"), 2);
    const tm_column *const n = tm__table_column(table, 0);
    const tm_column *const word = tm__table_column(table, 2);
    for (int64_t row = 0; row < 100000; row++) {
        assert_int_equal(n->ints[row], row);
        assert_int_equal(tm__column_is_missing(word, (uint64_t)row), row % 2);
    }
    assert_int_equal(tm__dict_count(word->dict), 1);
    assert_int_equal(word->n_missing, 50000);
    tm__table_unref(table);
}

static void a_result_without_rows_has_its_columns(void **state) {
    (void)state;
    tm_table *table = NULL;
    assert_int_equal(tm__duck_query(duck, "SELECT 1 AS a WHERE false", 0, &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 0);
    assert_int_equal(tm__table_cols(table), 1);
    tm__table_unref(table);
}

static void nested_values_become_json_text(void **state) {
    (void)state;
    tm_table *table = NULL;
    assert_int_equal(tm__duck_query(duck,
                                    "SELECT [i] AS \"a \"\"b\"\"\", {'k': i} AS s, i AS n FROM "
                                    "range(3) t(i) ORDER BY i DESC ; ",
                                    0, &table, NULL),
                     TM_OK);
    assert_string_equal(tm__table_column(table, 0)->name, "a \"b\"");
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 0), 0).text, "[2]"));
    assert_true(tm__str_is(tm__column_cell(tm__table_column(table, 1), 2).text, "{\"k\":0}"));
    assert_int_equal(tm__table_column(table, 2)->ints[1], 1);
    tm__table_unref(table);
}

static void what_is_not_one_select_is_refused(void **state) {
    (void)state;
    const struct {
        const char *sql, *message;
    } cases[] = {
        {"", "the query is empty"},
        {"-- nothing", "the query is empty"},
        {"SELECT 1; SELECT 2", "the query has more than one statement"},
        {"CREATE TABLE t AS SELECT 1", "the query is not a SELECT"},
        {"COPY (SELECT 1) TO '/tmp/tidemill-never.csv'", "the query is not a SELECT"},
        {"SET threads = 1", "the query is not a SELECT"},
        {"INSTALL httpfs", "the query is not a SELECT"},
        {"LOAD httpfs", "the query is not a SELECT"},
        {"ATTACH '/tmp/tidemill-never.db' AS d", "the query is not a SELECT"},
        {"SELECT ?", "the query has parameters"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_table *table = NULL;
        tm_err err = {0};
        assert_int_equal(tm__duck_query(duck, cases[i].sql, 0, &table, &err), TM_E_USAGE);
        assert_string_equal(err.message, cases[i].message);
        assert_null(table);
    }
}

static void too_many_rows_are_refused(void **state) {
    (void)state;
    tm_table *table = NULL;
    tm_err err = {0};
    assert_int_equal(tm__duck_query(duck, "SELECT 1 FROM range(11)", 10, &table, &err), TM_E_LIMIT);
    assert_string_equal(err.message, "the query gives more than 10 rows");
    assert_int_equal(tm__duck_query(duck, "SELECT 1 AS a FROM range(10)", 10, &table, &err), TM_OK);
    tm__table_unref(table);
}

typedef struct sum {
    int64_t n, next;
    int64_t stop_at;
} sum;

static tm_status add_chunk(void *arg, tm_table *chunk, tm_err *err) {
    sum *const s = arg;
    const tm_column *const c = tm__table_column(chunk, 0);
    for (uint64_t row = 0; row < tm__table_rows(chunk); row++, s->next++) {
        assert_int_equal(c->ints[row], s->next);
        assert_true(tm__str_is(tm__column_cell(tm__table_column(chunk, 1), row).text,
                               s->next % 3 == 0 ? "b" : "a"));
    }
    s->n++;
    return s->stop_at != 0 && s->next >= s->stop_at ? TM_FAIL(err, TM_E_CANCELLED, "enough")
                                                    : TM_OK;
}

static void a_stream_gives_the_same_rows_in_parts(void **state) {
    (void)state;
    const char *const sql = "SELECT i, (CASE WHEN i % 3 = 0 THEN 'b' ELSE 'a' END)::ENUM('a', 'b') "
                            "AS e FROM range(200000) t(i)";
    sum s = {0};
    assert_int_equal(tm__duck_stream(duck, sql, add_chunk, &s, NULL), TM_OK);
    assert_int_equal(s.next, 200000);
    assert_true(s.n > 3);
    s = (sum){.stop_at = 1};
    assert_int_equal(tm__duck_stream(duck, sql, add_chunk, &s, NULL), TM_E_CANCELLED);
    assert_int_equal(s.n, 1);
}

static void a_failure_amid_a_result_is_an_error(void **state) {
    (void)state;
    tm_table *table = NULL;
    tm_err err = {0};
    assert_int_equal(tm__duck_query(duck,
                                    "SELECT CAST(CASE WHEN i = 90000 THEN 'secret' ELSE '1' END AS "
                                    "INT) AS n FROM range(100000) t(i)",
                                    0, &table, &err),
                     TM_E_DATA);
    assert_string_equal(err.message, "a value cannot become INT32");
    assert_null(table);
}

static void only_the_paths_named_can_be_read(void **state) {
    (void)state;
    char dir[128], inside[128], outside[128], sql[256], forbidden[4][256];
    test_folder_join(&test_dir, "in", dir, sizeof(dir));
    test_folder_join(&test_dir, "in/a.csv", inside, sizeof(inside));
    test_folder_join(&test_dir, "b.csv", outside, sizeof(outside));
    assert_int_equal(tm__fs_mkdir(dir, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(inside, "n\n1\n", 4, NULL), TM_OK);
    assert_int_equal(tm__fs_publish(outside, "n\n1\n", 4, NULL), TM_OK);
    const char *const paths[] = {dir};
    tm_duck *sealed = NULL;
    assert_int_equal(tm__duck_open(&(tm_duck_options){.paths = paths, .n_paths = 1}, &sealed, NULL),
                     TM_OK);
    tm_table *table = NULL;
    tm_err err = {0};
    (void)snprintf(sql, sizeof(sql), "SELECT * FROM '%s'", inside);
    assert_int_equal(tm__duck_query(sealed, sql, 0, &table, &err), TM_OK);
    tm__table_unref(table);
    table = NULL;
    (void)snprintf(forbidden[0], 256, "SELECT * FROM read_csv('%s')", outside);
    (void)snprintf(forbidden[1], 256, "SELECT * FROM read_csv('%s/../b.csv')", dir);
    (void)snprintf(forbidden[2], 256, "SELECT * FROM read_text('/etc/passwd')");
    (void)snprintf(forbidden[3], 256, "SELECT * FROM glob('/etc/*')");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tm__duck_query(sealed, forbidden[i], 0, &table, &err), TM_E_NOT_ALLOWED);
    }
    assert_true(tm__duck_exec(sealed, "SET enable_external_access = true", NULL) != TM_OK);
    assert_true(tm__duck_exec(sealed, "SET autoinstall_known_extensions = true", NULL) != TM_OK);
    tm__duck_close(sealed);
}

static void set_after_a_while(void *arg) {
    tm__sleep_ms(50);
    *(volatile _Atomic bool *)arg = true;
}

static void a_long_query_can_be_cancelled(void **state) {
    (void)state;
    static volatile _Atomic bool cancel;
    tm_duck *other = NULL;
    tm_table *table = NULL;
    tm_err err = {0};
    assert_int_equal(
        tm__duck_open(&(tm_duck_options){.n_threads = 2, .cancel = &cancel}, &other, NULL), TM_OK);
    tm_thread *const thread =
        tm__thread_create(set_after_a_while, (void *)(uintptr_t)&cancel, "cancel");
    assert_int_equal(tm__duck_query(other,
                                    "SELECT count(*) AS n FROM range(200000) a, range(200000) b "
                                    "WHERE a.range * 7 % 11 = b.range % 13",
                                    0, &table, &err),
                     TM_E_CANCELLED);
    tm__thread_join(thread);
    assert_string_equal(err.message, "the query was cancelled");
    cancel = false;
    /* The other threads of DuckDB have stopped too. */
    assert_int_equal(tm__duck_query(other, "SELECT 1 AS a", 0, &table, &err), TM_OK);
    tm__table_unref(table);
    tm__duck_close(other);
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_table *table = NULL;
        tm__mem_fail_at(nth, false);
        st = tm__duck_query(duck, "SELECT 'x'::ENUM('x') AS e, [1] AS l FROM range(3)", 0, &table,
                            NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        tm__table_unref(table);
        assert_true(tm__mem_alive() == alive);
    }
}

/* More than it may use: in a home without a key it goes to files of the home, else it is refused.
 */
static void a_query_of_a_sealed_home_writes_nothing_to_the_disk(void **state) {
    static const char sql[] = "SELECT count(*) AS n FROM (SELECT i, md5(i::VARCHAR) AS s FROM"
                              " range(600000) t(i) ORDER BY s)";
    char id[TM_ENVELOPE_ID_TEXT];
    assert_int_equal(setenv("TM_TEST_KEY", KEY, 1), 0);
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        const tm_duck_options options = {
            .temp_dir = tm__home_temp(*state), .memory_bytes_max = 20 << 20, .n_threads = 1};
        tm_duck *own = NULL;
        tm_table *table = NULL;
        tm_err err = {0};
        assert_int_equal(tm__duck_open(&options, &own, NULL), TM_OK);
        assert_int_equal(tm__duck_query(own, sql, 0, &table, &err), is_sealed ? TM_E_NOMEM : TM_OK);
        assert_int_equal(strstr(err.hint, "sealed home") != NULL, is_sealed);
        tm__table_unref(table);
        tm__duck_close(own);
        assert_int_equal(tm__vault_use(*state, "env:TM_TEST_KEY", id, NULL), TM_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_order_with_names_and_types),
        cmocka_unit_test(a_result_without_rows_has_its_columns),
        cmocka_unit_test(nested_values_become_json_text),
        cmocka_unit_test(what_is_not_one_select_is_refused),
        cmocka_unit_test(too_many_rows_are_refused),
        cmocka_unit_test(a_stream_gives_the_same_rows_in_parts),
        cmocka_unit_test(a_failure_amid_a_result_is_an_error),
        cmocka_unit_test_setup_teardown(only_the_paths_named_can_be_read, test_dir_make,
                                        test_dir_remove),
        cmocka_unit_test(a_long_query_can_be_cancelled),
        cmocka_unit_test_setup_teardown(a_query_of_a_sealed_home_writes_nothing_to_the_disk,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, open_duck, close_duck);
}
