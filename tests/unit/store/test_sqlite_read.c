/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite_read.h"

#include <sqlite3.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support.h"
#include "test.h"

#define FILE_NAME "others.db"

static void run(const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(tm__sqlite_vfs_init(NULL), TM_OK);
    assert_int_equal(sqlite3_open(FILE_NAME, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static tm_bad_values bad;

static tm_sqlite *open_file(void) {
    tm_sqlite *s = NULL;
    assert_int_equal(tm__sqlite_open(FILE_NAME, NULL, &s, NULL), TM_OK);
    return s;
}

static void block_done(tm_sqlite_block *block) {
    tm__table_unref(block->rows);
    tm__table_unref(block->cursor);
    tm__mem_free(block->hashes);
    tm__mem_free(block->known_hashes);
    *block = (tm_sqlite_block){0};
}

static void check_types(const tm_schema *schema, const char *query, const char *want) {
    tm_sqlite *s = open_file();
    tm_sqlite_block block = {0};
    char got[200] = "";
    const tm_sqlite_select select = {.query = query, .schema = schema};
    assert_int_equal(tm__sqlite_select(s, &select, NULL), TM_OK);
    assert_int_equal(tm__sqlite_next(s, &block, &bad, NULL), TM_OK);
    for (uint32_t i = 0; i < tm__table_cols(block.rows); i++) {
        strncat(got, i == 0 ? "" : " ", 2);
        strncat(got, tm__type_text(tm__table_column(block.rows, i)->type), 10);
    }
    assert_string_equal(got, want);
    block_done(&block);
    tm__sqlite_close(s);
}

static void a_column_has_the_type_of_its_values(void **state) {
    (void)state;
    run("CREATE TABLE t (i, f, x, d, s, m, b BOOLEAN, n, z INTEGER);"
        "INSERT INTO t VALUES (1, 1, 'a', '2024-01-01', '2024-01-01 10:00', 1, 0, NULL, NULL),"
        "(2, 1.5, 'b', '2024-02-01', '2024-01-01T10:00:00Z', 'x', 1, NULL, NULL)");
    check_types(NULL, "t", "int float text date time text bool text text");
    check_types(NULL, "SELECT i FROM t WHERE i = 1", "int");
    static char names[][2] = {"i", "f", "x", "d", "z"};
    tm_schema_column cols[] = {{.name = names[0], .type = TM_TYPE_TEXT},
                               {.name = names[1], .type = TM_TYPE_FLOAT},
                               {.name = names[2], .type = TM_TYPE_INT},
                               {.name = names[3], .type = TM_TYPE_TIME},
                               {.name = names[4], .type = TM_TYPE_BOOL}};
    const tm_schema schema = {.n_cols = 5, .cols = cols};
    check_types(&schema, "SELECT i, f, x, d, z FROM t WHERE i = 1", "text float text time bool");
}

static void values_are_as_they_are(void **state) {
    (void)state;
    tm_sqlite_block block = {0};
    run("CREATE TABLE t (id INTEGER PRIMARY KEY, v, d);"
        "INSERT INTO t VALUES (1, 9007199254740993, '2024-01-01'), (2, 0.1, '2024-01-01 00:00:01'),"
        "(3, 'text', NULL), (4, x'00ff', NULL), (5, NULL, NULL), (6, 9e999, NULL)");
    tm_sqlite *s = open_file();
    assert_int_equal(tm__sqlite_select(s, &(tm_sqlite_select){.query = "t"}, NULL), TM_OK);
    assert_int_equal(tm__sqlite_next(s, &block, &bad, NULL), TM_OK);
    static const char *const want[] = {"9007199254740993", "0.1", "text", "\\x00ff"};
    const tm_column *v = tm__table_column(block.rows, 1), *d = tm__table_column(block.rows, 2);
    for (uint32_t row = 0; row < 4; row++) {
        assert_true(tm__str_is(tm__column_cell(v, row).text, want[row]));
    }
    assert_true(tm__column_is_missing(v, 4));
    assert_int_equal(d->type, TM_TYPE_TIME);
    assert_int_equal(d->ints[1] - d->ints[0], 1000000);
    assert_null(block.cursor);
    block_done(&block);
    assert_int_equal(tm__sqlite_next(s, &block, &bad, NULL), TM_OK);
    assert_null(block.rows);
    tm__sqlite_close(s);
}

static void a_cursor_orders_rows_and_goes_on(void **state) {
    (void)state;
    static const struct {
        const char *after;
        uint64_t n;
        const char *first;
    } cases[] = {{NULL, 7, "i:-3"},
                 {"i:2", 6, "i:2"},
                 {"r:2.5", 4, "r:2.5"},
                 {"t:B", 3, "t:B"},
                 {"t:b", 1, "t:b"}};
    run("CREATE TABLE t (c COLLATE NOCASE, n);"
        "INSERT INTO t VALUES ('b', 1), ('a', 2), ('B', 3), (2.5, 4), (2, 5), (NULL, 6), (-3, 7),"
        "(2, 8)");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_sqlite *s = open_file();
        tm_sqlite_block block = {0};
        const tm_sqlite_select select = {
            .query = "SELECT * FROM t", .cursor = "c", .after = tm__str(cases[i].after)};
        tm_sqlite_select one = select;
        one.after.ptr = cases[i].after;
        assert_int_equal(tm__sqlite_select(s, &one, NULL), TM_OK);
        assert_int_equal(tm__sqlite_next(s, &block, &bad, NULL), TM_OK);
        assert_int_equal(tm__table_rows(block.rows), cases[i].n);
        assert_true(
            tm__str_is(tm__column_cell(tm__table_column(block.cursor, 0), 0).text, cases[i].first));
        block_done(&block);
        tm__sqlite_close(s);
    }
}

static void a_hash_is_of_what_is_stored(void **state) {
    (void)state;
    tm_sqlite_block a = {0}, b = {0};
    run("CREATE TABLE t (id, v); INSERT INTO t VALUES (1, 5), (1, 5), (1, '5'), (1, 6)");
    tm_sqlite *s = open_file();
    assert_int_equal(tm__sqlite_select(s, &(tm_sqlite_select){.query = "t", .cursor = "id"}, NULL),
                     TM_OK);
    assert_int_equal(tm__sqlite_next(s, &a, &bad, NULL), TM_OK);
    assert_true(a.hashes[0] == a.hashes[1]);
    assert_true(a.hashes[0] != a.hashes[2] && a.hashes[0] != a.hashes[3]);
    /* A column that is added without values, and another order, change nothing. */
    const tm_sqlite_select wider = {.query = "SELECT NULL AS extra, v, id FROM t", .cursor = "id"};
    assert_int_equal(tm__sqlite_select(s, &wider, NULL), TM_OK);
    assert_int_equal(tm__sqlite_next(s, &b, &bad, NULL), TM_OK);
    assert_memory_equal(a.hashes, b.hashes, 4 * sizeof(*a.hashes));
    assert_null(b.known_hashes);
    block_done(&b);
    /* Nor does one with values, where the columns of before are named. */
    json_t *known = json_pack("[s, s]", "id", "v");
    const tm_sqlite_select filled = {
        .query = "SELECT 7 AS extra, v, id FROM t", .cursor = "id", .known = known};
    assert_int_equal(tm__sqlite_select(s, &filled, NULL), TM_OK);
    assert_int_equal(tm__sqlite_next(s, &b, &bad, NULL), TM_OK);
    assert_memory_equal(a.hashes, b.known_hashes, 4 * sizeof(*a.hashes));
    assert_true(a.hashes[0] != b.hashes[0]);
    json_decref(known);
    block_done(&a);
    block_done(&b);
    tm__sqlite_close(s);
}

static void what_does_more_than_read_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *query;
        tm_status want;
    } cases[] = {
        {"DELETE FROM t", TM_E_USAGE},
        {"PRAGMA writable_schema = 1", TM_E_USAGE},
        {"SELECT 1; SELECT 2", TM_E_USAGE},
        {"SELECT 1) AS q; DROP TABLE t; SELECT (2", TM_E_USAGE},
        {"SELECT 1 FROM t) AS q; --", TM_E_USAGE},
        {"ATTACH 'x.db' AS x", TM_E_USAGE},
        {"SELECT load_extension('x')", TM_E_USAGE},
        {"SELECT * FROM pragma_table_info('t')", TM_E_USAGE},
        {"nowhere", TM_E_NOT_FOUND},
        {"SELECT \"nothing\" + FROM t", TM_E_USAGE},
        {"SELECT id, id FROM t", TM_OK}, /* SQLite gives the second one another name */
        {"", TM_E_USAGE},
    };
    run("CREATE TABLE t (id); INSERT INTO t VALUES (1)");
    tm_sqlite *s = open_file();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        const tm_sqlite_select select = {.query = cases[i].query};
        if (tm__sqlite_select(s, &select, &err) != cases[i].want) {
            fail_msg("%s: %s", cases[i].query, err.message);
        }
    }
    const tm_sqlite_select nobody = {.query = "t", .cursor = "nobody"};
    assert_int_equal(tm__sqlite_select(s, &nobody, NULL), TM_E_USAGE);
    const tm_sqlite_select strange = {.query = "t", .cursor = "id", .after = TM_STR("7")};
    assert_int_equal(tm__sqlite_select(s, &strange, NULL), TM_E_INTEGRITY);
    tm__sqlite_close(s);
}

