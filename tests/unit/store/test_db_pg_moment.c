/* SPDX-License-Identifier: Apache-2.0 */
/* Moments of changes, of PostgreSQL alone; runs where TIDEMILL_TEST_DSN names a server. */
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "db_case.h"

static void a_change_of_answers_takes_effect_after_it_is_known(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make), *other = db_case_open(&db_case_make);
    tm_db_moment moment = {0}, next = {0};
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    assert_int_equal(tm__db_moment(other, &moment, NULL), TM_OK);
    assert_true(moment.is_shared && moment.left_us <= 0 && moment.told_ns >= moment.asked_ns);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tm__db_begin(db, NULL), TM_OK);
        assert_int_equal(tm__db_changes_answers(db, NULL), TM_OK); /* waits for the one before */
        assert_int_equal(tm__db_moment(other, &next, NULL), TM_OK);
        assert_true(next.left_us <= 0);
        assert_int_equal(tm__db_changes_answers(db, NULL), TM_OK);
        assert_int_equal(db_case_insert(db, i == 0 ? "b" : "c", NULL), TM_OK);
        assert_int_equal(tm__db_commit(db, NULL), TM_OK);
        assert_int_equal(tm__db_moment(other, &next, NULL), TM_OK);
        assert_true(next.generation == moment.generation + i + 1);
        assert_true(next.left_us > 0 && next.left_us <= (int64_t)TM_DB_LEAD_MS * 1000);
    }
    assert_int_equal(db_case_insert(db, "d", NULL), TM_OK); /* another change leaves the moment */
    assert_int_equal(tm__db_moment(other, &moment, NULL), TM_OK);
    assert_true(moment.left_us < next.left_us);
    tm__db_close(db);
    tm__db_close(other);
}

static void a_look_waits_for_a_commit_that_is_on_its_way(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(
        tm__db_exec(db, "SELECT pg_advisory_xact_lock(1414352208, hashtext(current_schema()))",
                    NULL),
        TM_OK);
    const pid_t child = fork();
    if (child == 0) {
        tm_db *own = db_case_open(&db_case_make);
        tm_db_moment moment = {0};
        const uint64_t begun_ns = tm__mono_ns();
        const bool ok = tm__db_moment(own, &moment, NULL) == TM_OK &&
                        moment.told_ns - begun_ns >= UINT64_C(20000000) &&
                        moment.asked_ns - begun_ns < UINT64_C(600000000000);
        tm__db_close(own);
        _exit(ok ? 0 : 1);
    }
    while (db_case_number(db, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT"
                              " granted AND classid = 1414352208") == 0) {
        usleep(1000);
    }
    usleep(20000);
    tm__db_rollback(db);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    tm__db_close(db);
}

static void a_look_at_a_server_that_ended_the_connection_is_no_failure(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make), *other = db_case_open(&db_case_make);
    tm_db_moment moment = {0};
    assert_int_equal(tm__db_moment(db, &moment, NULL), TM_OK);
    assert_true(db_case_number(other,
                               "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE"
                               " application_name = 'tidemill ' || current_schema() AND pid <>"
                               " pg_backend_pid()") >= 1);
    assert_int_equal(tm__db_moment(db, &moment, NULL), TM_OK);
    tm__db_close(db);
    tm__db_close(other);
}

static void a_schema_of_a_release_before_gets_what_it_lacks(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make);
    tm_db_moment moment = {0};
    assert_int_equal(tm__db_exec(db, "ALTER TABLE tidemill DROP COLUMN moves_us", NULL), TM_OK);
    tm__db_close(db);
    db = db_case_open(&db_case_make);
    assert_int_equal(tm__db_moment(db, &moment, NULL), TM_OK);
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, db_case_pg_set_up, db_case_pg_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_change_of_answers_takes_effect_after_it_is_known),
        TEST(a_look_waits_for_a_commit_that_is_on_its_way),
        TEST(a_look_at_a_server_that_ended_the_connection_is_no_failure),
        TEST(a_schema_of_a_release_before_gets_what_it_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
