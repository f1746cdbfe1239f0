/* SPDX-License-Identifier: Apache-2.0 */
/* What a home of a release with format 1 becomes is in tests/e2e/test_compat.py; here are logs that
 * no release wrote. */
#include "test.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/mem.h"
#include "log_case.h"
#include "monitor/monitor_priv.h"
#include "temp_home.h"

static const char tables[] =
    "CREATE TABLE answers(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at_us INTEGER NOT NULL,"
    " event_us INTEGER NOT NULL, entity TEXT, route TEXT NOT NULL, model TEXT NOT NULL,"
    " version INTEGER NOT NULL, row TEXT NOT NULL, outputs BLOB NOT NULL,"
    " latency_us INTEGER NOT NULL, label TEXT, labelled_us INTEGER) STRICT;"
    "CREATE TABLE labels(seq INTEGER PRIMARY KEY, prediction_id TEXT, model TEXT, entity TEXT,"
    " event_us INTEGER, value TEXT NOT NULL, observed_us INTEGER NOT NULL,"
    " received_us INTEGER NOT NULL, state INTEGER NOT NULL,"
    " answer_seq INTEGER REFERENCES answers(seq)) STRICT;"
    "CREATE TABLE counters(model TEXT NOT NULL, name TEXT NOT NULL, n INTEGER NOT NULL,"
    " PRIMARY KEY(model, name)) STRICT;"
    "PRAGMA application_id = 1414351951; PRAGMA user_version = 1;";

static void make_log(const tm_home *home, const char *rows) {
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(tm__home_log_db(home), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, tables, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#define ANSWER(seq, id, row)                                                                       \
    "INSERT INTO answers VALUES(" #seq ", '" id "', 5, 6, 'e', 'r', 'm', 1, '" row                 \
    "', x'000000000000e03f', 7, NULL, NULL);"

static void rows_of_any_columns_are_kept(void **state) {
    make_log(*state, ANSWER(1, "A", "{\"x\":1}") ANSWER(2, "B", "{}")
                         ANSWER(3, "C", "{\"y\":\"t\",\"x\":null}") ANSWER(4, "D", "{\"x\":2.5}"));
    tm_monitor *monitor = NULL;
    const tm_monitor_options options = {.can_write = true};
    assert_int_equal(tm__monitor_open(*state, &options, &monitor, NULL), TM_OK);
    static const char *const want[][2] = {
        {"A", "{\"x\":1}"}, {"B", "{}"}, {"C", "{\"y\":\"t\",\"x\":null}"}, {"D", "{\"x\":2.5}"}};
    for (int i = 0; i < 4; i++) {
        json_t *found = NULL;
        assert_int_equal(tm__monitor_find(monitor, want[i][0], &found, NULL), TM_OK);
        json_t *row = json_loads(want[i][1], 0, NULL);
        assert_true(json_equal(json_object_get(found, "row"), row));
        json_decref(row);
        json_decref(found);
    }
    tm__monitor_close(monitor);
}

static void a_log_that_cannot_be_converted_stays_as_it_is(void **state) {
    static const char *const rows[] = {ANSWER(1, "A", "no JSON"), ANSWER(2, "A", "{}")};
    for (int i = 0; i < 2; i++) {
        tm_db *db = NULL;
        (void)remove(tm__home_log_db(*state));
        make_log(*state, rows[i]);
        for (int again = 0; again < 2; again++) {
            const tm_status st = tm__log_open(tm__home_log_db(*state), true, &db, NULL);
            assert_int_not_equal(st, TM_OK);
            assert_null(db);
        }
        sqlite3 *raw = NULL;
        assert_int_equal(sqlite3_open(tm__home_log_db(*state), &raw), SQLITE_OK);
        assert_int_equal(sqlite3_exec(raw, "SELECT row FROM answers", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(raw), SQLITE_OK);
    }
}

/* A log of today made one of format 3. */
static const char as_format_3[] =
    "CREATE TABLE old(id INTEGER PRIMARY KEY, route TEXT NOT NULL, model TEXT NOT NULL,"
    " version INTEGER NOT NULL, columns TEXT NOT NULL, UNIQUE(model, version, route, columns))"
    " STRICT;"
    "INSERT INTO old SELECT id, route, model, version, columns FROM streams;"
    "DROP TABLE streams; PRAGMA legacy_alter_table = ON; ALTER TABLE old RENAME TO streams;"
    "INSERT INTO counters VALUES('', 'written', 3), ('mill', 'dropped', 4), ('late', 'dropped', 5);"
    "DROP TABLE lanes; DROP TABLE followed; DROP TABLE lookup; PRAGMA user_version = 3;";

static void a_log_of_format_3_keeps_answers_labels_and_counts(void **state) {
    tm_monitor *monitor = log_case_open(*state, "drop", 0);
    const tm_label label = {.prediction_id = "a1", .value = "yes", .observed_us = TM_INT_MISSING};
    tm_label_result result = TM_LABEL_WAITING;
    assert_int_equal(log_case_answers(monitor, "mill", "a", 3), 0);
    assert_int_equal(tm__monitor_labels(monitor, &label, 1, &result, NULL), TM_OK);
    tm__monitor_close(monitor);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(tm__home_log_db(*state), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, as_format_3, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    monitor = log_case_open(*state, "drop", 0);
    assert_int_equal(log_case_count(monitor, "mill", "written"), 3);
    assert_int_equal(log_case_count(monitor, "mill", "dropped"), 4);
    assert_int_equal(log_case_count(monitor, "late", "dropped"), 5);
    assert_int_equal(log_case_count(monitor, NULL, "accepted"), 12);
    log_case_check_sums(monitor);
    assert_int_equal(log_case_answers(monitor, "mill", "b", 1), 0);
    assert_int_equal(tm__monitor_sync(monitor, NULL), TM_OK);
    json_t *found = NULL;
    assert_int_equal(tm__monitor_find(monitor, "a1", &found, NULL), TM_OK);
    assert_string_equal(tm__json_text(found, "label", ""), "yes");
    assert_string_equal(tm__json_text(found, "model", ""), "mill");
    json_decref(found);
    tm__monitor_close(monitor);
    uint32_t format = 0;
    assert_int_equal(tm__monitor_check(*state, false, &format, NULL), TM_OK);
    assert_int_equal(format, 7);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rows_of_any_columns_are_kept),
        TEST(a_log_of_format_3_keeps_answers_labels_and_counts),
        TEST(a_log_that_cannot_be_converted_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
