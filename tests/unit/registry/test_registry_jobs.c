/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/clock.h"
#include "registry/turn.h"
#include "temp_home.h"
#include "tiny_bundle.h"

static const tm_actor actor = {.name = "cli:eve", .reason = "not today"};

static tm_registry *open_registry(const tm_home *home) {
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    return registry;
}

static size_t n_jobs(tm_registry *registry) {
    json_t *jobs = NULL;
    assert_int_equal(tm__registry_jobs(registry, &jobs, NULL), TM_OK);
    const size_t n = json_array_size(jobs);
    json_decref(jobs);
    return n;
}

static void old_jobs_go_but_for_the_newest(void **state) {
    tm_registry *registry = open_registry(*state);
    const int64_t begin_us = INT64_C(1750000000000000);
    char id[27], running[27];
    tm__clock_fix(begin_us);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "slow", running, NULL), TM_OK);
    for (int64_t i = 0; i < TM_JOBS_KEPT + 5; i++) {
        tm__clock_fix(begin_us + i);
        assert_int_equal(tm__registry_job_add(registry, "retrain", "late", id, NULL), TM_OK);
        assert_int_equal(tm__registry_job_end(registry, id, "refused", NULL, NULL), TM_OK);
    }
    assert_int_equal(n_jobs(registry), TM_JOBS_KEPT + 6); /* they have just ended */
    tm__clock_fix(begin_us + TM_JOBS_KEPT_US + 1000);
    assert_int_equal(tm__registry_job_add(registry, "watch", "late", id, NULL), TM_OK);
    assert_int_equal(n_jobs(registry), TM_JOBS_KEPT + 7); /* another kind */
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", id, NULL), TM_OK);
    assert_int_equal(n_jobs(registry), TM_JOBS_KEPT + 3);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "slow", id, NULL), TM_OK);
    assert_int_equal(tm__registry_job_end(registry, running, "done", NULL, NULL), TM_OK);
    tm__clock_fix(INT64_MIN);
    tm__registry_close(registry);
}

static void a_job_of_an_older_epoch_is_lost(void **state) {
    tm_registry *registry = open_registry(*state);
    char first[27], second[27];
    int64_t epoch = 0, next = 0;
    json_t *result = json_pack("{s:i}", "version", 2);
    assert_int_equal(tm__registry_epoch_begin(registry, &epoch, NULL), TM_OK);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", first, NULL), TM_OK);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", second, NULL), TM_OK);
    assert_int_equal(tm__registry_job_end(registry, first, "done", result, NULL), TM_OK);
    assert_int_equal(tm__registry_job_end(registry, first, "done", result, NULL), TM_E_CONFLICT);
    assert_int_equal(tm__registry_epoch_begin(registry, &next, NULL), TM_OK);
    assert_int_equal(next, epoch + 1);
    assert_int_equal(tm__registry_job_end(registry, second, "done", result, NULL), TM_E_CONFLICT);
    json_t *jobs = NULL;
    assert_int_equal(tm__registry_jobs(registry, &jobs, NULL), TM_OK);
    assert_int_equal(json_array_size(jobs), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *job = json_array_get(jobs, i);
        const bool is_first = strcmp(tm__json_text(job, "id", ""), first) == 0;
        assert_string_equal(tm__json_text(job, "state", ""), is_first ? "done" : "lost");
        assert_int_equal(tm__json_i64(json_object_get(job, "result"), "version", 0),
                         is_first ? 2 : 0);
    }
    json_decref(jobs);
    json_decref(result);
    tm__registry_close(registry);
}

static void add_model(tm_registry *registry, const tm_home *home) {
    tm_bundle *bundle = tm__tiny_bundle_create(home, &(tm_tiny_bundle){.auc = 0.7});
    tm_version version = {0};
    assert_int_equal(tm__registry_add(registry, "late", bundle, NULL, &actor, &version, NULL),
                     TM_OK);
    tm__version_done(&version);
    tm__bundle_unref(bundle);
}

static tm_turn begin_turn(tm_registry *registry, tm_turn_state state) {
    tm_turn turn = {.model = "late", .champion = 1, .story = json_pack("{s:s}", "because", "x")};
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_OK);
    turn.state = state;
    assert_int_equal(tm__turn_save(registry, &turn, NULL), TM_OK);
    return turn;
}

static void expect_state(tm_registry *registry, const char *id, const char *want) {
    json_t *jobs = NULL, *job;
    size_t i;
    bool is_found = false;
    assert_int_equal(tm__registry_jobs(registry, &jobs, NULL), TM_OK);
    json_array_foreach(jobs, i, job) {
        if (strcmp(tm__json_text(job, "id", ""), id) == 0) {
            assert_string_equal(tm__json_text(job, "state", ""), want);
            is_found = true;
        }
    }
    assert_true(is_found);
    json_decref(jobs);
}

