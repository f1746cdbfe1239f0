/* SPDX-License-Identifier: Apache-2.0 */
/* Who leads: with tables in a file whoever opens them; the rest runs where TIDEMILL_TEST_DSN names
 * a server. TIDEMILL_TEST_TRIALS: how often a leader is stopped and goes on too late. */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "registry/leader.h"
#include "registry/registry_priv.h"
#include "temp_home.h"

#define SILENT_MS 200u
#define BUSY_MS 60000u /* of who must not lose it to a machine that is busy */
#define LATE_TRIES 5
#define TAKEOVER_S 60u

static bool has_server(void) {
    return getenv("TIDEMILL_TEST_DSN") != NULL;
}

static tm_leader *open_for(const tm_home *home, const char *name, uint32_t silent_ms) {
    tm_leader *leader = NULL;
    tm_err err = {0};
    const tm_leader_options options = {.name = name, .silent_ms = silent_ms};
    if (tm__leader_open(home, &options, &leader, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return leader;
}

static tm_leader *open_leader(const tm_home *home, const char *name) {
    return open_for(home, name, SILENT_MS);
}

static tm_leader_state state_of(tm_leader *leader) {
    tm_leader_state state;
    tm__leader_state(leader, &state);
    return state;
}

/* Look until it leads. */
static void until_leads(tm_leader *leader) {
    const uint64_t begun = tm__mono_ns();
    while (!state_of(leader).leads) {
        assert_true(tm__mono_ns() - begun < TAKEOVER_S * UINT64_C(1000000000));
        const uint32_t ms = tm__leader_step(leader);
        tm__sleep_ms(ms);
    }
}

static tm_registry *registry_of(const tm_home *home, int64_t epoch) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__registry_work_for(registry, epoch);
    return registry;
}

static tm_status commit(tm_registry *registry, tm_err *err) {
    char id[27];
    return tm__registry_job_add(registry, "retrain", "late", id, err);
}

static int64_t number(const tm_home *home, const char *sql) {
    tm_registry *registry = registry_of(home, 0);
    tm_stmt *stmt = NULL;
    bool has_row = false;
    assert_int_equal(tm__stmt_init(registry->db, sql, &stmt, NULL), TM_OK);
    assert_int_equal(tm__stmt_step(stmt, &has_row, NULL), TM_OK);
    const int64_t n = tm__stmt_i64(stmt, 0);
    tm__stmt_done(stmt);
    tm__registry_close(registry);
    return n;
}

static void with_tables_in_a_file_it_leads(void **state) {
    tm_leader *leader = open_leader(*state, "one");
    const tm_leader_state s = state_of(leader);
    assert_true(s.leads && s.is_known && !s.is_shared);
    assert_true(tm__leader_step(leader) >= 1000);
    json_t *text = tm__leader_json(leader);
    assert_true(json_is_null(text));
    json_decref(text);
    tm__leader_close(leader);
    tm__leader_close(NULL);
}

static void while_the_tables_are_away_nobody_is_known_to_lead(void **state) {
    tm_home *home = tm__temp_home_away(*state, "led");
    tm_leader *leader = open_leader(home, "one");
    assert_true(tm__leader_step(leader) > 0);
    const tm_leader_state s = state_of(leader);
    assert_true(s.is_shared && !s.leads && !s.is_known && s.why[0] != '\0');
    json_t *text = tm__leader_json(leader);
    assert_string_equal(tm__json_text(text, "role", ""), "unknown");
    assert_true(json_is_null(json_object_get(text, "leader")));
    json_decref(text);
    tm__leader_close(leader);
    tm__home_close(home);
}

static void one_leads_and_the_other_takes_over_when_it_ends(void **state) {
    tm_leader *one = open_for(*state, "one", BUSY_MS), *two = open_for(*state, "two", BUSY_MS);
    const tm_leader_state first = state_of(one);
    assert_true(first.leads && first.is_shared && first.took_us > 0);
    assert_false(state_of(two).leads);
    assert_string_equal(state_of(two).leader, "one");
    assert_int_equal(state_of(two).epoch, first.epoch);
    json_t *text = tm__leader_json(two);
    assert_string_equal(tm__json_text(text, "role", ""), "standby");
    assert_string_equal(tm__json_text(text, "leader", ""), "one");
    json_decref(text);
    tm__leader_step(one);
    assert_true(state_of(one).leads);
    tm__leader_close(one);
    until_leads(two);
    assert_true(state_of(two).epoch > first.epoch);
    assert_string_equal(state_of(two).leader, "");
    tm__leader_close(two);
}

static void a_leader_that_is_silent_does_not_think_that_it_leads(void **state) {
    tm_leader *one = open_leader(*state, "one");
    until_leads(one);
    tm__sleep_ms(SILENT_MS + 20);
    assert_false(state_of(one).leads); /* before it looks again */
    until_leads(one);                  /* for nobody else wanted to */
    tm__leader_close(one);
}

static void what_works_for_a_leader_before_changes_nothing(void **state) {
    tm_err err = {0};
    tm_leader *one = open_leader(*state, "one");
    tm_registry *late = registry_of(*state, state_of(one).epoch);
    assert_int_equal(commit(late, NULL), TM_OK);
    tm_leader *two = open_leader(*state, "two");
    until_leads(two); /* the first one is silent: its session is ended */
    const int64_t n = number(*state, "SELECT count(*) FROM jobs");
    assert_int_equal(commit(late, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "is over"));
    assert_int_equal(tm__registry_transact(late, NULL, NULL, NULL), TM_E_CONFLICT);
    assert_int_equal(number(*state, "SELECT count(*) FROM jobs"), n);
    tm__leader_step(one);
    assert_false(state_of(one).leads);
    assert_string_equal(state_of(one).leader, "two");
    tm__registry_close(late);
    tm__leader_close(one);
    tm__leader_close(two);
}

/* Leads and commits until it is refused, then a few times more without a look: 0 when each of those
 * was refused. A connection that was ended within a transaction has committed nothing. */
static void lead_until_refused(const tm_home *home, int fd) {
    tm_leader *leader = open_leader(home, "stale");
    until_leads(leader);
    tm_registry *registry = registry_of(home, state_of(leader).epoch);
    tm_status st = commit(registry, NULL);
    const bool is_told = write(fd, "L", 1) == 1;
    while (is_told && st == TM_OK) {
        (void)tm__leader_step(leader);
        st = commit(registry, NULL);
    }
    int n_refused = st == TM_E_CONFLICT || st == TM_E_UNAVAILABLE ? 1 : 0;
    for (int i = 0; i < LATE_TRIES; i++) {
        n_refused += commit(registry, NULL) == TM_E_CONFLICT ? 1 : 0;
    }
    _exit(n_refused == LATE_TRIES + 1 ? 0 : 1);
}

static void stop_one(const tm_home *home, int trial) {
    int fds[2], status = 0;
    char told = 0;
    assert_int_equal(pipe(fds), 0);
    const pid_t child = fork();
    if (child == 0) {
        lead_until_refused(home, fds[1]);
    }
    assert_int_equal(read(fds[0], &told, 1), 1);
    tm__sleep_ms((uint32_t)trial % 7); /* anywhere in its work, within a transaction too */
    assert_int_equal(kill(child, SIGSTOP), 0);
    tm_leader *leader = open_leader(home, "next");
    until_leads(leader);
    const int64_t n = number(home, "SELECT count(*) FROM jobs");
    assert_int_equal(kill(child, SIGCONT), 0);
    while (waitpid(child, &status, WNOHANG) == 0) {
        (void)tm__leader_step(leader);
    }
    assert_int_equal(status, 0);
    assert_int_equal(number(home, "SELECT count(*) FROM jobs"), n);
    tm__leader_close(leader);
    close(fds[0]);
    close(fds[1]);
}

static void a_leader_that_was_stopped_commits_nothing_afterwards(void **state) {
    const char *const text = getenv("TIDEMILL_TEST_TRIALS");
    const int n_trials = text == NULL ? 3 : atoi(text);
    for (int trial = 0; trial < n_trials; trial++) {
        stop_one(*state, trial);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest with_file[] = {
        TEST(with_tables_in_a_file_it_leads),
        TEST(while_the_tables_are_away_nobody_is_known_to_lead),
    };
    /* tests/e2e/test_store_postgres.py starts one. */
    const struct CMUnitTest with_server[] = {
        TEST(while_the_tables_are_away_nobody_is_known_to_lead),
        TEST(one_leads_and_the_other_takes_over_when_it_ends),
        TEST(a_leader_that_is_silent_does_not_think_that_it_leads),
        TEST(what_works_for_a_leader_before_changes_nothing),
        TEST(a_leader_that_was_stopped_commits_nothing_afterwards),
    };
    return has_server() ? cmocka_run_group_tests(with_server, NULL, NULL)
                        : cmocka_run_group_tests(with_file, NULL, NULL);
}
