/* SPDX-License-Identifier: Apache-2.0 */
/* What is so of PostgreSQL alone; runs where TIDEMILL_TEST_DSN names a server. */
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db_case.h"
#include "store/db_pg_priv.h"

/* The server ends the connection, as a restart does. */
static void cut(tm_db *victim, tm_db *other) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    const int64_t pid = db_case_number(victim, "SELECT pg_backend_pid()");
    assert_int_equal(tm__stmt_init(other, "SELECT pg_terminate_backend(?::int, 5000)", &stmt, NULL),
                     TM_OK);
    tm__stmt_bind_i64(stmt, 1, pid);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    tm__stmt_done(stmt);
}

static void a_broken_connection_is_made_anew_outside_a_transaction(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make), *other = db_case_open(&db_case_make);
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    cut(db, other);
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 1);
    cut(db, other);
    assert_int_equal(db_case_insert(db, "b", NULL), TM_OK);
    cut(db, other);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(db_case_insert(db, "c", NULL), TM_OK);
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 3);
    tm__db_close(db);
    tm__db_close(other);
}

static void a_connection_that_breaks_inside_a_transaction_fails_all_of_it(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make), *other = db_case_open(&db_case_make);
    tm_err err = {0};
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(db_case_insert(db, "a", NULL), TM_OK);
    cut(db, other);
    assert_int_equal(db_case_insert(db, "b", NULL), TM_E_UNAVAILABLE);
    assert_false(tm__db_is_in_transaction(db));
    assert_int_equal(db_case_insert(db, "c", NULL), TM_E_UNAVAILABLE); /* not one of its own */
    assert_int_equal(tm__db_commit(db, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "nothing was"));
    assert_int_equal(db_case_number(db, "SELECT count(*) FROM t"), 0);
    assert_int_equal(db_case_insert(db, "d", NULL), TM_OK);
    tm__db_close(db);
    tm__db_close(other);
}

static void a_writer_whose_network_is_gone_is_given_up_before_others_are_tired(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make);
    static const char setting[] = "SELECT setting::bigint FROM pg_settings WHERE name = ";
    char sql[120];
    int64_t found[5];
    static const char *const names[] = {"tcp_keepalives_idle", "tcp_keepalives_interval",
                                        "tcp_keepalives_count", "tcp_user_timeout", "lock_timeout"};
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(sql, sizeof(sql), "%s'%s'", setting, names[i]);
        found[i] = db_case_number(db, sql);
    }
    assert_in_range(found[3], 1, found[4] - 1000);                                /* ms */
    assert_in_range(found[0] + found[1] * found[2], 1, (found[4] - 1000) / 1000); /* s */
    assert_true(found[0] > 0 && found[1] > 0 && found[2] > 0);
    tm__db_close(db);
}

static void a_writer_waits_for_the_one_before(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make);
    int done[2];
    assert_int_equal(pipe(done), 0);
    assert_int_equal(tm__db_begin(db, NULL), TM_OK);
    assert_int_equal(db_case_insert(db, "first", NULL), TM_OK);
    const pid_t child = fork();
    if (child == 0) { /* it must find what the first one wrote */
        tm_db *own = db_case_open(&db_case_make);
        const bool ok = tm__db_begin(own, NULL) == TM_OK &&
                        db_case_number(own, "SELECT count(*) FROM t") == 1 &&
                        db_case_insert(own, "second", NULL) == TM_OK &&
                        tm__db_commit(own, NULL) == TM_OK;
        tm__db_close(own);
        _exit(ok ? 0 : 1);
    }
    tm_db *reader = db_case_open(&db_case_make);
    assert_int_equal(db_case_number(reader, "SELECT count(*) FROM t"), 0);
    usleep(50000);
    assert_int_equal(tm__db_commit(db, NULL), TM_OK);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(db_case_number(reader, "SELECT count(*) FROM t"), 2);
    tm__db_close(reader);
    tm__db_close(db);
}

static void what_is_of_files_has_an_answer(void **state) {
    (void)state;
    db_case_needs_postgres();
    tm_db *db = db_case_open(&db_case_make);
    tm_err err = {0};
    assert_true(tm__db_is_postgres(db));
    tm__db_on_log(db, NULL, NULL);
    assert_int_equal(tm__db_checkpoint(db, NULL), TM_OK);
    assert_int_equal(tm__db_check(db, NULL), TM_OK);
    assert_int_equal(tm__db_vacuum(db, &err), TM_E_UNSUPPORTED);
    assert_non_null(strstr(err.hint, "VACUUM FULL"));
    tm__db_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, db_case_pg_set_up, db_case_pg_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_broken_connection_is_made_anew_outside_a_transaction),
        TEST(a_connection_that_breaks_inside_a_transaction_fails_all_of_it),
        TEST(a_writer_whose_network_is_gone_is_given_up_before_others_are_tired),
        TEST(a_writer_waits_for_the_one_before),
        TEST(what_is_of_files_has_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
