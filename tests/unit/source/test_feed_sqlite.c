/* SPDX-License-Identifier: Apache-2.0 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "source/feed.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;
static const char *path;

static void run(const char *sql) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void add(const tm_home *home, const char *cursor) {
    json_t *spec = json_pack("{s:s, s:s, s:s*}", "sqlite", path, "query", "t", "cursor", cursor);
    const tm_intake_add source = {.name = "q", .feed = "sqlite", .spec = spec};
    assert_int_equal(tm__feed_find("sqlite")->check(spec, false, NULL), TM_OK);
    assert_int_equal(tm__intake_add(home, &source, NULL), TM_OK);
    json_decref(spec);
}

static uint64_t pull(const tm_home *home) {
    tm_feed_pull r = {0};
    tm_err err = {0};
    if (tm__feed_pull(&ctx, home, "q", false, &r, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(r.quarantined, 0);
    return r.accepted;
}

static void only_new_rows_come_by_a_cursor(void **state) {
    const tm_home *home = *state;
    char file[4200];
    (void)snprintf(file, sizeof(file), "%s/others.db", tm__home_path(home));
    path = file;
    run("CREATE TABLE t (at TEXT, n INTEGER); INSERT INTO t VALUES ('2024-01-01 10:00', 1),"
        " ('2024-01-01 10:01', 2), ('2024-01-01 10:01', 2)");
    add(home, "at");
    assert_int_equal(pull(home), 3);
    assert_int_equal(pull(home), 0);
    run("INSERT INTO t VALUES ('2024-01-01 10:01', 2), ('2024-01-01 10:01', 3),"
        " ('2024-01-01 10:02', 4.5), ('2024-01-01 09:00', 5)");
    assert_int_equal(pull(home), 3); /* the one that is older than the last is not looked for */
    assert_int_equal(pull(home), 0);
}

static void rows_with_the_last_value_come_once_when_a_column_is_added(void **state) {
    const tm_home *home = *state;
    char file[4200];
    (void)snprintf(file, sizeof(file), "%s/others.db", tm__home_path(home));
    path = file;
    run("CREATE TABLE t (at INTEGER, n INTEGER); INSERT INTO t VALUES (1, 1), (2, 2), (2, 2), (2, "
        "3)");
    add(home, "at");
    assert_int_equal(pull(home), 4);
    run("ALTER TABLE t ADD COLUMN x INTEGER DEFAULT 5");
    assert_int_equal(pull(home), 0);
    run("INSERT INTO t VALUES (2, 2, 6), (2, 9, NULL)");
    assert_int_equal(pull(home), 2);
    assert_int_equal(pull(home), 0);
    /* From the next value on the new column tells rows apart. */
    run("ALTER TABLE t ADD COLUMN y DEFAULT 'y'; INSERT INTO t VALUES (3, 1, 1, 'a'), (3, 1, 2, "
        "'a')");
    assert_int_equal(pull(home), 2);
    run("INSERT INTO t VALUES (3, 1, 3, 'a')");
    assert_int_equal(pull(home), 1);
    assert_int_equal(pull(home), 0);
}

static void without_a_cursor_all_come_once(void **state) {
    const tm_home *home = *state;
    char file[4200];
    (void)snprintf(file, sizeof(file), "%s/others.db", tm__home_path(home));
    path = file;
    run("CREATE TABLE t (n); WITH r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 40000)"
        " INSERT INTO t SELECT i FROM r");
    add(home, NULL);
    assert_int_equal(pull(home), 40000);
    assert_int_equal(pull(home), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(only_new_rows_come_by_a_cursor),
        TEST(rows_with_the_last_value_come_once_when_a_column_is_added),
        TEST(without_a_cursor_all_come_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