static tm_status read_all(tm_err *err) {
    tm_sqlite *s = NULL;
    tm_sqlite_block block = {0};
    tm_status st = tm__sqlite_open(FILE_NAME, NULL, &s, err);
    st = st != TM_OK ? st : tm__sqlite_select(s, &(tm_sqlite_select){.query = "t"}, err);
    for (bool more = true; st == TM_OK && more;) {
        st = tm__sqlite_next(s, &block, &bad, err);
        more = block.rows != NULL;
        block_done(&block);
    }
    tm__sqlite_close(s);
    return st;
}

static void a_damaged_file_is_told(void **state) {
    (void)state;
    tm_buf bytes;
    tm_err err = {0};
    assert_int_equal(read_all(&err), TM_E_NOT_FOUND);
    assert_int_equal(tm__fs_publish(FILE_NAME, "id,name\n1,a\n", 12, NULL), TM_OK);
    assert_int_equal(read_all(&err), TM_E_DATA);
    assert_string_equal(err.message, "the file is no SQLite database");
    assert_int_equal(tm__fs_remove(FILE_NAME, NULL), TM_OK);
    run("CREATE TABLE t (id, w); WITH r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < "
        "999)"
        " INSERT INTO t SELECT i, 'word ' || i FROM r");
    assert_int_equal(read_all(NULL), TM_OK);
    tm__buf_init(&bytes, 1000000);
    assert_int_equal(tm__fs_read_all(FILE_NAME, &bytes, NULL), TM_OK);
    memset(bytes.data + bytes.len / 2, 0xee, 4096);
    assert_int_equal(tm__fs_publish(FILE_NAME, bytes.data, bytes.len, NULL), TM_OK);
    assert_int_equal(read_all(&err), TM_E_DATA);
    assert_string_equal(err.message, "the file is damaged");
    assert_string_equal(err.data_path, FILE_NAME);
    tm__buf_done(&bytes);
}

