/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/intake_priv.h"
#include "temp_home.h"
#include "test.h"

static tm_db *open_db(const tm_home *home) {
    tm_db *db = NULL;
    tm_err err = {0};
    if (tm__intake_db_open(home, true, &db, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return db;
}

static int64_t add_source(tm_db *db, const char *name) {
    const char *const keys[] = {"id"};
    const tm_intake_add add = {.name = name, .feed = "push", .keys = keys, .n_keys = 1};
    const tm_schema none = {0};
    tm_intake_columns *columns = NULL;
    int64_t id = 0;
    assert_int_equal(tm__intake_columns_create(&none, keys, 1, &columns, NULL), TM_OK);
    assert_int_equal(tm__intake_db_add_source_locked(db, &add, &id, NULL), TM_OK);
    assert_int_equal(tm__intake_db_add_columns_locked(db, id, columns, NULL), TM_OK);
    tm__intake_columns_unref(columns);
    return id;
}

static void a_source_is_found_by_its_name(void **state) {
    tm_db *db = open_db(*state);
    tm_source_row row = {0};
    tm_intake_columns *columns = NULL;
    tm_err err = {0};
    const int64_t id = add_source(db, "orders");
    assert_int_equal(tm__intake_db_source(db, "orders", &row, NULL), TM_OK);
    assert_int_equal(row.id, id);
    assert_string_equal(row.feed, "push");
    assert_string_equal(row.status, "ready");
    assert_true(json_is_null(row.state));
    assert_int_equal(tm__intake_db_columns(db, &row, &columns, NULL), TM_OK);
    assert_int_equal(columns->n_keys, 1);
    assert_string_equal(columns->schema.cols[0].name, "id");
    assert_int_equal(tm__intake_db_source(db, "order", &row, &err), TM_E_NOT_FOUND);
    assert_string_equal(err.hint, "Did you mean 'orders'?");
    const tm_intake_add again = {.name = "orders", .feed = "push"};
    int64_t other = 0;
    assert_int_equal(tm__intake_db_add_source_locked(db, &again, &other, &err), TM_E_CONFLICT);
    tm__intake_columns_unref(columns);
    tm__source_row_done(&row);
    tm__db_close(db);
}

/* As a kill in the first `data add` leaves it. */
static void a_file_that_was_never_finished_is_made_by_its_first_reader(void **state) {
    tm__temp_home_needs_file();
    tm_db *db = NULL;
    tm_source_row row = {0};
    assert_int_equal(tm__fs_publish(tm__home_intake_db(*state), "", 0, NULL), TM_OK);
    assert_int_equal(tm__intake_db_open(*state, false, &db, NULL), TM_OK);
    assert_int_equal(tm__intake_db_source(db, "orders", &row, NULL), TM_E_NOT_FOUND);
    tm__db_close(db);
    assert_int_equal(tm__fs_publish(tm__home_intake_db(*state), "not a database at all", 21, NULL),
                     TM_OK);
    assert_int_equal(tm__intake_db_open(*state, false, &db, NULL), TM_E_INTEGRITY);
}

static void a_mark_stands_for_its_item_in_its_source(void **state) {
    tm_db *db = open_db(*state);
    json_t *one = json_pack("{s:i}", "size", 1), *two = json_pack("{s:i}", "size", 2), *got = NULL;
    const int64_t a = add_source(db, "a"), b = add_source(db, "b");
    assert_int_equal(tm__intake_db_set_mark_locked(db, a, "x.csv", one, NULL), TM_OK);
    assert_int_equal(tm__intake_db_set_mark_locked(db, b, "x.csv", one, NULL), TM_OK);
    assert_int_equal(tm__intake_db_set_mark_locked(db, a, "x.csv", two, NULL), TM_OK);
    assert_int_equal(tm__intake_db_mark(db, a, "x.csv", &got, NULL), TM_OK);
    assert_int_equal(tm__json_i64(got, "size", 0), 2);
    json_decref(got);
    assert_int_equal(tm__intake_db_mark(db, b, "x.csv", &got, NULL), TM_OK);
    assert_int_equal(tm__json_i64(got, "size", 0), 1);
    json_decref(got);
    assert_int_equal(tm__intake_db_mark(db, b, "y.csv", &got, NULL), TM_OK);
    assert_true(json_is_null(got));
    json_decref(one);
    json_decref(two);
    tm__db_close(db);
}

static int64_t count_of(tm_db *db, const char *sql) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__stmt_init(db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    const int64_t n = has_row ? tm__stmt_i64(stmt, 0) : -1;
    tm__stmt_done(stmt);
    return n;
}

/* As the first format had sources and segments. */
static void an_older_file_is_brought_up(void **state) {
    tm__temp_home_needs_file();
    tm_db *db = open_db(*state);
    tm_source_row row = {0};
    const char *back =
        "DROP TABLE lookup; ALTER TABLE keys DROP COLUMN hashed;"
        "ALTER TABLE runs DROP COLUMN hashed;"
        "INSERT INTO sources(id, name, keys, created_us) VALUES(7, 'old', '[]', 5);"
        "INSERT INTO pushes(source, key, body, accepted, duplicates, quarantined, at_us)"
        " VALUES(7, 'once', zeroblob(32), 1, 0, 0, 5);"
        "INSERT INTO quarantine(seq, source, at_us, origin, row, col, reason, detail, bytes, names,"
        " dialect) VALUES(41, 7, 5, 'once', 1, 'x', 'type', '', x'41', 'id,x', '');"
        "DELETE FROM quarantine WHERE seq = 41;"
        "DROP TABLE taken; DROP TABLE sinks; DROP TABLE profiles; DROP TABLE anomalies;"
        "ALTER TABLE segments DROP COLUMN parts;"
        "ALTER TABLE segments DROP COLUMN n_bytes;"
        "ALTER TABLE sources DROP COLUMN failures;"
        "ALTER TABLE sources DROP COLUMN history;"
        "ALTER TABLE quarantine DROP COLUMN dialect;"
        "ALTER TABLE pushes DROP COLUMN dropped;"
        "ALTER TABLE sources DROP COLUMN quarantine_bytes;"
        "ALTER TABLE sources DROP COLUMN dropped;"
        "ALTER TABLE sources DROP COLUMN removed;"
        "ALTER TABLE sources DROP COLUMN removed_bytes;"
        "ALTER TABLE sources DROP COLUMN removed_us;"
        "ALTER TABLE quarantine DROP COLUMN names;"
        "ALTER TABLE sources DROP COLUMN next_us;"
        "ALTER TABLE sources DROP COLUMN pulled_us;"
        "ALTER TABLE sources DROP COLUMN tried_us;"
        "ALTER TABLE sources DROP COLUMN error;"
        "ALTER TABLE sources DROP COLUMN status;"
        "ALTER TABLE sources DROP COLUMN state;"
        "ALTER TABLE sources DROP COLUMN spec;"
        "ALTER TABLE sources DROP COLUMN feed;"
        "ALTER TABLE sources ADD COLUMN kind INTEGER NOT NULL DEFAULT 1;"
        "ALTER TABLE sources ADD COLUMN origin TEXT;"
        "INSERT INTO sources(name, kind, origin, keys, created_us)"
        " VALUES('p', 1, NULL, '[]', 5), ('f', 2, 'a''b.csv', '[\"k\"]', 5),"
        " ('q', 3, 'SELECT 1', '[]', 5);"
        "PRAGMA user_version=1;";
    assert_int_equal(tm__db_exec(db, back, NULL), TM_OK);
    tm__db_close(db);
    db = open_db(*state);
    const tm_hash body = {0};
    tm_push_result result = {0};
    bool is_found = false;
    assert_int_equal(
        tm__intake_db_find_push(db, 7, tm__str("once"), &body, &result, &is_found, NULL), TM_OK);
    assert_true(is_found && result.accepted == 1);
    assert_int_equal(count_of(db, "SELECT count(*) FROM pushes WHERE key = 'once' OR body ="
                                  " zeroblob(32)"),
                     0);
    assert_int_equal(count_of(db, "SELECT seq FROM sqlite_sequence WHERE name = 'quarantine'"), 41);
    assert_int_equal(tm__intake_db_source(db, "p", &row, NULL), TM_OK);
    assert_string_equal(row.feed, "push");
    assert_true(json_is_null(row.state));
    tm__source_row_done(&row);
    assert_int_equal(tm__intake_db_source(db, "f", &row, NULL), TM_OK);
    assert_string_equal(row.feed, "files");
    assert_string_equal(tm__json_text(row.spec, "files", ""), "a'b.csv");
    assert_true(json_is_true(json_object_get(row.state, "done")));
    assert_int_equal(json_array_size(row.keys), 1);
    tm__source_row_done(&row);
    assert_int_equal(tm__intake_db_source(db, "q", &row, NULL), TM_OK);
    assert_string_equal(tm__json_text(row.spec, "sql", ""), "SELECT 1");
    tm__source_row_done(&row);
    tm__db_close(db);
}

static void an_idempotency_key_has_one_answer(void **state) {
    tm_db *db = open_db(*state);
    const int64_t id = add_source(db, "orders"), other = add_source(db, "others");
    const tm_push_result answer = {.accepted = 3, .duplicates = 2, .quarantined = 1};
    tm_push_result found = {0};
    bool is_found = true;
    tm_hash body, changed;
    tm__hash_bytes("a", 1, &body);
    tm__hash_bytes("b", 1, &changed);
    const tm_str key = TM_STR("k");
    assert_int_equal(tm__intake_db_find_push(db, id, key, &body, &found, &is_found, NULL), TM_OK);
    assert_false(is_found);
    assert_int_equal(tm__intake_db_add_push_locked(db, id, key, &body, &answer, NULL), TM_OK);
    assert_int_equal(tm__intake_db_find_push(db, id, key, &body, &found, &is_found, NULL), TM_OK);
    assert_true(is_found && found.accepted == 3 && found.duplicates == 2 && found.quarantined == 1);
    assert_int_equal(tm__intake_db_find_push(db, id, key, &changed, &found, &is_found, NULL),
                     TM_E_CONFLICT);
    assert_int_equal(tm__intake_db_find_push(db, other, key, &changed, &found, &is_found, NULL),
                     TM_OK);
    assert_false(is_found);
    assert_int_equal(tm__intake_db_drop_pushes_locked(db, tm__now_us() - 60000000, NULL), TM_OK);
    assert_int_equal(tm__intake_db_find_push(db, id, key, &body, &found, &is_found, NULL), TM_OK);
    assert_true(is_found);
    assert_int_equal(tm__intake_db_drop_pushes_locked(db, tm__now_us() + 60000000, NULL), TM_OK);
    assert_int_equal(tm__intake_db_find_push(db, id, key, &body, &found, &is_found, NULL), TM_OK);
    assert_false(is_found);
    tm__db_close(db);
}

/* Keys of batches, then of runs, then of merged runs: the set is the same after each. */
static void keys_load_from_batches_and_runs(void **state) {
    const tm_home *home = *state;
    tm_db *db = open_db(home);
    const int64_t id = add_source(db, "orders");
    char *dir = tm__intake_dir(home, "keys", "orders");
    uint64_t n = 0;
    for (uint32_t round = 0; round < TM_KEY_FAN; round++) {
        tm_row_key keys[50];
        tm_key_set *set = tm__key_set_create(dir, 0);
        tm_key_run *run = NULL;
        for (uint32_t i = 0; i < 50; i++, n++) {
            keys[i] = tm__row_key(&n, sizeof(n));
        }
        assert_int_equal(tm__intake_db_add_keys_locked(db, id, &(tm_keys_put){keys, 50, 1}, NULL),
                         TM_OK);
        assert_int_equal(tm__intake_db_load_keys(db, id, dir, set, NULL), TM_OK);
        assert_int_equal(tm__key_set_recent(set), 50);
        assert_true(tm__key_set_freeze(set));
        assert_int_equal(tm__key_set_save(set, &run, NULL), TM_OK);
        const tm_run_put put = {.info = tm__key_run_info(run), .last_key = INT64_MAX};
        assert_int_equal(tm__intake_db_add_run_locked(db, id, &put, NULL), TM_OK);
        tm__key_run_close(run);
        tm__key_set_free(set);
    }
    tm_key_set *set = tm__key_set_create(dir, 0);
    tm_key_merge merge = {0};
    tm_key_run *run = NULL;
    assert_int_equal(tm__intake_db_load_keys(db, id, dir, set, NULL), TM_OK);
    assert_int_equal(tm__key_set_recent(set), 0);
    assert_true(tm__key_set_merge_due(set, &merge));
    assert_int_equal(tm__key_merge_run(&merge, &run, NULL), TM_OK);
    const tm_run_put put = {.info = tm__key_run_info(run), .merged = &merge};
    assert_int_equal(tm__intake_db_add_run_locked(db, id, &put, NULL), TM_OK);
    assert_int_equal(tm__key_set_replace(set, &merge, run, NULL), TM_OK);
    tm__key_set_free(set);
    set = tm__key_set_create(dir, 0);
    assert_int_equal(tm__intake_db_load_keys(db, id, dir, set, NULL), TM_OK);
    for (uint64_t i = 0; i < n; i++) {
        assert_true(tm__key_set_has(set, tm__row_key(&i, sizeof(i))));
    }
    assert_false(tm__key_set_merge_due(set, &merge));
    tm__key_set_free(set);
    tm__mem_free(dir);
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_mark_stands_for_its_item_in_its_source),
        TEST(a_source_is_found_by_its_name),
        TEST(a_file_that_was_never_finished_is_made_by_its_first_reader),
        TEST(an_older_file_is_brought_up),
        TEST(an_idempotency_key_has_one_answer),
        TEST(keys_load_from_batches_and_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