static void a_cancelled_job_takes_its_turn_with_it(void **state) {
    tm_registry *registry = open_registry(*state);
    char id[27];
    tm_err err = {0};
    add_model(registry, *state);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", id, NULL), TM_OK);
    tm_turn turn = begin_turn(registry, TM_TURN_JUDGING);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, NULL), TM_OK);
    expect_state(registry, id, "cancelling");
    /* What its child still has in hand comes too late. */
    tm_gate_verdict verdict = {.is_open = true};
    turn.version = 1;
    assert_int_equal(tm__turn_judge(registry, &turn, &verdict, &actor, NULL), TM_E_CONFLICT);
    json_t *turns = NULL, *history = NULL;
    assert_int_equal(tm__turn_list(registry, "late", 1, &turns, NULL), TM_OK);
    const json_t *const ended = json_array_get(turns, 0);
    assert_string_equal(tm__json_text(ended, "outcome", ""), "stopped");
    assert_string_equal(tm__json_text(ended, "reason", ""), "cancelled by cli:eve: not today");
    const tm_history_filter filter = {.event = "retrain.cancelled"};
    assert_int_equal(tm__registry_history_find(registry, "late", &filter, &history, NULL), TM_OK);
    const json_t *const record = json_array_get(history, 0);
    assert_string_equal(tm__json_text(record, "actor", ""), "cli:eve");
    assert_string_equal(tm__json_text(record, "reason", ""), "not today");
    assert_string_equal(tm__json_text(json_object_get(record, "details"), "job", ""), id);
    assert_int_equal(tm__json_i64(json_object_get(record, "details"), "turn", 0), 1);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "cancelling"));
    assert_int_equal(tm__registry_job_end(registry, id, "cancelled", NULL, NULL), TM_OK);
    expect_state(registry, id, "cancelled");
    json_decref(turns);
    json_decref(history);
    tm__turn_done(&turn);
    tm__registry_close(registry);
}

static void a_job_that_is_cancelled_before_its_turn_gets_none(void **state) {
    tm_registry *registry = open_registry(*state);
    char id[27];
    bool cancels = false;
    int64_t epoch = 0;
    add_model(registry, *state);
    assert_int_equal(tm__registry_epoch_begin(registry, &epoch, NULL), TM_OK);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", id, NULL), TM_OK);
    assert_int_equal(tm__registry_cancels(registry, "late", id, &cancels, NULL), TM_OK);
    assert_false(cancels);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, NULL), TM_OK);
    assert_int_equal(tm__registry_cancels(registry, "late", id, &cancels, NULL), TM_OK);
    assert_true(cancels);
    assert_int_equal(tm__registry_cancels(registry, "late", "other", &cancels, NULL), TM_OK);
    assert_false(cancels);
    tm_turn turn = {.model = "late", .champion = 1, .story = json_pack("{s:s}", "because", "x")};
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_E_CONFLICT);
    json_object_clear(turn.story); /* by hand */
    assert_int_equal(tm__turn_begin(registry, &turn, NULL), TM_OK);
    assert_int_equal(tm__registry_epoch_begin(registry, &epoch, NULL), TM_OK);
    expect_state(registry, id, "cancelled"); /* the daemon was killed before it could end it */
    tm__turn_done(&turn);
    tm__registry_close(registry);
}

static void what_a_job_left_to_be_gone_on_with_is_cancelled_too(void **state) {
    tm_registry *registry = open_registry(*state);
    char old[27], id[27];
    add_model(registry, *state);
    tm__clock_fix(1000);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", old, NULL), TM_OK);
    assert_int_equal(tm__registry_job_end(registry, old, "waits", NULL, NULL), TM_OK);
    tm__clock_fix(2000);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", id, NULL), TM_OK);
    tm_turn turn = begin_turn(registry, TM_TURN_TRAINING);
    assert_int_equal(tm__registry_job_end(registry, id, "waits", NULL, NULL), TM_OK);
    assert_int_equal(tm__registry_job_cancel(registry, old, &actor, NULL), TM_E_CONFLICT);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, NULL), TM_OK);
    expect_state(registry, id, "cancelled");
    expect_state(registry, old, "waits");
    assert_int_equal(tm__turn_save(registry, &turn, NULL), TM_E_CONFLICT);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, NULL), TM_E_CONFLICT);
    tm__turn_done(&turn);
    tm__clock_fix(INT64_MIN);
    tm__registry_close(registry);
}

static void what_is_past_its_gate_or_no_retraining_is_not_cancelled(void **state) {
    tm_registry *registry = open_registry(*state);
    char id[27];
    tm_err err = {0};
    add_model(registry, *state);
    assert_int_equal(tm__registry_job_cancel(registry, "nothing", &actor, &err), TM_E_NOT_FOUND);
    assert_non_null(strstr(err.hint, "job ls"));
    assert_int_equal(tm__registry_job_add(registry, "watch", "late", id, NULL), TM_OK);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "no retraining"));
    tm__clock_fix(1000);
    tm_turn turn = begin_turn(registry, TM_TURN_WATCHING); /* of the job before */
    tm__clock_fix(2000);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", id, NULL), TM_OK);
    tm__clock_fix(3000);
    tm_turn next = begin_turn(registry, TM_TURN_CLOSING);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, &err), TM_E_CONFLICT);
    assert_string_equal(err.message, "the retraining of 'late' is over");
    assert_int_equal(tm__turn_end(registry, &next, "promoted", "it is the champion", NULL), TM_OK);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, NULL), TM_E_CONFLICT);
    expect_state(registry, id, "running");
    tm__clock_fix(4000);
    assert_int_equal(tm__registry_job_add(registry, "retrain", "late", id, NULL), TM_OK);
    assert_int_equal(tm__registry_job_cancel(registry, id, &actor, NULL), TM_OK);
    tm__turn_done(&turn);
    tm__turn_done(&next);
    tm__clock_fix(INT64_MIN);
    tm__registry_close(registry);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(old_jobs_go_but_for_the_newest),
        TEST(a_job_of_an_older_epoch_is_lost),
        TEST(a_cancelled_job_takes_its_turn_with_it),
        TEST(a_job_that_is_cancelled_before_its_turn_gets_none),
        TEST(what_a_job_left_to_be_gone_on_with_is_cancelled_too),
        TEST(what_is_past_its_gate_or_no_retraining_is_not_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