static void what_no_type_holds_stands_beside_the_rows(void **state) {
    (void)state;
    tm_err err = {0};
    tm_sqlite *s = NULL;
    tm_sqlite_block block = {0};
    run("CREATE TABLE t (id, w, n); INSERT INTO t VALUES (1, 'a', 1), (2, CAST(x'ff41' AS TEXT), "
        "2),"
        " (3, 'c', -9223372036854775808)");
    s = open_file();
    assert_int_equal(tm__sqlite_select(s, &(tm_sqlite_select){.query = "t"}, NULL), TM_OK);
    assert_int_equal(tm__sqlite_next(s, &block, &bad, NULL), TM_OK);
    assert_int_equal(tm__table_rows(block.rows), 3);
    assert_int_equal(tm__table_column(block.rows, 2)->type, TM_TYPE_INT);
    assert_int_equal(tm__table_column(block.rows, 1)->n_missing, 1);
    assert_int_equal(bad.n, 2);
    const tm_bad_value first = tm__bad_values_get(&bad, 0), second = tm__bad_values_get(&bad, 1);
    assert_int_equal(first.row, 1);
    assert_int_equal(first.col, 1);
    assert_int_equal(first.kind, TM_BAD_ENCODING);
    assert_true(tm__str_is(first.value, "\xff\x41"));
    assert_int_equal(second.row, 2);
    assert_int_equal(second.kind, TM_BAD_WHOLE);
    block_done(&block);
    tm__bad_values_done(&bad);
    /* As a cursor the one cannot be kept, the other can. */
    assert_int_equal(tm__sqlite_select(s, &(tm_sqlite_select){.query = "t", .cursor = "n"}, NULL),
                     TM_OK);
    assert_int_equal(tm__sqlite_next(s, &block, &bad, NULL), TM_OK);
    assert_true(tm__str_is(tm__column_cell(tm__table_column(block.cursor, 0), 0).text,
                           "i:-9223372036854775808"));
    block_done(&block);
    tm__bad_values_done(&bad);
    assert_int_equal(tm__sqlite_select(s, &(tm_sqlite_select){.query = "t", .cursor = "w"}, NULL),
                     TM_OK);
    assert_int_equal(tm__sqlite_next(s, &block, &bad, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "no cursor"));
    assert_int_equal(err.data_col, 2);
    tm__bad_values_done(&bad);
    tm__sqlite_close(s);
}

static void a_query_without_end_can_be_cancelled(void **state) {
    (void)state;
    _Atomic bool cancel = true;
    tm_sqlite *s = NULL;
    tm_sqlite_block block = {0};
    run("CREATE TABLE t (id)");
    assert_int_equal(tm__sqlite_open(FILE_NAME, &cancel, &s, NULL), TM_OK);
    const tm_sqlite_select endless = {
        .query = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) "
                 "SELECT i FROM r WHERE i < 0"};
    assert_int_equal(tm__sqlite_select(s, &endless, NULL), TM_OK);
    assert_int_equal(tm__sqlite_next(s, &block, &bad, NULL), TM_E_CANCELLED);
    tm__sqlite_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, test_folder_enter, test_folder_leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_column_has_the_type_of_its_values),       TEST(values_are_as_they_are),
        TEST(a_cursor_orders_rows_and_goes_on),          TEST(a_hash_is_of_what_is_stored),
        TEST(what_does_more_than_read_is_refused),       TEST(a_damaged_file_is_told),
        TEST(what_no_type_holds_stands_beside_the_rows), TEST(a_query_without_end_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
